/* SPDX-License-Identifier: MIT */
/*
 * Two libOSes in one instance, and memory queues: a network (LIBOS says which) and catmem beside it. One wait takes
 * what comes first, of whichever; the first address of a socket says whose it is.
 *
 * CLIENT_DEVICE and SERVER_DEVICE are the two ends of a cable, where the network needs one an instance.
 */
#include "api/rig.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>

#define ROUNDS RIG_ROUNDS(150)

enum kind { NETWORK, SHARED, MEMORY, KINDS };

static const size_t sizes[] = {1, 64, 1000, 5000, 40000};

/* The server's end of a network, and an address that is catmem's. */
static union rig_addr address(enum kind kind)
{
    union rig_addr a = {.in = {.sin_family = AF_INET}};

    a.in.sin_addr.s_addr = htonl(kind == SHARED ? 0x7f000002 : rig_network("catnap") ? 0x7f000001 : 0x0a000001);
    return a;
}

/* Does catmem serve qd? */
static bool is_shared(int qd)
{
    return strcmp(queue_lookup(&rig_instance()->queues, qd)->ops->name, "catmem") == 0;
}

static int listen_at(enum kind kind, union rig_addr *a)
{
    int qd = rig_socket(AF_INET, SOCK_STREAM);

    *a = address(kind);
    assert_int_equal(demi_bind(qd, &a->any, rig_len(a)), 0);
    *a = rig_name(qd);
    assert_int_equal(demi_listen(qd, 4), 0);
    assert_int_equal(is_shared(qd), kind == SHARED);
    return qd;
}

static int connected_to(const union rig_addr *a)
{
    int qd = rig_socket(AF_INET, SOCK_STREAM);
    demi_qtoken_t qt;

    assert_int_equal(demi_connect(&qt, qd, &a->any, rig_len(a)), 0);
    rig_done(qt, DEMI_OPC_CONNECT);
    return qd;
}

/* Both ends in this instance. */
static struct rig_pair pair_of(enum kind kind)
{
    struct rig_pair p;
    union rig_addr a;
    demi_qtoken_t accept;
    int listener;

    if (kind == MEMORY) {
        assert_int_equal(demi_queue(&p.client), 0);
        p.server = p.client;
        return p;
    }
    listener = listen_at(kind, &a);
    assert_int_equal(demi_accept(&accept, listener), 0);
    p.client = connected_to(&a);
    p.server = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    assert_int_equal(is_shared(p.client), kind == SHARED);
    assert_int_equal(is_shared(p.server), kind == SHARED);
    assert_int_equal(demi_close(listener), 0);
    return p;
}

static void close_pair(struct rig_pair p)
{
    assert_int_equal(demi_close(p.client), 0);
    if (p.server != p.client)
        assert_int_equal(demi_close(p.server), 0);
}

/* --- a server of both kinds in a thread of its own --- */

struct server {
    pthread_t thread;
    pthread_barrier_t ready;
    union rig_addr at[2];
    bool good; /* all went well, and nothing is left */
    char why[256];
};

static bool listens(enum kind kind, union rig_addr *a, int *listener, demi_qtoken_t *accept)
{
    socklen_t len = sizeof(*a);

    *a = address(kind);
    return demi_socket(listener, AF_INET, SOCK_STREAM, 0) == 0 && demi_bind(*listener, &a->any, rig_len(a)) == 0 &&
           demi_getsockname(*listener, &a->any, &len) == 0 && demi_listen(*listener, 4) == 0 &&
           demi_accept(accept, *listener) == 0;
}

/* Goes on with what qr is the result of: its queue's next operation takes the place of *qt. False: something failed. */
static bool go_on(demi_qtoken_t *qt, demi_qresult_t *qr, int *open)
{
    bool good;

    switch (qr->qr_opcode) {
    case DEMI_OPC_ACCEPT:
        return demi_pop(qt, qr->qr_value.ares.qd) == 0;
    case DEMI_OPC_PUSH:
        return demi_pop(qt, qr->qr_qd) == 0;
    case DEMI_OPC_POP:
        break;
    default:
        return false;
    }
    good = qr->qr_value.sga.sga_segs[0].sgaseg_len > 0 ? demi_push(qt, qr->qr_qd, &qr->qr_value.sga) == 0
                                                       : demi_close(qr->qr_qd) == 0 && --*open >= 0;
    return demi_sgafree(&qr->qr_value.sga) == 0 && good;
}

/* One wait for both, until both streams have ended. */
static bool serve_both(demi_qtoken_t qt[2])
{
    struct timespec limit = rig_ms(RIG_MS);
    int open = 2;

    while (open > 0) {
        demi_qresult_t qr;
        int at, before = open;

        if (demi_wait_any(&qr, &at, qt, open, &limit) != 0 || !go_on(&qt[at], &qr, &open))
            return false;
        if (open < before)
            qt[at] = qt[open];
    }
    return true;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    struct rig_pools before;
    demi_qtoken_t qt[2] = {0, 0};
    int listener[2] = {-1, -1};

    s->good = demi_init(NULL) == 0;
    if (s->good) {
        rig_measure(&before);
        s->good = listens(NETWORK, &s->at[NETWORK], &listener[0], &qt[0]) &&
                  listens(SHARED, &s->at[SHARED], &listener[1], &qt[1]);
    }
    snprintf(s->why, sizeof(s->why), "%s", s->good ? "" : demi_last_error());
    pthread_barrier_wait(&s->ready);
    s->good = s->good && serve_both(qt) && demi_close(listener[0]) == 0 && demi_close(listener[1]) == 0 &&
              rig_settle(&before) && demi_fini() == 0;
    return NULL;
}

/* The settings of the instance that is made next. */
static void stand_at(const char *device, const char *net_address)
{
    const char *end = getenv(device);

    if (end != NULL)
        setenv("DEVICE", end, 1);
    if (rig_network("catpowder") || end != NULL)
        setenv("NET_ADDRESS", net_address, 1);
}

static void begin_server(struct server *s)
{
    rig_need_instances();
    stand_at("SERVER_DEVICE", "10.0.0.1/24");
    pthread_barrier_init(&s->ready, NULL, 2);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    pthread_barrier_wait(&s->ready);
    if (!s->good)
        fail_msg("the server: %s", s->why);
    stand_at("CLIENT_DEVICE", "10.0.0.2/24");
    assert_int_equal(rig_setup(NULL), 0);
}

/* This end of the network stays until the other one has closed its connection. */
static void end_server(struct server *s)
{
    struct timespec look = rig_ms(5);
    demi_qresult_t qr;
    int left, n;

    while (pthread_tryjoin_np(s->thread, NULL) != 0)
        demi_wait_next_n(&qr, 1, &n, &look); /* pops that were pending have ended with ECANCELED */
    left = rig_teardown(NULL);
    pthread_barrier_destroy(&s->ready);
    stand_at("SERVER_DEVICE", "10.0.0.1/24");
    assert_int_equal(left, 0);
    assert_true(s->good);
}

/* The first of the pops. loop: the descriptor that an event loop of the program's own sleeps on; -1: there is none. */
static demi_qresult_t wait_any(int loop, const demi_qtoken_t pops[KINDS], int *at)
{
    struct timespec limit = rig_ms(loop < 0 ? RIG_MS : 0);
    struct pollfd readable = {.fd = loop, .events = POLLIN};
    demi_qresult_t qr;
    int err;

    while ((err = demi_wait_any(&qr, at, pops, KINDS, &limit)) == ETIMEDOUT && loop >= 0)
        if (poll(&readable, 1, RIG_MS) == 0)
            fail_msg("the loop slept though there was work");
    assert_int_equal(err, 0);
    return qr;
}

/* Sends to one of the three and finds what comes back, among what may come from all. */
static void find_one(int loop, const int qd[KINDS], demi_qtoken_t pops[KINDS], unsigned round)
{
    size_t size = sizes[round % ARRAY_LEN(sizes)], got = 0;
    int want = (int)(round % KINDS), at;
    demi_sgarray_t sga = rig_sga_fill(size, round);
    demi_qtoken_t push = rig_push(qd[want], &sga);
    char *all = malloc(size);

    rig_free(&sga);
    while (got < size) {
        demi_qresult_t qr = wait_any(loop, pops, &at);
        uint32_t n;

        assert_int_equal(at, want);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        n = rig_length(&qr.qr_value.sga);
        assert_in_range(n, 1, size - got);
        memcpy(all + got, rig_bytes(&qr.qr_value.sga), n);
        got += n;
        rig_free(&qr.qr_value.sga);
        pops[at] = rig_pop(qd[at]);
    }
    assert_true(rig_filled(all, size, round));
    free(all);
    rig_done(push, DEMI_OPC_PUSH);
}

/* Sends to all three at once; whatever results come, in whatever order, are taken by wait_next_n. */
static void find_all(const int qd[KINDS])
{
    struct timespec limit = rig_ms(RIG_MS);
    unsigned pushed = 0, popped = 0;
    demi_sgarray_t sga = rig_sga("to all");

    for (int kind = 0; kind < KINDS; kind++)
        rig_push(qd[kind], &sga);
    rig_free(&sga);
    while (pushed < KINDS || popped < KINDS) {
        demi_qresult_t qr[4];
        int n;

        assert_int_equal(demi_wait_next_n(qr, 4, &n, &limit), 0);
        for (int i = 0; i < n; i++) {
            if (qr[i].qr_opcode == DEMI_OPC_PUSH) {
                pushed++;
                continue;
            }
            assert_int_equal(qr[i].qr_opcode, DEMI_OPC_POP);
            assert_int_equal(rig_length(&qr[i].qr_value.sga), 6);
            assert_memory_equal(rig_bytes(&qr[i].qr_value.sga), "to all", 6);
            rig_free(&qr[i].qr_value.sga);
            popped++;
        }
    }
}

static void connect_all(const struct server *s, int qd[KINDS], demi_qtoken_t pops[KINDS])
{
    qd[NETWORK] = connected_to(&s->at[NETWORK]);
    qd[SHARED] = connected_to(&s->at[SHARED]);
    assert_int_equal(demi_queue(&qd[MEMORY]), 0);
    assert_false(is_shared(qd[NETWORK]));
    assert_true(is_shared(qd[SHARED]));
    for (int kind = 0; kind < KINDS; kind++)
        pops[kind] = rig_pop(qd[kind]);
}

static void close_all(const int qd[KINDS])
{
    for (int kind = 0; kind < KINDS; kind++)
        assert_int_equal(demi_close(qd[kind]), 0);
}

static void beside__one_wait_over_all_three(void **state)
{
    struct server s = {.good = false};
    demi_qtoken_t pops[KINDS];
    int qd[KINDS];

    (void)state;
    begin_server(&s);
    connect_all(&s, qd, pops);
    for (unsigned round = 0; round < ROUNDS; round++)
        find_one(-1, qd, pops, round);
    find_all(qd);
    close_all(qd);
    end_server(&s);
}

/* A program with an event loop of its own is woken by each. */
static void beside__a_foreign_loop_over_all_three(void **state)
{
    struct server s = {.good = false};
    demi_qtoken_t pops[KINDS];
    int qd[KINDS], loop;

    (void)state;
    begin_server(&s);
    connect_all(&s, qd, pops);
    assert_int_equal(demi_eventfd(&loop), 0);
    for (unsigned round = 0; round < ROUNDS / 3; round++)
        find_one(loop, qd, pops, round);
    close_all(qd);
    end_server(&s);
}

/* Of a test that ended in the midst. */
static int end_what_is_left(void **state)
{
    (void)state;
    return rig_instance() != NULL ? demi_fini() : 0;
}

/* --- in one instance --- */

static demi_qtoken_t pushes[1024];
static int push_count;

/* Takes size bytes out of a queue and gives each piece to another, as it came. */
static void carry(int from, int to, size_t size)
{
    while (size > 0) {
        demi_qresult_t qr = rig_done(rig_pop(from), DEMI_OPC_POP);
        uint32_t n = rig_length(&qr.qr_value.sga);

        assert_in_range(n, 1, size);
        assert_in_range(push_count, 0, (int)ARRAY_LEN(pushes) - 1);
        pushes[push_count++] = rig_push(to, &qr.qr_value.sga);
        rig_free(&qr.qr_value.sga);
        size -= n;
    }
}

/* What one libOS received the next sends: buffers of devices, of this process and of others' memory. */
static void beside__what_one_receives_the_other_sends(void **state)
{
    struct rig_pair net = pair_of(NETWORK), shared = pair_of(SHARED), memory = pair_of(MEMORY);
    struct timespec limit = rig_ms(RIG_MS);
    size_t size = 100000;
    demi_qresult_t *results;
    char *sent;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        demi_sgarray_t sga = rig_sga_fill(size, i);

        sent = malloc(size);
        memcpy(sent, rig_bytes(&sga), size);
        push_count = 0;
        pushes[push_count++] = rig_push(shared.client, &sga);
        rig_free(&sga);
        carry(shared.server, net.client, size);
        carry(net.server, memory.client, size);
        carry(memory.client, shared.server, size);
        rig_arrives(shared.client, sent, size);
        results = calloc((size_t)push_count, sizeof(*results));
        assert_int_equal(demi_wait_all(results, pushes, push_count, &limit), 0);
        for (int k = 0; k < push_count; k++)
            assert_int_equal(results[k].qr_opcode, DEMI_OPC_PUSH);
        free(results);
        free(sent);
    }
    close_pair(net);
    close_pair(shared);
    close_pair(memory);
}

static void exchange(struct rig_pair p)
{
    rig_send(p.client, "there");
    rig_expect(p.server, "there");
    rig_send(p.server, "and back");
    rig_expect(p.client, "and back");
}

static void beside__closing_one_leaves_the_others(void **state)
{
    struct rig_pair p[KINDS];

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        p[kind] = pair_of((enum kind)kind);
    for (int gone = 0; gone < KINDS; gone++) {
        demi_qtoken_t pop = rig_pop(p[gone].server);

        for (int kind = gone; kind < KINDS; kind++)
            if (kind != gone)
                exchange(p[kind]);
        assert_int_equal(demi_close(p[gone].server), 0);
        rig_failed(pop, ECANCELED);
        for (int kind = gone + 1; kind < KINDS; kind++)
            exchange(p[kind]);
        if (gone == MEMORY)
            continue;
        rig_expect_end(p[gone].client);
        assert_int_equal(demi_close(p[gone].client), 0);
    }
}

/* --- whose a socket is --- */

static int get_int(int qd, int level, int name)
{
    socklen_t len = sizeof(int);
    int value = -1;

    assert_int_equal(demi_getsockopt(qd, level, name, &value, &len), 0);
    return value;
}

static void beside__options_move_with_the_socket(void **state)
{
    const struct linger linger = {1, 3};
    union rig_addr a = address(SHARED);
    int qd = rig_socket(AF_INET, SOCK_STREAM), one = 1, zero = 0, idle = 77;
    struct linger got = {0, 0};
    socklen_t len = sizeof(got);

    (void)state;
    assert_int_equal(demi_setsockopt(qd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)), 0);
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_NODELAY, &zero, sizeof(zero)), 0);
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)), 0);
    assert_int_equal(demi_setsockopt(qd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0); /* which catmem does not have */
    assert_int_equal(demi_bind(qd, &a.any, rig_len(&a)), 0);
    assert_true(is_shared(qd));
    assert_int_equal(get_int(qd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get_int(qd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(get_int(qd, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    assert_int_equal(demi_getsockopt(qd, SOL_SOCKET, SO_LINGER, &got, &len), 0);
    assert_int_equal(got.l_onoff, 1);
    assert_int_equal(got.l_linger, 3);
    assert_int_equal(demi_close(qd), 0);
}

/* An address of kind at which nobody listens. */
static union rig_addr nobody_at(enum kind kind)
{
    union rig_addr a;

    assert_int_equal(demi_close(listen_at(kind, &a)), 0);
    return a;
}

static void beside__a_refused_socket_may_go_to_the_other(void **state)
{
    (void)state;
    for (int kind = NETWORK; kind <= SHARED; kind++) {
        enum kind other = kind == NETWORK ? SHARED : NETWORK;
        union rig_addr nobody = nobody_at((enum kind)kind), a;
        int qd = rig_socket(AF_INET, SOCK_STREAM), listener = listen_at(other, &a), one = 1;
        demi_qtoken_t connect, accept;
        struct rig_pair p;

        assert_int_equal(demi_setsockopt(qd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)), 0);
        assert_int_equal(demi_connect(&connect, qd, &nobody.any, rig_len(&nobody)), 0);
        rig_failed(connect, ECONNREFUSED);
        assert_int_equal(demi_accept(&accept, listener), 0);
        assert_int_equal(demi_connect(&connect, qd, &a.any, rig_len(&a)), 0);
        rig_done(connect, DEMI_OPC_CONNECT);
        assert_int_equal(is_shared(qd), other == SHARED);
        assert_int_equal(get_int(qd, SOL_SOCKET, SO_KEEPALIVE), 1);
        p = (struct rig_pair){qd, rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd};
        exchange(p);
        close_pair(p);
        assert_int_equal(demi_close(listener), 0);
    }
}

static void beside__the_unspecified_address_is_the_networks(void **state)
{
    union rig_addr any4 = {.in = {.sin_family = AF_INET}}, any6 = {.in6 = {.sin6_family = AF_INET6}};
    int v4 = rig_socket(AF_INET, SOCK_STREAM), v6 = rig_socket(AF_INET6, SOCK_STREAM);

    (void)state;
    assert_int_equal(demi_bind(v4, &any4.any, rig_len(&any4)), 0);
    assert_int_equal(demi_bind(v6, &any6.any, rig_len(&any6)), 0);
    assert_false(is_shared(v4));
    assert_false(is_shared(v6));
    assert_int_equal(demi_close(v4), 0);
    assert_int_equal(demi_close(v6), 0);
}

static void beside__ipv6_loopback_is_catmems(void **state)
{
    union rig_addr a = {.in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}};
    int qd = rig_socket(AF_INET6, SOCK_STREAM);

    (void)state;
    assert_int_equal(demi_bind(qd, &a.any, rig_len(&a)), 0);
    assert_true(is_shared(qd));
    assert_int_equal(demi_close(qd), 0);
}

/* A bind that fails leaves the socket fit for another address, of either. */
static void beside__an_address_in_use_is_no_end(void **state)
{
    union rig_addr taken, free_one = address(NETWORK);
    int holder = listen_at(SHARED, &taken), qd = rig_socket(AF_INET, SOCK_STREAM);

    (void)state;
    assert_int_equal(demi_bind(qd, &taken.any, rig_len(&taken)), EADDRINUSE);
    assert_int_equal(demi_bind(qd, &free_one.any, rig_len(&free_one)), 0);
    assert_false(is_shared(qd));
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(holder), 0);
}

static void beside__datagrams_are_the_networks(void **state)
{
    union rig_addr a = address(NETWORK);
    int qd = -1;

    (void)state;
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_DGRAM, 0), 0);
    assert_int_equal(demi_bind(qd, &a.any, rig_len(&a)), 0);
    assert_false(is_shared(qd));
    assert_int_equal(demi_close(qd), 0);
}

/* catnano has no streams: they are catmem's from the beginning, and no address makes them catnano's. */
static void beside__a_network_of_messages_leaves_streams_to_catmem(void **state)
{
    union rig_addr a = address(NETWORK), b = address(SHARED);
    int messages = -1, qd;

    (void)state;
    if (!rig_network("catpowder") || getenv("SERVER_DEVICE") != NULL)
        skip(); /* what follows stands on the rig's ring */
    setenv("LIBOS", "catnano+catmem", 1);
    assert_int_equal(rig_setup(NULL), 0);
    assert_int_equal(demi_socket(&messages, AF_INET, SOCK_RDM, 0), 0);
    qd = rig_socket(AF_INET, SOCK_STREAM);
    assert_false(is_shared(messages));
    assert_true(is_shared(qd));
    rig_says(demi_bind(qd, &a.any, rig_len(&a)), ENOTSUP, "catnano");
    assert_int_equal(demi_bind(qd, &b.any, rig_len(&b)), 0);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(messages), 0);
    close_pair(pair_of(SHARED));
    assert_int_equal(rig_teardown(NULL), 0);
    setenv("LIBOS", "catpowder+catmem", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(beside__one_wait_over_all_three, end_what_is_left),
        cmocka_unit_test_teardown(beside__a_foreign_loop_over_all_three, end_what_is_left),
        TEST(beside__what_one_receives_the_other_sends),
        TEST(beside__closing_one_leaves_the_others),
        TEST(beside__options_move_with_the_socket),
        TEST(beside__a_refused_socket_may_go_to_the_other),
        TEST(beside__the_unspecified_address_is_the_networks),
        TEST(beside__ipv6_loopback_is_catmems),
        TEST(beside__an_address_in_use_is_no_end),
        TEST(beside__datagrams_are_the_networks),
        cmocka_unit_test_teardown(beside__a_network_of_messages_leaves_streams_to_catmem, end_what_is_left),
    };

    if (rig_network("catnap")) /* both on this host's loopback: each has one address of it */
        setenv("CATMEM_ADDRESS", "127.0.0.2, ::1", 1);
    return RIG_RUN(tests);
}
