/* SPDX-License-Identifier: MIT */
/* Two threads of one process, an instance each; a thread that ends with its connections open. */
#include "box.h"

#include <pthread.h>
#include <unistd.h>

static const size_t sizes[] = {1, 64, 1000, 5000, 200000};

/* Runs body in a thread that has an instance. */
struct side {
    struct box *box;
    void (*body)(struct box *b);
    bool leave; /* without an end of its instance */
    pthread_t thread;
};

static void *side_run(void *arg)
{
    struct side *s = arg;

    MUST(demi_init(NULL) == 0);
    s->body(s->box);
    if (!s->leave)
        MUST(demi_fini() == 0);
    return NULL;
}

static void side_start(struct side *s, struct box *b, void (*body)(struct box *b), bool leave)
{
    *s = (struct side){.box = b, .body = body, .leave = leave};
    assert_int_equal(pthread_create(&s->thread, NULL, side_run, s), 0);
}

static void echo(struct box *b)
{
    int listener = box_listen(b), qd = box_accept(listener);

    box_echo(qd);
    MUST(demi_close(qd) == 0);
    MUST(demi_close(listener) == 0);
}

static void threads__echo(void **state)
{
    struct box *b = box_new();
    struct side s;
    int qd;

    (void)state;
    side_start(&s, b, echo, false);
    qd = box_connect(b);
    for (unsigned i = 0; i < RIG_ROUNDS(3000); i++) {
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
    pthread_join(s.thread, NULL);
    assert_true(box_empty());
    box_free(b);
}

/* Ends in the middle of things: messages under way both ways, pushes and pops that wait, arrays that are held. */
static void leave_open(struct box *b)
{
    int listener = box_listen(b), qd = box_accept(listener);
    demi_qtoken_t qt;

    for (unsigned i = 0; i < 10; i++) {
        demi_sgarray_t sga = box_fill(sizes[i % ARRAY_LEN(sizes)], i);

        MUST(demi_push(&qt, qd, &sga) == 0);
        if (i % 2 == 0)
            MUST(demi_sgafree(&sga) == 0);
    }
    box_pop(qd);
    MUST(demi_pop(&qt, qd) == 0);
    MUST(demi_accept(&qt, listener) == 0);
}

static void thread__exits_with_live_connections(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        struct box *b = box_new();
        demi_sgarray_t sga[10], out = rig_sga_fill(50000, 1);
        demi_qtoken_t push[4];
        struct side s;
        int qd;

        side_start(&s, b, leave_open, true);
        qd = box_connect(b);
        for (unsigned i = 0; i < 4; i++)
            push[i] = rig_push(qd, &out);
        rig_free(&out);
        for (unsigned i = 0; i < 10; i++) {
            sga[i] = rig_done(rig_pop(qd), DEMI_OPC_POP).qr_value.sga;
            if (i == round % 10)
                pthread_join(s.thread, NULL);
        }
        rig_expect_end(qd);
        for (unsigned i = 0; i < 4; i++)
            rig_wait(push[i]); /* done or reset, but not pending */
        for (unsigned i = 0; i < 10; i++) {
            assert_true(rig_filled(rig_bytes(&sga[i]), sizes[i % ARRAY_LEN(sizes)], i));
            rig_free(&sga[i]);
        }
        assert_int_equal(demi_close(qd), 0);
        assert_true(box_empty());
        box_free(b);
    }
}

/* Both threads connect to each other at once. */
static void cross(struct box *b)
{
    int listener, qd[2];
    demi_sgarray_t sga;
    union rig_addr a;
    demi_qtoken_t accept, connect;

    listener = box_listen(b);
    MUST(demi_accept(&accept, listener) == 0);
    while (atomic_load(&b->go) == 0)
        ;
    a = rig_loopback(AF_INET, (uint16_t)atomic_load(&b->go));
    MUST(demi_socket(&qd[0], AF_INET, SOCK_STREAM, 0) == 0);
    MUST(demi_connect(&connect, qd[0], &a.any, sizeof(a.in)) == 0);
    box_done(connect);
    qd[1] = box_done(accept).qr_value.ares.qd;
    for (unsigned i = 0; i < 1000; i++) {
        sga = box_fill(sizes[i % ARRAY_LEN(sizes)], i);
        box_give(qd[0], &sga);
        sga = box_pop(qd[1]);
        MUST(rig_filled(rig_bytes(&sga), sizes[i % ARRAY_LEN(sizes)], i));
        MUST(demi_sgafree(&sga) == 0);
    }
}

static void threads__connect_both_ways(void **state)
{
    struct box *b[2] = {box_new(), box_new()};
    struct side s[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        side_start(&s[i], b[i], cross, true);
    for (unsigned i = 0; i < 2; i++) {
        while (atomic_load(&b[i]->port) == 0)
            usleep(100);
        atomic_store(&b[1 - i]->go, atomic_load(&b[i]->port));
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(s[i].thread, NULL);
        box_free(b[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads__echo),
        TEST(thread__exits_with_live_connections),
        TEST(threads__connect_both_ways),
    };

    return RIG_RUN(tests);
}
