/* SPDX-License-Identifier: MIT */
/* Socket addresses, types and options, with Linux's numbers, for programs written for PDPIX. There is no kernel here.
 */
#ifndef SDK_SYS_SOCKET_H
#define SDK_SYS_SOCKET_H

#include <stdint.h>
#include <sys/types.h>

typedef uint32_t socklen_t;
typedef uint16_t sa_family_t;

#define AF_UNSPEC 0
#define AF_INET   2
#define AF_INET6  10

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_RDM       4
#define SOCK_SEQPACKET 5

#define SOMAXCONN 4096

#define SHUT_RD   0
#define SHUT_WR   1
#define SHUT_RDWR 2

#define SOL_SOCKET   1
#define SO_REUSEADDR 2
#define SO_ERROR     4
#define SO_SNDBUF    7
#define SO_RCVBUF    8
#define SO_KEEPALIVE 9
#define SO_PRIORITY  12
#define SO_LINGER    13
#define SO_REUSEPORT 15

/* On a boundary of four bytes, as every family is, so that an address is moved by words. */
struct sockaddr {
    sa_family_t sa_family;
    char sa_data[14];
} __attribute__((aligned(4)));

struct sockaddr_storage {
    sa_family_t ss_family;
    char ss_pad[118];
    uint64_t ss_align;
};

struct linger {
    int l_onoff;
    int l_linger;
};

#endif /* SDK_SYS_SOCKET_H */
