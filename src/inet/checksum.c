/* SPDX-License-Identifier: MIT */
/* Sums of RFC 1071: see checksum.h. Words of 64 bits, whose carries are counted apart. */
#include "checksum.h"

struct sum {
    uint64_t words, carries;
};

static inline void add(struct sum *s, uint64_t w)
{
    s->words += w;
    s->carries += s->words < w;
}

static inline void add_at(struct sum *s, const uint8_t *b)
{
    uint64_t w;

    memcpy(&w, b, sizeof(w));
    add(s, w);
}

/* The last bytes, fewer than 8. What stands at an even offset may stand at any in a word of its own. */
static inline void add_tail(struct sum *s, const uint8_t *b, size_t len)
{
    uint32_t four = 0;
    uint16_t two = 0, one = 0;

    if ((len & 4) != 0) {
        memcpy(&four, b, 4);
        b += 4;
    }
    if ((len & 2) != 0) {
        memcpy(&two, b, 2);
        b += 2;
    }
    if ((len & 1) != 0)
        memcpy(&one, b, 1);
    add(s, (uint64_t)four + two + one);
}

#ifdef __AVX2__
#define LANES 4
#else
#define LANES 2
#endif
#define STRIDE (4 * LANES * sizeof(uint64_t))
#define LONG   128 /* bytes from which on vectors pay */

typedef uint64_t lanes __attribute__((vector_size(LANES * sizeof(uint64_t))));
typedef uint64_t lanes_at __attribute__((vector_size(LANES * sizeof(uint64_t)), aligned(1), may_alias));

/*
 * Adds the whole strides of [b, b + len) and returns how many bytes they are. A lane adds up words modulo 2^64 and
 * their upper halves exactly (fewer than 2^32 words): what the former lacks of the lower halves' sum is the latter
 * shifted.
 */
static size_t add_strides(struct sum *s, const uint8_t *b, size_t len)
{
    lanes word[2] = {{0}}, high[2] = {{0}};
    size_t at = 0;

    for (; len - at >= STRIDE; at += STRIDE) {
        const lanes_at *v = (const lanes_at *)(const void *)(b + at);

        for (unsigned i = 0; i < 4; i++) {
            word[i & 1] += v[i];
            high[i & 1] += v[i] >> 32;
        }
    }
    word[0] += word[1];
    high[0] += high[1];
    word[0] -= high[0] << 32;
    for (unsigned i = 0; i < LANES; i++) {
        add(s, word[0][i]);
        add(s, high[0][i]);
    }
    return at;
}

uint64_t checksum_add(uint64_t sum, const void *p, size_t len)
{
    struct sum s = {sum, 0};
    const uint8_t *b = p;

    if (len >= LONG) {
        size_t done = add_strides(&s, b, len);

        b += done;
        len -= done;
    }
    for (; len >= 32; b += 32, len -= 32) {
        add_at(&s, b);
        add_at(&s, b + 8);
        add_at(&s, b + 16);
        add_at(&s, b + 24);
    }
    if ((len & 16) != 0) {
        add_at(&s, b);
        add_at(&s, b + 8);
        b += 16;
    }
    if ((len & 8) != 0) {
        add_at(&s, b);
        b += 8;
    }
    if (UNLIKELY((len & 7) != 0))
        add_tail(&s, b, len & 7);
    return checksum_join(s.words, s.carries);
}

uint64_t checksum_add_at(uint64_t sum, const void *p, size_t len, bool odd)
{
    uint16_t part;

    if (!odd)
        return checksum_add(sum, p, len);
    part = checksum_fold(checksum_add(0, p, len));
    return checksum_join(sum, __builtin_bswap16(part)); /* RFC 1071, section 2(B): the sum of swapped pairs */
}
