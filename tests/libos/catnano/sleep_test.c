/* SPDX-License-Identifier: MIT */
/* catnano asleep: a host on a device of ours, and a peer that answers when it likes. */
#include "api/api.h"
#include "libos/catnano/nano.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#define OURS   0x0a070001u
#define PEER   0x0a070002u
#define THEIRS 9
#define BYTES  40
#define LATER  (5 * NS_PER_MS) /* the peer answers so much later, when we sleep */

/* What the peer has seen, and what it says when its time has come. */
static struct peer {
    struct netdev dev, *real;
    struct msg_header first; /* the first message */
    unsigned copies[2];      /* of the first message, and of the second */
    struct msg_header says;
    bool quiet; /* it has nothing to say */
} peer;

static struct nano *nano;

static void say_later(const struct msg_header *h, unsigned flags)
{
    struct itimerspec then = {.it_value.tv_nsec = LATER};

    peer.says = *h;
    peer.says.flags = (uint8_t)flags;
    peer.says.src_ip = PEER;
    peer.says.dst_ip = OURS;
    peer.says.dst_mac = nano->mac;
    peer.says.src_context = THEIRS;
    peer.says.dst_context = h->src_context;
    peer.quiet = false;
    assert_int_equal(timerfd_settime(peer.dev.fd, 0, &then, NULL), 0);
}

/* Acknowledges the first message when it comes again, and answers the second when that does. */
static void peer_takes(const struct msg_header *h)
{
    unsigned second;

    if (peer.copies[0] == 0)
        peer.first = *h;
    second = h->tx_msg_id != peer.first.tx_msg_id;
    if (++peer.copies[second] == 2)
        say_later(h, second ? MSG_DATA : MSG_ACK);
}

static unsigned peer_tx(struct netdev *d, struct frame **f, unsigned n)
{
    uint8_t bytes[256];
    struct msg_header h;

    for (unsigned i = 0; i < n; i++) {
        assert_true(f[i]->len <= sizeof(bytes));
        frame_copy(f[i], (char *)bytes);
        if (msg_header_parse(&h, MSG_NDP, nano->protocol, bytes, sizeof(bytes)) == MSG_OK && h.flags == MSG_DATA)
            peer_takes(&h);
        frame_free(d->mem, f[i]);
    }
    return n;
}

static unsigned peer_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    uint32_t len = MSG_FRAME_HEADER_BYTES + BYTES; /* of control packets, too: padding */
    uint64_t times;
    uint8_t *obj;

    if (max == 0 || peer.quiet || read(d->fd, &times, sizeof(times)) != sizeof(times))
        return 0;
    peer.quiet = true;
    obj = mem_alloc(d->mem, FRAME_IN_ROOM + len, 1);
    assert_non_null(obj);
    memset(obj, 0, FRAME_IN_ROOM + len);
    msg_header_write(&peer.says, MSG_NDP, true, obj + FRAME_IN_ROOM);
    *in = (struct frame_in){.obj = obj, .ptr = obj + FRAME_IN_ROOM, .len = len};
    return 1;
}

static bool peer_arm(struct netdev *d)
{
    (void)d;
    return true;
}

static const struct netdev_ops peer_ops = {.name = "test", .rx_burst = peer_rx, .tx_burst = peer_tx, .arm = peer_arm};

static int setup(void **state)
{
    char wire[64];

    (void)state;
    snprintf(wire, sizeof(wire), "/dev/shm/caracal-sleep-test-%d", (int)getpid());
    setenv("LIBOS", "catnano", 1);
    setenv("DRIVER", "ring", 1);
    setenv("DEVICE", wire, 1);
    setenv("NET_ADDRESS", "10.7.0.1/24", 1);
    setenv("MSG_WINDOW", "1", 1);
    setenv("MSG_TIMEOUT_US", "20000", 1);
    setenv("IDLE", "block", 1);
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    assert_int_equal(demi_init(NULL), 0);
    nano = api_self.inst->net_state;
    peer = (struct peer){.dev = *nano->dev, .real = nano->dev, .quiet = true};
    peer.dev.ops = &peer_ops;
    peer.dev.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    assert_true(peer.dev.fd >= 0);
    nano->dev = &peer.dev;
    nano_peer_get(nano, PEER)->mac = 0x020000000002;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nano->dev = peer.real;
    assert_int_equal(demi_fini(), 0);
    return close(peer.dev.fd);
}

/*
 * The second message waits for room, which an acknowledgement makes that comes in a sleep: it leaves in the midst of
 * the turn after that, when no other timeout is to come. It is lost; the sleep that follows ends for it.
 */
static void sleep__ends_for_what_its_last_turn_sent(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(THEIRS)};
    struct timespec patience = {.tv_sec = 5};
    char text[BYTES] = "a";
    struct iovec iov = {text, sizeof(text)};
    demi_qtoken_t pop;
    demi_qresult_t qr;
    int qd;

    (void)state;
    to.sin_addr.s_addr = htonl(PEER);
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_RDM, 0), 0);
    assert_int_equal(demi_bind(qd, (struct sockaddr *)&at, sizeof(at)), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(demi_pushtov(NULL, qd, &iov, 1, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(peer.copies[0], 1);
    assert_int_equal(peer.copies[1], 0);
    assert_int_equal(demi_pop(&pop, qd), 0);
    assert_int_equal(demi_wait(&qr, pop, &patience), 0);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
    demi_sgafree(&qr.qr_value.sga);
    assert_true(peer.copies[1] >= 2);
    demi_close(qd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sleep__ends_for_what_its_last_turn_sent, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
