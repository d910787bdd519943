/* SPDX-License-Identifier: MIT */
/* An instance's beginning and end, and the words of errors. */
#include "api.h"
#include "settings.h"

#include "libos/registry.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Thread_local struct api_thread api_self __attribute__((tls_model(API_TLS_MODEL)));

int api_fail(int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(api_self.error.text, sizeof(api_self.error.text), fmt, ap);
    va_end(ap);
    return err;
}

int api_no_instance(void)
{
    return api_fail(ENOSYS, "demi_init has not been called in this thread");
}

int api_fail_libos(struct instance *inst, const char *call, int neg)
{
    if (inst->error.text[0] != '\0')
        api_self.error = inst->error;
    else
        api_fail(-neg, "%s: %s", call, strerror(-neg));
    inst->error.text[0] = '\0';
    return -neg;
}

int demi_init(const struct demi_args *args)
{
    struct libos_choice os;
    struct config cfg;
    int err;

    (void)args; /* nothing in it is needed: settings come from the environment and the file */
    if (api_self.inst != NULL)
        return api_fail(EEXIST, "demi_init was called before in this thread");
    err = libos_find(api_libos_name(), &os, &api_self.error);
    if (err != 0)
        return -err;
    err = api_read_config(&cfg, &api_self.error);
    if (err != 0)
        return err;
    api_self.inst = instance_new(os.net, os.local, &cfg, &err, &api_self.error);
    if (api_self.inst == NULL)
        return -err;
    api_thread_owns(api_self.inst);
    return 0;
}

int demi_fini(void)
{
    struct instance *inst = api_self.inst;

    if (inst == NULL)
        return api_no_instance();
    api_thread_owns(NULL);
    api_self.inst = NULL;
    instance_free(inst);
    return 0;
}

const char *demi_last_error(void)
{
    return api_self.error.text;
}

const char *demi_version(void)
{
    return CARACAL_VERSION;
}
