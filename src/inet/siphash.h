/* SPDX-License-Identifier: MIT */
/*
 * SipHash (Aumasson and Bernstein, INDOCRYPT 2012): a short keyed hash whose outputs do not tell the key. SipHash-2-4
 * where a stranger sees results (sequence numbers, cookies, ports), 1-3 where he sees at most time (tables).
 */
#ifndef INET_SIPHASH_H
#define INET_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct siphash {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t sip_rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct siphash *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = sip_rotate(s->v1, 13) ^ s->v0;
    s->v3 = sip_rotate(s->v3, 16) ^ s->v2;
    s->v0 = sip_rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = sip_rotate(s->v1, 17) ^ s->v2;
    s->v3 = sip_rotate(s->v3, 21) ^ s->v0;
    s->v2 = sip_rotate(s->v2, 32);
}

static inline struct siphash sip_start(const uint64_t key[2])
{
    return (struct siphash){key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                            key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
}

/* One word in with c rounds. */
static inline void sip_word(struct siphash *s, uint64_t word, int c)
{
    s->v3 ^= word;
    for (int i = 0; i < c; i++)
        sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t sip_end(struct siphash *s, int d)
{
    s->v2 ^= 0xff;
    for (int i = 0; i < d; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* SipHash-2-4 of whole words. */
static inline uint64_t siphash24_words(const uint64_t key[2], const uint64_t *words, unsigned count)
{
    struct siphash s = sip_start(key);

    for (unsigned i = 0; i < count; i++)
        sip_word(&s, words[i], 2);
    sip_word(&s, (uint64_t)(count * 8) << 56, 2);
    return sip_end(&s, 4);
}

#endif /* INET_SIPHASH_H */
