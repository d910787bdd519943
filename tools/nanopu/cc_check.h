/* SPDX-License-Identifier: MIT */
/* What went into a program from libraries that know nothing of the network registers. */
#ifndef NANOPU_CC_CHECK_H
#define NANOPU_CC_CHECK_H

#include "core/error.h"

/*
 * Looks at each library member that the linker's map names, except those of the runtime itself. 0, or -ENOEXEC when one
 * has code that touches x30 or x31, or another negative errno; et says which.
 */
int cc_check(const char *program, const char *map, struct error_text *et);

#endif /* NANOPU_CC_CHECK_H */
