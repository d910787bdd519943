/* SPDX-License-Identifier: MIT */
/* A keyed hash of short strings: 128-bit products folded to 64 bits. The seed keeps clients from making collisions. */
#ifndef APPS_KV_HASH_H
#define APPS_KV_HASH_H

#include "common/word.h"

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The last bytes, fewer than a word, as a word; before says how many stand before them. */
static inline uint64_t hash_tail(const char *bytes, size_t left, size_t before)
{
    uint64_t word = 0;
    if (WORDS_ANYWHERE && left > 0 && before >= 8) {
        return word_load(bytes + left - 8, false) >> (64 - 8 * left);
    }
    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)(uint8_t)bytes[i] << 8 * i;
    }
    return word;
}

/*
 * Of up to 16 bytes. One product is enough: who does not know the seed cannot find two that make the same. But keys
 * that count up would come out in an order that, for one seed in a hundred, fills some buckets twice as full: hence the
 * shift.
 */
static inline uint64_t hash_pair(uint64_t first, uint64_t second, size_t len, const uint64_t seed[2])
{
    uint64_t h = hash_fold(first ^ seed[0], second ^ seed[1]) ^ len;
    return h ^ h >> 29;
}

static inline __attribute__((always_inline)) uint64_t hash_run(const char *bytes, size_t len, const uint64_t seed[2],
                                                               bool aligned)
{
    if (len <= 16) {
        uint64_t first = len >= 8 ? word_load(bytes, aligned) : hash_tail(bytes, len, 0);
        uint64_t second = len == 16 ? word_load(bytes + 8, aligned) : len > 8 ? hash_tail(bytes + 8, len - 8, 8) : 0;
        return hash_pair(first, second, len, seed);
    }
    uint64_t h = seed[0] ^ len * UINT64_C(0x9e3779b97f4a7c15);
    size_t left = len;
    for (; left >= 16; left -= 16, bytes += 16) {
        h = hash_fold(word_load(bytes, aligned) ^ h, word_load(bytes + 8, aligned) ^ seed[1]);
    }
    if (left >= 8) {
        h = hash_fold(word_load(bytes, aligned) ^ h, seed[1] ^ UINT64_C(0xd1342543de82ef95));
        left -= 8;
        bytes += 8;
    }
    h ^= hash_tail(bytes, left, len - left);
    return hash_fold(h ^ seed[1], UINT64_C(0xbf58476d1ce4e5b9) ^ seed[0]) ^ h >> 29;
}

static __attribute__((noinline, unused)) uint64_t hash_any(const char *bytes, size_t len, const uint64_t seed[2])
{
    return word_aligned(bytes) ? hash_run(bytes, len, seed, true) : hash_run(bytes, len, seed, false);
}

static inline uint64_t hash_bytes(const char *bytes, size_t len, const uint64_t seed[2])
{
    if (WORDS_ANYWHERE) {
        return hash_run(bytes, len, seed, false);
    }
    if (WORD_USUAL(len == 16 && word_aligned(bytes))) {
        return hash_pair(word_load(bytes, true), word_load(bytes + 8, true), len, seed);
    }
    return hash_any(bytes, len, seed);
}

#endif /* APPS_KV_HASH_H */
