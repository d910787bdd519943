/* SPDX-License-Identifier: MIT */
/*
 * Words of memory wherever they lie. Where a machine reads only aligned ones a compiler goes byte by byte unless it
 * knows that they are; most are, so one look at the address saves a hundred instructions.
 */
#ifndef APPS_COMMON_WORD_H
#define APPS_COMMON_WORD_H

#include <demi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* PDPIX's structures have a boundary where the machine needs one for its words (<demi/cc.h>). */
#define WORDS_ANYWHERE (_Alignof(demi_sgarray_t) == 1)

/* What a compiler is to put in a row. */
#define WORD_USUAL(x) __builtin_expect(!!(x), 1)

/* Is it to be read as if it were aligned? */
static inline bool word_aligned(const void *at)
{
    return !WORDS_ANYWHERE && ((uintptr_t)at & 7) == 0;
}

/* One word; aligned: word_aligned() said so. */
static inline uint64_t word_load(const void *from, bool aligned)
{
    uint64_t word;
    memcpy(&word, aligned ? __builtin_assume_aligned(from, 8) : from, 8);
    return word;
}

static inline void word_store(void *to, uint64_t word, bool aligned)
{
    memcpy(aligned ? __builtin_assume_aligned(to, 8) : to, &word, 8);
}

static __attribute__((noinline, unused)) bool words_equal_any(const char *a, const char *b, size_t len)
{
    if (word_aligned(a) && word_aligned(b)) {
        for (; len >= 8; len -= 8, a += 8, b += 8) {
            if (word_load(a, true) != word_load(b, true)) {
                return false;
            }
        }
    }
    for (; len > 0 && *a == *b; len--) {
        a++, b++;
    }
    return len == 0;
}

/* Whether two runs of bytes are the same. */
static inline bool words_equal(const char *a, const char *b, size_t len)
{
    if (WORDS_ANYWHERE) {
        return memcmp(a, b, len) == 0;
    }
    if (WORD_USUAL(len == 16 && word_aligned(a) && word_aligned(b))) {
        return ((word_load(a, true) ^ word_load(b, true)) | (word_load(a + 8, true) ^ word_load(b + 8, true))) == 0;
    }
    return words_equal_any(a, b, len);
}

#endif /* APPS_COMMON_WORD_H */
