/* SPDX-License-Identifier: MIT */
#include "run_hart_views.h"

#include "nanopu/view/fan.h"
#include "nanopu/view/gdb.h"
#include "nanopu/view/itrace.h"
#include "nanopu/view/konata.h"

#include <errno.h>
#include <stdlib.h>

#define PATH_TEXT_MAX 4096

struct host_views {
    struct fan fan;
    struct itrace *itrace;
};

struct hart_views {
    struct host_views *hosts;
    unsigned count;
    struct konata *konata; /* of the first host's first hart */
    struct gdb *gdb;
};

static int host_path(const char *path, const struct topology *t, unsigned host, char *out, struct error_text *et)
{
    int n = t->host_count == 1 ? snprintf(out, PATH_TEXT_MAX, "%s", path)
                               : snprintf(out, PATH_TEXT_MAX, "%s.%s", path, t->nodes[host]->name);

    return n < PATH_TEXT_MAX ? 0 : error_set(et, ENAMETOOLONG, "%s: the name is too long", path);
}

static int open_host(struct hart_views *v, const struct run_options *o, const struct topology *t, unsigned host,
                     struct error_text *et)
{
    struct host_views *h = &v->hosts[host];
    char path[PATH_TEXT_MAX];
    int ret = 0;

    fan_init(&h->fan, host);
    if (o->trace != NULL) {
        ret = host_path(o->trace, t, host, path, et);
        if (ret == 0)
            ret = itrace_open(&h->itrace, path, et);
        if (ret == 0)
            fan_add(&h->fan, itrace_probe(h->itrace));
    }
    if (ret == 0 && o->konata != NULL && host == 0) {
        ret = konata_open(&v->konata, o->konata, 0, et);
        if (ret == 0)
            fan_add(&h->fan, konata_probe(v->konata));
    }
    if (v->gdb != NULL)
        fan_add(&h->fan, gdb_probe(v->gdb, host));
    return ret;
}

int hart_views_open(struct hart_views **out, const struct run_options *o, const struct topology *t,
                    struct error_text *et)
{
    struct hart_views *v;
    int ret = 0;

    *out = NULL;
    if (o->trace == NULL && o->konata == NULL && !o->gdb)
        return 0;
    v = calloc(1, sizeof(*v));
    if (v != NULL)
        v->hosts = calloc(t->host_count, sizeof(*v->hosts));
    if (v == NULL || v->hosts == NULL) {
        free(v);
        return error_set(et, ENOMEM, "out of memory");
    }
    v->count = t->host_count;
    if (o->gdb)
        ret = gdb_listen(&v->gdb, o->gdb_port, v->count, et);
    for (unsigned i = 0; i < v->count && ret == 0; i++)
        ret = open_host(v, o, t, i, et);
    if (ret != 0) {
        hart_views_close(v, 1, NULL);
        return ret;
    }
    *out = v;
    return 0;
}

struct probe *hart_views_probe(struct hart_views *v, unsigned node, struct probe *other)
{
    if (v == NULL || node >= v->count)
        return other;
    if (other != NULL)
        fan_add(&v->hosts[node].fan, other);
    return &v->hosts[node].fan.probe;
}

int hart_views_begin(struct hart_views *v, struct machine *machine, struct error_text *et)
{
    if (v == NULL || v->gdb == NULL)
        return 0;
    fprintf(stderr, "nanopu: waiting for a debugger: target remote 127.0.0.1:%u\n", gdb_port(v->gdb));
    return gdb_attach(v->gdb, machine, et);
}

bool hart_views_between(struct hart_views *v)
{
    return v != NULL && v->gdb != NULL && gdb_poll(v->gdb);
}

int hart_views_close(struct hart_views *v, int exit_code, struct error_text *et)
{
    int ret = 0, last;

    if (v == NULL)
        return 0;
    for (unsigned i = 0; i < v->count; i++) {
        last = itrace_close(v->hosts[i].itrace, et);
        ret = ret != 0 ? ret : last;
    }
    last = konata_close(v->konata, et);
    ret = ret != 0 ? ret : last;
    gdb_finish(v->gdb, exit_code);
    free(v->hosts);
    free(v);
    return ret;
}
