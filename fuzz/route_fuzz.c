/* SPDX-License-Identifier: MIT */
/*
 * Addresses, routes and neighbours that an application configures, in any order: a packet's way must be that of the
 * longest prefix among the routes there are, which a list kept beside the stack says.
 */
#include "stack.h"

#include <errno.h>

#define KEPT 64

struct kept {
    struct inet_addr net, gateway;
    unsigned prefix;
};

static struct kept kept[KEPT];
static unsigned count;

/* An address of a small world, so that they meet: 10.x.y.z or fdxx::y of few values. */
static struct inet_addr address(struct input *in)
{
    uint32_t a = next_byte(in), b = next_byte(in);

    if ((a & 1) != 0)
        return (struct inet_addr){{{0xfd, (uint8_t)(a >> 1 & 3), [8] = (uint8_t)(b & 3), [15] = (uint8_t)(b >> 4)}}};
    return INET_ADDR4(10, (uint8_t)(a >> 1 & 3), (uint8_t)(b & 3), (uint8_t)(b >> 4));
}

/* Do the first bits agree? Bit by bit. */
static bool covers(const struct kept *k, const struct inet_addr *a)
{
    unsigned from = inet_addr_is4(&k->net) ? 96 : 0;

    if (inet_addr_is4(&k->net) != inet_addr_is4(a))
        return false;
    for (unsigned i = from; i < from + k->prefix; i++)
        if (((k->net.b[i / 8] ^ a->b[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    return true;
}

static void add(struct stack *s, struct input *in)
{
    struct kept k = {.net = address(in), .gateway = address(in), .prefix = next_byte(in) % 140};
    int err = inet_route_add(s->in, &k.net, k.prefix, &k.gateway);

    require(err == 0 || err == -EINVAL || err == -EEXIST || err == -ENOSPC);
    require(err != 0 || k.prefix <= (inet_addr_is4(&k.net) ? 32u : 128u));
    if (err == 0) {
        require(count < KEPT);
        kept[count++] = k;
    }
}

static void take_away(struct stack *s, struct input *in)
{
    struct kept k;

    if (count == 0)
        return;
    k = kept[next_byte(in) % count];
    require_equal(inet_route_remove(s->in, &k.net, k.prefix), 0);
    for (unsigned i = 0; i < count; i++)
        if (memcmp(&kept[i], &k, sizeof(k)) == 0)
            kept[i] = kept[--count];
}

static void look(struct stack *s, struct input *in)
{
    struct inet_addr to = address(in), hop;
    const struct kept *best = NULL;
    enum hop_kind kind;
    int err = route_next_hop(s->in, &to, &hop, &kind);

    if (kind != HOP_NEIGHBOUR || (err == 0 && inet_addr_equal(&hop, &to)))
        return; /* ours, or on the link */
    for (unsigned i = 0; i < count; i++)
        if (covers(&kept[i], &to) && (best == NULL || kept[i].prefix > best->prefix))
            best = &kept[i];
    require_equal(err, best == NULL ? -ENETUNREACH : 0);
    if (best != NULL)
        require(inet_addr_equal(&hop, &best->gateway));
}

static void other(struct stack *s, struct input *in)
{
    struct inet_addr a = address(in);
    uint8_t mac[6] = {(uint8_t)next_byte(in), 1};

    switch (next_byte(in) % 3) {
    case 0:
        (void)inet_addr_add(s->in, &a, next_byte(in) % 140);
        break;
    case 1:
        (void)inet_addr_remove(s->in, &a);
        break;
    default:
        (void)inet_neigh_add(s->in, &a, mac);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct inet_config cfg;
    static struct stack s;

    stack_config(&cfg);
    stack_open(&s, &cfg);
    count = 0;
    for (unsigned i = 0; i < 300 && in.left > 0; i++) {
        switch (next_below(&in, 5)) {
        case 0:
            add(&s, &in);
            break;
        case 1:
            take_away(&s, &in);
            break;
        case 2:
            other(&s, &in);
            break;
        default:
            look(&s, &in);
            break;
        }
    }
    stack_close(&s);
    return 0;
}
