/* SPDX-License-Identifier: MIT */
/*
 * catmem: addresses and ports.
 *
 * An address and port is the name of a unix socket in the abstract name space, of one user: nothing is left behind by a
 * crash, two sockets cannot have one name, and a network namespace has its own names as it has its own ports. A
 * connecting socket has a name too, with an ephemeral port, so that ports of both ends are unique.
 *
 * The name holds the exact address, so that 127.0.0.1 and 127.0.0.2 may have one port. That a wildcard and an exact
 * address exclude each other is seen in the kernel's list of unix sockets, without a lock: two processes that bind such
 * a pair in the same instant may both succeed; a connection then goes to the exact one.
 */
#include "catmem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_PREFIX "caracal-catmem"
#define PORT_FIRST  32768 /* ephemeral ports, as Linux has them */
#define PORT_COUNT  28232

bool address_from(struct catmem_address *a, const struct sockaddr *sa)
{
    const struct sockaddr_in *in = (const void *)sa;
    const struct sockaddr_in6 *in6 = (const void *)sa;

    memset(a, 0, sizeof(*a));
    a->family = sa->sa_family;
    if (sa->sa_family == AF_INET) {
        a->port = in->sin_port;
        memcpy(a->ip, &in->sin_addr, 4);
        return true;
    }
    if (sa->sa_family != AF_INET6)
        return false;
    a->port = in6->sin6_port;
    memcpy(a->ip, &in6->sin6_addr, 16);
    return true;
}

socklen_t address_to(const struct catmem_address *a, struct sockaddr_storage *ss)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = a->port};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = a->port};

    memset(ss, 0, sizeof(*ss));
    if (a->family == AF_INET) {
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(ss, &in, sizeof(in));
        return sizeof(in);
    }
    memcpy(&in6.sin6_addr, a->ip, 16);
    memcpy(ss, &in6, sizeof(in6));
    return sizeof(in6);
}

bool address_is_wild(const struct catmem_address *a)
{
    static const uint8_t zero[16];

    return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

void address_set_loopback(struct catmem_address *a)
{
    memset(a->ip, 0, sizeof(a->ip));
    if (a->family == AF_INET) {
        a->ip[0] = 127;
        a->ip[3] = 1;
    } else {
        a->ip[15] = 1;
    }
}

/* An IPv4 address in IPv6's clothes is the IPv4 address: ::ffff:a.b.c.d */
static struct catmem_address plain(const struct catmem_address *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct catmem_address v4 = {.family = AF_INET, .port = a->port};

    if (a->family != AF_INET6 || memcmp(a->ip, mapped, sizeof(mapped)) != 0)
        return *a;
    memcpy(v4.ip, a->ip + 12, 4);
    return v4;
}

bool address_is_local(const struct catmem_address *a)
{
    struct catmem_address any_port = plain(a);
    struct sockaddr_storage ss;
    socklen_t len;
    bool local;
    int fd;

    if (address_is_wild(&any_port) || (any_port.family == AF_INET && any_port.ip[0] == 127))
        return true;
    any_port.port = 0;
    len = address_to(&any_port, &ss);
    fd = socket(any_port.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) { /* a kernel without IPv6 still has catmem's ::1 */
        memset(&ss, 0, sizeof(ss));
        address_set_loopback(&any_port);
        return memcmp(any_port.ip, a->ip, sizeof(a->ip)) == 0;
    }
    local = bind(fd, (const struct sockaddr *)&ss, len) == 0;
    close(fd);
    return local;
}

static socklen_t name_make(struct sockaddr_un *un, const struct catmem_address *a)
{
    struct catmem_address p = plain(a);
    char ip[33];
    int n;

    for (int i = 0; i < 16; i++)
        snprintf(ip + 2 * i, 3, "%02x", p.ip[i]);
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    n = snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, NAME_PREFIX "/%u/%c/%.*s/%u", geteuid(),
                 p.family == AF_INET ? '4' : '6', p.family == AF_INET ? 8 : 32, ip, ntohs(p.port));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* Does one of two different addresses with the same port include the other? The IPv6 wildcard includes IPv4. */
static bool overlap(const struct catmem_address *a, char family, bool wild)
{
    char mine = a->family == AF_INET ? '4' : '6';

    if (address_is_wild(a) && (mine == '6' || family == '4'))
        return true;
    return wild && (family == '6' || mine == '4');
}

/* The n-th of a line's fields, from 0, that spaces separate; "" when there are fewer. */
static const char *field(const char *line, unsigned n)
{
    while (n-- > 0) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return line;
}

/* Does a name, what follows the prefix, have a's port on an address that overlaps a? UID/FAMILY/IP/PORT */
static bool name_overlaps(const char *name, const struct catmem_address *a)
{
    char *at, family;
    size_t digits;

    if (strtoul(name, &at, 10) != geteuid() || at[0] != '/' || at[1] == '\0' || at[2] != '/')
        return false;
    family = at[1];
    at += 3;
    digits = strspn(at, "0123456789abcdef");
    return at[digits] == '/' && strtoul(at + digits + 1, NULL, 10) == ntohs(a->port) &&
           overlap(a, family, strspn(at, "0") == digits);
}

/* Is an address in use that overlaps a? The name itself is the kernel's to judge. */
static bool is_overlapped(const struct catmem_address *a)
{
    struct catmem_address p = plain(a);
    FILE *f = fopen("/proc/net/unix", "re");
    struct sockaddr_un own;
    char line[256];
    bool hit = false;

    if (f == NULL)
        return false;
    name_make(&own, &p);
    while (!hit && fgets(line, sizeof(line), f) != NULL) {
        char *name = strstr(line, "@" NAME_PREFIX "/");

        if (name == NULL)
            continue;
        name[strcspn(name, "\n")] = '\0';
        /* Num RefCount Protocol Flags Type St Inode Path; state 3 is connected: that name is no listener's */
        if (strcmp(name + 1, own.sun_path + 1) != 0 && strtoul(field(line, 5), NULL, 16) != 3)
            hit = name_overlaps(name + 2 + strlen(NAME_PREFIX), &p);
    }
    fclose(f);
    return hit;
}

static int bind_name(int fd, const struct catmem_address *a)
{
    struct sockaddr_un un;
    socklen_t len = name_make(&un, a);

    return bind(fd, (const struct sockaddr *)&un, len) == 0 ? 0 : -errno;
}

static uint32_t next_random(struct catmem *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 17;
    m->random ^= m->random << 5;
    return m->random;
}

static int bind_free_port(struct catmem *m, int fd, struct catmem_address *a)
{
    uint32_t start = next_random(m);
    int err = -EADDRINUSE;

    for (uint32_t i = 0; i < PORT_COUNT && err == -EADDRINUSE; i++) {
        a->port = htons((uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT));
        err = bind_name(fd, a);
    }
    if (err < 0)
        a->port = 0;
    return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
}

int name_socket(struct catmem *m, struct catmem_address *a, bool named)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = 0;

    if (fd < 0)
        return error_set(&m->inst->error, errno, "catmem: unix socket: %s", strerror(errno));
    if (named && a->port == 0)
        err = bind_free_port(m, fd, a);
    else if (named && is_overlapped(a))
        err = -EADDRINUSE;
    else if (named)
        err = bind_name(fd, a);
    if (err == 0)
        return fd;
    close(fd);
    return error_set(&m->inst->error, -err, "catmem: port %u: %s", ntohs(a->port), strerror(-err));
}

int name_connect(int fd, const struct catmem_address *a)
{
    struct catmem_address wild[2] = {{.family = AF_INET, .port = a->port}, {.family = AF_INET6, .port = a->port}};
    const struct catmem_address *tries[3];
    struct catmem_address exact = plain(a);
    int n = 0, err = -ECONNREFUSED;

    /* as TCP: the exact address, the family's wildcard, and for IPv4 the wildcard of both */
    tries[n++] = &exact;
    if (exact.family == AF_INET)
        tries[n++] = &wild[0];
    tries[n++] = &wild[1];
    for (int i = 0; i < n && err == -ECONNREFUSED; i++) {
        struct sockaddr_un un;
        socklen_t len = name_make(&un, tries[i]);

        err = connect(fd, (const struct sockaddr *)&un, len) == 0 ? 0 : -errno;
    }
    return err;
}
