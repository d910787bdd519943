/* SPDX-License-Identifier: MIT */
/*
 * TCP with an arbitrary peer and an arbitrary application. The input decides what happens next: a segment of the peer
 * (its numbers lie around what the stack would accept, its options are any), a call, time, an allocation that fails.
 * Nothing must break, the sums of the scoreboard must agree with its records after each step, and when all is closed
 * and time has passed, every pool is full again.
 */
#include "inet/tcp_conn.h"

#include "stack.h"

#include <errno.h>
#include <netinet/in.h>

#define CONNS 4

struct world {
    struct stack st; /* first: what the stack sends is looked at with it */
    struct tcp *t;
    struct tcp_listener *l;
    struct tcp_conn *c[CONNS];
    struct inet_addr us, peer;
    struct tcp_seg last; /* what the stack sent last */
    uint32_t want;
};

/* What is sent must be a segment that can be read. */
static void sent(struct stack *st, const struct frame *f)
{
    struct world *w = (struct world *)(void *)st;
    uint8_t bytes[STACK_LINK + STACK_MTU];

    frame_copy(f, (char *)bytes);
    if (f->len >= 54 && get16(bytes + 12) == ETHERTYPE_4 && bytes[23] == IPPROTO_TCP)
        require_equal(tcp_parse(bytes + 34, get16(bytes + 16) - 20u, &w->last), TCP_PARSE_OK);
}

static void up_incoming(void *ctx)
{
    (void)ctx;
}

static void up_told(void *ctx, int err)
{
    (void)ctx;
    require(err >= 0);
}

static uint32_t up_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    struct world *w = ctx;
    uint32_t took = len < w->want ? len : w->want;

    require(ptr >= (char *)obj && ptr + len <= (char *)obj + mem_room(obj));
    w->want -= took;
    return took;
}

static void up_sent(void *ctx)
{
    (void)ctx;
}

static const struct tcp_upcalls upcalls = {up_incoming, up_told, up_deliver, up_sent, up_told};

static struct world *world_new(struct input *in)
{
    struct world *w = calloc(1, sizeof(*w));
    const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};
    uint32_t choice = next_byte(in);
    struct inet_config cfg;
    struct tcp_config tcfg;
    int err;

    stack_config(&cfg);
    stack_open(&w->st, &cfg);
    w->st.sent = sent;
    w->us = INET_ADDR4(10, 0, 0, 1);
    w->peer = INET_ADDR4(10, 0, 0, 2);
    require(inet_addr_add(w->st.in, &w->us, 24) == 0 && inet_neigh_add(w->st.in, &w->peer, peer_mac) == 0);
    tcp_config_defaults(&tcfg);
    tcfg.conns = 8;
    tcfg.half_open = 2;
    tcfg.cc = (enum tcp_cc_kind)(choice % TCP_CC_MAX);
    tcfg.sack = (choice & 8) == 0;
    tcfg.timestamps = (choice & 16) == 0;
    tcfg.ecn = (choice & 32) != 0;
    tcfg.rcvbuf = (choice & 64) != 0 ? 4096 : tcfg.rcvbuf;
    w->t = tcp_new(w->st.in, &tcfg, &upcalls, &err);
    require(w->t != NULL);
    w->l = tcp_listen(w->t, &(struct inet_end){INET_ANY4, 80}, 2, w, &err);
    require(w->l != NULL);
    return w;
}

/* --- what must hold --- */

static void require_scoreboard(const struct tcp_conn *c)
{
    uint32_t flying = 0, flight = 0, sacked = 0, lost = 0, at = c->snd_una;
    const struct tcp_sndq *q = &c->snd;

    for (uint32_t n = q->record_first; n != q->record_end; n++) {
        const struct tcp_record *r = tcp_record_at(q, n);
        uint8_t kind = r->flags & (TCP_REC_FLYING | TCP_REC_LOST | TCP_REC_SACKED);

        require_equal(r->seq, at);
        at = r->end;
        require(kind == TCP_REC_FLYING || kind == TCP_REC_LOST || kind == TCP_REC_SACKED);
        flying += kind == TCP_REC_FLYING;
        flight += kind == TCP_REC_FLYING ? r->end - r->seq : 0;
        sacked += kind == TCP_REC_SACKED;
        lost += kind == TCP_REC_LOST;
    }
    if (tcp_record_count(q) > 0)
        require_equal(at, c->snd_nxt);
    require_equal(q->flying, flying);
    require_equal(q->flight_bytes, flight);
    require_equal(q->sacked, sacked);
    require_equal(q->lost, lost);
}

static void require_receive_queue(const struct tcp_conn *c)
{
    uint32_t runs = 0, early = 0, last = c->rcv_nxt;

    for (const struct tcp_run *r = c->rcv.early; r != NULL; r = r->next, runs++) {
        uint32_t bytes = 0;

        require(seq_lt(last, r->start) && seq_lt(r->start, r->end));
        last = r->end;
        for (const struct tcp_piece *p = r->pieces.first; p != NULL; p = p->next)
            bytes += p->len;
        require_equal(bytes, r->end - r->start);
        early += bytes;
    }
    require_equal(c->rcv.runs, runs);
    require_equal(c->rcv.early_bytes, early);
    require(runs <= TCP_RUNS && seq_le(c->rcv_nxt, c->rcv_adv));
}

static void require_sane(const struct world *w)
{
    for (const struct tcp_conn *c = w->t->all; c != NULL; c = c->all_next) {
        require(c->hold == 0 && !c->dead);
        require(c->ack_here == NULL || (*c->ack_here == c && c->state >= TCP_ESTABLISHED));
        if (c->state == TCP_CLOSED || c->state == TCP_TIME_WAIT)
            continue;
        require(seq_le(c->snd_una, c->snd_nxt));
        if (c->state >= TCP_ESTABLISHED) {
            require_scoreboard(c);
            require_receive_queue(c);
            require(c->cc.cwnd >= c->cc.mss);
        }
        /* whoever waits for the peer has a timer that ends the wait */
        require(c->snd_una == c->snd_nxt || timer_armed(&c->timer));
    }
}

/* --- what may happen --- */

static uint32_t around(struct input *in, uint32_t at, uint32_t wnd)
{
    switch (next_byte(in) % 8) {
    case 0:
        return at - 1 - next_byte(in);
    case 1:
        return at + next_word(in);
    case 2:
        return at + wnd + next_byte(in) - 128;
    case 3:
        return next_word(in) << 16 | next_word(in);
    default:
        return at;
    }
}

static void choose_options(struct input *in, struct tcp_seg *s, const struct tcp_conn *c)
{
    uint32_t choice = next_byte(in);

    s->opts = (uint8_t)(choice & 0x3f);
    if ((choice & 0x40) != 0)
        s->opts = c != NULL && (c->flags & TCPF_TS) != 0 ? TCP_OPT_TS : 0;
    s->mss = (uint16_t)next_word(in);
    s->wscale = (uint8_t)next_below(in, 15);
    s->ts_val = c != NULL ? c->ts_recent + next_byte(in) - ((choice & 0x80) != 0 ? 20 : 0) : next_word(in);
    s->ts_ecr = c != NULL ? tcp_ts_now(c) - next_byte(in) : 0;
    s->user_timeout = (uint16_t)next_word(in);
    s->sack_count = (uint8_t)(s->opts & TCP_OPT_SACK ? 1 + next_below(in, 3) : 0);
    for (unsigned i = 0; i < s->sack_count; i++) {
        s->sack[i].start = (c != NULL ? c->snd_una : 0) + next_word(in) - 2000;
        s->sack[i].end = s->sack[i].start + next_word(in);
    }
}

/* A segment for one of the connections there are, or for nobody. */
static void segment(struct world *w, struct input *in)
{
    uint32_t which = next_byte(in) % 8, len = next_byte(in) * (next_byte(in) % 12);
    const struct tcp_conn *c = w->t->all;
    struct ip_packet p = {.src = w->peer, .dst = w->us, .proto = IPPROTO_TCP, .ttl = 64, .flags = IP_CSUM_GOOD};
    struct tcp_seg s = {.src_port = (uint16_t)(5000 + which), .dst_port = 80, .flags = (uint8_t)next_byte(in)};
    uint8_t *obj = mem_alloc(&w->st.mem, 64 + TCP_HEADER_MAX + 3000, 1);

    require(obj != NULL);
    for (; which > 0 && c != NULL; which--)
        c = c->all_next;
    if (c != NULL) {
        s.src_port = c->pair.remote_port;
        s.dst_port = c->pair.local_port;
        s.seq = around(in, c->rcv_nxt, tcp_rcv_wnd(c));
        s.ack = around(in, next_byte(in) % 2 != 0 ? c->snd_nxt : c->snd_una, 0);
        if (next_byte(in) % 4 == 0)
            s.flags = TCP_ACK;
    } else {
        s.seq = next_word(in);
        s.ack = around(in, w->last.seq + 1, 0);
        if (next_byte(in) % 2 == 0)
            s.flags = TCP_SYN;
    }
    s.window = (uint16_t)next_word(in);
    p.tos = (uint8_t)(next_byte(in) & 3);
    choose_options(in, &s, c);
    p.obj = obj;
    p.data = obj + 64;
    p.len = tcp_write(p.data, &s) + len;
    memset(p.data + p.len - len, 'x', len);
    tcp_input(w->st.in, w->t, &p);
    mem_unref(&w->st.mem, obj);
}

static void send_some(struct world *w, struct tcp_conn *c, uint32_t len)
{
    char *obj = mem_alloc(&w->st.mem, len, 1);

    if (obj == NULL)
        return;
    memset(obj, 'y', len);
    (void)tcp_send(c, obj, obj, len);
    mem_unref(&w->st.mem, obj);
}

static void take_some(struct world *w, struct tcp_conn *c, uint32_t max)
{
    void *obj;
    char *ptr;

    if (tcp_recv(c, max, &obj, &ptr) > 0)
        mem_unref(&w->st.mem, obj);
}

static void open_one(struct world *w, struct tcp_conn **c, struct input *in)
{
    struct inet_end local = {INET_ANY4, 0}, remote = {w->peer, (uint16_t)(1 + next_byte(in))};
    int err;

    *c = next_byte(in) % 2 == 0 ? tcp_accept(w->l, w) : tcp_connect(w->t, &local, &remote, w, &err);
}

static void call(struct world *w, struct input *in)
{
    struct tcp_conn **c = &w->c[next_byte(in) % CONNS];
    uint32_t what = next_byte(in) % 10, n = next_word(in);

    if (*c == NULL) {
        open_one(w, c, in);
        return;
    }
    switch (what) {
    case 0:
        tcp_close(*c);
        *c = NULL;
        break;
    case 1:
        tcp_abort(*c);
        *c = NULL;
        break;
    case 2:
        (void)tcp_shutdown(*c);
        break;
    case 3:
        tcp_shutdown_read(*c);
        break;
    case 4:
        (void)tcp_set_option(*c, (enum tcp_option)(n % TCP_OPTION_MAX), next_word(in));
        break;
    case 5:
    case 6:
        take_some(w, *c, n);
        break;
    default:
        send_some(w, *c, 1 + n % 30000);
        break;
    }
}

static void pass(struct world *w, uint64_t ns)
{
    inet_set_now(w->st.in, w->st.in->env.now_ns + ns);
    tcp_turn(w->t);
    stack_pass(&w->st, 0);
}

/* What ICMP might say of something in flight. */
static void error(struct world *w, struct input *in)
{
    static const int errs[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EPROTO};
    const struct tcp_conn *c = w->t->all;
    uint8_t data[8];
    struct ip_error e = {.local = w->us, .remote = w->peer, .data = data, .len = sizeof(data)};

    if (c == NULL)
        return;
    put16(data, c->pair.local_port);
    put16(data + 2, c->pair.remote_port);
    put32(data + 4, around(in, c->snd_una, 0));
    e.err = errs[next_byte(in) % 5];
    e.mtu = (uint16_t)(552 + next_byte(in) * 4);
    (void)tcp_error(w->st.in, w->t, &e);
}

static void step(struct world *w, struct input *in)
{
    switch (next_byte(in) % 16) {
    case 0:
        pass(w, NS_PER_US << next_byte(in) % 28);
        break;
    case 1:
        w->st.fail_after = next_byte(in);
        break;
    case 2:
        w->want = next_word(in);
        break;
    case 3:
        error(w, in);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        call(w, in);
        break;
    default:
        segment(w, in);
        break;
    }
}

static void world_end(struct world *w)
{
    w->st.fail_after = 0;
    for (int i = 0; i < CONNS; i++)
        if (w->c[i] != NULL)
            tcp_close(w->c[i]);
    tcp_unlisten(w->l);
    for (int i = 0; i < 500 && tcp_count(w->t) > 0; i++) {
        pass(w, 10 * NS_PER_S);
        require_sane(w);
    }
    require_equal(tcp_count(w->t), 0);
    require_equal(w->t->orphans, 0);
    require_equal(w->t->half_open, 0);
    tcp_free(w->t);
    stack_close(&w->st);
    free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct world *w = world_new(&in);

    while (in.left > 0) {
        step(w, &in);
        require_sane(w);
    }
    world_end(w);
    return 0;
}
