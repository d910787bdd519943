/* SPDX-License-Identifier: MIT */
/* Scatter-gather: segments of every kind become one run of bytes, or one message. */
#include "api/rig.h"

#include <unistd.h>

#define SEGS 1000

static demi_qtoken_t pushv(int qd, const struct iovec *iov, int n)
{
    demi_qtoken_t qt = 0;
    int err = demi_pushv(&qt, qd, iov, n);

    if (err != 0)
        fail_msg("demi_pushv: %d: %s", err, demi_last_error());
    return qt;
}

static size_t total(const struct iovec *iov, int n)
{
    size_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* One copy of all segments, as they are now. */
static char *flat(const struct iovec *iov, int n)
{
    char *all = malloc(total(iov, n)), *to = all;

    assert_non_null(all);
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > 0)
            memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
    return all;
}

/* Pushes the segments over a connection and compares every byte. */
static void round_trip(struct rig_pair p, const struct iovec *iov, int n)
{
    char *all = flat(iov, n);
    demi_qtoken_t qt = pushv(p.client, iov, n);

    rig_arrives(p.server, all, total(iov, n));
    rig_done(qt, DEMI_OPC_PUSH);
    free(all);
}

static void fill(void *buf, size_t size, unsigned seed)
{
    unsigned char *bytes = buf;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + seed);
}

static void pushv__one_segment_of_every_size(void **state)
{
    static const size_t sizes[] = {1, 63, 64, 1023, 1024, 1025, 4096, 100000};
    static char buf[100000];
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct iovec iov = {buf, sizes[i]};

        fill(buf, sizeof(buf), (unsigned)i);
        round_trip(p, &iov, 1);
    }
    rig_pair_close(p);
}

/* A thousand segments of three kinds, some empty: more than the kernel takes in one call. */
static void pushv__1000_segments_of_every_kind(void **state)
{
    static const size_t scale[] = {0, 3, 700};
    struct rig_pair p = rig_pair(AF_INET);
    static struct iovec iov[SEGS];
    static char here[SEGS * 4 * 700];

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(scale); s++) {
        char *heap = demi_malloc(SEGS * 4 * 700);
        demi_sgarray_t sga = rig_sga_fill(SEGS * 4 * 700, 3);

        fill(heap, SEGS * 4 * 700, 1);
        fill(here, sizeof(here), 2);
        for (unsigned i = 0; i < SEGS; i++) {
            char *base = i % 3 == 0 ? here : i % 3 == 1 ? heap : rig_bytes(&sga);

            iov[i] = (struct iovec){base + i * 4 * scale[s], i % 10 == 9 ? 0 : 1 + i % 4 * scale[s]};
        }
        round_trip(p, iov, SEGS);
        assert_int_equal(demi_free(heap), 0);
        rig_free(&sga);
    }
    rig_pair_close(p);
}

/* Foreign memory is the caller's again when the call returns. */
static void pushv__foreign_memory_is_copied_at_once(void **state)
{
    static const size_t sizes[] = {10, 1023, 1024, 9000000};
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *buf = malloc(sizes[i]), *all;
        struct iovec iov[2] = {{buf, sizes[i] / 2}, {buf + sizes[i] / 2, sizes[i] - sizes[i] / 2}};
        demi_qtoken_t qt;

        fill(buf, sizes[i], 5);
        all = flat(iov, 2);
        qt = pushv(p.client, iov, 2);
        memset(buf, 'x', sizes[i]);
        free(buf);
        rig_arrives(p.server, all, sizes[i]);
        rig_done(qt, DEMI_OPC_PUSH);
        free(all);
    }
    rig_pair_close(p);
}

/* Memory of demi_malloc may be freed at once: it lives until it was sent. */
static void pushv__own_memory_is_kept_alive(void **state)
{
    enum { SIZE = 9000000 };
    struct rig_pair p = rig_pair(AF_INET);
    char *heap = demi_malloc(SIZE), *all, *other;
    struct iovec iov[3];
    struct rig_pools before, after;
    demi_qtoken_t qt;

    (void)state;
    fill(heap, SIZE, 1);
    iov[0] = (struct iovec){heap + 17, 1000};
    iov[1] = (struct iovec){heap + 2000000, SIZE - 2000000};
    iov[2] = (struct iovec){heap, 1};
    all = flat(iov, 3);
    rig_measure(&before);
    qt = pushv(p.client, iov, 3);
    rig_measure(&after);
    if (rig_libos("catnap"))
        assert_true(after.bytes - before.bytes < 100000); /* without a copy */
    assert_int_equal(demi_free(heap), 0);
    other = demi_malloc(SIZE);
    memset(other, 'x', SIZE);
    rig_arrives(p.server, all, total(iov, 3));
    rig_done(qt, DEMI_OPC_PUSH);
    assert_int_equal(demi_free(other), 0);
    free(all);
    rig_pair_close(p);
}

/* A freed segment is foreign memory: what lies there is copied, and nothing is kept alive. */
static void pushv__same_memory_twice_in_one(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    char *heap = demi_malloc(5000);
    struct iovec iov[3] = {{heap, 5000}, {heap, 5000}, {heap + 100, 4000}};

    (void)state;
    fill(heap, 5000, 1);
    round_trip(p, iov, 3);
    assert_int_equal(demi_free(heap), 0);
    rig_pair_close(p);
}

static void pushv__several_at_once_stay_in_order(void **state)
{
    enum { N = 10, SIZE = 900000 };
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t qt[N];
    char *heap[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        struct iovec iov[2];

        heap[i] = demi_malloc(SIZE);
        fill(heap[i], SIZE, i);
        iov[0] = (struct iovec){heap[i], 10};
        iov[1] = (struct iovec){heap[i] + 10, SIZE - 10};
        qt[i] = pushv(p.client, iov, 2);
    }
    for (unsigned i = 0; i < N; i++)
        rig_arrives(p.server, heap[i], SIZE);
    for (unsigned i = 0; i < N; i++) {
        rig_done(qt[i], DEMI_OPC_PUSH);
        assert_int_equal(demi_free(heap[i]), 0);
    }
    rig_pair_close(p);
}

/* However many and small: one push. */
static void pushv__a_million_segments(void **state)
{
    enum { N = 1000000 };
    struct rig_pair p = rig_pair(AF_INET);
    struct iovec *iov = malloc(N * sizeof(*iov));
    char *heap = demi_malloc(N);

    (void)state;
    fill(heap, N, 1);
    for (unsigned i = 0; i < N; i++)
        iov[i] = (struct iovec){heap + N - 1 - i, 1}; /* backwards */
    round_trip(p, iov, N);
    free(iov);
    assert_int_equal(demi_free(heap), 0);
    rig_pair_close(p);
}

/* An allocation that is referred to as often as its count can say: further segments are copied. */
static void pushv__references_without_end(void **state)
{
    enum { N = 1024, OTHERS = REF_MASK - 2000 };
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t block = rig_sga_fill(16 << 20, 1);
    demi_qtoken_t first = rig_push(h.qd, &block), qt[4];
    char *heap = demi_malloc(64);
    static struct iovec iov[N];

    (void)state;
    rig_free(&block);
    *mem_ref_word(heap) += OTHERS; /* eight thousand such pushes */
    for (unsigned i = 0; i < N; i++)
        iov[i] = (struct iovec){heap, 1};
    for (unsigned i = 0; i < 4; i++)
        qt[i] = pushv(h.qd, iov, N);
    assert_true(rig_pending(qt[0]));
    assert_int_equal(*mem_ref_word(heap) & REF_MASK, OTHERS);
    assert_int_equal(demi_close(h.qd), 0);
    rig_failed(first, ECANCELED);
    for (unsigned i = 0; i < 4; i++)
        rig_failed(qt[i], ECANCELED);
    *mem_ref_word(heap) -= OTHERS;
    assert_int_equal(demi_free(heap), 0);
    close(h.fd);
}

static void pushv__closed_while_pending_frees_all(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    char *heap = demi_malloc(16 << 20), here[3000] = "here";
    struct iovec iov[3] = {{here, sizeof(here)}, {heap, 16 << 20}, {here, sizeof(here)}};
    demi_qtoken_t qt;

    (void)state;
    memset(heap, 'x', 16 << 20);
    qt = pushv(h.qd, iov, 3);
    assert_int_equal(demi_free(heap), 0);
    assert_true(rig_pending(qt));
    assert_int_equal(demi_close(h.qd), 0);
    rig_failed(qt, ECANCELED);
    close(h.fd);
}

static void pushv__is_one_message_of_a_memory_queue(void **state)
{
    static const size_t sizes[] = {1, 100, 5000};
    static char buf[15000];
    demi_qresult_t qr;
    int qd;

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    fill(buf, sizeof(buf), 1);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct iovec iov[3] = {{buf, sizes[i]}, {buf + sizes[i], sizes[i]}, {buf + 2 * sizes[i], sizes[i]}};

        rig_done(pushv(qd, iov, 3), DEMI_OPC_PUSH);
        qr = rig_done(rig_pop(qd), DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), 3 * sizes[i]);
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), buf, 3 * sizes[i]);
        rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(demi_close(qd), 0);
}

/* However many segments: one datagram. */
static void pushv__is_one_datagram(void **state)
{
    static const int counts[] = {1, 2, 63, 64, 65, 500, SEGS};
    static struct iovec iov[SEGS];
    static char buf[SEGS * 20];
    int client = rig_socket(AF_INET, SOCK_DGRAM), server = rig_bound(AF_INET, SOCK_DGRAM);
    union rig_addr a = rig_name(server);
    demi_qtoken_t qt;

    (void)state;
    fill(buf, sizeof(buf), 1);
    for (unsigned i = 0; i < SEGS; i++)
        iov[i] = (struct iovec){buf + 20 * i, 20};
    assert_int_equal(demi_connect(&qt, client, &a.any, rig_len(&a)), 0);
    rig_done(qt, DEMI_OPC_CONNECT);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        demi_qresult_t qr;

        rig_done(pushv(client, iov, counts[i]), DEMI_OPC_PUSH);
        qr = rig_done(rig_pop(server), DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), 20 * counts[i]);
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), buf, 20 * (size_t)counts[i]);
        rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(demi_close(client), 0);
    assert_int_equal(demi_close(server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pushv__one_segment_of_every_size),
        TEST(pushv__1000_segments_of_every_kind),
        TEST(pushv__foreign_memory_is_copied_at_once),
        TEST(pushv__own_memory_is_kept_alive),
        TEST(pushv__same_memory_twice_in_one),
        TEST(pushv__several_at_once_stay_in_order),
        TEST(pushv__a_million_segments),
        TEST(pushv__references_without_end),
        TEST(pushv__closed_while_pending_frees_all),
        TEST(pushv__is_one_message_of_a_memory_queue),
        TEST(pushv__is_one_datagram),
    };

    return RIG_RUN(tests);
}
