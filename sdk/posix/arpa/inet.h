/* SPDX-License-Identifier: MIT */
#ifndef SDK_ARPA_INET_H
#define SDK_ARPA_INET_H

#include <netinet/in.h>

/* AF_INET only: the machine's addresses are IPv4. -1 and NULL, with EAFNOSUPPORT, for others. */
int inet_pton(int family, const char *text, void *out);
const char *inet_ntop(int family, const void *in, char *text, socklen_t size);

#endif /* SDK_ARPA_INET_H */
