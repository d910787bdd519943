/* SPDX-License-Identifier: MIT */
/* Opening a device by its driver's name. */
#include "drivers.h"

#include "core/module.h"
#include "netdev.h"
#include "spread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_ROOM 64

#define INSIDE(name, what) extern const struct netdev_driver netdev_##name;
#define MODULE(name, what, package)
NETDEV_DRIVERS(INSIDE, MODULE)
#undef INSIDE
#undef MODULE

static const struct {
    const char *name, *what;
    const struct netdev_driver *inside; /* NULL: in a module */
    const char *module, *package;
} known[] = {
#define INSIDE(name, what)          {#name, what, &netdev_##name, "", ""},
#define MODULE(name, what, package) {#name, what, NULL, "caracal-" #name, package},
    NETDEV_DRIVERS(INSIDE, MODULE)
#undef INSIDE
#undef MODULE
};

static int unknown_driver(const char *driver, struct error_text *et)
{
    char names[256] = "";
    size_t len = 0;

    for (size_t i = 0; i < ARRAY_LEN(known) && len < sizeof(names); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", known[i].name);
    return error_set(et, EINVAL, "driver: \"%.64s\" is not one; there are %s", driver, names);
}

/* The driver in module, which is open. */
static const struct netdev_driver *of_module(void *module, const char *name, struct error_text *et, int *err)
{
    char symbol[NAME_ROOM];
    const struct netdev_driver *driver;

    snprintf(symbol, sizeof(symbol), "caracal_netdev_%s", name);
    driver = module_symbol(module, symbol, et, err);
    if (driver == NULL || driver->netdev_bytes == sizeof(struct netdev))
        return driver;
    *err = error_set(et, EINVAL, "module caracal-%s is of another build of Caracal than the library", name);
    return NULL;
}

/* What is missing, after what module_open said. */
static int not_opened(size_t i, int err, struct error_text *et)
{
    struct error_text said = {""};

    if (err != -ENOENT)
        return err;
    if (et != NULL)
        said = *et;
    return error_set(et, ENOENT, "driver %s needs the package %s, also when Caracal is built: %.300s", known[i].name,
                     known[i].package, said.text);
}

static int open_known(size_t i, const struct netdev_params *p, struct netdev **d, struct error_text *et)
{
    const struct netdev_driver *driver = known[i].inside;
    void *module = NULL;
    int err = 0;

    if (driver == NULL) {
        module = module_open(known[i].module, et, &err);
        if (module == NULL)
            return not_opened(i, err, et);
        driver = of_module(module, known[i].name, et, &err);
    }
    if (driver != NULL)
        err = driver->queues != NETDEV_OWN && p->cfg->net_queues > 1 ? spread_open(driver, p, d, et)
                                                                     : driver->open(p, d, et);
    if (err == 0)
        (*d)->module = module;
    else if (module != NULL)
        module_close(module);
    return err;
}

int netdev_open(const char *driver, const struct netdev_params *p, struct netdev **d, struct error_text *et)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].name, driver) == 0)
            return open_known(i, p, d, et);
    return unknown_driver(driver, et);
}

void netdev_close(struct netdev *d)
{
    void *module = d->module;

    d->ops->close(d);
    if (module != NULL)
        module_close(module);
}

void netdev_each_driver(netdev_driver_fn *fn, void *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        fn(arg, known[i].name, known[i].what, known[i].module);
}
