/* SPDX-License-Identifier: MIT */
/* Interfaces of the kernel: see iface.h. */
#include "iface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETH_MTU_MAX 9000 /* as the stack's */

static int ask(int fd, const char *name, struct iface *i, struct error_text *et)
{
    struct ifreq r = {0};

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (ioctl(fd, SIOCGIFINDEX, &r) < 0)
        return error_set(et, ENODEV, "device: there is no interface \"%s\"; `ip link` lists those there are", name);
    i->index = r.ifr_ifindex;
    if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
        return error_set(et, errno, "device %s: %s", name, strerror(errno));
    if ((r.ifr_flags & IFF_UP) == 0)
        return error_set(et, ENETDOWN, "device %s is down: ip link set %s up", name, name);
    if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
        return error_set(et, errno, "device %s: %s", name, strerror(errno));
    if (r.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return error_set(et, EINVAL, "device %s is no Ethernet interface", name);
    memcpy(i->mac, r.ifr_hwaddr.sa_data, sizeof(i->mac));
    if (ioctl(fd, SIOCGIFMTU, &r) < 0)
        return error_set(et, errno, "device %s: %s", name, strerror(errno));
    i->mtu = (uint16_t)(r.ifr_mtu < ETH_MTU_MAX ? r.ifr_mtu : ETH_MTU_MAX);
    return 0;
}

int iface_look(const char *name, struct iface *i, struct error_text *et)
{
    int fd, err;

    if (name[0] == '\0' || strlen(name) >= IFNAMSIZ)
        return error_set(et, EINVAL, "device: \"%.64s\" is no name of an interface; `ip link` lists those there are",
                         name);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(et, errno, "socket: %s", strerror(errno));
    err = ask(fd, name, i, et);
    close(fd);
    return err;
}

bool iface_is_gone(int fd, int index)
{
    struct ifreq r = {.ifr_ifindex = index};

    return ioctl(fd, SIOCGIFNAME, &r) < 0 && errno == ENODEV;
}

bool iface_cuts_segments(int fd, int index)
{
    struct ethtool_value tso = {.cmd = ETHTOOL_GTSO};
    struct ifreq r = {.ifr_ifindex = index};

    if (ioctl(fd, SIOCGIFNAME, &r) < 0)
        return false;
    r.ifr_data = (char *)&tso;
    return ioctl(fd, SIOCETHTOOL, &r) == 0 && tso.data != 0;
}

bool iface_is_driven_by(int index, const char *driver)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq r = {.ifr_ifindex = index};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known;

    if (fd < 0)
        return false;
    known = ioctl(fd, SIOCGIFNAME, &r) == 0;
    r.ifr_data = (char *)&info;
    known = known && ioctl(fd, SIOCETHTOOL, &r) == 0;
    close(fd);
    return known && strncmp(info.driver, driver, sizeof(info.driver)) == 0;
}

/* Two hexadecimal digits. -1: they are not. */
static int byte_of(const char *text)
{
    int value = 0;

    for (unsigned i = 0; i < 2; i++) {
        char ch = text[i];

        if (ch >= '0' && ch <= '9')
            value = value * 16 + ch - '0';
        else if ((ch | 32) >= 'a' && (ch | 32) <= 'f')
            value = value * 16 + (ch | 32) - 'a' + 10;
        else
            return -1;
    }
    return value;
}

int iface_mac(const struct config *cfg, uint8_t mac[6], struct error_text *et)
{
    const char *text = cfg->net_mac;

    if (text[0] == '\0')
        return 0;
    for (unsigned i = 0; i < 6; i++) {
        int b = strlen(text) == 17 && (i == 5 || text[3 * i + 2] == ':') ? byte_of(text + 3 * i) : -1;

        if (b < 0)
            return error_set(et, EINVAL, "net_mac: \"%.64s\" is not of the form 02:00:00:00:00:01", text);
        mac[i] = (uint8_t)b;
    }
    if ((mac[0] & 1) != 0 || (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) == 0)
        return error_set(et, EINVAL, "net_mac: \"%.64s\" is no station's address: the first byte must be even", text);
    return 0;
}

void iface_own_mac(const uint8_t of[6], const char *salt, uint8_t mac[6])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bits */

    for (unsigned i = 0; i < 6; i++)
        hash = (hash ^ of[i]) * UINT64_C(0x100000001b3);
    for (; *salt != '\0'; salt++)
        hash = (hash ^ (uint8_t)*salt) * UINT64_C(0x100000001b3);
    mac[0] = 0x02;
    for (unsigned i = 1; i < 6; i++)
        mac[i] = (uint8_t)(hash >> (8 * i));
}

int iface_mtu(const struct config *cfg, uint16_t most, uint16_t *mtu, struct error_text *et)
{
    *mtu = most;
    if (cfg->net_mtu == 0)
        return 0;
    if (cfg->net_mtu > most)
        return error_set(et, EINVAL, "net_mtu: %u is more than the device takes, %u", (unsigned)cfg->net_mtu, most);
    *mtu = (uint16_t)cfg->net_mtu;
    return 0;
}
