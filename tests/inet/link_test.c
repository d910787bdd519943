/* SPDX-License-Identifier: MIT */
/* Ethernet, ARP and the neighbour cache. */
#include "rig.h"

static void take_nothing(void *ctx, int err)
{
    *(int *)ctx = err;
}

static bool deliver_none(void *ctx, const struct udp_datagram *d)
{
    (void)ctx, (void)d;
    return false;
}

static const struct udp_upcalls upcalls = {deliver_none, take_nothing};

/* A host with UDP and a socket. */
struct sender {
    struct host *h;
    struct udp *udp;
    struct udp_socket *s;
    int failed;
};

static void sender_open(struct sender *s, uint8_t n)
{
    int err;

    s->h = host_new(n);
    s->udp = udp_new(s->h->in, &upcalls, &err);
    assert_non_null(s->udp);
    s->s = udp_open(s->udp, &s->failed);
    s->failed = 0;
}

static void sender_close(struct sender *s)
{
    udp_free(s->udp);
    host_free(s->h);
}

static int send_to(struct sender *s, uint8_t n, uint16_t port)
{
    struct inet_end to = {INET_ADDR4(10, 0, 0, n), port};
    void *obj = mem_alloc(&s->h->mem, 64, 1);
    int err = udp_send(s->s, obj, memset(obj, 'x', 10), 10, &to);

    mem_unref(&s->h->mem, obj);
    return err;
}

static void put_arp(struct packet *p, uint8_t eth_to, uint8_t from, uint16_t op, uint8_t sender, uint8_t target)
{
    uint8_t a[28] = {0, 1, 8, 0, 6, 4, 0, (uint8_t)op, 2, 0, 0, 0, 0, from, 10, 0, 0, sender};

    a[24] = 10;
    a[27] = target;
    put_eth(p, eth_to, from, 0x0806);
    put_bytes(p, a, sizeof(a));
}

static void eth_input__not_for_us(void **state)
{
    struct host *h = host_new(1);
    struct packet p;

    (void)state;
    put_eth(&p, 3, 2, 0x0800);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_eth_dst), 1);
    assert_int_equal(h->verdict, CTR_drop_eth_dst);
    host_in(h, p.b, 13);
    assert_int_equal(COUNTED(h, drop_eth_short), 1);
    put_eth(&p, 1, 1, 0x0800);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_eth_src), 1);
    put_eth(&p, 1, 2, 0x1234);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_eth_type), 1);
    assert_null(host_out(h));
    host_free(h);
}

static void eth_input__vlan(void **state)
{
    struct inet_config cfg;
    struct host *h;
    struct packet p;
    const uint8_t tag[4] = {0x20, 5, 8, 6}; /* priority 1, VLAN 5, then ARP */
    const struct sent *s;

    (void)state;
    inet_config_defaults(&cfg);
    cfg.vlan = 5;
    h = host_new_config(1, &cfg);
    put_arp(&p, 255, 2, 1, 2, 1);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_eth_vlan), 1);
    memmove(p.b + 18, p.b + 14, 28);
    put16(p.b + 12, 0x8100);
    memcpy(p.b + 14, tag, 4);
    host_in(h, p.b, p.len + 4);
    s = host_out(h);
    assert_non_null(s);
    assert_int_equal(get16(s->bytes + 12), 0x8100);
    assert_int_equal(get16(s->bytes + 14), 5);
    assert_int_equal(get16(s->bytes + 16), 0x0806);
    host_free(h);
}

/* RFC 826: a request for our address is answered, and teaches who asked. */
static void arp_input__request(void **state)
{
    struct sender a;
    const struct sent *s;
    struct packet p;

    (void)state;
    sender_open(&a, 1);
    put_arp(&p, 255, 2, 1, 2, 1);
    host_in(a.h, p.b, p.len);
    s = host_out(a.h);
    assert_non_null(s);
    assert_int_equal(get16(s->bytes + 20), 2);
    assert_memory_equal(s->bytes, "\2\0\0\0\0\2", 6);
    assert_memory_equal(s->bytes + 22, "\2\0\0\0\0\1\12\0\0\1\2\0\0\0\0\2\12\0\0\2", 20);
    assert_int_equal(send_to(&a, 2, 7), 0);
    s = host_out(a.h);
    assert_int_equal(get16(s->bytes + 12), 0x0800); /* no question was needed */
    sender_close(&a);
}

static void arp_input__request_for_another(void **state)
{
    struct host *h = host_new(1);
    struct packet p;

    (void)state;
    put_arp(&p, 255, 2, 1, 2, 3);
    host_in(h, p.b, p.len);
    assert_null(host_out(h));
    put_arp(&p, 255, 2, 1, 2, 1);
    p.b[14 + 4] = 5;
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, drop_arp_bad), 1);
    host_in(h, p.b, 14 + 27);
    assert_int_equal(COUNTED(h, drop_arp_bad), 2);
    host_free(h);
}

/* RFC 5227, section 2.4 (b): reported each time, defended once in ten seconds. */
static void arp_input__conflict(void **state)
{
    struct host *h = host_new(1);
    struct packet p;
    const struct sent *s;

    (void)state;
    put_arp(&p, 255, 9, 1, 1, 1);
    host_in(h, p.b, p.len);
    host_in(h, p.b, p.len);
    assert_int_equal(COUNTED(h, arp_conflicts), 2);
    s = host_out(h);
    assert_non_null(s);
    assert_memory_equal(s->bytes + 22, "\2\0\0\0\0\1\12\0\0\1", 10);
    assert_null(host_out(h));
    host_at(h, HOST_START + 11 * NS_PER_S);
    host_in(h, p.b, p.len);
    assert_non_null(host_out(h));
    host_free(h);
}

static void neigh__packets_wait_for_the_answer(void **state)
{
    struct sender a;
    struct host *b = host_new(2);
    const struct sent *s;

    (void)state;
    sender_open(&a, 1);
    assert_int_equal(send_to(&a, 2, 7), 0);
    assert_int_equal(send_to(&a, 2, 8), 0);
    s = host_out(a.h);
    assert_int_equal(get16(s->bytes + 12), 0x0806);
    assert_null(host_out(a.h)); /* asked once */
    host_in(b, s->bytes, s->len);
    s = host_out(b);
    host_in(a.h, s->bytes, s->len);
    for (unsigned port = 7; port <= 8; port++) {
        s = host_out(a.h);
        assert_non_null(s);
        assert_memory_equal(s->bytes, "\2\0\0\0\0\2", 6);
        assert_int_equal(get16(s->bytes + 14 + 20 + 2), port);
    }
    sender_close(&a);
    host_free(b);
}

static void neigh__the_oldest_of_too_many_goes(void **state)
{
    struct sender a;
    struct host *b = host_new(2);
    const struct sent *s;

    (void)state;
    sender_open(&a, 1);
    for (uint16_t i = 1; i <= NEIGH_WAITING + 2; i++)
        assert_int_equal(send_to(&a, 2, i), 0);
    assert_int_equal(COUNTED(a.h, drop_neigh_full), 2);
    s = host_out(a.h);
    host_in(b, s->bytes, s->len);
    s = host_out(b);
    host_in(a.h, s->bytes, s->len);
    for (unsigned i = 3; i <= NEIGH_WAITING + 2; i++)
        assert_int_equal(get16(host_out(a.h)->bytes + 14 + 20 + 2), i);
    assert_null(host_out(a.h));
    sender_close(&a);
    host_free(b);
}

/* Asked three times, ever longer apart; then who sent learns of it, and the next is refused at once for a while. */
static void neigh__nobody_answers(void **state)
{
    struct inet_end to = {INET_ADDR4(10, 0, 0, 2), 7};
    struct sender a;
    void *obj;

    (void)state;
    sender_open(&a, 1);
    assert_int_equal(udp_connect(a.s, &to), 0);
    obj = mem_alloc(&a.h->mem, 64, 1);
    assert_int_equal(udp_send(a.s, obj, memset(obj, 0, 64), 64, NULL), 0);
    mem_unref(&a.h->mem, obj);
    assert_non_null(host_out(a.h));
    host_at(a.h, HOST_START + 510 * NS_PER_MS);
    assert_non_null(host_out(a.h));
    host_at(a.h, HOST_START + 1400 * NS_PER_MS);
    assert_null(host_out(a.h));
    host_at(a.h, HOST_START + 1520 * NS_PER_MS);
    assert_non_null(host_out(a.h));
    assert_int_equal(a.failed, 0);
    host_at(a.h, HOST_START + 4 * NS_PER_S);
    assert_int_equal(a.failed, EHOSTUNREACH);
    assert_int_equal(COUNTED(a.h, neigh_failures), 1);
    assert_int_equal(COUNTED(a.h, drop_neigh_failed), 1);
    assert_int_equal(send_to(&a, 2, 7), -EHOSTUNREACH);
    host_at(a.h, HOST_START + 6 * NS_PER_S);
    assert_int_equal(send_to(&a, 2, 7), 0);
    assert_non_null(host_out(a.h));
    sender_close(&a);
}

/* An address that was confirmed meanwhile by a transport is not asked for (RFC 4861, section 7.3.3). */
static void neigh__confirmed_by_a_transport(void **state)
{
    struct host *a = host_new(1), *b = host_new(2);
    struct ip_send send = {.proto = 200, .ttl = 64};
    struct ip_path path;
    struct packet p;

    (void)state;
    put_arp(&p, 255, 2, 1, 2, 1);
    host_in(a, p.b, p.len);
    host_out(a);
    assert_int_equal(ip_path_init(a->in, &path, &a->addr, &b->addr), 0);
    for (unsigned i = 0; i < 100; i++) {
        struct frame *f = ip_frame(a->in);

        memset(frame_push(f, 8), 0, 8);
        assert_int_equal(ip_output(a->in, &path, f, &send), 0);
        ip_path_confirm(a->in, &path);
        assert_int_equal(get16(host_out(a)->bytes + 12), 0x0800);
        assert_null(host_out(a));
        host_at(a, HOST_START + i * NS_PER_S);
    }
    assert_int_equal(COUNTED(a, arp_requests), 0);
    host_free(a);
    host_free(b);
}

/* An address that nothing was heard of for long is asked for again, by unicast, while it goes on being used. */
static void neigh__expiry_asks_again(void **state)
{
    struct sender a;
    struct host *b = host_new(2);
    const struct sent *s;

    (void)state;
    sender_open(&a, 1);
    send_to(&a, 2, 7);
    wire(a.h, b);
    host_at(a.h, HOST_START + 31 * NS_PER_S);
    send_to(&a, 2, 7);
    s = host_out(a.h);
    assert_int_equal(get16(s->bytes + 12), 0x0800);
    host_at(a.h, HOST_START + 35 * NS_PER_S);
    assert_null(host_out(a.h));
    host_at(a.h, HOST_START + 37 * NS_PER_S);
    s = host_out(a.h);
    assert_int_equal(get16(s->bytes + 12), 0x0806);
    assert_memory_equal(s->bytes, "\2\0\0\0\0\2", 6);
    send_to(&a, 2, 7);
    s = host_out(a.h);
    assert_int_equal(get16(s->bytes + 12), 0x0800);
    /* nobody answers: from now on everybody is asked */
    for (unsigned i = 1; i < 7; i++)
        host_at(a.h, HOST_START + (37 + i) * NS_PER_S);
    while (host_out(a.h) != NULL)
        continue;
    send_to(&a, 2, 7);
    s = host_out(a.h);
    assert_memory_equal(s->bytes, "\xff\xff\xff\xff\xff\xff", 6);
    assert_null(host_out(a.h));
    sender_close(&a);
    host_free(b);
}

static void neigh__new_link_address_is_used_at_once(void **state)
{
    struct sender a;
    struct packet p;

    (void)state;
    sender_open(&a, 1);
    put_arp(&p, 255, 2, 1, 2, 1);
    host_in(a.h, p.b, p.len);
    send_to(&a, 2, 7);
    host_out(a.h);
    assert_int_equal(host_out(a.h)->bytes[5], 2);
    put_arp(&p, 255, 77, 1, 2, 2); /* gratuitous */
    host_in(a.h, p.b, p.len);
    send_to(&a, 2, 7);
    while (a.h->last - a.h->first > 1)
        host_out(a.h);
    assert_int_equal(host_out(a.h)->bytes[5], 77);
    sender_close(&a);
}

static void neigh__static_entry_stays(void **state)
{
    struct sender a;
    struct inet_addr b = INET_ADDR4(10, 0, 0, 2);
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 42};
    struct packet p;

    (void)state;
    sender_open(&a, 1);
    assert_int_equal(inet_neigh_add(a.h->in, &b, mac), 0);
    put_arp(&p, 255, 77, 1, 2, 2);
    host_in(a.h, p.b, p.len);
    host_at(a.h, HOST_START + 3600 * NS_PER_S);
    assert_int_equal(send_to(&a, 2, 7), 0);
    assert_int_equal(host_out(a.h)->bytes[5], 42);
    sender_close(&a);
}

static void neigh__table_is_bounded(void **state)
{
    struct inet_config cfg;
    struct host *h;
    struct packet p;

    (void)state;
    inet_config_defaults(&cfg);
    cfg.neighbours = 16;
    h = host_new_config(1, &cfg);
    for (uint8_t i = 2; i < 50; i++) {
        put_arp(&p, 255, i, 1, i, 1);
        host_in(h, p.b, p.len);
        assert_non_null(host_out(h));
    }
    assert_int_equal(COUNTED(h, neigh_full), 48 - 16);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eth_input__not_for_us),
        cmocka_unit_test(eth_input__vlan),
        cmocka_unit_test(arp_input__request),
        cmocka_unit_test(arp_input__request_for_another),
        cmocka_unit_test(arp_input__conflict),
        cmocka_unit_test(neigh__packets_wait_for_the_answer),
        cmocka_unit_test(neigh__the_oldest_of_too_many_goes),
        cmocka_unit_test(neigh__nobody_answers),
        cmocka_unit_test(neigh__confirmed_by_a_transport),
        cmocka_unit_test(neigh__expiry_asks_again),
        cmocka_unit_test(neigh__new_link_address_is_used_at_once),
        cmocka_unit_test(neigh__static_entry_stays),
        cmocka_unit_test(neigh__table_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
