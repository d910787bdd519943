/* SPDX-License-Identifier: MIT */
/*
 * What the self test of a driver stands on: a network namespace of its own with a device and a program at the other end
 * that sends back what it gets. For a child process, which takes it all along when it ends.
 */
#ifndef DEMI_DOCTOR_WIRE_H
#define DEMI_DOCTOR_WIRE_H

#include "doctor.h"

#define WIRE_PORT 7007

/*
 * Prepares the environment's settings, the device and the other end, at 10.77.0.1. dir is the test's own directory.
 * False with t->why: what is missing.
 */
bool wire_make(struct selftest *t, const char *driver, const char *dir);

/* After demi_init: what the kernel's end of the device still needs. */
bool wire_join(struct selftest *t, const char *driver);

/* What would make a driver work that did not; "" when nothing is known. */
void wire_mend(const char *driver, const char *why, char *mend, size_t size);

#endif /* DEMI_DOCTOR_WIRE_H */
