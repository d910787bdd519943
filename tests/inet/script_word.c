/* SPDX-License-Identifier: MIT */
/* A script's words. */
#include "script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

void script_where(struct play *p)
{
    if (p->told)
        return;
    p->told = true;
    print_error("%s:%u: %s\n", p->script->file, p->line, p->shown);
    if (p->frame != NULL)
        print_error("  frame:    %s\n", script_describe(p->frame));
}

const char *script_word(struct play *p)
{
    return p->at < p->words ? p->word[p->at++] : "";
}

bool script_take(struct play *p, const char *word)
{
    if (p->at == p->words || strcmp(p->word[p->at], word) != 0)
        return false;
    p->at++;
    return true;
}

uint32_t script_number_of(struct play *p, const char *text)
{
    char *end;
    unsigned long v;

    if (strcmp(text, "hostport") == 0)
        return script_flow(p, PEER_PORT)->host_port;
    v = strtoul(text, &end, 0);
    if (*text == '\0' || *end != '\0')
        PLAY_FAIL(p, "\"%s\" is no number", text);
    return (uint32_t)v;
}

uint32_t script_number(struct play *p)
{
    return script_number_of(p, script_word(p));
}

int script_errno(struct play *p, const char *name)
{
    static const struct {
        const char *name;
        int err;
    } names[] = {
        {"0", 0},
#define NAME(e) {#e, e}
        NAME(ECONNREFUSED), NAME(ECONNRESET), NAME(ETIMEDOUT), NAME(EHOSTUNREACH), NAME(ENETUNREACH),   NAME(EPIPE),
        NAME(EAGAIN),       NAME(ENOTCONN),   NAME(EMSGSIZE),  NAME(EADDRINUSE),   NAME(EADDRNOTAVAIL), NAME(EINVAL),
        NAME(EEXIST),       NAME(ENOSPC),     NAME(ENOBUFS),   NAME(ENOMEM)
#undef NAME
    };

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].err;
    PLAY_FAIL(p, "\"%s\" is no errno that a script knows", name);
    return 0;
}

int script_result(struct play *p)
{
    return script_take(p, "=") ? script_errno(p, script_word(p)) : 0;
}

uint64_t script_time(struct play *p, const char *amount)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", NS_PER_US}, {"ms", NS_PER_MS}, {"s", NS_PER_S}};
    uint64_t n = script_number_of(p, amount);
    const char *unit = script_word(p);

    for (unsigned i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(units[i].name, unit) == 0)
            return n * units[i].ns;
    PLAY_FAIL(p, "\"%s\" is no unit of time", unit);
    return 0;
}

/* name: address of IPv4, of IPv6, of the link; NULL where it has none. */
static const struct {
    const char *name, *v4, *v6, *mac;
} places[] = {
    {"host", "10.0.0.1", "fd00::1", "02:00:00:00:00:01"},
    {"peer", "10.0.0.9", "fd00::9", "02:00:00:00:00:09"},
    {"gw", "10.0.0.254", "fd00::fe", "02:00:00:00:00:fe"},
    {"other", "10.0.0.7", "fd00::7", "02:00:00:00:00:07"},
    {"far", "192.0.2.1", "2001:db8::1", NULL},
    {"any", "0.0.0.0", "::", "00:00:00:00:00:00"},
    {"all", "255.255.255.255", "ff02::1", "ff:ff:ff:ff:ff:ff"},
    {"net", "10.0.0.255", NULL, NULL},
    {"loop", "127.0.0.1", "::1", NULL},
    {"group", "224.0.0.1", "ff02::fb", "01:00:5e:00:00:01"},
    {"nodes", NULL, "ff02::1", "33:33:00:00:00:01"},
    {"routers", NULL, "ff02::2", "33:33:00:00:00:02"},
    {"solicited", NULL, "ff02::1:ff00:1", "33:33:ff:00:00:01"}, /* of all addresses of the host */
    {"solicited9", NULL, "ff02::1:ff00:9", "33:33:ff:00:00:09"},
    {"ll", NULL, "fe80::ff:fe00:1", NULL},
    {"ll9", NULL, "fe80::9", NULL},
    {"llgw", NULL, "fe80::fe", NULL},
};

struct inet_addr script_addr(struct play *p, const char *text, bool v6)
{
    uint8_t b[16];

    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        if (strcmp(places[i].name, text) == 0 && (v6 ? places[i].v6 : places[i].v4) != NULL)
            text = v6 ? places[i].v6 : places[i].v4;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, text, b) != 1)
        PLAY_FAIL(p, "\"%s\" is no address of IPv%d", text, v6 ? 6 : 4);
    return v6 ? inet_addr_from6(b) : inet_addr_from4(b);
}

struct inet_addr script_addr_any(struct play *p, const char *text)
{
    bool v6 = p->v6;

    if (strpbrk(text, ".:") != NULL)
        v6 = strchr(text, ':') != NULL;
    return script_addr(p, text, v6);
}

void script_mac(struct play *p, const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        if (strcmp(places[i].name, text) == 0 && places[i].mac != NULL)
            text = places[i].mac;
    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
        PLAY_FAIL(p, "\"%s\" is no link address", text);
}

uint32_t script_hex(struct play *p, const char *text, uint8_t *to, uint32_t max)
{
    uint32_t len = (uint32_t)strlen(text) / 2;

    if (strlen(text) % 2 != 0 || len > max || text[strspn(text, "0123456789abcdefABCDEF")] != '\0')
        PLAY_FAIL(p, "\"%s\" are no bytes", text);
    for (uint32_t i = 0; i < len; i++)
        sscanf(text + 2 * (size_t)i, "%2hhx", &to[i]);
    return len;
}
