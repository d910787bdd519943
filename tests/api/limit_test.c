/* SPDX-License-Identifier: MIT */
/* The smallest settings there are: every limit is reached, told, and left behind again. */
#include "api/rig.h"

#include <unistd.h>

static const struct timespec zero = {0, 0};

/* sga_limit bounds what the application asks for, not what a receive needs. */
static void sga_limit__is_exact(void **state)
{
    demi_sgarray_t sga = demi_sgaalloc(4096);

    (void)state;
    assert_int_equal(rig_length(&sga), 4096);
    rig_free(&sga);
    for (unsigned i = 0; i < 100; i++) {
        sga = demi_sgaalloc(4097 + i);
        assert_null(sga.sga_buf);
        assert_null(demi_malloc(4097 + i));
    }
    assert_non_null(strstr(demi_last_error(), "sga_limit"));
}

static void sga_limit__largest_datagram_arrives(void **state)
{
    static char data[65507];
    demi_qresult_t qr;
    union rig_addr a;
    int qd, fd;

    (void)state;
    rig_need_kernel("only a plain socket sends more than this instance may allocate");
    qd = rig_bound(AF_INET, SOCK_DGRAM);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    a = rig_name(qd);
    memset(data, 'd', sizeof(data));
    assert_int_equal(sendto(fd, data, sizeof(data), 0, &a.any, rig_len(&a)), sizeof(data));
    qr = rig_done(rig_pop(qd), DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), sizeof(data));
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), data, sizeof(data));
    rig_free(&qr.qr_value.sga);
    close(fd);
    assert_int_equal(demi_close(qd), 0);
}

/* Receives that adapt to a fast stream offer more room than one allocation of the application may have. */
static void sga_limit__fast_streams_arrive(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    static char data[100000];
    size_t got = 0;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(write(h.fd, data, sizeof(data)), sizeof(data));
        for (size_t end = got + sizeof(data); got < end;) {
            demi_qresult_t qr = rig_done(rig_pop(h.qd), DEMI_OPC_POP);

            got += rig_length(&qr.qr_value.sga);
            rig_free(&qr.qr_value.sga);
        }
    }
    assert_int_equal(got, 20 * sizeof(data));
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

static void sga_limit__bounds_scatter_gather(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    char data[4097] = "";
    struct iovec iov[2] = {{data, 4096}, {data, 1}};
    demi_qtoken_t qt;

    (void)state;
    rig_says(demi_pushv(&qt, h.qd, iov, 2), EMSGSIZE, "sga_limit");
    assert_int_equal(demi_pushv(&qt, h.qd, iov, 1), 0);
    rig_done(qt, DEMI_OPC_PUSH);
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

static void max_operations__refused_and_recovered(void **state)
{
    demi_qtoken_t pop[64];
    unsigned n = 0;
    union rig_addr a = rig_loopback(AF_INET, 9);
    demi_sgarray_t sga = rig_sga("x");
    demi_qtoken_t qt = 4711;
    int qd, udp = rig_bound(AF_INET, SOCK_DGRAM), tcp = rig_socket(AF_INET, SOCK_STREAM);
    struct iovec iov = {rig_bytes(&sga), 1};

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    while (n < 64 && demi_pop(&pop[n], qd) == 0)
        n++;
    assert_in_range(n, 32, 64);
    rig_says(demi_pop(&qt, qd), ENOMEM, "max_operations");
    rig_says(demi_push(&qt, qd, &sga), ENOMEM, "max_operations");
    rig_says(demi_pushto(&qt, udp, &sga, &a.any, rig_len(&a)), ENOMEM, "max_operations");
    rig_says(demi_pushv(&qt, qd, &iov, 1), ENOMEM, "max_operations");
    rig_says(demi_connect(&qt, tcp, &a.any, rig_len(&a)), ENOMEM, "max_operations");
    assert_int_equal(qt, 4711);
    assert_int_equal(demi_cancel(pop[n - 1]), 0);
    pop[n - 1] = rig_pop(qd);
    assert_int_equal(demi_pop(&qt, qd), ENOMEM);
    assert_int_equal(demi_close(qd), 0);
    for (unsigned i = 0; i < n; i++)
        rig_failed(pop[i], ECANCELED);
    rig_free(&sga);
    assert_int_equal(demi_close(udp), 0);
    assert_int_equal(demi_close(tcp), 0);
}

/* Results that nobody waits for hold their slots, and a wait gets them back. */
static void max_operations__results_hold_slots(void **state)
{
    demi_sgarray_t sga = rig_sga("x");
    demi_qresult_t qr[64];
    demi_qtoken_t qt;
    int qd, n = 0, total = 0;

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    while (demi_push(&qt, qd, &sga) == 0)
        total++;
    assert_true(total >= 32);
    assert_int_equal(demi_wait_next_n(qr, 64, &n, &zero), 0);
    assert_int_equal(n, total);
    rig_free(&sga);
    assert_int_equal(demi_close(qd), 0);
}

static void memory_limit__refused_and_recovered(void **state)
{
    static void *hoard[5000];
    unsigned n = 0;
    demi_sgarray_t sga;

    (void)state;
    while (n < ARRAY_LEN(hoard) && (hoard[n] = demi_malloc(4096)) != NULL)
        n++;
    assert_in_range(n, 2000, 4096);
    sga = demi_sgaalloc(4096);
    assert_null(sga.sga_buf);
    assert_non_null(strstr(demi_last_error(), "memory_limit"));
    while (n > 0)
        assert_int_equal(demi_free(hoard[--n]), 0);
    sga = demi_sgaalloc(4096);
    assert_non_null(sga.sga_buf);
    rig_free(&sga);
}

/* No memory for what arrives: the pop fails, the data stays in the kernel for a later one. */
static void memory_limit__failed_pop_loses_nothing(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    static void *hoard[300000];
    static const size_t sizes[] = {4096, 1024, 64};
    demi_qresult_t qr;
    demi_qtoken_t qt;
    unsigned n = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        while (n < ARRAY_LEN(hoard) && (hoard[n] = demi_malloc(sizes[i])) != NULL)
            n++;
    assert_int_equal(write(h.fd, "survivor", 8), 8);
    qt = rig_pop(h.qd);
    qr = rig_wait(qt);
    while (n > 0)
        assert_int_equal(demi_free(hoard[--n]), 0);
    if (qr.qr_opcode == DEMI_OPC_FAILED) {
        assert_int_equal(qr.qr_ret, ENOMEM);
        rig_expect(h.qd, "survivor");
    } else { /* an engine that had received it before */
        assert_int_equal(rig_length(&qr.qr_value.sga), 8);
        rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

static void max_queues__accept_fails_and_leaves_the_connection_in_line(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), open[16], fd = rig_plain_connect(&a);
    demi_qtoken_t accept;
    unsigned n = 0;

    (void)state;
    while (n < 16 && demi_queue(&open[n]) == 0)
        n++;
    assert_int_equal(n, 15);
    assert_int_equal(demi_accept(&accept, listener), 0);
    rig_failed(accept, EMFILE);
    assert_int_equal(demi_close(open[--n]), 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_int_equal(demi_accept(&accept, listener), 0);
    open[n++] = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    rig_expect(open[n - 1], "hello");
    while (n > 0)
        assert_int_equal(demi_close(open[--n]), 0);
    assert_int_equal(demi_close(listener), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sga_limit__is_exact),
        TEST(sga_limit__largest_datagram_arrives),
        TEST(sga_limit__fast_streams_arrive),
        TEST(sga_limit__bounds_scatter_gather),
        TEST(max_operations__refused_and_recovered),
        TEST(max_operations__results_hold_slots),
        TEST(memory_limit__refused_and_recovered),
        TEST(memory_limit__failed_pop_loses_nothing),
        TEST(max_queues__accept_fails_and_leaves_the_connection_in_line),
    };

    setenv("SGA_LIMIT", "4096", 1);
    setenv("MEMORY_LIMIT", "16m", 1);
    setenv("MAX_OPERATIONS", "64", 1);
    setenv("MAX_QUEUES", "16", 1);
    return RIG_RUN(tests);
}
