/* SPDX-License-Identifier: MIT */
/* The libOSes by name. */
#ifndef LIBOS_REGISTRY_H
#define LIBOS_REGISTRY_H

#include "core/instance.h"

extern const struct libos libos_catnap;
extern const struct libos libos_catmem;
extern const struct libos libos_catnano;
extern const struct libos libos_catnip;
extern const struct libos libos_catpowder;
extern const struct libos libos_sim;

/*
 * The network libOS that LIBOS names. NULL with *err -EINVAL: nobody knows the name; -ENOENT: the name is known, this
 * build or machine does not have it. The text says which there are.
 */
const struct libos *libos_find(const char *name, int *err, struct error_text *et);

/* Calls fn for every known libOS; os is NULL where it is not in this build. */
typedef void libos_each_fn(void *arg, const char *name, const char *device, const struct libos *os);
void libos_each(libos_each_fn *fn, void *arg);

#endif /* LIBOS_REGISTRY_H */
