/* SPDX-License-Identifier: MIT */
/* A keyed hash of short strings: 128-bit products folded to 64 bits. The seed keeps clients from making collisions. */
#ifndef APPS_KV_HASH_H
#define APPS_KV_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_word(const char *bytes, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, bytes, len);
    return word;
}

static inline uint64_t hash_bytes(const char *bytes, size_t len, const uint64_t seed[2])
{
    uint64_t h = seed[0] ^ len * UINT64_C(0x9e3779b97f4a7c15);
    size_t left = len;
    for (; left >= 16; left -= 16, bytes += 16) {
        h = hash_fold(hash_word(bytes, 8) ^ h, hash_word(bytes + 8, 8) ^ seed[1]);
    }
    if (left >= 8) {
        h = hash_fold(hash_word(bytes, 8) ^ h, seed[1] ^ UINT64_C(0xd1342543de82ef95));
        left -= 8;
        bytes += 8;
    }
    h ^= hash_word(bytes, left);
    return hash_fold(h ^ seed[1], UINT64_C(0xbf58476d1ce4e5b9) ^ seed[0]) ^ h >> 29;
}

#endif /* APPS_KV_HASH_H */
