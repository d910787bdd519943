/* SPDX-License-Identifier: MIT */
/*
 * Replies on their way out: all that one batch of commands answers is gathered and leaves in one push. Small things are
 * copied into chunks; a long value is referred to, not copied. When a value that is referred to ends before the push,
 * its memory is kept until then (reply_keep).
 */
#ifndef APPS_KV_REPLY_H
#define APPS_KV_REPLY_H

#include "kv/item.h"

#include <demi/types.h>
#include <sys/uio.h>

#define REPLY_PIECES    64
#define REPLY_BATCH_MAX (256u << 10) /* bytes beyond which a batch is pushed before more is answered */
#define REPLY_REFER_MIN 8192u        /* bytes of a value from which on it is not copied */

struct reply {
    /* Pushes what is gathered; false: the connection is broken, and nothing more is wanted. Set by the server. */
    bool (*push)(void *context, struct reply *r);
    void *context;
    unsigned protocol;    /* 2 or 3 */
    bool broken;          /* a push failed, or memory lacked */
    uint64_t batch;       /* bytes gathered and not pushed */
    demi_sgarray_t chunk; /* being filled; no segment: none */
    uint32_t chunk_from;  /* the part that is not among the pieces yet */
    uint32_t chunk_used;
    int pieces;
    struct iovec piece[REPLY_PIECES];
    int kept;
    void *keep[REPLY_PIECES]; /* memory that ends with the push */
    int chunks;
    demi_sgarray_t full[REPLY_PIECES]; /* chunks that were filled */
};

/* Nothing gathered yet. */
void reply_init(struct reply *r);

/* Pushes what there is. false: broken. */
bool reply_flush(struct reply *r);

/* Forgets what was gathered. */
void reply_drop(struct reply *r);

/* Takes memory over that may be referred to: it is freed now, or after the push. */
void reply_keep(struct reply *r, void *memory);

/* Bytes as they are. */
void reply_raw(struct reply *r, const char *bytes, size_t len);

/* +text, -text, :number, $bulk, and their heads. */
void reply_simple(struct reply *r, const char *text);
__attribute__((format(printf, 2, 3))) void reply_error(struct reply *r, const char *format, ...);
void reply_number(struct reply *r, int64_t value);
void reply_bulk(struct reply *r, struct span bytes);
void reply_text(struct reply *r, const char *text);
void reply_value(struct reply *r, struct item *it);
void reply_null(struct reply *r);
void reply_null_array(struct reply *r);
void reply_array(struct reply *r, size_t count);
/* A map with so many pairs: an array of twice that in RESP2. */
void reply_map(struct reply *r, size_t pairs);
/* A set: an array in RESP2. */
void reply_set(struct reply *r, size_t count);
/* The head of a text for people, whose bytes and line's end follow: a verbatim string, a bulk string in RESP2. */
void reply_verbatim_head(struct reply *r, size_t len);

#endif /* APPS_KV_REPLY_H */
