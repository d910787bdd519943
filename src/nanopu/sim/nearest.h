/* SPDX-License-Identifier: MIT */
/* Which of some known words is most like one that is unknown: for "did you mean". Case does not count. */
#ifndef NANOPU_SIM_NEAREST_H
#define NANOPU_SIM_NEAREST_H

#include "core/base.h"

struct nearest {
    const char *word;
    const char *best; /* NULL until nearest_try was called with a comparable word */
    unsigned distance;
};

/* word must stay valid while nearest_try is called. */
void nearest_start(struct nearest *n, const char *word);
void nearest_try(struct nearest *n, const char *known);

#endif /* NANOPU_SIM_NEAREST_H */
