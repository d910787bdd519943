/* SPDX-License-Identifier: MIT */
/* The conventional NIC between memory and wire: no caches, so that every cycle can be said beforehand. */
#include "nanopu/nic/hts.h"
#include "nanopu/ring/ring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RX_RING  (MEMORY_BASE + 0x1000)
#define TX_RING  (MEMORY_BASE + 0x2000)
#define BUFFERS  (MEMORY_BASE + 0x10000)
#define BUFFER   2048
#define ENTRIES  8
#define SENT_MAX 32
#define CSR_MIP  0x344

struct rig {
    struct params p;
    struct memory memory;
    struct hart *hart;
    struct packet_pool pool;
    struct ring_nic *ring;
    struct packet *sent[SENT_MAX];
    unsigned sent_len;
};

static void on_send(void *arg, struct packet *p)
{
    struct rig *r = arg;

    assert_true(r->sent_len < SENT_MAX);
    r->sent[r->sent_len++] = p;
}

static void store(struct rig *r, uint64_t cycle, unsigned reg, uint64_t value)
{
    assert_int_equal(ring_store(r->ring, r->hart, cycle, reg, 8, value), 0);
}

static uint64_t load(struct rig *r, unsigned reg)
{
    uint64_t value;

    assert_int_equal(ring_load(r->ring, reg, 8, &value), 0);
    return value;
}

static int begin(void **state)
{
    static struct rig rig;
    struct rig *r = &rig;
    struct hart_config hart = {.params = &r->p, .memory = &r->memory};
    struct ring_config config = {
        .params = &r->p, .memory = &r->memory, .harts = &r->hart, .pool = &r->pool, .send = on_send, .arg = r};

    memset(r, 0, sizeof(*r));
    params_profile(&r->p, "osdi21");
    assert_int_equal(memory_init(&r->memory, 1 << 20), 0);
    r->hart = hart_new(&hart);
    packet_pool_init(&r->pool, 0, 64);
    r->ring = ring_new(&config);
    assert_true(r->hart != NULL && r->ring != NULL);
    hart_reset(r->hart, MEMORY_BASE, 0, 3);
    store(r, 10, RING_rx_base, RX_RING);
    store(r, 10, RING_rx_entries, ENTRIES);
    store(r, 10, RING_tx_base, TX_RING);
    store(r, 10, RING_tx_entries, ENTRIES);
    *state = r;
    return 0;
}

static int end(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < r->sent_len; i++)
        packet_free(&r->pool, r->sent[i]);
    ring_free(r->ring);
    assert_int_equal(r->pool.in_use, 0);
    packet_pool_fini(&r->pool);
    hart_free(r->hart);
    memory_fini(&r->memory);
    return 0;
}

static void describe(struct rig *r, uint64_t ring, unsigned i, uint64_t address, uint32_t length)
{
    uint8_t *at = memory_dram(&r->memory, ring + (uint64_t)RING_DESCRIPTOR_BYTES * i, RING_DESCRIPTOR_BYTES);
    uint32_t tail[2] = {length, 0};

    memcpy(at, &address, sizeof(address));
    memcpy(at + 8, tail, sizeof(tail));
}

/* Length and flags of a descriptor, as the NIC left them. */
static uint32_t length_of(struct rig *r, unsigned i, uint32_t *flags)
{
    uint32_t tail[2];

    memcpy(tail, memory_dram(&r->memory, RX_RING + (uint64_t)RING_DESCRIPTOR_BYTES * i + 8, 8), sizeof(tail));
    *flags = tail[1];
    return tail[0];
}

/* Buffers for the first `count` packets, told at a cycle; the NIC knows well before 1000. */
static void give_buffers(struct rig *r, unsigned count, uint32_t length)
{
    for (unsigned i = 0; i < count; i++)
        describe(r, RX_RING, i, BUFFERS + (uint64_t)BUFFER * i, length);
    store(r, 100, RING_rx_tail, count);
    ring_advance(r->ring, 900);
}

static void arrive(struct rig *r, uint64_t cycle, uint32_t len)
{
    struct packet *p = packet_alloc(&r->pool);

    assert_non_null(p);
    p->first_flit_cycle = cycle;
    p->len_bytes = len;
    memset(p->data, (int)(cycle & 0xff), len);
    ring_receive(r->ring, p);
}

/* A packet of 128 bytes: 16 flits. Wire 4, bus 16, acknowledged 24, descriptor 2, acknowledged 24 (the defaults). */
static void a_packet_is_in_memory_when_its_descriptor_says_so(void **state)
{
    struct rig *r = *state;
    uint64_t done = 1000 + 15 + 4 + 16 + 24 + 2 + 24;
    uint32_t flags;

    give_buffers(r, 1, BUFFER);
    arrive(r, 1000, 128);
    ring_advance(r->ring, done - 1);
    assert_int_equal(length_of(r, 0, &flags), BUFFER);
    assert_int_equal(flags, 0);
    assert_int_equal(ring_next_event(r->ring), done);
    ring_advance(r->ring, done);
    assert_int_equal(length_of(r, 0, &flags), 128);
    assert_int_equal(flags, RING_DONE);
    assert_int_equal(*memory_dram(&r->memory, BUFFERS + 127, 1), 1000 & 0xff);
    assert_int_equal(load(r, RING_rx_head), 1);
}

static void what_has_no_buffer_waits_for_one(void **state)
{
    struct rig *r = *state;

    arrive(r, 1000, 128);
    ring_advance(r->ring, 5000);
    assert_int_equal(ring_stats(r->ring)->rx_done, 0);
    assert_int_equal(ring_stats(r->ring)->rx_waits, 1);
    assert_int_equal(ring_next_event(r->ring), CYCLE_NEVER);
    describe(r, RX_RING, 0, BUFFERS, BUFFER);
    store(r, 5000, RING_rx_tail, 1);
    ring_advance(r->ring, 6000);
    assert_int_equal(ring_stats(r->ring)->rx_done, 1);
}

static void the_input_buffer_has_a_bound(void **state)
{
    struct rig *r = *state;

    r->p.ring_input_bytes = 3000;
    for (unsigned i = 0; i < 3; i++)
        arrive(r, 1000 + 200 * i, 1088);
    assert_int_equal(ring_stats(r->ring)->drop_input_full, 1);
}

static void packets_that_do_not_fit_their_buffer_are_dropped(void **state)
{
    struct rig *r = *state;
    uint32_t flags;

    give_buffers(r, 1, 100);
    arrive(r, 1000, 128);
    arrive(r, 2000, 96);
    ring_advance(r->ring, 3000);
    assert_int_equal(ring_stats(r->ring)->drop_rx_long, 1);
    assert_int_equal(length_of(r, 0, &flags), 96);
}

static void buffers_outside_of_memory_are_refused(void **state)
{
    struct rig *r = *state;

    describe(r, RX_RING, 0, 0x1000, BUFFER);
    describe(r, TX_RING, 0, MEMORY_BASE + (1 << 20) - 8, 16);
    store(r, 100, RING_rx_tail, 1);
    store(r, 100, RING_tx_tail, 1);
    arrive(r, 1000, 128);
    ring_advance(r->ring, 3000);
    assert_int_equal(ring_stats(r->ring)->drop_rx_address, 1);
    assert_int_equal(ring_stats(r->ring)->drop_tx_address, 1);
    assert_int_equal(load(r, RING_tx_head), 1);
}

/* Doorbell 15, descriptors 24 and 8, 80 bytes 24 and 10, wire 4. */
static void a_packet_leaves_when_all_of_it_was_read(void **state)
{
    struct rig *r = *state;

    describe(r, TX_RING, 0, BUFFERS, 80);
    memset(memory_dram(&r->memory, BUFFERS, 80), 7, 80);
    store(r, 100, RING_tx_tail, 1);
    ring_advance(r->ring, 1000);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(r->sent[0]->first_flit_cycle, 100 + 15 + 24 + 8 + 24 + 10 + 4);
    assert_int_equal(r->sent[0]->len_bytes, 80);
    assert_int_equal(r->sent[0]->data[79], 7);
    assert_int_equal(load(r, RING_tx_head), 1);
}

static void packets_follow_each_other_on_the_wire(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < ENTRIES; i++)
        describe(r, TX_RING, i, BUFFERS + (uint64_t)BUFFER * i, 1088);
    store(r, 100, RING_tx_tail, ENTRIES);
    ring_advance(r->ring, 5000);
    assert_int_equal(r->sent_len, ENTRIES);
    for (unsigned i = 1; i < ENTRIES; i++) {
        uint64_t gap = r->sent[i]->first_flit_cycle - r->sent[i - 1]->first_flit_cycle;

        assert_in_range(gap, 136, 150); /* a line of descriptors comes in between once */
    }
}

static void a_doorbell_that_promises_too_much_is_none(void **state)
{
    struct rig *r = *state;

    store(r, 100, RING_tx_tail, ENTRIES + 1);
    ring_advance(r->ring, 1000);
    assert_int_equal(load(r, RING_tx_tail), 0);
    assert_int_equal(ring_stats(r->ring)->doorbells, 1);
}

/* Without descriptors: doorbell 15, 16 flits; wire 4, bus 16, acknowledged 24. And back out: 24, 16, 4. */
static void buffers_can_be_handed_over_through_registers(void **state)
{
    struct rig *r = *state;
    uint64_t done = 1000 + 15 + 4 + 16 + 24;

    store(r, 100, RING_rx_post, BUFFERS);
    ring_advance(r->ring, 900);
    arrive(r, 1000, 128);
    ring_advance(r->ring, done - 1);
    assert_int_equal(load(r, RING_rx_take), 0);
    ring_advance(r->ring, done);
    assert_int_equal(load(r, RING_rx_take), BUFFERS | UINT64_C(128) << RING_LENGTH_SHIFT);
    assert_int_equal(load(r, RING_rx_take), 0);
    store(r, 2000, RING_tx_post, BUFFERS | UINT64_C(128) << RING_LENGTH_SHIFT);
    ring_advance(r->ring, 3000);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(r->sent[0]->first_flit_cycle, 2000 + 15 + 24 + 16 + 4);
    assert_int_equal(r->sent[0]->data[127], 1000 & 0xff);
}

static void a_register_whose_queue_is_full_says_so(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i <= RING_QUEUE_MAX; i++) {
        store(r, 100 + 50 * i, RING_rx_post, BUFFERS);
        ring_advance(r->ring, 140 + 50 * i);
    }
    assert_int_equal(ring_stats(r->ring)->drop_queue_full, 1);
}

static bool external_interrupt(const struct rig *r)
{
    uint64_t mip = 0;

    assert_int_equal(hart_csr_get(r->hart, CSR_MIP, &mip), 0);
    return (mip >> 11 & 1) != 0;
}

static void an_interrupt_tells_of_packets_until_it_was_seen(void **state)
{
    struct rig *r = *state;

    give_buffers(r, 2, BUFFER);
    store(r, 910, RING_irq_on, 1);
    arrive(r, 1000, 64);
    ring_advance(r->ring, 2000);
    hart_reset(r->hart, MEMORY_BASE, 0, 2000); /* its clock is here now */
    assert_true(external_interrupt(r));
    store(r, 2000, RING_irq_seen, 1);
    assert_false(external_interrupt(r));
    arrive(r, 2100, 64);
    ring_advance(r->ring, 3000);
    assert_int_equal(ring_stats(r->ring)->interrupts, 2);
}

static void registers_that_make_no_sense_are_refused(void **state)
{
    struct rig *r = *state;
    uint64_t value;

    assert_int_equal(ring_store(r->ring, r->hart, 100, RING_rx_entries, 8, 3), -EFAULT);
    assert_int_equal(ring_store(r->ring, r->hart, 100, RING_rx_base, 8, RX_RING + 16), -EFAULT);
    assert_int_equal(ring_store(r->ring, r->hart, 100, RING_irq_on, 4, 1), -EFAULT);
    assert_int_equal(ring_store(r->ring, r->hart, 100, 0x500, 8, 1), -EFAULT);
    assert_int_equal(ring_load(r->ring, 0x500, 8, &value), -EFAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_is_in_memory_when_its_descriptor_says_so),
        TEST(what_has_no_buffer_waits_for_one),
        TEST(the_input_buffer_has_a_bound),
        TEST(packets_that_do_not_fit_their_buffer_are_dropped),
        TEST(buffers_outside_of_memory_are_refused),
        TEST(a_packet_leaves_when_all_of_it_was_read),
        TEST(packets_follow_each_other_on_the_wire),
        TEST(a_doorbell_that_promises_too_much_is_none),
        TEST(buffers_can_be_handed_over_through_registers),
        TEST(a_register_whose_queue_is_full_says_so),
        TEST(an_interrupt_tells_of_packets_until_it_was_seen),
        TEST(registers_that_make_no_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
