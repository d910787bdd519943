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

/* What LIBOS names: one libOS, or a network and catmem beside it. */
struct libos_choice {
    const struct libos *net;
    const struct libos *local; /* or NULL */
};

/*
 * name is NAME or NAME+NAME. 0; -EINVAL: nobody knows a name, it stands twice, or both are networks; -ENOENT: a name is
 * known and this build or machine does not have it. The text says which there are.
 */
int libos_find(const char *name, struct libos_choice *choice, struct error_text *et);

/* Calls fn for every known libOS; os is NULL where it is not in this build. */
typedef void libos_each_fn(void *arg, const char *name, const char *device, const struct libos *os);
void libos_each(libos_each_fn *fn, void *arg);

#endif /* LIBOS_REGISTRY_H */
