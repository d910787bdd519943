/* SPDX-License-Identifier: MIT */
/* Acknowledgements that ride in DATA packets, and those that go by themselves: a host of catnano on a device of ours.
 */
#include "api/api.h"
#include "libos/catnano/nano.h"

#include <demi/ext.h>
#include <demi/libos.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OURS   0x0a000001u
#define PEER   0x0a000002u
#define OTHER  0x0a000003u
#define PORT   7
#define THEIRS 9
#define BYTES  61 /* of a message: not whole words */
#define HOST   (NANO_MARK | NANO_RIDES)

static struct wire {
    struct netdev dev;
    struct frame_in in[4];
    unsigned coming;
    uint8_t out[8][256];
    unsigned sent;
} wire;

static struct nano *nano;
static struct queue *queue;
static struct instance *inst;

static unsigned wire_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    unsigned n = wire.coming;

    (void)d;
    assert_true(n <= max);
    memcpy(in, wire.in, n * sizeof(*in));
    wire.coming = 0;
    return n;
}

static unsigned wire_tx(struct netdev *d, struct frame **f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_true(f[i]->len <= sizeof(wire.out[0]) && wire.sent < ARRAY_LEN(wire.out));
        frame_copy(f[i], (char *)wire.out[wire.sent++]);
        frame_free(d->mem, f[i]);
    }
    return n;
}

static void wire_close(struct netdev *d)
{
    (void)d;
}

static const struct netdev_ops wire_ops = {
    .name = "test", .rx_burst = wire_rx, .tx_burst = wire_tx, .close = wire_close};

static struct queue *open_queue(const struct sockaddr_in *at)
{
    struct queue *q = queue_alloc(&inst->queues, NULL);

    assert_non_null(q);
    q->domain = AF_INET;
    q->type = SOCK_DGRAM;
    assert_int_equal(nano_socket(nano, q), 0);
    assert_int_equal(q->ops->bind(inst, q, (const struct sockaddr *)at, sizeof(*at)), 0);
    q->status = QUEUE_BOUND;
    return q;
}

static int setup(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htobe16(PORT)};

    (void)state;
    setenv("LIBOS", "sim", 1);
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    assert_int_equal(demi_init(NULL), 0);
    inst = api_self.inst;
    wire =
        (struct wire){.dev = {.ops = &wire_ops, .mem = &inst->mem, .count = inst->stat->value, .fd = -1, .mtu = 1500}};
    nano = calloc(1, sizeof(*nano));
    assert_non_null(nano);
    assert_int_equal(nano_init(nano, inst, &wire.dev), 0);
    nano->ip = OURS;
    nano->mac = 0x020000000001;
    queue = open_queue(&at);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    instance_close_queue(inst, queue);
    nano_free(nano);
    free(nano);
    assert_int_equal(mem_bytes_used(&inst->mem), 0);
    return demi_fini();
}

/* A message of one packet from a host lies ready; id is its number and its cookie. */
static void comes(uint32_t from, uint8_t cls, uint16_t id, const struct msg_rider *r)
{
    struct msg_header h = {.src_mac = 0x020000000000 | (from & 0xff),
                           .dst_mac = nano->mac,
                           .src_ip = from,
                           .dst_ip = OURS,
                           .ip_protocol = nano->protocol,
                           .payload_len = BYTES,
                           .flags = MSG_DATA,
                           .src_context = THEIRS,
                           .dst_context = PORT,
                           .msg_len = BYTES,
                           .tx_msg_id = id,
                           .buf_ptr = id,
                           .buf_class = cls};
    uint8_t *obj = mem_alloc(&inst->mem, FRAME_IN_ROOM + MSG_FRAME_HEADER_BYTES + BYTES, 1);

    assert_non_null(obj);
    msg_header_write(&h, MSG_NDP, true, obj + FRAME_IN_ROOM);
    if (r != NULL)
        msg_rider_write(r, obj + FRAME_IN_ROOM);
    memset(obj + FRAME_IN_ROOM + MSG_FRAME_HEADER_BYTES, 'a', BYTES);
    wire.in[wire.coming++] =
        (struct frame_in){.obj = obj, .ptr = obj + FRAME_IN_ROOM, .len = MSG_FRAME_HEADER_BYTES + BYTES};
}

static void push(uint32_t to, unsigned len)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htobe16(THEIRS), .sin_addr.s_addr = htobe32(to)};
    demi_qtoken_t qt;
    char bytes[BYTES];

    assert_true(len <= sizeof(bytes));
    for (unsigned i = 0; i < len; i++)
        bytes[i] = (char)i;
    assert_int_equal(queue->ops->send(inst, queue, &qt, bytes, len, (struct sockaddr *)&at), 0);
}

/* The i-th frame that was sent, and whether something rides in it. */
static struct msg_header sent(unsigned i, struct msg_rider *r)
{
    struct msg_header h;

    assert_true(i < wire.sent);
    assert_int_equal(msg_header_parse(&h, MSG_NDP, nano->protocol, wire.out[i], sizeof(wire.out[i])), MSG_OK);
    assert_true(msg_checksum_good(wire.out[i]));
    if (!msg_rider_parse(r, wire.out[i]))
        r->flags = 0;
    return h;
}

static unsigned under_way(void)
{
    return nano_peer_find(nano, PEER)->under_way;
}

static void answer__rides_in_the_next_data_packet(void **state)
{
    struct msg_rider r;
    struct msg_header h;

    (void)state;
    comes(PEER, HOST, 5, NULL);
    nano_poll(nano);
    assert_int_equal(wire.sent, 0);
    push(PEER, BYTES);
    assert_int_equal(wire.sent, 1);
    h = sent(0, &r);
    assert_int_equal(h.flags, MSG_DATA);
    assert_int_equal(h.buf_class, HOST);
    assert_int_equal(r.flags, MSG_ACK);
    assert_int_equal(r.tx_msg_id, 5);
    assert_int_equal(r.buf_ptr, 5);
    assert_int_equal(r.context, PORT);
    nano_poll(nano);
    assert_int_equal(wire.sent, 1);
}

static void answer__goes_by_itself_when_there_is_no_data(void **state)
{
    struct msg_rider r;
    struct msg_header h;

    (void)state;
    comes(PEER, HOST, 5, NULL);
    nano_poll(nano);
    nano_poll(nano);
    assert_int_equal(wire.sent, 1);
    h = sent(0, &r);
    assert_int_equal(h.flags, MSG_ACK);
    assert_int_equal(h.tx_msg_id, 5);
    assert_int_equal(h.buf_class, HOST);
    assert_int_equal(h.dst_context, THEIRS);
    assert_int_equal(r.flags, 0);
}

/* The prototype has the classes 0 and 1, and reads no padding; a host without RIDES neither. */
static void answer__to_who_cannot_read_it_never_rides(void **state)
{
    static const uint8_t classes[] = {0, 1, NANO_MARK};
    struct msg_rider r;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(classes); i++) {
        wire.sent = 0;
        comes(PEER, classes[i], (uint16_t)(5 + i), NULL);
        nano_poll(nano);
        push(PEER, BYTES);
        assert_int_equal(wire.sent, 1);
        assert_int_equal(sent(0, &r).flags, MSG_DATA);
        assert_int_equal(r.flags, 0);
        nano_poll(nano);
        assert_int_equal(wire.sent, 2);
        assert_int_equal(sent(1, &r).flags, MSG_ACK);
    }
}

static void answer__rides_to_its_own_host_alone(void **state)
{
    struct msg_rider r;

    (void)state;
    comes(PEER, HOST, 5, NULL);
    comes(OTHER, HOST, 6, NULL);
    nano_poll(nano);
    push(OTHER, BYTES);
    assert_int_equal(sent(0, &r).dst_ip, OTHER);
    assert_int_equal(r.tx_msg_id, 6);
    push(OTHER, BYTES);
    assert_int_equal(sent(1, &r).dst_ip, OTHER);
    assert_int_equal(r.flags, 0);
    nano_poll(nano);
    assert_int_equal(wire.sent, 3);
    assert_int_equal(sent(2, &r).dst_ip, PEER);
}

static void rider__ends_the_message_that_it_names(void **state)
{
    struct msg_rider r, ack;
    struct msg_header h;

    (void)state;
    comes(PEER, HOST, 5, NULL); /* its link address is known then */
    nano_poll(nano);
    push(PEER, BYTES);
    assert_int_equal(under_way(), 1);
    h = sent(0, &r);
    ack = (struct msg_rider){
        .flags = MSG_ACK, .tx_msg_id = h.tx_msg_id, .buf_ptr = (uint16_t)(h.buf_ptr + 1), .context = THEIRS};
    comes(PEER, HOST, 6, &ack);
    nano_poll(nano);
    nano_poll(nano);
    assert_int_equal(under_way(), 1);
    assert_int_equal(inst->stat->value[CTR_drop_msg_stray], 1);
    ack.buf_ptr = h.buf_ptr;
    comes(PEER, NANO_MARK, 7, &ack); /* whoever does not say that something rides, has nothing there */
    nano_poll(nano);
    nano_poll(nano);
    assert_int_equal(under_way(), 1);
    comes(PEER, HOST, 8, &ack);
    nano_poll(nano);
    nano_poll(nano);
    assert_int_equal(under_way(), 0);
}

/* A prototype, which would send for ever, is told so; a host of ours only of what was delivered. */
static void closed__what_comes_is_acknowledged_and_dropped(void **state)
{
    static const struct {
        uint8_t cls;
        uint16_t id;
        bool told;
    } come[] = {{0, 6, true}, {HOST, 5, true}, {HOST, 6, false}, {1, 7, true}};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htobe16(PORT)};
    struct msg_rider r;

    (void)state;
    comes(PEER, HOST, 5, NULL);
    nano_poll(nano);
    nano_poll(nano);
    instance_close_queue(inst, queue);
    for (unsigned i = 0; i < ARRAY_LEN(come); i++) {
        wire.sent = 0;
        comes(PEER, come[i].cls, come[i].id, NULL);
        nano_poll(nano);
        nano_poll(nano);
        assert_int_equal(wire.sent, come[i].told);
        if (come[i].told) {
            assert_int_equal(sent(0, &r).flags, MSG_ACK);
            assert_int_equal(sent(0, &r).tx_msg_id, come[i].id);
        }
    }
    assert_int_equal(inst->stat->value[CTR_msg_closed], 3);
    assert_int_equal(inst->stat->value[CTR_drop_msg_context], 4);
    queue = open_queue(&at);
    comes(PEER, 0, 8, NULL);
    nano_poll(nano);
    assert_int_equal(inst->stat->value[CTR_msg_received], 2);
}

/* Somebody may open it yet, for whom it is sent again. */
static void never_open__nothing_is_acknowledged(void **state)
{
    struct sockaddr_in elsewhere = {.sin_family = AF_INET, .sin_port = htobe16(PORT + 1)};

    (void)state;
    comes(PEER, 0, 5, NULL); /* it is known */
    nano_poll(nano);
    nano_poll(nano);
    instance_close_queue(inst, queue);
    nano->closed[PORT / 64] = 0;
    queue = open_queue(&elsewhere);
    wire.sent = 0;
    comes(PEER, 0, 6, NULL);
    nano_poll(nano);
    nano_poll(nano);
    assert_int_equal(wire.sent, 0);
    assert_int_equal(inst->stat->value[CTR_drop_msg_context], 1);
}

/* In the frame that the device had and let go, behind headers that are written anew. */
static void whole__goes_again_with_the_same_bytes(void **state)
{
    struct msg_rider r;
    struct msg_header first, again;

    (void)state;
    comes(PEER, HOST, 5, NULL);
    nano_poll(nano);
    push(PEER, BYTES);
    first = sent(0, &r);
    nano_poll(nano); /* it knows when the message began */
    inst->now_ns += inst->config.msg_timeout_us * NS_PER_US + NS_PER_MS;
    timer_advance(&inst->timers, inst->now_ns, 10);
    assert_int_equal(wire.sent, 2);
    again = sent(1, &r);
    assert_int_equal(again.tx_msg_id, first.tx_msg_id);
    assert_int_equal(again.buf_ptr, first.buf_ptr);
    assert_int_equal(again.payload_len, BYTES);
    assert_memory_equal(wire.out[1] + MSG_FRAME_HEADER_BYTES, wire.out[0] + MSG_FRAME_HEADER_BYTES, BYTES);
    assert_int_equal(inst->stat->value[CTR_msg_timeouts], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answer__rides_in_the_next_data_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(answer__goes_by_itself_when_there_is_no_data, setup, teardown),
        cmocka_unit_test_setup_teardown(answer__to_who_cannot_read_it_never_rides, setup, teardown),
        cmocka_unit_test_setup_teardown(answer__rides_to_its_own_host_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(rider__ends_the_message_that_it_names, setup, teardown),
        cmocka_unit_test_setup_teardown(closed__what_comes_is_acknowledged_and_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(never_open__nothing_is_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(whole__goes_again_with_the_same_bytes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
