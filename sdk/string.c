/* SPDX-License-Identifier: MIT */
/*
 * memcpy, memset and memcmp by words: the C library's go byte by byte where an address is not a multiple of
 * eight, and this machine's loads must be aligned.
 */
#include <stdint.h>
#include <string.h>

typedef uint64_t word __attribute__((may_alias));
typedef uint32_t half __attribute__((may_alias));

#define BLOCK 8 /* words that are moved without a jump */

static inline unsigned offset(const void *p, unsigned of)
{
    return (unsigned)(uintptr_t)p & (of - 1);
}

static void copy_bytes(unsigned char *to, const unsigned char *from, size_t len)
{
    for (; len >= 4; len -= 4, to += 4, from += 4) {
        unsigned char a = from[0], b = from[1], c = from[2], d = from[3];

        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
    }
    while (len-- != 0)
        *to++ = *from++;
}

static void copy_halves(half *to, const half *from, size_t len)
{
    for (; len >= 16; len -= 16, to += 4, from += 4) {
        half a = from[0], b = from[1], c = from[2], d = from[3];

        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
    }
    for (; len >= 4; len -= 4)
        *to++ = *from++;
    copy_bytes((unsigned char *)to, (const unsigned char *)from, len);
}

static void copy_words(word *to, const word *from, size_t len)
{
    for (; len >= 8 * BLOCK; len -= 8 * BLOCK, to += BLOCK, from += BLOCK) {
        word w[BLOCK];

#pragma GCC unroll 8
        for (unsigned i = 0; i < BLOCK; i++)
            w[i] = from[i];
#pragma GCC unroll 8
        for (unsigned i = 0; i < BLOCK; i++)
            to[i] = w[i];
    }
    for (; len >= 8; len -= 8)
        *to++ = *from++;
    if (len != 0)
        copy_bytes((unsigned char *)to, (const unsigned char *)from, len);
}

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
    unsigned apart = offset(to, 8) ^ offset(from, 8);
    unsigned char *t = to;
    const unsigned char *f = from;
    unsigned head;

    if (apart == 0) {
        head = -offset(to, 8) & 7;
        if (len >= 8 && head != 0) {
            copy_bytes(t, f, head);
            t += head, f += head, len -= head;
        }
        if (offset(t, 8) == 0) {
            copy_words((word *)(void *)t, (const word *)(const void *)f, len);
            return to;
        }
    } else if (offset(to, 4) == 0 && offset(from, 4) == 0) {
        copy_halves((half *)to, (const half *)from, len);
        return to;
    }
    copy_bytes(t, f, len);
    return to;
}

void *memset(void *to, int value, size_t len)
{
    word pattern = (uint8_t)value * UINT64_C(0x0101010101010101);
    unsigned char *t = to;
    word *w;

    for (; len != 0 && offset(t, 8) != 0; len--)
        *t++ = (unsigned char)value;
    w = (word *)(void *)t;
    for (; len >= 8 * BLOCK; len -= 8 * BLOCK, w += BLOCK) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < BLOCK; i++)
            w[i] = pattern;
    }
    for (; len >= 8; len -= 8)
        *w++ = pattern;
    for (t = (unsigned char *)w; len != 0; len--)
        *t++ = (unsigned char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
    const unsigned char *x = a, *y = b;

    if (offset(a, 8) == 0 && offset(b, 8) == 0)
        for (; len >= 8 && *(const word *)(const void *)x == *(const word *)(const void *)y; len -= 8)
            x += 8, y += 8;
    for (; len != 0 && *x == *y; len--)
        x++, y++;
    return len != 0 ? *x - *y : 0;
}
