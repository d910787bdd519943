/* SPDX-License-Identifier: MIT */
/* Opening back ends. */
#include "module.h"

#include "instance.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE_PATH_MAX 4096

static const struct module_mark own_mark = MODULE_MARK;

/* The directory of the object this code is in: of libcaracal, or of a program linked with it statically. */
static void own_dir(char *dir, size_t size)
{
    Dl_info info;
    char *slash;

    dir[0] = '\0';
    if (dladdr(&own_mark, &info) == 0 || info.dli_fname == NULL || strlen(info.dli_fname) >= size)
        return;
    memcpy(dir, info.dli_fname, strlen(info.dli_fname) + 1);
    slash = strrchr(dir, '/');
    dir[slash != NULL ? slash - dir : 0] = '\0';
}

/* Where the module is: in CARACAL_MODULES if that is set; else beside the library, installed or not; else as built. */
static void find_module(const char *name, char *path, size_t size)
{
    const char *dir = secure_getenv("CARACAL_MODULES");
    char own[MODULE_PATH_MAX / 2];

    if (dir != NULL && dir[0] != '\0') {
        snprintf(path, size, "%s/%s.so", dir, name);
        return;
    }
    own_dir(own, sizeof(own));
    snprintf(path, size, "%s/caracal/%s.so", own, name);
    if (own[0] != '\0' && access(path, F_OK) == 0)
        return;
    snprintf(path, size, "%s/%s.so", own, name);
    if (own[0] != '\0' && access(path, F_OK) == 0)
        return;
    snprintf(path, size, "%s/%s.so", CARACAL_MODULE_DIR, name);
}

void *module_open(const char *name, struct error_text *et, int *err)
{
    const struct module_mark *mark;
    char path[MODULE_PATH_MAX];
    void *module;

    find_module(name, path, sizeof(path));
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        *err = error_set(et, ENOENT, "module %s is not installed, or its library is missing: %s", name, dlerror());
        return NULL;
    }
    mark = dlsym(module, "caracal_module");
    if (mark != NULL && memcmp(mark, &own_mark, sizeof(own_mark)) == 0)
        return module;
    *err = error_set(et, EINVAL, "module %s is of another build of Caracal than the library", path);
    dlclose(module);
    return NULL;
}

void *module_symbol(void *module, const char *symbol, struct error_text *et, int *err)
{
    void *p = dlsym(module, symbol);

    if (p == NULL)
        *err = error_set(et, EINVAL, "the module lacks %s", symbol);
    return p;
}

void module_close(void *module)
{
    dlclose(module);
}
