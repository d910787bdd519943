/* SPDX-License-Identifier: MIT */
/*
 * Frames on their way out: a chain of a header block of ours and bytes of the application, so that headers never lie in
 * memory that an application shares and a push is sent, and sent again, without a copy.
 *
 * A frame lives in one object of the pool: this descriptor, then the room headers are written into, from the back to
 * the front. seg[0] is always the headers; every further segment holds a reference on its object. Whoever has the frame
 * owns the object's one reference: frame_free drops it with all the others. A device takes a frame over and frees it
 * when the last byte was read.
 *
 * On their way in frames are one object each, with a struct frame_in beside it: see below.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include "base.h"
#include "mem.h"

#include <string.h>

#define FRAME_SEGS     10  /* header block and up to nine runs of payload: 64 KiB in 8 KiB pieces for a device's TSO */
#define FRAME_HEADROOM 136 /* Ethernet with a tag 18, IPv6 40, TCP 60 (18 is not a multiple of 4), rounded up */

enum frame_flag {
    FRAME_CSUM = 1, /* the device completes the transport checksum; the pseudo-header's sum is in its field, with the
                       length of the frame as it is, also when it will be cut (virtio 1.2, section 5.1.6.2) */
    FRAME_TSO = 2,  /* the device cuts the frame into TCP segments of mss bytes; FRAME_CSUM is set too */
    FRAME_V6 = 4,   /* the network header is IPv6 */
};

/* What a device does by itself. */
enum inet_offload {
    INET_TX_CSUM = 1, /* completes transport checksums of FRAME_CSUM */
    INET_TX_TSO = 2,  /* cuts FRAME_TSO */
};

struct frame_seg {
    void *obj; /* one reference, NULL for the frame itself (seg[0]) */
    char *ptr;
    uint32_t len;
};

struct frame {
    struct frame *next; /* free for whoever has the frame */
    uint32_t len;       /* bytes of all segments */
    uint16_t flags;     /* enum frame_flag */
    uint16_t mss;       /* of FRAME_TSO */
    uint16_t l3, l4;    /* offsets from the frame's first byte: network header, transport header */
    uint16_t csum;      /* FRAME_CSUM: offset of the checksum's field in the transport header */
    uint16_t segs;
    struct frame_seg seg[FRAME_SEGS];
    char room[FRAME_HEADROOM];
};

_Static_assert(offsetof(struct frame, room) + FRAME_HEADROOM == sizeof(struct frame),
               "bytes behind a frame's descriptor lie behind its headers");

/* Makes obj, an object of at least sizeof(struct frame) bytes with one reference, a frame without bytes. */
static inline struct frame *frame_init(void *obj)
{
    struct frame *f = obj;

    f->next = NULL;
    f->len = 0;
    f->flags = 0;
    f->mss = 0;
    f->l3 = f->l4 = f->csum = 0;
    f->segs = 1;
    f->seg[0] = (struct frame_seg){NULL, f->room + FRAME_HEADROOM, 0};
    return f;
}

/* Room for a header of len bytes in front of what there is. The caller has made sure that it fits. */
static inline char *frame_push(struct frame *f, uint32_t len)
{
    assert((size_t)(f->seg[0].ptr - f->room) >= len);
    f->seg[0].ptr -= len;
    f->seg[0].len += len;
    f->len += len;
    return f->seg[0].ptr;
}

/* Takes len bytes away from the front of the headers. */
static inline void frame_pull(struct frame *f, uint32_t len)
{
    assert(f->seg[0].len >= len);
    f->seg[0].ptr += len;
    f->seg[0].len -= len;
    f->len -= len;
}

/* Adds a run of bytes of obj and a reference on it. False: there are FRAME_SEGS already. */
static inline bool frame_add(struct frame *f, void *obj, char *ptr, uint32_t len)
{
    if (UNLIKELY(f->segs == FRAME_SEGS))
        return false;
    mem_ref(obj);
    f->seg[f->segs++] = (struct frame_seg){obj, ptr, len};
    f->len += len;
    return true;
}

static inline void frame_free(struct mem *m, struct frame *f)
{
    for (unsigned i = 1; i < f->segs; i++)
        mem_unref(m, f->seg[i].obj);
    mem_unref(m, f);
}

/* Copies the whole frame to to, which has room for f->len bytes. */
static inline void frame_copy(const struct frame *f, char *to)
{
    for (unsigned i = 0; i < f->segs; i++) {
        memcpy(to, f->seg[i].ptr, f->seg[i].len);
        to += f->seg[i].len;
    }
}

/*
 * A received frame: len bytes at ptr in obj, on which whoever has the frame holds one reference. The first
 * FRAME_IN_ROOM bytes of obj are free, so that a datagram's source (struct mem_meta) can be put there and the payload
 * handed to the application where it lies.
 */
#define FRAME_IN_ROOM sizeof(struct mem_meta)

enum frame_in_flag {
    FRAME_IN_CSUM_L3 = 1, /* the device found the IPv4 header's checksum good */
    FRAME_IN_CSUM_L4 = 2, /* and the transport's */
};

struct frame_in {
    void *obj;
    uint8_t *ptr;
    uint32_t len;
    uint32_t flags;   /* enum frame_in_flag */
    const char *note; /* what its device can tell of it, for a capture; valid until the next burst. NULL: nothing */
};

#endif /* CORE_FRAME_H */
