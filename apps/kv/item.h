/* SPDX-License-Identifier: MIT */
/*
 * A key with its value, as it lies in the log: a header of 8 bytes, what the flags say, the key, the value.
 *
 *   header | expiry (8, ITEM_EXPIRES) | struct outside (16, ITEM_OUTSIDE) | key | value, unless it is outside
 *
 * A long value lies outside, in memory of its own that can be pushed without a copy; the log has a stub. Items begin at
 * multiples of 8 bytes and know their place in their segment, so that the segment is found from the pointer.
 */
#ifndef APPS_KV_ITEM_H
#define APPS_KV_ITEM_H

#include "common/word.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ITEM_ALIGN      8u
#define ITEM_KEY_MAX    8192u       /* bytes of a key */
#define ITEM_VALUE_MAX  (32u << 20) /* bytes of a value */
#define ITEM_INSIDE_MAX 1024u       /* bytes of a value that lies in the log */
#define ITEM_LEN_MASK   0x3ffffffu  /* of value_len */
#define ITEM_FLAG_MASK  0x3fu

enum item_flag {
    ITEM_EXPIRES = 1, /* has an expiry */
    ITEM_OUTSIDE = 2, /* the value is not in the log */
    ITEM_USED = 4,    /* was read since the cleaner last passed */
    ITEM_DEAD = 8,    /* nobody's: its bytes are waste until its segment is cleaned */
};

struct item {
    uint32_t value_len : 26;
    uint32_t flags : 6;
    uint16_t key_len;
    uint16_t at; /* of the item in its segment, in units of ITEM_ALIGN */
};
_Static_assert(sizeof(struct item) == 8, "the header is a word");

/* A value outside the log: memory of demi_malloc(). */
struct outside {
    char *bytes;
    uint64_t room;
};

/* A piece of memory that somebody else owns. */
struct span {
    const char *at;
    size_t len;
};

/* What an item's header says, read in one go. */
static inline struct item item_header(const struct item *it)
{
    union {
        uint64_t word;
        struct item header;
    } u = {.word = word_load(__builtin_assume_aligned(it, ITEM_ALIGN), true)};
    __asm__("" : "+r"(u.word)); /* else a compiler reads each member by itself, and again */
    return u.header;
}

static inline size_t item_head_bytes(unsigned flags)
{
    return sizeof(struct item) + ((flags & ITEM_EXPIRES) != 0 ? sizeof(uint64_t) : 0) +
           ((flags & ITEM_OUTSIDE) != 0 ? sizeof(struct outside) : 0);
}

/* Bytes of the log that an item with these properties takes. */
static inline size_t item_bytes_of(unsigned flags, size_t key_len, size_t value_len)
{
    size_t bytes = item_head_bytes(flags) + key_len + ((flags & ITEM_OUTSIDE) != 0 ? 0 : value_len);
    return (bytes + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1);
}

static inline size_t item_bytes(const struct item *it)
{
    return item_bytes_of(it->flags, it->key_len, it->value_len);
}

static inline char *item_key(struct item *it)
{
    return (char *)it + item_head_bytes(it->flags);
}

static inline struct outside *item_outside(struct item *it)
{
    assert((it->flags & ITEM_OUTSIDE) != 0);
    return (struct outside *)(void *)((char *)it + item_head_bytes(it->flags) - sizeof(struct outside));
}

static inline char *item_value(struct item *it)
{
    return (it->flags & ITEM_OUTSIDE) != 0 ? item_outside(it)->bytes : item_key(it) + it->key_len;
}

/* Milliseconds since 1970 at which the item is gone; 0: never. */
static inline uint64_t item_expiry_ms(const struct item *it)
{
    uint64_t ms = 0;
    if ((it->flags & ITEM_EXPIRES) != 0) {
        memcpy(&ms, (const char *)it + sizeof(*it), sizeof(ms));
    }
    return ms;
}

static inline void item_set_expiry_ms(struct item *it, uint64_t ms)
{
    assert((it->flags & ITEM_EXPIRES) != 0 && ms != 0);
    memcpy((char *)it + sizeof(*it), &ms, sizeof(ms));
}

static inline bool item_expired(const struct item *it, uint64_t now_ms)
{
    return (it->flags & ITEM_EXPIRES) != 0 && item_expiry_ms(it) <= now_ms;
}

static inline bool item_has_key(const struct item *it, struct item header, const char *key, size_t len)
{
    const char *at = __builtin_assume_aligned(it, ITEM_ALIGN);
    return header.key_len == len && words_equal(at + item_head_bytes(header.flags), key, len);
}

#endif /* APPS_KV_ITEM_H */
