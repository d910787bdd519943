/* SPDX-License-Identifier: MIT */
/*
 * Reading pcapng (draft-ietf-opsawg-pcapng), of either byte order: bytes in, frames out, one after the other. Nothing
 * in the bytes is trusted; blocks of other kinds are passed over.
 */
#ifndef DEMI_PCAP_READ_H
#define DEMI_PCAP_READ_H

#include "core/error.h"

#include <stdio.h>

#define PCAP_BLOCK_MAX      (1024 * 1024) /* a larger block is taken for damage */
#define PCAP_INTERFACES_MAX 256
#define PCAP_TEXT_MAX       256 /* of a name or a comment; longer ones are cut */

enum pcap_frame_dir { PCAP_DIR_UNKNOWN, PCAP_DIR_IN, PCAP_DIR_OUT };

struct pcap_interface {
    char name[PCAP_TEXT_MAX];
    uint16_t link;       /* LINKTYPE_; 1 is Ethernet */
    uint64_t ticks_in_s; /* of its time stamps */
};

struct pcap_frame {
    uint64_t time_ns;
    const struct pcap_interface *interface;
    enum pcap_frame_dir dir;
    uint32_t captured, len; /* bytes that are here, and that the frame had */
    const uint8_t *bytes;   /* valid until the next frame is read */
    char comment[PCAP_TEXT_MAX];
};

struct pcap_reader {
    FILE *in; /* the caller's */
    bool swapped;
    bool cut;       /* the file ends within a block, as one does that is still written */
    uint64_t at;    /* bytes read so far */
    uint64_t other; /* packets that are in a form, or of an interface, that is not known here */
    char application[PCAP_TEXT_MAX];
    unsigned interfaces;
    struct pcap_interface *interface;
    uint8_t *block;
};

/* Reads the head. -EINVAL with a text: not pcapng, or damaged; -ENOMEM. On failure there is nothing to close. */
int pcap_reader_open(struct pcap_reader *r, FILE *in, struct error_text *et);
void pcap_reader_close(struct pcap_reader *r);

/* The next frame: 1; the end: 0; -EINVAL with a text: damaged. */
int pcap_reader_next(struct pcap_reader *r, struct pcap_frame *f, struct error_text *et);

#endif /* DEMI_PCAP_READ_H */
