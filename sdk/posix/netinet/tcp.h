/* SPDX-License-Identifier: MIT */
/* Options of TCP, with Linux's numbers: a program may ask for them, no libOS here has them. */
#ifndef SDK_NETINET_TCP_H
#define SDK_NETINET_TCP_H

#define TCP_NODELAY      1
#define TCP_MAXSEG       2
#define TCP_KEEPIDLE     4
#define TCP_KEEPINTVL    5
#define TCP_KEEPCNT      6
#define TCP_INFO         11
#define TCP_CONGESTION   13
#define TCP_USER_TIMEOUT 18

#endif /* SDK_NETINET_TCP_H */
