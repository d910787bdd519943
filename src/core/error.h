/* SPDX-License-Identifier: MIT */
/* The text behind an error code: where an error is found, its cause is written once, in words. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include "base.h"

/* Room for one message: a path, a key and a sentence. Longer texts are cut. */
#define ERROR_TEXT_MAX 512

struct error_text {
    char text[ERROR_TEXT_MAX];
};

/*
 * Writes the message of an error and returns -err, so that a caller can say `return error_set(...)`. err is positive.
 * et may be NULL: the code alone counts then. errno is left as it was.
 */
int error_set(struct error_text *et, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Name of a positive errno ("EINVAL"), "E?" when unknown. Static storage. */
const char *error_name(int err);

#endif /* CORE_ERROR_H */
