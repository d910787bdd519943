/* SPDX-License-Identifier: MIT */
/* The API on Linux: settings from the environment and a file, threads that end, children of fork. */
#include "api.h"
#include "settings.h"

#include <demi/ext.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Ends the instance of a thread that ends. */
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

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

static void end_thread(void *arg)
{
    api_self.inst = NULL;
    instance_free(arg);
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

void api_thread_owns(struct instance *inst)
{
    pthread_once(&thread_once, once);
    pthread_setspecific(thread_key, inst);
}

const char *api_libos_name(void)
{
    const char *name = getenv("LIBOS");

    return name == NULL || name[0] == '\0' ? "catnap" : name;
}

int api_read_config(struct config *cfg, struct error_text *et)
{
    const char *path = getenv("CONFIG_PATH");
    int err = 0;

    config_defaults(cfg);
    if (path != NULL && path[0] != '\0')
        err = config_read_file(cfg, path, et);
    if (err == 0)
        err = config_read_env(cfg, et);
    /* the contract has one number for a configuration that cannot be used, unreadable or wrong */
    return err == 0 ? 0 : EINVAL;
}

const char *demi_strerror(int err)
{
    const char *text = err == 0 ? "Success" : strerrordesc_np(err);

    return text != NULL ? text : "Unknown error";
}
