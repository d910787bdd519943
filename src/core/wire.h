/* SPDX-License-Identifier: MIT */
/* Numbers as they stand in packets: big-endian, at any address. */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get16(const void *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return be16toh(v);
}

static inline uint32_t get32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static inline uint64_t get64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

/* A link address, or any other six bytes. */
static inline uint64_t get48(const void *p)
{
    return (uint64_t)get16(p) << 32 | get32((const char *)p + 2);
}

static inline void put16(void *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put32(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put64(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}

static inline void put48(void *p, uint64_t v)
{
    put16(p, (uint16_t)(v >> 32));
    put32((char *)p + 2, (uint32_t)v);
}

#endif /* CORE_WIRE_H */
