/* SPDX-License-Identifier: MIT */
/* Ten thousand connections at once: the server in a process of its own, since each has that many descriptors. */
#include "api/rig.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS 10000
#define ROUNDS      2
#define BATCH       256 /* connects and accepts outstanding */
#define BYTES       32

static int qds[CONNECTIONS];

/* The server: accepts, echoes, and ends when every connection ended. Exits with the number of the step that failed. */
#define STEP(n, condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "server, step %d: %s: %s\n", n, #condition, demi_last_error());                            \
            _exit(n);                                                                                                  \
        }                                                                                                              \
    } while (0)

static unsigned accepted, ended;

static void serve_result(int listener, demi_qresult_t *qr)
{
    demi_sgarray_t *sga = &qr->qr_value.sga;
    demi_qtoken_t qt;

    switch (qr->qr_opcode) {
    case DEMI_OPC_ACCEPT:
        accepted++;
        STEP(4, demi_pop(&qt, qr->qr_value.ares.qd) == 0);
        STEP(5, demi_accept(&qt, listener) == 0);
        return;
    case DEMI_OPC_PUSH:
        return;
    default:
        STEP(6, qr->qr_opcode == DEMI_OPC_POP);
    }
    if (rig_length(sga) == 0) {
        ended++;
        STEP(7, demi_close(qr->qr_qd) == 0);
    } else {
        STEP(8, demi_push(&qt, qr->qr_qd, sga) == 0);
        STEP(9, demi_pop(&qt, qr->qr_qd) == 0);
    }
    STEP(10, demi_sgafree(sga) == 0);
}

static void serve(int tell)
{
    union rig_addr a = rig_loopback(AF_INET, 0);
    struct timespec limit = rig_ms(RIG_MS);
    static demi_qresult_t qrs[BATCH];
    socklen_t len = sizeof(a);
    demi_qtoken_t qt;
    int listener, n;

    STEP(1, demi_init(NULL) == 0 && demi_socket(&listener, AF_INET, SOCK_STREAM, 0) == 0);
    STEP(2, demi_bind(listener, &a.any, rig_len(&a)) == 0 && demi_listen(listener, 4096) == 0);
    STEP(3, demi_getsockname(listener, &a.any, &len) == 0 && write(tell, &a, sizeof(a)) == sizeof(a));
    for (unsigned i = 0; i < BATCH; i++)
        STEP(3, demi_accept(&qt, listener) == 0);
    while (ended < CONNECTIONS) {
        STEP(11, demi_wait_next_n(qrs, BATCH, &n, &limit) == 0);
        for (int i = 0; i < n; i++)
            serve_result(listener, &qrs[i]);
    }
    STEP(12, accepted == CONNECTIONS);
    STEP(13, demi_close(listener) == 0);
    while (demi_wait_next_n(qrs, BATCH, &n, &(struct timespec){0, 0}) == 0)
        continue;
    STEP(14, rig_instance()->queues.used == 0);
    STEP(15, demi_fini() == 0);
    _exit(0);
}

static void connect_all(const union rig_addr *to)
{
    static demi_qtoken_t tokens[BATCH];
    struct timespec limit = rig_ms(RIG_MS);
    int pending = 0, made = 0;

    while (made < CONNECTIONS || pending > 0) {
        demi_qresult_t qr;
        int at;

        for (; pending < BATCH && made < CONNECTIONS; pending++, made++) {
            qds[made] = rig_socket(AF_INET, SOCK_STREAM);
            assert_int_equal(demi_connect(&tokens[pending], qds[made], &to->any, rig_len(to)), 0);
        }
        assert_int_equal(demi_wait_any(&qr, &at, tokens, pending, &limit), 0);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_CONNECT);
        tokens[at] = tokens[--pending];
    }
}

/* A message on each connection, then all the answers, in the order in which they come. */
static void echo_all(unsigned round)
{
    static demi_qtoken_t pops[CONNECTIONS];
    struct timespec limit = rig_ms(RIG_MS);
    static bool answered[CONNECTIONS];

    memset(answered, 0, sizeof(answered));
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        demi_sgarray_t sga = rig_sga_fill(BYTES, i + round);

        pops[i] = rig_pop(qds[i]);
        rig_done(rig_push(qds[i], &sga), DEMI_OPC_PUSH);
        rig_free(&sga);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        demi_qresult_t qr;
        int n;

        assert_int_equal(demi_wait_next_n(&qr, 1, &n, &limit), 0);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        n = qr.qr_qd - qds[0];
        assert_in_range(n, 0, CONNECTIONS - 1);
        assert_int_equal(qr.qr_qt, pops[n]);
        assert_false(answered[n]);
        answered[n] = true;
        assert_int_equal(rig_length(&qr.qr_value.sga), BYTES);
        assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), BYTES, (unsigned)n + round));
        rig_free(&qr.qr_value.sga);
    }
}

static void connections__10000_at_once(void **state)
{
    union rig_addr to;
    int tell[2], status;
    pid_t server;

    (void)state;
    rig_need_instances();
    assert_int_equal(pipe(tell), 0);
    server = fork();
    assert_true(server >= 0);
    if (server == 0)
        serve(tell[1]);
    assert_int_equal(read(tell[0], &to, sizeof(to)), sizeof(to));
    connect_all(&to);
    assert_int_equal(rig_instance()->queues.used, CONNECTIONS);
    for (unsigned round = 0; round < ROUNDS; round++)
        echo_all(round);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        assert_int_equal(demi_close(qds[i]), 0);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(tell[0]);
    close(tell[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections__10000_at_once),
    };
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < CONNECTIONS + 100) {
        printf("skip connections__10000_at_once RLIMIT_NOFILE allows %llu descriptors\n",
               (unsigned long long)limit.rlim_max);
        return 0;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    setenv("MAX_OPERATIONS", "65536", 1);
    return RIG_RUN(tests);
}
