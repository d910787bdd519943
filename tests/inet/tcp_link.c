/* SPDX-License-Identifier: MIT */
#include "tcp_link.h"

_Static_assert(HOST_START == SIM_START_NS, "hosts and network begin together");

struct link *link_new(struct tcp_host *a, struct tcp_host *b, uint64_t seed)
{
    struct link *l = calloc(1, sizeof(*l));

    l->end[0] = a;
    l->end[1] = b;
    l->now_ns = SIM_START_NS;
    l->faults = (struct sim_faults){.delay_ns = NS_PER_MS, .queue_ns = NS_PER_S};
    l->net = sim_new(seed, &l->faults);
    assert_non_null(l->net);
    for (unsigned i = 0; i < 2; i++) {
        l->port[i] = sim_port(l->net, &l->end[i]->h->mem, 1500);
        assert_non_null(l->port[i]);
        assert_memory_equal(l->port[i]->mac, l->end[i]->h->in->cfg.mac, 6);
    }
    return l;
}

void link_free(struct link *l)
{
    sim_free(l->net);
    free(l);
}

uint32_t link_random(struct link *l, uint32_t below)
{
    return (uint32_t)(sim_random(l->net) % below);
}

static void put_on_wire(struct netdev *port, const struct sent *s)
{
    char *obj = mem_alloc(port->mem, s->len, 1);
    struct frame *f = frame_init(mem_alloc(port->mem, sizeof(struct frame), 1));

    memcpy(obj, s->bytes, s->len);
    (void)frame_add(f, obj, obj, s->len);
    mem_unref(port->mem, obj);
    if (port->ops->tx_burst(port, &f, 1) == 0)
        frame_free(port->mem, f); /* the queue is full */
}

void link_collect(struct link *l)
{
    sim_set_faults(l->net, &l->faults);
    for (unsigned i = 0; i < 2; i++) {
        const struct sent *s;

        while ((s = host_out(l->end[i]->h)) != NULL)
            put_on_wire(l->port[i], s);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool link_step(struct link *l, uint64_t until_ns)
{
    struct host *a = l->end[0]->h, *b = l->end[1]->h;
    struct frame_in in;
    uint64_t at;

    link_collect(l);
    at = earlier(earlier(timer_next_ns(&a->wheel), timer_next_ns(&b->wheel)), earlier(sim_next_ns(l->net), until_ns));
    if (at > l->now_ns)
        l->now_ns = at;
    sim_advance(l->net, l->now_ns);
    host_at(a, l->now_ns);
    host_at(b, l->now_ns);
    for (unsigned i = 0; i < 2; i++)
        if (l->port[i]->ops->rx_burst(l->port[i], &in, 1) == 1)
            inet_input(l->end[i]->h->in, &in);
    link_collect(l);
    return l->now_ns < until_ns;
}

void link_pass(struct link *l, uint64_t ns)
{
    uint64_t until = l->now_ns + ns;

    while (link_step(l, until))
        continue;
}
