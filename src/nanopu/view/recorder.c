/* SPDX-License-Identifier: MIT */
#include "nanopu/view/recorder.h"

#include "nanopu/fabric/packet.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct probe_event e;
    uint64_t sequence, packet_id;
    uint8_t *packet;
    uint32_t packet_len;
};

struct node {
    struct probe probe;
    struct entry *entries;
    size_t len, room;
    uint64_t sequence, lost;
};

struct sink {
    void (*record)(void *arg, const struct record *rec);
    void *arg;
    uint32_t wanted;
};

struct recorder {
    struct node *nodes;
    unsigned node_count, sink_count;
    struct sink sinks[RECORDER_SINKS];
    uint32_t wanted;
    struct entry *sorted;
    size_t sorted_room;
};

struct recorder *recorder_new(unsigned nodes)
{
    struct recorder *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->node_count = nodes;
    r->nodes = calloc(nodes, sizeof(*r->nodes));
    if (r->nodes == NULL) {
        free(r);
        return NULL;
    }
    return r;
}

void recorder_free(struct recorder *r)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < r->node_count; i++) {
        for (size_t n = 0; n < r->nodes[i].len; n++)
            free(r->nodes[i].entries[n].packet);
        free(r->nodes[i].entries);
    }
    free(r->nodes);
    free(r->sorted);
    free(r);
}

void recorder_sink(struct recorder *r, uint32_t wanted, void (*record)(void *arg, const struct record *rec), void *arg)
{
    assert(r->sink_count < RECORDER_SINKS);
    r->sinks[r->sink_count++] = (struct sink){.record = record, .arg = arg, .wanted = wanted};
    r->wanted |= wanted;
}

static bool make_room(struct entry **entries, size_t *room, size_t len)
{
    size_t more = len * 2 + 64;
    struct entry *grown;

    if (len < *room)
        return true;
    grown = realloc(*entries, more * sizeof(*grown));
    if (grown == NULL)
        return false;
    *entries = grown;
    *room = more;
    return true;
}

static void take(void *arg, const struct probe_event *e)
{
    struct node *n = arg;
    struct entry entry = {.e = *e, .sequence = n->sequence++};

    if (!make_room(&n->entries, &n->room, n->len)) {
        n->lost++;
        return;
    }
    if (e->p != NULL) {
        entry.packet = malloc(e->p->len_bytes);
        entry.packet_len = e->p->len_bytes;
        entry.packet_id = e->p->id;
        if (entry.packet == NULL) {
            n->lost++;
            return;
        }
        memcpy(entry.packet, e->p->data, e->p->len_bytes);
    }
    entry.e.p = NULL;
    n->entries[n->len++] = entry;
}

struct probe *recorder_probe(struct recorder *r, unsigned node)
{
    struct node *n = &r->nodes[node];

    assert(node < r->node_count);
    n->probe = (struct probe){.node = node, .wanted = r->wanted, .event = take, .arg = n};
    return &n->probe;
}

static int order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->e.cycle != y->e.cycle)
        return x->e.cycle < y->e.cycle ? -1 : 1;
    if (x->e.node != y->e.node)
        return x->e.node < y->e.node ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* Moves what is due from the node's entries to the end of the sorted ones. */
static size_t gather(struct recorder *r, struct node *n, uint64_t until, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < n->len; i++) {
        if (n->entries[i].e.cycle >= until || !make_room(&r->sorted, &r->sorted_room, count))
            n->entries[kept++] = n->entries[i];
        else
            r->sorted[count++] = n->entries[i];
    }
    n->len = kept;
    return count;
}

void recorder_flush(struct recorder *r, uint64_t until)
{
    size_t count = 0;

    if (until != UINT64_MAX)
        until = until > RECORDER_LATE_CYCLES ? until - RECORDER_LATE_CYCLES : 0;
    for (unsigned i = 0; i < r->node_count; i++)
        count = gather(r, &r->nodes[i], until, count);
    if (count > 1)
        qsort(r->sorted, count, sizeof(*r->sorted), order);
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &r->sorted[i];
        struct record rec = {.e = e->e, .packet = e->packet, .packet_len = e->packet_len, .packet_id = e->packet_id};

        for (unsigned s = 0; s < r->sink_count; s++)
            if ((r->sinks[s].wanted >> rec.e.kind & 1) != 0)
                r->sinks[s].record(r->sinks[s].arg, &rec);
        free(e->packet);
    }
}

uint64_t recorder_lost(const struct recorder *r)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < r->node_count; i++)
        lost += r->nodes[i].lost;
    return lost;
}
