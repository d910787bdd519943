/* SPDX-License-Identifier: MIT */
/* Two threads with an instance each, and each the other's client and server at once. */
#include "api/rig.h"

#include <pthread.h>

#define ROUNDS  RIG_ROUNDS(1000)
#define LARGEST 9000

/* A thread's part. No assertions in it: those jump. what says in the end what went wrong, or stays NULL. */
struct side {
    unsigned seed;
    union rig_addr own;
    const struct side *other;
    pthread_barrier_t *gate;
    const char *what;
    int listener, client, server;
    demi_qtoken_t tokens[2]; /* the client's and the server's pop */
    uint32_t want;           /* bytes the client still waits for */
    unsigned rounds;
    size_t echoed;
    bool ended;
};

#define FAIL_UNLESS(s, condition)                                                                                      \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (s)->what = #condition;                                                                                    \
            return false;                                                                                              \
        }                                                                                                              \
    } while (0)

static bool take(struct side *s, demi_qtoken_t qt, demi_opcode_t opcode, demi_qresult_t *qr)
{
    struct timespec limit = rig_ms(RIG_MS);

    FAIL_UNLESS(s, demi_wait(qr, qt, &limit) == 0);
    FAIL_UNLESS(s, qr->qr_opcode == opcode);
    return true;
}

static bool listen_somewhere(struct side *s)
{
    union rig_addr a = rig_loopback(AF_INET, 0);
    socklen_t len = sizeof(s->own);

    FAIL_UNLESS(s, demi_init(NULL) == 0);
    FAIL_UNLESS(s, demi_socket(&s->listener, AF_INET, SOCK_STREAM, 0) == 0);
    FAIL_UNLESS(s, demi_bind(s->listener, &a.any, rig_len(&a)) == 0);
    FAIL_UNLESS(s, demi_getsockname(s->listener, &s->own.any, &len) == 0);
    FAIL_UNLESS(s, demi_listen(s->listener, 5) == 0);
    return true;
}

static bool join_the_other(struct side *s)
{
    demi_qtoken_t accept, connect;
    demi_qresult_t qr;

    FAIL_UNLESS(s, demi_accept(&accept, s->listener) == 0);
    FAIL_UNLESS(s, demi_socket(&s->client, AF_INET, SOCK_STREAM, 0) == 0);
    FAIL_UNLESS(s, demi_connect(&connect, s->client, &s->other->own.any, rig_len(&s->other->own)) == 0);
    if (!take(s, connect, DEMI_OPC_CONNECT, &qr) || !take(s, accept, DEMI_OPC_ACCEPT, &qr))
        return false;
    s->server = qr.qr_value.ares.qd;
    FAIL_UNLESS(s, demi_pop(&s->tokens[0], s->client) == 0);
    FAIL_UNLESS(s, demi_pop(&s->tokens[1], s->server) == 0);
    return true;
}

/* The client's next message: of another length each time. */
static bool ask(struct side *s)
{
    demi_sgarray_t sga;
    demi_qtoken_t qt;
    demi_qresult_t qr;

    s->want = 1 + (s->rounds * 7919 + s->seed) % LARGEST;
    sga = demi_sgaalloc(s->want);
    FAIL_UNLESS(s, sga.sga_buf != NULL);
    memset(rig_bytes(&sga), (int)(s->rounds + s->seed), s->want);
    FAIL_UNLESS(s, demi_push(&qt, s->client, &sga) == 0);
    FAIL_UNLESS(s, demi_sgafree(&sga) == 0);
    return take(s, qt, DEMI_OPC_PUSH, &qr);
}

static bool answered(struct side *s, demi_sgarray_t *sga)
{
    FAIL_UNLESS(s, rig_length(sga) > 0 && rig_length(sga) <= s->want);
    for (uint32_t i = 0; i < rig_length(sga); i++)
        FAIL_UNLESS(s, rig_bytes(sga)[i] == (char)(s->rounds + s->seed));
    s->want -= rig_length(sga);
    FAIL_UNLESS(s, demi_sgafree(sga) == 0);
    if (s->want == 0 && ++s->rounds < ROUNDS && !ask(s))
        return false;
    if (s->rounds == ROUNDS) {
        FAIL_UNLESS(s, demi_close(s->client) == 0);
        s->tokens[0] = 0;
        return true;
    }
    FAIL_UNLESS(s, demi_pop(&s->tokens[0], s->client) == 0);
    return true;
}

static bool echo(struct side *s, demi_sgarray_t *sga)
{
    demi_qtoken_t qt;
    demi_qresult_t qr;

    if (rig_length(sga) == 0) {
        s->ended = true;
        FAIL_UNLESS(s, demi_sgafree(sga) == 0);
        FAIL_UNLESS(s, demi_close(s->server) == 0);
        return true;
    }
    s->echoed += rig_length(sga);
    FAIL_UNLESS(s, demi_push(&qt, s->server, sga) == 0);
    FAIL_UNLESS(s, demi_sgafree(sga) == 0);
    FAIL_UNLESS(s, demi_pop(&s->tokens[1], s->server) == 0);
    return take(s, qt, DEMI_OPC_PUSH, &qr);
}

static bool run(struct side *s)
{
    struct timespec limit = rig_ms(RIG_MS);

    if (!ask(s))
        return false;
    while (s->rounds < ROUNDS || !s->ended) {
        int first = s->rounds == ROUNDS, n = 1 + (first == 0 && !s->ended), at;
        demi_qresult_t qr;

        FAIL_UNLESS(s, demi_wait_any(&qr, &at, s->tokens + first, n, &limit) == 0);
        FAIL_UNLESS(s, qr.qr_opcode == DEMI_OPC_POP);
        if (!(qr.qr_qd == s->client ? answered : echo)(s, &qr.qr_value.sga))
            return false;
    }
    return true;
}

static bool finish(struct side *s)
{
    const struct instance *inst = rig_instance();

    FAIL_UNLESS(s, demi_close(s->listener) == 0);
    FAIL_UNLESS(s, inst->queues.used == 0);
    FAIL_UNLESS(s, inst->ops.done_count == 0);
    FAIL_UNLESS(s, demi_fini() == 0);
    return true;
}

static void *side_thread(void *arg)
{
    struct side *s = arg;
    bool ok = listen_somewhere(s);

    pthread_barrier_wait(s->gate);
    ok = ok && s->other->what == NULL && join_the_other(s) && run(s);
    pthread_barrier_wait(s->gate);
    if (ok)
        finish(s);
    return NULL;
}

static void threads__echo_to_each_other(void **state)
{
    struct side side[2] = {{.seed = 1, .other = &side[1]}, {.seed = 200, .other = &side[0]}};
    pthread_barrier_t gate;
    pthread_t thread[2];
    size_t bytes[2] = {0, 0};

    (void)state;
    rig_need_instances();
    assert_int_equal(pthread_barrier_init(&gate, NULL, 2), 0);
    for (unsigned i = 0; i < 2; i++) {
        side[i].gate = &gate;
        assert_int_equal(pthread_create(&thread[i], NULL, side_thread, &side[i]), 0);
        for (unsigned r = 0; r < ROUNDS; r++)
            bytes[i] += 1 + (r * 7919 + side[i].seed) % LARGEST;
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    pthread_barrier_destroy(&gate);
    for (unsigned i = 0; i < 2; i++) {
        if (side[i].what != NULL)
            fail_msg("side %u, round %u: not %s", i, side[i].rounds, side[i].what);
        assert_int_equal(side[i].rounds, ROUNDS);
        assert_int_equal(side[i].echoed, bytes[1 - i]);
    }
}

/* An instance in every of many threads at once, none of which knows of the others. */
static void *lonely_thread(void *arg)
{
    struct side s = {.what = NULL};
    demi_qtoken_t push, pop;
    demi_qresult_t qr;
    const char **what = arg;
    int qd;

    *what = "demi_init";
    if (demi_init(NULL) != 0 || demi_queue(&qd) != 0)
        return NULL;
    for (unsigned i = 0; i < 1000; i++) {
        demi_sgarray_t sga = demi_sgaalloc(1 + i);

        *what = "echo";
        if (sga.sga_buf == NULL || demi_push(&push, qd, &sga) != 0 || demi_sgafree(&sga) != 0 ||
            demi_pop(&pop, qd) != 0 || !take(&s, push, DEMI_OPC_PUSH, &qr) || !take(&s, pop, DEMI_OPC_POP, &qr) ||
            rig_length(&qr.qr_value.sga) != 1 + i || demi_sgafree(&qr.qr_value.sga) != 0)
            return NULL;
    }
    *what = demi_close(qd) == 0 && mem_bytes_used(&rig_instance()->mem) == 0 ? NULL : "memory is left";
    return NULL;
}

static void threads__sixteen_instances_at_once(void **state)
{
    pthread_t thread[16];
    const char *what[16];

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, lonely_thread, &what[i]), 0);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        if (what[i] != NULL)
            fail_msg("thread %u: %s", i, what[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads__echo_to_each_other),
        cmocka_unit_test(threads__sixteen_instances_at_once),
    };

    return RIG_RUN(tests);
}
