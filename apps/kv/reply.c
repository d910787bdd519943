/* SPDX-License-Identifier: MIT */
/* Replies; see reply.h. */
#include "kv/reply.h"

#include <demi/ext.h>
#include <demi/sga.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define CHUNK_FIRST    16384u
#define CHUNK_MORE     65536u
#define LINE_MAX_BYTES 32    /* of a head: its sign, a number, the end; and of the end behind a string */
#define BULK_AT_ONCE   1024u /* bytes of a string that is not divided between two chunks */

void reply_init(struct reply *r)
{
    r->broken = false;
    r->batch = 0;
    r->chunk.sga_numsegs = 0;
    r->chunk_from = r->chunk_used = 0;
    r->pieces = r->kept = r->chunks = 0;
}

void reply_drop(struct reply *r)
{
    for (int i = 0; i < r->kept; i++) {
        (void)demi_free(r->keep[i]);
    }
    for (int i = 0; i < r->chunks; i++) {
        (void)demi_sgafree(&r->full[i]);
    }
    if (r->chunk.sga_numsegs != 0) {
        (void)demi_sgafree(&r->chunk);
    }
    bool broken = r->broken;
    reply_init(r);
    r->broken = broken;
}

static void add_piece(struct reply *r, const char *bytes, size_t len)
{
    assert(r->pieces < REPLY_PIECES);
    r->piece[r->pieces++] = (struct iovec){.iov_base = (char *)(uintptr_t)bytes, .iov_len = len};
}

/* What the chunk holds becomes a piece. */
static void close_piece(struct reply *r)
{
    if (r->chunk_used > r->chunk_from) {
        add_piece(r, (char *)r->chunk.sga_segs[0].sgaseg_buf + r->chunk_from, r->chunk_used - r->chunk_from);
        r->chunk_from = r->chunk_used;
    }
}

bool reply_flush(struct reply *r)
{
    close_piece(r);
    if (r->pieces > 0 && !r->broken && !r->push(r->context, r)) {
        r->broken = true;
    }
    reply_drop(r);
    return !r->broken;
}

/* Room for a chunk and for the pieces that a value and what stands around it make. */
static void spare_pieces(struct reply *r)
{
    if (r->pieces + 5 > REPLY_PIECES || r->chunks + 1 > REPLY_PIECES) {
        (void)reply_flush(r);
    }
}

void reply_keep(struct reply *r, void *memory)
{
    for (int i = 0; i < r->pieces; i++) {
        if (r->piece[i].iov_base == memory) {
            assert(r->kept < REPLY_PIECES);
            r->keep[r->kept++] = memory;
            return;
        }
    }
    (void)demi_free(memory);
}

/* A new chunk. NULL: there is none; the reply is broken. */
static char *new_room(struct reply *r)
{
    if (r->broken) {
        return NULL;
    }
    spare_pieces(r);
    close_piece(r);
    bool first = r->chunk.sga_numsegs == 0 && r->chunks == 0;
    if (r->chunk.sga_numsegs != 0) {
        r->full[r->chunks++] = r->chunk;
    }
    r->chunk = demi_sgaalloc(first ? CHUNK_FIRST : CHUNK_MORE);
    r->chunk_from = r->chunk_used = 0;
    if (r->chunk.sga_numsegs == 0) {
        r->broken = true;
        return NULL;
    }
    return r->chunk.sga_segs[0].sgaseg_buf;
}

/* Room for len bytes, at most CHUNK_FIRST, in one run. NULL: none; the reply is broken. */
static inline char *room(struct reply *r, size_t len)
{
    if (r->chunk.sga_numsegs != 0 && r->chunk.sga_segs[0].sgaseg_len - r->chunk_used >= len) {
        return (char *)r->chunk.sga_segs[0].sgaseg_buf + r->chunk_used;
    }
    return new_room(r);
}

static inline void took(struct reply *r, size_t len)
{
    r->chunk_used += (uint32_t)len;
    r->batch += len;
}

void reply_raw(struct reply *r, const char *bytes, size_t len)
{
    while (len > 0) {
        uint32_t left = r->chunk.sga_numsegs != 0 ? r->chunk.sga_segs[0].sgaseg_len - r->chunk_used : 0;
        size_t n = left > 0 && left < len ? left : (len < CHUNK_FIRST ? len : CHUNK_FIRST);
        char *to = room(r, n);
        if (to == NULL) {
            return;
        }
        memcpy(to, bytes, n);
        took(r, n);
        bytes += n;
        len -= n;
    }
}

static inline char *end_line(char *to)
{
    to[0] = '\r';
    to[1] = '\n';
    return to + 2;
}

static inline char *put(char *to, struct span bytes)
{
    memcpy(to, bytes.at, bytes.len);
    return to + bytes.len;
}

/* Sign, number, end of line: without printf, for each reply has one. Returns what is behind them. */
static inline char *line(char *to, char sign, int64_t value)
{
    char digits[24];
    int n = 0;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    *to++ = sign;
    if (value < 0) {
        *to++ = '-';
    }
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    while (n > 0) {
        *to++ = digits[--n];
    }
    return end_line(to);
}

static void head(struct reply *r, char sign, int64_t value)
{
    char *to = room(r, LINE_MAX_BYTES);
    if (to != NULL) {
        took(r, (size_t)(line(to, sign, value) - to));
    }
}

void reply_simple(struct reply *r, const char *text)
{
    struct span bytes = {text, strlen(text)};
    char *to = room(r, bytes.len + LINE_MAX_BYTES);
    if (to != NULL) {
        to[0] = '+';
        took(r, (size_t)(end_line(put(to + 1, bytes)) - to));
    }
}

void reply_error(struct reply *r, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    size_t n = len < 0 ? 0 : (size_t)len;
    n = n < sizeof(text) ? n : sizeof(text) - 1;
    for (size_t i = 0; i < n; i++) {
        text[i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    }
    reply_raw(r, "-", 1);
    reply_raw(r, text, n);
    reply_raw(r, "\r\n", 2);
}

void reply_number(struct reply *r, int64_t value)
{
    head(r, ':', value);
}

void reply_bulk(struct reply *r, struct span bytes)
{
    if (bytes.len <= BULK_AT_ONCE) {
        char *to = room(r, bytes.len + LINE_MAX_BYTES);
        if (to != NULL) {
            took(r, (size_t)(end_line(put(line(to, '$', (int64_t)bytes.len), bytes)) - to));
        }
        return;
    }
    head(r, '$', (int64_t)bytes.len);
    reply_raw(r, bytes.at, bytes.len);
    reply_raw(r, "\r\n", 2);
}

void reply_text(struct reply *r, const char *text)
{
    reply_bulk(r, (struct span){text, strlen(text)});
}

void reply_value(struct reply *r, struct item *it)
{
    struct span value = {item_value(it), it->value_len};
    if ((it->flags & ITEM_OUTSIDE) == 0 || value.len < REPLY_REFER_MIN) {
        reply_bulk(r, value);
        return;
    }
    if (r->batch + value.len > REPLY_BATCH_MAX) { /* a push has a limit, which long values reach together */
        (void)reply_flush(r);
    }
    spare_pieces(r);
    head(r, '$', (int64_t)value.len);
    close_piece(r);
    if (!r->broken) {
        add_piece(r, value.at, value.len);
        r->batch += value.len;
    }
    reply_raw(r, "\r\n", 2);
}

void reply_null(struct reply *r)
{
    reply_raw(r, r->protocol == 3 ? "_\r\n" : "$-1\r\n", r->protocol == 3 ? 3 : 5);
}

void reply_null_array(struct reply *r)
{
    reply_raw(r, r->protocol == 3 ? "_\r\n" : "*-1\r\n", r->protocol == 3 ? 3 : 5);
}

void reply_array(struct reply *r, size_t count)
{
    head(r, '*', (int64_t)count);
}

void reply_map(struct reply *r, size_t pairs)
{
    if (r->protocol == 3) {
        head(r, '%', (int64_t)pairs);
    } else {
        head(r, '*', (int64_t)pairs * 2);
    }
}

void reply_set(struct reply *r, size_t count)
{
    head(r, r->protocol == 3 ? '~' : '*', (int64_t)count);
}

void reply_verbatim_head(struct reply *r, size_t len)
{
    if (r->protocol == 3) {
        head(r, '=', (int64_t)len + 4);
        reply_raw(r, "txt:", 4);
    } else {
        head(r, '$', (int64_t)len);
    }
}
