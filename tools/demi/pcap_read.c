/* SPDX-License-Identifier: MIT */
#include "pcap_read.h"
#include "../common/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SECTION        UINT32_C(0x0a0d0d0a)
#define BLOCK_INTERFACE      1
#define BLOCK_SIMPLE         3
#define BLOCK_PACKET         6
#define BLOCK_MIN            12
#define BYTE_ORDER_MARK      UINT32_C(0x1a2b3c4d)
#define SECTION_FIXED        16 /* bytes of a block's body before its options */
#define INTERFACE_FIXED      8
#define PACKET_FIXED         20
#define OPTION_END           0
#define OPTION_COMMENT       1
#define SECTION_APPLICATION  4
#define INTERFACE_NAME       2
#define INTERFACE_RESOLUTION 9
#define PACKET_FLAGS         2

static uint32_t get32(const struct pcap_reader *r, const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return r->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct pcap_reader *r, const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return r->swapped ? __builtin_bswap16(v) : v;
}

static int damaged(const struct pcap_reader *r, struct error_text *et, const char *what)
{
    return error_set(et, EINVAL, "damaged capture: %s at byte %llu", what, (unsigned long long)r->at);
}

/* The next option in the len bytes at p. NULL: there is none. */
static const uint8_t *next_option(const struct pcap_reader *r, const uint8_t **p, uint32_t *len, uint16_t *code,
                                  uint16_t *size)
{
    const uint8_t *value;
    uint32_t whole;

    if (*len < 4)
        return NULL;
    *code = get16(r, *p);
    *size = get16(r, *p + 2);
    whole = 4 + ((*size + 3u) & ~3u);
    if (*code == OPTION_END || whole > *len)
        return NULL;
    value = *p + 4;
    *p += whole;
    *len -= whole;
    return value;
}

static void copy_text(char to[PCAP_TEXT_MAX], const uint8_t *value, uint16_t size)
{
    char field[PCAP_TEXT_MAX] = "";

    memcpy(field, value, size < PCAP_TEXT_MAX - 1 ? size : PCAP_TEXT_MAX - 1);
    text_copy(to, field, PCAP_TEXT_MAX);
}

static int read_section(struct pcap_reader *r, uint32_t len, struct error_text *et)
{
    const uint8_t *p = r->block, *value;
    uint16_t code, size;

    if (len < SECTION_FIXED || get16(r, p + 4) != 1)
        return damaged(r, et, "a section of another version");
    r->interfaces = 0; /* each section has its own */
    p += SECTION_FIXED;
    len -= SECTION_FIXED;
    while ((value = next_option(r, &p, &len, &code, &size)) != NULL)
        if (code == SECTION_APPLICATION)
            copy_text(r->application, value, size);
    return 0;
}

static uint64_t ticks(uint8_t resolution)
{
    uint64_t n = 1;

    if ((resolution & 0x80) != 0)
        return (resolution & 0x7f) < 64 ? UINT64_C(1) << (resolution & 0x7f) : 0;
    for (unsigned i = 0; i < resolution; i++)
        n = n <= UINT64_MAX / 10 ? n * 10 : 0;
    return n;
}

static int read_interface(struct pcap_reader *r, uint32_t len, struct error_text *et)
{
    const uint8_t *p = r->block, *value;
    struct pcap_interface *i;
    uint16_t code, size;

    if (len < INTERFACE_FIXED)
        return damaged(r, et, "an interface cut short");
    if (r->interfaces == PCAP_INTERFACES_MAX)
        return error_set(et, EINVAL, "more than %d interfaces", PCAP_INTERFACES_MAX);
    i = &r->interface[r->interfaces];
    *i = (struct pcap_interface){.link = get16(r, p), .ticks_in_s = 1000000};
    p += INTERFACE_FIXED;
    len -= INTERFACE_FIXED;
    while ((value = next_option(r, &p, &len, &code, &size)) != NULL) {
        if (code == INTERFACE_NAME)
            copy_text(i->name, value, size);
        else if (code == INTERFACE_RESOLUTION && size >= 1)
            i->ticks_in_s = ticks(value[0]);
    }
    if (i->ticks_in_s == 0)
        return damaged(r, et, "an impossible resolution of time stamps");
    if (i->name[0] == '\0')
        snprintf(i->name, sizeof(i->name), "%u", r->interfaces);
    r->interfaces++;
    return 0;
}

static int read_packet(struct pcap_reader *r, uint32_t len, struct pcap_frame *f, struct error_text *et)
{
    const uint8_t *p = r->block, *value;
    uint16_t code, size;
    uint32_t interface, padded;
    uint64_t stamp;

    if (len < PACKET_FIXED)
        return damaged(r, et, "a packet cut short");
    interface = get32(r, p);
    if (interface >= r->interfaces)
        return damaged(r, et, "a packet of an interface that is not described");
    *f = (struct pcap_frame){.interface = &r->interface[interface],
                             .captured = get32(r, p + 12),
                             .len = get32(r, p + 16),
                             .bytes = p + PACKET_FIXED};
    stamp = (uint64_t)get32(r, p + 4) << 32 | get32(r, p + 8);
    f->time_ns = (uint64_t)((unsigned __int128)stamp * NS_PER_S / f->interface->ticks_in_s);
    len -= PACKET_FIXED;
    if (f->captured > len)
        return damaged(r, et, "a packet longer than its block");
    padded = (f->captured + 3) & ~3u;
    if (padded > len)
        padded = len;
    p += PACKET_FIXED + padded;
    len -= padded;
    while ((value = next_option(r, &p, &len, &code, &size)) != NULL) {
        if (code == OPTION_COMMENT)
            copy_text(f->comment, value, size);
        else if (code == PACKET_FLAGS && size == 4)
            f->dir = (get32(r, value) & 3) == 1   ? PCAP_DIR_IN
                     : (get32(r, value) & 3) == 2 ? PCAP_DIR_OUT
                                                  : PCAP_DIR_UNKNOWN;
    }
    return 1;
}

/* Reads len bytes. False: the file ends before. */
static bool take(struct pcap_reader *r, void *to, size_t len)
{
    size_t n = fread(to, 1, len, r->in);

    r->at += n;
    if (n < len && n > 0)
        r->cut = true;
    return n == len;
}

/* A section says its byte order behind its length. False: it is no section. */
static bool find_order(struct pcap_reader *r)
{
    uint32_t mark;

    memcpy(&mark, r->block, sizeof(mark));
    r->swapped = mark == __builtin_bswap32(BYTE_ORDER_MARK);
    return r->swapped || mark == BYTE_ORDER_MARK;
}

/* Reads a block's body to r->block. 1; 0: the file ends; -EINVAL. */
static int read_block(struct pcap_reader *r, uint32_t *type, uint32_t *len, struct error_text *et)
{
    uint8_t head[8], tail[4];
    uint32_t whole, got = 0;

    if (!take(r, head, sizeof(head)))
        return 0;
    memcpy(type, head, sizeof(*type));
    if (*type == BLOCK_SECTION) { /* the same in both orders */
        got = 4;
        if (!take(r, r->block, got)) {
            r->cut = true;
            return 0;
        }
        if (!find_order(r))
            return damaged(r, et, "a section without its byte-order mark");
    }
    *type = get32(r, head);
    whole = get32(r, head + 4);
    if (whole < BLOCK_MIN + got || whole > PCAP_BLOCK_MAX || whole % 4 != 0)
        return damaged(r, et, "a block of impossible length");
    *len = whole - BLOCK_MIN;
    if ((*len > got && !take(r, r->block + got, *len - got)) || !take(r, tail, sizeof(tail))) {
        r->cut = true;
        return 0;
    }
    return get32(r, tail) == whole ? 1 : damaged(r, et, "a block whose two lengths differ");
}

int pcap_reader_open(struct pcap_reader *r, FILE *in, struct error_text *et)
{
    uint32_t type, len;
    int ret;

    *r = (struct pcap_reader){.in = in};
    r->interface = calloc(PCAP_INTERFACES_MAX, sizeof(*r->interface));
    r->block = malloc(PCAP_BLOCK_MAX);
    if (r->interface == NULL || r->block == NULL) {
        ret = error_set(et, ENOMEM, "no memory");
    } else {
        ret = read_block(r, &type, &len, NULL);
        if (ret != 1 || type != BLOCK_SECTION)
            ret = error_set(et, EINVAL, "not a pcapng capture");
        else
            ret = read_section(r, len, et);
    }
    if (ret != 0)
        pcap_reader_close(r);
    return ret;
}

void pcap_reader_close(struct pcap_reader *r)
{
    free(r->interface);
    free(r->block);
    r->interface = NULL;
    r->block = NULL;
}

int pcap_reader_next(struct pcap_reader *r, struct pcap_frame *f, struct error_text *et)
{
    uint32_t type = 0, len = 0;
    int ret;

    while ((ret = read_block(r, &type, &len, et)) == 1) {
        if (type == BLOCK_PACKET)
            return read_packet(r, len, f, et);
        if (type == BLOCK_SECTION)
            ret = read_section(r, len, et);
        else if (type == BLOCK_INTERFACE)
            ret = read_interface(r, len, et);
        else
            r->other += type == BLOCK_SIMPLE;
        if (ret < 0)
            return ret;
    }
    return ret;
}
