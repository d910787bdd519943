/* SPDX-License-Identifier: MIT */
/* Bytes that do not begin or end at a word, of memory or of the message: see guest_words.h. */
#include "guest_words.h"

/* Bytes on their way into words of a message. */
struct packer {
    uint64_t word;
    unsigned bytes; /* of it, below 8 */
};

/* Adds the low bytes, 1 to 8, of part; the others are 0. */
static inline void pack(struct packer *p, uint64_t part, unsigned bytes)
{
    p->word |= part << 8 * p->bytes;
    p->bytes += bytes;
    if (p->bytes < 8)
        return;
    nanopu_tx(p->word);
    p->bytes -= 8;
    p->word = p->bytes != 0 ? part >> 8 * (bytes - p->bytes) : 0;
}

void words_send_packed(const struct iovec *iov, int n)
{
    struct packer p = {0, 0};

    for (; n > 0; n--, iov++) {
        const uint8_t *from = iov->iov_base, *end = from + iov->iov_len;

        for (; from != end && ((uintptr_t)from & 7) != 0; from++)
            pack(&p, *from, 1);
        for (; end - from >= 8; from += 8)
            pack(&p, *(const uint64_t *)(const void *)from, 8);
        for (; from != end; from++)
            pack(&p, *from, 1);
    }
    if (p.bytes != 0)
        nanopu_tx(p.word << (64 - p.bytes * 8));
}
