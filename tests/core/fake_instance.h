/* SPDX-License-Identifier: MIT */
/* An instance without a device, for tests of what is below the libOSes. */
#ifndef TESTS_CORE_FAKE_INSTANCE_H
#define TESTS_CORE_FAKE_INSTANCE_H

#include "core/complete.h"
#include "core/instance.h"

#include <stdio.h>

static struct {
    int init_result; /* what the libOS's init returns */
    unsigned inits, finis;
} fake;

static int fake_init(struct instance *inst)
{
    fake.inits++;
    return fake.init_result == 0 ? 0 : error_set(&inst->error, -fake.init_result, "the device is on fire");
}

static void fake_fini(struct instance *inst)
{
    (void)inst;
    fake.finis++;
}

static const struct libos fake_libos = {.name = "fake", .what = "nothing", .init = fake_init, .fini = fake_fini};

/* Settings of a small instance without files. */
static inline void fake_config(struct config *cfg)
{
    config_defaults(cfg);
    cfg->memory_limit = 16777216;
    cfg->max_queues = 64;
    cfg->trace = false;
    cfg->stat = false;
}

static inline struct instance *fake_instance(const struct config *cfg)
{
    struct error_text et = {""};
    int err = 0;
    struct instance *inst = instance_new(&fake_libos, NULL, cfg, &err, &et);

    if (inst == NULL)
        fprintf(stderr, "instance_new: %d: %s\n", err, et.text);
    return inst;
}

#endif /* TESTS_CORE_FAKE_INSTANCE_H */
