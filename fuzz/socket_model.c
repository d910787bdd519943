/* SPDX-License-Identifier: MIT */
/* The target socket: what was sent, what came, and whether that may be. */
#include "socket_fuzz.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <errno.h>

bool name_equal(const union name *a, const union name *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    return a->in6.sin6_port == b->in6.sin6_port &&
           memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

bool name_is_any(const union name *a)
{
    return a->any.sa_family == AF_INET ? a->in.sin_addr.s_addr == INADDR_ANY
                                       : IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

socklen_t name_len(int domain)
{
    return domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

bool name_get(int qd, union name *out, bool peer)
{
    socklen_t len = sizeof(*out);

    memset(out, 0, sizeof(*out));
    return (peer ? demi_getpeername(qd, &out->any, &len) : demi_getsockname(qd, &out->any, &len)) == 0;
}

struct cut next_cut(uint32_t len)
{
    w.next_start = (w.next_start * 5 + 12345) % PATTERN_STARTS; /* no value twice: a full period */
    return (struct cut){w.next_start, len};
}

int add_sock(int qd, int domain, int type)
{
    int s = w.sock_count++;

    require(s < SOCKETS && qd >= 500);
    for (int i = 0; i < s; i++)
        require(!w.sock[i].open || w.sock[i].qd != qd);
    w.sock[s].out.head = w.sock[s].out.tail = w.sock[s].out.skip = 0;
    w.sock[s] = (struct sock){.qd = qd, .domain = domain, .type = type, .open = true, .peer = -1};
    return s;
}

int add_token(demi_qtoken_t qt, demi_opcode_t opcode, int sock)
{
    int t = w.token_count++;

    require(t < TOKENS && find_token(qt) < 0 && qt != 0 && qt != UINT64_MAX);
    w.token[t] =
        (struct token){.qt = qt, .opcode = opcode, .sock = sock, .qd = w.sock[sock].qd, .live = true, .object = -1};
    return t;
}

int find_token(demi_qtoken_t qt)
{
    for (int t = w.first_live; t < w.token_count; t++)
        if (w.token[t].live && w.token[t].qt == qt)
            return t;
    return -1;
}

bool may_reset(const struct sock *s)
{
    return s->peer < 0 || s->dirty || w.sock[s->peer].dirty;
}

uint32_t bytes_for(const struct sock *s)
{
    const struct flow *f;
    uint32_t bytes = 0;

    if (s->peer < 0)
        return 0;
    f = &w.sock[s->peer].out;
    for (uint32_t i = f->head; i < f->tail; i++)
        bytes += f->cut[i].len;
    return bytes - f->skip;
}

/* The push of token t sends no more than n bytes of its cut. */
static void shorten(int t, uint32_t n)
{
    struct flow *f = &w.sock[w.token[t].sock].out;

    for (uint32_t i = f->head; i < f->tail; i++)
        if (f->token[i] == t) {
            require(n <= f->cut[i].len && (i > f->head || f->skip <= n));
            f->cut[i].len = n;
        }
}

void pushed(int t, struct cut cut)
{
    struct sock *s = &w.sock[w.token[t].sock];
    struct flow *f = &s->out;

    if (f->tail == FLOW_CUTS) {
        f->tail -= f->head;
        memmove(f->cut, f->cut + f->head, f->tail * sizeof(f->cut[0]));
        memmove(f->token, f->token + f->head, f->tail * sizeof(f->token[0]));
        f->head = 0;
    }
    require(f->tail < FLOW_CUTS);
    f->cut[f->tail] = cut;
    f->token[f->tail++] = t;
    w.token[t].len = cut.len;
    if (s->peer >= 0 && (!w.sock[s->peer].open || w.sock[s->peer].shut_rd))
        s->dirty = true; /* nobody is there to take it */
}

void pushed_datagram(int t, struct cut cut, const union name *to)
{
    w.token[t].len = cut.len;
    require(w.datagram_count < DATAGRAMS);
    if (!w.sock[w.token[t].sock].named) /* the push gave it a port */
        learn_name(w.token[t].sock);
    w.datagram[w.datagram_count++] = (struct datagram){
        .cut = cut, .to = *to, .from = w.sock[w.token[t].sock].local, .from_known = w.sock[w.token[t].sock].named};
}

/* The next n bytes of the flow are those at p. */
static void consume(struct flow *f, const char *p, uint32_t n, struct cut *one)
{
    *one = (struct cut){0, 0};
    for (uint32_t done = 0; done < n;) {
        struct cut *c;
        uint32_t k;

        require(f->head < f->tail); /* else nobody sent that */
        c = &f->cut[f->head];
        k = c->len - f->skip < n - done ? c->len - f->skip : n - done;
        require(memcmp(p + done, pattern + c->start + f->skip, k) == 0);
        if (k == n)
            *one = (struct cut){c->start + f->skip, n};
        done += k;
        f->skip += k;
        if (f->skip == c->len && w.token[f->token[f->head]].done) {
            f->head++;
            f->skip = 0;
        } else if (k == 0) {
            require(f->skip == c->len && f->head + 1 < f->tail);
            f->head++;
            f->skip = 0;
        }
    }
}

static void judge_end(struct sock *s)
{
    s->ended = true;
    if (s->type != SOCK_STREAM) { /* datagrams of no bytes are not sent here */
        require(s->shut_rd);
        return;
    }
    require(!s->was_reset || s->shut_rd); /* a reset must not look like the end */
    if (s->shut_rd || may_reset(s))
        return;
    require(w.sock[s->peer].shut_wr || !w.sock[s->peer].open);
    require_equal(bytes_for(s), 0);
}

static bool is_for(const struct datagram *d, const struct sock *s)
{
    if (s->was_any)
        return d->to.any.sa_family == s->domain && d->to.in.sin_port == s->local.in.sin_port;
    return name_equal(&d->to, &s->local);
}

/* Is this the name of the datagram's sender? One that had every address of this host may have used any. */
static bool is_from(const struct datagram *d, const union name *source)
{
    if (!d->from_known)
        return source->any.sa_family == d->from.any.sa_family;
    if (name_is_any(&d->from))
        return source->any.sa_family == d->from.any.sa_family && source->in.sin_port == d->from.in.sin_port;
    return name_equal(&d->from, source);
}

/* A datagram is whole, or cut to what the pop wanted, and comes once, from where it was sent. */
static void judge_datagram(const struct sock *s, struct token *t, const struct op *op)
{
    const struct mem_meta *meta = op->obj;

    require((*mem_ref_word(op->obj) & REF_META) != 0 && meta->addr_len == name_len(s->domain));
    memcpy(&t->source, meta->addr, meta->addr_len);
    for (int i = 0; i < w.datagram_count; i++) {
        struct datagram *d = &w.datagram[i];
        uint32_t len = t->max_bytes != 0 && t->max_bytes < d->cut.len ? t->max_bytes : d->cut.len;

        if (len != t->got || !is_for(d, s) || !is_from(d, &t->source) ||
            memcmp(t->ptr, pattern + d->cut.start, len) != 0)
            continue;
        t->cut = (struct cut){d->cut.start, len};
        *d = w.datagram[--w.datagram_count];
        return;
    }
    require(false); /* nobody sent that */
}

static void judge_pop(struct token *t, const struct op *op)
{
    struct sock *s = &w.sock[t->sock];

    t->ptr = op->ptr;
    t->got = op->len;
    require(t->max_bytes == 0 || t->got <= t->max_bytes);
    if (t->got == 0)
        judge_end(s);
    else if (s->type == SOCK_DGRAM)
        judge_datagram(s, t, op);
    else if (s->peer >= 0)
        consume(&w.sock[s->peer].out, t->ptr, t->got, &t->cut);
    else
        require(s->unknown);
}

static void judge_failure(const struct token *t)
{
    const struct sock *s = &w.sock[t->sock];
    bool stream = s->type == SOCK_STREAM;

    switch (t->err) {
    case ECANCELED:
        require(t->closed);
        break;
    case EPIPE:
        require(t->opcode == DEMI_OPC_PUSH && s->shut_wr);
        break;
    case ECONNRESET:
        require(stream && may_reset(s));
        break;
    case ECONNREFUSED:
        require(!stream || t->opcode == DEMI_OPC_CONNECT);
        break;
    case EMSGSIZE:
        require(!stream && t->opcode == DEMI_OPC_PUSH && t->len > DATAGRAM_OK);
        break;
    case EMFILE:
        require(t->opcode == DEMI_OPC_ACCEPT);
        break;
    default:
        fprintf(stderr, "opcode %d failed with %d\n", (int)t->opcode, t->err);
        require(t->opcode == DEMI_OPC_CONNECT && (t->err == EADDRNOTAVAIL || t->err == EADDRINUSE));
    }
}

/* A connection of two sockets that connected to each other, or of one with itself. */
static void link_connected(int s)
{
    for (int i = w.sock_count - 1; i >= 0; i--) {
        struct sock *o = &w.sock[i];

        if (!o->aimed || o->type != SOCK_STREAM || !name_equal(&o->remote, &w.sock[s].local) ||
            !name_equal(&o->local, &w.sock[s].remote))
            continue;
        w.sock[s].peer = i;
        o->peer = s;
        return;
    }
}

/* A connect succeeded: there is somebody. */
static void judge_connect(int s)
{
    bool listened = false;

    link_connected(s);
    for (int i = 0; i < w.sock_count; i++)
        listened |= w.sock[i].listening && name_equal(&w.sock[i].reached, &w.sock[s].remote);
    require(listened || w.sock[s].peer >= 0);
}

static void judge(int i, const struct op *op)
{
    struct token *t = &w.token[i];

    t->done = true;
    t->err = op->err;
    if (t->opcode == DEMI_OPC_PUSH && w.sock[t->sock].type == SOCK_STREAM)
        shorten(i, t->err == 0 ? t->len : op->done);
    if (t->err != 0)
        judge_failure(t);
    else if (t->opcode == DEMI_OPC_POP)
        judge_pop(t, op);
    else if (t->opcode == DEMI_OPC_CONNECT && w.sock[t->sock].type == SOCK_STREAM)
        judge_connect(t->sock);
}

/* What succeeded has nothing of its kind pending before it. */
static void require_order(int i)
{
    for (int k = w.first_live; k < i; k++)
        require(!w.token[k].live || w.token[k].done || w.token[k].sock != w.token[i].sock ||
                w.token[k].opcode != w.token[i].opcode);
}

static bool is_among(demi_qtoken_t qt, const demi_qresult_t *qrs, int n)
{
    for (int i = 0; i < n; i++)
        if (qrs[i].qr_qt == qt)
            return true;
    return false;
}

static void observe_some(const demi_qresult_t *qrs, int n, bool pops)
{
    const struct op_slab *ops = &instance()->ops;

    for (int i = w.first_live; i < w.token_count; i++) {
        const struct token *t = &w.token[i];
        const struct op *op = op_at(ops, (uint32_t)(t->qt & OP_INDEX_MASK));
        bool taken;

        if (!t->live || (t->opcode == DEMI_OPC_POP) != pops)
            continue;
        taken = is_among(t->qt, qrs, n);
        require(taken ? op->token != t->qt : op->token == t->qt);
        if (t->done || (!taken && op->state != OP_DONE))
            continue;
        judge(i, op);
        if (op->err == 0)
            require_order(i);
    }
}

void observe(const demi_qresult_t *qrs, int n)
{
    observe_some(qrs, n, false); /* what was not sent must be known before what came is judged */
    observe_some(qrs, n, true);
}

bool ops_full(void)
{
    return instance()->ops.used == instance()->ops.capacity;
}

bool queues_full(void)
{
    return instance()->queues.used == instance()->queues.capacity;
}

/* A connection was accepted: who is at its other end? */
static void accepted(const struct token *t, const demi_accept_result_t *r)
{
    const struct sock *listener = &w.sock[t->sock];
    struct sock *a;
    int s;

    if (w.sock_count == SOCKETS) {
        require(demi_close(r->qd) == 0);
        w.sock[t->sock].lossy = true;
        return;
    }
    s = add_sock(r->qd, listener->domain, SOCK_STREAM);
    a = &w.sock[s];
    a->linger0 = listener->linger0;
    learn_name(s);
    if (a->domain == AF_INET)
        memcpy(&a->remote, &r->addr, sizeof(r->addr));
    a->aimed = a->named && (a->domain == AF_INET || name_get(a->qd, &a->remote, true));
    if (a->aimed)
        link_connected(s);
    a->unknown = a->peer < 0;
    require(a->peer >= 0 || a->domain != AF_INET); /* the name of an IPv6 peer that is gone cannot be had */
}

static void popped(const struct token *t, const demi_sgarray_t *result)
{
    demi_sgarray_t sga = *result;
    union name source;
    socklen_t len = sizeof(source);

    require(sga.sga_numsegs == 1 && sga.sga_segs[0].sgaseg_buf == t->ptr && sga.sga_segs[0].sgaseg_len == t->got);
    if (w.sock[t->sock].type == SOCK_DGRAM && t->got > 0) {
        require_equal(demi_sga_source(&sga, &source.any, &len), 0);
        require(len == name_len(w.sock[t->sock].domain) && name_equal(&source, &t->source));
        require(source.any.sa_family != AF_INET || memcmp(&sga.sga_addr, &source.in, sizeof(source.in)) == 0);
    }
    for (int i = 0; i < OBJECTS; i++) /* kept, to be pushed on */
        if (!w.object[i].live && w.object[i].pushes == 0 && t->cut.len > 0) {
            w.object[i] = (struct object){.live = true, .sga = sga, .cut = t->cut};
            return;
        }
    require_equal(demi_sgafree(&sga), 0);
    require_equal(demi_sgafree(&sga), EINVAL);
}

static void end_token(int t)
{
    w.token[t].live = false;
    while (w.first_live < w.token_count && !w.token[w.first_live].live)
        w.first_live++;
    if (w.token[t].object >= 0)
        w.object[w.token[t].object].pushes--;
}

static void take_one(const demi_qresult_t *qr)
{
    int i = find_token(qr->qr_qt);
    struct token *t = &w.token[i];

    require(i >= 0 && t->done);
    require_equal(qr->qr_qd, t->qd);
    require_equal(qr->qr_ret, t->err);
    require_equal((int)qr->qr_opcode, (int)(t->err == 0 ? t->opcode : DEMI_OPC_FAILED));
    if (t->err == 0 && t->opcode == DEMI_OPC_ACCEPT)
        accepted(t, &qr->qr_value.ares);
    if (t->err == 0 && t->opcode == DEMI_OPC_POP)
        popped(t, &qr->qr_value.sga);
    end_token(i);
}

void take(const demi_qresult_t *qrs, int n)
{
    observe(qrs, n);
    for (int i = 0; i < n; i++)
        take_one(&qrs[i]);
}

void before_cancel(int t)
{
    const struct op *op = op_lookup(&instance()->ops, w.token[t].qt);

    if (w.token[t].opcode == DEMI_OPC_PUSH && !w.token[t].done && w.sock[w.token[t].sock].type == SOCK_STREAM)
        shorten(t, op->done);
    if (w.token[t].opcode == DEMI_OPC_ACCEPT)
        w.sock[w.token[t].sock].lossy = true;
}

void after_cancel(int t)
{
    w.token[t].done = true;
    end_token(t);
}

void before_close(int s)
{
    for (int t = w.first_live; t < w.token_count; t++)
        if (w.token[t].live && w.token[t].sock == s && !w.token[t].closed)
            before_cancel(t);
    if (w.sock[s].linger0 || bytes_for(&w.sock[s]) > 0)
        w.sock[s].dirty = true;
    if (w.sock[s].resets && w.sock[s].peer >= 0 && !w.sock[s].shut_wr)
        w.sock[w.sock[s].peer].was_reset = true;
}

void after_close(int s)
{
    w.sock[s].open = false;
    for (int t = w.first_live; t < w.token_count; t++) {
        if (!w.token[t].live || w.token[t].sock != s)
            continue;
        w.token[t].closed = true;
        if (w.token[t].done)
            end_token(t); /* its result is dropped */
    }
}
