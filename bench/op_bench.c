/* SPDX-License-Identifier: MIT */
/*
 * What an operation of PDPIX costs on our TCP/IP stack: the calls of demi.h on an instance whose libOS is the stack
 * (libos/stack) on a device without a device: frames that are to come lie in memory, those that go are kept, one
 * bounded copy of a pointer each way. The peer is a stack of its own (host.h), which runs outside of what is timed. One
 * JSON object a line.
 *
 *   tcp_rx, udp_rx      demi_pop, then demi_wait: the turn of the instance, the clock, the look at the device that
 * finds one frame, the stack, the completed pop, its result in the caller's hands; demi_sgafree. One segment a turn, so
 * that everything a turn does is in it, acknowledgements to the frame too.
 *   ..._rx_burst        the same for 32 pops at once and a burst of 32 frames: what a busy device makes of it.
 *   tcp_tx, udp_tx      demi_push, which hands the frame to the device, and demi_wait for its token. The application
 *                       keeps its array, so the bytes are copied.
 *   ..._tx_burst        the same for 32 pushes and then their 32 waits.
 *
 * 64 bytes each, IPv4, timestamps, checksums in software; the rows of _offload leave them to the device. What is not in
 * it: the copy of a frame into or out of a device's memory, and of tcp_tx the acknowledgements that come for it.
 * bench-tcp has the share of src/inet alone.
 *
 * usage: op_bench [NAME...] [--batches n]
 * With --batches nothing is printed: for valgrind --tool=callgrind '--toggle-collect=timed_*', which counts the
 * instructions of n batches of 32 operations (scripts/bench does).
 */
#include "api/api.h"
#include "host.h"
#include "inet/udp.h"
#include "libos/stack/stack.h"
#include "pair.h"

#include <arpa/inet.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Operations timed, and before them some that are not, since the peer's work in between has taken the caches. Together
 * no more than the pool keeps at hand of a size: in steady work sent frames come back as others go.
 */
#define BATCH 32
#define WARM  16

#define BURST  32
#define ROUNDS 8001
#define SMALL  64
#define KEPT   1024
#define PORT   80

/* A device: frames that will come, and frames that went. */
struct wire {
    struct netdev dev;
    struct frame_in in[KEPT];
    unsigned first, last; /* of in */
    unsigned burst;       /* frames that a look finds at most */
    struct frame *out[KEPT];
    unsigned sent;
};

static struct wire wire;

static unsigned wire_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    unsigned n = wire.last - wire.first;

    (void)d;
    if (n > wire.burst)
        n = wire.burst;
    if (n > max)
        n = max;
    for (unsigned i = 0; i < n; i++)
        in[i] = wire.in[wire.first++];
    return n;
}

static unsigned wire_tx(struct netdev *d, struct frame **f, unsigned n)
{
    (void)d;
    must(wire.sent + n <= KEPT, "room for frames");
    for (unsigned i = 0; i < n; i++)
        wire.out[wire.sent++] = f[i];
    return n;
}

static void wire_close(struct netdev *d)
{
    (void)d;
}

static const struct netdev_ops wire_ops = {
    .name = "wire", .rx_burst = wire_rx, .tx_burst = wire_tx, .close = wire_close};

static enum co_status wire_turn(struct instance *inst, struct op *task)
{
    (void)task;
    stack_poll(inst->net_state);
    return CO_AGAIN;
}

static int wire_init(struct instance *inst)
{
    struct inet_addr addr = INET_ADDR4(10, 0, 0, 1);
    struct stack_config cfg;
    int err;

    wire.dev.mem = &inst->mem;
    stack_config_defaults(&cfg, inst);
    inst->net_state = stack_new(inst, &wire.dev, &cfg, &err);
    must(inst->net_state != NULL, "stack_new");
    must(inet_addr_add(((struct stack *)inst->net_state)->in, &addr, 24) == 0, "inet_addr_add");
    return instance_add_poller(inst, wire_turn, NULL, NULL);
}

static void wire_fini(struct instance *inst)
{
    stack_free(inst->net_state);
}

static int wire_socket(struct instance *inst, struct queue *q)
{
    return stack_socket(inst->net_state, q);
}

static const struct libos wire_os = {
    .name = "wire", .what = "a benchmark's", .init = wire_init, .fini = wire_fini, .socket = wire_socket};

/* The instance and its peer. */
struct ends {
    struct host *peer;
    struct tcp_listener *listener;
    struct tcp_conn *conn;
    struct udp *udp;
    struct udp_socket *sock;
    int qd;
    uint64_t received; /* bytes, of whoever receives */
    demi_sgarray_t sga;
    char *obj;
};

static void up_nothing(void *ctx)
{
    (void)ctx;
}

static void up_told(void *ctx, int err)
{
    (void)ctx, (void)err;
}

static uint32_t up_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    (void)obj, (void)ptr;
    ((struct ends *)ctx)->received += len;
    return len;
}

static bool up_datagram(void *ctx, const struct udp_datagram *d)
{
    struct ends *e = ctx;

    e->received += d->len;
    mem_unref(&e->peer->mem, d->obj);
    return true;
}

static const struct tcp_upcalls tcp_upcalls = {up_nothing, up_told, up_deliver, up_nothing, up_told};
static const struct udp_upcalls udp_upcalls = {up_datagram, up_told};

/* What the instance sent goes to the peer; what the peer sent will come. */
static void carry(struct ends *e)
{
    struct mem *mem = &api_self.inst->mem;

    tcp_burst_begin(e->peer->t);
    for (unsigned i = 0; i < wire.sent; i++) {
        struct frame *f = wire.out[i];
        uint8_t *obj = mem_alloc(&e->peer->mem, FRAME_IN_ROOM + f->len, 1);
        struct frame_in in = {obj, obj + FRAME_IN_ROOM, f->len, 0, NULL};

        must(obj != NULL, "a receive buffer");
        if ((f->flags & FRAME_CSUM) != 0)
            in.flags = FRAME_IN_CSUM_L3 | FRAME_IN_CSUM_L4;
        frame_copy(f, (char *)in.ptr);
        frame_free(mem, f);
        inet_input(e->peer->in, &in);
    }
    wire.sent = 0;
    tcp_burst_end(e->peer->t);
    tcp_turn(e->peer->t);
    wire.first = wire.last = 0;
    while (host_waiting(e->peer) > 0 && wire.last < KEPT) {
        struct frame *f = e->peer->out[e->peer->first++ % HOST_QUEUE];
        uint8_t *obj = mem_alloc(mem, FRAME_IN_ROOM + f->len, 1);
        uint32_t checked = wire.dev.offload != 0 ? FRAME_IN_CSUM_L3 | FRAME_IN_CSUM_L4 : 0;

        must(obj != NULL, "a receive buffer");
        frame_copy(f, (char *)obj + FRAME_IN_ROOM);
        wire.in[wire.last++] = (struct frame_in){obj, obj + FRAME_IN_ROOM, f->len, checked, NULL};
        frame_free(&e->peer->mem, f);
    }
}

/* Until nobody has anything to say. The peer's time moves then alone: nothing of it is late. */
static void settle(struct ends *e)
{
    unsigned quiet = 0;

    wire.burst = BURST;
    while (quiet < 3) {
        instance_turn(api_self.inst);
        instance_look_at_clock(api_self.inst);
        quiet = wire.sent == 0 && wire.first == wire.last && host_waiting(e->peer) == 0 ? quiet + 1 : 0;
        if (wire.first == wire.last)
            carry(e);
    }
    host_at(e->peer, pair_now_ns());
}

static void open_tcp(struct ends *e)
{
    struct inet_end at = {INET_ANY4, PORT};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(0x0a000002)};
    demi_qresult_t qr;
    demi_qtoken_t qt;
    int err;

    e->listener = tcp_listen(e->peer->t, &at, 4, e, &err);
    must(e->listener != NULL, "tcp_listen");
    must(demi_socket(&e->qd, AF_INET, SOCK_STREAM, 0) == 0, "demi_socket");
    must(demi_connect(&qt, e->qd, (const struct sockaddr *)&to, sizeof(to)) == 0, "demi_connect");
    settle(e);
    must(demi_wait(&qr, qt, NULL) == 0 && qr.qr_opcode == DEMI_OPC_CONNECT, "the connection");
    e->conn = tcp_accept(e->listener, e);
    must(e->conn != NULL, "tcp_accept");
}

static void open_udp(struct ends *e)
{
    struct inet_end at = {INET_ANY4, PORT}, remote = {INET_ADDR4(10, 0, 0, 1), PORT};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(0x0a000001)};
    struct sockaddr_in to = own;
    demi_qresult_t qr;
    demi_qtoken_t qt;
    int err;

    to.sin_addr.s_addr = htonl(0x0a000002);
    e->udp = udp_new(e->peer->in, &udp_upcalls, &err);
    must(e->udp != NULL, "udp_new");
    e->sock = udp_open(e->udp, e);
    must(e->sock != NULL && udp_bind(e->sock, &at) == 0 && udp_connect(e->sock, &remote) == 0, "the peer's socket");
    must(demi_socket(&e->qd, AF_INET, SOCK_DGRAM, 0) == 0, "demi_socket");
    must(demi_bind(e->qd, (const struct sockaddr *)&own, sizeof(own)) == 0, "demi_bind");
    must(demi_connect(&qt, e->qd, (const struct sockaddr *)&to, sizeof(to)) == 0, "demi_connect");
    must(demi_wait(&qr, qt, NULL) == 0 && qr.qr_opcode == DEMI_OPC_CONNECT, "the connection");
}

static struct ends *ends_new(bool udp, bool offload)
{
    struct ends *e = calloc(1, sizeof(*e));
    struct host_config peer = host_config_defaults();
    struct inet_addr own = INET_ADDR4(10, 0, 0, 1);
    struct config cfg;
    struct error_text text;
    int err;

    must(e != NULL, "memory");
    wire = (struct wire){.dev = {.ops = &wire_ops, .fd = -1, .mtu = 1500, .mac = {2, 0, 0, 0, 0, 1}}, .burst = BURST};
    wire.dev.offload = offload ? INET_TX_CSUM : 0;
    config_defaults(&cfg);
    cfg.idle = IDLE_SPIN;
    api_self.inst = instance_new(&wire_os, NULL, &cfg, &err, &text);
    must(api_self.inst != NULL, "instance_new");
    peer.up = tcp_upcalls;
    e->peer = host_new(2, &peer);
    host_at(e->peer, pair_now_ns());
    must(inet_neigh_add(e->peer->in, &own, wire.dev.mac) == 0, "inet_neigh_add");
    must(inet_neigh_add(((struct stack *)api_self.inst->net_state)->in, &e->peer->addr, e->peer->in->cfg.mac) == 0,
         "inet_neigh_add");
    settle(e);
    if (udp)
        open_udp(e);
    else
        open_tcp(e);
    settle(e);
    e->sga = demi_sgaalloc(SMALL);
    e->obj = mem_alloc(&e->peer->mem, SMALL, 1);
    must(e->sga.sga_buf != NULL && e->obj != NULL, "memory");
    memset(e->sga.sga_segs[0].sgaseg_buf, 'x', SMALL);
    memset(e->obj, 'x', SMALL);
    return e;
}

static void ends_free(struct ends *e)
{
    demi_sgafree(&e->sga);
    demi_close(e->qd);
    settle(e);
    instance_free(api_self.inst);
    api_self.inst = NULL;
    mem_unref(&e->peer->mem, e->obj);
    if (e->udp != NULL)
        udp_free(e->udp);
    host_free(e->peer);
    free(e);
}

/* --- operations, n at a time --- */

static inline void run_rx(struct ends *e, unsigned n, unsigned all)
{
    demi_qtoken_t qt[BURST];
    demi_qresult_t qr;

    for (unsigned done = 0; done < all; done += n) {
        for (unsigned i = 0; i < n; i++)
            must(demi_pop(&qt[i], e->qd) == 0, "demi_pop");
        for (unsigned i = 0; i < n; i++) {
            must(demi_wait(&qr, qt[i], NULL) == 0 && qr.qr_opcode == DEMI_OPC_POP, "demi_wait");
            e->received += qr.qr_value.sga.sga_segs[0].sgaseg_len;
            must(demi_sgafree(&qr.qr_value.sga) == 0, "demi_sgafree");
        }
    }
}

static inline void run_tx(struct ends *e, unsigned n, unsigned all)
{
    demi_qtoken_t qt[BURST];
    demi_qresult_t qr;

    for (unsigned done = 0; done < all; done += n) {
        for (unsigned i = 0; i < n; i++)
            must(demi_push(&qt[i], e->qd, &e->sga) == 0, "demi_push");
        for (unsigned i = 0; i < n; i++)
            must(demi_wait(&qr, qt[i], NULL) == 0 && qr.qr_opcode == DEMI_OPC_PUSH, "demi_wait");
    }
}

static void run(struct ends *e, bool rx, unsigned n, unsigned all)
{
    wire.burst = n;
    if (rx)
        run_rx(e, n, all);
    else
        run_tx(e, n, all);
}

/* Named for callgrind. */
__attribute__((noinline)) static void timed_run(struct ends *e, bool rx, unsigned n)
{
    run(e, rx, n, BATCH);
}

struct row {
    const char *name;
    bool udp, rx, offload;
    unsigned at_once;
};

static const struct row rows[] = {
    {"tcp_rx", false, true, false, 1},        {"tcp_tx", false, false, false, 1},
    {"tcp_rx_burst", false, true, false, 32}, {"tcp_tx_burst", false, false, false, 32},
    {"tcp_rx_offload", false, true, true, 1}, {"tcp_tx_offload", false, false, true, 1},
    {"udp_rx", true, true, false, 1},         {"udp_tx", true, false, false, 1},
    {"udp_rx_burst", true, true, false, 32},  {"udp_tx_burst", true, false, false, 32},
};

/* The peer sends a batch, whose frames then lie ready. */
static void prepare(struct ends *e, const struct row *r)
{
    for (unsigned i = 0; i < WARM + BATCH; i++) {
        if (r->udp)
            must(udp_send(e->sock, e->obj, e->obj, SMALL, NULL) == 0, "udp_send");
        else
            must(tcp_send(e->conn, e->obj, e->obj, SMALL) == SMALL, "tcp_send");
    }
    carry(e);
    must(wire.last == WARM + BATCH, "a frame for each push");
}

/* Nanoseconds of one batch. */
static double one_batch(struct ends *e, const struct row *r)
{
    uint64_t before = e->received, start, end;

    if (r->rx)
        prepare(e, r);
    run(e, r->rx, r->at_once < WARM ? r->at_once : WARM, WARM);
    start = pair_now_ns();
    timed_run(e, r->rx, r->at_once);
    end = pair_now_ns();
    must(r->rx || wire.sent >= WARM + BATCH, "a frame for each push");
    settle(e);
    must(e->received - before == (uint64_t)(WARM + BATCH) * SMALL, "delivery");
    return (double)(end - start);
}

static void bench(const struct row *r, unsigned batches)
{
    unsigned rounds = batches > 0 ? batches : ROUNDS;
    struct ends *e = ends_new(r->udp, r->offload);
    double *ns = calloc(rounds, sizeof(*ns)), median;

    must(ns != NULL, "memory");
    for (unsigned i = 0; i < rounds; i++)
        ns[i] = one_batch(e, r) / BATCH;
    median = pair_median(ns, rounds);
    if (batches == 0 && r->udp)
        pair_print(r->name, median, "ns", "an operation in the paper, 125 ns", 125, median / 125, 0.4);
    else if (batches == 0)
        pair_print(r->name, median, "ns", "an operation in the paper, 200 ns", 200, median / 200, 0.5);
    free(ns);
    ends_free(e);
}

int main(int argc, char **argv)
{
    unsigned batches = 0, names = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--batches") == 0 && i + 1 < argc)
            batches = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            names++;
    }
    for (unsigned k = 0; k < ARRAY_LEN(rows); k++) {
        bool wanted = names == 0;

        for (int i = 1; i < argc; i++)
            wanted |= strcmp(argv[i], rows[k].name) == 0;
        if (wanted)
            bench(&rows[k], batches);
    }
    return 0;
}
