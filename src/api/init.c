/* SPDX-License-Identifier: MIT */
/* An instance's beginning and end, and the words of errors. */
#include "api.h"

#include "libos/registry.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Thread_local struct api_thread api_self __attribute__((tls_model("initial-exec")));

/* Ends the instance of a thread that ends. */
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

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

static void end_thread(void *arg)
{
    api_self.inst = NULL;
    instance_free(arg);
}

/* The parent's instance in a child of fork. Nobody uses it; a leak checker sees that it is not lost. */
static struct instance *inherited;

/*
 * A child of fork shares files with its parent and must leave them alone; its copies of the descriptors go, or the
 * parent's connections would live as long as the child. It may call demi_init.
 */
static void forget_in_child(void)
{
    if (api_self.inst != NULL) {
        inherited = api_self.inst;
        instance_forget(inherited);
    }
    api_self.inst = NULL;
    pthread_setspecific(thread_key, NULL);
}

static void once(void)
{
    pthread_key_create(&thread_key, end_thread);
    pthread_atfork(NULL, NULL, forget_in_child);
}

/* The thread that calls exit does not run its key's destructor. */
__attribute__((destructor)) static void end_process(void)
{
    if (api_self.inst != NULL)
        demi_fini();
}

static int read_config(struct config *cfg)
{
    const char *path = getenv("CONFIG_PATH");
    int err = 0;

    config_defaults(cfg);
    if (path != NULL && path[0] != '\0')
        err = config_read_file(cfg, path, &api_self.error);
    if (err == 0)
        err = config_read_env(cfg, &api_self.error);
    /* the contract has one number for a configuration that cannot be used, unreadable or wrong */
    return err == 0 ? 0 : EINVAL;
}

int demi_init(const struct demi_args *args)
{
    const char *name = getenv("LIBOS");
    const struct libos *os;
    struct config cfg;
    int err = 0;

    (void)args; /* nothing in it is needed: settings come from the environment and the file */
    if (api_self.inst != NULL)
        return api_fail(EEXIST, "demi_init was called before in this thread");
    pthread_once(&thread_once, once);
    os = libos_find(name == NULL || name[0] == '\0' ? "catnap" : name, &err, &api_self.error);
    if (os == NULL)
        return -err;
    err = read_config(&cfg);
    if (err != 0)
        return err;
    api_self.inst = instance_new(os, &cfg, &err, &api_self.error);
    if (api_self.inst == NULL)
        return -err;
    pthread_setspecific(thread_key, api_self.inst);
    return 0;
}

int demi_fini(void)
{
    struct instance *inst = api_self.inst;

    if (inst == NULL)
        return api_no_instance();
    pthread_setspecific(thread_key, NULL);
    end_thread(inst);
    return 0;
}

const char *demi_last_error(void)
{
    return api_self.error.text;
}

const char *demi_strerror(int err)
{
    const char *text = err == 0 ? "Success" : strerrordesc_np(err);

    return text != NULL ? text : "Unknown error";
}

const char *demi_version(void)
{
    return CARACAL_VERSION;
}
