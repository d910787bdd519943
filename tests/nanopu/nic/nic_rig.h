/* SPDX-License-Identifier: MIT */
/* One NIC for each test, whose core 0 has registered context 0. */
#ifndef TESTS_NANOPU_NIC_NIC_RIG_H
#define TESTS_NANOPU_NIC_NIC_RIG_H

#include "nanopu/nic/nic_internal.h"

#include "rig.h"

static struct rig rig;

static inline void begin(struct rig *r)
{
    rig_start(r);
    rig_register(r, 0, 0, 0);
}

static inline int setup(void **state)
{
    rig_params(&rig, "osdi21");
    begin(&rig);
    *state = &rig;
    return 0;
}

static inline int teardown(void **state)
{
    rig_stop(*state);
    return 0;
}

/* The same with parameters changed: key, value, ..., NULL. */
static inline void again(struct rig *r, const char *key, ...)
{
    va_list args;

    rig_stop(r);
    rig_params(r, "osdi21");
    va_start(args, key);
    for (; key != NULL; key = va_arg(args, const char *))
        rig_set(r, key, va_arg(args, const char *));
    va_end(args);
    begin(r);
}

static inline const struct nic_stats *stats(const struct rig *r)
{
    return nic_stats(r->nic);
}

#endif /* TESTS_NANOPU_NIC_NIC_RIG_H */
