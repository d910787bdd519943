/* SPDX-License-Identifier: MIT */
/* Opening back ends. */
#include "module.h"

#include "instance.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct module_mark own_mark = MODULE_MARK;

void *module_open(const char *name, struct error_text *et, int *err)
{
    const char *dir = secure_getenv("CARACAL_MODULES");
    const struct module_mark *mark;
    char path[512];
    void *module;

    if (dir == NULL || dir[0] == '\0')
        dir = CARACAL_MODULE_DIR;
    snprintf(path, sizeof(path), "%s/%s.so", dir, name);
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
