/* SPDX-License-Identifier: MIT */
/* Socket addresses as text; see addr.h. */
#include "addr.h"
#include "args.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool port_parse(const char *text, in_port_t *out)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 5 || text[len] != '\0') {
        return false;
    }
    long port = strtol(text, NULL, 10);
    if (port > UINT16_MAX) {
        return false;
    }
    *out = htons((uint16_t)port);
    return true;
}

static bool v6_parse(char *host, in_port_t port, struct addr *out)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port};
    char *scope = strchr(host, '%');
    if (scope != NULL) {
        *scope++ = '\0';
        in6.sin6_scope_id = if_nametoindex(scope);
        if (in6.sin6_scope_id == 0) {
            return false;
        }
    }
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, &in6, sizeof(in6));
    out->len = sizeof(in6);
    return true;
}

static bool v4_parse(const char *host, in_port_t port, struct addr *out)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = port};
    if (inet_pton(AF_INET, host, &in4.sin_addr) != 1) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, &in4, sizeof(in4));
    out->len = sizeof(in4);
    return true;
}

bool addr_parse(const char *text, struct addr *out)
{
    const char *colon = strrchr(text, ':');
    char host[ADDR_TEXT_MAX];
    in_port_t port;
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host) || !port_parse(colon + 1, &port)) {
        return false;
    }
    size_t len = (size_t)(colon - text);
    memcpy(host, text, len);
    host[len] = '\0';
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        return v6_parse(host + 1, port, out);
    }
    return v4_parse(host, port, out);
}

bool arg_addr(const char *option, const char *text, struct addr *out)
{
    if (addr_parse(text, out)) {
        return true;
    }
    complain_usage("--%s: '%s' is not ADDR:PORT, such as 127.0.0.1:7000 or [::1]:7000", option, text);
    return false;
}

const char *addr_format(const struct addr *a, char *text, size_t len)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->storage;
        char name[IF_NAMESIZE];
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        bool scoped = in6->sin6_scope_id != 0 && if_indextoname(in6->sin6_scope_id, name) != NULL;
        snprintf(text, len, "[%s%s%s]:%u", host, scoped ? "%" : "", scoped ? name : "", ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&a->storage;
        inet_ntop(AF_INET, &in4->sin_addr, host, sizeof(host));
        snprintf(text, len, "%s:%u", host, ntohs(in4->sin_port));
    }
    return text;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    if (a->storage.ss_family != b->storage.ss_family) {
        return false;
    }
    if (a->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)&a->storage;
        const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)&b->storage;
        return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
               memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
    }
    const struct sockaddr_in *x = (const struct sockaddr_in *)&a->storage;
    const struct sockaddr_in *y = (const struct sockaddr_in *)&b->storage;
    return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
}
