/* SPDX-License-Identifier: MIT */
/*
 * The message transports. First the input as a frame: what is parsed and written parses to the same again, whatever the
 * layout. Then as calls of a transport's functions with any values that a peer can send: bounds hold, the receiver's
 * list stays in order, a sender never sends what it has not got.
 */
#include "fuzz.h"

#include "transport/transport.h"

#define MESSAGES 12

static struct msg_receiver receiver;
static struct msg_rx rx[MESSAGES];
static bool known[MESSAGES];
static struct msg_tx tx;

static void frame(const uint8_t *data, size_t size)
{
    uint8_t again[MSG_FRAME_HEADER_BYTES + 1] = {0}, third[MSG_FRAME_HEADER_BYTES];

    for (unsigned layout = MSG_NDP; layout <= MSG_HOMA; layout++) {
        struct msg_header h, other;

        if (size < 24 || msg_header_parse(&h, (enum msg_layout)layout, data[23], data, size) != MSG_OK)
            continue;
        require(size > MSG_FRAME_HEADER_BYTES);
        msg_header_write(&h, (enum msg_layout)layout, true, again);
        require(msg_checksum_good(again));
        require(msg_header_parse(&other, (enum msg_layout)layout, data[23], again, sizeof(again)) == MSG_OK);
        msg_header_write(&other, (enum msg_layout)layout, true, third);
        require(memcmp(again, third, sizeof(third)) == 0);
        require(other.pkt_offset == h.pkt_offset && other.pull_offset == h.pull_offset && other.flags == h.flags &&
                other.tx_msg_id == h.tx_msg_id && other.grant_prio == h.grant_prio && other.msg_len == h.msg_len &&
                other.payload_len == h.payload_len);
    }
}

static void check_list(void)
{
    const struct msg_rx *before = NULL;
    unsigned n = 0;

    for (const struct msg_rx *m = receiver.first; m != NULL; before = m, m = m->after) {
        unsigned left = msg_packets(m->msg_len) - (unsigned)__builtin_popcountll(m->received), other;

        require(m->listed && m->before == before && m->granted < msg_packets(m->msg_len) && ++n <= MESSAGES);
        if (before == NULL)
            continue;
        other = msg_packets(before->msg_len) - (unsigned)__builtin_popcountll(before->received);
        require(other < left || (other == left && before->id < m->id));
    }
}

static void receive(const struct transport *t, struct input *in)
{
    unsigned i = next_below(in, MESSAGES);
    struct msg_control answer[MSG_ANSWERS_MAX];
    uint8_t offset;

    if (!known[i])
        t->rx_start(&receiver, &rx[i], (uint16_t)i, (uint16_t)(1 + next_word(in) % MSG_BYTES_MAX));
    known[i] = true;
    offset = (uint8_t)next_below(in, msg_packets(rx[i].msg_len));
    t->rx_data(&receiver, &rx[i], offset, next_below(in, 4) == 0, answer);
    for (unsigned k = 0; k < MSG_ANSWERS_MAX; k++)
        require(answer[k].flags == 0 || answer[k].to == NULL || known[answer[k].to - rx]);
    if (msg_rx_complete(&rx[i]) || next_below(in, 16) == 0) {
        t->rx_end(&receiver, &rx[i]);
        known[i] = false;
    }
    check_list();
}

static void send(const struct transport *t, struct input *in)
{
    struct msg_header h = {.flags = (uint8_t)next_byte(in),
                           .pkt_offset = (uint8_t)next_byte(in),
                           .pull_offset = (uint16_t)next_word(in),
                           .grant_prio = (uint8_t)next_below(in, 4)};
    uint8_t offset = (uint8_t)next_below(in, msg_packets(tx.msg_len));
    uint64_t now = 0;

    switch (next_below(in, 3)) {
    case 0:
        if (msg_tx_ready(&tx, &receiver.o, offset))
            now = UINT64_C(1) << offset;
        break;
    case 1:
        require_equal(t->tx_control(&tx, &receiver.o, &h, &now), msg_tx_complete(&tx));
        break;
    default:
        now = msg_tx_timeout(&tx, &receiver.o);
        break;
    }
    require((now & ~tx.ready) == 0);
    require((tx.delivered & ~msg_mask(msg_packets(tx.msg_len))) == 0);
    for (; now != 0; now &= now - 1) {
        require(t->tx_tos(&tx, (uint8_t)__builtin_ctzll(now)) < 4);
        msg_tx_sent(&tx, (uint8_t)__builtin_ctzll(now));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.at = data, .left = size};
    const struct transport *t;

    frame(data, size);
    t = next_below(&in, 2) == 0 ? &ndp_transport : &homa_transport;
    receiver = (struct msg_receiver){.o = {.rtt_pkts = (uint16_t)(1 + next_below(&in, 16)),
                                           .no_ack_duplicate = next_below(&in, 2) != 0,
                                           .pull_overwrites = next_below(&in, 2) != 0,
                                           .pull_always = next_below(&in, 2) != 0,
                                           .first_timeout_packet = next_below(&in, 2) != 0}};
    memset(known, 0, sizeof(known));
    msg_tx_start(&tx, &receiver.o, (uint16_t)(1 + next_word(&in) % MSG_BYTES_MAX));
    while (in.left > 0) {
        if (next_below(&in, 2) == 0)
            receive(t, &in);
        else
            send(t, &in);
    }
    return 0;
}
