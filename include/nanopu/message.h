/* SPDX-License-Identifier: MIT */
/*
 * The word that begins each message at the register interface, and addresses.
 *
 * Source: the machine's contract, section 2. Bits 63 to 32 are the other side's IPv4 address as a number (10.0.0.2 is
 * 0x0a000002), 31 to 16 its context (a port), 15 to 0 the length of the payload in bytes, without this word. A message
 * that is sent names its destination there, one that is received its source. ceil(length / 8) words follow.
 */
#ifndef NANOPU_MESSAGE_H
#define NANOPU_MESSAGE_H

#include <stdint.h>

#define NANOPU_MESSAGE_BYTES_MAX 2048 /* of the prototype; the NIC of profile homa takes 38912 */

/* bytes: 1 to NANOPU_MESSAGE_BYTES_MAX; the NIC accepts nothing else. */
static inline uint64_t nanopu_header(uint32_t ip, unsigned context, unsigned bytes)
{
    return (uint64_t)ip << 32 | (uint64_t)(context & 0xffff) << 16 | (bytes & 0xffff);
}

static inline uint32_t nanopu_header_ip(uint64_t header)
{
    return (uint32_t)(header >> 32);
}

static inline unsigned nanopu_header_context(uint64_t header)
{
    return (unsigned)(header >> 16) & 0xffff;
}

static inline unsigned nanopu_header_bytes(uint64_t header)
{
    return (unsigned)header & 0xffff;
}

/* The same peer with another length: the header of an answer. */
static inline uint64_t nanopu_header_with_bytes(uint64_t header, unsigned bytes)
{
    return (header & ~UINT64_C(0xffff)) | (bytes & 0xffff);
}

/* Words of a payload of this many bytes; the last one holds its bytes in its most significant part. */
static inline unsigned nanopu_words(unsigned bytes)
{
    return (bytes + 7) / 8;
}

/* "10.0.0.2" as a number, 0 when the text is no address (then 0.0.0.0 is none either). */
static inline uint32_t nanopu_ip_parse(const char *text)
{
    uint32_t ip = 0;

    for (int part = 0; part < 4; part++) {
        unsigned value = 0, digits = 0;

        for (; *text >= '0' && *text <= '9' && digits < 4; text++, digits++)
            value = value * 10 + (unsigned)(*text - '0');
        if (digits == 0 || digits > 3 || value > 255 || *text != (part < 3 ? '.' : '\0'))
            return 0;
        if (part < 3)
            text++;
        ip = ip << 8 | value;
    }
    return ip;
}

/* An unsigned decimal number, or otherwise when the text (or NULL) is none. */
static inline uint64_t nanopu_number_parse(const char *text, uint64_t otherwise)
{
    uint64_t value = 0;

    if (text == 0 || *text == '\0')
        return otherwise;
    for (; *text != '\0'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');

        if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10)
            return otherwise;
        value = value * 10 + digit;
    }
    return value;
}

#endif /* NANOPU_MESSAGE_H */
