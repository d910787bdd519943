/* SPDX-License-Identifier: MIT */
/* Pinning: see xdp_pin.h. */
#include "xdp_pin.h"

#include "netdev/iface.h"
#include "xdp_iface.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

static const char *const names[] = {"claims", "ports", "sockets", "link"};
enum { NAME_LINK = 3 };

static void path_of(char path[PATH_MAX], const char *dir, const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s", dir, name);
}

static int pin_failed(const char *path, int err, struct error_text *et)
{
    if (err == -EPERM || err == -EACCES)
        return error_set(et, EPERM,
                         "%s: no permission; pins are for root to make, on a BPF file system (mount -t bpf bpf "
                         "/sys/fs/bpf), and for the user that --user named",
                         path);
    if (err == -EINVAL)
        return error_set(et, EINVAL, "%s is not on a BPF file system: mount -t bpf bpf /sys/fs/bpf", path);
    if (err == -ENOENT)
        return error_set(et, ENOENT, "%s: there is no such pin: demi xdp attach INTERFACE --pin DIR makes it", path);
    return error_set(et, -err, "%s: %s", path, strerror(-err));
}

static int pin_all(struct xdp_prog *x, const char *dir, uid_t owner, struct error_text *et)
{
    const int fds[] = {x->claims, x->ports, x->sockets, x->link};
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int err;

        path_of(path, dir, names[i]);
        err = bpf_obj_pin(fds[i], path);
        if (err == 0 && i != NAME_LINK && chown(path, owner, (gid_t)-1) < 0)
            err = -errno;
        if (err < 0)
            return pin_failed(path, err, et);
    }
    return 0;
}

static int remove_pins(const char *dir, struct error_text *et)
{
    char path[PATH_MAX];
    int err = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        path_of(path, dir, names[i]);
        if (unlink(path) < 0 && errno != ENOENT)
            err = -errno;
    }
    if (rmdir(dir) < 0)
        err = -errno;
    return err == 0 || et == NULL ? err : pin_failed(dir, err, et);
}

static int pins_attach(const char *device, enum xdp_mode mode, const char *dir, uid_t owner, struct error_text *et)
{
    struct xdp_prog x = XDP_PROG_NONE;
    struct iface i;
    int err = iface_look(device, &i, et);

    if (err < 0)
        return err;
    if (mkdir(dir, 0755) < 0)
        return pin_failed(dir, -errno, et);
    err = xdp_prog_load(&x, et);
    if (err == 0) {
        err = xdp_prog_attach(&x, i.index, mode);
        if (err < 0)
            xdp_failed("the program on the interface", err, et);
    }
    if (err == 0)
        err = pin_all(&x, dir, owner, et);
    if (err < 0)
        remove_pins(dir, NULL);
    xdp_prog_unload(&x);
    return err;
}

static int pins_detach(const char *dir, struct error_text *et)
{
    return remove_pins(dir, et);
}

int xdp_prog_open_pinned(struct xdp_prog *x, const char *dir, struct error_text *et)
{
    int *const fds[] = {&x->claims, &x->ports, &x->sockets};
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        path_of(path, dir, names[i]);
        *fds[i] = bpf_obj_get(path);
        if (*fds[i] < 0)
            return pin_failed(path, *fds[i], et);
    }
    xdp_prog_sweep(x);
    return 0;
}

VISIBLE extern const struct xdp_pins caracal_xdp_pins;
const struct xdp_pins caracal_xdp_pins = {.attach = pins_attach, .detach = pins_detach};
