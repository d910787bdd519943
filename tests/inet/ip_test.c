/* SPDX-License-Identifier: MIT */
/* IPv4: headers, options, routes; ICMP; UDP. */
#include "rig.h"

/* A datagram "hello" to port 7 as a frame. */
static void put_hello(struct packet *p)
{
    put_eth(p, 1, 2, 0x0800);
    put_ip4(p, 1, 2, 17, 8 + 5, 1, 0);
    put_udp4(p, 7, 9, "hello", 5);
}

static void ip4_input__good_datagram(void **state)
{
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    put_hello(&p);
    host_in(h, p.b, p.len);
    assert_int_equal(b.got, 1);
    assert_int_equal(b.last.len, 5);
    assert_int_equal(b.last.from.port, 9);
    memset(p.b + p.len, 0, 20); /* the link's padding is not the packet's */
    host_in(h, p.b, p.len + 20);
    assert_int_equal(b.last.len, 5);
    udp_free(b.udp);
    host_free(h);
}

/* Each with one thing wrong, and the name under which it is dropped. */
static void ip4_input__malformed(void **state)
{
    static const struct {
        unsigned at;
        uint8_t value;
        bool fix;
        enum counter why;
    } wrong[] = {
        {14, 0x55, true, CTR_drop_ip_bad},      /* version 5 */
        {14, 0x44, true, CTR_drop_ip_bad},      /* header of 16 bytes */
        {14 + 3, 19, true, CTR_drop_ip_bad},    /* shorter than its header */
        {14 + 3, 200, true, CTR_drop_ip_short}, /* longer than the frame */
        {14 + 11, 0, false, CTR_drop_ip_checksum},
        {14 + 19, 9, true, CTR_drop_ip_dst},   /* 10.0.0.9 */
        {14 + 12, 224, true, CTR_drop_ip_src}, /* from a group */
        {14 + 12, 127, true, CTR_drop_ip_src}, /* from a loopback address (RFC 1122, 3.2.1.3) */
        {14 + 12, 0, true, CTR_drop_ip_src},
        {14 + 15, 255, true, CTR_drop_ip_src}, /* from a broadcast address */
        {14 + 15, 1, true, CTR_drop_ip_src},   /* from ourselves */
        {14 + 9, 99, true, CTR_drop_ip_proto},
        {34 + 5, 7, false, CTR_drop_udp_bad},  /* UDP length below its header */
        {34 + 5, 99, false, CTR_drop_udp_bad}, /* and beyond the packet */
        {34 + 10, 'X', false, CTR_drop_udp_checksum},
        {34 + 3, 8, false, CTR_drop_udp_checksum},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        struct host *h = host_new(1);
        struct packet p;
        struct box b;

        box_open(&b, h, 7);
        put_hello(&p);
        p.b[wrong[i].at] = wrong[i].value;
        if (wrong[i].fix)
            fix_ip4(&p);
        host_in(h, p.b, p.len);
        assert_int_equal(h->verdict, wrong[i].why);
        assert_int_equal(h->count[wrong[i].why], 1);
        assert_int_equal(b.got, 0);
        udp_free(b.udp);
        host_free(h);
    }
}

/* What was found good of the packet before it says nothing of one to an address that has gone since. */
static void ip4_input__ends_are_remembered_no_longer_than_true(void **state)
{
    static const uint8_t zeros[8] = {0};
    struct inet_addr own = INET_ADDR4(10, 0, 0, 1);
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    put_hello(&p);
    memcpy(p.b + 26, zeros, sizeof(zeros)); /* from nobody to nobody */
    fix_ip4(&p);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_dst);
    put_hello(&p);
    host_in(h, p.b, p.len);
    host_in(h, p.b, p.len);
    assert_int_equal(b.got, 2);
    assert_int_equal(inet_addr_remove(h->in, &own), 0);
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_ip_dst);
    assert_int_equal(b.got, 2);
    udp_free(b.udp);
    host_free(h);
}

static void options_case(const uint8_t *options, uint32_t len, enum counter why)
{
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    box_open(&b, h, 7);
    put_hello(&p);
    memmove(p.b + 34 + len, p.b + 34, 13);
    memcpy(p.b + 34, options, len);
    p.b[14] = (uint8_t)(0x45 + len / 4);
    put16(p.b + 16, (uint16_t)(20 + len + 13));
    fix_ip4(&p);
    host_in(h, p.b, p.len + len);
    assert_int_equal(b.got, why == COUNTER_MAX);
    assert_int_equal(h->verdict, why);
    udp_free(b.udp);
    host_free(h);
}

/* RFC 791, section 3.1; RFC 1122, section 3.2.1.8; RFC 7126 for source routes. */
static void ip4_input__options(void **state)
{
    (void)state;
    options_case((const uint8_t[]){1, 1, 1, 0}, 4, COUNTER_MAX);
    options_case((const uint8_t[]){7, 7, 4, 0, 0, 0, 0, 0}, 8, COUNTER_MAX); /* record route */
    options_case((const uint8_t[]){0x94, 4, 0, 0}, 4, COUNTER_MAX);          /* router alert */
    options_case((const uint8_t[]){0, 7, 200, 1}, 4, COUNTER_MAX);           /* behind the end is nothing */
    options_case((const uint8_t[]){7, 1, 4, 0}, 4, CTR_drop_ip_bad);
    options_case((const uint8_t[]){7, 9, 4, 0}, 4, CTR_drop_ip_bad);
    options_case((const uint8_t[]){1, 1, 1, 7}, 4, CTR_drop_ip_bad);
    options_case((const uint8_t[]){131, 7, 4, 10, 0, 0, 9, 0}, 8, CTR_drop_ip_route);
    options_case((const uint8_t[]){137, 7, 8, 10, 0, 0, 9, 0}, 8, CTR_drop_ip_route);
}

static void udp_input__no_checksum(void **state)
{
    struct host *h = host_new(1);
    struct packet p;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    put_hello(&p);
    put16(p.b + 34 + 6, 0);
    host_in(h, p.b, p.len);
    assert_int_equal(b.got, 1);
    udp_free(b.udp);
    host_free(h);
}

/* RFC 1122, section 4.1.3.1: port unreachable, which a connected sender learns of; rate-limited. */
static void udp__port_unreachable(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);
    struct inet_end to = {INET_ADDR4(10, 0, 0, 2), 99};
    struct box box, other;
    uint64_t before;

    (void)state;
    acquaint(a, b);
    box_open(&box, a, 7);
    box_open(&other, b, 8);
    before = COUNTED(b, icmp_out);
    box_send(&box, a, 2, 99, 10);
    wire(a, b);
    assert_int_equal(COUNTED(b, drop_udp_port), 1);
    assert_int_equal(COUNTED(b, icmp_out), before + 1);
    assert_int_equal(box.failed, 0); /* not connected */
    assert_int_equal(COUNTED(a, drop_icmp_stray), 0);
    assert_int_equal(udp_connect(box.s, &to), 0);
    for (unsigned i = 0; i < ICMP_BURST + 30; i++) {
        box_send(&box, a, 2, 99, 10);
        wire(a, b);
    }
    assert_int_equal(box.failed, ECONNREFUSED);
    assert_int_equal(COUNTED(b, icmp_out), before + ICMP_BURST);
    assert_int_equal(COUNTED(b, drop_icmp_limit), 31);
    host_at(b, HOST_START + NS_PER_S / ICMP_PER_SECOND);
    for (unsigned i = 0; i < 2; i++) {
        box_send(&box, a, 2, 99, 10);
        wire(a, b);
    }
    assert_int_equal(COUNTED(b, icmp_out), before + ICMP_BURST + 1);
    udp_free(box.udp);
    udp_free(other.udp);
    host_free(a);
    host_free(b);
}

/* Chance brings up the same port twice: it has a conversation with the peer already. */
static void udp__chosen_port_has_no_conversation(void **state)
{
    struct host *h = host_new(1);
    struct inet_end to = {INET_ADDR4(10, 0, 0, 2), 7000};
    uint64_t chance = h->random;
    struct box box;

    (void)state;
    box_open(&box, h, 7);
    for (unsigned i = 0; i < 3; i++) {
        struct udp_socket *s = udp_open(box.udp, NULL);

        assert_non_null(s);
        h->random = chance;
        assert_int_equal(udp_connect(s, &to), 0);
    }
    udp_free(box.udp);
    host_free(h);
}

static void udp__queue_is_bounded(void **state)
{
    struct inet_config cfg;
    struct host *h;
    struct udp_datagram d;
    struct packet p;
    struct box b;

    (void)state;
    inet_config_defaults(&cfg);
    cfg.udp_queue = 3;
    h = host_new_config(1, &cfg);
    box_open(&b, h, 7);
    b.take = false;
    for (char c = 'a'; c < 'f'; c++) {
        char text[5] = {c, c, c, c, c};

        put_eth(&p, 1, 2, 0x0800);
        put_ip4(&p, 1, 2, 17, 13, 1, 0);
        put_udp4(&p, 7, 9, text, 5);
        host_in(h, p.b, p.len);
    }
    assert_int_equal(COUNTED(h, drop_udp_full), 2);
    assert_int_equal(udp_dropped(b.s), 2);
    b.take = true; /* what comes now must not overtake what waits */
    assert_true(udp_recv(b.s, &d));
    assert_int_equal(d.ptr[0], 'a');
    mem_unref(&h->mem, d.obj);
    host_in(h, p.b, p.len);
    assert_int_equal(b.got, 0);
    udp_free(b.udp);
    host_free(h);
}

static void udp__most_specific_socket_gets_it(void **state)
{
    struct host *h = host_new(1);
    struct inet_end here = {h->addr, 7}, peer = {INET_ADDR4(10, 0, 0, 2), 9}, any6 = {INET_ANY6, 7};
    struct box any, exact = {.take = true, .mem = &h->mem}, connected = exact;
    struct packet p;

    (void)state;
    box_open(&any, h, 7);
    exact.s = udp_open(any.udp, &exact);
    assert_int_equal(udp_bind(exact.s, &here), -EADDRINUSE);
    assert_int_equal(udp_bind(exact.s, &any6), -EADDRINUSE);
    udp_close(any.s);
    assert_int_equal(udp_bind(exact.s, &here), 0);
    put_hello(&p);
    host_in(h, p.b, p.len);
    assert_int_equal(exact.got, 1);
    udp_close(exact.s);
    connected.s = udp_open(any.udp, &connected);
    assert_int_equal(udp_bind(connected.s, &here), 0);
    assert_int_equal(udp_connect(connected.s, &peer), 0);
    host_in(h, p.b, p.len);
    assert_int_equal(connected.got, 1);
    put_eth(&p, 1, 3, 0x0800);
    put_ip4(&p, 1, 3, 17, 13, 1, 0);
    put_udp4(&p, 7, 9, "other", 5);
    host_in(h, p.b, p.len);
    assert_int_equal(connected.got, 1);
    assert_int_equal(COUNTED(h, drop_udp_port), 1);
    udp_free(any.udp);
    host_free(h);
}

static void udp_bind__errors_and_ports(void **state)
{
    struct host *h = host_new(1);
    struct inet_end other = {INET_ADDR4(10, 0, 0, 9), 7}, none = {INET_ANY4, 0}, local, remote;
    struct box b;

    (void)state;
    box_open(&b, h, 7);
    assert_int_equal(udp_bind(b.s, &none), -EINVAL);
    udp_close(b.s);
    b.s = udp_open(b.udp, &b);
    assert_int_equal(udp_bind(b.s, &other), -EADDRNOTAVAIL);
    assert_int_equal(udp_bind(b.s, &none), 0);
    udp_ends(b.s, &local, &remote);
    assert_in_range(local.port, UDP_PORT_LOW, UDP_PORT_HIGH);
    udp_free(b.udp);
    host_free(h);
}

static void put_echo(struct packet *p, uint32_t len)
{
    uint8_t icmp[1472] = {8, 0, 0, 0, 0x12, 0x34, 0, 1};
    uint16_t sum;

    for (uint32_t i = 8; i < len; i++)
        icmp[i] = (uint8_t)i;
    sum = checksum_finish(checksum_add(0, icmp, len));
    memcpy(icmp + 2, &sum, 2);
    put_eth(p, 1, 2, 0x0800);
    put_ip4(p, 1, 2, 1, len, 7, 0);
    put_bytes(p, icmp, len);
}

static void icmp__echo(void **state)
{
    struct host *h = host_new(1);
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
    struct inet_addr peer = INET_ADDR4(10, 0, 0, 2);
    const struct sent *s;
    struct packet p;

    (void)state;
    assert_int_equal(inet_neigh_add(h->in, &peer, mac), 0);
    for (uint32_t len = 8; len < 1400; len += 173) {
        put_echo(&p, len);
        host_in(h, p.b, p.len);
        s = host_out(h);
        assert_non_null(s);
        assert_int_equal(s->len, p.len);
        assert_int_equal(s->bytes[34], 0);
        assert_memory_equal(s->bytes + 38, p.b + 38, len - 4);
        assert_true(checksum_good(checksum_add(0, s->bytes + 34, len)));
        assert_true(checksum_good(checksum_add(0, s->bytes + 14, 20)));
    }
    put_echo(&p, 64);
    p.b[60] ^= 1;
    host_in(h, p.b, p.len);
    assert_int_equal(h->verdict, CTR_drop_icmp_checksum);
    host_in(h, p.b, 14 + 20);
    assert_int_equal(h->verdict, CTR_drop_ip_short);
    host_free(h);
}

/* A router's "fragmentation needed" for what is in p.data, as it comes to host 1. */
static void put_too_big(struct packet *p, const struct sent *about, uint16_t mtu)
{
    uint8_t icmp[8 + 28] = {3, 4};
    uint16_t sum;

    put16(icmp + 6, mtu);
    memcpy(icmp + 8, about->bytes + 14, 28);
    sum = checksum_finish(checksum_add(0, icmp, sizeof(icmp)));
    memcpy(icmp + 2, &sum, 2);
    put_eth(p, 1, 2, 0x0800);
    put_ip4(p, 1, 2, 1, sizeof(icmp), 7, 0);
    put_bytes(p, icmp, sizeof(icmp));
}

/* RFC 1191: the path MTU shrinks for this peer alone, is not believed below 552, and is forgotten after ten minutes. */
static void pmtu__learnt_and_forgotten(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);
    struct inet_addr other = INET_ADDR4(10, 0, 0, 3);
    struct ip_path to_b, to_other;
    const struct sent *s;
    struct packet p;
    struct box from;

    (void)state;
    acquaint(a, b);
    box_open(&from, a, 7);
    assert_int_equal(ip_path_init(a->in, &to_b, &a->addr, &b->addr), 0);
    assert_int_equal(ip_path_init(a->in, &to_other, &a->addr, &other), 0);
    assert_int_equal(box_send(&from, a, 2, 8, 1000), 0);
    s = host_out(a);
    put_too_big(&p, s, 700);
    host_in(a, p.b, p.len);
    assert_int_equal(ip_path_mtu(a->in, &to_b), 700);
    assert_int_equal(ip_path_mtu(a->in, &to_other), 1500);
    put_too_big(&p, s, 1400); /* never up */
    host_in(a, p.b, p.len);
    assert_int_equal(ip_path_mtu(a->in, &to_b), 700);
    assert_int_equal(box_send(&from, a, 2, 8, 1000), 0);
    assert_int_equal(COUNTED(a, frags_out), 2);
    put_too_big(&p, s, 68);
    host_in(a, p.b, p.len);
    assert_int_equal(ip_path_mtu(a->in, &to_b), IP_MTU_FLOOR);
    put_too_big(&p, s, 600);
    put16(p.b + 14 + 20 + 8 + 20, 1234); /* quotes a port of nobody: a forgery */
    host_in(a, p.b, p.len);
    host_at(a, HOST_START + 601 * NS_PER_S);
    assert_int_equal(ip_path_mtu(a->in, &to_b), 1500);
    udp_free(from.udp);
    host_free(a);
    host_free(b);
}

static void route__gateway_and_errors(void **state)
{
    struct host *h = host_new(1);
    struct inet_addr net = INET_ADDR4(192, 0, 2, 0), gw = INET_ADDR4(10, 0, 0, 2), far = INET_ADDR4(192, 0, 2, 9);
    struct inet_addr all = INET_ANY4, gw2 = INET_ADDR4(10, 0, 0, 3), other = INET_ADDR4(198, 51, 100, 1);
    const uint8_t mac2[6] = {2, 0, 0, 0, 0, 2}, mac3[6] = {2, 0, 0, 0, 0, 3};
    struct inet_end end = {far, 9};
    struct ip_path path;
    struct box b;
    void *obj;

    (void)state;
    box_open(&b, h, 7);
    assert_int_equal(ip_path_init(h->in, &path, &all, &far), -ENETUNREACH);
    assert_int_equal(inet_route_add(h->in, &net, 24, &gw), 0);
    assert_int_equal(inet_route_add(h->in, &net, 24, &gw), -EEXIST);
    assert_int_equal(inet_route_add(h->in, &all, 0, &gw2), 0);
    assert_int_equal(inet_route_add(h->in, &all, 33, &gw2), -EINVAL);
    inet_neigh_add(h->in, &gw, mac2);
    inet_neigh_add(h->in, &gw2, mac3);
    obj = mem_alloc(&h->mem, 64, 1);
    assert_int_equal(udp_send(b.s, obj, memset(obj, 0, 64), 10, &end), 0);
    assert_int_equal(host_out(h)->bytes[5], 2);
    end.addr = other;
    assert_int_equal(udp_send(b.s, obj, obj, 10, &end), 0);
    assert_int_equal(host_out(h)->bytes[5], 3);
    assert_int_equal(inet_route_remove(h->in, &all, 0), 0);
    assert_int_equal(udp_send(b.s, obj, obj, 10, &end), -ENETUNREACH);
    mem_unref(&h->mem, obj);
    udp_free(b.udp);
    host_free(h);
}

static void loopback__to_ourselves(void **state)
{
    struct host *h = host_new(1);
    struct inet_end lo = {INET_ADDR4(127, 0, 0, 1), 7}, self = {h->addr, 7};
    struct box b;
    void *obj;

    (void)state;
    box_open(&b, h, 7);
    obj = mem_alloc(&h->mem, 5000, 1);
    memset(obj, 'z', 5000);
    assert_int_equal(udp_send(b.s, obj, obj, 10, &lo), 0);
    assert_int_equal(udp_send(b.s, obj, obj, 5000, &self), 0);
    while (inet_poll(h->in) > 0)
        continue;
    assert_int_equal(b.got, 2);
    assert_int_equal(b.last.len, 5000);
    assert_null(host_out(h));
    for (unsigned i = 0; i < LOOP_WAITING; i++)
        assert_int_equal(udp_send(b.s, obj, obj, 10, &lo), 0);
    assert_int_equal(udp_send(b.s, obj, obj, 10, &lo), -ENOBUFS);
    assert_int_equal(COUNTED(h, loopback_full), 1);
    mem_unref(&h->mem, obj);
    udp_free(b.udp);
    host_free(h);
}

/* Every n-th allocation fails in turn: nothing leaks (host_free looks) and nothing is delivered twice. */
static void memory__each_allocation_fails_once(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 30; n++) {
        struct host *a = host_new(1), *b = host_new(2);
        struct box from, to;

        box_open(&from, a, 7);
        box_open(&to, b, 8);
        a->fail_after = b->fail_after = n;
        for (uint32_t len = 10; len < 5000; len += 1600) {
            box_send(&from, a, 2, 8, len);
            wire(a, b);
        }
        assert_true(to.got <= 4);
        if (n > 20)
            assert_true(to.got >= 3);
        udp_free(from.udp);
        udp_free(to.udp);
        host_free(a);
        host_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip4_input__good_datagram),
        cmocka_unit_test(ip4_input__malformed),
        cmocka_unit_test(ip4_input__ends_are_remembered_no_longer_than_true),
        cmocka_unit_test(ip4_input__options),
        cmocka_unit_test(udp_input__no_checksum),
        cmocka_unit_test(udp__port_unreachable),
        cmocka_unit_test(udp__chosen_port_has_no_conversation),
        cmocka_unit_test(udp__queue_is_bounded),
        cmocka_unit_test(udp__most_specific_socket_gets_it),
        cmocka_unit_test(udp_bind__errors_and_ports),
        cmocka_unit_test(icmp__echo),
        cmocka_unit_test(pmtu__learnt_and_forgotten),
        cmocka_unit_test(route__gateway_and_errors),
        cmocka_unit_test(loopback__to_ourselves),
        cmocka_unit_test(memory__each_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
