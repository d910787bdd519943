/* SPDX-License-Identifier: MIT */
/*
 * catnano's host: packets of messages and of control of any content, ARP, pushes and pops, and time that passes, on a
 * device that swallows what is sent. Messages that arrive are as long as their packets said; at the end nothing is
 * left.
 */
#include "fuzz.h"

#include "api/api.h"
#include "libos/catnano/nano.h"

#include <demi/libos.h>

#define STEPS   96
#define FRAME   1500
#define OUR_IP  0x0a000001u
#define PORT    7
#define PATIENT 64 /* milliseconds of one step of time at most */

static struct instance *inst;

static unsigned swallow(struct netdev *d, struct frame **f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t sum = 0;

        for (unsigned s = 0; s < f[i]->segs; s++)
            sum += f[i]->seg[s].len;
        require_equal(sum, f[i]->len);
        require(f[i]->len <= MSG_FRAME_HEADER_BYTES + MSG_SEGMENT_BYTES);
        frame_free(d->mem, f[i]);
    }
    return n;
}

static unsigned nothing(struct netdev *d, struct frame_in *in, unsigned max)
{
    (void)d, (void)in, (void)max;
    return 0;
}

static void keep(struct netdev *d)
{
    (void)d;
}

static const struct netdev_ops ops = {.name = "fuzz", .rx_burst = nothing, .tx_burst = swallow, .close = keep};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    setenv("LIBOS", "sim", 1);
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    require_equal(demi_init(NULL), 0);
    inst = api_self.inst;
    inst->config.msg_buffers = 16;
    inst->config.msg_window = 8;
    inst->config.msg_give_up_ms = 200;
    return 0;
}

/* A packet that is good but for what the input changes in it. */
static uint32_t message_frame(struct nano *n, struct input *in, uint8_t *f)
{
    struct msg_header h = {.dst_mac = n->mac,
                           .src_mac = 0x020000000002,
                           .src_ip = OUR_IP + 1 + next_below(in, 2),
                           .dst_ip = OUR_IP,
                           .ip_protocol = n->protocol,
                           .flags = (uint8_t)next_byte(in),
                           .src_context = (uint16_t)next_below(in, 3),
                           .dst_context = PORT,
                           .pkt_offset = (uint8_t)next_below(in, 66),
                           .tx_msg_id = (uint16_t)next_below(in, 256),
                           .buf_class = (uint8_t)(next_byte(in) << 6)};
    struct msg_rider r = {.tx_msg_id = h.tx_msg_id, .context = h.src_context};
    uint32_t changes = next_byte(in), payload;

    h.msg_len = (changes & 1) != 0 ? (uint16_t)next_word(in) : (uint16_t)next_byte(in);
    h.pull_offset = (uint16_t)next_below(in, 70);
    payload = (changes & 2) != 0 ? next_below(in, 1025) : MSG_SEGMENT_BYTES;
    for (const struct nano_peer *p = nano_peer_find(n, h.src_ip); p != NULL && (changes & 4) != 0;) {
        const struct nano_tx *m = p->tx[h.tx_msg_id % NANO_PLACES]; /* one that is about a message of ours */

        if (m == NULL)
            break;
        h.tx_msg_id = r.tx_msg_id = m->id;
        h.buf_ptr = r.buf_ptr = m->cookie;
        h.src_context = r.context = m->dst;
        break;
    }
    h.payload_len = (uint16_t)payload;
    msg_header_write(&h, n->transport->layout, true, f);
    if ((changes & 16) != 0) {
        r.flags = (uint8_t)next_byte(in);
        r.pkt_offset = (uint8_t)next_below(in, 66);
        r.pull_offset = (uint16_t)next_below(in, 70);
        msg_rider_write(&r, f);
    }
    memset(f + MSG_FRAME_HEADER_BYTES, 0x5a, payload);
    if ((changes & 8) != 0)
        f[next_below(in, MSG_FRAME_HEADER_BYTES)] ^= (uint8_t)next_byte(in);
    return MSG_FRAME_HEADER_BYTES + payload;
}

static uint32_t arp_frame(const struct nano *n, struct input *in, uint8_t *f)
{
    static const uint8_t good[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0, 2, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                                     1,    2,    0,    0,    0,    0,    2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1};

    (void)n;
    memcpy(f, good, sizeof(good));
    f[next_below(in, sizeof(good))] ^= (uint8_t)next_byte(in);
    return sizeof(good) - next_below(in, 2);
}

static void receive(struct nano *n, struct input *in)
{
    uint8_t f[FRAME], *obj;
    uint32_t len = 0, kind = next_below(in, 8);

    if (kind == 0)
        len = arp_frame(n, in, f);
    else if (kind == 1)
        for (len = 0; len < 100 && in->left > 0; len++)
            f[len] = (uint8_t)next_byte(in);
    else
        len = message_frame(n, in, f);
    obj = mem_alloc(&inst->mem, FRAME_IN_ROOM + len + (len == 0), 1);
    require(obj != NULL);
    memcpy(obj + FRAME_IN_ROOM, f, len);
    nano_input(n, &(struct frame_in){.obj = obj, .ptr = obj + FRAME_IN_ROOM, .len = len});
}

static void push(struct queue *q, struct input *in)
{
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH);

    require(op != NULL);
    op->len = 1 + next_below(in, 5000);
    op->obj = op->ptr = mem_alloc(&inst->mem, op->len, 1);
    require(op->obj != NULL);
    memset(op->ptr, 1, op->len);
    op->args.in = (struct sockaddr_in){.sin_family = AF_INET,
                                       .sin_port = htobe16((uint16_t)next_below(in, 3)),
                                       .sin_addr.s_addr = htobe32(OUR_IP + next_below(in, 3))};
    require_equal(q->ops->push(inst, q, op), 0);
}

static void pop(struct queue *q)
{
    struct op *op = op_issue(inst, q, DEMI_OPC_POP);

    require(op != NULL);
    op->len = 0;
    require_equal(q->ops->pop(inst, q, op), 0);
}

static void take_results(void)
{
    struct op *op;
    demi_qresult_t qr;

    while ((op = op_list_first(&inst->ops, &inst->ops.done)) != NULL) {
        op_take(inst, op, &qr);
        if (qr.qr_opcode != DEMI_OPC_POP)
            continue;
        require(qr.qr_value.sga.sga_segs[0].sgaseg_len >= 1 && qr.qr_value.sga.sga_segs[0].sgaseg_len <= 65535);
        require_equal(mem_app_free(&inst->mem, qr.qr_value.sga.sga_buf), 0);
    }
}

static struct queue *open_socket(struct nano *n)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htobe16(PORT)};
    struct queue *q = queue_alloc(&inst->queues, NULL);

    require(q != NULL);
    q->domain = AF_INET;
    q->type = SOCK_DGRAM;
    require_equal(nano_socket(n, q), 0);
    require_equal(q->ops->bind(inst, q, (struct sockaddr *)&at, sizeof(at)), 0);
    q->status = QUEUE_BOUND;
    return q;
}

static void step(struct nano *n, struct queue *q, struct input *in)
{
    switch (next_below(in, 8)) {
    case 0:
        push(q, in);
        break;
    case 1:
        pop(q);
        break;
    case 2:
        inst->now_ns += (1 + next_below(in, PATIENT)) * NS_PER_MS;
        timer_advance(&inst->timers, inst->now_ns, 1000);
        break;
    case 3:
        nano_poll(n);
        break;
    default:
        receive(n, in);
        break;
    }
    take_results();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct netdev dev = {.ops = &ops, .mem = &inst->mem, .count = inst->stat->value, .fd = -1, .mtu = 1500};
    struct nano *n = calloc(1, sizeof(*n));
    struct input in = {data, size};
    uint64_t armed = inst->timers.armed;
    uint32_t used = inst->ops.used;
    struct queue *q;

    require(n != NULL);
    inst->config.msg_transport = next_below(&in, 2) != 0 ? TRANSPORT_HOMA : TRANSPORT_NDP;
    require_equal(nano_init(n, inst, &dev), 0);
    n->ip = OUR_IP;
    n->mac = 0x020000000001;
    q = open_socket(n);
    for (unsigned i = 0; i < STEPS && in.left > 0; i++)
        step(n, q, &in);
    instance_close_queue(inst, q);
    take_results();
    nano_free(n);
    free(n);
    require_equal((long long)inst->timers.armed, (long long)armed);
    require_equal(inst->ops.used, used);
    require_equal((long long)mem_bytes_used(&inst->mem), 0);
    return 0;
}
