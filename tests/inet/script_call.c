/* SPDX-License-Identifier: MIT */
/* What a script calls and asks but for UDP: configuration, TCP, addresses and routes, counters. */
#include "script.h"

#include <errno.h>
#include <stdio.h>

/* ---- the host ---- */

void script_begin(struct play *p)
{
    static const struct {
        struct inet_addr addr;
        uint8_t last;
    } known[] = {{{{{[10] = 0xff, 0xff, 10, 0, 0, PEER}}}, PEER},
                 {{{{0xfd, [15] = PEER}}}, PEER},
                 {{{{[10] = 0xff, 0xff, 10, 0, 0, 254}}}, 0xfe},
                 {{{{0xfd, [15] = 0xfe}}}, 0xfe},
                 {{{{0xfe, 0x80, [15] = PEER}}}, PEER}};
    struct inet_addr six = SCRIPT_HOST6;
    struct host *h;

    if (p->th != NULL)
        return;
    h = p->announces ? host_new_loud(1, &p->inet) : host_new_config(1, &p->inet);
    h->in->env.offload = p->offload;
    p->th = tcp_host_on(h, &p->cfg);
    p->th->v6 = p->v6;
    script_udp_begin(p);
    if (p->inet.mtu >= IP_MTU_MIN6)
        assert_int_equal(inet_addr_add(h->in, &six, 64), 0);
    if (!p->announces)
        h->first = h->last;
    for (unsigned i = 0; i < ARRAY_LEN(known) && !p->strangers; i++)
        assert_int_equal(inet_neigh_add(h->in, &known[i].addr, (uint8_t[]){2, 0, 0, 0, 0, known[i].last}), 0);
}

void script_end(struct play *p)
{
    if (p->th == NULL)
        return;
    if (p->s != NULL)
        sock_abort(p->s);
    script_udp_end(p);
    tcp_host_free(p->th);
    p->th = NULL;
}

#define TCP_FIELD(name, unit)                                                                                          \
    {                                                                                                                  \
#name, offsetof(struct tcp_config, name), sizeof(((struct tcp_config *)0)->name), unit                         \
    }
#define INET_FIELD(name, unit)                                                                                         \
    {                                                                                                                  \
#name, offsetof(struct inet_config, name), sizeof(((struct inet_config *)0)->name), unit                       \
    }

struct config_field {
    const char *name;
    size_t offset, size;
    uint64_t unit;
};

static const struct config_field tcp_fields[] = {
    TCP_FIELD(conns, 1),
    TCP_FIELD(orphans, 1),
    TCP_FIELD(time_waits, 1),
    TCP_FIELD(sndbuf, 1),
    TCP_FIELD(sndbuf_max, 1),
    TCP_FIELD(rcvbuf, 1),
    TCP_FIELD(rcvbuf_max, 1),
    TCP_FIELD(initial_segments, 1),
    TCP_FIELD(burst, 1),
    TCP_FIELD(ecn, 1),
    TCP_FIELD(timestamps, 1),
    TCP_FIELD(sack, 1),
    TCP_FIELD(cc, 1),
    TCP_FIELD(port_low, 1),
    TCP_FIELD(port_high, 1),
    TCP_FIELD(half_open, 1),
    TCP_FIELD(rto_min_ns, NS_PER_MS),
    TCP_FIELD(delack_ns, NS_PER_MS),
    TCP_FIELD(time_wait_ns, NS_PER_MS),
    TCP_FIELD(connect_ns, NS_PER_MS),
    TCP_FIELD(user_timeout_ns, NS_PER_MS),
    TCP_FIELD(fin_wait_ns, NS_PER_MS),
    TCP_FIELD(keep_idle_ns, NS_PER_MS),
    TCP_FIELD(keep_interval_ns, NS_PER_MS),
    TCP_FIELD(keep_count, 1),
};

static const struct config_field inet_fields[] = {
    INET_FIELD(mtu, 1),         INET_FIELD(vlan, 1),
    INET_FIELD(neighbours, 1),  INET_FIELD(neigh_reach_ns, NS_PER_MS),
    INET_FIELD(udp_sockets, 1), INET_FIELD(udp_queue, 1),
};

static bool set_field(struct play *p, const struct config_field *f, unsigned n, const char *name, void *cfg)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(f[i].name, name) == 0) {
            uint64_t v = script_number(p) * f[i].unit;

            memcpy((char *)cfg + f[i].offset, &v, f[i].size); /* little-endian: the low bytes */
            return true;
        }
    return false;
}

bool script_config(struct play *p, const char *word)
{
    const char *name;

    if (strcmp(word, "strangers") == 0) {
        p->strangers = true;
    } else if (strcmp(word, "loud") == 0) {
        p->announces = true;
    } else if (strcmp(word, "ipv6") == 0) {
        p->v6 = true;
    } else if (strcmp(word, "offload") == 0) {
        p->offload = script_take(p, "tso") ? INET_TX_CSUM | INET_TX_TSO : INET_TX_CSUM;
    } else if (strcmp(word, "config") == 0) {
        name = script_word(p);
        if (!set_field(p, tcp_fields, ARRAY_LEN(tcp_fields), name, &p->cfg) &&
            !set_field(p, inet_fields, ARRAY_LEN(inet_fields), name, &p->inet))
            PLAY_FAIL(p, "\"%s\" is no field of the configuration", name);
    } else {
        return false;
    }
    if (p->th != NULL)
        PLAY_FAIL(p, "the host has begun");
    return true;
}

/* ---- TCP ---- */

static struct sock *need_sock(struct play *p)
{
    if (p->s == NULL)
        PLAY_FAIL(p, "there is no connection yet");
    return p->s;
}

static void call_send(struct play *p)
{
    uint32_t len = script_number(p);
    int64_t did = sock_send(p->th, need_sock(p), len), want = len;

    if (script_take(p, "=")) {
        const char *word = script_word(p);

        want = word[0] == 'E' ? -script_errno(p, word) : (int64_t)script_number_of(p, word);
    }
    if (did != want)
        PLAY_FAIL(p, "send" EXPECTED("%lld", "%lld"), (long long)want, (long long)did);
}

static void call_read(struct play *p)
{
    int64_t did = sock_read(need_sock(p), p->th), want = -EAGAIN;

    if (script_take(p, "=")) {
        const char *word = script_word(p);

        want = strcmp(word, "eof") == 0 ? 0 : strcmp(word, "again") == 0 ? -EAGAIN : -script_errno(p, word);
    }
    if (did != want)
        PLAY_FAIL(p, "the last read" EXPECTED("%lld", "%lld"), (long long)want, (long long)did);
}

/* Bytes that were read so far: the pattern, and no more of it. */
static void call_got(struct play *p)
{
    const struct sock *s = need_sock(p);
    uint32_t len = script_number(p);

    COMPARE(p, "the bytes that the application got", s->got_len, len);
    for (uint32_t i = 0; i < len; i++)
        COMPARE(p, "a byte that the application got", s->got[i], pattern_at(i));
}

static void call_set(struct play *p)
{
    static const char *const names[] = {
#define NAME(name, what) #name,
        TCP_OPTION_LIST(NAME)
#undef NAME
    };
    const char *name = script_word(p);

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0) {
            char *end;
            int64_t value = strtoll(script_word(p), &end, 0);
            int err = p->s == NULL && p->th->l != NULL ? tcp_listener_set_option(p->th->l, (enum tcp_option)i, value)
                                                       : tcp_set_option(need_sock(p)->c, (enum tcp_option)i, value);

            COMPARE(p, "the errno of set", -err, script_result(p));
            return;
        }
    PLAY_FAIL(p, "\"%s\" is no option", name);
}

static void call_accept(struct play *p)
{
    bool none = script_take(p, "none");
    struct sock *s = sock_accept(p->th);

    if ((s == NULL) != none)
        PLAY_FAIL(p, "accept" EXPECTED("%s", "%s"), none ? "nothing" : "a connection",
                  s == NULL ? "nothing" : "a connection");
    if (s != NULL && p->s != NULL)
        sock_abort(p->s);
    if (s != NULL)
        p->s = s;
}

static void call_connect(struct play *p)
{
    struct inet_addr to = script_addr(p, "peer", p->v6);
    int err = 0, want;

    if (p->at < p->words && p->word[p->at][0] != '=')
        to = script_addr_any(p, script_word(p));
    want = script_result(p);
    p->s = sock_try_connect(p->th, &to, PEER_PORT, &err);
    COMPARE(p, "the errno of connect", p->s == NULL ? -err : 0, want);
}

static void let_go(struct play *p, bool abort)
{
    struct sock *s = need_sock(p);

    p->s = NULL;
    if (abort)
        sock_abort(s);
    else
        sock_close(s);
}

bool script_tcp_call(struct play *p, const char *word)
{
    script_begin(p);
    if (strcmp(word, "listen") == 0) {
        tcp_host_listen(p->th, HOST_PORT, p->at < p->words ? script_number(p) : 16);
    } else if (strcmp(word, "connect") == 0) {
        call_connect(p);
    } else if (strcmp(word, "accept") == 0) {
        call_accept(p);
    } else if (strcmp(word, "send") == 0) {
        call_send(p);
    } else if (strcmp(word, "read") == 0) {
        call_read(p);
    } else if (strcmp(word, "want") == 0) {
        need_sock(p)->want = script_number(p);
    } else if (strcmp(word, "got") == 0) {
        call_got(p);
    } else if (strcmp(word, "close") == 0 || strcmp(word, "abort") == 0) {
        let_go(p, word[0] == 'a');
    } else if (strcmp(word, "shutdown") == 0) {
        assert_int_equal(tcp_shutdown(need_sock(p)->c), 0);
    } else if (strcmp(word, "deaf") == 0) {
        tcp_shutdown_read(need_sock(p)->c);
    } else if (strcmp(word, "unlisten") == 0) {
        tcp_unlisten(p->th->l);
        p->th->l = NULL;
    } else if (strcmp(word, "set") == 0) {
        call_set(p);
    } else {
        return false;
    }
    return true;
}

/* ---- addresses, routes, neighbours, trouble ---- */

static struct inet_addr prefix_of(struct play *p, unsigned *bits)
{
    char text[64];
    char *slash;
    struct inet_addr a;

    snprintf(text, sizeof(text), "%s", script_word(p));
    slash = strchr(text, '/');
    if (slash == NULL)
        PLAY_FAIL(p, "\"%s\" has no prefix", text);
    *slash = '\0';
    *bits = script_number_of(p, slash + 1);
    a = script_addr_any(p, text);
    return a;
}

static int call_table(struct play *p, const char *word)
{
    struct inet *in = p->th->h->in;
    bool remove = script_take(p, "-");
    struct inet_addr a, b;
    unsigned bits;
    uint8_t mac[6];

    if (strcmp(word, "neigh") == 0) {
        a = script_addr_any(p, script_word(p));
        script_mac(p, script_word(p), mac);
        return inet_neigh_add(in, &a, mac);
    }
    a = prefix_of(p, &bits);
    if (strcmp(word, "addr") == 0)
        return remove ? inet_addr_remove(in, &a) : inet_addr_add(in, &a, bits);
    if (remove)
        return inet_route_remove(in, &a, bits);
    b = script_addr_any(p, script_word(p));
    return inet_route_add(in, &a, bits, &b);
}

bool script_inet_call(struct play *p, const char *word)
{
    script_begin(p);
    if (strcmp(word, "addr") == 0 || strcmp(word, "route") == 0 || strcmp(word, "neigh") == 0) {
        int err = call_table(p, word);

        COMPARE(p, "the errno", -err, script_result(p));
    } else if (strcmp(word, "poll") == 0) {
        while (inet_poll(p->th->h->in) > 0)
            continue;
    } else if (strcmp(word, "fail") == 0) {
        p->th->h->fail_after = script_number(p);
    } else if (strcmp(word, "full") == 0) {
        p->th->h->full = script_number(p);
    } else {
        return false;
    }
    return true;
}

/* ---- questions ---- */

static void check_told(struct play *p, const char *what, unsigned times, int err)
{
    int want = p->at < p->words ? script_errno(p, script_word(p)) : 0;

    if (times == 0)
        PLAY_FAIL(p, "\"%s\"" EXPECTED("it was told", "nobody was told"), what);
    COMPARE(p, what, err, want);
}

static void check_state(struct play *p)
{
    static const char *const names[] = {"CLOSED",      "LISTEN",     "SYN_SENT",   "SYN_RECEIVED",
                                        "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",
                                        "CLOSING",     "LAST_ACK",   "TIME_WAIT"};
    const char *want = script_word(p);
    struct tcp_info info;

    tcp_get_info(need_sock(p)->c, &info);
    if (strcmp(names[info.state], want) != 0)
        PLAY_FAIL(p, "the state" EXPECTED("%s", "%s"), want, names[info.state]);
}

static void check_count(struct play *p)
{
    const char *name = script_word(p);

    for (unsigned i = 0; i < COUNTER_MAX; i++)
        if (strcmp(counter_name((enum counter)i), name) == 0) {
            COMPARE(p, name, p->th->h->count[i], script_number(p));
            return;
        }
    PLAY_FAIL(p, "\"%s\" is no counter", name);
}

static void check_info(struct play *p)
{
    const char *name = script_word(p);
    struct tcp_info i;

    tcp_get_info(need_sock(p)->c, &i);
    {
        const struct {
            const char *name;
            uint64_t value;
        } values[] = {{"cwnd", i.cwnd},
                      {"ssthresh", i.ssthresh},
                      {"mss", i.mss},
                      {"flight", i.flight},
                      {"recovering", i.recovering},
                      {"ecn", i.ecn},
                      {"sack", i.sack},
                      {"timestamps", i.timestamps},
                      {"snd_wscale", i.snd_wscale},
                      {"rcv_wscale", i.rcv_wscale},
                      {"snd_wnd", i.snd_wnd},
                      {"rcvbuf", i.rcvbuf},
                      {"sndbuf", i.sndbuf},
                      {"unsent", i.unsent},
                      {"unread", i.unread},
                      {"retransmits", i.retransmits},
                      {"rto_ms", i.rto_ns / NS_PER_MS},
                      {"srtt_ms", i.srtt_ns / NS_PER_MS},
                      {"min_rtt_ms", i.min_rtt_ns / NS_PER_MS}};

        for (unsigned n = 0; n < ARRAY_LEN(values); n++)
            if (strcmp(values[n].name, name) == 0) {
                COMPARE(p, name, values[n].value, script_number(p));
                return;
            }
    }
    PLAY_FAIL(p, "\"%s\" is nothing that a connection tells", name);
}

bool script_check(struct play *p, const char *word)
{
    if (strcmp(word, "connected") == 0)
        check_told(p, word, need_sock(p)->connected, p->s->connect_err);
    else if (strcmp(word, "ended") == 0)
        check_told(p, word, need_sock(p)->ended, p->s->end_err);
    else if (strcmp(word, "going") == 0)
        COMPARE(p, "it ended", need_sock(p)->ended, 0);
    else if (strcmp(word, "state") == 0)
        check_state(p);
    else if (strcmp(word, "count") == 0)
        check_count(p);
    else if (strcmp(word, "info") == 0)
        check_info(p);
    else
        return false;
    return true;
}
