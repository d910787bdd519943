/* SPDX-License-Identifier: MIT */
/* lwIP as a host on a network: see peer.h. */
#include "peer.h"
#include "sys.h"

#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/icmp.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/icmp6.h>
#include <lwip/raw.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX   9100
#define PING_ID     0x4c77
#define KEEP_MS     60000
#define WRITE_MAX   32768 /* at a time: tcp_write's length has 16 bits */
#define ICMP_HEADER 8     /* bytes of an echo's header, in both families */

struct lwip_conn {
    struct tcp_pcb *pcb; /* NULL: gone */
    void *conn;
};

static struct netif net;
static struct lwip_host self;
static struct lwip_upcalls up;
static void *up_ctx;
static struct udp_pcb *udp;
static struct raw_pcb *icmp;

static err_t net_out(struct netif *n, struct pbuf *p)
{
    static uint8_t frame[FRAME_MAX];

    (void)n;
    if (p->tot_len > sizeof(frame))
        return ERR_BUF;
    up.output(up_ctx, frame, pbuf_copy_partial(p, frame, p->tot_len, 0));
    return ERR_OK;
}

static err_t net_init(struct netif *n)
{
    n->linkoutput = net_out;
    n->output = etharp_output;
    n->output_ip6 = ethip6_output;
    n->mtu = self.mtu;
    n->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(n->hwaddr, self.mac, ETH_HWADDR_LEN);
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP | NETIF_FLAG_MLD6;
    return ERR_OK;
}

static ip_addr_t address(unsigned host)
{
    ip_addr_t a;

    if (self.v6)
        IP_ADDR6_HOST(&a, 0xfd000000, 0, 0, host);
    else
        IP_ADDR4(&a, 10, 0, 0, (u8_t)host);
    return a;
}

static unsigned host_of(const ip_addr_t *a)
{
    return IP_IS_V6(a) ? lwip_ntohl(ip_2_ip6(a)->addr[3]) & 0xff : ip4_addr4(ip_2_ip4(a));
}

static u8_t type(void)
{
    return self.v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4;
}

static bool good_icmp6(struct pbuf *p, u16_t header, u16_t len)
{
    u16_t sum;

    pbuf_remove_header(p, header);
    sum = ip6_chksum_pseudo(p, IP6_NEXTH_ICMP6, len, ip6_current_src_addr(), ip6_current_dest_addr());
    pbuf_add_header_force(p, header);
    return sum == 0;
}

/* An echo reply to ours is ours; everything else goes on to lwIP. */
static u8_t got_icmp(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    static uint8_t bytes[FRAME_MAX];
    u16_t header = self.v6 ? IP6_HLEN : IP_HLEN;
    uint32_t len = pbuf_copy_partial(p, bytes, sizeof(bytes), header);

    (void)arg, (void)pcb, (void)from;
    if (len < ICMP_HEADER || bytes[0] != (self.v6 ? ICMP6_TYPE_EREP : ICMP_ER) || bytes[4] != PING_ID >> 8 ||
        bytes[5] != (PING_ID & 0xff))
        return 0;
    if (!self.v6 && inet_chksum(bytes, (u16_t)len) != 0) /* raw comes before lwIP's own check */
        return 0;
    if (self.v6 && !good_icmp6(p, header, (u16_t)len))
        return 0;
    up.pong(up_ctx, bytes + ICMP_HEADER, len - ICMP_HEADER);
    pbuf_free(p);
    return 1;
}

static bool peer_open(const struct lwip_host *h, uint64_t now_ns, const struct lwip_upcalls *upcalls, void *ctx)
{
    ip4_addr_t own, mask, none;
    ip6_addr_t own6;
    s8_t at;

    self = *h;
    up = *upcalls;
    up_ctx = ctx;
    lwip_sys_begin(now_ns, h->seed);
    IP4_ADDR(&own, 10, 0, 0, (u8_t)h->number);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&none, 0, 0, 0, 0);
    if (netif_add(&net, &own, &mask, &none, NULL, net_init, ethernet_input) == NULL)
        return false;
    netif_set_default(&net);
    if (h->v6) {
        netif_create_ip6_linklocal_address(&net, 1);
        IP6_ADDR(&own6, lwip_htonl(0xfd000000), 0, 0, lwip_htonl(h->number));
        if (netif_add_ip6_address(&net, &own6, &at) != ERR_OK)
            return false;
        netif_ip6_addr_set_state(&net, 0, IP6_ADDR_PREFERRED);
        netif_ip6_addr_set_state(&net, at, IP6_ADDR_PREFERRED);
    }
    netif_set_up(&net);
    icmp = raw_new_ip_type(type(), h->v6 ? IP6_NEXTH_ICMP6 : IP_PROTO_ICMP);
    if (icmp == NULL)
        return false;
    icmp->chksum_reqd = h->v6; /* RFC 3542, section 3.1 */
    icmp->chksum_offset = 2;
    raw_recv(icmp, got_icmp, NULL);
    return true;
}

static void peer_input(const uint8_t *frame, uint32_t len)
{
    /* Not PBUF_POOL: Debian's library fills buffers for an MSS of 1460 but its pool makes them for one of 536. */
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_RAM);

    if (p == NULL)
        return;
    pbuf_take(p, frame, (u16_t)len);
    if (net.input(p, &net) != ERR_OK)
        pbuf_free(p);
}

static unsigned peer_connections(void)
{
    unsigned n = 0;

    for (const struct tcp_pcb *p = tcp_active_pcbs; p != NULL; p = p->next)
        n++;
    for (const struct tcp_pcb *p = tcp_tw_pcbs; p != NULL; p = p->next)
        n++;
    return n;
}

/* --- connections --- */

static err_t got(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct lwip_conn *c = arg;

    (void)pcb, (void)err;
    if (p == NULL) {
        up.finished(c->conn);
        return ERR_OK;
    }
    for (const struct pbuf *q = p; q != NULL; q = q->next)
        up.received(c->conn, q->payload, q->len);
    pbuf_free(p);
    return ERR_OK;
}

static void gone(void *arg, err_t err)
{
    struct lwip_conn *c = arg;

    c->pcb = NULL;
    up.failed(c->conn, err);
}

static err_t opened(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct lwip_conn *c = arg;

    (void)pcb;
    up.connected(c->conn);
    return err;
}

static struct lwip_conn *conn_new(struct tcp_pcb *pcb, void *conn)
{
    struct lwip_conn *c = malloc(sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct lwip_conn){pcb, conn};
    tcp_arg(pcb, c);
    tcp_recv(pcb, got);
    tcp_err(pcb, gone);
    tcp_nagle_disable(pcb);
    pcb->so_options |= SOF_KEEPALIVE;
    pcb->keep_idle = KEEP_MS;
    return c;
}

static err_t came(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct lwip_conn *c;

    (void)arg;
    if (err != ERR_OK || pcb == NULL)
        return ERR_VAL;
    c = conn_new(pcb, NULL);
    if (c != NULL)
        c->conn = up.accepted(up_ctx, pcb->local_port, c);
    if (c == NULL || c->conn == NULL) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    return ERR_OK;
}

static bool peer_listen(uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(type());

    if (pcb == NULL || tcp_bind(pcb, self.v6 ? IP6_ADDR_ANY : IP4_ADDR_ANY, port) != ERR_OK)
        return false;
    pcb = tcp_listen(pcb);
    if (pcb == NULL)
        return false;
    tcp_accept(pcb, came);
    return true;
}

static struct lwip_conn *peer_connect(unsigned host, uint16_t port, void *conn)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(type());
    struct lwip_conn *c = pcb != NULL ? conn_new(pcb, conn) : NULL;
    ip_addr_t to = address(host);

    err_t err = c != NULL ? tcp_connect(pcb, &to, port, opened) : ERR_MEM;

    if (err == ERR_BUF) /* lwIP's first random port was the last one, and the next it took for none */
        err = tcp_connect(pcb, &to, port, opened);
    return err == ERR_OK ? c : NULL;
}

static uint32_t peer_write(struct lwip_conn *c, const uint8_t *bytes, uint32_t len)
{
    uint32_t room = c->pcb != NULL ? tcp_sndbuf(c->pcb) : 0;

    len = LWIP_MIN(LWIP_MIN(len, WRITE_MAX), room);
    if (len == 0 || tcp_write(c->pcb, bytes, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK)
        return 0;
    (void)tcp_output(c->pcb);
    return len;
}

static void peer_consumed(struct lwip_conn *c, uint32_t len)
{
    if (c->pcb != NULL && len > 0)
        tcp_recved(c->pcb, (u16_t)len);
}

static bool peer_finish(struct lwip_conn *c, bool alone)
{
    if (c->pcb != NULL && alone && c->pcb->unsent != NULL)
        return false;
    return c->pcb == NULL || tcp_shutdown(c->pcb, 0, 1) == ERR_OK;
}

static bool peer_close(struct lwip_conn *c)
{
    if (c->pcb == NULL)
        return true;
    tcp_arg(c->pcb, NULL);
    tcp_recv(c->pcb, NULL);
    tcp_err(c->pcb, NULL);
    if (tcp_close(c->pcb) == ERR_OK) {
        c->pcb = NULL;
        return true;
    }
    tcp_arg(c->pcb, c);
    tcp_recv(c->pcb, got);
    tcp_err(c->pcb, gone);
    return false;
}

static void peer_abort(struct lwip_conn *c)
{
    struct tcp_pcb *pcb = c->pcb;

    if (pcb == NULL)
        return;
    c->pcb = NULL;
    tcp_err(pcb, NULL);
    tcp_abort(pcb);
}

/* --- datagrams and echoes --- */

static void got_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    static uint8_t bytes[65536];

    (void)arg, (void)pcb;
    up.datagram(up_ctx, bytes, pbuf_copy_partial(p, bytes, p->tot_len, 0), host_of(from), port);
    pbuf_free(p);
}

static bool peer_datagrams(uint16_t port)
{
    udp = udp_new_ip_type(type());
    if (udp == NULL || udp_bind(udp, self.v6 ? IP6_ADDR_ANY : IP4_ADDR_ANY, port) != ERR_OK)
        return false;
    udp_recv(udp, got_datagram, NULL);
    return true;
}

static bool peer_send(unsigned host, uint16_t port, const uint8_t *bytes, uint32_t len)
{
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
    ip_addr_t to = address(host);
    err_t err;

    if (p == NULL)
        return false;
    pbuf_take(p, bytes, (u16_t)len);
    err = udp_sendto(udp, p, &to, port);
    pbuf_free(p);
    return err == ERR_OK;
}

static bool peer_ping(unsigned host, uint16_t sequence, const uint8_t *bytes, uint32_t len)
{
    struct pbuf *p = pbuf_alloc(PBUF_IP, (u16_t)(ICMP_HEADER + len), PBUF_RAM);
    uint8_t head[ICMP_HEADER] = {self.v6 ? ICMP6_TYPE_EREQ : ICMP_ECHO,
                                 0,
                                 0,
                                 0,
                                 PING_ID >> 8,
                                 PING_ID & 0xff,
                                 (uint8_t)(sequence >> 8),
                                 (uint8_t)sequence};
    ip_addr_t to = address(host);
    err_t err;

    if (p == NULL)
        return false;
    pbuf_take(p, head, sizeof(head));
    pbuf_take_at(p, bytes, (u16_t)len, sizeof(head));
    if (!self.v6) {
        u16_t sum = inet_chksum(p->payload, p->len);

        pbuf_take_at(p, &sum, sizeof(sum), 2);
    }
    err = raw_sendto(icmp, p, &to);
    pbuf_free(p);
    return err == ERR_OK;
}

__attribute__((visibility("default"))) const struct lwip_peer lwip_peer = {
    .open = peer_open,
    .input = peer_input,
    .at = lwip_sys_at,
    .next_ns = lwip_sys_next_ns,
    .connections = peer_connections,
    .listen = peer_listen,
    .connect = peer_connect,
    .write = peer_write,
    .consumed = peer_consumed,
    .finish = peer_finish,
    .close = peer_close,
    .abort = peer_abort,
    .datagrams = peer_datagrams,
    .send = peer_send,
    .ping = peer_ping,
};
