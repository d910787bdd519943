/* SPDX-License-Identifier: MIT */
/* A module for module_test.c, in three kinds: of this build, of another (FAKE_OLD), without a mark (FAKE_UNMARKED). */
#include "core/instance.h"
#include "core/module.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const int fake_answer;
const int fake_answer = 42;

#ifndef FAKE_UNMARKED
EXPORT extern const struct module_mark caracal_module;
#ifdef FAKE_OLD
const struct module_mark caracal_module = {CARACAL_VERSION, sizeof(struct instance) + 8, sizeof(struct op),
                                           sizeof(struct queue), sizeof(struct config)};
#else
const struct module_mark caracal_module = MODULE_MARK;
#endif
#endif
