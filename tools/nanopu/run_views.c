/* SPDX-License-Identifier: MIT */
/* What a run writes for others to look at: --pcap, --perfetto, --messages; with those of harts in run_hart_views.c. */
#include "run.h"
#include "run_hart_views.h"

#include "nanopu/view/messages.h"
#include "nanopu/view/pcap.h"
#include "nanopu/view/perfetto.h"

#include <errno.h>
#include <stdlib.h>

struct run_views {
    struct recorder *recorder;
    struct pcap *pcap;
    struct perfetto *perfetto;
    struct messages *messages;
    struct hart_views *harts;
};

static int open_pcap(struct run_views *v, const char *path, const struct topology *t, struct error_text *et)
{
    struct pcap_interface *interfaces = calloc(t->host_count, sizeof(*interfaces));
    int ret;

    if (interfaces == NULL)
        return error_set(et, ENOMEM, "out of memory");
    for (unsigned i = 0; i < t->host_count; i++)
        interfaces[i] = (struct pcap_interface){.name = t->nodes[i]->name, .mac = t->nodes[i]->mac};
    ret = pcap_open(&v->pcap, path, interfaces, t->host_count, et);
    free(interfaces);
    if (ret == 0)
        recorder_sink(v->recorder, PCAP_WANTED, pcap_record, v->pcap);
    return ret;
}

/* --perfetto and --messages, whichever is wanted: both name hosts. */
static int open_named(struct run_views *v, const struct run_options *o, const struct topology *t, struct error_text *et)
{
    const char **names = calloc(t->host_count, sizeof(*names));
    int ret = 0;

    if (names == NULL)
        return error_set(et, ENOMEM, "out of memory");
    for (unsigned i = 0; i < t->host_count; i++)
        names[i] = t->nodes[i]->name;
    if (o->perfetto != NULL)
        ret = perfetto_open(&v->perfetto, o->perfetto, names, t->host_count, et);
    if (ret == 0 && o->messages != NULL)
        ret = messages_open(&v->messages, o->messages, names, t->host_count, et);
    free(names);
    if (v->perfetto != NULL)
        recorder_sink(v->recorder, PERFETTO_WANTED, perfetto_record, v->perfetto);
    if (v->messages != NULL)
        recorder_sink(v->recorder, MESSAGES_WANTED, messages_record, v->messages);
    return ret;
}

static bool wanted(const struct run_options *o)
{
    return o->pcap != NULL || o->perfetto != NULL || o->messages != NULL || o->trace != NULL || o->konata != NULL ||
           o->gdb;
}

int run_views_open(struct run_views **out, const struct run_options *o, const struct topology *t, struct error_text *et)
{
    struct run_views *v;
    struct error_text ignored;
    int ret = 0;

    *out = NULL;
    if (!wanted(o))
        return 0;
    v = calloc(1, sizeof(*v));
    if (v != NULL)
        v->recorder = recorder_new(t->host_count);
    if (v == NULL || v->recorder == NULL) {
        free(v);
        return error_set(et, ENOMEM, "out of memory");
    }
    if (o->pcap != NULL)
        ret = open_pcap(v, o->pcap, t, et);
    if (ret == 0)
        ret = open_named(v, o, t, et);
    if (ret == 0)
        ret = hart_views_open(&v->harts, o, t, et);
    if (ret != 0)
        run_views_close(v, 1, &ignored);
    else
        *out = v;
    return ret;
}

struct probe *run_views_probe(struct run_views *v, unsigned node)
{
    return v == NULL ? NULL : hart_views_probe(v->harts, node, recorder_probe(v->recorder, node));
}

int run_views_begin(struct run_views *v, struct machine *machine, struct error_text *et)
{
    return v == NULL ? 0 : hart_views_begin(v->harts, machine, et);
}

bool run_views_between(struct run_views *v, uint64_t cycle)
{
    if (v == NULL)
        return false;
    recorder_flush(v->recorder, cycle);
    return hart_views_between(v->harts);
}

int run_views_close(struct run_views *v, int exit_code, struct error_text *et)
{
    struct error_text other;
    uint64_t lost;
    int ret, second = 0;

    if (v == NULL)
        return 0;
    recorder_flush(v->recorder, UINT64_MAX);
    lost = recorder_lost(v->recorder);
    ret = hart_views_close(v->harts, exit_code, et);
    if (v->pcap != NULL)
        second = pcap_close(v->pcap, ret == 0 ? et : &other);
    ret = ret != 0 ? ret : second;
    if (v->perfetto != NULL)
        second = perfetto_close(v->perfetto, ret == 0 ? et : &other);
    ret = ret != 0 ? ret : second;
    if (v->messages != NULL)
        second = messages_close(v->messages, ret == 0 ? et : &other);
    recorder_free(v->recorder);
    free(v);
    if (ret == 0 && second == 0 && lost > 0)
        return error_set(et, ENOMEM, "%llu events were not recorded: out of memory", (unsigned long long)lost);
    return ret != 0 ? ret : second;
}
