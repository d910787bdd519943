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

/* The libOS whose name is the len bytes at part, within the whole name. */
static int find_part(const char *name, const char *part, size_t len, const struct libos **os, struct error_text *et)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strlen(known[i].name) != len || memcmp(known[i].name, part, len) != 0)
            continue;
        *os = known[i].os;
        if (*os != NULL)
            return 0;
        return error_set(et, ENOENT, "LIBOS=%.64s: %s (%s) is not installed; `demi doctor` lists the libOSes that are",
                         name, known[i].name, known[i].device);
    }
    return error_set(
        et, EINVAL,
        "LIBOS=%.64s: no libOS has the name \"%.*s\"; there are catnap, catmem, catpowder, catnip, catnano "
        "and sim, and catmem beside any other, as in catnap+catmem",
        name, len > 64 ? 64 : (int)len, part);
}

int libos_find(const char *name, struct libos_choice *choice, struct error_text *et)
{
    const char *part = name;
    size_t len;

    choice->net = choice->local = NULL;
    for (;; part += len + 1) {
        const struct libos *os, **place;
        int err;

        len = strcspn(part, "+");
        err = find_part(name, part, len, &os, et);
        if (err < 0)
            return err;
        place = os->serves != NULL ? &choice->local : &choice->net;
        if (*place == os)
            return error_set(et, EINVAL, "LIBOS=%.64s: %s stands there twice", name, os->name);
        if (*place != NULL)
            return error_set(et, EINVAL,
                             "LIBOS=%.64s: %s and %s are both network libOSes, and an instance has one, with catmem "
                             "beside it",
                             name, (*place)->name, os->name);
        *place = os;
        if (part[len] == '\0')
            break;
    }
    if (choice->net == NULL) {
        choice->net = choice->local;
        choice->local = NULL;
    }
    return 0;
}

void libos_each(libos_each_fn *fn, void *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        fn(arg, known[i].name, known[i].device, known[i].os);
}
