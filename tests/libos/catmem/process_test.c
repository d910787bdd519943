/* SPDX-License-Identifier: MIT */
/* Two processes: messages both ways, a peer that ends cleanly or is killed at any moment, sleeping. */
#include "box.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t sizes[] = {1, 56, 64, 200, 1023, 1024, 4000, 70000, 300000};

static void echo_server(struct box *b, unsigned arg)
{
    int listener = box_listen(b);

    (void)arg;
    box_echo(box_accept(listener));
    MUST(demi_close(listener) == 0);
}

static void echo__every_size(void **state)
{
    struct box *b = box_new();
    pid_t child = box_child(echo_server, b, 0);
    int qd = box_connect(b);

    (void)state;
    for (unsigned i = 0; i < RIG_ROUNDS(2000); i++) {
        size_t size = sizes[i % ARRAY_LEN(sizes)];
        demi_sgarray_t sga = rig_sga_fill(size, i);
        demi_qtoken_t push = rig_push(qd, &sga);

        if (i & 1)
            rig_free(&sga);
        rig_done(push, DEMI_OPC_PUSH);
        if (!(i & 1))
            rig_free(&sga);
        sga = rig_done(rig_pop(qd), DEMI_OPC_POP).qr_value.sga;
        assert_int_equal(rig_length(&sga), size);
        assert_true(rig_filled(rig_bytes(&sga), size, i));
        rig_free(&sga);
    }
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(box_join(child), 0);
    assert_true(box_empty());
    box_free(b);
}

/* Both push before either pops, and wait for their pushes first. */
static void push_then_pop(struct box *b, unsigned arg)
{
    int listener = box_listen(b), qd = box_accept(listener);

    (void)arg;
    for (unsigned i = 0; i < RIG_ROUNDS(500); i++) {
        demi_sgarray_t sga = box_fill(sizes[i % ARRAY_LEN(sizes)], i);

        box_push(qd, &sga);
        sga = box_pop(qd);
        MUST(rig_filled(rig_bytes(&sga), sizes[i % ARRAY_LEN(sizes)], i + 1));
        MUST(demi_sgafree(&sga) == 0);
    }
    box_pop(qd); /* the end */
}

static void push__waited_for_on_both_sides(void **state)
{
    struct box *b = box_new();
    pid_t child = box_child(push_then_pop, b, 0);
    int qd = box_connect(b);

    (void)state;
    for (unsigned i = 0; i < RIG_ROUNDS(500); i++) {
        demi_sgarray_t sga = rig_sga_fill(sizes[i % ARRAY_LEN(sizes)], i + 1);

        rig_done(rig_push(qd, &sga), DEMI_OPC_PUSH);
        rig_free(&sga);
        sga = rig_done(rig_pop(qd), DEMI_OPC_POP).qr_value.sga;
        assert_true(rig_filled(rig_bytes(&sga), sizes[i % ARRAY_LEN(sizes)], i));
        rig_free(&sga);
    }
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(box_join(child), 0);
    box_free(b);
}

/* A long stream one way as fast as it goes; the receiver is often slower. */
static void stream_out(struct box *b, unsigned n)
{
    int listener = box_listen(b), qd = box_accept(listener);
    demi_qtoken_t qt[8];

    for (unsigned i = 0; i < n + 8; i++) {
        demi_sgarray_t sga;

        if (i >= 8)
            box_done(qt[i % 8]);
        if (i >= n)
            continue;
        sga = box_fill(sizes[i * 7 % ARRAY_LEN(sizes)] + i % 13, i);
        MUST(demi_push(&qt[i % 8], qd, &sga) == 0);
        MUST(demi_sgafree(&sga) == 0);
    }
    MUST(demi_close(qd) == 0);
}

static void stream__one_way(void **state)
{
    enum { N = 5000 };
    struct box *b = box_new();
    pid_t child = box_child(stream_out, b, N);
    int qd = box_connect(b);

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        demi_sgarray_t sga = rig_done(rig_pop(qd), DEMI_OPC_POP).qr_value.sga;

        assert_int_equal(rig_length(&sga), sizes[i * 7 % ARRAY_LEN(sizes)] + i % 13);
        assert_true(rig_filled(rig_bytes(&sga), rig_length(&sga), i));
        rig_free(&sga);
        if (i % 100 == 0)
            usleep(500);
    }
    rig_expect_end(qd);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(box_join(child), 0);
    assert_true(box_empty());
    box_free(b);
}

static void close__by_the_end_of_the_process(void **state)
{
    struct box *b = box_new();
    pid_t child = box_child(stream_out, b, 3);
    uint64_t deaths = BOX_COUNT(peer_deaths), resets = BOX_COUNT(resets);
    int qd = box_connect(b);

    (void)state;
    assert_int_equal(box_join(child), 0); /* everything is published, nothing was popped */
    for (unsigned i = 0; i < 3; i++) {
        demi_sgarray_t sga = rig_done(rig_pop(qd), DEMI_OPC_POP).qr_value.sga;

        assert_true(rig_filled(rig_bytes(&sga), sizes[i * 7 % ARRAY_LEN(sizes)] + i % 13, i));
        rig_free(&sga);
    }
    rig_expect_end(qd);
    rig_expect_end(qd);
    assert_int_equal(BOX_COUNT(peer_deaths), deaths);
    assert_int_equal(BOX_COUNT(resets), resets);
    assert_int_equal(demi_close(qd), 0);
    assert_true(box_empty());
    box_free(b);
}

/* Talks for ever, in all ways at once. */
static void talk_for_ever(struct box *b, unsigned seed)
{
    int qd = box_connect(b);

    for (unsigned i = seed;; i++) {
        demi_sgarray_t sga = box_fill(sizes[i % ARRAY_LEN(sizes)], i);
        demi_qresult_t qr;
        demi_qtoken_t qt[2];
        int at;

        MUST(demi_push(&qt[0], qd, &sga) == 0);
        if (i % 2 == 0)
            MUST(demi_sgafree(&sga) == 0);
        MUST(demi_pop(&qt[1], qd) == 0);
        for (int left = 2; left > 0; left--) {
            MUST(demi_wait_any(&qr, &at, qt, left, NULL) == 0);
            if (qr.qr_opcode == DEMI_OPC_FAILED)
                return;
            qt[at] = qt[left - 1];
            if (qr.qr_opcode == DEMI_OPC_POP && i % 5 != 0) /* a few are kept */
                MUST(demi_sgafree(&qr.qr_value.sga) == 0);
        }
        if (i % 2 != 0)
            MUST(demi_sgafree(&sga) == 0);
        atomic_fetch_add(&b->count, 1);
    }
}

/* Answers whatever comes until the peer is gone, and keeps some of it. Returns the messages kept. */
static unsigned answer_until_gone(int qd, demi_sgarray_t *kept, unsigned max)
{
    unsigned n = 0;

    for (;;) {
        demi_qresult_t qr = rig_wait(rig_pop(qd));
        demi_qtoken_t push;

        if (qr.qr_opcode == DEMI_OPC_FAILED) {
            assert_int_equal(qr.qr_ret, ECONNRESET);
            return n;
        }
        assert_true(rig_length(&qr.qr_value.sga) > 0);
        push = rig_push(qd, &qr.qr_value.sga);
        if (n < max)
            kept[n++] = qr.qr_value.sga;
        else
            rig_free(&qr.qr_value.sga);
        qr = rig_wait(push);
        if (qr.qr_opcode == DEMI_OPC_FAILED)
            assert_int_equal(qr.qr_ret, ECONNRESET);
    }
}

/* kill -9 after a random time: while it dials, greets, writes, holds what we sent. */
static void kill__at_any_moment(void **state)
{
    uint64_t deaths = BOX_COUNT(peer_deaths), errors = BOX_COUNT(peer_protocol_errors);
    struct rig_pools before, after;
    unsigned talked = 0, early = 0;

    (void)state;
    rig_measure(&before);
    srandom((unsigned)getpid());
    for (unsigned round = 0; round < RIG_ROUNDS(150); round++) {
        struct box *b = box_new();
        int listener = box_listen(b);
        demi_sgarray_t kept[8];
        unsigned n = 0;
        demi_qtoken_t accept;
        pid_t child = box_child(talk_for_ever, b, round);
        struct timespec until = {0, (long)(random() % 12000) * 1000};
        demi_qresult_t qr;

        assert_int_equal(demi_accept(&accept, listener), 0);
        if (demi_wait(&qr, accept, &until) == 0) {
            assert_int_equal(qr.qr_opcode, DEMI_OPC_ACCEPT);
            if (fork() == 0) { /* kills while we talk */
                close_range(3, ~0u, 0);
                usleep((useconds_t)(random() % 6000));
                kill(child, SIGKILL);
                _exit(0);
            }
            n = answer_until_gone(qr.qr_value.ares.qd, kept, 8);
            rig_failed(rig_pop(qr.qr_value.ares.qd), ECONNRESET);
            assert_int_equal(demi_close(qr.qr_value.ares.qd), 0);
            wait(NULL);
            wait(NULL);
            talked += n > 0;
        } else {
            box_kill(child);
            early++;
        }
        assert_int_equal(demi_close(listener), 0);
        box_turns(10);
        while (n > 0) /* memory of the dead stays as long as somebody needs it */
            rig_free(&kept[--n]);
        assert_true(box_empty());
        box_free(b);
    }
    while (rig_instance()->ops.done_count > 0) { /* accepts that ended with their listeners */
        demi_qresult_t qr;
        int n;

        assert_int_equal(demi_wait_next_n(&qr, 1, &n, NULL), 0);
        if (qr.qr_opcode == DEMI_OPC_ACCEPT)
            assert_int_equal(demi_close(qr.qr_value.ares.qd), 0);
    }
    rig_measure(&after);
    assert_int_equal(after.ops, before.ops);
    assert_int_equal(after.queues, before.queues);
    assert_int_equal(after.bytes, before.bytes);
    assert_true(talked > 0);
    assert_true(BOX_COUNT(peer_deaths) > deaths);
    assert_int_equal(BOX_COUNT(peer_protocol_errors), errors);
    print_message("# %u rounds talked, %u were killed before\n", talked, early);
}

/* The peer dies while it has messages of ours, taken and not taken, and while our pushes wait. */
static void take_nothing(struct box *b, unsigned arg)
{
    int qd = box_connect(b);

    for (unsigned i = 0; i < arg; i++)
        box_pop(qd); /* and keeps them */
    atomic_store(&b->step, 1);
    for (;;)
        pause();
}

static void kill__with_our_messages(void **state)
{
    enum { N = 300 };
    struct box *b = box_new();
    int listener = box_listen(b), qd;
    pid_t child = box_child(take_nothing, b, 5);
    uint64_t deaths = BOX_COUNT(peer_deaths), resets = BOX_COUNT(resets);
    demi_qtoken_t push[N];
    unsigned failed = 0;
    demi_qtoken_t pop;

    (void)state;
    qd = box_accept(listener);
    pop = rig_pop(qd);
    for (unsigned i = 0; i < N; i++) {
        demi_sgarray_t sga = rig_sga_fill(i % 2 == 0 ? 5000 : 50000, i);

        push[i] = rig_push(qd, &sga);
        rig_free(&sga);
    }
    box_await(&b->step, 1);
    assert_true(box_conn(qd)->out_count > 0);
    box_kill(child);
    rig_failed(pop, ECONNRESET);
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_wait(push[i]);

        if (qr.qr_opcode == DEMI_OPC_FAILED) {
            assert_int_equal(qr.qr_ret, ECONNRESET);
            failed++;
        }
    }
    assert_true(failed > 0);
    assert_int_equal(box_conn(qd)->out_count, 0);
    assert_int_equal(BOX_COUNT(peer_deaths), deaths + 1);
    assert_int_equal(BOX_COUNT(resets), resets + 1);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(listener), 0);
    assert_true(box_empty());
    box_free(b);
}

/* One death, many connections: each is reset, one peer died. */
static void connect_many(struct box *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        box_connect(b);
    atomic_store(&b->step, 1);
    for (;;)
        pause();
}

static void kill__with_many_connections(void **state)
{
    enum { N = 60 };
    struct box *b = box_new();
    int listener = box_listen(b), qd[N];
    pid_t child = box_child(connect_many, b, N);
    uint64_t deaths = BOX_COUNT(peer_deaths), resets = BOX_COUNT(resets);
    demi_qtoken_t pop[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        qd[i] = box_accept(listener);
        pop[i] = rig_pop(qd[i]);
    }
    assert_ptr_equal(box_conn(qd[0])->peer, box_conn(qd[N - 1])->peer); /* one mapping for all */
    assert_int_equal(box_conn(qd[0])->peer->refs, N);
    box_await(&b->step, 1);
    box_kill(child);
    for (unsigned i = 0; i < N; i++) {
        rig_failed(pop[i], ECONNRESET);
        assert_int_equal(demi_close(qd[i]), 0);
    }
    assert_int_equal(BOX_COUNT(peer_deaths), deaths + 1);
    assert_int_equal(BOX_COUNT(resets), resets + N);
    assert_int_equal(demi_close(listener), 0);
    assert_true(box_empty());
    box_free(b);
}

/* What the dead had published completely is delivered, and stays valid. */
static void publish_and_die(struct box *b, unsigned arg)
{
    int qd = box_connect(b);
    demi_sgarray_t sga;
    demi_qtoken_t qt;

    (void)arg;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        sga = box_fill(sizes[i], i);
        MUST(demi_push(&qt, qd, &sga) == 0);
        if (i % 2 == 0)
            MUST(demi_sgafree(&sga) == 0);
    }
    kill(getpid(), SIGKILL);
}

static void kill__after_publishing(void **state)
{
    struct box *b = box_new();
    int listener = box_listen(b), qd;
    pid_t child = box_child(publish_and_die, b, 0);
    demi_sgarray_t sga[ARRAY_LEN(sizes)];

    (void)state;
    qd = box_accept(listener);
    box_join(child);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        sga[i] = rig_done(rig_pop(qd), DEMI_OPC_POP).qr_value.sga;
    rig_failed(rig_pop(qd), ECONNRESET);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(listener), 0);
    box_turns(50);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(rig_length(&sga[i]), sizes[i]);
        assert_true(rig_filled(rig_bytes(&sga[i]), sizes[i], i));
        rig_free(&sga[i]);
    }
    assert_true(box_empty());
    box_free(b);
}

/* The listener dies: those that connect are refused, those that were connected are reset. */
static void listen_for_ever(struct box *b, unsigned arg)
{
    int listener = box_listen(b);

    (void)arg;
    for (;;)
        box_accept(listener);
}

static void kill__of_the_listener(void **state)
{
    struct box *b = box_new();
    pid_t child = box_child(listen_for_ever, b, 0);
    int qd = box_connect(b), late = rig_socket(AF_INET, SOCK_STREAM);
    union rig_addr a = rig_loopback(AF_INET, (uint16_t)atomic_load(&b->port));
    demi_qtoken_t qt;

    (void)state;
    box_kill(child);
    rig_failed(rig_pop(qd), ECONNRESET);
    assert_int_equal(demi_connect(&qt, late, &a.any, rig_len(&a)), 0);
    rig_failed(qt, ECONNREFUSED);
    assert_int_equal(demi_bind(late, &a.any, rig_len(&a)), 0); /* nothing is left of its port */
    assert_int_equal(demi_close(late), 0);
    assert_int_equal(demi_close(qd), 0);
    assert_true(box_empty());
    box_free(b);
}

/* Pauses between messages that are long enough to sleep in, on both sides. */
static void echo__with_pauses(void **state)
{
    struct box *b = box_new();
    pid_t child = box_child(echo_server, b, 0);
    int qd = box_connect(b);
    uint64_t sleeps, syscalls;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        rig_send(qd, "are you awake?");
        rig_expect(qd, "are you awake?");
        usleep(random() % 1000);
    }
    sleeps = BOX_COUNT(sleeps);
    {
        struct timespec limit = rig_ms(300);
        demi_qtoken_t pop = rig_pop(qd);
        demi_qresult_t qr;

        syscalls = BOX_COUNT(syscalls);
        assert_int_equal(demi_wait(&qr, pop, &limit), ETIMEDOUT);
        assert_int_equal(demi_cancel(pop), 0);
    }
    if (rig_instance()->config.idle != IDLE_SPIN) {
        assert_true(BOX_COUNT(sleeps) > sleeps);
        assert_true(BOX_COUNT(sleeps) < sleeps + 10);
        assert_true(BOX_COUNT(syscalls) < syscalls + 1000); /* it slept; circles would take 50 times as many */
    } else {
        assert_int_equal(BOX_COUNT(sleeps), 0);
    }
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(box_join(child), 0);
    box_free(b);
}

/* Wakes by everything there is: a message, room in the ring, a message given back, an end. */
static void slow_reader(struct box *b, unsigned arg)
{
    int qd = box_connect(b);

    (void)arg;
    for (unsigned i = 0; i < 400; i++) {
        demi_sgarray_t sga;

        if (i % 40 == 0)
            usleep(3000);
        sga = box_pop(qd);
        MUST(rig_filled(rig_bytes(&sga), i % 4 == 0 ? 100000 : 5000, i));
        MUST(demi_sgafree(&sga) == 0);
    }
    usleep(3000);
}

static void sleep__woken_by_everything(void **state)
{
    struct box *b = box_new();
    int listener = box_listen(b), qd;
    pid_t child = box_child(slow_reader, b, 0);

    (void)state;
    qd = box_accept(listener);
    for (unsigned i = 0; i < 400; i++) {
        demi_sgarray_t sga = rig_sga_fill(i % 4 == 0 ? 100000 : 5000, i);

        rig_done(rig_push(qd, &sga), DEMI_OPC_PUSH); /* copied and given back, or we wait for ever */
        rig_free(&sga);
    }
    rig_expect_end(qd);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(listener), 0);
    assert_int_equal(box_join(child), 0);
    assert_true(box_empty());
    box_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(echo__every_size),
        TEST(push__waited_for_on_both_sides),
        TEST(stream__one_way),
        TEST(close__by_the_end_of_the_process),
        TEST(kill__at_any_moment),
        TEST(kill__with_our_messages),
        TEST(kill__with_many_connections),
        TEST(kill__after_publishing),
        TEST(kill__of_the_listener),
        TEST(echo__with_pauses),
        TEST(sleep__woken_by_everything),
    };

    return RIG_RUN(tests);
}
