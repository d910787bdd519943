/* SPDX-License-Identifier: MIT */
#include "nanopu/view/recorder.h"

#include "nanopu/fabric/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODES 2

struct seen {
    struct probe_event e[16];
    uint8_t packet[4];
    uint32_t packet_len;
    unsigned len;
};

static void see(void *arg, const struct record *rec)
{
    struct seen *s = arg;

    assert_true(s->len < 16);
    assert_null(rec->e.p);
    s->e[s->len++] = rec->e;
    if (rec->packet != NULL) {
        s->packet_len = rec->packet_len;
        memcpy(s->packet, rec->packet, sizeof(s->packet));
    }
}

static void tell(struct probe *p, enum probe_kind kind, uint64_t cycle, uint64_t a)
{
    struct probe_event e = {.kind = kind, .node = p->node, .cycle = cycle, .a = a};

    p->event(p->arg, &e);
}

static void flush__in_the_order_of_cycle_node_and_telling(void **state)
{
    struct recorder *r = recorder_new(NODES);
    struct seen seen = {0};
    struct probe *p, *q;

    (void)state;
    recorder_sink(r, 1U << PROBE_timeout, see, &seen);
    p = recorder_probe(r, 0);
    q = recorder_probe(r, 1);
    tell(q, PROBE_timeout, 10, 1);
    tell(q, PROBE_timeout, 7, 2);
    tell(p, PROBE_timeout, 10, 3);
    tell(p, PROBE_timeout, 10, 4);
    recorder_flush(r, UINT64_MAX);
    assert_int_equal(seen.len, 4);
    assert_int_equal(seen.e[0].a, 2);
    assert_int_equal(seen.e[1].a, 3);
    assert_int_equal(seen.e[2].a, 4);
    assert_int_equal(seen.e[3].a, 1);
    recorder_free(r);
}

static void flush__keeps_what_later_events_may_precede(void **state)
{
    struct recorder *r = recorder_new(NODES);
    struct seen seen = {0};
    struct probe *p;

    (void)state;
    recorder_sink(r, 1U << PROBE_timeout, see, &seen);
    p = recorder_probe(r, 0);
    tell(p, PROBE_timeout, 100, 1);
    tell(p, PROBE_timeout, 200, 2);
    recorder_flush(r, 100);
    assert_int_equal(seen.len, 0);
    recorder_flush(r, 150 + RECORDER_LATE_CYCLES);
    assert_int_equal(seen.len, 1);
    tell(p, PROBE_timeout, 160, 3);
    recorder_flush(r, UINT64_MAX);
    assert_int_equal(seen.len, 3);
    assert_int_equal(seen.e[1].a, 3);
    assert_int_equal(recorder_lost(r), 0);
    recorder_free(r);
}

static void sink__gets_what_it_wants_alone(void **state)
{
    struct recorder *r = recorder_new(NODES);
    struct seen a = {0}, b = {0};
    struct probe *p;

    (void)state;
    recorder_sink(r, 1U << PROBE_timeout, see, &a);
    recorder_sink(r, 1U << PROBE_timeout | 1U << PROBE_queue, see, &b);
    p = recorder_probe(r, 1);
    assert_true(probe_wants(p, PROBE_queue));
    assert_false(probe_wants(p, PROBE_insn));
    tell(p, PROBE_timeout, 1, 0);
    tell(p, PROBE_queue, 2, 0);
    recorder_flush(r, UINT64_MAX);
    assert_int_equal(a.len, 1);
    assert_int_equal(b.len, 2);
    assert_int_equal(b.e[1].node, 1);
    recorder_free(r);
}

static void probe__copies_the_packet(void **state)
{
    struct recorder *r = recorder_new(NODES);
    static struct packet packet = {.len_bytes = 4, .id = 9, .data = {1, 2, 3, 4}};
    struct seen seen = {0};
    struct probe *p;

    (void)state;
    recorder_sink(r, 1U << PROBE_rx_packet, see, &seen);
    p = recorder_probe(r, 0);
    p->event(p->arg, &(struct probe_event){.kind = PROBE_rx_packet, .cycle = 5, .p = &packet});
    packet.data[0] = 99;
    recorder_flush(r, UINT64_MAX);
    assert_int_equal(seen.packet_len, 4);
    assert_memory_equal(seen.packet, "\1\2\3\4", 4);
    recorder_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flush__in_the_order_of_cycle_node_and_telling),
        cmocka_unit_test(flush__keeps_what_later_events_may_precede),
        cmocka_unit_test(sink__gets_what_it_wants_alone),
        cmocka_unit_test(probe__copies_the_packet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
