/* SPDX-License-Identifier: MIT */
/*
 * From the wire to parsed packets (section 4.1). Packets wait in a list, in their order on the wire. The one at the
 * head has two events: its match-action result, where everything about it is decided, and, if its payload is kept, the
 * cycle in which assemble has taken the last word.
 */
#include "nanopu/nic/nic_internal.h"

static void next_packet(struct nic *nic)
{
    struct packet *p = nic->rx_head;

    nic->rx_head = p->next;
    if (nic->rx_head == NULL)
        nic->rx_tail = NULL;
    packet_free(nic->c.pool, p);
    nic->rx_classified = false;
    nic->next[MOD_INGRESS] = nic->rx_head == NULL ? CYCLE_NEVER : nic->rx_head->first_flit_cycle + nic->meta_cycles;
    if (nic->rx_head != NULL)
        nic->rx_done = assemble_last_cycle(nic, nic->rx_head->first_flit_cycle, packet_flits(nic->rx_head));
}

void nic_receive(struct nic *nic, struct packet *p)
{
    uint64_t first = p->first_flit_cycle, start = later_of(first, nic->parser_free);

    assert(p->len_bytes > 0 && p->len_bytes <= PACKET_BYTES_MAX);
    nic->stats.rx_packets++;
    NIC_TELL(nic, rx_packet, .cycle = first, .p = p);
    if (start - first + packet_flits(p) > (uint64_t)nic->p->input_flits) {
        nic_fail(nic, NIC_FAULT_INPUT_FULL);
        NIC_DROP(nic, first, p, drop_input_full);
        packet_free(nic->c.pool, p);
        return;
    }
    p->first_flit_cycle = start;
    p->next = NULL;
    nic->parser_free = start + packet_flits(p);
    if (nic->rx_tail != NULL) {
        nic->rx_tail->next = p;
        nic->rx_tail = p;
        return;
    }
    nic->rx_head = nic->rx_tail = p;
    nic->next[MOD_INGRESS] = start + nic->meta_cycles;
    nic->rx_done = assemble_last_cycle(nic, start, packet_flits(p));
}

/* Drops by what the headers say alone; false when it is dropped. */
static bool accept(struct nic *nic, const struct packet *p, struct msg_header *h, uint64_t t)
{
    bool checks = !nic->p->quirk_no_rx_check;

    if (t < UINT64_C(1) << (nic->p->key_ip_bits + nic->p->key_id_bits)) {
        NIC_DROP(nic, t, p, drop_not_ready);
        return false;
    }
    switch (msg_header_parse(h, nic->transport->layout, nic->ip_protocol, p->data, p->len_bytes)) {
    case MSG_SHORT:
        NIC_DROP(nic, t, p, drop_short);
        return false;
    case MSG_NOT_IPV4:
        NIC_DROP(nic, t, p, drop_not_ipv4);
        return false;
    case MSG_OTHER_PROTOCOL:
        NIC_DROP(nic, t, p, drop_protocol);
        return false;
    case MSG_OK:
        break;
    }
    if (checks && h->dst_ip != nic->c.ip) {
        NIC_DROP(nic, t, p, drop_address);
        return false;
    }
    /* The prototype sends no checksum: 0 says there is none. */
    if (checks && h->ip_checksum != 0 && !msg_checksum_good(p->data)) {
        NIC_DROP(nic, t, p, drop_checksum);
        return false;
    }
    return true;
}

static void classify(struct nic *nic, struct packet *p, uint64_t t)
{
    struct msg_header *h = &nic->rx_h;

    if (!accept(nic, p, h, t)) {
        next_packet(nic);
        return;
    }
    if ((h->flags & MSG_DATA) != 0) {
        nic->stats.rx_data++;
        nic->stats.rx_trimmed += (h->flags & MSG_CHOP) != 0;
        if (assemble_data(nic, p, h, t, &nic->rx_id)) {
            nic->rx_classified = true;
            nic->next[MOD_INGRESS] = nic->rx_done;
            return;
        }
    } else if ((h->flags & (MSG_ACK | MSG_NACK | MSG_PULL)) != 0) {
        nic->stats.rx_control++;
        sender_control(nic, h, t);
    } else {
        NIC_DROP(nic, t, p, drop_flags);
    }
    next_packet(nic);
}

void ingress_event(struct nic *nic, uint64_t t)
{
    struct packet *p = nic->rx_head;

    if (!nic->rx_classified) {
        classify(nic, p, t);
        return;
    }
    assemble_payload(nic, p, &nic->rx_h, nic->rx_id, t);
    next_packet(nic);
}
