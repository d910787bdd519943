/* SPDX-License-Identifier: MIT */
/* Fragments of IPv4. */
#include "rig.h"

#define MF 0x2000

/* A datagram larger than the MTU arrives whole, byte by byte. */
static void frag__there_and_back(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);
    struct udp_datagram d;
    struct box from, to;

    (void)state;
    acquaint(a, b);
    box_open(&from, a, 7);
    box_open(&to, b, 8);
    to.take = false;
    for (uint32_t len = 1472; len < 9000; len += 1479) {
        assert_int_equal(box_send(&from, a, 2, 8, len), 0);
        wire(a, b);
        assert_true(udp_recv(to.s, &d));
        assert_int_equal(d.len, len);
        for (uint32_t i = 0; i < len; i++)
            assert_int_equal(d.ptr[i], (char)(i * 7 + i / 251));
        mem_unref(&b->mem, d.obj);
    }
    assert_int_equal(box_send(&from, a, 2, 8, 65508), -EMSGSIZE);
    assert_int_equal(box_send(&from, a, 2, 8, 65507), 0);
    wire(a, b);
    assert_true(udp_recv(to.s, &d));
    assert_int_equal(d.len, 65507);
    mem_unref(&b->mem, d.obj);
    udp_free(from.udp);
    udp_free(to.udp);
    host_free(a);
    host_free(b);
}

/* The fragment [from, to) of a datagram of 40 bytes of UDP payload with the given mark. */
static void put_fragment(struct packet *p, uint32_t from, uint32_t to, uint16_t id)
{
    struct packet whole;
    uint8_t text[40];

    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)('a' + i);
    put_eth(&whole, 1, 2, 0x0800);
    put_ip4(&whole, 1, 2, 17, 48, id, 0);
    put_udp4(&whole, 7, 9, text, sizeof(text));
    put_eth(p, 1, 2, 0x0800);
    put_ip4(p, 1, 2, 17, to - from, id, (uint16_t)(from / 8 | (to < 48 ? MF : 0)));
    put_bytes(p, whole.b + 34 + from, to - from);
}

static void frag__any_order(void **state)
{
    static const uint8_t order[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(b.got, i);
            put_fragment(&p, order[i][k] * 16u, order[i][k] * 16u + 16, (uint16_t)i);
            host_in(h, p.b, p.len);
            if (k == 0)
                host_in(h, p.b, p.len); /* a repetition changes nothing */
        }
        assert_int_equal(b.got, i + 1);
    }
    assert_int_equal(COUNTED(h, frags_whole), 6);
    udp_free(b.udp);
    host_free(h);
}

/* RFC 5722: one byte in two fragments, and the packet is gone. */
static void frag__overlap(void **state)
{
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    put_fragment(&p, 0, 24, 1);
    host_in(h, p.b, p.len);
    put_fragment(&p, 16, 48, 1);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_frag_overlap);
    put_fragment(&p, 24, 48, 1);
    host_in(h, p.b, p.len);
    assert_int_equal(b.got, 0);
    put_fragment(&p, 8, 16, 2);
    host_in(h, p.b, p.len);
    put_fragment(&p, 0, 24, 2); /* covers another */
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_frag_overlap), 2);
    udp_free(b.udp);
    host_free(h);
}

static void frag__impossible(void **state)
{
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    put_fragment(&p, 0, 16, 1);
    put16(p.b + 14 + 2, 20 + 15); /* not a multiple of 8, and not the last */
    fix_ip4(&p);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_frag_bad);
    put_fragment(&p, 0, 16, 1);
    put16(p.b + 14 + 6, 8190); /* ends beyond 65535: the "ping of death" */
    fix_ip4(&p);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_frag_bad);
    put_fragment(&p, 32, 48, 3);
    host_in(h, p.b, p.len);
    put_fragment(&p, 16, 32, 3);
    put16(p.b + 14 + 6, 16 / 8); /* another last fragment */
    fix_ip4(&p);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_frag_bad), 3);
    udp_free(b.udp);
    host_free(h);
}

/* RFC 792: time exceeded, code 1, when the first fragment is here and the rest does not come. */
static void frag__timeout(void **state)
{
    struct host *h = host_new(1);
    const struct sent *s;
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    put_fragment(&p, 16, 32, 1);
    host_in(h, p.b, p.len);
    put_fragment(&p, 0, 16, 2);
    host_in(h, p.b, p.len);
    host_at(h, HOST_START + 31 * NS_PER_S);
    assert_int_equal(COUNTED(h, drop_frag_timeout), 2);
    host_out(h); /* the question for the link address */
    put_eth(&p, 1, 2, 0x0806);
    put_bytes(&p, "\0\1\10\0\6\4\0\2\2\0\0\0\0\2\12\0\0\2\2\0\0\0\0\1\12\0\0\1", 28);
    host_in(h, p.b, p.len);
    s = host_out(h);
    assert_non_null(s);
    assert_int_equal(s->bytes[34], 11);
    assert_int_equal(s->bytes[35], 1);
    assert_int_equal(get16(s->bytes + 34 + 8 + 4), 2); /* quotes the second packet */
    assert_null(host_out(h));
    udp_free(b.udp);
    host_free(h);
}

static void frag__bounds(void **state)
{
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    for (uint16_t id = 1; id <= FRAG_PACKETS + 5; id++) {
        host_at(h, HOST_START + id * NS_PER_MS);
        put_fragment(&p, 0, 16, id);
        host_in(h, p.b, p.len);
    }
    assert_int_equal(COUNTED(h, drop_frag_full), 5);
    udp_free(b.udp);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frag__there_and_back), cmocka_unit_test(frag__any_order), cmocka_unit_test(frag__overlap),
        cmocka_unit_test(frag__impossible),     cmocka_unit_test(frag__timeout),   cmocka_unit_test(frag__bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
