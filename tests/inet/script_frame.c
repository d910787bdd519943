/* SPDX-License-Identifier: MIT */
/*
 * Frames in a script's words: layers separated by "/", each a name and some of its fields. What arrives ("in") is built
 * from it, where lengths, checksums and the numbers of the next layers are made right unless the script says them. What
 * was sent ("out") must have these layers and these fields, and lengths and checksums that are right.
 */
#include "script_layer.h"

#include <arpa/inet.h>
#include <stdio.h>

#define LAYERS_MAX 12

/* A layer of the frame at hand. */
struct part {
    const struct layer *layer;
    uint32_t at, bytes; /* its header */
    uint32_t whole;     /* of a first fragment: bytes of its message, if more than are here */
    uint32_t said;      /* fields that the script gave, by their numbers */
    bool quoted;        /* within an ICMP error, which may be cut */
};

struct picture {
    uint8_t b[FRAME_MAX];
    uint32_t len, end; /* end: without the link's padding */
    unsigned parts;
    struct part part[LAYERS_MAX];
};

static bool was_said(const struct part *t, const char *name)
{
    int n = layer_field(t->layer, name);

    return n >= 0 && (t->said & 1u << n) != 0;
}

static void put_field(uint8_t *h, const struct layer *l, const char *name, uint32_t v)
{
    const struct field *f = &l->field[layer_field(l, name)];

    put_bits(h, f->bit, f->bits, v);
}

/* ---- what both ways share ---- */

static bool is_error(const uint8_t *h, enum what what)
{
    return what == ICMP4 ? h[0] == 3 || h[0] == 11 || h[0] == 12 || h[0] == 5 || h[0] == 4
                         : what == ICMP6 && h[0] < 128;
}

/* The network header in front of part n. */
static const struct part *network_of(const struct picture *f, unsigned n)
{
    while (n-- > 0)
        if (f->part[n].layer->what == IP4 || f->part[n].layer->what == IP6)
            return &f->part[n];
    return NULL;
}

static uint64_t pseudo(const struct picture *f, unsigned n, uint8_t proto, uint32_t len)
{
    const struct part *net = network_of(f, n);
    const uint8_t *h = f->b + (net != NULL ? net->at : 0);
    struct inet_addr src, dst;

    if (net == NULL)
        return 0;
    if (net->layer->what == IP4) {
        src = inet_addr_from4(h + 12);
        dst = inet_addr_from4(h + 16);
    } else {
        src = inet_addr_from6(h + 8);
        dst = inet_addr_from6(h + 24);
    }
    return checksum_pseudo(&src, &dst, proto, len);
}

/* The sum over part n as it is, its field included. */
static uint64_t sum_of(const struct picture *f, unsigned n)
{
    const struct part *t = &f->part[n];
    uint32_t len = f->end - t->at;
    uint64_t sum = t->layer->what == ICMP4 ? 0 : pseudo(f, n, (uint8_t)t->layer->id, len);

    return checksum_join(sum, checksum_add(0, f->b + t->at, len));
}

/* ---- in ---- */

static void append(struct play *p, struct picture *f, const void *bytes, uint32_t len)
{
    if (f->len + len > FRAME_MAX)
        PLAY_FAIL(p, "the frame is too long");
    memcpy(f->b + f->len, bytes, len);
    f->len += len;
    f->end = f->len;
}

static void append_pattern(struct play *p, struct picture *f, uint32_t len, uint32_t from)
{
    for (uint32_t i = 0; i < len; i++) {
        uint8_t b = pattern_at(from + i);

        append(p, f, &b, 1);
    }
}

/* The first sequence number of the peer, or of the host. h: a TCP header of whom `ours` says. */
static uint32_t seq_base(struct play *p, const uint8_t *h, bool ours, bool peer)
{
    return peer ? PEER_ISN : script_flow(p, get16(h + (ours ? 2 : 0)))->iss;
}

/* The value that the script gives a field, as its bytes; numbers have the last four. ours: the host sent it. */
static void read_value(struct play *p, const uint8_t *h, const struct field *f, bool ours, uint8_t v[16])
{
    struct inet_addr a;

    memset(v, 0, 16);
    switch (f->kind) {
    case MAC:
        script_mac(p, script_word(p), v);
        break;
    case ADDR4:
        a = script_addr(p, script_word(p), false);
        memcpy(v, a.b + 12, 4);
        break;
    case ADDR6:
        a = script_addr(p, script_word(p), true);
        memcpy(v, a.b, 16);
        break;
    case SEQ:
        put32(v + 12, seq_base(p, h, ours, !ours) + script_number(p));
        break;
    case ACK:
        put32(v + 12, seq_base(p, h, ours, ours) + script_number(p));
        break;
    default:
        put32(v + 12, script_number(p));
        break;
    }
}

static void set_field(struct play *p, uint8_t *h, const struct field *f, bool ours)
{
    uint8_t v[16];

    read_value(p, h, f, ours, v);
    if (is_number(f->kind))
        put_bits(h, f->bit, f->bits, get32(v + 12));
    else
        memcpy(h + f->bit / 8, v, f->bits / 8);
}

/* "data N [from K]", "hex BYTES", "pad N": what is no header. False: it is one. */
static bool append_bytes(struct play *p, struct picture *f, const char *word)
{
    uint8_t bytes[LINE_TEXT / 2];
    uint32_t len, end = f->end;

    if (strcmp(word, "data") == 0) {
        len = script_number(p);
        append_pattern(p, f, len, script_take(p, "from") ? script_number(p) : 0);
    } else if (strcmp(word, "hex") == 0) {
        append(p, f, bytes, script_hex(p, script_word(p), bytes, sizeof(bytes)));
    } else if (strcmp(word, "pad") == 0) {
        append_pattern(p, f, script_number(p), 77);
        f->end = end;
    } else {
        return false;
    }
    return true;
}

static void add_layer(struct play *p, struct picture *f, const char *name)
{
    const struct layer *l = layer_find(name);
    struct part *t = &f->part[f->parts];

    if (l == NULL || f->parts == LAYERS_MAX)
        PLAY_FAIL(p, "\"%s\" is no layer", name);
    *t = (struct part){.layer = l, .at = f->len, .bytes = l->bytes};
    if (f->parts > 0)
        t->quoted = t[-1].quoted || is_error(f->b + t[-1].at, t[-1].layer->what);
    append(p, f, l->init, l->bytes);
    if (t->quoted && (l->what == IP4 || l->what == IP6)) { /* what is quoted, the host has sent */
        unsigned at = l->what == IP4 ? 12 : 8, n = l->what == IP4 ? 4 : 16;

        memcpy(f->b + t->at + at, l->init + at + n, n);
        memcpy(f->b + t->at + at + n, l->init + at, n);
    }
    f->parts++;
    while (p->at < p->words && strcmp(p->word[p->at], "/") != 0) {
        const char *word = script_word(p);
        int n = layer_field(l, word);
        uint8_t bytes[64];
        uint32_t len;

        if (strcmp(word, "opts") == 0) {
            len = script_hex(p, script_word(p), bytes, sizeof(bytes));
            append(p, f, bytes, len);
            t->bytes += len;
        } else if (strcmp(word, "whole") == 0) {
            t->whole = script_number(p);
        } else if (n < 0) {
            PLAY_FAIL(p, "\"%s\" has no field \"%s\"", name, word);
        } else {
            set_field(p, f->b + t->at, &l->field[n], t->quoted);
            t->said |= 1u << n;
        }
    }
}

/* The sum of part n, whose field is at `at`. One that is said to be longer than what is here goes on with the pattern.
 */
static void set_sum(struct picture *f, unsigned n, unsigned at)
{
    const struct part *t = &f->part[n];
    struct picture whole = *f;
    uint16_t value;

    if (was_said(t, "sum"))
        return;
    for (uint32_t i = f->end - t->at; i < t->whole && t->at + i < FRAME_MAX; i++)
        whole.b[t->at + i] = pattern_at(i - t->bytes);
    if (t->whole > f->end - t->at)
        whole.end = t->at + t->whole;
    memset(whole.b + t->at + at, 0, 2);
    value = checksum_finish(sum_of(&whole, n));
    memcpy(f->b + t->at + at, &value, 2);
}

static void set_udp(struct picture *f, unsigned n)
{
    struct part *t = &f->part[n];
    uint8_t *h = f->b + t->at;

    if (was_said(t, "len"))
        t->whole = get16(h + 4);
    else
        put16(h + 4, (uint16_t)(f->end - t->at));
    set_sum(f, n, 6);
}

/* Lengths and checksums of part n, those behind it being right. */
static void finish(struct picture *f, unsigned n)
{
    const struct part *t = &f->part[n];
    const struct layer *l = t->layer;
    uint8_t *h = f->b + t->at;
    uint16_t sum;

    switch (l->what) {
    case IP4:
        if (!was_said(t, "ihl"))
            put_field(h, l, "ihl", t->bytes / 4);
        if (!was_said(t, "len"))
            put_field(h, l, "len", f->end - t->at);
        if (was_said(t, "sum"))
            break;
        put16(h + 10, 0);
        sum = checksum_finish(checksum_add(0, h, t->bytes));
        memcpy(h + 10, &sum, 2);
        break;
    case IP6:
        if (!was_said(t, "len"))
            put_field(h, l, "len", f->end - t->at - t->bytes);
        break;
    case EXTENSION:
        if (!was_said(t, "len"))
            put_field(h, l, "len", t->bytes / 8 - 1);
        break;
    case UDP:
        set_udp(f, n);
        break;
    case TCP:
        if (!was_said(t, "off"))
            put_field(h, l, "off", t->bytes / 4);
        set_sum(f, n, 16);
        break;
    case ICMP4:
    case ICMP6:
        set_sum(f, n, 2);
        break;
    default:
        break;
    }
}

/* What follows each layer, and the hop limit that neighbour discovery asks for. */
static void join_layers(struct picture *f)
{
    for (unsigned i = 0; i + 1 < f->parts; i++) {
        const struct part *t = &f->part[i];
        const char *field = layer_next_field(t->layer);

        if (field != NULL && !was_said(t, field) && t[1].layer->id != NO_ID)
            put_field(f->b + t->at, t->layer, field, (uint32_t)t[1].layer->id);
    }
    for (unsigned i = 1; i < f->parts; i++) {
        uint8_t type = f->b[f->part[i].at];

        if (f->part[i].layer->what == ICMP6 && type >= 133 && type <= 137 && f->part[i - 1].layer->what == IP6 &&
            !was_said(&f->part[i - 1], "hop"))
            put_field(f->b + f->part[i - 1].at, f->part[i - 1].layer, "hop", 255);
    }
}

/* The layers that a script begins with are Ethernet's unless it says them. */
static bool starts_above_ethernet(const struct play *p)
{
    return p->at < p->words && strcmp(p->word[p->at], "eth") != 0 && layer_find(p->word[p->at]) != NULL;
}

void script_frame_in(struct play *p)
{
    static struct picture f;

    script_begin(p);
    f.len = f.end = f.parts = 0;
    if (starts_above_ethernet(p)) {
        f.part[f.parts++] = (struct part){.layer = layer_find("eth"), .bytes = ETH_HEADER};
        append(p, &f, f.part[0].layer->init, ETH_HEADER);
    }
    do {
        const char *word = script_word(p);

        if (!append_bytes(p, &f, word))
            add_layer(p, &f, word);
    } while (script_take(p, "/"));
    join_layers(&f);
    for (unsigned i = f.parts; i-- > 0;)
        finish(&f, i);
    host_in(p->th->h, f.b, f.len);
}

/* ---- out ---- */

static const char *text_of(const uint8_t *h, const struct field *f)
{
    static char text[2][48];
    static unsigned turn;
    char *to = text[turn++ % 2];

    if (is_number(f->kind))
        snprintf(to, sizeof(text[0]), "%u (0x%x)", get_bits(h, f->bit, f->bits), get_bits(h, f->bit, f->bits));
    else if (f->kind == MAC)
        snprintf(to, sizeof(text[0]), "%02x:%02x:%02x:%02x:%02x:%02x", h[f->bit / 8], h[f->bit / 8 + 1],
                 h[f->bit / 8 + 2], h[f->bit / 8 + 3], h[f->bit / 8 + 4], h[f->bit / 8 + 5]);
    else
        inet_ntop(f->kind == ADDR4 ? AF_INET : AF_INET6, h + f->bit / 8, to, sizeof(text[0]));
    return to;
}

static void compare_field(struct play *p, const struct part *t, const struct field *f, const uint8_t *h)
{
    const struct layer *l = t->layer;
    uint8_t want[40 + 20] = {0}, v[16];

    read_value(p, h, f, !t->quoted, v);
    if (is_number(f->kind))
        put_bits(want, f->bit, f->bits, get32(v + 12));
    else
        memcpy(want + f->bit / 8, v, f->bits / 8);
    if (strcmp(text_of(h, f), text_of(want, f)) != 0)
        PLAY_FAIL(p, "%s %s" EXPECTED("%s", "%s"), l->name, f->name, text_of(want, f), text_of(h, f));
}

/* The bytes of the header that is there, its options included. */
static uint32_t header_bytes(const struct layer *l, const uint8_t *h)
{
    switch (l->what) {
    case IP4:
        return (h[0] & 15) * 4u;
    case EXTENSION:
        return (h[1] + 1u) * 8;
    case TCP:
        return (h[12] >> 4) * 4u;
    case OPTION:
        return h[1] * 8u;
    default:
        return l->bytes;
    }
}

static void compare_opts(struct play *p, const struct part *t, const uint8_t *h)
{
    uint8_t want[64];
    uint32_t len = script_hex(p, script_word(p), want, sizeof(want));

    COMPARE(p, "the options' length", t->bytes - t->layer->bytes, len);
    for (uint32_t i = 0; i < len; i++)
        COMPARE(p, "an option's byte", h[t->layer->bytes + i], want[i]);
}

/* Lengths and checksums of what the host sent. */
static void check_sums(struct play *p, struct picture *f, unsigned n)
{
    const struct part *t = &f->part[n], *net = network_of(f, n);
    const uint8_t *h = f->b + t->at;
    bool piece = n > 0 && (strcmp(t[-1].layer->name, "frag") == 0 ||
                           (net != NULL && net->layer->what == IP4 && (get16(f->b + net->at + 6) & 0x3fff) != 0));

    if (t->quoted)
        return;
    switch (t->layer->what) {
    case IP4:
        if (!checksum_good(checksum_add(0, h, t->bytes)))
            PLAY_FAIL(p, "the IPv4 header's checksum is wrong");
        f->end = t->at + get16(h + 2);
        break;
    case IP6:
        f->end = t->at + IP6_HEADER + get16(h + 4);
        break;
    case UDP:
        if (!piece)
            COMPARE(p, "the datagram's length", get16(h + 4), f->end - t->at);
        /* fall through */
    case TCP:
    case ICMP4:
    case ICMP6:
        if (!piece && !checksum_good(sum_of(f, n)))
            PLAY_FAIL(p, "the checksum of %s is wrong", t->layer->name);
        break;
    default:
        break;
    }
    if (f->end > f->len)
        PLAY_FAIL(p, "%s says that it ends at %u of %u bytes", t->layer->name, f->end, f->len);
}

static void expect_layer(struct play *p, struct picture *f, const char *name, uint32_t *at)
{
    const struct layer *l = layer_find(name);
    struct part *t = &f->part[f->parts];
    const char *next;

    if (l == NULL || f->parts == LAYERS_MAX)
        PLAY_FAIL(p, "\"%s\" is no layer", name);
    if (*at + l->bytes > f->len)
        PLAY_FAIL(p, "the frame ends in front of %s", name);
    *t = (struct part){.layer = l, .at = *at, .bytes = header_bytes(l, f->b + *at)};
    if (f->parts > 0) {
        t->quoted = t[-1].quoted || is_error(f->b + t[-1].at, t[-1].layer->what);
        next = layer_next_field(t[-1].layer);
        if (next != NULL && l->id != NO_ID)
            COMPARE(p, "what follows",
                    get_bits(f->b + t[-1].at, t[-1].layer->field[layer_field(t[-1].layer, next)].bit,
                             t[-1].layer->field[layer_field(t[-1].layer, next)].bits),
                    l->id);
        else if (l->what == OPTION)
            COMPARE(p, "the option", f->b[*at], l->init[0]);
    }
    if (l->what == ICMP6 && l->bytes > 8)
        COMPARE(p, "the message's type", f->b[*at], l->init[0]);
    f->parts++;
    check_sums(p, f, f->parts - 1);
    while (p->at < p->words && strcmp(p->word[p->at], "/") != 0) {
        const char *word = script_word(p);
        int n = layer_field(l, word);

        if (strcmp(word, "opts") == 0)
            compare_opts(p, t, f->b + t->at);
        else if (n < 0)
            PLAY_FAIL(p, "\"%s\" has no field \"%s\"", name, word);
        else
            compare_field(p, t, &l->field[n], f->b + t->at);
    }
    *at += t->bytes;
}

/* "data N [from K]": what is left are so many bytes of the pattern. "hex": they are these. "end": there are none. */
static bool expect_bytes(struct play *p, const struct picture *f, const char *word, uint32_t at)
{
    uint8_t want[LINE_TEXT / 2];
    uint32_t len, from;

    if (strcmp(word, "data") == 0 || strcmp(word, "end") == 0) {
        len = word[0] == 'd' ? script_number(p) : 0;
        from = script_take(p, "from") ? script_number(p) : 0;
        COMPARE(p, "bytes that are left", f->end - at, len);
        for (uint32_t i = 0; i < len; i++)
            COMPARE(p, "a byte of the data", f->b[at + i], pattern_at(from + i));
    } else if (strcmp(word, "hex") == 0) {
        len = script_hex(p, script_word(p), want, sizeof(want));
        COMPARE(p, "bytes that are left", f->end - at, len);
        for (uint32_t i = 0; i < len; i++)
            COMPARE(p, "a byte", f->b[at + i], want[i]);
    } else {
        return false;
    }
    return true;
}

void script_frame_out(struct play *p)
{
    static struct picture f;
    const struct sent *s;
    uint32_t at = 0;

    script_begin(p);
    s = host_out(p->th->h);
    if (s == NULL)
        PLAY_FAIL(p, "a frame" EXPECTED("%s", "the host sent nothing"), p->shown);
    p->frame = s;
    memcpy(f.b, s->bytes, s->len);
    f.len = f.end = s->len;
    f.parts = 0;
    if (starts_above_ethernet(p)) {
        f.part[f.parts++] = (struct part){.layer = layer_find("eth"), .bytes = ETH_HEADER};
        at = ETH_HEADER;
    }
    do {
        const char *word = script_word(p);

        if (!expect_bytes(p, &f, word, at))
            expect_layer(p, &f, word, &at);
    } while (script_take(p, "/"));
}

const char *script_describe(const struct sent *f)
{
    static char text[400];
    char *to = text, *end = text + sizeof(text);

    to += snprintf(to, (size_t)(end - to), "%u bytes, type %04x:", f->len, get16(f->bytes + 12));
    for (uint32_t i = 14; i < f->len && i < 14 + 80; i++)
        to += snprintf(to, (size_t)(end - to), "%s%02x", i % 4 == 2 ? " " : "", f->bytes[i]);
    return text;
}
