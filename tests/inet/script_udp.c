/* SPDX-License-Identifier: MIT */
/*
 * Datagrams of a script's application: udp N (of 0 to 3) and a verb. What is sent is the pattern; what arrives must be.
 */
#include "script.h"

#include <errno.h>

static bool deliver(void *ctx, const struct udp_datagram *d)
{
    struct script_udp *u = ctx;

    if (u->queues)
        return false;
    if (u->came > 0)
        mem_unref(&u->p->th->h->mem, u->last.obj);
    u->came++;
    u->last = *d;
    return true;
}

static void failed(void *ctx, int err)
{
    ((struct script_udp *)ctx)->failed = err;
}

void script_udp_begin(struct play *p)
{
    static const struct udp_upcalls up = {deliver, failed};
    int err;

    p->udp = udp_new(p->th->h->in, &up, &err);
    assert_non_null(p->udp);
}

static struct script_udp *socket_of(struct play *p)
{
    uint32_t n = script_number(p);
    struct script_udp *u;

    if (n >= SOCKETS_MAX)
        PLAY_FAIL(p, "there are %d sockets", SOCKETS_MAX);
    script_begin(p);
    u = &p->socket[n];
    u->p = p;
    if (u->s == NULL)
        u->s = udp_open(p->udp, u);
    if (u->s == NULL)
        PLAY_FAIL(p, "a socket" EXPECTED("one", "all are taken"));
    return u;
}

static void same_result(struct play *p, const char *what, int err)
{
    int want = script_result(p);

    if (-err != want)
        PLAY_FAIL(p, "%s" EXPECTED("errno %d", "%d"), what, want, -err);
}

static struct inet_end end_of(struct play *p)
{
    struct inet_end e;

    e.addr = script_addr_any(p, script_word(p));
    e.port = (uint16_t)script_number(p);
    return e;
}

static void call_send(struct play *p, struct script_udp *u)
{
    uint32_t len = script_number(p);
    char *obj = mem_alloc(&p->th->h->mem, len + 1, 1);
    struct inet_end to;
    bool given = script_take(p, "to");
    int err;

    if (given)
        to = end_of(p);
    for (uint32_t i = 0; i < len; i++)
        obj[i] = (char)pattern_at(i);
    err = udp_send(u->s, obj, obj, len, given ? &to : NULL);
    mem_unref(&p->th->h->mem, obj);
    same_result(p, "udp_send", err);
}

/* got LEN [from ADDRESS PORT] [at ADDRESS]: the oldest datagram. */
static void call_got(struct play *p, struct script_udp *u)
{
    uint32_t len = script_number(p);
    struct udp_datagram d = u->last;

    if (u->came == 0 && !udp_recv(u->s, &d))
        PLAY_FAIL(p, "a datagram" EXPECTED("%u bytes", "none"), len);
    u->came = 0;
    COMPARE(p, "the datagram's length", d.len, len);
    for (uint32_t i = 0; i < len; i++)
        COMPARE(p, "a byte of the datagram", (uint8_t)d.ptr[i], pattern_at(i));
    mem_unref(&p->th->h->mem, d.obj);
    if (script_take(p, "from")) {
        struct inet_end from = end_of(p);

        if (!inet_addr_equal(&d.from.addr, &from.addr))
            PLAY_FAIL(p, "the datagram's source" EXPECTED("another", "%u.%u.%u.%u"), d.from.addr.b[12],
                      d.from.addr.b[13], d.from.addr.b[14], d.from.addr.b[15]);
        COMPARE(p, "the datagram's source port", d.from.port, from.port);
    }
    if (script_take(p, "at")) {
        struct inet_addr at = script_addr_any(p, script_word(p));

        COMPARE(p, "it came to this address", inet_addr_equal(&d.to, &at), true);
    }
}

static void call_none(struct play *p, struct script_udp *u)
{
    struct udp_datagram d;

    if (u->came == 0 && !udp_recv(u->s, &d))
        return;
    PLAY_FAIL(p, "a datagram" EXPECTED("none", "one of %u bytes"), u->came > 0 ? u->last.len : d.len);
}

static void call_failed(struct play *p, struct script_udp *u)
{
    int want = p->at < p->words ? script_errno(p, script_word(p)) : 0;

    COMPARE(p, "the error that the socket was told", u->failed, want);
    u->failed = 0;
}

static void call_close(struct script_udp *u)
{
    udp_close(u->s);
    u->s = NULL;
}

bool script_udp_call(struct play *p, const char *word)
{
    struct script_udp *u;
    struct inet_end end;
    const char *verb;

    if (strcmp(word, "udp") != 0)
        return false;
    u = socket_of(p);
    verb = script_word(p);
    if (strcmp(verb, "bind") == 0 || strcmp(verb, "connect") == 0) {
        end = end_of(p);
        same_result(p, verb, verb[0] == 'b' ? udp_bind(u->s, &end) : udp_connect(u->s, &end));
    } else if (strcmp(verb, "send") == 0) {
        call_send(p, u);
    } else if (strcmp(verb, "got") == 0) {
        call_got(p, u);
    } else if (strcmp(verb, "none") == 0) {
        call_none(p, u);
    } else if (strcmp(verb, "queue") == 0) {
        u->queues = true;
    } else if (strcmp(verb, "failed") == 0) {
        call_failed(p, u);
    } else if (strcmp(verb, "dropped") == 0) {
        COMPARE(p, "datagrams that the socket dropped", udp_dropped(u->s), script_number(p));
    } else if (strcmp(verb, "close") == 0) {
        call_close(u);
    } else {
        PLAY_FAIL(p, "\"%s\" is nothing that a socket does", verb);
    }
    return true;
}

void script_udp_end(struct play *p)
{
    for (unsigned i = 0; i < SOCKETS_MAX; i++)
        if (p->socket[i].s != NULL && p->socket[i].came > 0)
            mem_unref(&p->th->h->mem, p->socket[i].last.obj);
    if (p->udp != NULL)
        udp_free(p->udp);
    p->udp = NULL;
}
