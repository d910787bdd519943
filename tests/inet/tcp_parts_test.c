/* SPDX-License-Identifier: MIT */
/* Secrets, the table of connections, the receive queue and the scoreboard, each by itself. */
#include "inet/siphash.h"
#include "inet/tcp_conn.h"
#include "inet/tcp_rcvq.h"
#include "inet/tcp_secure.h"
#include "inet/tcp_seq.h"
#include "inet/tcp_sndq.h"
#include "rig.h"

/* --- secrets --- */

/* The first words of the reference vectors of SipHash-2-4: key 00 01 .. 0f, messages 00 01 .. of 0, 8 and 16 bytes. */
static void siphash__reference_vectors(void **state)
{
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    const uint64_t text[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

    (void)state;
    assert_true(siphash24_words(key, text, 0) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(siphash24_words(key, text, 1) == UINT64_C(0x93f5f5799a932462));
    assert_true(siphash24_words(key, text, 2) == UINT64_C(0x3f2acc7f57c29bdb));
}

static const struct tcp_secret secret = {{UINT64_C(0x1234567890abcdef), UINT64_C(0xfedcba0987654321)}};
static const struct tcp_pair pair = {INET_ADDR4(10, 0, 0, 1), INET_ADDR4(10, 0, 0, 2), 80, 5000};

static void isn__grows_with_time_and_differs_by_peer(void **state)
{
    struct tcp_pair other = pair;
    uint32_t isn = tcp_isn(&secret, &pair, NS_PER_S);

    (void)state;
    assert_int_equal(tcp_isn(&secret, &pair, NS_PER_S + 4 * NS_PER_MS) - isn, 1000); /* RFC 6528: 4 us each */
    other.remote_port++;
    assert_int_not_equal(tcp_isn(&secret, &other, NS_PER_S), isn);
}

static void cookie__is_known_again_for_a_while(void **state)
{
    const uint64_t now = 640 * NS_PER_S;
    uint32_t cookie = tcp_cookie_make(&secret, &pair, 77, 1460, now);
    struct tcp_pair other = pair;
    struct tcp_cookie c;

    (void)state;
    assert_true(tcp_cookie_check(&secret, &pair, 77, cookie, now, &c));
    assert_int_equal(c.mss, 1460);
    assert_true(tcp_cookie_check(&secret, &pair, 77, cookie, now + 100 * NS_PER_S, &c));
    assert_false(tcp_cookie_check(&secret, &pair, 77, cookie, now + 130 * NS_PER_S, &c));
    assert_false(tcp_cookie_check(&secret, &pair, 78, cookie, now, &c));
    assert_false(tcp_cookie_check(&secret, &pair, 77, cookie + 1, now, &c));
    other.remote_port++;
    assert_false(tcp_cookie_check(&secret, &other, 77, cookie, now, &c));
}

static void cookie__mss_is_rounded_down(void **state)
{
    const struct {
        uint16_t offered, kept;
    } sizes[] = {{100, 216}, {536, 536}, {1459, 1440}, {1460, 1460}, {8999, 8940}};
    struct tcp_cookie c;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        uint32_t cookie = tcp_cookie_make(&secret, &pair, 1, sizes[i].offered, 0);

        assert_true(tcp_cookie_check(&secret, &pair, 1, cookie, 0, &c));
        assert_int_equal(c.mss, sizes[i].kept);
    }
}

static void cookie__options_travel_in_the_timestamp(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        struct tcp_cookie in = {.wscale = i & 15, .sack = (i & 16) != 0, .ecn = (i & 32) != 0}, out = {0};
        uint32_t ts = tcp_cookie_ts(1000, &in);

        assert_in_range(1000 - ts, 0, 63); /* never of the future */
        tcp_cookie_from_ts(ts, &out);
        assert_int_equal(out.wscale, in.wscale);
        assert_int_equal(out.sack, in.sack);
        assert_int_equal(out.ecn, in.ecn);
    }
}

/* --- the table --- */

#define MANY 10000

static void table__holds_its_number_and_finds_all(void **state)
{
    struct tcp_conn *c = calloc(MANY, sizeof(*c));
    struct tcp_table t = {.mask = tcp_table_slots(MANY) - 1, .key = {1, 2}};
    uint32_t worst = 0;

    (void)state;
    t.slot = calloc(t.mask + 1, sizeof(*t.slot));
    for (uint32_t i = 0; i < MANY; i++) {
        c[i].pair = (struct tcp_pair){INET_ADDR4(10, 0, 0, 1), INET_ADDR4(10, 1, (uint8_t)(i >> 12), (uint8_t)(i >> 4)),
                                      80, (uint16_t)(1000 + i)};
        assert_true(tcp_table_add(&t, &c[i], &c[i].pair));
    }
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(tcp_table_find(&t, &c[i].pair), &c[i]);
    for (uint32_t at = 0; at <= t.mask; at++)
        if (t.slot[at].conn != NULL && ((at - t.slot[at].hash) & t.mask) > worst)
            worst = (at - t.slot[at].hash) & t.mask;
    assert_true(worst < TCP_PROBE_MAX / 2);
    for (uint32_t i = 0; i < MANY; i += 2)
        tcp_table_remove(&t, &c[i], &c[i].pair);
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(tcp_table_find(&t, &c[i].pair), i % 2 == 0 ? NULL : &c[i]);
    assert_int_equal(t.count, MANY / 2);
    free(t.slot);
    free(c);
}

/* --- the receive queue --- */

struct rcv {
    struct host *h;
    struct tcp_rcvq q;
    char *frame; /* the pattern: byte i is i */
    uint32_t nxt;
};

static struct rcv rcv_new(uint32_t nxt)
{
    struct rcv r = {.h = host_new(1), .nxt = nxt};

    r.frame = mem_alloc(&r.h->mem, 256, 1);
    for (int i = 0; i < 256; i++)
        r.frame[i] = (char)i;
    return r;
}

static void rcv_free(struct rcv *r)
{
    tcp_rcvq_clear(&r->q, &r->h->in->env);
    mem_unref(&r->h->mem, r->frame);
    host_free(r->h);
}

/* Bytes start to end, counted from nxt. */
static enum tcp_early early(struct rcv *r, uint32_t start, uint32_t end, struct tcp_block *dup)
{
    struct tcp_block range = {r->nxt + start, r->nxt + end}, ignored;

    return tcp_rcvq_early(&r->q, &r->h->in->env, &range, r->frame, r->frame + start, 1000,
                          dup != NULL ? dup : &ignored);
}

/* Everything up to len came in order at last: the bytes are the pattern. */
static void expect_ready(struct rcv *r, uint32_t from, uint32_t to)
{
    uint32_t at = from, n;
    void *obj;
    char *ptr;

    while ((n = tcp_rcvq_take(&r->q, &r->h->in->env, 7, &obj, &ptr)) > 0) {
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal((uint8_t)ptr[i], at + i);
        at += n;
        mem_unref(&r->h->mem, obj);
    }
    assert_int_equal(at, to);
}

static void rcvq__every_order_of_four_pieces(void **state)
{
    const uint32_t edge[5] = {10, 30, 31, 90, 100};

    (void)state;
    for (unsigned order = 0; order < 256; order++) {
        struct rcv r = rcv_new(0xffffffc0); /* the numbers wrap on the way */
        uint32_t nxt = r.nxt + 10, seen = 0;

        for (unsigned i = 0; i < 4; i++) {
            unsigned k = order >> (2 * i) & 3;

            assert_int_equal(early(&r, edge[k], edge[k + 1], NULL),
                             (seen >> k & 1) != 0 ? TCP_EARLY_DUPLICATE : TCP_EARLY_OK);
            seen |= 1u << k;
        }
        for (unsigned k = 0; k < 4; k++)
            if ((seen >> k & 1) == 0)
                early(&r, edge[k], edge[k + 1], NULL);
        assert_int_equal(r.q.runs, 1);
        assert_int_equal(r.q.early_bytes, 90);
        tcp_rcvq_join(&r.q, &r.h->in->env, &nxt);
        assert_int_equal(nxt, r.nxt + 100);
        assert_int_equal(r.q.runs + r.q.early_bytes + r.q.pieces, 0);
        expect_ready(&r, 10, 100);
        rcv_free(&r);
    }
}

static void rcvq__overlap_is_kept_once_and_told(void **state)
{
    struct rcv r = rcv_new(1000);
    struct tcp_block dup, blocks[4];
    uint32_t nxt = 1025; /* in-order bytes reach into the first run */

    (void)state;
    early(&r, 20, 40, NULL);
    early(&r, 60, 80, NULL);
    assert_int_equal(early(&r, 30, 70, &dup), TCP_EARLY_OK);
    assert_int_equal(dup.start, 1030);
    assert_int_equal(dup.end, 1040);
    assert_int_equal(r.q.runs, 1);
    assert_int_equal(early(&r, 10, 100, NULL), TCP_EARLY_OK);
    assert_int_equal(tcp_rcvq_blocks(&r.q, blocks, 4), 1);
    assert_int_equal(blocks[0].start, 1010);
    assert_int_equal(blocks[0].end, 1100);
    tcp_rcvq_join(&r.q, &r.h->in->env, &nxt);
    assert_int_equal(nxt, 1100);
    expect_ready(&r, 25, 100);
    rcv_free(&r);
}

static void rcvq__blocks_latest_first(void **state)
{
    struct rcv r = rcv_new(0);
    struct tcp_block b[3];

    (void)state;
    early(&r, 10, 20, NULL);
    early(&r, 50, 60, NULL);
    early(&r, 30, 40, NULL);
    early(&r, 20, 25, NULL);
    assert_int_equal(tcp_rcvq_blocks(&r.q, b, 3), 3);
    assert_int_equal(b[0].start, 10);
    assert_int_equal(b[0].end, 25);
    assert_int_equal(b[1].start, 30);
    assert_int_equal(b[2].start, 50);
    rcv_free(&r);
}

static void rcvq__holes_are_bounded(void **state)
{
    struct rcv r = rcv_new(0);

    (void)state;
    for (uint32_t i = 0; i < TCP_RUNS; i++)
        assert_int_equal(early(&r, 1 + 3 * i, 2 + 3 * i, NULL), TCP_EARLY_OK);
    assert_int_equal(early(&r, 200, 201, NULL), TCP_EARLY_FULL);
    assert_int_equal(early(&r, 2, 4, NULL), TCP_EARLY_OK); /* closes one */
    assert_int_equal(r.q.runs, TCP_RUNS - 1);
    rcv_free(&r);
}

static void rcvq__small_payload_does_not_hold_large_frames(void **state)
{
    struct rcv r = rcv_new(0);
    char *large = mem_alloc(&r.h->mem, 8192, 1);
    uint64_t before = mem_bytes_used(&r.h->mem);

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(tcp_rcvq_add(&r.q, &r.h->in->env, large, large, 1));
    assert_true(mem_bytes_used(&r.h->mem) - before < 4 * 2048);
    mem_unref(&r.h->mem, large);
    rcv_free(&r);
}

/* --- the scoreboard --- */

struct snd {
    struct host *h;
    struct tcp_sndq q;
};

static struct snd snd_new(void)
{
    struct snd s = {.h = host_new(1)};

    tcp_sndq_init(&s.q, 0xfffffff0);
    return s;
}

static void snd_free(struct snd *s)
{
    tcp_sndq_clear(&s->q, &s->h->in->env);
    host_free(s->h);
}

static void sndq__bytes_by_reference_in_pieces(void **state)
{
    struct snd s = snd_new();
    struct frame *f = ip_frame(s.h->in);
    char *obj = mem_alloc(&s.h->mem, 1024, 1), out[300];

    (void)state;
    s.q.chunk = s.q.chunk_inline; /* it has moved with the struct */
    s.q.record = s.q.record_inline;
    for (int i = 0; i < 1000; i++)
        obj[i] = (char)i;
    for (int i = 0; i < 100; i++)
        assert_int_equal(tcp_sndq_add(&s.q, &s.h->in->env, obj, obj + i * 10, 10), 0);
    mem_unref(&s.h->mem, obj);
    assert_int_equal(tcp_sndq_bytes(&s.q), 1000);
    assert_int_equal(tcp_sndq_fill(&s.q, f, 0xfffffff0 + 15, 300), 85); /* nine pieces: 5 and 8 of 10 */
    frame_copy(f, out);
    for (int i = 0; i < 85; i++)
        assert_int_equal(out[i], (char)(15 + i));
    frame_free(&s.h->mem, f);
    tcp_sndq_release(&s.q, &s.h->in->env, 0xfffffff0 + 995);
    assert_int_equal(tcp_sndq_bytes(&s.q), 5);
    tcp_sndq_release(&s.q, &s.h->in->env, 0xfffffff0 + 1000);
    snd_free(&s); /* the object went with its last chunk, or the pool would not be full */
}

static void sndq__records_by_time_and_by_number(void **state)
{
    struct snd s = snd_new();
    uint32_t seq = 0xfffffff0;

    (void)state;
    s.q.chunk = s.q.chunk_inline;
    s.q.record = s.q.record_inline;
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(tcp_record_room(&s.q, &s.h->in->env, 1));
        assert_int_equal(tcp_record_add(&s.q, seq + 10 * i, seq + 10 * i + 10, 100 + i, 0), i);
    }
    assert_int_equal(s.q.flight_bytes, 200);
    assert_int_equal(tcp_record_find(&s.q, seq + 50), 5);
    assert_int_equal(tcp_record_find(&s.q, seq + 51), 6);
    tcp_record_sacked(&s.q, 7);
    tcp_record_lost(&s.q, 5);
    tcp_record_lost(&s.q, 3);
    assert_int_equal(s.q.flight_bytes, 170);
    assert_int_equal(tcp_record_next_lost(&s.q), 3);
    tcp_record_resent(&s.q, 3, 200, 0);
    assert_int_equal(s.q.newest, 3);
    assert_int_equal(tcp_record_next_lost(&s.q), 5);
    tcp_record_found(&s.q, 5);
    assert_int_equal(s.q.lost, 0);
    for (int i = 0; i < 4; i++)
        tcp_record_drop_first(&s.q);
    assert_int_equal(s.q.oldest, 4);
    tcp_record_trim_first(&s.q, seq + 43);
    assert_int_equal(s.q.flight_bytes, 147);
    tcp_record_forget_sacks(&s.q);
    assert_int_equal(s.q.flight_bytes, 157);
    assert_int_equal(s.q.flying, 16);
    snd_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash__reference_vectors),
        cmocka_unit_test(isn__grows_with_time_and_differs_by_peer),
        cmocka_unit_test(cookie__is_known_again_for_a_while),
        cmocka_unit_test(cookie__mss_is_rounded_down),
        cmocka_unit_test(cookie__options_travel_in_the_timestamp),
        cmocka_unit_test(table__holds_its_number_and_finds_all),
        cmocka_unit_test(rcvq__every_order_of_four_pieces),
        cmocka_unit_test(rcvq__overlap_is_kept_once_and_told),
        cmocka_unit_test(rcvq__blocks_latest_first),
        cmocka_unit_test(rcvq__holes_are_bounded),
        cmocka_unit_test(rcvq__small_payload_does_not_hold_large_frames),
        cmocka_unit_test(sndq__bytes_by_reference_in_pieces),
        cmocka_unit_test(sndq__records_by_time_and_by_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
