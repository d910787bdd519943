/* SPDX-License-Identifier: MIT */
/* Socket addresses as text: 127.0.0.1:80, [::1]:80, [fe80::1%eth0]:80. Numbers only, no name service. */
#ifndef APPS_COMMON_ADDR_H
#define APPS_COMMON_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Room for any address as text. */
#define ADDR_TEXT_MAX 80

struct addr {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* Reads text into out. false, with out untouched, when it is not an address and a port. */
bool addr_parse(const char *text, struct addr *out);

/* As addr_parse for the value of an option: complains, naming the option, when it is not. */
bool arg_addr(const char *option, const char *text, struct addr *out);

/* Writes the address to text, cut to len bytes, and returns text. */
const char *addr_format(const struct addr *a, char *text, size_t len);

/* Whether family, address, port and scope are the same. */
bool addr_equal(const struct addr *a, const struct addr *b);

static inline struct sockaddr *addr_sockaddr(struct addr *a)
{
    return (struct sockaddr *)&a->storage;
}

static inline const struct sockaddr *addr_const_sockaddr(const struct addr *a)
{
    return (const struct sockaddr *)&a->storage;
}

#endif /* APPS_COMMON_ADDR_H */
