/* SPDX-License-Identifier: MIT */
/*
 * One echo over TCP and a memory queue, every step of which may fail for want of something: it then gives up what it
 * has and tells the error. Nothing in it asserts, waits long, or leaves anything behind.
 */
#ifndef TESTS_STRESS_SCENARIO_H
#define TESTS_STRESS_SCENARIO_H

#include "api/rig.h"

/* 0: all of it worked; else the errno of the first step that failed, or -1 when an answer was wrong. */
int scenario_run(int domain);

/* Is err one that says that something ran out? */
bool scenario_ran_out(int err);

#endif /* TESTS_STRESS_SCENARIO_H */
