/* SPDX-License-Identifier: MIT */
/* Sums of RFC 1071: see checksum.h. Words of 64 bits, whose carries are counted apart. */
#include "checksum.h"

uint64_t checksum_add(uint64_t sum, const void *p, size_t len)
{
    const uint8_t *b = p;
    uint64_t a[4] = {0}, w[4];
    uint64_t carry = 0, tail = 0;

    /* Halves of words in sums of 64 bits: no carry is lost below 2^32 words. */
    for (; len >= 32; b += 32, len -= 32) {
        memcpy(w, b, 32);
        for (int i = 0; i < 4; i++)
            a[i] += (w[i] & 0xffffffff) + (w[i] >> 32);
    }
    for (int i = 0; i < 4; i++)
        carry = checksum_join(carry, a[i]);
    for (; len >= 8; b += 8, len -= 8) {
        memcpy(w, b, 8);
        carry = checksum_join(carry, w[0]);
    }
    if (len > 0) {
        memcpy(&tail, b, len);
        carry = checksum_join(carry, tail);
    }
    return checksum_join(sum, carry);
}

uint64_t checksum_add_at(uint64_t sum, const void *p, size_t len, bool odd)
{
    uint16_t part;

    if (!odd)
        return checksum_add(sum, p, len);
    part = checksum_fold(checksum_add(0, p, len));
    return checksum_join(sum, __builtin_bswap16(part)); /* RFC 1071, section 2(B): the sum of swapped pairs */
}
