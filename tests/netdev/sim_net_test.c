/* SPDX-License-Identifier: MIT */
/* The simulated network: what arrives where, when, and that a seed decides it. */
#include "inet/checksum.h"
#include "netdev/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct net {
    struct mem mem;
    struct sim_net *sim;
    struct netdev *port[3];
};

static void net_open(struct net *n, uint64_t seed, const struct sim_faults *faults)
{
    assert_int_equal(mem_init(&n->mem, 64 << 20, 1 << 20, false), 0);
    n->sim = sim_new(seed, faults);
    for (unsigned i = 0; i < 3; i++)
        n->port[i] = sim_port(n->sim, &n->mem, 1500);
}

static void net_close(struct net *n)
{
    sim_free(n->sim);
    assert_int_equal(mem_bytes_used(&n->mem), 0);
    mem_fini(&n->mem);
}

/* Sends a frame of 60 bytes whose last one is mark to port `to` (255: to all). Returns whether the port took it. */
static bool send_mark(struct net *n, unsigned from, uint8_t to, uint8_t mark)
{
    struct frame *f = frame_init(mem_alloc(&n->mem, sizeof(struct frame), 1));
    uint8_t *p = (uint8_t *)frame_push(f, 60);
    const uint8_t dst[6] = {2, 0, 0, 0, 0, (uint8_t)(to + 1)};

    memset(p, 0, 60);
    if (to == 255)
        memset(p, 0xff, 6);
    else
        memcpy(p, dst, 6);
    p[12] = 8;
    p[59] = mark;
    if (n->port[from]->ops->tx_burst(n->port[from], &f, 1) == 1)
        return true;
    frame_free(&n->mem, f);
    return false;
}

/* Marks of the frames that are at a port now; frames of another length count as 0xee. */
static unsigned receive(struct net *n, unsigned port, uint8_t *marks, unsigned max)
{
    struct frame_in in[NETDEV_BURST];
    unsigned got, total = 0;

    while ((got = n->port[port]->ops->rx_burst(n->port[port], in, NETDEV_BURST)) > 0)
        for (unsigned i = 0; i < got; i++) {
            if (total < max)
                marks[total++] = in[i].len == 60 ? in[i].ptr[59] : 0xee;
            mem_unref(&n->mem, in[i].obj);
        }
    return total;
}

static void sim__arrives_after_its_delay_at_its_port(void **state)
{
    const struct sim_faults faults = {.delay_ns = 1000};
    uint8_t marks[4];
    struct net n;

    (void)state;
    net_open(&n, 1, &faults);
    assert_true(send_mark(&n, 0, 1, 7));
    assert_int_equal(sim_next_ns(n.sim), SIM_START_NS + 1000);
    sim_advance(n.sim, SIM_START_NS + 999);
    assert_int_equal(receive(&n, 1, marks, 4), 0);
    sim_advance(n.sim, SIM_START_NS + 1000);
    assert_int_equal(receive(&n, 1, marks, 4), 1);
    assert_int_equal(marks[0], 7);
    assert_int_equal(receive(&n, 2, marks, 4), 0);
    assert_int_equal(sim_next_ns(n.sim), UINT64_MAX);
    assert_true(send_mark(&n, 0, 255, 8));
    sim_advance(n.sim, SIM_START_NS + 5000);
    assert_int_equal(receive(&n, 0, marks, 4), 0);
    assert_int_equal(receive(&n, 1, marks, 4), 1);
    assert_int_equal(receive(&n, 2, marks, 4), 1);
    net_close(&n);
}

static void sim__each_fault_happens(void **state)
{
    static const struct {
        struct sim_faults faults;
        unsigned arrive, whole;
    } cases[] = {
        {{.loss = SIM_PPM}, 0, 0},        {{.duplicate = SIM_PPM}, 200, 200},
        {{.truncate = SIM_PPM}, 100, 0},  {{.no_buffer = SIM_PPM}, 0, 0},
        {{.swallow = 45}, 0, 0},          {{.swallow = 46}, 100, 100},
        {{.corrupt = SIM_PPM}, 100, 100}, {{.reorder = SIM_PPM, .delay_ns = 10}, 100, 100},
    };

    (void)state;
    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        uint8_t marks[256];
        unsigned got, whole = 0;
        struct net n;

        net_open(&n, 5, &cases[c].faults);
        for (uint8_t i = 0; i < 100; i++)
            assert_true(send_mark(&n, 0, 1, i));
        sim_advance(n.sim, SIM_START_NS + NS_PER_S);
        got = receive(&n, 1, marks, 256);
        assert_int_equal(got, cases[c].arrive);
        for (unsigned i = 0; i < got; i++)
            whole += marks[i] != 0xee;
        assert_int_equal(whole, cases[c].whole);
        net_close(&n);
    }
}

/* An IPv4 header (20 bytes) or an IPv6 one (40), sent from port 0 to port 1; how it arrives there. */
static void send_header(struct net *n, uint8_t *header, uint32_t len)
{
    struct frame *f = frame_init(mem_alloc(&n->mem, sizeof(struct frame), 1));
    uint8_t *p = (uint8_t *)frame_push(f, 14 + len);
    const uint8_t eth[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, len == 20 ? 0x08 : 0x86, len == 20 ? 0x00 : 0xdd};
    struct frame_in in;

    memcpy(p, eth, 14);
    memcpy(p + 14, header, len);
    assert_int_equal(n->port[0]->ops->tx_burst(n->port[0], &f, 1), 1);
    assert_int_equal(n->port[1]->ops->rx_burst(n->port[1], &in, 1), 1);
    assert_int_equal(in.len, 14 + len);
    memcpy(header, in.ptr + 14, len);
    mem_unref(&n->mem, in.obj);
}

static void sim__marks_who_can_bear_it(void **state)
{
    const struct sim_faults faults = {.mark = SIM_PPM};
    uint8_t v4[20] = {0x45, 0x01, 0, 20, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2},
            v6[40] = {0x60, 0x20};
    uint16_t sum = checksum_finish(checksum_add(0, v4, 20));
    struct net n;

    (void)state;
    net_open(&n, 1, &faults);
    memcpy(v4 + 10, &sum, 2);
    send_header(&n, v4, 20);
    assert_int_equal(v4[1], 0x03);
    assert_true(checksum_good(checksum_add(0, v4, 20)));
    send_header(&n, v6, 40);
    assert_int_equal(v6[1], 0x30);
    assert_int_equal(sim_counts(n.sim)->marked, 2);
    v4[1] = v6[1] = 0;
    send_header(&n, v4, 20);
    send_header(&n, v6, 40);
    assert_int_equal(v4[1], 0);
    assert_int_equal(v6[1], 0);
    assert_int_equal(sim_counts(n.sim)->marked, 2);
    net_close(&n);
}

static void sim__refuses_when_the_transmitter_is_behind(void **state)
{
    const struct sim_faults faults = {.rate_bps = 480000, .queue_ns = 2500 * NS_PER_US};
    struct net n;
    unsigned taken = 0;

    (void)state;
    net_open(&n, 1, &faults);
    while (send_mark(&n, 0, 1, 1)) /* a millisecond each */
        taken++;
    assert_int_equal(taken, 3);
    assert_int_equal(sim_counts(n.sim)->refused, 1);
    sim_advance(n.sim, SIM_START_NS + NS_PER_MS);
    assert_true(send_mark(&n, 0, 1, 1));
    net_close(&n);
}

static void sim__dark_port_hears_and_says_nothing(void **state)
{
    const struct sim_faults faults = {.delay_ns = 10};
    uint8_t marks[4];
    struct net n;

    (void)state;
    net_open(&n, 1, &faults);
    assert_true(send_mark(&n, 0, 1, 1));
    sim_set_dark(n.sim, n.port[1], true);
    assert_true(send_mark(&n, 1, 0, 2));
    sim_advance(n.sim, SIM_START_NS + 100);
    assert_int_equal(receive(&n, 0, marks, 4) + receive(&n, 1, marks, 4), 0);
    assert_int_equal(sim_counts(n.sim)->dark, 2);
    sim_set_dark(n.sim, n.port[1], false);
    assert_true(send_mark(&n, 0, 1, 3));
    sim_advance(n.sim, SIM_START_NS + 200);
    assert_int_equal(receive(&n, 1, marks, 4), 1);
    net_close(&n);
}

/* The marks that arrive of 200 frames through faults of all kinds. */
static unsigned run(uint64_t seed, uint8_t *marks, unsigned max)
{
    const struct sim_faults faults = {.delay_ns = 100,
                                      .jitter_ns = 5000,
                                      .loss = 100000,
                                      .duplicate = 100000,
                                      .reorder = 100000,
                                      .corrupt = 100000,
                                      .truncate = 100000};
    struct net n;
    unsigned got = 0;

    net_open(&n, seed, &faults);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(send_mark(&n, 0, 1, (uint8_t)i));
        sim_advance(n.sim, SIM_START_NS + i * 100);
        got += receive(&n, 1, marks + got, max - got);
    }
    sim_advance(n.sim, SIM_START_NS + NS_PER_S);
    got += receive(&n, 1, marks + got, max - got);
    net_close(&n);
    return got;
}

static void sim__one_seed_is_one_run(void **state)
{
    uint8_t a[512], b[512];
    unsigned na = run(7, a, 512), nb = run(7, b, 512);

    (void)state;
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    nb = run(8, b, 512);
    assert_true(na != nb || memcmp(a, b, na) != 0);
}

static void sim__keeps_order_without_faults(void **state)
{
    const struct sim_faults faults = {.delay_ns = 100};
    uint8_t marks[256];
    struct net n;

    (void)state;
    net_open(&n, 1, &faults);
    for (unsigned i = 0; i < 200; i++)
        assert_true(send_mark(&n, 0, 1, (uint8_t)i));
    sim_advance(n.sim, SIM_START_NS + 100);
    assert_int_equal(receive(&n, 1, marks, 256), 200);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(marks[i], i);
    net_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sim__arrives_after_its_delay_at_its_port),
        cmocka_unit_test(sim__each_fault_happens),
        cmocka_unit_test(sim__marks_who_can_bear_it),
        cmocka_unit_test(sim__refuses_when_the_transmitter_is_behind),
        cmocka_unit_test(sim__dark_port_hears_and_says_nothing),
        cmocka_unit_test(sim__one_seed_is_one_run),
        cmocka_unit_test(sim__keeps_order_without_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
