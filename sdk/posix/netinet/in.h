/* SPDX-License-Identifier: MIT */
#ifndef SDK_NETINET_IN_H
#define SDK_NETINET_IN_H

#include <endian.h>
#include <stdint.h>
#include <sys/socket.h>

typedef uint16_t in_port_t;
typedef uint32_t in_addr_t;

struct in_addr {
    in_addr_t s_addr;
};

struct sockaddr_in {
    sa_family_t sin_family;
    in_port_t sin_port;
    struct in_addr sin_addr;
    unsigned char sin_zero[8];
};

struct in6_addr {
    union {
        uint8_t s6_addr[16];
        uint32_t s6_addr32[4];
    };
};

struct sockaddr_in6 {
    sa_family_t sin6_family;
    in_port_t sin6_port;
    uint32_t sin6_flowinfo;
    struct in6_addr sin6_addr;
    uint32_t sin6_scope_id;
};
_Static_assert(sizeof(struct sockaddr_in) == 16 && sizeof(struct sockaddr_in6) == 28, "as everywhere");

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

#define INADDR_ANY       ((in_addr_t)0)
#define INADDR_LOOPBACK  ((in_addr_t)0x7f000001)
#define INET_ADDRSTRLEN  16
#define INET6_ADDRSTRLEN 46

static inline uint16_t nanopu_swap16(uint16_t value)
{
    return __builtin_bswap16(value);
}

static inline uint32_t nanopu_swap32(uint32_t value)
{
    return __builtin_bswap32(value);
}

#undef htons
#undef ntohs
#undef htonl
#undef ntohl
#define htons(value) nanopu_swap16(value)
#define ntohs(value) nanopu_swap16(value)
#define htonl(value) nanopu_swap32(value)
#define ntohl(value) nanopu_swap32(value)

#endif /* SDK_NETINET_IN_H */
