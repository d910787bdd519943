/* SPDX-License-Identifier: MIT */
/*
 * Senders and one receiver of either transport, over a network that loses, trims, repeats and reorders packets as a
 * seed says: every message is delivered once and whole, and every sender learns it.
 */
#include "transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGES  12
#define IN_FLIGHT 4096
#define TIMEOUT   400
#define TURNS_MAX 400000

struct sender {
    struct msg_tx tx;
    uint64_t deadline, pending; /* packets to be sent */
    bool done;
};

struct reception {
    struct msg_rx rx;
    bool known, delivered;
};

struct flight {
    uint64_t at;
    struct msg_header h;
    unsigned message;
};

static const struct transport *transport;
static struct msg_receiver receiver;
static struct sender senders[MESSAGES];
static struct reception receptions[MESSAGES];
static struct flight flights[IN_FLIGHT];
static unsigned flying, repeats, lost;
static uint64_t now;
static uint32_t seed;

static uint32_t any(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static void put(const struct msg_header *h, unsigned message)
{
    assert_true(flying < IN_FLIGHT);
    flights[flying++] = (struct flight){.at = now + 5 + any(60), .h = *h, .message = message};
}

static void fly(struct msg_header h, unsigned message)
{
    if (any(100) < 8) {
        lost++;
        return;
    }
    if ((h.flags & MSG_DATA) != 0 && any(100) < 10)
        h.flags |= MSG_CHOP;
    put(&h, message);
    if (any(100) < 5)
        put(&h, message);
}

static void answer(const struct msg_control *c, unsigned message)
{
    unsigned to = message;

    if (c->flags == 0)
        return;
    for (unsigned i = 0; i < MESSAGES && c->to != NULL; i++)
        to = c->to == &receptions[i].rx ? i : to;
    fly(
        (struct msg_header){
            .flags = c->flags, .pkt_offset = c->pkt_offset, .pull_offset = c->pull_offset, .grant_prio = c->grant_prio},
        to);
}

static void receive(const struct flight *f)
{
    struct reception *r = &receptions[f->message];
    struct msg_control a[MSG_ANSWERS_MAX];
    uint16_t len = senders[f->message].tx.msg_len;

    if (r->delivered) {
        a[0] = transport->rx_late(&receiver.o, len, f->h.pkt_offset);
        answer(&a[0], f->message);
        return;
    }
    /* Now and then there is no buffer. */
    if (!r->known && any(4) == 0) {
        a[0] = transport->rx_refuse(&receiver.o, f->h.pkt_offset);
        answer(&a[0], f->message);
        return;
    }
    if (!r->known)
        transport->rx_start(&receiver, &r->rx, (uint16_t)f->message, len);
    r->known = true;
    repeats += transport->rx_data(&receiver, &r->rx, f->h.pkt_offset, (f->h.flags & MSG_CHOP) != 0, a) == MSG_DUPLICATE;
    answer(&a[0], f->message);
    answer(&a[1], f->message);
    if (!msg_rx_complete(&r->rx))
        return;
    transport->rx_end(&receiver, &r->rx);
    r->delivered = true;
}

static void control(const struct flight *f)
{
    struct sender *s = &senders[f->message];
    uint64_t send;

    if (s->done)
        return;
    s->done = transport->tx_control(&s->tx, &receiver.o, &f->h, &send);
    s->pending |= send;
    if (s->done)
        assert_true(receptions[f->message].delivered);
}

static void arrive(void)
{
    for (unsigned i = 0; i < flying;) {
        struct flight f = flights[i];

        if (f.at > now) {
            i++;
            continue;
        }
        flights[i] = flights[--flying];
        if ((f.h.flags & MSG_DATA) != 0)
            receive(&f);
        else
            control(&f);
    }
}

static void turn(unsigned i)
{
    struct sender *s = &senders[i];
    uint8_t offset;

    if (s->done)
        return;
    if (now >= s->deadline) {
        s->pending |= msg_tx_timeout(&s->tx, &receiver.o);
        s->deadline = now + TIMEOUT;
    }
    if (s->pending == 0)
        return;
    offset = (uint8_t)__builtin_ctzll(s->pending);
    s->pending &= s->pending - 1;
    assert_in_range(transport->tx_tos(&s->tx, offset), 0, 3);
    msg_tx_sent(&s->tx, offset);
    fly((struct msg_header){.flags = MSG_DATA, .pkt_offset = offset}, i);
}

static void begin(const struct transport *t, uint32_t first_seed)
{
    transport = t;
    receiver = (struct msg_receiver){.o = {.rtt_pkts = 3}};
    memset(senders, 0, sizeof(senders));
    memset(receptions, 0, sizeof(receptions));
    flying = repeats = lost = 0;
    now = 0;
    seed = first_seed;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct sender *s = &senders[i];

        msg_tx_start(&s->tx, &receiver.o, (uint16_t)(1 + any(MSG_BYTES_MAX)));
        s->deadline = TIMEOUT + any(TIMEOUT);
        for (unsigned k = 0; k < msg_packets(s->tx.msg_len); k++)
            if (msg_tx_ready(&s->tx, &receiver.o, (uint8_t)k))
                s->pending |= UINT64_C(1) << k;
    }
}

/* Runs to the end, and gives the time it took. */
static uint64_t run(const struct transport *t, uint32_t first_seed)
{
    unsigned done = 0;

    begin(t, first_seed);
    for (; done < MESSAGES; now++) {
        assert_true(now < TURNS_MAX);
        arrive();
        done = 0;
        for (unsigned i = 0; i < MESSAGES; i++) {
            turn(i);
            done += senders[i].done;
        }
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        assert_true(receptions[i].delivered);
    assert_null(receiver.first);
    assert_true(lost > 0 && repeats > 0);
    return now;
}

static void each_seed(const struct transport *t)
{
    for (uint32_t s = 1; s <= 40; s++) {
        uint64_t took = run(t, s);

        assert_int_equal(run(t, s), took);
    }
}

static void pair__ndp_delivers_once_over_a_bad_network(void **state)
{
    (void)state;
    each_seed(&ndp_transport);
}

static void pair__homa_delivers_once_over_a_bad_network(void **state)
{
    (void)state;
    each_seed(&homa_transport);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pair__ndp_delivers_once_over_a_bad_network),
        cmocka_unit_test(pair__homa_delivers_once_over_a_bad_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
