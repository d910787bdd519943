/* SPDX-License-Identifier: MIT */
#include "tcp_link.h"

struct link *link_new(struct tcp_host *a, struct tcp_host *b, uint64_t seed)
{
    struct link *l = calloc(1, sizeof(*l));

    l->end[0] = a;
    l->end[1] = b;
    l->now_ns = a->h->in->env.now_ns;
    l->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    l->delay_ns = NS_PER_MS;
    l->queue_ns = NS_PER_S;
    return l;
}

void link_free(struct link *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        free(l->frame[i].bytes);
    free(l);
}

uint32_t link_random(struct link *l, uint32_t below)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return (uint32_t)((l->random >> 32) * below >> 32);
}

/* Marks an IPv4 packet that can bear it as having met congestion. */
static void mark(uint8_t *eth)
{
    uint8_t *h = eth + 14;
    uint16_t sum;

    if ((h[1] & 3) == 0)
        return;
    h[1] |= 3;
    memset(h + 10, 0, 2);
    sum = checksum_finish(checksum_add(0, h, 20));
    memcpy(h + 10, &sum, 2);
}

static void put_on_wire(struct link *l, const struct sent *s, int from)
{
    uint64_t start = l->now_ns > l->busy_ns[from] ? l->now_ns : l->busy_ns[from];
    struct link_frame *f;

    if (link_random(l, 65536) < l->loss || (l->swallow != 0 && s->len > 14 + l->swallow) ||
        start - l->now_ns > l->queue_ns || l->count == LINK_FRAMES) {
        l->lost++;
        return;
    }
    l->busy_ns[from] = start + (s->len * l->ns_per_byte_q8 >> 8);
    f = &l->frame[l->count++];
    f->at_ns = l->busy_ns[from] + l->delay_ns + (l->jitter_ns > 0 ? link_random(l, (uint32_t)l->jitter_ns) : 0);
    f->order = l->carried++;
    f->to = l->end[!from];
    f->len = s->len;
    f->bytes = malloc(s->len);
    memcpy(f->bytes, s->bytes, s->len);
    if (link_random(l, 65536) < l->mark)
        mark(f->bytes);
}

void link_collect(struct link *l)
{
    for (int i = 0; i < 2; i++) {
        const struct sent *s;

        while ((s = host_out(l->end[i]->h)) != NULL) {
            put_on_wire(l, s, i);
            if (link_random(l, 65536) < l->duplicate)
                put_on_wire(l, s, i);
        }
    }
}

static uint32_t earliest(const struct link *l)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < l->count; i++)
        if (l->frame[i].at_ns < l->frame[best].at_ns ||
            (l->frame[i].at_ns == l->frame[best].at_ns && l->frame[i].order < l->frame[best].order))
            best = i;
    return best;
}

bool link_step(struct link *l, uint64_t until_ns)
{
    uint64_t at = until_ns, a = timer_next_ns(&l->end[0]->h->wheel), b = timer_next_ns(&l->end[1]->h->wheel);
    uint32_t next = 0;

    link_collect(l);
    if (l->count > 0) {
        next = earliest(l);
        at = l->frame[next].at_ns < at ? l->frame[next].at_ns : at;
    }
    at = a < at ? a : at;
    at = b < at ? b : at;
    if (at > l->now_ns)
        l->now_ns = at;
    host_at(l->end[0]->h, l->now_ns);
    host_at(l->end[1]->h, l->now_ns);
    if (l->count > 0 && l->frame[next].at_ns <= l->now_ns) {
        struct link_frame f = l->frame[next];

        l->frame[next] = l->frame[--l->count];
        host_in(f.to->h, f.bytes, f.len);
        free(f.bytes);
    }
    link_collect(l);
    return l->now_ns < until_ns;
}

void link_pass(struct link *l, uint64_t ns)
{
    uint64_t until = l->now_ns + ns;

    while (link_step(l, until))
        continue;
}
