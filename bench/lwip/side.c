/* SPDX-License-Identifier: MIT */
/* Two interfaces of lwIP wired to each other. */
#include "side.h"

#include "tests/lwip/sys.h"

#include <lwip/etharp.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/sys.h>
#include <lwip/tcp.h>
#include <netif/ethernet.h>
#include <string.h>

#define QUEUE     4096 /* frames: more than a window */
#define CHUNK     16384
#define TURNS_MAX 1000000 /* without progress: something is wrong */
#define PORT      80

/* A direction of the wire: frames for `to`, each copied into a buffer as a network card would. */
struct lane {
    struct netif *to;
    struct pbuf *frame[QUEUE];
    unsigned first, last;
};

static struct netif side[2];
static struct lane lane[2];
static struct tcp_pcb *opener, *taker;
static uint64_t now_ns, step_ns, frames, received, returned;
static unsigned burst, returns; /* returns: the taker sends back what comes */
static uint8_t bytes[65536];

static err_t wire_out(struct netif *from, struct pbuf *p)
{
    struct lane *l = &lane[from == &side[0]];
    struct pbuf *q = l->last - l->first < QUEUE ? pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_RAM) : NULL;

    if (q == NULL)
        return ERR_MEM;
    pbuf_copy(q, p);
    l->frame[l->last++ % QUEUE] = q;
    frames++;
    return ERR_OK;
}

static unsigned carry(struct lane *l)
{
    unsigned n = 0;

    for (; n < burst && l->first != l->last; n++) {
        struct pbuf *p = l->frame[l->first++ % QUEUE];

        if (l->to->input(p, l->to) != ERR_OK)
            pbuf_free(p);
    }
    return n;
}

/* A burst each way and the timers. Returns how many frames moved. */
static unsigned turn(void)
{
    unsigned n;

    lwip_sys_at(now_ns += step_ns);
    n = carry(&lane[0]);
    return n + carry(&lane[1]);
}

static err_t init_side(struct netif *n)
{
    n->linkoutput = wire_out;
    n->output = etharp_output;
    n->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(n->hwaddr, (uint8_t[6]){2, 0, 0, 0, 0, n == &side[0] ? 1 : 2}, ETH_HWADDR_LEN);
    n->flags = NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* The address of each is the other's gateway and nobody else is on its network. */
static bool add_sides(uint16_t mtu)
{
    for (unsigned i = 0; i < 2; i++) {
        ip4_addr_t own, mask, peer;

        IP4_ADDR(&own, 10, 1, 0, (u8_t)(1 + i));
        IP4_ADDR(&peer, 10, 1, 0, (u8_t)(2 - i));
        IP4_ADDR(&mask, 255, 255, 255, 255);
        if (netif_add(&side[i], &own, &mask, &peer, NULL, init_side, ethernet_input) == NULL)
            return false;
        side[i].mtu = mtu;
        netif_set_up(&side[i]);
        lane[i].to = &side[i];
    }
    return true;
}

static err_t taker_got(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg, (void)err;
    if (p == NULL)
        return ERR_OK;
    received += p->tot_len;
    if (returns > 0)
        for (const struct pbuf *q = p; q != NULL; q = q->next)
            (void)tcp_write(pcb, q->payload, q->len, TCP_WRITE_FLAG_COPY);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t opener_got(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg, (void)err;
    if (p == NULL)
        return ERR_OK;
    returned += p->tot_len;
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    if (err != ERR_OK || pcb == NULL)
        return ERR_VAL;
    taker = pcb;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, taker_got);
    return ERR_OK;
}

static err_t connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg, (void)pcb;
    return err;
}

static bool side_open(uint16_t mtu, uint64_t step, unsigned frames_a_turn)
{
    struct tcp_pcb *l;
    ip_addr_t to;

    now_ns = 1000000000;
    step_ns = step;
    burst = frames_a_turn;
    lwip_sys_begin(now_ns, 1);
    if (!add_sides(mtu))
        return false;
    l = tcp_new();
    if (l == NULL || tcp_bind(l, IP_ADDR_ANY, PORT) != ERR_OK)
        return false;
    tcp_bind_netif(l, &side[1]); /* so that lwIP takes the wire and not its loop: both addresses are its own */
    if ((l = tcp_listen(l)) == NULL)
        return false;
    tcp_accept(l, accepted);
    opener = tcp_new();
    IP_ADDR4(&to, 10, 1, 0, 2);
    if (opener == NULL || tcp_bind(opener, netif_ip_addr4(&side[0]), 0) != ERR_OK)
        return false;
    tcp_bind_netif(opener, &side[0]);
    if (tcp_connect(opener, &to, PORT, connected) != ERR_OK)
        return false;
    tcp_recv(opener, opener_got);
    tcp_nagle_disable(opener);
    for (unsigned i = 0; i < TURNS_MAX && (taker == NULL || opener->state != ESTABLISHED); i++)
        turn();
    return taker != NULL && opener->state == ESTABLISHED;
}

static bool side_echo(unsigned n, unsigned len)
{
    uint64_t wanted = returned;

    returns = 1;
    for (unsigned i = 0; i < n; i++) {
        unsigned turns = 0;

        wanted += len;
        if (tcp_write(opener, bytes, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK || tcp_output(opener) != ERR_OK)
            return false;
        while (returned < wanted && turns++ < TURNS_MAX)
            turn();
        if (returned != wanted)
            return false;
    }
    return true;
}

static bool side_bulk(uint64_t count)
{
    uint64_t until = received + count, left = count;
    unsigned idle = 0;

    returns = 0;
    while (received < until && idle < TURNS_MAX) {
        while (left > 0) {
            u16_t len = (u16_t)LWIP_MIN(LWIP_MIN(tcp_sndbuf(opener), CHUNK), left);

            if (len == 0 || tcp_write(opener, bytes, len, TCP_WRITE_FLAG_COPY) != ERR_OK)
                break;
            left -= len;
        }
        (void)tcp_output(opener);
        idle = turn() > 0 ? 0 : idle + 1;
    }
    return received == until;
}

static uint64_t side_frames(void)
{
    return frames;
}

static unsigned side_mss(void)
{
    return tcp_mss(opener);
}

static unsigned side_window(void)
{
    return TCP_WND;
}

__attribute__((visibility("default")))
const struct lwip_side lwip_side = {side_open, side_echo, side_bulk, side_frames, side_mss, side_window};
