/* SPDX-License-Identifier: MIT */
/*
 * Packets of any content into a NIC whose cores also write any words and commands: nothing but counters may come of it,
 * all of the bounds hold, and after the last packet the NIC comes to rest.
 */
#include "fuzz.h"

#include "nanopu/nic/hts_nic.h"
#include "nanopu/nic/nic.h"
#include "transport/msg_header.h"

#define CORES   2
#define PACKETS 512
#define IP      0x0a000002U

struct bench {
    struct params p;
    struct packet_pool pool;
    struct hts *hts[CORES];
    struct nic *nic;
    uint64_t now;
};

static void sent(void *arg, struct packet *p)
{
    struct bench *b = arg;

    require(p->len_bytes > MSG_FRAME_HEADER_BYTES && p->len_bytes <= PACKET_BYTES_MAX);
    packet_free(&b->pool, p);
}

static void set_up(struct bench *b, struct input *in)
{
    struct nic_config c = {.params = &b->p,
                           .mac = 1,
                           .switch_mac = 2,
                           .ip = IP,
                           .cores = CORES,
                           .hts = b->hts,
                           .pool = &b->pool,
                           .send = sent,
                           .arg = b};

    params_profile(&b->p, next_below(in, 2) == 0 ? "osdi21" : "homa");
    b->p.quirk_homa_dup = next_below(in, 2);
    b->p.rtt_pkts = 1 + next_below(in, 2);
    b->p.quirk_no_ack_dup = next_below(in, 2);
    b->p.quirk_key_truncated = next_below(in, 2);
    b->p.quirk_hol_global = next_below(in, 2);
    b->p.quirk_tx_strict = next_below(in, 2);
    b->p.quirk_no_nack_full = next_below(in, 2);
    b->p.quirk_done_underflow = next_below(in, 2);
    b->p.buffers_small = next_below(in, 3);
    b->p.buffers_large = 1 + next_below(in, 3);
    b->p.core_rx_context_words = 8 + next_below(in, 64);
    b->p.context_rxq_words = 4 + next_below(in, 60);
    packet_pool_init(&b->pool, 0, PACKETS);
    for (unsigned i = 0; i < CORES; i++)
        require((b->hts[i] = hts_new(&b->p, i)) != NULL);
    require((b->nic = nic_new(&c)) != NULL);
    b->now = 20000;
    nic_advance(b->nic, b->now);
}

static void receive(struct bench *b, struct input *in)
{
    struct packet *p = packet_alloc(&b->pool);
    struct msg_header h = {
        .ip_protocol = params_ip_protocol(&b->p), .src_ip = 0x0a000003 + next_below(in, 4), .dst_ip = IP};

    if (p == NULL)
        return;
    h.flags = (uint8_t)next_byte(in);
    h.src_context = (uint16_t)next_byte(in);
    h.dst_context = (uint16_t)next_below(in, 6);
    h.msg_len = (uint16_t)(next_word(in) % (uint32_t)(b->p.max_msg_bytes + 50));
    h.pkt_offset = (uint8_t)next_below(in, 3);
    h.grant_prio = (uint8_t)next_below(in, 4);
    h.pull_offset = (uint16_t)next_word(in);
    h.tx_msg_id = (uint16_t)next_word(in);
    p->len_bytes = 1 + next_word(in) % PACKET_BYTES_MAX;
    memset(p->data, (int)next_byte(in), sizeof(p->data));
    if (next_byte(in) != 0)
        msg_header_write(&h, params_transport(&b->p)->layout, false, p->data);
    p->first_flit_cycle = b->now + next_below(in, 200);
    nic_receive(b->nic, p);
}

static void advance(struct bench *b, uint64_t to)
{
    while (b->now < to) {
        uint64_t horizon = nic_horizon(b->nic);

        require(horizon > b->now);
        b->now = horizon < to ? horizon : to;
        nic_advance(b->nic, b->now);
    }
}

/* One instruction of a core in this cycle. */
static void core(struct bench *b, struct input *in)
{
    static const unsigned csrs[] = {0x53, 0x54, 0x55, 0x56, 0x60, 0x61};
    struct hts *h = b->hts[next_below(in, CORES)];
    uint64_t value = next_word(in);

    switch (next_below(in, 4)) {
    case 0:
        hts_pop(h, b->now);
        break;
    case 1:
        hts_push(h, b->now, (uint64_t)0x0a000003 << 32 | value % 2100);
        break;
    case 2:
        hts_csr_write(h, b->now, csrs[next_below(in, 6)], value % 8);
        break;
    default:
        require(hts_next_pulse(h, b->now) >= b->now);
        require(hts_next_change(h, b->now) > b->now);
        break;
    }
    advance(b, b->now + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.at = data, .left = size};
    static struct bench b;

    b = (struct bench){0};
    set_up(&b, &in);
    while (in.left > 0) {
        switch (next_below(&in, 3)) {
        case 0:
            receive(&b, &in);
            break;
        case 1:
            core(&b, &in);
            break;
        default:
            advance(&b, b.now + next_below(&in, 300));
            break;
        }
    }
    advance(&b, b.now + 20000);
    nic_free(b.nic);
    for (unsigned i = 0; i < CORES; i++)
        hts_free(b.hts[i]);
    require_equal(b.pool.in_use, 0);
    packet_pool_fini(&b.pool);
    return 0;
}
