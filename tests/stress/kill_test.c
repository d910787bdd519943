/* SPDX-License-Identifier: MIT */
/* A peer that is killed at any moment of a transfer: what it leaves is an error code, and nothing in the pools. */
#include "api/rig.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMES 50

/* The peer: pushes and pops without end over one connection until it is killed. */
static void peer_forever(const union rig_addr *to)
{
    demi_qtoken_t tokens[2], qt;
    demi_sgarray_t sga;
    demi_qresult_t qr;
    int qd, at;

    setenv("STAT", "false", 1); /* what is killed cannot remove its files */
    setenv("TRACE", "false", 1);
    if (demi_init(NULL) != 0 || demi_socket(&qd, AF_INET, SOCK_STREAM, 0) != 0 ||
        demi_connect(&qt, qd, &to->any, rig_len(to)) != 0 || demi_wait(&qr, qt, NULL) != 0)
        _exit(1);
    sga = demi_sgaalloc(100000);
    memset(rig_bytes(&sga), 'p', 100000);
    if (demi_push(&tokens[0], qd, &sga) != 0 || demi_pop(&tokens[1], qd) != 0)
        _exit(2);
    for (;;) {
        if (demi_wait_any(&qr, &at, tokens, 2, NULL) != 0)
            _exit(3);
        if (qr.qr_opcode == DEMI_OPC_POP)
            demi_sgafree(&qr.qr_value.sga);
        if ((at == 0 ? demi_push(&tokens[0], qd, &sga) : demi_pop(&tokens[1], qd)) != 0)
            _exit(4);
    }
}

static pid_t start_peer(const union rig_addr *to)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        peer_forever(to);
    return pid;
}

/* Pops and pushes until both directions have ended; returns how many bytes came. */
static size_t talk_until_it_dies(int qd, pid_t peer, uint64_t kill_at_ns)
{
    demi_sgarray_t sga = rig_sga_fill(200000, 1);
    demi_qtoken_t tokens[2] = {rig_push(qd, &sga), rig_pop(qd)};
    struct timespec step = rig_ms(1);
    uint64_t give_up = rig_now_ns() + 40 * NS_PER_S;
    bool alive = true, pushing = true, popping = true;
    size_t got = 0;

    while (pushing || popping) {
        demi_qresult_t qr;
        int at, first = pushing ? 0 : 1, err;

        assert_true(rig_now_ns() < give_up);
        if (alive && rig_now_ns() >= kill_at_ns) {
            assert_int_equal(kill(peer, SIGKILL), 0);
            alive = false;
        }
        err = demi_wait_any(&qr, &at, tokens + first, pushing + popping, &step);
        if (err == ETIMEDOUT)
            continue;
        assert_int_equal(err, 0);
        if (qr.qr_opcode == DEMI_OPC_FAILED) {
            assert_false(alive);
            assert_int_equal(qr.qr_ret, ECONNRESET);
            *(qr.qr_qt == tokens[0] ? &pushing : &popping) = false;
        } else if (qr.qr_opcode == DEMI_OPC_PUSH) {
            tokens[0] = rig_push(qd, &sga);
        } else {
            uint32_t n = rig_length(&qr.qr_value.sga);

            got += n;
            rig_free(&qr.qr_value.sga);
            popping = n > 0;
            if (popping)
                tokens[1] = rig_pop(qd);
        }
    }
    rig_free(&sga);
    return got;
}

static void peer__killed_50_times_in_mid_transfer(void **state)
{
    struct rig_pools before;
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a);
    size_t got = 0;

    (void)state;
    rig_measure(&before);
    for (unsigned i = 0; i < TIMES; i++) {
        pid_t peer = start_peer(&a);
        demi_qtoken_t accept;
        int qd, status;

        assert_int_equal(demi_accept(&accept, listener), 0);
        qd = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
        got += talk_until_it_dies(qd, peer, rig_now_ns() + i * 100 * NS_PER_US);
        assert_int_equal(demi_close(qd), 0);
        assert_int_equal(waitpid(peer, &status, 0), peer);
        assert_true(WIFSIGNALED(status));
        assert_true(rig_settle(&before));
    }
    assert_true(got > 0);
    assert_int_equal(demi_close(listener), 0);
}

/* The killed one is the server: the client sees it, at whatever step it is. */
static void server__killed_while_clients_come(void **state)
{
    struct rig_pools before;

    (void)state;
    rig_measure(&before);
    for (unsigned i = 0; i < 10; i++) {
        union rig_addr a;
        int fd = rig_plain_listen(AF_INET, &a), status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            pause();
        close(fd); /* the child alone holds it */
        for (unsigned k = 0; k < 20; k++) {
            int qd = rig_socket(AF_INET, SOCK_STREAM);
            demi_qtoken_t connect;
            demi_qresult_t qr;

            if (k == 10) {
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
            }
            assert_int_equal(demi_connect(&connect, qd, &a.any, rig_len(&a)), 0);
            qr = rig_wait(connect);
            assert_int_equal(qr.qr_opcode, k < 10 ? DEMI_OPC_CONNECT : DEMI_OPC_FAILED);
            assert_int_equal(qr.qr_ret, k < 10 ? 0 : ECONNREFUSED);
            assert_int_equal(demi_close(qd), 0);
        }
        assert_true(rig_settle(&before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(peer__killed_50_times_in_mid_transfer),
        TEST(server__killed_while_clients_come),
    };

    return RIG_RUN(tests);
}
