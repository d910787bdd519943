/* SPDX-License-Identifier: MIT */
/* The segments of TCP that a script says. */
#include "script.h"

#include <stdio.h>

#define FLAG_LETTERS "FSRP.UEC"

/* What a script says of a segment, and what it leaves open. */
struct said {
    struct tcp_seg seg;
    bool ack, win, any_ts, ts, tos_said, exact;
    uint8_t tos;
    unsigned times;
    uint32_t len;
};

struct script_flow *script_flow(struct play *p, uint16_t peer_port)
{
    for (unsigned i = 0; i < FLOWS_MAX; i++) {
        struct script_flow *f = &p->flow[i];

        if (f->peer_port == 0)
            *f = (struct script_flow){.peer_port = peer_port, .host_port = HOST_PORT};
        if (f->peer_port == peer_port)
            return f;
    }
    PLAY_FAIL(p, "more than %d ports of the peer", FLOWS_MAX);
    return NULL;
}

static uint8_t flags_of(struct play *p, const char *text)
{
    uint8_t flags = 0;

    for (; *text != '\0'; text++) {
        const char *at = strchr(FLAG_LETTERS, *text);

        if (at == NULL)
            PLAY_FAIL(p, "'%c' is no flag", *text);
        flags |= (uint8_t)(1u << (at - FLAG_LETTERS));
    }
    return flags;
}

static const char *flags_text(uint8_t flags)
{
    static char text[2][9];
    static unsigned turn;
    char *to = text[turn++ % 2];
    unsigned n = 0;

    for (unsigned i = 0; i < 8; i++)
        if ((flags & 1u << i) != 0)
            to[n++] = FLAG_LETTERS[i];
    to[n] = '\0';
    return to;
}

static void read_sack(struct play *p, struct tcp_seg *s, uint32_t base)
{
    s->opts |= TCP_OPT_SACK;
    while (p->at < p->words && s->sack_count < TCP_SACK_MAX) {
        unsigned from, to;

        if (sscanf(p->word[p->at], "%u-%u", &from, &to) != 2)
            break;
        s->sack[s->sack_count++] = (struct tcp_block){base + from, base + to};
        p->at++;
    }
}

/* Options that take a word of their own in the segment. False: word is none. */
static bool read_option(struct play *p, struct said *d, uint32_t ack_base)
{
    struct tcp_seg *s = &d->seg;

    if (script_take(p, "mss")) {
        s->opts |= TCP_OPT_MSS;
        s->mss = (uint16_t)script_number(p);
    } else if (script_take(p, "ws")) {
        s->opts |= TCP_OPT_WSCALE;
        s->wscale = (uint8_t)script_number(p);
    } else if (script_take(p, "sackok")) {
        s->opts |= TCP_OPT_SACK_OK;
    } else if (script_take(p, "sack")) {
        read_sack(p, s, ack_base);
    } else if (script_take(p, "uto")) {
        s->opts |= TCP_OPT_USER_TIMEOUT;
        s->user_timeout = (uint16_t)script_number(p);
    } else if (script_take(p, "ts")) {
        s->opts |= TCP_OPT_TS;
        d->ts = true;
        d->any_ts = script_take(p, "*");
        if (!d->any_ts)
            s->ts_val = script_number(p);
        s->ts_ecr = script_number(p);
    } else {
        return false;
    }
    return true;
}

static void read_rest(struct play *p, struct said *d, uint32_t ack_base)
{
    struct tcp_seg *s = &d->seg;

    while (p->at < p->words) {
        if (script_take(p, "ack")) {
            s->ack = ack_base + script_number(p);
            d->ack = true;
        } else if (script_take(p, "win")) {
            s->window = (uint16_t)script_number(p);
            d->win = true;
        } else if (script_take(p, "tos")) {
            d->tos = (uint8_t)script_number(p);
            d->tos_said = true;
        } else if (script_take(p, "times")) {
            d->times = script_number(p);
        } else if (script_take(p, "from") || script_take(p, "to")) {
            script_number(p); /* port_of has read it */
        } else if (script_take(p, "only")) {
            d->exact = true;
        } else if (!read_option(p, d, ack_base)) {
            PLAY_FAIL(p, "\"%s\" says nothing of a segment", p->word[p->at]);
        }
    }
}

/* The port behind "from" or "to" in the line, or the default. */
static uint16_t port_of(struct play *p, const char *word, uint16_t otherwise)
{
    for (unsigned i = p->at; i + 1 < p->words; i++)
        if (strcmp(p->word[i], word) == 0)
            return (uint16_t)script_number_of(p, p->word[i + 1]);
    return otherwise;
}

static struct said read_segment(struct play *p, uint32_t seq_base, uint32_t ack_base)
{
    struct said d = {.seg = {.flags = flags_of(p, script_word(p)), .window = PEER_WND}, .times = 1};
    const char *place = script_word(p);
    unsigned seq, len = 0;

    if (sscanf(place, "%u+%u", &seq, &len) < 1)
        PLAY_FAIL(p, "\"%s\" is no sequence number", place);
    d.seg.seq = seq_base + seq;
    d.seg.data_len = d.len = len;
    read_rest(p, &d, ack_base);
    return d;
}

void script_inject(struct play *p)
{
    uint16_t from = port_of(p, "from", PEER_PORT);
    struct script_flow *f;
    struct said d;

    script_begin(p);
    f = script_flow(p, from);
    d = read_segment(p, PEER_ISN, f->iss);
    if ((d.seg.flags & TCP_ACK) != 0 && !d.ack)
        PLAY_FAIL(p, "an ACK without a number");
    p->th->send_tos = d.tos;
    for (unsigned i = 0; i < d.times; i++) {
        struct tcp_seg s = d.seg;

        s.seq += i * d.len;
        s.src_port = from;
        s.dst_port = port_of(p, "to", f->host_port);
        peer_send(p->th, &s, NULL, s.data_len);
    }
}

static void compare_options(struct play *p, const struct said *d, const struct tcp_seg *got)
{
    const struct tcp_seg *want = &d->seg;

    if ((want->opts & ~got->opts) != 0 || (d->exact && want->opts != got->opts))
        PLAY_FAIL(p, "the options" EXPECTED("%02x", "%02x"), want->opts, got->opts);
    if ((want->opts & TCP_OPT_MSS) != 0)
        COMPARE(p, "the MSS", got->mss, want->mss);
    if ((want->opts & TCP_OPT_WSCALE) != 0)
        COMPARE(p, "the window scale", got->wscale, want->wscale);
    if ((want->opts & TCP_OPT_USER_TIMEOUT) != 0)
        COMPARE(p, "the user timeout", got->user_timeout, want->user_timeout);
    if (d->ts && !d->any_ts)
        COMPARE(p, "the time stamp", got->ts_val, want->ts_val);
    if (d->ts)
        COMPARE(p, "the echo", got->ts_ecr, want->ts_ecr);
    if ((want->opts & TCP_OPT_SACK) == 0)
        return;
    COMPARE(p, "the number of SACK blocks", got->sack_count, want->sack_count);
    for (unsigned i = 0; i < want->sack_count; i++) {
        COMPARE(p, "a SACK block's start", got->sack[i].start - PEER_ISN, want->sack[i].start - PEER_ISN);
        COMPARE(p, "a SACK block's end", got->sack[i].end - PEER_ISN, want->sack[i].end - PEER_ISN);
    }
}

/* The oldest frame that was sent is a segment for the peer. */
static void take_segment(struct play *p, struct tcp_seg *got, const uint8_t **data)
{
    struct host *h = p->th->h;
    const struct sent *s = h->first == h->last ? NULL : &h->sent[h->first % SENT_MAX];
    uint16_t type = p->v6 ? ETHERTYPE_6 : ETHERTYPE_4;
    unsigned link;

    p->frame = s;
    if (s == NULL)
        PLAY_FAIL(p, "a segment" EXPECTED("%s", "the host sent nothing"), p->shown);
    link = peer_link_bytes(p->th);
    if (get16(s->bytes + link - 2) != type || s->bytes[link + (p->v6 ? 6 : 9)] != IPPROTO_TCP)
        PLAY_FAIL(p, "a segment" EXPECTED("%s", "another frame"), p->shown);
    peer_take(p->th, got, data);
}

static void compare_segment(struct play *p, const struct said *d, const struct tcp_seg *got, struct script_flow *f)
{
    const struct tcp_seg *want = &d->seg;

    if (((want->flags ^ got->flags) & (uint8_t)~TCP_PSH) != 0)
        PLAY_FAIL(p, "the flags" EXPECTED("%s", "%s (seq %u, ack %u, %u bytes)"), flags_text(want->flags),
                  flags_text(got->flags), got->seq - f->iss, got->ack - PEER_ISN, got->data_len);
    COMPARE(p, "the sequence number", got->seq - f->iss, want->seq - f->iss);
    COMPARE(p, "the length", got->data_len, want->data_len);
    if (d->ack)
        COMPARE(p, "the acknowledgement", got->ack - PEER_ISN, want->ack - PEER_ISN);
    if (d->win)
        COMPARE(p, "the window", got->window, want->window);
    if (d->tos_said)
        COMPARE(p, "the type of service", p->th->got_tos, d->tos);
    compare_options(p, d, got);
}

void script_expect(struct play *p)
{
    uint16_t to = port_of(p, "to", PEER_PORT);
    struct script_flow *f;
    const uint8_t *data;
    struct tcp_seg got;
    struct said d;

    script_begin(p);
    take_segment(p, &got, &data);
    COMPARE(p, "the peer's port", got.dst_port, to);
    f = script_flow(p, to);
    if ((got.flags & TCP_SYN) != 0 && !f->have_iss) {
        f->iss = got.seq;
        f->have_iss = true;
        f->host_port = got.src_port;
    }
    d = read_segment(p, f->iss, PEER_ISN);
    for (unsigned i = 0; i < d.times; i++) {
        if (i > 0)
            take_segment(p, &got, &data);
        compare_segment(p, &d, &got, f);
        for (uint32_t n = 0; n < got.data_len; n++)
            COMPARE(p, "a byte of the stream", data[n], pattern_at(got.seq - f->iss - 1 + n));
        d.seg.seq += d.len;
    }
}
