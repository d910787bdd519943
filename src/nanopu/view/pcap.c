/* SPDX-License-Identifier: MIT */
/*
 * A packet that arrives is dropped, if it is, some cycles later: packets are held back until that is known, in their
 * order. Blocks are in this machine's byte order, as the format allows.
 */
#include "nanopu/view/pcap.h"

#include "nanopu/nic/nic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_CYCLES                                                                                                    \
    1024 /* from a packet's first flit to the decision about it, waiting in the input queue included                   \
          */

#define BLOCK_SECTION   0x0a0d0d0aU
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET    6
#define BYTE_ORDER_MARK 0x1a2b3c4dU
#define LINK_ETHERNET   1
#define OPT_END         0
#define OPT_COMMENT     1
#define OPT_SHB_APPL    4
#define OPT_IF_NAME     2
#define OPT_IF_MAC      6
#define OPT_IF_SPEED    8
#define OPT_IF_TSRESOL  9
#define OPT_EPB_FLAGS   2
#define FLAG_INBOUND    1
#define FLAG_OUTBOUND   2
#define NS_DIGITS       9
#define BLOCK_MAX       2048
#define SECTION_UNKNOWN UINT64_MAX /* length of the section */

struct held {
    struct held *next;
    uint64_t cycle, id;
    uint32_t node, len;
    bool sent;
    const char *drop; /* name of the counter, or NULL */
    uint8_t data[];
};

struct pcap {
    FILE *file;
    struct held *first, **last;
    int error;
};

struct block {
    uint8_t bytes[BLOCK_MAX];
    uint32_t len;
};

/* ---- Blocks ---- */

static void add(struct block *b, const void *bytes, uint32_t len)
{
    assert(b->len + len + 3 <= BLOCK_MAX);
    memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
    while (b->len % 4 != 0)
        b->bytes[b->len++] = 0;
}

static void add32(struct block *b, uint32_t value)
{
    add(b, &value, sizeof(value));
}

static void add_option(struct block *b, uint16_t code, const void *value, uint16_t len)
{
    uint16_t head[2] = {code, len};

    add(b, head, sizeof(head));
    add(b, value, len);
}

static void end_options(struct block *b)
{
    add32(b, OPT_END); /* code and length, both 0 */
}

static void begin(struct block *b, uint32_t type)
{
    b->len = 0;
    add32(b, type);
    add32(b, 0); /* the length, see finish */
}

static void finish(struct pcap *pcap, struct block *b)
{
    uint32_t total = b->len + 4;

    memcpy(b->bytes + 4, &total, sizeof(total));
    add32(b, total);
    if (fwrite(b->bytes, 1, b->len, pcap->file) != b->len && pcap->error == 0)
        pcap->error = errno;
}

static void write_section(struct pcap *pcap)
{
    uint64_t unknown = SECTION_UNKNOWN;
    uint16_t version[2] = {1, 0};
    struct block b;

    begin(&b, BLOCK_SECTION);
    add32(&b, BYTE_ORDER_MARK);
    add(&b, version, sizeof(version));
    add(&b, &unknown, sizeof(unknown));
    add_option(&b, OPT_SHB_APPL, "nanopu run", 10);
    end_options(&b);
    finish(pcap, &b);
}

static void write_interface(struct pcap *pcap, const struct pcap_interface *i)
{
    uint16_t link[2] = {LINK_ETHERNET, 0};
    uint64_t speed = (uint64_t)CLOCK_MHZ * 1000000 * FLIT_BYTES * 8;
    size_t len = strlen(i->name);
    uint8_t digits = NS_DIGITS, mac[6];
    struct block b;

    for (unsigned n = 0; n < sizeof(mac); n++)
        mac[n] = (uint8_t)(i->mac >> (40 - 8 * n));
    begin(&b, BLOCK_INTERFACE);
    add(&b, link, sizeof(link));
    add32(&b, 0); /* no limit of the captured length */
    add_option(&b, OPT_IF_NAME, i->name, (uint16_t)(len < 256 ? len : 256));
    add_option(&b, OPT_IF_MAC, mac, sizeof(mac));
    add_option(&b, OPT_IF_SPEED, &speed, sizeof(speed));
    add_option(&b, OPT_IF_TSRESOL, &digits, sizeof(digits));
    end_options(&b);
    finish(pcap, &b);
}

static void write_packet(struct pcap *pcap, const struct held *h)
{
    uint64_t ns = h->cycle * 1000 / CLOCK_MHZ;
    uint32_t flags = h->sent ? FLAG_OUTBOUND : FLAG_INBOUND;
    char comment[128];
    struct block b;
    int len;

    len = snprintf(comment, sizeof(comment), "cycle %" PRIu64 ", packet %" PRIu64 "%s%s", h->cycle, h->id,
                   h->drop != NULL ? ", dropped: " : "", h->drop != NULL ? h->drop : "");
    begin(&b, BLOCK_PACKET);
    add32(&b, h->node);
    add32(&b, (uint32_t)(ns >> 32));
    add32(&b, (uint32_t)ns);
    add32(&b, h->len);
    add32(&b, h->len);
    add(&b, h->data, h->len);
    add_option(&b, OPT_COMMENT, comment, (uint16_t)len);
    add_option(&b, OPT_EPB_FLAGS, &flags, sizeof(flags));
    end_options(&b);
    finish(pcap, &b);
}

/* ---- Packets ---- */

/* Writes those that are old enough. */
static void release(struct pcap *pcap, uint64_t before)
{
    while (pcap->first != NULL && pcap->first->cycle < before) {
        struct held *h = pcap->first;

        write_packet(pcap, h);
        pcap->first = h->next;
        if (pcap->first == NULL)
            pcap->last = &pcap->first;
        free(h);
    }
}

static void hold(struct pcap *pcap, const struct record *rec)
{
    struct held *h = malloc(sizeof(*h) + rec->packet_len);

    if (h == NULL) {
        pcap->error = ENOMEM;
        return;
    }
    *h = (struct held){.cycle = rec->e.cycle,
                       .id = rec->packet_id,
                       .node = rec->e.node,
                       .len = rec->packet_len,
                       .sent = rec->e.kind == PROBE_tx_packet};
    memcpy(h->data, rec->packet, rec->packet_len);
    *pcap->last = h;
    pcap->last = &h->next;
}

void pcap_record(void *arg, const struct record *rec)
{
    struct pcap *pcap = arg;

    if (rec->e.cycle > HOLD_CYCLES)
        release(pcap, rec->e.cycle - HOLD_CYCLES);
    if (rec->e.kind != PROBE_drop) {
        hold(pcap, rec);
        return;
    }
    for (struct held *h = rec->packet != NULL ? pcap->first : NULL; h != NULL; h = h->next)
        if (h->node == rec->e.node && h->id == rec->packet_id && !h->sent)
            h->drop = nic_counter_name((unsigned)rec->e.a);
}

int pcap_open(struct pcap **out, const char *path, const struct pcap_interface *interfaces, unsigned count,
              struct error_text *et)
{
    struct pcap *pcap = calloc(1, sizeof(*pcap));

    if (pcap == NULL)
        return error_set(et, ENOMEM, "out of memory");
    pcap->last = &pcap->first;
    pcap->file = fopen(path, "wb");
    if (pcap->file == NULL) {
        int error = errno;

        free(pcap);
        return error_set(et, error, "%s: %s", path, strerror(error));
    }
    write_section(pcap);
    for (unsigned i = 0; i < count; i++)
        write_interface(pcap, &interfaces[i]);
    *out = pcap;
    return 0;
}

int pcap_close(struct pcap *pcap, struct error_text *et)
{
    int error;

    release(pcap, UINT64_MAX);
    error = pcap->error;
    if (fclose(pcap->file) != 0 && error == 0)
        error = errno;
    free(pcap);
    return error == 0 ? 0 : error_set(et, error, "the packet trace could not be written: %s", strerror(error));
}
