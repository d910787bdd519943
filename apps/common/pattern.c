/* SPDX-License-Identifier: MIT */
/* Pattern bytes; see pattern.h. */
#include "pattern.h"

#include <string.h>

/* Eight bytes at once: the finalizer of SplitMix64 over seed and word number. */
static uint64_t pattern_word(uint64_t seed, uint64_t word)
{
    uint64_t z = seed * UINT64_C(0xd1342543de82ef95) + word * UINT64_C(0x9e3779b97f4a7c15) + 1;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Bytes of the word at offset that lie in it from offset on, at most len, and those bytes. */
static size_t pattern_piece(uint8_t piece[8], size_t len, uint64_t seed, uint64_t offset)
{
    uint64_t word = pattern_word(seed, offset / 8);
    size_t first = offset % 8;
    size_t n = 8 - first < len ? 8 - first : len;
    word >>= 8 * first;
    memcpy(piece, &word, 8);
    return n;
}

void pattern_fill(void *bytes, size_t len, uint64_t seed, uint64_t offset)
{
    uint8_t *to = bytes;
    for (size_t done = 0; done < len;) {
        uint8_t piece[8];
        size_t n = pattern_piece(piece, len - done, seed, offset + done);
        memcpy(to + done, piece, n);
        done += n;
    }
}

size_t pattern_match(const void *bytes, size_t len, uint64_t seed, uint64_t offset)
{
    const uint8_t *from = bytes;
    for (size_t done = 0; done < len;) {
        uint8_t piece[8];
        size_t n = pattern_piece(piece, len - done, seed, offset + done);
        if (memcmp(from + done, piece, n) != 0) {
            size_t right = 0;
            while (right < n && from[done + right] == piece[right]) {
                right++;
            }
            return done + right;
        }
        done += n;
    }
    return len;
}
