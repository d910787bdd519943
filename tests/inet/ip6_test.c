/* SPDX-License-Identifier: MIT */
/* IPv6, ICMPv6, neighbour discovery, routers' advertisements. The host is fd00::1, the peer fd00::2. */
#include "rig.h"

static const struct inet_addr us = {{{0xfd, [15] = 1}}}, peer = {{{0xfd, [15] = 2}}};
static const struct inet_addr router = {{{0xfe, 0x80, [15] = 2}}}, all_nodes = {{{0xff, 2, [15] = 1}}};

static struct host *host6(void)
{
    struct host *h = host_new(1);

    assert_int_equal(inet_addr_add(h->in, &us, 64), 0);
    h->first = h->last;
    return h;
}

/* An IPv6 packet with a payload, whose checksum at offset csum is computed (0: none), to 02:00:00:00:00:01 or a group.
 */
static void put6(struct packet *p, const struct inet_addr *src, const struct inet_addr *dst, uint8_t next, uint8_t hops,
                 const void *payload, uint32_t len, uint32_t csum)
{
    uint8_t h[40] = {0x60, [6] = next, hops}, group[6];

    put_eth(p, 1, 2, 0x86dd);
    if (dst->b[0] == 0xff) {
        eth_group(dst, group);
        memcpy(p->b, group, 6);
    }
    put16(h + 4, (uint16_t)len);
    memcpy(h + 8, src->b, 16);
    memcpy(h + 24, dst->b, 16);
    put_bytes(p, h, sizeof(h));
    put_bytes(p, payload, len);
    if (csum != 0) {
        uint16_t sum =
            checksum_finish(checksum_join(checksum_pseudo(src, dst, next, len), checksum_add(0, p->b + 54, len)));

        memcpy(p->b + 54 + csum, &sum, 2);
    }
}

static void put_icmp6(struct packet *p, const struct inet_addr *src, const struct inet_addr *dst, uint8_t hops,
                      const void *message, uint32_t len)
{
    put6(p, src, dst, IPPROTO_ICMPV6, hops, message, len, 2);
}

/* The ICMPv6 message of a frame that the host sent, whose checksum must be good. */
static const uint8_t *sent_icmp6(const struct sent *s, uint8_t type)
{
    struct inet_addr src, dst;
    uint32_t len;

    assert_non_null(s);
    assert_int_equal(get16(s->bytes + 12), 0x86dd);
    len = get16(s->bytes + 18);
    assert_int_equal(s->len, 54 + len);
    src = inet_addr_from6(s->bytes + 22);
    dst = inet_addr_from6(s->bytes + 38);
    assert_true(checksum_good(
        checksum_join(checksum_pseudo(&src, &dst, IPPROTO_ICMPV6, len), checksum_add(0, s->bytes + 54, len))));
    assert_int_equal(s->bytes[54], type);
    return s->bytes + 54;
}

/* A neighbour message about target with the peer's link address as option. */
static void put_neighbour(struct packet *p, const struct inet_addr *dst, uint8_t type, uint8_t flags,
                          const struct inet_addr *target, uint8_t hops)
{
    uint8_t m[32] = {type, [4] = flags, [24] = (uint8_t)(type == 135 ? 1 : 2), 1, 2, 0, 0, 0, 0, 2};

    memcpy(m + 8, target->b, 16);
    put_icmp6(p, &peer, dst, hops, m, sizeof(m));
}

/* RFC 4861, section 7.2.4: a solicited advertisement to who asked, and its link address is known from then on. */
static void ndisc__solicitation_is_answered(void **state)
{
    struct inet_addr group = {{{0xff, 2, [11] = 1, 0xff, 0, 0, 1}}};
    struct host *h = host6();
    const uint8_t *m;
    struct packet p;

    (void)state;
    put_neighbour(&p, &group, 135, 0, &us, 255);
    host_in(h, p.b, p.len);
    m = sent_icmp6(host_out(h), 136);
    assert_int_equal(m[4] & 0x60, 0x60);
    assert_memory_equal(m + 8, us.b, 16);
    assert_memory_equal(m + 24, "\2\1\2\0\0\0\0\1", 8);
    put_neighbour(&p, &group, 135, 0, &us, 254); /* section 7.1.1: it came through a router */
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_ndisc_bad), 1);
    assert_null(host_out(h));
    host_free(h);
}

static int send6(struct host *h, struct udp_socket *s)
{
    struct inet_end to = {peer, 9};
    void *obj = mem_alloc(&h->mem, 64, 1);
    int err = udp_send(s, obj, memset(obj, 0, 64), 64, &to);

    mem_unref(&h->mem, obj);
    return err;
}

static void ndisc__packets_wait_for_the_answer(void **state)
{
    struct host *h = host6();
    struct packet p;
    struct box b;
    const struct sent *s;

    (void)state;
    box_open(&b, h, 7);
    udp_close(b.s);
    b.s = udp_open(b.udp, &b);
    assert_int_equal(send6(h, b.s), 0);
    s = host_out(h);
    assert_memory_equal(s->bytes, "\x33\x33\xff\0\0\2", 6); /* the solicited-node group */
    assert_int_equal(s->bytes[21], 255);
    assert_memory_equal(sent_icmp6(s, 135) + 8, peer.b, 16);
    assert_null(host_out(h));
    put_neighbour(&p, &us, 136, 0x60, &peer, 255);
    host_in(h, p.b, p.len);
    s = host_out(h);
    assert_memory_equal(s->bytes, "\2\0\0\0\0\2", 6);
    assert_int_equal(s->bytes[20], IPPROTO_UDP);
    udp_free(b.udp);
    host_free(h);
}

static void ndisc__conflict_is_counted(void **state)
{
    struct host *h = host6();
    struct packet p;

    (void)state;
    put_neighbour(&p, &all_nodes, 136, 0x20, &us, 255);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, arp_conflicts), 1);
    host_free(h);
}

static void ndisc__malformed(void **state)
{
    struct host *h = host6();
    struct packet p;

    (void)state;
    put_neighbour(&p, &us, 135, 0, &us, 255);
    p.b[54 + 25] = 0; /* an option without a length */
    memcpy(p.b + 500, p.b + 54, 32);
    put16(p.b + 502, 0);
    put_icmp6(&p, &peer, &us, 255, p.b + 500, 32);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_ndisc_bad), 1);
    put_icmp6(&p, &peer, &us, 255, "\x87\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16); /* cut short */
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_ndisc_bad), 2);
    host_free(h);
}

static void put_router(struct packet *p, uint16_t life_s, uint32_t prefix_s)
{
    uint8_t m[16 + 8 + 32] = {134, [16] = 1, 1, 2, 0, 0, 0, 0, 2, 3, 4, 64, 0xc0, [40] = 0x20, 1, 0x0d, 0xb8};

    put16(m + 6, life_s);
    put32(m + 28, prefix_s);
    put32(m + 32, prefix_s);
    put_icmp6(p, &router, &all_nodes, 255, m, sizeof(m));
}

/* RFC 4861 section 6.3.4 and RFC 4862 section 5.5: a way out and an address of its own, for as long as it says. */
static void ndisc__router_gives_a_way_out_and_an_address(void **state)
{
    struct inet_addr far = {{{0x20, 1, 0x0d, 0xb8, 0, 1, [15] = 9}}};
    struct inet_addr made = {{{0x20, 1, 0x0d, 0xb8, [8] = 0, 0, 0, 0xff, 0xfe, 0, 0, 1}}}, any = INET_ANY6;
    struct host *h = host6();
    struct ip_path path;
    struct packet p;

    (void)state;
    assert_int_equal(ip_path_init(h->in, &path, &any, &far), -ENETUNREACH);
    put_router(&p, 1800, 10000);
    host_in(h, p.b, p.len);
    assert_true(ip_is_local(h->in, &made));
    assert_int_equal(ip_path_init(h->in, &path, &any, &far), 0);
    assert_true(inet_addr_equal(&path.local, &made) || inet_addr_equal(&path.local, &us));
    host_at(h, HOST_START + 1801 * NS_PER_S);
    assert_int_equal(ip_path_init(h->in, &path, &any, &far), -ENETUNREACH);
    assert_true(ip_is_local(h->in, &made));
    host_at(h, HOST_START + 10001 * NS_PER_S);
    assert_false(ip_is_local(h->in, &made));
    put_router(&p, 1800, 10000);
    host_in(h, p.b, p.len);
    put_router(&p, 0, 0); /* it forwards no more; the prefix cannot be taken back at once (section 5.5.3 (e)) */
    host_in(h, p.b, p.len);
    assert_int_equal(ip_path_init(h->in, &path, &any, &far), -ENETUNREACH);
    assert_true(ip_is_local(h->in, &made));
    host_at(h, HOST_START + (10001 + 7201) * NS_PER_S);
    assert_false(ip_is_local(h->in, &made));
    host_free(h);
}

static void icmp6__echo(void **state)
{
    uint8_t ping[16] = {128, 0, 0, 0, 0x12, 0x34, 0, 1, 'a', 'b', 'c', 'd'};
    struct host *h = host6();
    struct packet p;

    (void)state;
    assert_int_equal(inet_neigh_add(h->in, &peer, (const uint8_t *)"\2\0\0\0\0\2"), 0);
    put_icmp6(&p, &peer, &us, 64, ping, sizeof(ping));
    host_in(h, p.b, p.len);
    assert_memory_equal(sent_icmp6(host_out(h), 129) + 4, ping + 4, sizeof(ping) - 4);
    p.b[60] ^= 1;
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_icmp_checksum);
    host_free(h);
}

/* RFC 4443: nobody has the port (3.1), an unknown header (3.4). */
static void icmp6__errors_out(void **state)
{
    const uint8_t udp[8] = {0, 9, 0, 99, 0, 8, 0, 0};
    struct host *h = host6();
    const uint8_t *m;
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    assert_int_equal(inet_neigh_add(h->in, &peer, (const uint8_t *)"\2\0\0\0\0\2"), 0);
    put6(&p, &peer, &us, IPPROTO_UDP, 64, udp, sizeof(udp), 6);
    host_in(h, p.b, p.len);
    m = sent_icmp6(host_out(h), 1);
    assert_int_equal(m[1], 4);
    assert_memory_equal(m + 8, p.b + 14, 48);
    put6(&p, &peer, &us, IPPROTO_UDP, 64, udp, sizeof(udp), 0); /* RFC 8200, section 8.1: a checksum there must be */
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_udp_checksum);
    put6(&p, &peer, &us, 200, 64, udp, sizeof(udp), 0);
    host_in(h, p.b, p.len);
    m = sent_icmp6(host_out(h), 4);
    assert_int_equal(m[1], 1);
    assert_int_equal(get32(m + 4), 6);
    udp_free(b.udp);
    host_free(h);
}

static void headers_case(uint8_t next, const uint8_t *headers, uint32_t len, bool arrives, enum counter why, int answer)
{
    struct host *h = host6();
    uint8_t payload[256];
    struct packet p;
    struct box b;
    struct inet_end any = {INET_ANY6, 7};
    uint16_t sum;

    box_open(&b, h, 8);
    udp_close(b.s);
    b.s = udp_open(b.udp, &b);
    assert_int_equal(udp_bind(b.s, &any), 0);
    assert_int_equal(inet_neigh_add(h->in, &peer, (const uint8_t *)"\2\0\0\0\0\2"), 0);
    memcpy(payload, headers, len);
    memcpy(payload + len, "\0\11\0\7\0\15\0\0hello", 13);
    sum = checksum_finish(
        checksum_join(checksum_pseudo(&peer, &us, IPPROTO_UDP, 13), checksum_add(0, payload + len, 13)));
    memcpy(payload + len + 6, &sum, 2);
    put6(&p, &peer, &us, next, 64, payload, len + 13, 0);
    host_in(h, p.b, p.len);
    assert_int_equal(b.got, arrives);
    assert_int_equal(h->verdict, why);
    if (answer >= 0)
        assert_int_equal(sent_icmp6(host_out(h), 4)[1], answer);
    assert_null(host_out(h));
    udp_free(b.udp);
    host_free(h);
}

/* RFC 8200, section 4. */
static void ip6_input__extension_headers(void **state)
{
    const uint8_t padded[8] = {17, 0, 1, 4, 0, 0, 0, 0}, skip[8] = {17, 0, 0x1e, 4, 0, 0, 0, 0};
    const uint8_t drop[8] = {17, 0, 0x5e, 4, 0, 0, 0, 0}, tell[8] = {17, 0, 0x9e, 4, 0, 0, 0, 0};
    const uint8_t routed[8] = {17, 0, 0, 1, 0, 0, 0, 0}, spent[8] = {17, 0, 0, 0, 0, 0, 0, 0};
    const uint8_t two[16] = {60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0};
    const uint8_t late[16] = {0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0};
    const uint8_t whole[8] = {17, 0, 0, 0, 0, 0, 0, 7}, huge[8] = {17, 99, 1, 4, 0, 0, 0, 0};
    const uint8_t bad[8] = {17, 0, 1, 9, 0, 0, 0, 0};

    (void)state;
    headers_case(0, padded, 8, true, COUNTER_MAX, -1);
    headers_case(60, padded, 8, true, COUNTER_MAX, -1);
    headers_case(0, two, 16, true, COUNTER_MAX, -1);
    headers_case(60, skip, 8, true, COUNTER_MAX, -1);
    headers_case(43, spent, 8, true, COUNTER_MAX, -1);
    headers_case(44, whole, 8, true, COUNTER_MAX, -1); /* RFC 6946: an atomic fragment */
    headers_case(60, drop, 8, false, CTR_drop_ip_option, -1);
    headers_case(60, tell, 8, false, CTR_drop_ip_option, 2);
    headers_case(43, routed, 8, false, CTR_drop_ip_route, 0); /* RFC 5095 */
    headers_case(60, late, 16, false, CTR_drop_ip_proto, 1);  /* hop-by-hop options stand first */
    headers_case(60, huge, 8, false, CTR_drop_ip_short, -1);
    headers_case(60, bad, 8, false, CTR_drop_ip_bad, -1);
    headers_case(59, padded, 8, false, COUNTER_MAX, -1); /* nothing follows */
}

static void ip6_input__malformed(void **state)
{
    struct inet_addr mapped = INET_ADDR4(10, 0, 0, 2), group = {{{0xff, 2, [15] = 9}}}, other = {{{0xfd, [15] = 77}}};
    struct inet_addr loop = {{{[15] = 1}}};
    struct host *h = host6();
    struct packet p;

    (void)state;
    put6(&p, &peer, &other, 17, 64, "12345678", 8, 0);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_dst);
    put6(&p, &peer, &group, 17, 64, "12345678", 8, 0);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_dst);
    put6(&p, &all_nodes, &us, 17, 64, "12345678", 8, 0);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_src);
    put6(&p, &mapped, &us, 17, 64, "12345678", 8, 0);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_src);
    put6(&p, &loop, &us, 17, 64, "12345678", 8, 0);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_src);
    put6(&p, &peer, &us, 17, 64, "12345678", 8, 0);
    host_in(h, p.b, p.len - 1);
    assert_int_equal(h->verdict, CTR_drop_ip_short);
    host_in(h, p.b, 14 + 39);
    assert_int_equal(h->verdict, CTR_drop_ip_bad);
    p.b[14] = 0x40;
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_bad);
    host_free(h);
}

/* RFC 8201: a router's word about a datagram of ours; below 1280 it is not believed. */
static void icmp6__packet_too_big(void **state)
{
    uint8_t m[8 + 48] = {2};
    struct host *h = host6();
    struct ip_path path;
    struct packet p;
    struct box b;
    const struct sent *s;

    (void)state;
    box_open(&b, h, 7);
    udp_close(b.s);
    b.s = udp_open(b.udp, &b);
    assert_int_equal(inet_neigh_add(h->in, &peer, (const uint8_t *)"\2\0\0\0\0\2"), 0);
    assert_int_equal(send6(h, b.s), 0);
    s = host_out(h);
    memcpy(m + 8, s->bytes + 14, 48);
    assert_int_equal(ip_path_init(h->in, &path, &us, &peer), 0);
    put32(m + 4, 1400);
    put_icmp6(&p, &peer, &us, 64, m, sizeof(m));
    host_in(h, p.b, p.len);
    assert_int_equal(ip_path_mtu(h->in, &path), 1400);
    put32(m + 4, 600);
    put_icmp6(&p, &peer, &us, 64, m, sizeof(m));
    host_in(h, p.b, p.len);
    assert_int_equal(ip_path_mtu(h->in, &path), IP_MTU_MIN6);
    udp_free(b.udp);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ndisc__solicitation_is_answered),
        cmocka_unit_test(ndisc__packets_wait_for_the_answer),
        cmocka_unit_test(ndisc__conflict_is_counted),
        cmocka_unit_test(ndisc__malformed),
        cmocka_unit_test(ndisc__router_gives_a_way_out_and_an_address),
        cmocka_unit_test(icmp6__echo),
        cmocka_unit_test(icmp6__errors_out),
        cmocka_unit_test(ip6_input__extension_headers),
        cmocka_unit_test(ip6_input__malformed),
        cmocka_unit_test(icmp6__packet_too_big),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
