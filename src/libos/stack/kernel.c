/* SPDX-License-Identifier: MIT */
/* The kernel's addresses and routes: see kernel.h. */
#include "kernel.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 32768 /* as rtnetlink's own programs read at once */

/* --- addresses --- */

static bool of_sockaddr(const struct sockaddr *sa, struct inet_addr *a)
{
    if (sa == NULL || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
        return false;
    if (sa->sa_family == AF_INET)
        *a = inet_addr_from4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
    else
        *a = inet_addr_from6(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
    return true;
}

/* Bits that are set in a netmask, of which IPv4's stands in an address like any other. */
static unsigned prefix_of(const struct sockaddr *mask, const struct inet_addr *addr)
{
    bool v4 = inet_addr_is4(addr);
    struct inet_addr m;
    unsigned bits = 0;

    if (!of_sockaddr(mask, &m))
        return v4 ? 32 : 128;
    for (unsigned i = v4 ? 12 : 0; i < 16; i++)
        bits += (unsigned)__builtin_popcount(m.b[i]);
    return bits;
}

int kernel_addresses(int ifindex, struct kernel_addr *a, unsigned max, struct error_text *et)
{
    char name[IF_NAMESIZE] = "";
    struct ifaddrs *all = NULL;
    unsigned n = 0;

    if (ifindex != 0 && if_indextoname((unsigned)ifindex, name) == NULL)
        return error_set(et, errno, "interface %d: %s", ifindex, strerror(errno));
    if (getifaddrs(&all) < 0)
        return error_set(et, errno, "getifaddrs: %s", strerror(errno));
    for (const struct ifaddrs *i = all; i != NULL && n < max; i = i->ifa_next) {
        if ((ifindex != 0 && strcmp(i->ifa_name, name) != 0) || !of_sockaddr(i->ifa_addr, &a[n].addr))
            continue;
        a[n].prefix = prefix_of(i->ifa_netmask, &a[n].addr);
        n++;
    }
    freeifaddrs(all);
    return (int)n;
}

/* --- routes --- */

static struct inet_addr of_bytes(int family, const void *p)
{
    return family == AF_INET ? inet_addr_from4(p) : inet_addr_from6(p);
}

/* Is the route one by way of a gateway on the interface? */
static bool parse_route(const struct nlmsghdr *h, int ifindex, struct kernel_route *r)
{
    const struct rtmsg *m = NLMSG_DATA(h);
    const struct rtattr *a = RTM_RTA(m);
    int len = (int)RTM_PAYLOAD(h), out = 0;
    bool gateway = false;

    if (m->rtm_table != RT_TABLE_MAIN || m->rtm_type != RTN_UNICAST ||
        (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
        return false;
    *r = (struct kernel_route){.net = m->rtm_family == AF_INET ? INET_ANY4 : INET_ANY6, .prefix = m->rtm_dst_len};
    for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == RTA_DST)
            r->net = of_bytes(m->rtm_family, RTA_DATA(a));
        else if (a->rta_type == RTA_OIF)
            memcpy(&out, RTA_DATA(a), sizeof(out));
        else if (a->rta_type == RTA_GATEWAY)
            r->gateway = of_bytes(m->rtm_family, RTA_DATA(a));
        gateway |= a->rta_type == RTA_GATEWAY;
    }
    return gateway && out == ifindex;
}

/* Reads the answer to a dump. */
static int read_routes(int fd, int ifindex, struct kernel_route *r, unsigned max)
{
    _Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
    unsigned n = 0;

    for (;;) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)bytes;

        if (got < 0)
            return -errno;
        for (size_t left = (size_t)got; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return (int)n;
            if (h->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
            if (h->nlmsg_type == RTM_NEWROUTE && n < max && parse_route(h, ifindex, &r[n]))
                n++;
        }
    }
}

int kernel_routes(int ifindex, struct kernel_route *r, unsigned max, struct error_text *et)
{
    struct {
        struct nlmsghdr h;
        struct rtmsg m;
    } ask = {.h = {.nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), n;

    if (fd < 0)
        return error_set(et, errno, "netlink: %s", strerror(errno));
    n = send(fd, &ask, sizeof(ask), 0) < 0 ? -errno : read_routes(fd, ifindex, r, max);
    close(fd);
    return n < 0 ? error_set(et, -n, "netlink: routes: %s", strerror(-n)) : n;
}
