/* SPDX-License-Identifier: MIT */
/* Data calls with every wrong argument and in every wrong state: each error, and which of two comes first. */
#include "api/rig.h"

#include <unistd.h>

static struct rig_zoo zoo;
static demi_sgarray_t good;
static demi_qtoken_t qt;
static union rig_addr v4, v6;

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    v4 = rig_loopback(AF_INET, 9);
    v6 = rig_loopback(AF_INET6, 9);
    rig_zoo(&zoo);
    good = rig_sga("good");
    return 0;
}

static int teardown(void **state)
{
    rig_zoo_close(&zoo);
    rig_free(&good);
    return rig_teardown(state);
}

static void each_kind(int (*call)(int qd), const int want[RIG_KINDS])
{
    for (unsigned kind = 0; kind < RIG_KINDS; kind++) {
        int err = call(zoo.qd[kind]);

        if (err != want[kind])
            fail_msg("queue of kind %u: %s", kind, demi_strerror(err));
    }
    for (size_t i = 0; i < ARRAY_LEN(rig_bad_qd); i++)
        assert_int_equal(call(rig_bad_qd[i]), EBADF);
}

/* Arrays that cannot be pushed. Each is also refused where the descriptor is bad: the array is looked at first. */
static void refused_push(const demi_sgarray_t *sga)
{
    assert_int_equal(demi_push(&qt, zoo.qd[RIG_CONNECTED], sga), EINVAL);
    assert_int_equal(demi_push(&qt, zoo.qd[RIG_MEMORY], sga), EINVAL);
    assert_int_equal(demi_push(&qt, -1, sga), EINVAL);
    assert_int_equal(demi_pushto(&qt, zoo.qd[RIG_DGRAM], sga, &v4.any, sizeof(v4.in)), EINVAL);
    assert_int_equal(demi_pushto(&qt, -1, sga, NULL, 0), EINVAL);
}

static void push__null_goes_first(void **state)
{
    (void)state;
    assert_int_equal(demi_push(NULL, -1, NULL), EINVAL);
    assert_int_equal(demi_push(NULL, zoo.qd[RIG_CONNECTED], &good), EINVAL);
    assert_int_equal(demi_pushto(NULL, zoo.qd[RIG_DGRAM], &good, &v4.any, sizeof(v4.in)), EINVAL);
    refused_push(NULL);
}

static void push__null_array_and_wrong_segment_counts(void **state)
{
    demi_sgarray_t sga;

    (void)state;
    memset(&sga, 0, sizeof(sga));
    refused_push(&sga);
    sga = good;
    sga.sga_buf = NULL;
    refused_push(&sga);
    sga = good;
    sga.sga_numsegs = 0;
    refused_push(&sga);
    sga.sga_numsegs = 2;
    refused_push(&sga);
    sga.sga_numsegs = UINT32_MAX;
    refused_push(&sga);
}

static void push__foreign_array(void **state)
{
    demi_sgarray_t sga = good;
    char here[64];
    void *heap = malloc(64);

    (void)state;
    sga.sga_buf = sga.sga_segs[0].sgaseg_buf = here;
    refused_push(&sga);
    sga.sga_buf = sga.sga_segs[0].sgaseg_buf = heap;
    refused_push(&sga);
    sga.sga_buf = (void *)UINTPTR_MAX;
    refused_push(&sga);
    sga.sga_buf = (char *)good.sga_buf + 1;
    sga.sga_segs[0].sgaseg_buf = (char *)good.sga_buf + 1;
    refused_push(&sga);
    sga.sga_buf = (void *)((uintptr_t)good.sga_buf & ~UINT64_C(0x1fffff)); /* the header of its superblock */
    refused_push(&sga);
    free(heap);
}

static void push__freed_array(void **state)
{
    demi_sgarray_t sga = rig_sga("freed");

    (void)state;
    rig_free(&sga);
    refused_push(&sga);
}

static void push__segment_outside_its_buffer(void **state)
{
    demi_sgarray_t whole = demi_sgaalloc(4096), sga;

    (void)state;
    sga = whole;
    sga.sga_segs[0].sgaseg_len = 4097;
    refused_push(&sga);
    sga.sga_segs[0].sgaseg_len = UINT32_MAX;
    refused_push(&sga);
    sga = whole;
    sga.sga_segs[0].sgaseg_buf = rig_bytes(&whole) + 1; /* ends one behind */
    refused_push(&sga);
    sga.sga_segs[0].sgaseg_buf = rig_bytes(&whole) - 1;
    refused_push(&sga);
    sga.sga_segs[0].sgaseg_buf = rig_bytes(&whole) + 4096;
    sga.sga_segs[0].sgaseg_len = 1;
    refused_push(&sga);
    sga.sga_segs[0].sgaseg_buf = rig_bytes(&good); /* the buffer of another */
    refused_push(&sga);
    sga.sga_segs[0].sgaseg_buf = NULL;
    refused_push(&sga);
    sga.sga_segs[0].sgaseg_buf = (void *)UINTPTR_MAX;
    refused_push(&sga);
    rig_free(&whole);
}

static void push__segment_outside_a_large_buffer(void **state)
{
    demi_sgarray_t whole = demi_sgaalloc(10000000), sga = whole;

    (void)state;
    assert_non_null(whole.sga_buf);
    sga.sga_segs[0].sgaseg_len = UINT32_MAX;
    refused_push(&sga);
    sga = whole;
    sga.sga_segs[0].sgaseg_buf = rig_bytes(&whole) + 50000000;
    refused_push(&sga);
    sga = whole;
    sga.sga_buf = sga.sga_segs[0].sgaseg_buf = rig_bytes(&whole) + (2 << 20); /* the same offset, one superblock on */
    sga.sga_segs[0].sgaseg_len = 10;
    refused_push(&sga);
    rig_free(&whole);
}

static void push__no_bytes(void **state)
{
    demi_sgarray_t sga = good;

    (void)state;
    sga.sga_segs[0].sgaseg_len = 0;
    refused_push(&sga);
}

static int push_good(int qd)
{
    int err = demi_push(&qt, qd, &good);

    if (err == 0)
        rig_done(qt, DEMI_OPC_PUSH);
    return err;
}

static void push__each_state(void **state)
{
    (void)state;
    each_kind(push_good, (const int[RIG_KINDS]){ENOTCONN, ENOTCONN, ENOTCONN, ENOTCONN, 0, ENOTCONN, ENOTCONN, 0});
}

static void pushto__address_errors(void **state)
{
    static const socklen_t bad_len[] = {0, 1, 15, 17, 27, 29, UINT32_MAX};

    (void)state;
    assert_int_equal(demi_pushto(&qt, -1, &good, NULL, sizeof(v4.in)), EINVAL);
    for (size_t i = 0; i < ARRAY_LEN(bad_len); i++) {
        assert_int_equal(demi_pushto(&qt, -1, &good, &v4.any, bad_len[i]), EINVAL);
        assert_int_equal(demi_pushto(&qt, zoo.qd[RIG_DGRAM], &good, &v6.any, bad_len[i]), EINVAL);
    }
    assert_int_equal(demi_pushto(&qt, zoo.qd[RIG_DGRAM], &good, &v6.any, sizeof(v6.in6)), EINVAL);
}

static int pushto_somewhere(int qd)
{
    int err = demi_pushto(&qt, qd, &good, &v4.any, sizeof(v4.in));

    if (err == 0)
        rig_done(qt, DEMI_OPC_PUSH);
    return err;
}

static void pushto__each_state(void **state)
{
    (void)state;
    each_kind(pushto_somewhere, (const int[RIG_KINDS]){ENOTSUP, ENOTSUP, ENOTSUP, ENOTSUP, ENOTSUP, 0, 0, ENOTSUP});
}

static int pop_one(int qd)
{
    int err = demi_pop(&qt, qd);

    if (err == 0)
        assert_int_equal(demi_cancel(qt), 0);
    return err;
}

static int pop_ten(int qd)
{
    int err = demi_pop_n(&qt, qd, 10);

    if (err == 0)
        assert_int_equal(demi_cancel(qt), 0);
    return err;
}

static void pop__null_and_0_go_first(void **state)
{
    (void)state;
    assert_int_equal(demi_pop(NULL, -1), EINVAL);
    assert_int_equal(demi_pop_n(NULL, -1, 10), EINVAL);
    assert_int_equal(demi_pop_n(&qt, -1, 0), EINVAL);
    assert_int_equal(demi_pop_n(&qt, zoo.qd[RIG_CONNECTED], 0), EINVAL);
}

static void pop__each_state(void **state)
{
    static const int want[RIG_KINDS] = {ENOTCONN, ENOTCONN, ENOTCONN, ENOTCONN, 0, EDESTADDRREQ, 0, 0};

    (void)state;
    each_kind(pop_one, want);
    each_kind(pop_ten, want);
}

static void pushv__null_counts_and_lengths_go_first(void **state)
{
    char byte = 'x';
    struct iovec iov[2] = {{&byte, 1}, {&byte, 0}};

    (void)state;
    assert_int_equal(demi_pushv(NULL, -1, iov, 1), EINVAL);
    assert_int_equal(demi_pushv(&qt, -1, NULL, 1), EINVAL);
    assert_int_equal(demi_pushv(&qt, -1, iov, 0), EINVAL);
    assert_int_equal(demi_pushv(&qt, -1, iov, -1), EINVAL);
    iov[0].iov_len = 0;
    assert_int_equal(demi_pushv(&qt, -1, iov, 2), EINVAL);
    iov[1] = (struct iovec){NULL, 1};
    assert_int_equal(demi_pushv(&qt, -1, iov, 2), EINVAL);
    iov[0].iov_len = iov[1].iov_len = SIZE_MAX / 2 + 1;
    iov[1].iov_base = &byte;
    assert_int_equal(demi_pushv(&qt, -1, iov, 2), EINVAL);
    iov[0].iov_len = SIZE_MAX / 2;
    assert_int_equal(demi_pushv(&qt, -1, iov, 1), EMSGSIZE);
    assert_int_equal(demi_pushv(&qt, -1, iov, 2), EMSGSIZE); /* SIZE_MAX: as many as can be counted */
    iov[0].iov_len = rig_instance()->config.sga_limit + 1;
    assert_int_equal(demi_pushv(&qt, -1, iov, 1), EMSGSIZE);
}

static int pushv_one(int qd)
{
    struct iovec iov = {rig_bytes(&good), rig_length(&good)};
    int err = demi_pushv(&qt, qd, &iov, 1);

    if (err == 0)
        rig_done(qt, DEMI_OPC_PUSH);
    return err;
}

static void pushv__each_state(void **state)
{
    (void)state;
    each_kind(pushv_one, (const int[RIG_KINDS]){ENOTCONN, ENOTCONN, ENOTCONN, ENOTCONN, 0, ENOTCONN, ENOTCONN, 0});
}

/* Without a token as with one. */
static void pushtov__null_counts_lengths_and_addresses_go_first(void **state)
{
    char byte = 'x';
    struct iovec iov[2] = {{&byte, 1}, {&byte, 0}};
    demi_qtoken_t *tokens[2] = {&qt, NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        iov[0] = (struct iovec){&byte, 1};
        assert_int_equal(demi_pushtov(tokens[i], -1, NULL, 1, &v4.any, sizeof(v4.in)), EINVAL);
        assert_int_equal(demi_pushtov(tokens[i], -1, iov, 0, &v4.any, sizeof(v4.in)), EINVAL);
        assert_int_equal(demi_pushtov(tokens[i], -1, iov, -1, &v4.any, sizeof(v4.in)), EINVAL);
        assert_int_equal(demi_pushtov(tokens[i], -1, iov, 1, NULL, sizeof(v4.in)), EINVAL);
        assert_int_equal(demi_pushtov(tokens[i], -1, iov, 1, &v4.any, sizeof(v4.in) - 1), EINVAL);
        assert_int_equal(demi_pushtov(tokens[i], zoo.qd[RIG_DGRAM], iov, 1, &v6.any, sizeof(v6.in6)), EINVAL);
        iov[0].iov_len = 0;
        assert_int_equal(demi_pushtov(tokens[i], -1, iov, 2, &v4.any, sizeof(v4.in)), EINVAL);
        iov[0] = (struct iovec){NULL, 1};
        assert_int_equal(demi_pushtov(tokens[i], -1, iov, 1, &v4.any, sizeof(v4.in)), EINVAL);
        iov[0] = (struct iovec){&byte, rig_instance()->config.sga_limit + 1};
        assert_int_equal(demi_pushtov(tokens[i], -1, iov, 1, &v4.any, sizeof(v4.in)), EMSGSIZE);
    }
}

static int pushtov_somewhere(int qd)
{
    struct iovec iov = {rig_bytes(&good), rig_length(&good)};
    int err = demi_pushtov(&qt, qd, &iov, 1, &v4.any, sizeof(v4.in));

    if (err == 0)
        rig_done(qt, DEMI_OPC_PUSH);
    return err;
}

static void pushtov__each_state(void **state)
{
    (void)state;
    each_kind(pushtov_somewhere, (const int[RIG_KINDS]){ENOTSUP, ENOTSUP, ENOTSUP, ENOTSUP, ENOTSUP, 0, 0, ENOTSUP});
}

static void sgaalloc__sizes_that_cannot_be(void **state)
{
    size_t limit = rig_instance()->config.sga_limit;
    const size_t sizes[] = {0, limit + 1, UINT32_MAX, (size_t)UINT32_MAX + 1, SIZE_MAX / 2, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        demi_sgarray_t sga = demi_sgaalloc(sizes[i]);

        assert_null(sga.sga_buf);
        assert_int_equal(sga.sga_numsegs, 0);
        assert_null(demi_malloc(sizes[i]));
    }
}

static void sgaalloc__largest_there_can_be(void **state)
{
    demi_sgarray_t sga = demi_sgaalloc(rig_instance()->config.sga_limit);

    (void)state;
    assert_int_equal(sga.sga_numsegs, 1);
    assert_int_equal(rig_length(&sga), rig_instance()->config.sga_limit);
    rig_bytes(&sga)[rig_length(&sga) - 1] = 'x';
    rig_free(&sga);
}

static void sgafree__what_is_not_the_applications(void **state)
{
    demi_sgarray_t sga;
    char here[64];

    (void)state;
    assert_int_equal(demi_sgafree(NULL), EINVAL);
    memset(&sga, 0, sizeof(sga));
    assert_int_equal(demi_sgafree(&sga), EINVAL);
    sga = good;
    sga.sga_buf = here;
    assert_int_equal(demi_sgafree(&sga), EINVAL);
    sga.sga_buf = (char *)good.sga_buf + 64;
    assert_int_equal(demi_sgafree(&sga), EINVAL);
    sga = rig_sga("twice");
    rig_free(&sga);
    rig_says(demi_sgafree(&sga), EINVAL, "freed before");
}

static void free__what_is_not_the_applications(void **state)
{
    char here[64], *p = demi_malloc(100);

    (void)state;
    assert_int_equal(demi_free(NULL), EINVAL);
    assert_int_equal(demi_free(here), EINVAL);
    assert_int_equal(demi_free(p + 1), EINVAL);
    assert_int_equal(demi_free(p), 0);
    assert_int_equal(demi_free(p), EINVAL);
}

static void sga_source__what_has_none(void **state)
{
    union rig_addr a;
    socklen_t len = sizeof(a);
    demi_sgarray_t null = {.sga_buf = NULL}, freed = rig_sga("freed");

    (void)state;
    rig_free(&freed);
    assert_int_equal(demi_sga_source(NULL, &a.any, &len), EINVAL);
    assert_int_equal(demi_sga_source(&good, NULL, &len), EINVAL);
    assert_int_equal(demi_sga_source(&good, &a.any, NULL), EINVAL);
    assert_int_equal(demi_sga_source(&null, &a.any, &len), EINVAL);
    assert_int_equal(demi_sga_source(&freed, &a.any, &len), EINVAL);
    assert_int_equal(demi_sga_source(&good, &a.any, &len), ENOTSUP); /* no datagram */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(push__null_goes_first),
        CASE(push__null_array_and_wrong_segment_counts),
        CASE(push__foreign_array),
        CASE(push__freed_array),
        CASE(push__segment_outside_its_buffer),
        CASE(push__segment_outside_a_large_buffer),
        CASE(push__no_bytes),
        CASE(push__each_state),
        CASE(pushto__address_errors),
        CASE(pushto__each_state),
        CASE(pop__null_and_0_go_first),
        CASE(pop__each_state),
        CASE(pushv__null_counts_and_lengths_go_first),
        CASE(pushv__each_state),
        CASE(pushtov__null_counts_lengths_and_addresses_go_first),
        CASE(pushtov__each_state),
        CASE(sgaalloc__sizes_that_cannot_be),
        CASE(sgaalloc__largest_there_can_be),
        CASE(sgafree__what_is_not_the_applications),
        CASE(free__what_is_not_the_applications),
        CASE(sga_source__what_has_none),
    };

    return RIG_RUN(tests);
}
