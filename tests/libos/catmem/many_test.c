/* SPDX-License-Identifier: MIT */
/* A thousand connections: all work, idle ones cost nothing, the busy ones are polled themselves. */
#include "box.h"

#include <sys/resource.h>
#include <unistd.h>

#define MANY 1000

static struct rig_pair pair[MANY];

static void open_many(void)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a);

    for (unsigned i = 0; i < MANY; i++) {
        demi_qtoken_t accept, connect;

        pair[i].client = rig_socket(AF_INET, SOCK_STREAM);
        assert_int_equal(demi_accept(&accept, listener), 0);
        assert_int_equal(demi_connect(&connect, pair[i].client, &a.any, rig_len(&a)), 0);
        rig_done(connect, DEMI_OPC_CONNECT);
        pair[i].server = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    }
    assert_int_equal(demi_close(listener), 0);
}

static void close_many(void)
{
    for (unsigned i = 0; i < MANY; i++)
        rig_pair_close(pair[i]);
    assert_true(box_empty());
}

static void many__all_work(void **state)
{
    struct catmem *m = catmem_of(rig_instance());

    (void)state;
    open_many();
    assert_int_equal(m->hot_count, CATMEM_HOT);
    assert_int_equal(m->slots_used, 2 * MANY);
    for (unsigned i = 0; i < 3 * MANY; i++) {
        struct rig_pair p = pair[i * 7 % MANY];
        demi_sgarray_t sga = rig_sga_fill(i % 5 == 0 ? 3000 : 64, i);
        demi_qtoken_t push, pop = rig_pop(p.server);

        push = rig_push(p.client, &sga);
        rig_free(&sga);
        rig_done(push, DEMI_OPC_PUSH);
        sga = rig_done(pop, DEMI_OPC_POP).qr_value.sga;
        assert_true(rig_filled(rig_bytes(&sga), i % 5 == 0 ? 3000 : 64, i));
        push = rig_push(p.server, &sga);
        rig_free(&sga);
        sga = rig_done(rig_pop(p.client), DEMI_OPC_POP).qr_value.sga;
        rig_done(push, DEMI_OPC_PUSH);
        assert_true(rig_filled(rig_bytes(&sga), i % 5 == 0 ? 3000 : 64, i));
        rig_free(&sga);
    }
    assert_true(m->hot_count <= CATMEM_HOT);
    close_many();
}

/* All at once, before anybody looks. */
static void many__ring_at_once(void **state)
{
    demi_qtoken_t *pop = calloc(MANY, sizeof(*pop));
    unsigned got = 0;

    (void)state;
    assert_non_null(pop);
    open_many();
    for (unsigned i = 0; i < MANY; i++) {
        pop[i] = rig_pop(pair[i].server);
        rig_send(pair[i].client, "now");
    }
    while (got < MANY) {
        struct timespec limit = rig_ms(RIG_MS);
        demi_qresult_t qr;
        int at;

        assert_int_equal(demi_wait_any(&qr, &at, pop, (int)(MANY - got), &limit), 0);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), 3);
        rig_free(&qr.qr_value.sga);
        pop[at] = pop[MANY - ++got];
    }
    free(pop);
    close_many();
}

/* A connection that was parked and is used all the time gets a place among those that are polled. */
static void many__busy_ones_become_hot(void **state)
{
    struct rig_pair p;

    (void)state;
    open_many();
    p = pair[MANY - 1];
    assert_int_equal(box_conn(p.client)->hot, CATMEM_NIL);
    assert_int_equal(box_conn(p.server)->hot, CATMEM_NIL);
    for (unsigned i = 0; i < 100000 && (box_conn(p.client)->hot == CATMEM_NIL || box_conn(p.server)->hot == CATMEM_NIL);
         i++) {
        demi_qtoken_t pop = rig_pop(i & 1 ? p.server : p.client);
        demi_qresult_t qr;

        rig_send(i & 1 ? p.client : p.server, "ping");
        qr = rig_done(pop, DEMI_OPC_POP);
        rig_free(&qr.qr_value.sga);
    }
    assert_int_not_equal(box_conn(p.client)->hot, CATMEM_NIL);
    assert_int_not_equal(box_conn(p.server)->hot, CATMEM_NIL);
    for (unsigned i = 0; i < 1000; i += 100) { /* those that made room still work */
        rig_send(pair[i].client, "still there");
        rig_expect(pair[i].server, "still there");
    }
    close_many();
}

/* Nanoseconds of a turn, the best of many looks. */
static uint64_t turn_ns(void)
{
    uint64_t best = UINT64_MAX;

    for (unsigned look = 0; look < 200; look++) {
        uint64_t from = rig_now_ns(), took;

        for (unsigned i = 0; i < 1000; i++)
            instance_turn(rig_instance());
        took = (rig_now_ns() - from) / 1000;
        if (took < best)
            best = took;
    }
    return best;
}

static void many__idle_ones_cost_nothing(void **state)
{
    struct rig_pair few[CATMEM_HOT / 2];
    uint64_t with_few, with_many;

    (void)state;
    for (unsigned i = 0; i < CATMEM_HOT / 2; i++)
        few[i] = rig_pair(AF_INET);
    turn_ns();
    with_few = turn_ns();
    open_many();
    turn_ns();
    with_many = turn_ns();
    print_message("# a turn: %u ns with %u ends, %u ns with %u\n", (unsigned)with_few, CATMEM_HOT, (unsigned)with_many,
                  2 * MANY + CATMEM_HOT);
    assert_true(with_many <= 2 * with_few + 20);
    for (unsigned i = 0; i < CATMEM_HOT / 2; i++)
        rig_pair_close(few[i]);
    close_many();
}

/* Slots are used again, and an event for an earlier user of a slot reaches nobody. */
static void many__come_and_go(void **state)
{
    struct catmem *m = catmem_of(rig_instance());

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        struct rig_pair p = rig_pair(AF_INET);

        rig_send(p.client, "x");
        if (i % 2 == 0)
            rig_expect(p.server, "x");
        assert_int_equal(demi_close(p.client), 0);
        if (i % 3 == 0)
            box_turns(2);
        assert_int_equal(demi_close(p.server), 0);
    }
    assert_true(m->slot_count < 64);
    assert_true(box_empty());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many__all_work),
        TEST(many__ring_at_once),
        TEST(many__busy_ones_become_hot),
        TEST(many__idle_ones_cost_nothing),
        TEST(many__come_and_go),
    };
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < 2 * MANY + 100) {
        printf("skip libos/catmem-many RLIMIT_NOFILE is too small\n");
        return 0;
    }
    return RIG_RUN(tests);
}
