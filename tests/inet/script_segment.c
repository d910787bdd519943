/* SPDX-License-Identifier: MIT */
/* A script's words, and the segments it says. */
#include "script.h"

#include <errno.h>
#include <stdio.h>

/* ---- words ---- */

const char *script_word(struct play *p)
{
    return p->at < p->words ? p->word[p->at++] : "";
}

bool script_take(struct play *p, const char *word)
{
    if (p->at == p->words || strcmp(p->word[p->at], word) != 0)
        return false;
    p->at++;
    return true;
}

uint32_t script_number_of(struct play *p, const char *text)
{
    char *end;
    unsigned long v = strtoul(text, &end, 0);

    if (*text == '\0' || *end != '\0')
        PLAY_FAIL(p, "\"%s\" is no number", text);
    return (uint32_t)v;
}

uint32_t script_number(struct play *p)
{
    return script_number_of(p, script_word(p));
}

int script_errno(struct play *p, const char *name)
{
    static const struct {
        const char *name;
        int err;
    } names[] = {{"0", 0},
                 {"ECONNREFUSED", ECONNREFUSED},
                 {"ECONNRESET", ECONNRESET},
                 {"ETIMEDOUT", ETIMEDOUT},
                 {"EHOSTUNREACH", EHOSTUNREACH},
                 {"ENETUNREACH", ENETUNREACH},
                 {"EPIPE", EPIPE},
                 {"EAGAIN", EAGAIN},
                 {"ENOTCONN", ENOTCONN}};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].err;
    PLAY_FAIL(p, "\"%s\" is no errno that a script knows", name);
    return 0;
}

/* ---- segments ---- */

static uint8_t flags_of(struct play *p, const char *text)
{
    static const char letters[] = "FSRP.UEC";
    uint8_t flags = 0;

    for (; *text != '\0'; text++) {
        const char *at = strchr(letters, *text);

        if (at == NULL)
            PLAY_FAIL(p, "'%c' is no flag", *text);
        flags |= (uint8_t)(1u << (at - letters));
    }
    return flags;
}

/* What a script says of a segment, and what it leaves open. */
struct said {
    struct tcp_seg seg;
    bool ack, win, any_ts, ts;
};

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

static void read_options(struct play *p, struct said *d, uint32_t ack_base)
{
    struct tcp_seg *s = &d->seg;

    while (p->at < p->words) {
        if (script_take(p, "ack")) {
            s->ack = ack_base + script_number(p);
            d->ack = true;
        } else if (script_take(p, "win")) {
            s->window = (uint16_t)script_number(p);
            d->win = true;
        } else if (script_take(p, "mss")) {
            s->opts |= TCP_OPT_MSS;
            s->mss = (uint16_t)script_number(p);
        } else if (script_take(p, "ws")) {
            s->opts |= TCP_OPT_WSCALE;
            s->wscale = (uint8_t)script_number(p);
        } else if (script_take(p, "sackok")) {
            s->opts |= TCP_OPT_SACK_OK;
        } else if (script_take(p, "sack")) {
            read_sack(p, s, ack_base);
        } else if (script_take(p, "ts")) {
            s->opts |= TCP_OPT_TS;
            d->ts = true;
            d->any_ts = script_take(p, "*");
            if (!d->any_ts)
                s->ts_val = script_number(p);
            s->ts_ecr = script_number(p);
        } else {
            PLAY_FAIL(p, "\"%s\" says nothing of a segment", p->word[p->at]);
        }
    }
}

static struct said read_segment(struct play *p, uint32_t seq_base, uint32_t ack_base)
{
    struct said d = {.seg = {.flags = flags_of(p, script_word(p)), .window = PEER_WND}};
    const char *place = script_word(p);
    unsigned seq, len = 0;

    if (sscanf(place, "%u+%u", &seq, &len) < 1)
        PLAY_FAIL(p, "\"%s\" is no sequence number", place);
    d.seg.seq = seq_base + seq;
    d.seg.data_len = len;
    read_options(p, &d, ack_base);
    return d;
}

void script_inject(struct play *p)
{
    struct said d;

    script_begin(p);
    d = read_segment(p, PEER_ISN, p->iss);
    if ((d.seg.flags & TCP_ACK) != 0 && !d.ack)
        PLAY_FAIL(p, "an ACK without a number");
    d.seg.dst_port = p->host_port;
    peer_send(p->th, &d.seg, NULL, d.seg.data_len);
}

static void compare_options(struct play *p, const struct said *d, const struct tcp_seg *got)
{
    const struct tcp_seg *want = &d->seg;

    if ((want->opts & ~got->opts) != 0)
        PLAY_FAIL(p, "options %02x were expected and %02x are there", want->opts, got->opts);
    if ((want->opts & TCP_OPT_MSS) != 0)
        COMPARE(p, "the MSS", got->mss, want->mss);
    if ((want->opts & TCP_OPT_WSCALE) != 0)
        COMPARE(p, "the window scale", got->wscale, want->wscale);
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

void script_expect(struct play *p)
{
    struct tcp_seg got;
    struct said d;

    script_begin(p);
    if (!peer_take(p->th, &got, NULL))
        PLAY_FAIL(p, "the host sent nothing");
    if ((got.flags & TCP_SYN) != 0 && !p->have_iss) {
        p->iss = got.seq;
        p->have_iss = true;
        p->host_port = got.src_port;
    }
    d = read_segment(p, p->iss, PEER_ISN);
    if ((d.seg.flags ^ got.flags) & (uint8_t)~TCP_PSH)
        PLAY_FAIL(p, "flags are %02x and not %02x", got.flags, d.seg.flags);
    COMPARE(p, "the sequence number", got.seq - p->iss, d.seg.seq - p->iss);
    COMPARE(p, "the length", got.data_len, d.seg.data_len);
    if (d.ack)
        COMPARE(p, "the acknowledgement", got.ack - PEER_ISN, d.seg.ack - PEER_ISN);
    if (d.win)
        COMPARE(p, "the window", got.window, d.seg.window);
    compare_options(p, &d, &got);
}
