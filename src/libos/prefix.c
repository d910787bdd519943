/* SPDX-License-Identifier: MIT */
#include "prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool prefix_word(const char **list, char word[PREFIX_WORD], bool *too_long)
{
    size_t len;

    *list += strspn(*list, ", ");
    len = strcspn(*list, ", ");
    *too_long = len >= PREFIX_WORD;
    if (len == 0 || *too_long)
        return false;
    memcpy(word, *list, len);
    word[len] = '\0';
    *list += len;
    return true;
}

bool prefix_parse_addr(const char *text, struct inet_addr *a)
{
    uint8_t b[16];

    if (inet_pton(AF_INET, text, b) == 1)
        *a = inet_addr_from4(b);
    else if (inet_pton(AF_INET6, text, b) == 1)
        *a = inet_addr_from6(b);
    else
        return false;
    return true;
}

bool prefix_parse(const char *text, struct inet_addr *a, unsigned *bits)
{
    size_t len = strcspn(text, "/");
    char addr[PREFIX_WORD], *end;
    unsigned long n;
    unsigned most;

    if (len >= sizeof(addr))
        return false;
    memcpy(addr, text, len);
    addr[len] = '\0';
    if (!prefix_parse_addr(addr, a))
        return false;
    most = inet_addr_is4(a) ? 32 : 128;
    *bits = most;
    if (text[len] == '\0')
        return true;
    text += len + 1;
    if (*text < '0' || *text > '9') /* strtoul takes signs and blanks */
        return false;
    n = strtoul(text, &end, 10);
    *bits = (unsigned)n;
    return *end == '\0' && n <= most;
}

int prefix_list_parse(struct prefix_list *l, const char *text, char bad[PREFIX_WORD])
{
    bool too_long;

    l->count = 0;
    while (prefix_word(&text, bad, &too_long)) {
        struct prefix *p = &l->prefix[l->count];

        if (l->count == PREFIXES_MAX)
            return -E2BIG;
        if (!prefix_parse(bad, &p->addr, &p->bits))
            return -EINVAL;
        p->bits += inet_addr_is4(&p->addr) ? 96 : 0;
        l->count++;
    }
    if (!too_long)
        return 0;
    snprintf(bad, PREFIX_WORD, "%s", text);
    return -EINVAL;
}

bool prefix_list_has(const struct prefix_list *l, const struct inet_addr *a)
{
    bool is4 = inet_addr_is4(a); /* ::/0 is IPv6 alone, although the 16 bytes of both families begin so */

    for (unsigned i = 0; i < l->count; i++) {
        const struct prefix *p = &l->prefix[i];

        if (inet_addr_is4(&p->addr) == is4 && inet_addr_same_prefix(a, &p->addr, p->bits))
            return true;
    }
    return false;
}
