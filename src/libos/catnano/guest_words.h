/* SPDX-License-Identifier: MIT */
/*
 * A message's words between memory and the registers, and its header as an address. In a header of its own, because the
 * API pushes back what was popped without a call in between.
 */
#ifndef LIBOS_CATNANO_GUEST_WORDS_H
#define LIBOS_CATNANO_GUEST_WORDS_H

#include "core/base.h"

#include <nanopu/nanopu.h>
#include <netinet/in.h>
#include <sys/uio.h>

#define WORDS_BLOCK 8 /* that are moved without a jump */

/* The machine's instructions for byte order (its contract, section 1.4): of a word, of its low half, of its low two. */
static inline uint64_t words_swap64(uint64_t word)
{
    uint64_t swapped;

    __asm__(".insn r 0x33, 2, 0x2a, %0, %1, zero" : "=r"(swapped) : "r"(word));
    return swapped;
}

static inline uint64_t words_swap32(uint32_t half)
{
    uint64_t swapped;

    __asm__(".insn r 0x33, 1, 0x2a, %0, %1, zero" : "=r"(swapped) : "r"((uint64_t)half));
    return swapped;
}

static inline uint64_t words_swap16(uint16_t quarter)
{
    uint64_t swapped;

    __asm__(".insn r 0x33, 0, 0x2a, %0, %1, zero" : "=r"(swapped) : "r"((uint64_t)quarter));
    return swapped;
}

/* The first eight bytes of a sockaddr_in (family, port, address) for a header's peer. */
static inline uint64_t words_address(uint64_t header)
{
    uint64_t swapped = words_swap64(header);

    return swapped << 32 | (swapped >> 16 & 0xffff0000) | AF_INET;
}

/* The header, of length 0, for an address of AF_INET. */
static inline uint64_t words_header(const struct sockaddr *addr)
{
    const struct sockaddr_in *in = (const void *)addr;

    return words_swap32(in->sin_addr.s_addr) << 32 | words_swap16(in->sin_port) << 16;
}

/*
 * Takes a message's words. Whole blocks first: their end is an address, so that nothing is counted. What is less than a
 * word comes in its most significant bytes.
 */
static inline void words_take(void *obj, size_t bytes)
{
    uint64_t *to = obj, *end = (void *)((char *)obj + (bytes & ~(size_t)(8 * WORDS_BLOCK - 1)));

    for (; to != end; to += WORDS_BLOCK) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < WORDS_BLOCK; i++)
            to[i] = nanopu_rx();
    }
    if (LIKELY(bytes % (8 * WORDS_BLOCK) == 0))
        return;
    if ((bytes & 32) != 0) {
        for (unsigned i = 0; i < 4; i++)
            *to++ = nanopu_rx();
    }
    if ((bytes & 16) != 0) {
        *to++ = nanopu_rx();
        *to++ = nanopu_rx();
    }
    if ((bytes & 8) != 0)
        *to++ = nanopu_rx();
    if (bytes % 8 != 0)
        *to = nanopu_rx() >> (64 - bytes % 8 * 8);
}

/*
 * Sends one block. Two loads into netTX wait for one another: every other word goes through a register, loaded two
 * words before it is due.
 */
static inline __attribute__((always_inline)) void words_send_block(const uint64_t *from)
{
    uint64_t odd = *(const volatile uint64_t *)&from[1];

#pragma GCC unroll 4
    for (unsigned i = 0; i < WORDS_BLOCK; i += 2) {
        uint64_t next = 0;

        nanopu_tx_from(&from[i]);
        if (i + 3 < WORDS_BLOCK)
            next = *(const volatile uint64_t *)&from[i + 3];
        nanopu_tx(odd);
        odd = next;
    }
}

/* Sends bytes that begin at a word; the last word is read whole. A message of one block has one jump before it. */
static inline __attribute__((always_inline)) void words_send(const void *bytes, size_t len)
{
    const uint64_t *from = bytes, *end = (const void *)((const char *)bytes + (len & ~(size_t)(8 * WORDS_BLOCK - 1)));

    if (LIKELY(len == 8 * WORDS_BLOCK)) {
        words_send_block(from);
        return;
    }
    for (; from != end; from += WORDS_BLOCK)
        words_send_block(from);
    if (len % (8 * WORDS_BLOCK) == 0)
        return;
    for (end += len / 8 % WORDS_BLOCK; from != end; from++)
        nanopu_tx_from(from);
    if (len % 8 != 0)
        nanopu_tx(*from << (64 - len % 8 * 8));
}

/* Segments wherever they begin and end, to the end of the message. */
void words_send_packed(const struct iovec *iov, int n);

#endif /* LIBOS_CATNANO_GUEST_WORDS_H */
