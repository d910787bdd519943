/* SPDX-License-Identifier: MIT */
/*
 * Back ends with a library of their own are shared objects, opened when a configuration asks for them: one binary runs
 * everywhere and a user installs what the machine has. A module carries the core inside itself (the core keeps no state
 * outside the instance), so it must be of the library's own build: module_open compares the build's marks.
 */
#ifndef CORE_MODULE_H
#define CORE_MODULE_H

#include "base.h"
#include "error.h"

/* What a module exports as `caracal_module`; it must be equal to the library's. */
struct module_mark {
    char version[16];
    uint32_t instance_bytes, op_bytes, queue_bytes, config_bytes;
};

/*
 * Opens module name from the directory CARACAL_MODULES (environment), else from caracal/ beside the library, the
 * library's own directory (a build tree) or the directory it was configured for. NULL with *err -ENOENT (not installed,
 * or its own library is missing), -EINVAL (of another build).
 */
void *module_open(const char *name, struct error_text *et, int *err);
void *module_symbol(void *module, const char *symbol, struct error_text *et, int *err);
void module_close(void *module);

/* Fills the mark of this build. */
#define MODULE_MARK                                                                                                    \
    {                                                                                                                  \
        CARACAL_VERSION, sizeof(struct instance), sizeof(struct op), sizeof(struct queue), sizeof(struct config)       \
    }

#endif /* CORE_MODULE_H */
