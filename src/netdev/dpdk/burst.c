/* SPDX-License-Identifier: MIT */
/* Frames between DPDK's mbufs and ours; see dpdk.h, notes 2 and 3. */
#include "dpdk.h"

#define COPY_BYTES(m) rte_pktmbuf_mtod(m, char *)
#define IDLE_POLLS    0x100000 /* empty polls between two looks at the device's own counters */
#define TCP_OFFSET    12       /* where a TCP header has its length */

/* --- in --- */

/* What the device says of the checksums (rte_mbuf_core.h). L4_NONE: not written, but its bytes are known to be good. */
static inline uint32_t frame_flags(const struct rte_mbuf *m)
{
    uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    uint32_t flags = 0;

    if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
        flags = FRAME_IN_CSUM_L3;
    if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE)
        flags |= FRAME_IN_CSUM_L4;
    return flags;
}

/* Takes the frame with its buffer; a new object becomes the mbuf's. False: not possible with this one. */
static bool take_buffer(struct dpdk_queue *q, struct rte_mbuf *m, struct frame_in *in)
{
    void *fresh;

    if (!q->swaps || m->pool != q->rx_pool || m->nb_segs != 1 || !RTE_MBUF_DIRECT(m) || m->data_off < FRAME_IN_ROOM)
        return false;
    fresh = mem_alloc(q->dev.mem, q->rx_bytes, 1);
    if (UNLIKELY(fresh == NULL))
        return false;
    *in = (struct frame_in){
        .obj = m->buf_addr, .ptr = rte_pktmbuf_mtod(m, uint8_t *), .len = m->data_len, .flags = frame_flags(m)};
    m->buf_addr = fresh;
    rte_mbuf_iova_set(m, (rte_iova_t)(uintptr_t)fresh);
    return true;
}

static bool take_copy(struct dpdk_queue *q, const struct rte_mbuf *m, struct frame_in *in)
{
    char *obj = mem_alloc(q->dev.mem, FRAME_IN_ROOM + (size_t)m->pkt_len, 1);
    char *to;

    if (UNLIKELY(obj == NULL)) {
        NETDEV_COUNT_ADD(&q->dev, drop_no_memory, 1);
        return false;
    }
    to = obj + FRAME_IN_ROOM;
    *in = (struct frame_in){.obj = obj, .ptr = (uint8_t *)to, .len = m->pkt_len, .flags = frame_flags(m)};
    for (; m != NULL; m = m->next) {
        memcpy(to, rte_pktmbuf_mtod(m, const char *), m->data_len);
        to += m->data_len;
    }
    return true;
}

void dpdk_count_missed(struct dpdk_queue *q)
{
    struct rte_eth_stats s;

    if (q->queue_id != 0 || rte_eth_stats_get(q->port_id, &s) != 0)
        return;
    NETDEV_COUNT_ADD(&q->dev, drop_device_rx, s.imissed + s.rx_nombuf - q->missed);
    q->missed = s.imissed + s.rx_nombuf;
}

static unsigned take_all(struct dpdk_queue *q, struct rte_mbuf **m, unsigned n, struct frame_in *in)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i + 1 < n)
            __builtin_prefetch(rte_pktmbuf_mtod(m[i + 1], char *));
        if (m[i]->pkt_len >= q->threshold && take_buffer(q, m[i], &in[taken]))
            taken++;
        else
            taken += take_copy(q, m[i], &in[taken]);
    }
    rte_pktmbuf_free_bulk(m, n);
    return taken;
}

static bool send_waiting(struct dpdk_queue *q);

unsigned dpdk_rx_burst(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct dpdk_queue *q = dpdk_queue_of(d);
    struct rte_mbuf *m[NETDEV_BURST];
    unsigned n;

    if (max > NETDEV_BURST)
        max = NETDEV_BURST;
    if (UNLIKELY(q->waiting_at != q->waiting_end))
        send_waiting(q);
    if (UNLIKELY(!dpdk_burst_begin(q->burst)))
        return 0;
    n = rte_eth_rx_burst(q->port_id, q->queue_id, m, (uint16_t)max);
    dpdk_burst_end(q->burst);
    if (n == 0) {
        if (UNLIKELY(++q->idle_polls == IDLE_POLLS)) {
            q->idle_polls = 0;
            dpdk_count_missed(q);
        }
        return 0;
    }
    q->idle_polls = 0;
    return take_all(q, m, n, in);
}

/* --- out --- */

/* Takes the length out of the pseudo-header's sum: DPDK's devices count that of each segment (rte_mbuf_core.h). */
static void leave_length_out(const struct frame *f, char *headers)
{
    uint16_t field, len = rte_cpu_to_be_16((uint16_t)(f->len - f->l4));
    uint32_t sum;

    memcpy(&field, headers + f->l4 + f->csum, sizeof(field));
    sum = (uint32_t)field + (uint16_t)~len;
    field = (uint16_t)((sum & 0xffff) + (sum >> 16));
    memcpy(headers + f->l4 + f->csum, &field, sizeof(field));
}

/* What the frame's mbuf is told of its headers, so that the device completes checksums and cuts. */
static void ask_offload(const struct frame *f, char *headers, struct rte_mbuf *m)
{
    bool v6 = (f->flags & FRAME_V6) != 0;

    if ((f->flags & FRAME_CSUM) == 0)
        return;
    m->l2_len = f->l3;
    m->l3_len = (uint64_t)(f->l4 - f->l3) & 0x1ff;
    m->ol_flags |= v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
    m->ol_flags |=
        f->csum == offsetof(struct rte_udp_hdr, dgram_cksum) ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
    if ((f->flags & FRAME_TSO) == 0)
        return;
    m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | (v6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM);
    m->l4_len = ((uint8_t)headers[f->l4 + TCP_OFFSET] >> 4) * 4u;
    m->tso_segsz = f->mss;
    leave_length_out(f, headers);
}

static struct rte_mbuf *copy_of(struct dpdk_queue *q, struct frame *f)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(q->copy_pool);

    if (UNLIKELY(m == NULL))
        return NULL;
    frame_copy(f, COPY_BYTES(m));
    m->data_len = (uint16_t)f->len;
    m->pkt_len = f->len;
    ask_offload(f, COPY_BYTES(m), m);
    frame_free(q->dev.mem, f);
    return m;
}

/* The last mbuf that pointed into a frame is free again. */
static void release(void *addr, void *frame)
{
    (void)addr;
    frame_free(mem_superblock(frame)->mem, frame);
}

_Static_assert(sizeof(struct rte_mbuf_ext_shared_info) <= sizeof(struct frame_seg), "it takes the place of seg[0]");

/* Where a segment of a frame lies for the device: for the processor, or for a card (extmem.c; 0: it cannot tell). */
static inline rte_iova_t iova_of(const struct dpdk_queue *q, const void *obj, const char *ptr)
{
    const struct superblock *sb = mem_superblock(obj);
    uintptr_t offset = (uintptr_t)ptr - (uintptr_t)sb;

    if (q->direct)
        return (rte_iova_t)(uintptr_t)ptr;
    return sb->iova == 0 || offset >= SUPERBLOCK_BYTES ? 0 : sb->iova + offset;
}

static bool is_reachable(const struct dpdk_queue *q, const struct frame *f)
{
    for (unsigned i = 0; i < f->segs; i++)
        if (iova_of(q, i == 0 ? f : f->seg[i].obj, f->seg[i].ptr) == 0)
            return false;
    return true;
}

/* A chain of mbufs that point into the frame, which is freed with the last of them. */
static struct rte_mbuf *chain_of(struct dpdk_queue *q, struct frame *f)
{
    /* Where the headers are is known to their mbuf then, and nobody else asks. */
    struct rte_mbuf_ext_shared_info *shared = (struct rte_mbuf_ext_shared_info *)(void *)&f->seg[0];
    struct frame_seg head = f->seg[0];
    struct rte_mbuf *m[FRAME_SEGS];

    if (UNLIKELY(rte_pktmbuf_alloc_bulk(q->ref_pool, m, f->segs) != 0))
        return NULL;
    shared->free_cb = release;
    shared->fcb_opaque = f;
    rte_mbuf_ext_refcnt_set(shared, f->segs);
    for (unsigned i = 0; i < f->segs; i++) {
        const struct frame_seg *s = i == 0 ? &head : &f->seg[i];

        rte_pktmbuf_attach_extbuf(m[i], s->ptr, iova_of(q, i == 0 ? f : s->obj, s->ptr), (uint16_t)s->len, shared);
        m[i]->data_len = (uint16_t)s->len;
        m[i]->next = i + 1u < f->segs ? m[i + 1] : NULL;
    }
    m[0]->nb_segs = f->segs;
    m[0]->pkt_len = f->len;
    ask_offload(f, head.ptr, m[0]);
    NETDEV_COUNT_ADD(&q->dev, sent_by_reference, 1);
    return m[0];
}

/* The frame as mbufs, which own it now. NULL: there are none left, and it stays the caller's. */
static struct rte_mbuf *mbuf_of(struct dpdk_queue *q, struct frame *f)
{
    if ((f->flags & FRAME_TSO) != 0 ||
        (f->len >= q->threshold && f->segs <= q->segs_max && (q->direct || is_reachable(q, f))))
        return chain_of(q, f);
    assert(f->len <= q->room);
    return copy_of(q, f);
}

/* Hands mbufs to the device from the front. Returns how many are no longer ours. */
static unsigned hand_over(struct dpdk_queue *q, struct rte_mbuf **m, unsigned n)
{
    unsigned fit = n;

    if (q->prepares)
        fit = rte_eth_tx_prepare(q->port_id, q->queue_id, m, (uint16_t)n);
    if (UNLIKELY(fit == 0)) {
        rte_pktmbuf_free(m[0]); /* the device will never take this one */
        NETDEV_COUNT_ADD(&q->dev, drop_device_tx, 1);
        return 1;
    }
    if (UNLIKELY(!dpdk_burst_begin(q->burst)))
        return 0;
    fit = rte_eth_tx_burst(q->port_id, q->queue_id, m, (uint16_t)fit);
    dpdk_burst_end(q->burst);
    return fit;
}

/* False: some still wait. */
static bool send_waiting(struct dpdk_queue *q)
{
    while (q->waiting_at != q->waiting_end) {
        unsigned n = hand_over(q, q->waiting + q->waiting_at, q->waiting_end - q->waiting_at);

        if (n == 0)
            return false;
        q->waiting_at += n;
    }
    return true;
}

unsigned dpdk_tx_burst(struct netdev *d, struct frame **f, unsigned n)
{
    struct dpdk_queue *q = dpdk_queue_of(d);
    unsigned taken = 0;

    while (taken < n && send_waiting(q)) {
        q->waiting_at = q->waiting_end = 0;
        while (taken < n && q->waiting_end < NETDEV_BURST) {
            struct rte_mbuf *m = mbuf_of(q, f[taken]);

            if (UNLIKELY(m == NULL))
                break;
            q->waiting[q->waiting_end++] = m;
            taken++;
        }
        if (UNLIKELY(q->waiting_end == 0))
            break;
    }
    send_waiting(q);
    return taken;
}
