/* SPDX-License-Identifier: MIT */
/* The target socket: pushing, popping, waiting. */
#include "socket_fuzz.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>

#define SEGMENTS_MAX 100
#define RESULTS_MAX  64

static uint32_t pick_len(struct input *in)
{
    static const uint32_t lens[] = {1, 1023, 1024, 1025, 2047, 2048, 4097, 65000, 65507, 65508, 66000, 200000};
    uint32_t b = next_byte(in), len = b < 208 ? 1 + b : b < 224 ? 1 + next_word(in) : lens[b % ARRAY_LEN(lens)];

    return len < BYTES_MAX - w.bytes ? len : 1;
}

/* What a push on s returns. */
static int want_push(const struct sock *s)
{
    int status = status_of(s);

    return status < 0 ? EBADF : status != QUEUE_CONNECTED ? ENOTCONN : ops_full() ? ENOMEM : 0;
}

/* Is there room in the model for a push on s? */
static bool can_push(int s)
{
    return s >= 0 && w.token_count < w.input_end && w.bytes < BYTES_MAX &&
           (w.sock[s].type == SOCK_STREAM ? w.sock[s].out.tail - w.sock[s].out.head < FLOW_CUTS
                                          : w.datagram_count < DATAGRAMS);
}

/* A push on s began. to: of a datagram, NULL: to whom s is connected. */
static int began(demi_qtoken_t qt, int s, struct cut cut, const union name *to)
{
    int t = add_token(qt, DEMI_OPC_PUSH, s);

    w.bytes += cut.len;
    if (w.sock[s].type == SOCK_STREAM)
        pushed(t, cut);
    else
        pushed_datagram(t, cut, to != NULL ? to : &w.sock[s].remote);
    return t;
}

/* An array of the application's, new or filled anew where no push needs it. -1: no place. */
static int pick_object(struct input *in)
{
    int i = (int)next_below(in, OBJECTS);
    struct object *o = &w.object[i];
    uint32_t len;

    if (!o->live && o->pushes > 0)
        return -1;
    if (!o->live) {
        len = pick_len(in);
        *o = (struct object){.live = true, .sga = demi_sgaalloc(len), .cut = next_cut(len)};
        require(o->sga.sga_numsegs == 1);
    } else if (o->pushes == 0 && next_byte(in) % 4 != 0) {
        o->cut = next_cut(o->cut.len);
    } else {
        return i;
    }
    memcpy(o->sga.sga_segs[0].sgaseg_buf, pattern + o->cut.start, o->cut.len);
    return i;
}

static void maybe_free(struct input *in, int i)
{
    if (next_byte(in) % 2 != 0)
        return;
    require_equal(demi_sgafree(&w.object[i].sga), 0);
    require_equal(demi_sgafree(&w.object[i].sga), EINVAL);
    w.object[i].live = false;
}

static void push_object(struct input *in, int s, const union name *to)
{
    int i = pick_object(in), want, t;
    demi_qtoken_t qt;

    if (i < 0)
        return;
    if (to == NULL) {
        want = want_push(&w.sock[s]);
        require_equal(demi_push(&qt, w.sock[s].qd, &w.object[i].sga), want);
    } else {
        bool open = w.sock[s].open;

        want = !open                                   ? EBADF
               : w.sock[s].type != SOCK_DGRAM          ? ENOTSUP
               : to->any.sa_family != w.sock[s].domain ? EINVAL
               : ops_full()                            ? ENOMEM
                                                       : 0;
        require_equal(demi_pushto(&qt, w.sock[s].qd, &w.object[i].sga, &to->any, name_len(to->any.sa_family)), want);
    }
    if (want == 0) {
        t = began(qt, s, w.object[i].cut, to);
        w.token[t].object = i;
        w.object[i].pushes++;
    }
    maybe_free(in, i);
}

void call_push(struct input *in)
{
    int s = pick_sock(in);

    if (can_push(s))
        push_object(in, s, NULL);
}

void call_pushto(struct input *in)
{
    int s = pick_sock(in), d = pick_sock(in);
    union name to;

    for (int k = 0; next_byte(in) < 248 && k < w.sock_count && w.sock[s].type != SOCK_DGRAM; k++)
        s = (s + 1) % w.sock_count;
    for (int k = 0; k < w.sock_count && !w.sock[d].named; k++)
        d = (d + 1) % w.sock_count;
    if (!can_push(s) || !w.sock[d].named)
        return;
    to = w.sock[d].reached;
    push_object(in, s, &to);
}

/* Cuts len bytes, at buf and at `foreign` the same, into segments of either. */
static int cut_up(struct input *in, struct iovec *iov, char *buf, const uint8_t *foreign, uint32_t len)
{
    uint32_t most = 1 + len / (1 + next_below(in, SEGMENTS_MAX)), at = 0;
    int n = 0;

    while (at < len) {
        uint32_t b = next_byte(in), k;

        if (b >= 224 && n < SEGMENTS_MAX - 2) /* an empty one before it */
            iov[n++] = (struct iovec){b % 2 == 0 ? NULL : buf, 0};
        k = n == SEGMENTS_MAX - 1 || most > len - at ? len - at : most;
        iov[n++] = (struct iovec){b % 2 == 0 ? buf + at : (char *)(uintptr_t)(foreign + at), k};
        at += k;
    }
    return n;
}

void call_pushv(struct input *in)
{
    int s = pick_sock(in), want, n;
    struct iovec iov[SEGMENTS_MAX];
    struct cut cut;
    demi_qtoken_t qt;
    char *buf;

    if (!can_push(s))
        return;
    cut = next_cut(pick_len(in));
    buf = demi_malloc(cut.len);
    require(buf != NULL);
    memcpy(buf, pattern + cut.start, cut.len);
    n = cut_up(in, iov, buf, pattern + cut.start, cut.len);
    want = want_push(&w.sock[s]);
    require_equal(demi_pushv(&qt, w.sock[s].qd, iov, n), want);
    if (want == 0)
        began(qt, s, cut, NULL);
    require_equal(demi_free(buf), 0); /* the push keeps it alive */
}

void pop_one(int s, uint32_t max_bytes)
{
    int status = status_of(&w.sock[s]), want, err;
    bool datagrams = w.sock[s].type == SOCK_DGRAM;
    demi_qtoken_t qt;

    if (status < 0)
        want = EBADF;
    else if (status == QUEUE_CONNECTED || (datagrams && status == QUEUE_BOUND))
        want = ops_full() ? ENOMEM : 0;
    else
        want = datagrams ? EDESTADDRREQ : ENOTCONN;
    err = max_bytes == 0 ? demi_pop(&qt, w.sock[s].qd) : demi_pop_n(&qt, w.sock[s].qd, max_bytes);
    require_equal(err, want);
    if (err == 0)
        w.token[add_token(qt, DEMI_OPC_POP, s)].max_bytes = max_bytes;
}

void call_pop(struct input *in)
{
    int s = pick_sock(in);
    uint32_t b = next_byte(in);

    if (s >= 0 && w.token_count < w.input_end)
        pop_one(s, b < 192 ? 0 : b < 240 ? 1 + next_byte(in) : 1 + next_word(in));
}

static demi_qtoken_t pick_token(struct input *in)
{
    uint32_t b = next_byte(in);
    int t = w.token_count == 0 ? -1 : (int)(b * 2 % (uint32_t)w.token_count);

    if (b >= 250 || t < 0)
        return b % 2 == 0 ? 0 : UINT64_MAX;
    for (int k = 0; b < 240 && k < w.token_count && !w.token[t].live; k++)
        t = (t + 1) % w.token_count;
    return w.token[t].qt;
}

/* Mostly a look, or a wait of some microseconds. */
static struct timespec pick_timeout(struct input *in)
{
    uint32_t b = next_byte(in);

    return (struct timespec){0, b < 224 ? 0 : (long)(b - 223) * 2000};
}

void call_wait(struct input *in)
{
    demi_qtoken_t qt = pick_token(in);
    struct timespec timeout = pick_timeout(in);
    int t = find_token(qt), err;
    bool done = t >= 0 && w.token[t].done;
    demi_qresult_t qr;

    err = demi_wait(&qr, qt, &timeout);
    if (t < 0)
        require_equal(err, EINVAL);
    else
        require(err == 0 || (err == ETIMEDOUT && !done));
    take(&qr, err == 0);
}

void call_poll(struct input *in)
{
    demi_qtoken_t qt = pick_token(in);
    int t = find_token(qt), err;
    bool done = t >= 0 && w.token[t].done;
    demi_qresult_t qr;

    err = demi_poll(&qr, qt);
    if (t < 0)
        require_equal(err, EINVAL);
    else
        require(err == 0 || (err == EAGAIN && !done));
    take(&qr, err == 0);
}

void call_wait_any(struct input *in)
{
    struct timespec timeout = pick_timeout(in);
    demi_qtoken_t qts[16];
    int n = 1 + (int)next_below(in, ARRAY_LEN(qts)), offset = -1, err;
    bool done = false, bad = false;
    demi_qresult_t qr;

    for (int i = 0; i < n; i++) {
        int t;

        qts[i] = pick_token(in);
        t = find_token(qts[i]);
        bad |= t < 0;
        done |= t >= 0 && w.token[t].done;
    }
    err = demi_wait_any(&qr, &offset, qts, n, &timeout);
    require(err == 0 || (err == EINVAL && bad && !done) || (err == ETIMEDOUT && !bad && !done));
    if (err == 0)
        require(offset >= 0 && offset < n && qts[offset] == qr.qr_qt);
    take(&qr, err == 0);
}

static int next_n(int most, const struct timespec *timeout)
{
    static demi_qresult_t qrs[RESULTS_MAX];
    bool done = instance()->ops.done_count > 0;
    int n = -1, err;

    err = demi_wait_next_n(qrs, most, &n, timeout);
    require(err == 0 ? n >= 1 && n <= most : err == ETIMEDOUT && n == 0 && !done);
    take(qrs, n);
    return n;
}

int take_next(uint32_t timeout_us)
{
    struct timespec timeout = {0, (long)timeout_us * 1000};

    return next_n(RESULTS_MAX, &timeout);
}

void call_next(struct input *in)
{
    struct timespec timeout = pick_timeout(in);

    next_n(1 + (int)next_below(in, RESULTS_MAX), &timeout);
}

static void cancel(demi_qtoken_t qt, int t)
{
    if (t >= 0)
        before_cancel(t);
    require_equal(demi_cancel(qt), t >= 0 ? 0 : EINVAL);
    if (t >= 0)
        after_cancel(t);
}

void call_cancel(struct input *in)
{
    demi_qtoken_t qt = pick_token(in);

    cancel(qt, find_token(qt));
}

void make_room(void)
{
    for (int t = w.token_count - 1; t >= w.first_live && instance()->ops.used > instance()->ops.capacity / 2; t--)
        if (w.token[t].live)
            cancel(w.token[t].qt, t);
}

/* One byte to and fro, often: the queue is asked directly then, and leaves epoll after a while. Once a run. */
void call_ping(struct input *in)
{
    int s = pick_sock(in), n = 1 + (int)next_byte(in) * 2;
    struct input zeros = {NULL, 0};
    const struct sock *k;

    if (s < 0)
        return;
    k = &w.sock[s];
    if (!k->open || k->peer < 0 || !w.sock[k->peer].open || w.input_end != TOKENS_INPUT ||
        status_of(k) != QUEUE_CONNECTED || status_of(&w.sock[k->peer]) != QUEUE_CONNECTED)
        return;
    w.input_end += 2 * n;
    for (int i = 0; i < n; i++) {
        if (!ops_full())
            pop_one(k->peer, 0);
        take_next(0);
        if (can_push(s) && !ops_full())
            push_object(&zeros, s, NULL);
        observe(NULL, 0);
        take_next(0);
    }
}
