/* SPDX-License-Identifier: MIT */
/* The network on which our stack meets lwIP, time, and what must hold in the end. */
#include "meet.h"

#include "netdev/pcap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX   3000000
#define TIME_MAX_NS (7200 * NS_PER_S) /* of virtual time, for all that is to be said */
#define REST_NS     (900 * NS_PER_S)  /* in which all connections must have come to an end */
#define BYTES_MAX   60000
#define MANY_BYTES  300000
#define PAUSE_NS    (50 * NS_PER_MS)
#define WHISPER_MAX 4000 /* bytes of datagrams and pings: fragments */

uint64_t meet_draw(struct meet *m, uint64_t n)
{
    uint64_t z = m->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static bool chance(struct meet *m, unsigned percent)
{
    return meet_draw(m, 100) < percent;
}

bool meet_fail(struct meet *m, const char *fmt, ...)
{
    va_list ap;

    if (m->text[0] != '\0')
        return false;
    va_start(ap, fmt);
    vsnprintf(m->text, sizeof(m->text), fmt, ap);
    va_end(ap);
    return false;
}

/* --- bytes --- */

uint64_t meet_pause(struct meet *m)
{
    return 1 + meet_draw(m, PAUSE_NS) + 4 * (m->faults.delay_ns + m->faults.jitter_ns);
}

void meet_fill(uint8_t *to, uint8_t key, uint32_t at, uint32_t len)
{
    for (uint32_t i = at; i < at + len; i++)
        *to++ = (uint8_t)(i * 31 + (i >> 8) + (i >> 16) + key);
}

void meet_arrived(struct meet *m, struct talk *t, struct end *e, const uint8_t *bytes, uint32_t len)
{
    const char *who = e == &t->ours ? "us" : "lwIP";

    if (e->rx_got + len > e->rx_total) {
        meet_fail(m, "talk %u: %u bytes and more arrived at %s of %u", t->number, e->rx_got + len, who, e->rx_total);
        return;
    }
    for (uint32_t i = 0; i < len; i++) {
        uint8_t right = 0;

        meet_fill(&right, e->rx_key, e->rx_got + i, 1);
        if (bytes[i] != right) {
            meet_fail(m, "talk %u: byte %u that arrived at %s is wrong", t->number, e->rx_got + i, who);
            return;
        }
    }
    e->rx_got += len;
}

/*
 * lwIP 2.1.3 takes the more-fragments flag from the last but one fragment when what follows is shorter than the bytes
 * that rounding down to a multiple of eight left free. No message ends there.
 */
static bool lwip_would_cut_wrongly(const struct meet *m, uint32_t len)
{
    uint32_t room = m->mtu - 20u, last = (len + 8) % (room & ~UINT32_C(7));

    return !m->v6 && len + 8 > room && last > 0 && last <= room % 8;
}

/*
 * Three messages may be on their way to lwIP at a time, which keeps ten fragments; and it loses packets of IPv6 whose
 * fragments arrive in certain orders (the last, the first, the third, the second), so none
 * are sent where all must arrive. Where bits are inverted there is one a message: two of them can cancel out in its
 * sum.
 */
static uint32_t whisper_max(const struct meet *m)
{
    if (m->faults.corrupt > 0 && m->mtu < IP_MTU_MIN6)
        return 500;
    if (m->mtu < IP_MTU_MIN6 || m->faults.corrupt > 0 || (m->clean && m->v6 && m->faults.jitter_ns > 0))
        return 1200;
    return m->mtu < 1500 ? 2400 : WHISPER_MAX;
}

uint32_t meet_whisper(struct meet *m, uint8_t *to, unsigned n, bool question)
{
    uint32_t len = 2 + (uint32_t)((m->seed * 77 + n * 1237) % (n % 3 == 0 ? whisper_max(m) : 400));

    if (lwip_would_cut_wrongly(m, len))
        len += 8;
    to[0] = question ? 'q' : 'a';
    to[1] = (uint8_t)n;
    meet_fill(to + 2, to[1], 0, len - 2);
    return len;
}

void meet_answered(struct meet *m, struct whisper *w, const uint8_t *bytes, uint32_t len)
{
    uint8_t right[WHISPER_MAX + 10];
    unsigned n = len > 1 ? bytes[1] : WHISPERS;

    if (n >= w->sent || meet_whisper(m, right, n, bytes[0] == 'q') != len || memcmp(bytes, right, len) != 0)
        meet_fail(m, "an answer of %u bytes, number %u, is wrong", len, n);
    else
        w->answered |= 1u << n;
}

/* --- chance --- */

static uint32_t draw_bytes(struct meet *m)
{
    switch (meet_draw(m, 10)) {
    case 0:
    case 1:
        return 0;
    case 2:
    case 3:
        return 1 + (uint32_t)meet_draw(m, 2000);
    case 4:
        return (uint32_t)meet_draw(m, MANY_BYTES); /* more than lwIP's window: a slow reader closes it */
    default:
        return (uint32_t)meet_draw(m, BYTES_MAX);
    }
}

static uint32_t ppm_up_to(struct meet *m, uint32_t max)
{
    return chance(m, 50) ? (uint32_t)meet_draw(m, max) : 0;
}

static void draw_network(struct meet *m)
{
    static const uint16_t mtus[] = {1500, 1500, 1500, 576, 1280, 9000};

    m->v6 = chance(m, 30);
    m->mtu = mtus[meet_draw(m, ARRAY_LEN(mtus))];
    if (m->v6 && m->mtu < IP_MTU_MIN6)
        m->mtu = 1500;
    m->faults = (struct sim_faults){
        .delay_ns = meet_draw(m, 4) == 0 ? meet_draw(m, 100 * NS_PER_MS) : meet_draw(m, 200 * NS_PER_US),
        .jitter_ns = chance(m, 40) ? meet_draw(m, NS_PER_MS) : 0,
    };
    m->clean = chance(m, 30);
    if (m->clean)
        return;
    if (chance(m, 30)) {
        m->faults.rate_bps = 1000000 + meet_draw(m, 1000000000);
        m->faults.queue_ns = NS_PER_MS + meet_draw(m, 50 * NS_PER_MS);
    }
    m->faults.loss = ppm_up_to(m, 80000);
    m->faults.duplicate = ppm_up_to(m, 80000);
    m->faults.reorder = ppm_up_to(m, 80000);
    m->faults.corrupt = ppm_up_to(m, 40000);
    m->faults.truncate = ppm_up_to(m, 40000);
    m->faults.no_buffer = ppm_up_to(m, 20000);
    m->faults.refuse = ppm_up_to(m, 20000);
}

static void draw_talk(struct meet *m, struct talk *t, unsigned number)
{
    struct end *o = &t->ours, *l = &t->theirs;

    *t = (struct talk){.number = number, .ours_opens = chance(m, 50)};
    o->qd = o->listener = -1;
    o->tx_total = l->rx_total = draw_bytes(m);
    o->rx_total = l->tx_total = draw_bytes(m);
    o->tx_key = l->rx_key = (uint8_t)meet_draw(m, 256);
    o->rx_key = l->tx_key = (uint8_t)meet_draw(m, 256);
    o->slow = chance(m, 20);
    l->slow = chance(m, 20);
    o->pop_max = chance(m, 25) ? 1 + (uint32_t)meet_draw(m, 2000) : 0;
    o->rcvbuf = chance(m, 25) ? 2048 + (uint32_t)meet_draw(m, 8000) : 0;
    o->leave_at = l->leave_at = NEVER;
    if (chance(m, 15)) {
        struct end *leaver = chance(m, 50) ? o : l;

        leaver->leave_at = (uint32_t)meet_draw(m, leaver->rx_total + 1);
        leaver->reset = chance(m, 50);
        t->rough = true;
    }
}

static void draw(struct meet *m)
{
    draw_network(m);
    m->talks = 1 + (unsigned)meet_draw(m, TALKS_MAX);
    for (unsigned i = 0; i < m->talks; i++)
        draw_talk(m, &m->talk[i], i);
    if (m->clean) /* all must be answered, and lwIP keeps few packets behind a resolution */
        m->pings.at_ns = m->questions.at_ns = m->answers.at_ns = SIM_START_NS + NS_PER_S;
    m->pings.total = (unsigned)meet_draw(m, WHISPERS);
    m->questions.total = (unsigned)meet_draw(m, WHISPERS);
    m->answers.total = (unsigned)meet_draw(m, WHISPERS);
}

/* --- the network --- */

static bool build(struct meet *m, uint64_t seed, const char *pcap)
{
    struct node_config cfg = {.memory = NODE_MEMORY};
    char why[NODE_TEXT] = "";
    int err = 0;

    *m = (struct meet){.seed = seed, .random = seed * 2 + 1, .udp_qd = -1};
    draw(m);
    m->net = sim_new(seed, &m->faults);
    cfg.mtu = m->mtu;
    cfg.v6 = m->v6;
    if (m->net == NULL || mem_init(&m->mem, 32 << 20, 1 << 20, false) != 0)
        return meet_fail(m, "no memory");
    if (pcap != NULL) {
        m->pcap = node_capture(m->net, pcap, "Caracal and lwIP", &err);
        if (m->pcap == NULL)
            return meet_fail(m, "%s: %s", pcap, strerror(-err));
    }
    cfg.pcap = m->pcap;
    if (!node_open(&m->node, m->net, &cfg, why))
        return meet_fail(m, "%s", why);
    if (m->pcap != NULL)
        (void)pcap_interface(m->pcap, "lwip");
    m->port = sim_port(m->net, &m->mem, m->mtu);
    if (m->port == NULL)
        return meet_fail(m, "no memory");
    return theirs_open(m);
}

static void take_down(struct meet *m)
{
    node_close(&m->node);
    if (m->net != NULL)
        sim_free(m->net);
    if (m->pcap != NULL)
        pcap_close(m->pcap);
    mem_fini(&m->mem);
}

/* --- time --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event(const struct meet *m)
{
    const struct whisper *const all[] = {&m->pings, &m->questions, &m->answers};
    uint64_t next = earlier(sim_next_ns(m->net), earlier(node_next_ns(&m->node), m->peer->next_ns()));

    for (unsigned i = 0; i < m->talks; i++) {
        const struct end *e[2] = {&m->talk[i].ours, &m->talk[i].theirs};

        for (unsigned k = 0; k < 2; k++) {
            if (!e[k]->closed && e[k]->wake_ns > meet_now(m))
                next = earlier(next, e[k]->wake_ns);
            if (!e[k]->closed && e[k]->give_up_ns > meet_now(m))
                next = earlier(next, e[k]->give_up_ns);
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->sent < all[i]->total)
            next = earlier(next, all[i]->at_ns);
    return next;
}

static bool turn_all(struct meet *m)
{
    bool busy;

    node_enter(&m->node);
    instance_turn(m->node.inst);
    busy = m->node.moved > 0;
    busy |= ours_step(m);
    busy |= theirs_step(m);
    return busy;
}

static void move_clock(struct meet *m, uint64_t to_ns)
{
    sim_advance(m->net, to_ns > meet_now(m) ? to_ns : meet_now(m) + 1);
    instance_look_at_clock(m->node.inst);
}

/* An end that the other never came to. */
static bool never_came(const struct end *e)
{
    return !e->open && !e->opening;
}

static bool over(const struct meet *m)
{
    for (unsigned i = 0; i < m->talks; i++) {
        const struct talk *t = &m->talk[i];
        const struct end *opener = t->ours_opens ? &t->ours : &t->theirs,
                         *other = t->ours_opens ? &t->theirs : &t->ours;

        if (!opener->closed || !(other->closed || never_came(other)))
            return false;
    }
    return m->pings.sent == m->pings.total && m->questions.sent == m->questions.total &&
           m->answers.sent == m->answers.total;
}

static bool stuck(struct meet *m, const char *how)
{
    char where[MEET_TEXT - 100] = "";
    size_t len = 0;

    for (unsigned i = 0; i < m->talks && len < sizeof(where); i++) {
        const struct talk *t = &m->talk[i];
        const struct end *o = &t->ours, *l = &t->theirs;

        len += (size_t)snprintf(where + len, sizeof(where) - len,
                                "; %u %s: ours sent %u/%u got %u/%u%s%s%s, lwIP sent %u/%u got %u/%u%s%s%s", t->number,
                                t->ours_opens ? "of us" : "of lwIP", o->tx_issued, o->tx_total, o->rx_got, o->rx_total,
                                o->eof ? " end" : "", o->shut ? " shut" : "", o->closed ? " closed" : "", l->tx_issued,
                                l->tx_total, l->rx_got, l->rx_total, l->eof ? " end" : "", l->shut ? " shut" : "",
                                l->closed ? " closed" : "");
    }
    return meet_fail(m, "stuck: %s%s", how, where);
}

static bool run(struct meet *m)
{
    uint64_t end_ns = meet_now(m) + TIME_MAX_NS;

    while (!over(m) && m->text[0] == '\0') {
        uint64_t next;

        if (++m->steps > STEPS_MAX)
            return stuck(m, "too many turns");
        if (turn_all(m))
            continue;
        next = next_event(m);
        if (next > end_ns)
            return stuck(m, "not over after two hours of the network's time");
        move_clock(m, next);
    }
    return m->text[0] == '\0';
}

/* What is left of closed connections comes to its end, on both sides; then every pool is as it was. */
static bool rest(struct meet *m)
{
    uint64_t end_ns = meet_now(m) + REST_NS, quiet_ns = meet_now(m) + NS_PER_S; /* for the last answers */
    char why[NODE_TEXT] = "";

    while (meet_now(m) < end_ns && m->text[0] == '\0') {
        if (++m->steps > 2 * STEPS_MAX)
            return meet_fail(m, "no rest after %d turns", 2 * STEPS_MAX);
        if (turn_all(m))
            continue;
        if (meet_now(m) >= quiet_ns && m->udp_qd >= 0)
            ours_stop(m);
        else if (meet_now(m) >= quiet_ns && m->peer->connections() == 0 && sim_next_ns(m->net) == UINT64_MAX &&
                 node_idle(&m->node, why))
            break;
        move_clock(m, earlier(next_event(m), end_ns));
    }
    if (m->peer->connections() != 0)
        return meet_fail(m, "lwIP still has %u connections", m->peer->connections());
    if (!node_idle(&m->node, why))
        return meet_fail(m, "%s", why);
    if (mem_bytes_used(&m->mem) != 0)
        return meet_fail(m, "lwIP's port still has memory");
    return m->text[0] == '\0';
}

/* --- judgement --- */

static bool error_is_known(int err)
{
    return err == ECONNRESET || err == ETIMEDOUT || err == EHOSTUNREACH || err == ENETUNREACH || err == ECONNREFUSED ||
           err == EPIPE;
}

static void judge_end(struct meet *m, const struct talk *t, const struct end *e)
{
    const char *who = e == &t->ours ? "ours" : "lwIP's";

    if (e == &t->ours && e->err != 0 && !error_is_known(e->err))
        meet_fail(m, "talk %u: an unexpected error: %s", t->number, strerror(e->err));
    if (t->rough)
        return;
    if (e->err != 0)
        meet_fail(m, "talk %u: %s failed: %d", t->number, who, e->err);
    else if (e->rx_got != e->rx_total || !e->eof)
        meet_fail(m, "talk %u: %u bytes of %u arrived at %s end, %s", t->number, e->rx_got, e->rx_total, who,
                  e->eof ? "and the end" : "and no end");
}

static bool judge(struct meet *m)
{
    const struct whisper *const all[] = {&m->pings, &m->questions, &m->answers};

    for (unsigned i = 0; i < m->talks; i++) {
        const struct talk *t = &m->talk[i];
        const struct end *opener = t->ours_opens ? &t->ours : &t->theirs;

        if (!m->clean && !opener->open && opener->err != 0)
            continue; /* all segments of a handshake, or what asks for a neighbour, may be lost */
        judge_end(m, t, &t->ours);
        judge_end(m, t, &t->theirs);
    }
    for (unsigned i = 0; i < ARRAY_LEN(all); i++)
        if (m->clean && all[i]->answered != (1u << all[i]->total) - 1)
            meet_fail(m, "%s: of %u messages %x were answered", i == 0 ? "pings" : "datagrams", all[i]->total,
                      all[i]->answered);
    return m->text[0] == '\0';
}

bool meet_run(struct meet *m, uint64_t seed, const char *pcap)
{
    bool good = build(m, seed, pcap) && ours_start(m) && theirs_start(m) && run(m) && rest(m) && judge(m);

    if (good)
        snprintf(m->text, sizeof(m->text), "%u talks, %s, mtu %u, %llu turns, %s", m->talks, m->v6 ? "IPv6" : "IPv4",
                 m->mtu, (unsigned long long)m->steps, m->clean ? "a clean network" : "faults");
    take_down(m);
    return good;
}
