/* SPDX-License-Identifier: MIT */
/* The libOSes by name. */
#include "registry.h"

#include <errno.h>
#include <string.h>

/* name, device, table or NULL when it is not in this build */
#define LIBOS_LIST(LIBOS)                                                                                              \
    LIBOS(catnap, "Linux sockets (epoll or io_uring)", &libos_catnap)                                                  \
    LIBOS(catmem, "shared memory between processes", &libos_catmem)                                                    \
    LIBOS(sim, "a simulated network inside the process, in virtual time", &libos_sim)                                  \
    LIBOS(catpowder, "AF_XDP, AF_PACKET, TAP", &libos_catpowder)                                                       \
    LIBOS(catnip, "DPDK", &libos_catnip)                                                                               \
    LIBOS(catmint, "RDMA verbs", NULL)                                                                                 \
    LIBOS(cattree, "a log on a file or NVMe device", NULL)                                                             \
    LIBOS(catnano, "the nanoPU's messages", &libos_catnano)

static const struct {
    const char *name, *device;
    const struct libos *os;
} known[] = {
#define LIBOS(name, device, os) {#name, device, os},
    LIBOS_LIST(LIBOS)
#undef LIBOS
};

const struct libos *libos_find(const char *name, int *err, struct error_text *et)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        if (known[i].os == NULL)
            *err =
                error_set(et, ENOENT, "LIBOS=%s: this libOS (%s) is not installed; `demi doctor` lists those that are",
                          name, known[i].device);
        return known[i].os;
    }
    *err = error_set(
        et, EINVAL, "LIBOS=%.64s: no libOS has this name; there are catnap, catmem, catpowder, catnip, catnano and sim",
        name);
    return NULL;
}

void libos_each(libos_each_fn *fn, void *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        fn(arg, known[i].name, known[i].device, known[i].os);
}
