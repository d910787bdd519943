/* SPDX-License-Identifier: MIT */
/* demi doctor: what was looked at, what was found, and what mends it. */
#ifndef DEMI_DOCTOR_H
#define DEMI_DOCTOR_H

#include "core/config.h"
#include "core/error.h"

#define CHECKS_MAX 24
#define CHECK_TEXT 240

enum verdict {
    VERDICT_GOOD,
    VERDICT_WARN, /* works, but a limit will be met */
    VERDICT_BAD,
    VERDICT_INFO, /* neither good nor bad */
};

/* One thing of the machine. */
struct check {
    const char *name;
    enum verdict verdict;
    char found[CHECK_TEXT];
    char mend[CHECK_TEXT]; /* a command, "" when nothing needs or helps */
};

struct checks {
    struct check check[CHECKS_MAX];
    size_t count;
};

/* Adds a check with what was found; the result is for check_mend. */
struct check *check_add(struct checks *c, const char *name, enum verdict v, const char *fmt, ...) PRINTF_LIKE(4, 5);
void check_mend(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Takes "sudo " out of a command when this is root: it may not even be installed. */
void mend_for_user(char *command);

/*
 * Looks at the machine: kernel, limits, shared memory, clock, devices. cfg is NULL when the settings cannot be read;
 * problem then says why.
 */
void doctor_host(struct checks *c, const struct config *cfg, const char *problem);

/* Tries io_uring: whether a ring can be made, and each feature by using it. */
void doctor_uring(struct checks *c);

/* Would this machine do for a libOS that is not in this version? One line. */
void doctor_prospect(const char *libos, char *buf, size_t size);

/* A message through a libOS and back, in a process of its own. */
struct selftest {
    bool works;
    uint64_t round_trip_ns; /* least of several */
    char why[ERROR_TEXT_MAX];
};

/* engine: of catnap, or a driver of catpowder; "" where the libOS has no choice of one. */
void doctor_selftest(struct selftest *t, const char *libos, const char *engine);

#endif /* DEMI_DOCTOR_H */
