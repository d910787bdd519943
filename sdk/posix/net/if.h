/* SPDX-License-Identifier: MIT */
#ifndef SDK_NET_IF_H
#define SDK_NET_IF_H

#define IF_NAMESIZE 16

/* A host has one NIC without a name: 0 and NULL, with ENXIO. */
unsigned if_nametoindex(const char *name);
char *if_indextoname(unsigned index, char *name);

#endif /* SDK_NET_IF_H */
