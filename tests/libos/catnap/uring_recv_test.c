/* SPDX-License-Identifier: MIT */
/* The io_uring engine's input: buffers, bounds, the hot queue. */
#include "libos/catnap/uring_rig.h"

#include <sys/resource.h>

#define CONNECTIONS 2000
#define BIG         (16 << 20)

static void fill(int fd, const void *bytes, size_t size, size_t *written)
{
    ssize_t n;

    while (*written < size && (n = send(fd, (const char *)bytes + *written, size - *written, MSG_DONTWAIT)) > 0)
        *written += (size_t)n;
}

/* Messages come faster than anybody pops: few are taken out of the socket, none is lost. */
static void pop__slow_reader_is_bounded(void **state)
{
    enum { MESSAGES = 2000, SIZE = 64 };
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);
    char message[SIZE];
    uint32_t most = 0;

    (void)state;
    turns(2);
    assert_int_not_equal(endpoint(h.qd)->input, 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        memset(message, (int)i, SIZE);
        assert_int_equal(write(h.fd, message, SIZE), SIZE);
        turns(1);
        if (endpoint(h.qd)->piece_count > most)
            most = endpoint(h.qd)->piece_count;
    }
    assert_in_range(most, URING_PIECES_STOP, URING_PIECES_STOP + 2);
    assert_int_equal(endpoint(h.qd)->input, 0);
    for (unsigned got = 0; got < MESSAGES * SIZE; pop = rig_pop(h.qd)) {
        demi_qresult_t qr = rig_done(pop, DEMI_OPC_POP);

        for (uint32_t k = 0; k < rig_length(&qr.qr_value.sga); k++, got++)
            assert_int_equal((unsigned char)rig_bytes(&qr.qr_value.sga)[k], (unsigned char)(got / SIZE));
        rig_free(&qr.qr_value.sga);
        if (got == MESSAGES * SIZE)
            break;
    }
    half_close(h);
}

/* A flood: the peer's sends must come to a stop. */
static void pop__slow_reader_closes_the_window(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t all = rig_sga_fill(BIG, 4);
    struct rig_pools before, now;
    size_t written = 0;

    (void)state;
    assert_int_equal(demi_cancel(rig_pop(h.qd)), 0);
    turns(2);
    rig_measure(&before);
    for (unsigned i = 0; i < 500; i++) {
        fill(h.fd, rig_bytes(&all), BIG, &written);
        turns(1);
    }
    rig_measure(&now);
    assert_true(written < BIG);
    assert_true(now.bytes - before.bytes < 2 * URING_BYTES_STOP + 2 * CATNAP_POP_MAX);
    for (size_t got = 0; got < BIG; fill(h.fd, rig_bytes(&all), BIG, &written)) {
        demi_qresult_t qr = rig_done(rig_pop(h.qd), DEMI_OPC_POP);

        assert_memory_equal(rig_bytes(&qr.qr_value.sga), rig_bytes(&all) + got, rig_length(&qr.qr_value.sga));
        got += rig_length(&qr.qr_value.sga);
        rig_free(&qr.qr_value.sga);
    }
    rig_free(&all);
    half_close(h);
}

/* All that waits in the sockets together is more than the buffers hold. */
static void pop__more_data_than_buffers(void **state)
{
    enum { N = 40, SIZE = 130000 };
    demi_sgarray_t all = rig_sga_fill(SIZE, 3);
    struct rig_half h[N];
    demi_qtoken_t pop[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        h[i] = rig_half(AF_INET);
        pop[i] = rig_pop(h[i].qd);
    }
    turns(2);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(write(h[i].fd, rig_bytes(&all), SIZE), SIZE);
    usleep(20000);
    turns(1);
    assert_true(counted(CTR_uring_no_buffer) > 0);
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_done(pop[i], DEMI_OPC_POP);
        uint32_t n = rig_length(&qr.qr_value.sga);

        assert_memory_equal(rig_bytes(&qr.qr_value.sga), rig_bytes(&all), n);
        rig_free(&qr.qr_value.sga);
        rig_arrives(h[i].qd, rig_bytes(&all) + n, SIZE - n);
        half_close(h[i]);
    }
    rig_free(&all);
    assert_true(quiet());
}

/* All memory is taken while a receive has to replace its buffers; what is lost is no byte. */
static void pop__buffers_come_back_with_memory(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t all = rig_sga_fill(1500 * 700, 6), *taken = calloc(20000, sizeof(*taken));
    demi_qtoken_t pop = rig_pop(h.qd);
    unsigned n = 0, failed = 0;
    size_t got = 0;

    (void)state;
    turns(2);
    for (size_t size = 65536; size >= 64; size /= 2)
        while (n < 20000 && (taken[n] = demi_sgaalloc(size)).sga_buf != NULL)
            n++;
    for (size_t sent = 0; got < 1500 * 700;) {
        demi_qresult_t qr;

        if (sent == got) {
            assert_int_equal(write(h.fd, rig_bytes(&all) + sent, 1500), 1500);
            sent += 1500;
        }
        qr = rig_wait(pop);
        if (qr.qr_opcode == DEMI_OPC_FAILED) {
            assert_int_equal(qr.qr_ret, ENOMEM);
            failed++;
            while (n > 0)
                rig_free(&taken[--n]);
        } else {
            assert_memory_equal(rig_bytes(&qr.qr_value.sga), rig_bytes(&all) + got, rig_length(&qr.qr_value.sga));
            got += rig_length(&qr.qr_value.sga);
            if (n > 0 && n < 20000) /* kept: the buffer it came in is replaced, as long as there is memory */
                taken[n++] = qr.qr_value.sga;
            else
                rig_free(&qr.qr_value.sga);
        }
        pop = rig_pop(h.qd);
    }
    assert_true(failed > 0);
    rig_free(&all);
    half_close(h);
    rig_failed(pop, ECANCELED);
    free(taken);
}

static void pop__datagrams_beyond_the_buffers(void **state)
{
    enum { N = 200 };
    int qd = rig_bound(AF_INET, SOCK_DGRAM), fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    union rig_addr a = rig_name(qd);
    demi_qtoken_t pop = rig_pop(qd);

    (void)state;
    turns(2);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(sendto(fd, &i, sizeof(i), 0, &a.any, rig_len(&a)), sizeof(i));
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_done(pop, DEMI_OPC_POP);

        assert_memory_equal(rig_bytes(&qr.qr_value.sga), &i, sizeof(i));
        rig_free(&qr.qr_value.sga);
        pop = rig_pop(qd);
    }
    assert_true(endpoint(qd)->piece_count <= URING_PIECES_STOP);
    close(fd);
    assert_int_equal(demi_close(qd), 0);
    rig_failed(pop, ECANCELED);
}

static void many__two_thousand_connections(void **state)
{
    struct rlimit limit;
    struct rig_half *h = calloc(CONNECTIONS, sizeof(*h));
    demi_qtoken_t *token = calloc(CONNECTIONS, sizeof(*token));

    (void)state;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        h[i] = rig_half(AF_INET);
        token[i] = rig_pop(h[i].qd);
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < CONNECTIONS; i++)
            assert_int_equal(write(h[i].fd, &i, sizeof(i)), sizeof(i));
        for (unsigned left = CONNECTIONS; left > 0; left--) {
            struct timespec t = rig_ms(RIG_MS);
            demi_qresult_t qr;
            unsigned n;
            int at;

            assert_int_equal(demi_wait_any(&qr, &at, token, CONNECTIONS, &t), 0);
            assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
            assert_memory_equal(rig_bytes(&qr.qr_value.sga), &at, sizeof(at));
            rig_done(rig_push(qr.qr_qd, &qr.qr_value.sga), DEMI_OPC_PUSH);
            rig_free(&qr.qr_value.sga);
            assert_int_equal(recv(h[at].fd, &n, sizeof(n), MSG_WAITALL), sizeof(n));
            assert_int_equal(n, at);
            token[at] = rig_pop(h[at].qd);
        }
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        half_close(h[i]);
        rig_failed(token[i], ECANCELED);
    }
    assert_true(quiet());
    free(h);
    free(token);
}

static void hot__queue_has_no_request(void **state)
{
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        say(h.fd, "x");
        rig_expect(h.qd, "x");
        assert_int_equal(engine()->hot_qd, h.qd);
        assert_int_equal(endpoint(h.qd)->input, 0);
    }
    half_close(h);
    assert_int_equal(engine()->hot_qd, -1);
}

static void hot__queue_cools_and_heats(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);

    (void)state;
    for (unsigned i = 0; i < 1000 && endpoint(h.qd)->input == 0; i++) {
        usleep(10);
        turns(1);
    }
    assert_int_not_equal(endpoint(h.qd)->input, 0); /* nothing came: the kernel watches */
    assert_int_equal(engine()->hot_qd, -1);
    say(h.fd, "x");
    drop(rig_done(pop, DEMI_OPC_POP));
    for (unsigned i = 0; i < 40; i++) {
        say(h.fd, "x");
        rig_expect(h.qd, "x");
    }
    assert_int_equal(engine()->hot_qd, h.qd);
    assert_int_equal(endpoint(h.qd)->input, 0);
    half_close(h);
}

static void hot__queue_does_not_starve_others(void **state)
{
    struct rig_half hot = rig_half(AF_INET), other = rig_half(AF_INET);
    demi_qtoken_t pop;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        say(hot.fd, "x");
        rig_expect(hot.qd, "x");
    }
    pop = rig_pop(hot.qd);
    for (unsigned i = 0; i < 40; i++) {
        say(other.fd, "y");
        rig_expect(other.qd, "y");
    }
    assert_int_equal(engine()->hot_qd, other.qd); /* it is the one that is alone now */
    say(hot.fd, "z");
    drop(rig_done(pop, DEMI_OPC_POP));
    half_close(hot);
    half_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLOCK(pop__slow_reader_is_bounded),       BLOCK(pop__slow_reader_closes_the_window),
        BLOCK(pop__more_data_than_buffers),       BLOCK(pop__buffers_come_back_with_memory),
        BLOCK(pop__datagrams_beyond_the_buffers), SPIN(many__two_thousand_connections),
        SPIN(hot__queue_has_no_request),          SPIN(hot__queue_cools_and_heats),
        SPIN(hot__queue_does_not_starve_others),
    };

    setenv("ENGINE", "uring", 1);
    setenv("MEMORY_LIMIT", "256m", 1);
    return RIG_RUN(tests);
}
