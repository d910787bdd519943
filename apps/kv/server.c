/* SPDX-License-Identifier: MIT */
/* The loop; see server.h. */
#include "kv/server.h"
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/stop.h"
#include "kv/room.h"
#include "kv/rpc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define LISTEN_BACKLOG 4096
#define RESULTS        256 /* taken in one wait */
#define ACCEPTS        8   /* pending */
#define ACCEPT_REST_MS 50  /* how long accepting rests after it failed */
#define RPC_POPS_MIN   2   /* pending */
#define RPC_POPS_MAX   32  /* when all that were pending were needed at once */
#define MESSAGE_TURNS  16  /* of messages alone between two looks at everything else */
#define SWEEP_MS       10
#define LOOK_CONNS     256 /* looked at for lingering ones in one turn */
#define SWEEP_AGAIN_NS (NS_PER_MS / 10)

/* Pushes what the reply gathered on the connection it is for. */
static bool push_reply(void *context, struct reply *r)
{
    struct server *s = context;
    struct conn *c = s->at;
    demi_qtoken_t token;
    int rc;
    if (r->pieces == 1 && r->chunks == 0 && r->chunk_used > 0) {
        demi_sgarray_t part = r->chunk;
        part.sga_segs[0].sgaseg_buf = r->piece[0].iov_base;
        part.sga_segs[0].sgaseg_len = (uint32_t)r->piece[0].iov_len;
        rc = demi_push(&token, c->session.qd, &part);
    } else {
        rc = demi_pushv(&token, c->session.qd, r->piece, r->pieces);
    }
    if (rc != 0) {
        return false;
    }
    c->pushes++;
    c->out_bytes += r->batch;
    s->kv.count.total_net_output_bytes += r->batch;
    s->kv.work += r->batch;
    s->kv.count.total_pushes++;
    return true;
}

static void release_value(void *context, void *memory)
{
    struct server *s = context;
    reply_keep(&s->reply, memory);
}

static const struct session *next_session(struct kv *kv, uint32_t *at)
{
    struct server *s = (struct server *)(void *)((char *)kv - offsetof(struct server, kv));
    for (; *at < s->top; ++*at) {
        if (s->conn[*at].state != CONN_FREE) {
            return &s->conn[*at].session;
        }
    }
    return NULL;
}

static struct session_held held_for(const struct session *session)
{
    const struct conn *c = (const struct conn *)(const void *)((const char *)session - offsetof(struct conn, session));
    return (struct session_held){.input = c->carry_len - c->carry_at + c->big_have,
                                 .input_room =
                                     c->carry_room - c->carry_len + (c->big != NULL ? c->big_len + 2 - c->big_have : 0),
                                 .output = c->pushes > 0 ? c->out_bytes : 0,
                                 .pushes = c->pushes};
}

static void end_session(struct kv *kv, const struct session *session)
{
    struct server *s = (struct server *)(void *)((char *)kv - offsetof(struct server, kv));
    struct conn *c = conn_find(s, session->qd);
    assert(c != NULL);
    if (c == s->at) {
        c->session.quit = true;
    } else {
        conn_close(s, c);
    }
}

/* With one descriptor to spare for those who are refused, accepting several at once would fail for all others. */
static void accept_more(struct server *s)
{
    demi_qtoken_t token;
    uint32_t most = s->clients_fit == UINT32_MAX ? ACCEPTS : 1;
    while (s->listen_qd >= 0 && s->accepts < most && store_now_ms(&s->kv.store) >= s->accept_again_ms) {
        if (demi_accept(&token, s->listen_qd) != 0) {
            s->accept_again_ms = store_now_ms(&s->kv.store) + ACCEPT_REST_MS;
            return;
        }
        s->accepts++;
    }
}

/* Pops on the socket of the messages, as many as are wanted. */
static void rpc_pop_more(struct server *s)
{
    demi_qtoken_t token;
    while (s->rpc_qd >= 0 && s->rpc_pops < s->rpc_pops_want && demi_pop(&token, s->rpc_qd) == 0) {
        s->rpc_pops++;
    }
}

static bool rpc_send_to6(const struct server *s, const demi_sgarray_t *in, const struct iovec part[2])
{
    struct addr to;
    return demi_datagram_source(in, AF_INET6, &to) &&
           demi_pushtov(NULL, s->rpc_qd, part, 2, addr_sockaddr(&to), to.len) == 0;
}

/* Sends an answer to where its request came from. The library is done with its bytes when it returns. */
static inline void rpc_send(struct server *s, const demi_sgarray_t *in, struct rpc_answer *answer)
{
    struct iovec part[2] = {{answer->head, RPC_HEADER}, {(void *)(uintptr_t)answer->value.at, answer->value.len}};
    struct sockaddr_in to = in->sga_addr;
    if (!(WORD_USUAL(s->options->rpc.storage.ss_family == AF_INET)
              ? demi_pushtov(NULL, s->rpc_qd, part, 2, (struct sockaddr *)&to, sizeof(to)) == 0
              : rpc_send_to6(s, in, part))) {
        s->kv.count.rpc_unsent++;
    }
}

/* Answers one message; apart from the most frequent one. */
static __attribute__((noinline)) void rpc_answer(struct server *s, const demi_sgarray_t *in)
{
    struct rpc_answer answer;
    if (rpc_serve(&s->kv.store, in->sga_segs[0].sgaseg_buf, in->sga_segs[0].sgaseg_len, &answer)) {
        rpc_send(s, in, &answer);
    } else {
        s->kv.count.rpc_malformed++;
    }
}

/* A message, in whose place the next one is popped, or the error of an earlier one: a client is gone. */
static void rpc_result(struct server *s, demi_qresult_t *qr)
{
    demi_sgarray_t *in = &qr->qr_value.sga;
    struct rpc_answer answer;
    demi_qtoken_t token;
    if (WORD_USUAL(qr->qr_opcode == DEMI_OPC_POP)) {
        s->kv.count.rpc_requests++;
        if (rpc_serve_here(&s->kv.store, in->sga_segs[0].sgaseg_buf, in->sga_segs[0].sgaseg_len, &answer)) {
            rpc_send(s, in, &answer);
        } else {
            rpc_answer(s, in);
        }
        (void)demi_sgafree(in);
    } else if (qr->qr_opcode == DEMI_OPC_FAILED) {
        s->kv.count.rpc_unsent++;
    } else {
        return;
    }
    if (!WORD_USUAL(demi_pop(&token, s->rpc_qd) == 0)) {
        s->rpc_pops--;
    }
}

/* Accepting failed. Where the descriptors are all in use the reserve gives one, to tell those who come that they cannot
 * stay: nobody waits for an answer that does not come. */
static void accept_failed(struct server *s, int err)
{
    if ((err == EMFILE || err == ENFILE) && s->reserve_qd >= 0) {
        (void)demi_close(s->reserve_qd);
        s->reserve_qd = -1;
        s->clients_fit = s->kv.clients;
        s->kv.count.descriptor_limit_reached++;
    } else {
        s->accept_again_ms = store_now_ms(&s->kv.store) + ACCEPT_REST_MS;
    }
}

static void accept_result(struct server *s, const demi_qresult_t *qr)
{
    s->accepts--;
    if (qr->qr_opcode != DEMI_OPC_ACCEPT) {
        accept_failed(s, (int)qr->qr_ret);
    } else if (s->kv.clients < s->options->clients_max && s->kv.clients < s->clients_fit) {
        conn_open(s, qr->qr_value.ares.qd);
    } else {
        conn_refuse(s, qr->qr_value.ares.qd);
    }
}

/* Takes a descriptor back for the reserve, when enough of them were given back for it. */
static void fill_reserve(struct server *s)
{
    int qd;
    if (s->listen_qd >= 0 && s->reserve_qd < 0 && s->kv.clients < s->clients_fit &&
        demi_socket(&qd, s->options->bind.storage.ss_family, SOCK_STREAM, 0) == 0) {
        s->reserve_qd = qd;
        s->clients_fit = UINT32_MAX;
    }
}

static void result(struct server *s, demi_qresult_t *qr)
{
    if (qr->qr_qd == s->listen_qd) {
        accept_result(s, qr);
    } else {
        struct conn *c = conn_find(s, qr->qr_qd);
        if (c != NULL) {
            conn_result(s, c, qr);
        } else if (qr->qr_opcode == DEMI_OPC_POP) { /* of one that was closed */
            (void)demi_sgafree(&qr->qr_value.sga);
        }
    }
}

static void end_lingering(struct server *s)
{
    for (int i = 0; i < LOOK_CONNS && s->lingering > 0 && s->top > 0; i++) {
        s->look = s->look + 1 < s->top ? s->look + 1 : 0;
        struct conn *c = &s->conn[s->look];
        if (c->state == CONN_LINGERING && store_now_ms(&s->kv.store) >= c->linger_until_ms) {
            conn_close(s, c);
        }
    }
}

/* Serves n results. Were they messages alone? When all messages that could come did, more are popped from now on. */
static __attribute__((noinline)) bool serve_results(struct server *s, demi_qresult_t *results, int n)
{
    int messages = 0;
    for (int i = 0; i < n; i++) {
        if (results[i].qr_qd == s->rpc_qd) {
            messages++;
            rpc_result(s, &results[i]);
        } else {
            result(s, &results[i]);
        }
    }
    if (messages >= (int)s->rpc_pops_want && s->rpc_pops_want < RPC_POPS_MAX) {
        s->rpc_pops_want *= 2;
    }
    return messages == n;
}

/*
 * Waits once and serves what came; and, while that is messages alone, again at once: they change nothing that is
 * looked after in between. An errno of demi_wait_next_n.
 */
static int serve(struct server *s, const struct timespec *timeout)
{
    static demi_qresult_t results[RESULTS];
    int turns = s->turn.waiting == 0 ? MESSAGE_TURNS : 1;
    bool messages = true;
    int rc = 0;
    for (int turn = 0; messages && rc == 0 && turn < turns; turn++) {
        int n = 0;
        if (!WORD_USUAL(s->rpc_pops == s->rpc_pops_want)) {
            rpc_pop_more(s);
        }
        rc = demi_wait_next_n(results, RESULTS, &n, timeout);
        s->kv.store.now_ms = 0;
        if (WORD_USUAL(n == 1 && results[0].qr_qd == s->rpc_qd)) {
            rpc_result(s, results);
        } else {
            messages = serve_results(s, results, n);
        }
    }
    return rc;
}

static int loop(struct server *s)
{
    uint64_t next_sweep_ms = 0;
    bool hungry = false;
    while (!stop_requested()) {
        fill_reserve(s);
        accept_more(s);
        bool soon = store_wants_ticks(&s->kv.store) || s->lingering > 0 || (s->listen_qd >= 0 && s->accepts == 0);
        uint64_t limit_ns = hungry ? SWEEP_AGAIN_NS : soon ? SWEEP_MS * NS_PER_MS : (uint64_t)STOP_LOOK_NS;
        struct timespec timeout = clock_timespec(s->turn.waiting > 0 ? 0 : limit_ns);
        turn_begin(s);
        int rc = serve(s, &timeout);
        if (rc != 0 && rc != ETIMEDOUT) {
            return complain_call("cannot wait", rc);
        }
        turn_end(s);
        if (hungry || store_now_ms(&s->kv.store) >= next_sweep_ms) {
            next_sweep_ms = store_now_ms(&s->kv.store) + SWEEP_MS;
            hungry = store_tick(&s->kv.store);
            end_lingering(s);
        }
    }
    return EXIT_OK;
}

static bool open_sockets(struct server *s)
{
    struct addr bound;
    char text[ADDR_TEXT_MAX];
    if (s->options->rpc.len != 0) {
        s->rpc_qd = demi_bound_socket(&s->options->rpc, SOCK_DGRAM, 0, &bound);
        if (s->rpc_qd < 0) {
            return false;
        }
        s->rpc_pops_want = RPC_POPS_MIN;
        printf("messages on %s\n", addr_format(&bound, text, sizeof(text)));
        fflush(stdout);
    }
    if (s->options->bind.len == 0) {
        return true;
    }
    s->listen_qd = demi_bound_socket(&s->options->bind, SOCK_STREAM, LISTEN_BACKLOG, &bound);
    if (s->listen_qd < 0) {
        return false;
    }
    s->kv.port = ntohs(bound.storage.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound.storage)->sin6_port
                                                           : ((struct sockaddr_in *)&bound.storage)->sin_port);
    print_listening(&bound);
    return true;
}

static bool begin(struct server *s)
{
    const struct server_options *o = s->options;
    uint64_t seed[3];
    uint32_t places = 16;
    while (places < 2 * o->clients_max) {
        places *= 2;
    }
    s->by_qd_mask = places - 1;
    s->by_qd = calloc(places, sizeof(*s->by_qd));
    s->conn = calloc(o->clients_max, sizeof(*s->conn));
    s->argv = calloc(RESP_ARGS_MAX, sizeof(*s->argv));
    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        complain("no random numbers from the kernel");
        return false;
    }
    if (s->by_qd == NULL || s->conn == NULL || s->argv == NULL) {
        complain("no memory for %" PRIu32 " connections", o->clients_max);
        return false;
    }
    uint64_t memory_max = o->memory_max;
    if (!room_check(&memory_max, o->memory_asked)) {
        return false;
    }
    if (!store_init(&s->kv.store, memory_max, o->evict, seed)) {
        complain("no memory for the index");
        return false;
    }
    s->kv.started_ms = store_now_ms(&s->kv.store);
    s->kv.store.release = release_value;
    s->kv.store.release_context = s;
    s->kv.random = seed[2];
    reply_init(&s->reply);
    return open_sockets(s);
}

static void finish(struct server *s)
{
    for (uint32_t i = 0; i < s->top; i++) {
        if (s->conn[i].state != CONN_FREE) {
            conn_close(s, &s->conn[i]);
        }
    }
    if (s->listen_qd >= 0) {
        (void)demi_close(s->listen_qd);
    }
    if (s->reserve_qd >= 0) {
        (void)demi_close(s->reserve_qd);
    }
    if (s->rpc_qd >= 0) {
        (void)demi_close(s->rpc_qd);
    }
    store_fini(&s->kv.store);
    free(s->argv);
    free(s->by_qd);
    free(s->conn);
}

int server_run(const struct server_options *o)
{
    static struct server s;
    s = (struct server){.options = o, .listen_qd = -1, .reserve_qd = -1, .rpc_qd = -1, .first_free = UINT32_MAX};
    s.clients_fit = UINT32_MAX;
    s.turn.first = s.turn.last = CONN_NONE;
    s.kv.clients_max = o->clients_max;
    s.kv.input_max = o->input_max;
    s.kv.session = next_session;
    s.kv.held = held_for;
    s.kv.end = end_session;
    s.reply.push = push_reply;
    s.reply.context = &s;
    int code = begin(&s) ? loop(&s) : EXIT_FAIL;
    if (code == EXIT_OK && !o->quiet) {
        printf("kv: %" PRIu64 " connections, %" PRIu64 " commands, %" PRIu64 " messages, %" PRIu64 " keys\n",
               s.kv.count.total_connections_received, s.kv.count.total_commands_processed, s.kv.count.rpc_requests,
               s.kv.store.index.count);
    }
    finish(&s);
    return code;
}
