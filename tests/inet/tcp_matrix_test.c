/* SPDX-License-Identifier: MIT */
/*
 * Every state, every class of segment, every call: what RFC 9293 section 3.10 says must happen, computed here from the
 * RFC's own steps and compared with what the stack does. RFC 5961 tightens RST, SYN and ACK as section 3.10.7.4 allows;
 * the acknowledgement of in-order text may be delayed (section 3.8.6.3).
 *
 * A segment's class: which of SYN, ACK, RST, FIN; where its sequence number lies (before the window, at RCV.NXT, within
 * the window, beyond it); where its acknowledgement lies (long ago, SND.UNA, SND.NXT, beyond); with and without text.
 */
#include "tcp_rig.h"

#include <errno.h>
#include <stdio.h>

#define OLD     200 /* bytes before RCV.NXT */
#define WITHIN  100
#define TEXT    10
#define ANCIENT 100000

enum where { BEFORE, EXACT, INSIDE, BEYOND, WHERES };
enum ack { ACK_ANCIENT, ACK_UNA, ACK_NXT, ACK_FUTURE, ACKS };

enum start {
    IN_CLOSED,
    IN_LISTEN,
    IN_SYN_SENT,
    IN_SYN_RECEIVED, /* passive */
    IN_SYN_RECEIVED_ACTIVE,
    IN_ESTABLISHED,
    IN_FIN_WAIT_1,
    IN_FIN_WAIT_2,
    IN_CLOSE_WAIT,
    IN_CLOSING,
    IN_LAST_ACK,
    IN_TIME_WAIT,
    STARTS,
};

static const char *const start_name[STARTS] = {
    "CLOSED",      "LISTEN",     "SYN-SENT",   "SYN-RECEIVED", "SYN-RECEIVED (active)",
    "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",   "CLOSING",
    "LAST-ACK",    "TIME-WAIT",
};

/* A host brought into a state, and what it takes to speak of its variables. */
struct scene {
    enum start start;
    struct tcp_host *th;
    struct sock *s; /* NULL: nobody owns the connection */
    uint16_t host_port;
    uint32_t rcv_nxt, rcv_wnd, una, nxt;
};

/* What must follow. */
enum reply { NOTHING, AN_ACK, A_SYN_ACK, A_RESET, LATER /* an acknowledgement within 40 ms */ };

struct outcome {
    enum reply reply;
    uint32_t seq, ack; /* of the reply */
    bool reset_acks;   /* the RST has ACK set */
    enum tcp_state state;
    int err; /* told to the application */
};

/* --- bringing a host into a state --- */

static void scene_established(struct scene *sc)
{
    uint32_t iss;

    sc->s = peer_establish(sc->th, TCP_OPT_MSS, &iss);
    sc->host_port = HOST_PORT;
    sc->una = sc->nxt = iss + 1;
    sc->rcv_nxt = PEER_ISN + 1;
}

static void scene_send(struct scene *sc, uint8_t flags, uint32_t ack)
{
    struct tcp_seg s = seg(flags, sc->rcv_nxt, ack);

    s.dst_port = sc->host_port;
    peer_send(sc->th, &s, NULL, 0);
    if ((flags & TCP_FIN) != 0)
        sc->rcv_nxt++;
}

static void scene_shutdown(struct scene *sc)
{
    assert_int_equal(tcp_shutdown(sc->s->c), 0);
    sc->nxt++;
}

static void scene_connect(struct scene *sc)
{
    struct inet_addr peer = INET_ADDR4(10, 0, 0, PEER);
    struct tcp_seg r;

    sc->s = sock_connect(sc->th, &peer, PEER_PORT);
    peer_take_one(sc->th, &r);
    assert_int_equal(r.flags, TCP_SYN);
    sc->host_port = r.src_port;
    sc->una = r.seq;
    sc->nxt = r.seq + 1;
    sc->rcv_nxt = PEER_ISN;
    sc->rcv_wnd = 1000;
}

static void scene_syn(struct scene *sc)
{
    struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0), r;

    s.dst_port = sc->host_port;
    peer_send(sc->th, &s, NULL, 0);
    peer_take_one(sc->th, &r);
    assert_int_equal(r.flags, TCP_SYN | TCP_ACK);
    sc->una = r.seq;
    sc->nxt = r.seq + 1;
    sc->rcv_nxt = PEER_ISN + 1;
}

/* From ESTABLISHED on: who said FIN, and whose was acknowledged. */
static void scene_close(struct scene *sc)
{
    scene_established(sc);
    switch (sc->start) {
    case IN_ESTABLISHED:
        sock_send(sc->th, sc->s, TEXT);
        sc->nxt += TEXT;
        break;
    case IN_FIN_WAIT_2:
        scene_shutdown(sc);
        scene_send(sc, TCP_ACK, sc->nxt);
        sc->una = sc->nxt;
        break;
    case IN_CLOSE_WAIT:
        scene_send(sc, TCP_FIN | TCP_ACK, sc->nxt);
        sock_send(sc->th, sc->s, TEXT);
        sc->nxt += TEXT;
        break;
    case IN_LAST_ACK:
        scene_send(sc, TCP_FIN | TCP_ACK, sc->nxt);
        scene_shutdown(sc);
        break;
    case IN_CLOSING:
        scene_shutdown(sc);
        scene_send(sc, TCP_FIN | TCP_ACK, sc->una);
        break;
    case IN_TIME_WAIT:
        scene_shutdown(sc);
        scene_send(sc, TCP_FIN | TCP_ACK, sc->nxt);
        sc->una = sc->nxt;
        break;
    default:
        scene_shutdown(sc);
        break;
    }
}

static struct scene scene_new(enum start start)
{
    struct scene sc = {.start = start, .th = tcp_host_new_default(1), .host_port = HOST_PORT};

    if (start != IN_CLOSED && start != IN_SYN_SENT && start != IN_SYN_RECEIVED_ACTIVE)
        tcp_host_listen(sc.th, HOST_PORT, 4);
    sc.rcv_nxt = PEER_ISN;
    sc.rcv_wnd = 1000;
    sc.una = sc.nxt = 777;
    if (start == IN_SYN_SENT || start == IN_SYN_RECEIVED_ACTIVE)
        scene_connect(&sc);
    if (start == IN_SYN_RECEIVED || start == IN_SYN_RECEIVED_ACTIVE)
        scene_syn(&sc);
    if (start >= IN_ESTABLISHED)
        scene_close(&sc);
    if (sc.s != NULL && start != IN_SYN_SENT)
        sc.rcv_wnd = tcp_rcv_wnd(sc.s->c);
    else if (start == IN_SYN_RECEIVED)
        sc.rcv_wnd = UINT16_MAX;
    host_pass(sc.th, NS_PER_US); /* the challenges' limit counts from the last one */
    sc.th->h->first = sc.th->h->last;
    if (sc.s != NULL)
        sc.s->ended = sc.s->connected = 0;
    return sc;
}

static void scene_free(struct scene *sc)
{
    if (sc->s != NULL)
        sock_abort(sc->s);
    tcp_host_free(sc->th);
}

static enum tcp_state state_of(enum start start)
{
    static const enum tcp_state of[STARTS] = {
        TCP_CLOSED,     TCP_LISTEN,     TCP_SYN_SENT,   TCP_SYN_RECEIVED, TCP_SYN_RECEIVED, TCP_ESTABLISHED,
        TCP_FIN_WAIT_1, TCP_FIN_WAIT_2, TCP_CLOSE_WAIT, TCP_CLOSING,      TCP_LAST_ACK,     TCP_TIME_WAIT,
    };

    return of[start];
}

/* Which state the host is in now; a connection that nobody owns is looked for at its listener. */
static enum tcp_state state_now(const struct scene *sc)
{
    if (sc->s != NULL)
        return (enum tcp_state)sc->s->c->state;
    if (sc->th->l == NULL)
        return TCP_CLOSED;
    if (sc->th->l->ready.first != NULL)
        return (enum tcp_state)sc->th->l->ready.first->state;
    return sc->th->l->half.first != NULL ? TCP_SYN_RECEIVED : TCP_LISTEN;
}

/* --- the RFC --- */

/* Section 3.5.2, group 1: a reset for what does not exist. */
static struct outcome reset(const struct tcp_seg *s, uint32_t len, enum tcp_state state)
{
    struct outcome o = {.reply = A_RESET, .state = state};

    if ((s->flags & TCP_RST) != 0) {
        o.reply = NOTHING;
    } else if ((s->flags & TCP_ACK) != 0) {
        o.seq = s->ack;
    } else {
        o.ack = s->seq + len;
        o.reset_acks = true;
    }
    return o;
}

/* Section 3.10.7.2. */
static struct outcome in_listen(const struct tcp_seg *s, uint32_t len)
{
    struct outcome o = {.state = TCP_LISTEN};

    if ((s->flags & TCP_RST) != 0)
        return o;
    if ((s->flags & TCP_ACK) != 0)
        return reset(s, len, TCP_LISTEN);
    if ((s->flags & TCP_SYN) != 0) {
        o.reply = A_SYN_ACK;
        o.ack = s->seq + 1;
        o.state = TCP_SYN_RECEIVED;
    }
    return o;
}

/* Section 3.10.7.3. */
static struct outcome in_syn_sent(const struct scene *sc, const struct tcp_seg *s, uint32_t len)
{
    struct outcome o = {.state = TCP_SYN_SENT};
    bool ack = (s->flags & TCP_ACK) != 0;

    if (ack && s->ack != sc->nxt)
        return reset(s, len, TCP_SYN_SENT);
    if ((s->flags & TCP_RST) != 0) {
        if (ack) {
            o.state = TCP_CLOSED;
            o.err = ECONNREFUSED;
        }
        return o;
    }
    if ((s->flags & TCP_SYN) == 0)
        return o;
    o.reply = ack ? AN_ACK : A_SYN_ACK;
    o.state = ack ? TCP_ESTABLISHED : TCP_SYN_RECEIVED;
    o.seq = ack ? sc->nxt : sc->una;
    o.ack = s->seq + 1;
    return o;
}

static bool acceptable(const struct scene *sc, uint32_t seq, uint32_t len)
{
    uint32_t nxt = sc->rcv_nxt, end = nxt + sc->rcv_wnd;

    if (len == 0)
        return nxt <= seq && seq < end;
    return (nxt <= seq && seq < end) || (nxt <= seq + len - 1 && seq + len - 1 < end);
}

static struct outcome an_ack(const struct scene *sc, enum tcp_state state)
{
    return (struct outcome){.reply = AN_ACK, .seq = sc->nxt, .ack = sc->rcv_nxt, .state = state};
}

/* Section 3.10.7.4, second step. */
static struct outcome take_reset(const struct scene *sc, const struct tcp_seg *s)
{
    struct outcome o = {.state = TCP_CLOSED};

    if (s->seq != sc->rcv_nxt)
        return an_ack(sc, state_of(sc->start));
    switch (sc->start) {
    case IN_SYN_RECEIVED:
        o.state = TCP_LISTEN;
        break;
    case IN_SYN_RECEIVED_ACTIVE:
        o.err = ECONNREFUSED;
        break;
    case IN_ESTABLISHED:
    case IN_FIN_WAIT_1:
    case IN_FIN_WAIT_2:
    case IN_CLOSE_WAIT:
        o.err = ECONNRESET;
        break;
    default:
        break;
    }
    return o;
}

/* Sixth, seventh and eighth step, the acknowledgement having been taken: text and FIN in a state that receives. */
static struct outcome text_and_fin(const struct scene *sc, const struct tcp_seg *s, uint32_t text, enum tcp_state state,
                                   bool our_fin_acked)
{
    struct outcome o = {.state = state, .seq = sc->nxt, .ack = sc->rcv_nxt};
    bool fin = (s->flags & TCP_FIN) != 0;

    if (text == 0 && !fin)
        return o;
    if (s->seq != sc->rcv_nxt) { /* a hole: told at once */
        o.reply = AN_ACK;
        return o;
    }
    o.ack += text + fin;
    o.reply = fin ? AN_ACK : LATER;
    if (!fin)
        return o;
    switch (state) {
    case TCP_ESTABLISHED:
        o.state = TCP_CLOSE_WAIT;
        break;
    case TCP_FIN_WAIT_1:
        o.state = our_fin_acked ? TCP_TIME_WAIT : TCP_CLOSING;
        break;
    case TCP_FIN_WAIT_2:
        o.state = TCP_TIME_WAIT;
        break;
    default:
        break;
    }
    return o;
}

/* Fifth step. */
static struct outcome take_ack(const struct scene *sc, const struct tcp_seg *s, uint32_t len, uint32_t text)
{
    enum tcp_state state = state_of(sc->start);
    bool all = s->ack == sc->nxt;

    if (state == TCP_SYN_RECEIVED) {
        if (!all)
            return reset(s, len, state);
        return text_and_fin(sc, s, text, TCP_ESTABLISHED, false);
    }
    if (state != TCP_TIME_WAIT &&
        (s->ack - sc->nxt - 1 < UINT32_C(1) << 30 || sc->una - s->ack - PEER_WND - 1 < UINT32_C(1) << 30))
        return an_ack(sc, state); /* the future, or too long ago (RFC 5961 section 5.2) */
    switch (state) {
    case TCP_FIN_WAIT_1:
        return text_and_fin(sc, s, text, all ? TCP_FIN_WAIT_2 : TCP_FIN_WAIT_1, all);
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_2:
        return text_and_fin(sc, s, text, state, false);
    case TCP_CLOSING:
        return (struct outcome){.state = all ? TCP_TIME_WAIT : TCP_CLOSING};
    case TCP_LAST_ACK:
        return (struct outcome){.state = all ? TCP_CLOSED : TCP_LAST_ACK};
    case TCP_TIME_WAIT:
        if ((s->flags & TCP_FIN) != 0)
            return an_ack(sc, TCP_TIME_WAIT);
        return (struct outcome){.state = TCP_TIME_WAIT};
    default:
        return (struct outcome){.state = state};
    }
}

static struct outcome rfc(const struct scene *sc, const struct tcp_seg *s, uint32_t text)
{
    uint32_t len = text + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
    enum tcp_state state = state_of(sc->start);

    if (sc->start == IN_CLOSED)
        return reset(s, len, TCP_CLOSED);
    if (sc->start == IN_LISTEN)
        return in_listen(s, len);
    if (sc->start == IN_SYN_SENT)
        return in_syn_sent(sc, s, len);
    /* section 3.6.1, MAY-2: a new SYN ahead of the old numbers opens anew */
    if (state == TCP_TIME_WAIT && (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && s->seq > sc->rcv_nxt)
        return (struct outcome){.reply = A_SYN_ACK, .ack = s->seq + 1, .state = TCP_CLOSED};
    if (!acceptable(sc, s->seq, len))
        return (s->flags & TCP_RST) != 0 ? (struct outcome){.state = state} : an_ack(sc, state);
    if ((s->flags & TCP_RST) != 0)
        return take_reset(sc, s);
    if ((s->flags & TCP_SYN) != 0) {
        if (sc->start == IN_SYN_RECEIVED)
            return (struct outcome){.state = TCP_LISTEN};
        return an_ack(sc, state);
    }
    if ((s->flags & TCP_ACK) == 0)
        return (struct outcome){.state = state};
    return take_ack(sc, s, len, text);
}

/* --- one case --- */

static const char *case_name(const struct scene *sc, const struct tcp_seg *s, enum where where, enum ack ack,
                             uint32_t text)
{
    static const char *const wheres[WHERES] = {"before", "exact", "inside", "beyond"};
    static const char *const acks[ACKS] = {"ancient", "una", "nxt", "future"};
    static char name[160];

    snprintf(name, sizeof(name), "%s: %s%s%s%s seq %s, ack %s, text %u", start_name[sc->start],
             (s->flags & TCP_SYN) != 0 ? "SYN " : "", (s->flags & TCP_ACK) != 0 ? "ACK " : "",
             (s->flags & TCP_RST) != 0 ? "RST " : "", (s->flags & TCP_FIN) != 0 ? "FIN " : "", wheres[where], acks[ack],
             text);
    return name;
}

/* The reply on the wire is the one expected; `name` says of which case. */
static void check_reply(struct scene *sc, const struct outcome *o, const char *name)
{
    struct tcp_seg r;

    if (o->reply == LATER) {
        if (peer_take(sc->th, &r, NULL))
            fail_msg("%s: a segment at once", name);
        host_pass(sc->th, 41 * NS_PER_MS);
    }
    if (!peer_take(sc->th, &r, NULL)) {
        if (o->reply != NOTHING)
            fail_msg("%s: no reply", name);
        return;
    }
    if (o->reply == NOTHING)
        fail_msg("%s: a reply, flags %02x", name, r.flags);
    if (o->reply == A_RESET) {
        uint8_t flags = o->reset_acks ? TCP_RST | TCP_ACK : TCP_RST;

        if (r.flags != flags || r.seq != o->seq || (o->reset_acks && r.ack != o->ack))
            fail_msg("%s: reset %02x seq %u ack %u, not %u, %u", name, r.flags, r.seq, r.ack, o->seq, o->ack);
    } else if (o->reply == A_SYN_ACK) {
        if (r.flags != (TCP_SYN | TCP_ACK) || r.ack != o->ack || (o->seq != 0 && r.seq != o->seq))
            fail_msg("%s: no SYN-ACK of %u but %02x of %u", name, o->ack, r.flags, r.ack);
    } else {
        bool acks = (r.flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK && r.ack == o->ack;

        if (!acks || (o->reply == AN_ACK && r.seq != o->seq))
            fail_msg("%s: flags %02x seq %u ack %u, not ACK seq %u ack %u", name, r.flags, r.seq, r.ack, o->seq,
                     o->ack);
    }
    if (o->reply != LATER && peer_take(sc->th, &r, NULL))
        fail_msg("%s: a second reply, flags %02x", name, r.flags);
}

static void check_end(struct scene *sc, const struct outcome *o, const char *name)
{
    int told = sc->s == NULL ? 0 : sc->s->end_err != 0 ? sc->s->end_err : sc->s->connect_err;

    if (state_now(sc) != o->state)
        fail_msg("%s: state %d, not %d", name, state_now(sc), o->state);
    if (told != o->err)
        fail_msg("%s: error %d, not %d", name, told, o->err);
}

static void try_case(enum start start, uint8_t flags, enum where where, enum ack ack, uint32_t text)
{
    struct scene sc = scene_new(start);
    const uint32_t seqs[WHERES] = {sc.rcv_nxt - OLD, sc.rcv_nxt, sc.rcv_nxt + WITHIN, sc.rcv_nxt + sc.rcv_wnd + 1};
    const uint32_t acks[ACKS] = {sc.una - ANCIENT, sc.una, sc.nxt, sc.nxt + 1000};
    struct tcp_seg s = seg(flags, seqs[where], (flags & TCP_ACK) != 0 ? acks[ack] : 0);
    const char *name = case_name(&sc, &s, where, ack, text);
    struct outcome o = rfc(&sc, &s, text);

    if (start == IN_TIME_WAIT) /* our clock-driven numbers are ahead of the old ones by then */
        host_pass(sc.th, 10 * NS_PER_MS);
    s.dst_port = sc.host_port;
    peer_send(sc.th, &s, NULL, text);
    check_end(&sc, &o, name);
    check_reply(&sc, &o, name);
    scene_free(&sc);
}

static void segments_in(enum start start)
{
    const uint8_t bits[4] = {TCP_SYN, TCP_ACK, TCP_RST, TCP_FIN};

    for (unsigned mask = 0; mask < 16; mask++) {
        uint8_t flags = 0;

        for (unsigned i = 0; i < 4; i++)
            if ((mask >> i & 1) != 0)
                flags |= bits[i];
        for (unsigned where = 0; where < WHERES; where++)
            for (unsigned ack = 0; ack < ((flags & TCP_ACK) != 0 ? ACKS : 1u); ack++)
                for (uint32_t text = 0; text <= TEXT; text += TEXT)
                    try_case(start, flags, (enum where)where, (enum ack)ack, text);
    }
}

/* One test a state, so that each says where it failed: 320 segments each, 3,840 in all. X-macro: T(name, start). */
#define STATE_TESTS(T)                                                                                                 \
    T(segments__in_closed, IN_CLOSED)                                                                                  \
    T(segments__in_listen, IN_LISTEN)                                                                                  \
    T(segments__in_syn_sent, IN_SYN_SENT)                                                                              \
    T(segments__in_syn_received, IN_SYN_RECEIVED)                                                                      \
    T(segments__in_syn_received_active, IN_SYN_RECEIVED_ACTIVE)                                                        \
    T(segments__in_established, IN_ESTABLISHED)                                                                        \
    T(segments__in_fin_wait_1, IN_FIN_WAIT_1)                                                                          \
    T(segments__in_fin_wait_2, IN_FIN_WAIT_2)                                                                          \
    T(segments__in_close_wait, IN_CLOSE_WAIT)                                                                          \
    T(segments__in_closing, IN_CLOSING)                                                                                \
    T(segments__in_last_ack, IN_LAST_ACK)                                                                              \
    T(segments__in_time_wait, IN_TIME_WAIT)

#define STATE_TEST(name, start)                                                                                        \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        segments_in(start);                                                                                            \
    }
STATE_TESTS(STATE_TEST)

/* --- calls --- */

/* Sections 3.10.2 to 3.10.5: what SEND, RECEIVE, CLOSE, ABORT say and do in each state that has an owner. */
struct call_row {
    enum start start;
    int send;            /* 0: takes it; -EPIPE: "connection closing" */
    int recv;            /* -EAGAIN: waits; 0: end of the stream; -ENOTCONN */
    int shutdown;        /* result */
    enum tcp_state shut; /* state afterwards */
    uint8_t shut_flags;  /* of what is sent at once, 0: nothing */
    uint8_t abort_flags; /* likewise */
};

static const struct call_row call_rows[] = {
    {IN_SYN_SENT, 0, -ENOTCONN, -ENOTCONN, TCP_SYN_SENT, 0, 0},
    {IN_SYN_RECEIVED_ACTIVE, 0, -EAGAIN, 0, TCP_SYN_RECEIVED, 0, TCP_RST | TCP_ACK},
    {IN_ESTABLISHED, 0, -EAGAIN, 0, TCP_FIN_WAIT_1, TCP_FIN | TCP_ACK | TCP_PSH, TCP_RST | TCP_ACK},
    {IN_FIN_WAIT_1, -EPIPE, -EAGAIN, 0, TCP_FIN_WAIT_1, 0, TCP_RST | TCP_ACK},
    {IN_FIN_WAIT_2, -EPIPE, -EAGAIN, 0, TCP_FIN_WAIT_2, 0, TCP_RST | TCP_ACK},
    {IN_CLOSE_WAIT, 0, 0, 0, TCP_LAST_ACK, TCP_FIN | TCP_ACK | TCP_PSH, TCP_RST | TCP_ACK},
    {IN_CLOSING, -EPIPE, 0, 0, TCP_CLOSING, 0, TCP_RST | TCP_ACK},
    {IN_LAST_ACK, -EPIPE, 0, 0, TCP_LAST_ACK, 0, TCP_RST | TCP_ACK},
    {IN_TIME_WAIT, -EPIPE, 0, 0, TCP_TIME_WAIT, 0, 0},
};

static void expect_flags(struct scene *sc, uint8_t flags)
{
    struct tcp_seg r;

    if (flags == 0) {
        peer_take_none(sc->th);
        return;
    }
    peer_take_one(sc->th, &r);
    assert_int_equal(r.flags & ~TCP_PSH, flags & ~TCP_PSH);
}

static void calls__in_each_state(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(call_rows); i++) {
        const struct call_row *row = &call_rows[i];
        struct scene sc = scene_new(row->start);

        assert_int_equal(sock_read(sc.s, sc.th), row->recv);
        assert_int_equal(sock_send(sc.th, sc.s, TEXT), row->send == 0 ? TEXT : row->send);
        scene_free(&sc);
        sc = scene_new(row->start);
        assert_int_equal(tcp_shutdown(sc.s->c), row->shutdown);
        assert_int_equal(sc.s->c->state, row->shut);
        expect_flags(&sc, row->shut_flags);
        assert_int_equal(tcp_shutdown(sc.s->c), row->shutdown); /* a second time changes nothing */
        assert_int_equal(sc.s->c->state, row->shut);
        peer_take_none(sc.th);
        scene_free(&sc);
        sc = scene_new(row->start);
        sock_abort(sc.s);
        sc.s = NULL;
        expect_flags(&sc, row->abort_flags);
        assert_int_equal(tcp_count(sc.th->t), 0);
        scene_free(&sc);
    }
}

int main(void)
{
#define STATE_ENTRY(name, start) cmocka_unit_test(name),
    const struct CMUnitTest tests[] = {STATE_TESTS(STATE_ENTRY) cmocka_unit_test(calls__in_each_state)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
