/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include "nanopu/nic/nic_internal.h"

#include <stdlib.h>

void rig_params(struct rig *r, const char *profile)
{
    *r = (struct rig){0};
    assert_int_equal(params_profile(&r->p, profile), 0);
}

void rig_set(struct rig *r, const char *key, const char *value)
{
    assert_int_equal(params_set(&r->p, key, value, NULL), 0);
}

void rig_quirks_off(struct rig *r)
{
    for (size_t i = 0; i < param_list_len; i++)
        if (strncmp(param_list[i].key, "quirk_", 6) == 0)
            rig_set(r, param_list[i].key, "off");
}

static void sent(void *arg, struct packet *p)
{
    struct rig *r = arg;

    assert_true(r->sent_len < RIG_SENT);
    assert_true(r->sent_len == 0 || p->first_flit_cycle >= r->sent[r->sent_len - 1]->first_flit_cycle +
                                                               packet_flits(r->sent[r->sent_len - 1]));
    r->sent[r->sent_len++] = p;
}

void rig_start(struct rig *r)
{
    struct nic_config c = {.params = &r->p,
                           .mac = 0x0026e1000002,
                           .switch_mac = 0x085566778808,
                           .ip = RIG_IP,
                           .cores = RIG_CORES,
                           .hts = r->hts,
                           .pool = &r->pool,
                           .send = sent,
                           .arg = r};

    packet_pool_init(&r->pool, 0, RIG_PACKETS);
    for (unsigned i = 0; i < RIG_CORES; i++) {
        r->hts[i] = hts_new(&r->p, i);
        assert_non_null(r->hts[i]);
    }
    r->nic = nic_new(&c);
    assert_non_null(r->nic);
    r->start = (UINT64_C(1) << (r->p.key_ip_bits + r->p.key_id_bits)) + 100;
}

void rig_stop(struct rig *r)
{
    for (unsigned i = 0; i < r->sent_len; i++)
        packet_free(&r->pool, r->sent[i]);
    nic_free(r->nic);
    for (unsigned i = 0; i < RIG_CORES; i++)
        hts_free(r->hts[i]);
    assert_int_equal(r->pool.in_use, 0);
    packet_pool_fini(&r->pool);
}

void rig_whole(const struct rig *r)
{
    const struct nic *n = r->nic;

    assert_int_equal(n->rx_free_count, n->ids);
    assert_int_equal(n->tx_free_count, n->ids);
    for (unsigned i = 0; i < CLASSES; i++) {
        assert_int_equal(n->rx_bufs.class[i].free_count, n->rx_bufs.class[i].count);
        assert_int_equal(n->tx_bufs.class[i].free_count, n->tx_bufs.class[i].count);
    }
    assert_int_equal(n->completed_len + n->rxq_total + n->notes_len + n->armed, 0);
    assert_int_equal(n->control_len + n->paced_len + n->data_len + n->data_words, 0);
    assert_int_equal(n->sched[0].len + n->sched[1].len + n->sched[2].len, 0);
    assert_null(n->rx_head);
    assert_int_equal(nic_next_event(n), CYCLE_NEVER);
}

void rig_register(struct rig *r, unsigned core, unsigned ctx, unsigned priority)
{
    uint64_t t = r->start - 80 + core * 4;

    hts_csr_write(r->hts[core], t, CSR_CONTEXT, ctx);
    hts_csr_write(r->hts[core], t + 1, CSR_PRIO, priority);
    hts_csr_write(r->hts[core], t + 2, CSR_COMMAND, 1);
    nic_advance(r->nic, t + 4);
}

void rig_packet(struct rig *r, uint64_t cycle, const struct msg_header *h, const void *payload)
{
    struct packet *p = packet_alloc(&r->pool);

    assert_non_null(p);
    msg_header_write(h, params_transport(&r->p)->layout, false, p->data);
    if (payload != NULL)
        memcpy(p->data + MSG_FRAME_HEADER_BYTES, payload, h->payload_len);
    else
        memset(p->data + MSG_FRAME_HEADER_BYTES, 0, h->payload_len);
    p->len_bytes = MSG_FRAME_HEADER_BYTES + (uint32_t)h->payload_len;
    p->first_flit_cycle = cycle;
    nic_receive(r->nic, p);
}

uint64_t rig_word(uint16_t id, unsigned j)
{
    return (uint64_t)id << 48 | (uint64_t)j << 32 | (0x5a5a0000U + j * 3U);
}

static void pattern(uint8_t *to, uint16_t id, unsigned from, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(rig_word(id, (from + i) / 8) >> (56 - (from + i) % 8 * 8));
}

unsigned rig_data(struct rig *r, uint64_t cycle, uint16_t ctx, uint16_t id, uint16_t msg_len, uint8_t offset,
                  uint8_t more_flags)
{
    uint8_t payload[MSG_SEGMENT_BYTES] = {0};
    bool chop = (more_flags & MSG_CHOP) != 0;
    unsigned len = chop ? 8 : msg_packet_bytes(msg_len, offset);
    struct msg_header h = {.src_ip = RIG_PEER,
                           .dst_ip = RIG_IP,
                           .ip_protocol = params_ip_protocol(&r->p),
                           .payload_len = (uint16_t)len,
                           .flags = MSG_DATA | more_flags,
                           .src_context = 5,
                           .dst_context = ctx,
                           .msg_len = msg_len,
                           .pkt_offset = offset,
                           .tx_msg_id = id,
                           .buf_ptr = 77,
                           .buf_class = 1};

    if (!chop)
        pattern(payload, id, offset * MSG_SEGMENT_BYTES, len);
    rig_packet(r, cycle, &h, payload);
    return (MSG_FRAME_HEADER_BYTES + len + 7) / 8;
}

void rig_control(struct rig *r, uint64_t cycle, uint16_t id, uint8_t flags, uint8_t offset, uint16_t pull)
{
    struct msg_header h = {.src_ip = RIG_PEER,
                           .dst_ip = RIG_IP,
                           .ip_protocol = params_ip_protocol(&r->p),
                           .payload_len = (uint16_t)r->p.control_pad,
                           .flags = flags,
                           .pkt_offset = offset,
                           .pull_offset = pull,
                           .tx_msg_id = id};

    rig_packet(r, cycle, &h, NULL);
}

uint64_t rig_send(struct rig *r, unsigned core, uint64_t cycle, uint16_t dst_ctx, uint16_t len)
{
    hts_push(r->hts[core], cycle, (uint64_t)RIG_PEER << 32 | (uint64_t)dst_ctx << 16 | len);
    for (unsigned j = 0; j < (len + 7U) / 8; j++)
        hts_push(r->hts[core], ++cycle, rig_word(dst_ctx, j));
    return cycle;
}

struct msg_header rig_header(const struct rig *r, unsigned n)
{
    struct msg_header h;

    assert_true(n < r->sent_len);
    assert_int_equal(msg_header_parse(&h, params_transport(&r->p)->layout, params_ip_protocol(&r->p), r->sent[n]->data,
                                      r->sent[n]->len_bytes),
                     MSG_OK);
    return h;
}

unsigned rig_count(const struct rig *r, uint8_t flags)
{
    unsigned count = 0;

    for (unsigned i = 0; i < r->sent_len; i++)
        count += rig_header(r, i).flags == flags;
    return count;
}

unsigned rig_take(struct rig *r, unsigned core, uint64_t *cycle, unsigned ctx, uint16_t id)
{
    struct hts *h = r->hts[core];
    uint64_t header;
    unsigned len;

    hts_csr_write(h, *cycle, CSR_CONTEXT, ctx);
    *cycle += 4;
    if (hts_csr_read(h, *cycle, CSR_READY) == 0)
        return 0;
    *cycle += 4;
    header = hts_pop(h, (*cycle)++);
    len = (unsigned)(header & 0xffff);
    assert_int_equal(header >> 16, (uint64_t)RIG_PEER << 16 | 5);
    for (unsigned j = 0; j < (len + 7) / 8; j++) {
        uint64_t word = hts_pop(h, (*cycle)++), mask = UINT64_MAX;

        if (j == len / 8)
            mask <<= 64 - len % 8 * 8;
        assert_int_equal(word & mask, rig_word(id, j) & mask);
    }
    return len;
}
