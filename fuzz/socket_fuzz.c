/* SPDX-License-Identifier: MIT */
/*
 * Any sequence of calls on a few TCP and UDP sockets of catnap that talk to each other inside one instance. Streams
 * come in order, without a gap and to their end; datagrams come whole, once, from where they were sent; operations
 * complete in order; what can arrive does arrive; nothing is left behind, neither memory nor operations nor
 * descriptors.
 */
#include "socket_fuzz.h"

#include "libos/catnap/catnap.h"

#include <arpa/inet.h>
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <errno.h>
#include <unistd.h>

#define CALLS_MAX   300
#define PATIENCE_NS (5 * NS_PER_S) /* what does not arrive within this time is lost */

struct world w;
uint8_t pattern[PATTERN_BYTES];

static void call_eventfd(struct input *in)
{
    int fd = -1;

    if (next_byte(in) % 8 == 0)
        require(demi_eventfd(&fd) == 0 && fd == instance()->epfd);
}

/* 32, so that a byte's low bits choose, and seeds keep their meaning. */
static void (*const calls[32])(struct input *) = {
    call_pair,   call_pair,    call_ping,     call_socket, call_socket,   call_bind,  call_listen, call_accept,
    call_accept, call_connect, call_connect,  call_push,   call_push,     call_push,  call_push,   call_pushv,
    call_pushv,  call_pushto,  call_pushto,   call_pop,    call_pop,      call_pop,   call_pop,    call_wait,
    call_poll,   call_next,    call_wait_any, call_cancel, call_shutdown, call_close, call_option, call_names,
};

static bool pop_is_pending(int s)
{
    for (int t = w.first_live; t < w.token_count; t++)
        if (w.token[t].live && !w.token[t].done && w.token[t].sock == s && w.token[t].opcode == DEMI_OPC_POP)
            return true;
    return false;
}

/* Must s still get something: bytes, or the end of its stream? */
static bool is_owed(int s)
{
    const struct sock *k = &w.sock[s], *peer = k->peer < 0 ? NULL : &w.sock[k->peer];

    if (!k->open || k->type != SOCK_STREAM || peer == NULL || may_reset(k) || k->shut_rd)
        return false;
    return bytes_for(k) > 0 || (!k->ended && (peer->shut_wr || !peer->open));
}

/* The listener that a connected socket has not been accepted by, or -1. */
static int listener_of(int s)
{
    const struct sock *k = &w.sock[s];

    if (k->type != SOCK_STREAM || k->peer >= 0 || k->unknown || status_of(k) != QUEUE_CONNECTED || !k->aimed)
        return -1;
    for (int l = 0; l < w.sock_count; l++) {
        const struct sock *o = &w.sock[l];

        if (o->open && o->listening && !o->lossy && o->domain == AF_INET && name_equal(&o->local, &k->remote))
            return l;
    }
    return -1;
}

/* Asks for all that can still come. How many sockets wait for something. */
static int ask(void)
{
    int owed = 0;

    for (int s = 0; s < w.sock_count; s++) {
        int l = listener_of(s);

        if (is_owed(s)) {
            owed++;
            if (!pop_is_pending(s) && !ops_full() && w.token_count < TOKENS)
                pop_one(s, 0);
        }
        if (l >= 0 && w.sock_count < SOCKETS && !queues_full()) {
            owed++;
            if (op_list_is_empty(&queue_lookup(&instance()->queues, w.sock[l].qd)->pops) && !ops_full())
                accept_one(l);
        }
        observe(NULL, 0);
    }
    return owed;
}

/* What did not arrive. */
static void complain(void)
{
    for (int s = 0; s < w.sock_count; s++) {
        const struct sock *k = &w.sock[s];

        if (is_owed(s))
            fprintf(stderr, "queue %d: %u bytes from queue %d, or the end of its stream\n", k->qd, bytes_for(k),
                    w.sock[k->peer].qd);
        if (listener_of(s) >= 0)
            fprintf(stderr, "queue %d: is not accepted by queue %d\n", k->qd, w.sock[listener_of(s)].qd);
    }
}

/* All that can arrive must. */
static void drain(void)
{
    uint64_t since_ns = clock_gettime_ns();

    make_room();
    while (ask() > 0 && w.token_count < TOKENS) {
        if (take_next(10000) > 0)
            since_ns = clock_gettime_ns();
        if (clock_gettime_ns() - since_ns > PATIENCE_NS)
            complain();
        require(clock_gettime_ns() - since_ns <= PATIENCE_NS);
    }
}

/* Closes with a reset: otherwise the system would remember each connection for a minute. */
static void close_everything(void)
{
    const struct linger reset = {1, 0};

    for (int s = 0; s < w.sock_count; s++) {
        if (!w.sock[s].open)
            continue;
        if (w.sock[s].type == SOCK_STREAM)
            demi_setsockopt(w.sock[s].qd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        w.sock[s].linger0 = true;
        close_sock(s);
    }
}

/* Ends everything. Nothing may be left. */
static void finish(void)
{
    struct instance *inst = instance();
    uint64_t bytes;

    drain();
    close_everything();
    while (take_next(0) > 0) {
    }
    for (int i = 0; i < OBJECTS; i++)
        if (w.object[i].live)
            require_equal(demi_sgafree(&w.object[i].sga), 0);
    bytes = mem_bytes_used(&inst->mem);
    if (catnap_of(inst)->spare != NULL)
        bytes -= mem_room(catnap_of(inst)->spare); /* kept for the next receive */
    require_equal((long long)bytes, 0);
    require_equal(inst->ops.used, inst->poller_count);
    require_equal(inst->queues.used, 0);
    require_equal(inst->event_queues, 0);
}

static void look_inside(void)
{
    uint32_t live = 0, open = 0;

    for (int t = w.first_live; t < w.token_count; t++)
        live += w.token[t].live;
    for (int s = 0; s < w.sock_count; s++)
        open += w.sock[s].open;
    require_equal(instance()->ops.used, live + instance()->poller_count);
    require(instance()->queues.used >= open); /* and what was accepted and not taken */
}

static void set_up(struct input *in)
{
    static const char *const idle[] = {"spin", "adaptive", "block"};
    static uint32_t run;
    uint32_t b = next_byte(in);

    setenv("IDLE", idle[b % ARRAY_LEN(idle)], 1);
    setenv("ZERO_COPY_THRESHOLD", b >= 128 ? "0" : "1024", 1);
    w.sock_count = w.token_count = w.datagram_count = w.first_live = 0;
    w.input_end = TOKENS_INPUT;
    w.bytes = 0;
    w.next_start = 0;
    memset(w.object, 0, sizeof(w.object));
    /* an address of its own: connections that earlier runs ended do not take up ports here */
    w.address.s_addr = htonl(0x7f010000u + (((uint32_t)getpid() << 14) + run++) % 0xf00000u);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    pattern_init(pattern);
    unsetenv("CONFIG_PATH");
    setenv("LIBOS", "catnap", 1);
    setenv("ENGINE", "epoll", 1);
    setenv("STAT", "off", 1);
    setenv("TRACE", "off", 1);
    setenv("RUN_DIR", "/dev/null", 1);
    setenv("MAX_QUEUES", "16", 1);
    setenv("MAX_OPERATIONS", "200", 1);
    setenv("MEMORY_LIMIT", "64m", 1);
    setenv("SGA_LIMIT", "1m", 1);
    setenv("SPIN_US", "5", 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    int open_before = descriptors_open();

    set_up(&in);
    require_equal(demi_init(NULL), 0);
    if (next_byte(&in) % 8 == 7)
        call_eventfd(&in);
    for (unsigned n = 0; n < CALLS_MAX && in.left > 0 && w.token_count < w.input_end; n++) {
        calls[next_byte(&in) % 32](&in);
        observe(NULL, 0);
        look_inside();
    }
    if (size == 0 || data[size - 1] != 0xff) /* else the instance ends with all that is open */
        finish();
    require_equal(demi_fini(), 0);
    require_equal(descriptors_open(), open_before);
    return 0;
}
