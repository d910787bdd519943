/* SPDX-License-Identifier: MIT */
/*
 * Shortest ways by the number of switches. Where several ports lead to a destination over equally few, it takes the one
 * that its address picks: destinations spread over the links upwards, each of them on one way, in order.
 */
#include "topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAR UINT32_MAX

struct search {
    const struct topology *t;
    unsigned *first; /* index into ends of each node's first end; node_count + 1 of them */
    unsigned *ends;  /* per node and port: the node at the other end */
    unsigned *distance, *queue;
};

static void free_search(struct search *s)
{
    free(s->first);
    free(s->ends);
    free(s->distance);
    free(s->queue);
}

static int make_search(struct search *s, const struct topology *t)
{
    *s = (struct search){.t = t,
                         .first = calloc(t->node_count + 1, sizeof(unsigned)),
                         .ends = calloc((size_t)t->link_count * 2, sizeof(unsigned)),
                         .distance = calloc(t->node_count, sizeof(unsigned)),
                         .queue = calloc(t->node_count, sizeof(unsigned))};
    if (s->first == NULL || s->ends == NULL || s->distance == NULL || s->queue == NULL) {
        free_search(s);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < t->node_count; i++)
        s->first[i + 1] = s->first[i] + t->nodes[i]->links;
    for (unsigned i = 0; i < t->link_count; i++) {
        const struct topology_link *l = &t->links[i];

        s->ends[s->first[l->node[0]] + l->port[0]] = l->node[1];
        s->ends[s->first[l->node[1]] + l->port[1]] = l->node[0];
    }
    return 0;
}

/* Distances of all nodes to one; hosts forward nothing. */
static void measure(struct search *s, unsigned to)
{
    unsigned head = 0, tail = 0;

    for (unsigned i = 0; i < s->t->node_count; i++)
        s->distance[i] = FAR;
    s->distance[to] = 0;
    s->queue[tail++] = to;
    while (head < tail) {
        unsigned n = s->queue[head++];

        for (unsigned e = s->first[n]; e < s->first[n + 1]; e++) {
            unsigned m = s->ends[e];

            if (s->distance[m] != FAR)
                continue;
            s->distance[m] = s->distance[n] + 1;
            if (s->t->nodes[m]->kind == TOPOLOGY_SWITCH)
                s->queue[tail++] = m;
        }
    }
}

/* The port of node by which a measured destination is nearest. */
static uint16_t choose(const struct search *s, unsigned node, uint32_t ip)
{
    unsigned best = FAR, count = 0, pick, seen = 0;

    for (unsigned e = s->first[node]; e < s->first[node + 1]; e++) {
        unsigned d = s->distance[s->ends[e]];

        count = d < best ? 1 : count + (d == best);
        best = d < best ? d : best;
    }
    if (best == FAR)
        return ROUTE_NONE;
    pick = ip % count;
    for (unsigned e = s->first[node]; e < s->first[node + 1]; e++) {
        if (s->distance[s->ends[e]] == best && seen++ == pick)
            return (uint16_t)(e - s->first[node]);
    }
    return ROUTE_NONE;
}

int topology_routes(const struct topology *t, unsigned node, uint16_t *routes)
{
    struct search s;

    if (make_search(&s, t) != 0)
        return -ENOMEM;
    for (unsigned i = 0; i < SWITCH_ROUTES; i++)
        routes[i] = ROUTE_NONE;
    for (unsigned i = 0; i < t->node_count; i++) {
        if (t->nodes[i]->kind == TOPOLOGY_SWITCH)
            continue;
        measure(&s, i);
        routes[t->nodes[i]->ip & 0xffff] = choose(&s, node, t->nodes[i]->ip);
    }
    free_search(&s);
    return 0;
}
