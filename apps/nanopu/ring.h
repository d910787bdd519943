/* SPDX-License-Identifier: MIT */
/*
 * A driver for the conventional NIC (nanopu run --set nic=rings; src/nanopu/ring/ring.h has registers and descriptors).
 * Packets are in place: one that was received may be changed and sent from the buffer that it is in; the buffer that
 * was sent longest ago takes its place in the receive ring, so nothing is copied and nothing allocated.
 *
 * One hart drives it. Frames have 64 bytes of headers, as on the nanoPU's wire, which this NIC knows nothing of.
 */
#ifndef APPS_NANOPU_RING_H
#define APPS_NANOPU_RING_H

#include "loadgen.h"

#include <string.h>

#define RING_SIZE    16u
#define RING_BUFFER  2048u
#define RING_HEADER  64u
#define RING_REFILL  4u /* buffers handed over at once */
#define RING_MIE_MEI (UINT64_C(1) << 11)
#define RING_DATA    1u /* of a frame's flags */

#define RING_REGISTER(offset) (*(volatile uint64_t *)(0x56000000UL + (offset)))
#define RING_RX_BASE          RING_REGISTER(0x00)
#define RING_RX_ENTRIES       RING_REGISTER(0x08)
#define RING_RX_TAIL          RING_REGISTER(0x10)
#define RING_TX_BASE          RING_REGISTER(0x20)
#define RING_TX_ENTRIES       RING_REGISTER(0x28)
#define RING_TX_TAIL          RING_REGISTER(0x30)
#define RING_TX_HEAD          RING_REGISTER(0x38)
#define RING_IRQ_ON           RING_REGISTER(0x40)
#define RING_IRQ_SEEN         RING_REGISTER(0x48)
#define RING_RX_POST          RING_REGISTER(0x50)
#define RING_RX_TAKE          RING_REGISTER(0x58)
#define RING_TX_POST          RING_REGISTER(0x60)
#define RING_LENGTH_SHIFT     48

/* How software learns of packets: from descriptors, by interrupts and then from descriptors, from a register's queue.
 */
enum ring_mode { RING_POLL, RING_INTERRUPT, RING_QUEUES };

struct ring_descriptor {
    uint8_t *buffer;
    uint32_t length, done;
};

struct ring {
    struct ring_descriptor rx[RING_SIZE], tx[RING_SIZE];
    uint64_t received, sent; /* ever, by software */
    uint64_t tx_head;        /* as last read */
    enum ring_mode mode;
} __attribute__((aligned(64)));

static struct ring ring;
static uint8_t ring_buffers[2 * RING_SIZE][RING_BUFFER] __attribute__((aligned(64)));

static void __attribute__((interrupt("machine"), aligned(4))) ring_interrupt(void)
{
    RING_IRQ_SEEN = 1;
}

static bool ring_mode_parse(const char *text, enum ring_mode *mode)
{
    static const char *const names[] = {[RING_POLL] = "poll", [RING_INTERRUPT] = "interrupt", [RING_QUEUES] = "queues"};

    for (unsigned i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        *mode = (enum ring_mode)i;
        if (strcmp(names[i], text) == 0)
            return true;
    }
    return false;
}

static void ring_start(enum ring_mode mode)
{
    memset(ring_buffers, 0, sizeof(ring_buffers)); /* they are in the shared cache from now on */
    for (unsigned i = 0; i < RING_SIZE; i++) {
        ring.rx[i] = (struct ring_descriptor){ring_buffers[i], RING_BUFFER, 0};
        ring.tx[i] = (struct ring_descriptor){ring_buffers[RING_SIZE + i], 0, 0};
    }
    ring.mode = mode;
    for (unsigned i = 0; mode == RING_QUEUES && i < RING_SIZE; i++)
        RING_RX_POST = (uint64_t)ring.rx[i].buffer;
    if (mode == RING_QUEUES)
        return;
    RING_RX_BASE = (uint64_t)ring.rx;
    RING_RX_ENTRIES = RING_SIZE;
    RING_TX_BASE = (uint64_t)ring.tx;
    RING_TX_ENTRIES = RING_SIZE;
    RING_RX_TAIL = RING_SIZE;
    if (mode != RING_INTERRUPT)
        return;
    nanopu_csr_write(0x305, (uint64_t)ring_interrupt); /* mtvec */
    nanopu_csr_set(0x304, RING_MIE_MEI);
    RING_IRQ_ON = 1;
}

static inline struct ring_descriptor *ring_next(void)
{
    return &ring.rx[ring.received % RING_SIZE];
}

static inline bool ring_ready(void)
{
    return *(volatile uint32_t *)&ring_next()->done != 0;
}

/* An interrupt between the look and the wfi would be missed: both are done with interrupts off, which wfi minds not. */
static inline void ring_sleep(void)
{
    nanopu_csr_clear(0x300, 8);
    if (!ring_ready())
        __asm__ volatile("wfi" : : : "memory");
    nanopu_csr_set(0x300, 8);
}

/* The next frame that is DATA; its length in bytes without the 64 of headers. */
static inline uint8_t *ring_take(unsigned *bytes)
{
    struct ring_descriptor *d = ring_next();

    if (ring.mode == RING_QUEUES) {
        uint64_t taken;

        do
            taken = RING_RX_TAKE;
        while (taken == 0);
        *bytes = (unsigned)(taken >> RING_LENGTH_SHIFT) - RING_HEADER;
        return (uint8_t *)(taken << (64 - RING_LENGTH_SHIFT) >> (64 - RING_LENGTH_SHIFT));
    }
    while (!ring_ready()) {
        if (ring.mode == RING_INTERRUPT)
            ring_sleep();
    }
    __asm__ volatile("fence" : : : "memory");
    *bytes = d->length - RING_HEADER;
    return d->buffer;
}

/* The buffer that was sent longest ago, in whose place there is now another one. */
static inline uint8_t *ring_spare(struct ring_descriptor *tx)
{
    while (ring.sent - ring.tx_head >= RING_SIZE)
        ring.tx_head = RING_TX_HEAD;
    return tx->buffer;
}

/* Hands the buffer of the frame that was taken over to be sent, and another one to be filled. */
static inline void ring_answer(uint8_t *frame, unsigned bytes)
{
    struct ring_descriptor *rx = ring_next(), *tx = &ring.tx[ring.sent % RING_SIZE];
    uint8_t *spare = ring_spare(tx);

    if (ring.mode == RING_QUEUES) {
        tx->buffer = frame;
        RING_TX_POST = (uint64_t)frame | (uint64_t)(bytes + RING_HEADER) << RING_LENGTH_SHIFT;
        RING_RX_POST = (uint64_t)spare;
        ring.sent++;
        return;
    }
    *tx = (struct ring_descriptor){frame, bytes + RING_HEADER, 0};
    *rx = (struct ring_descriptor){spare, RING_BUFFER, 0};
    __asm__ volatile("fence" : : : "memory");
    RING_TX_TAIL = ++ring.sent;
    if (++ring.received % RING_REFILL == 0)
        RING_RX_TAIL = ring.received + RING_SIZE;
}

/* Exchanges n bytes at two places. */
static inline __attribute__((always_inline)) void ring_swap(uint8_t *a, uint8_t *b, unsigned n)
{
    for (unsigned i = 0; i < n; i += 2) {
        uint16_t x, y;

        memcpy(&x, a + i, 2);
        memcpy(&y, b + i, 2);
        memcpy(a + i, &y, 2);
        memcpy(b + i, &x, 2);
    }
}

/* Back to the sender: MAC and IP addresses, and contexts, which begin at an odd byte. */
static inline void ring_turn(uint8_t *frame)
{
    uint8_t high = frame[35], low = frame[36];

    ring_swap(frame, frame + 6, 6);
    ring_swap(frame + 26, frame + 30, 4);
    frame[35] = frame[37];
    frame[36] = frame[38];
    frame[37] = high;
    frame[38] = low;
}

/* Another length than the request had: that of the IP packet, and the message's. */
static inline void ring_set_bytes(uint8_t *frame, unsigned bytes)
{
    unsigned ip = bytes + 50;

    frame[16] = (uint8_t)(ip >> 8);
    frame[17] = (uint8_t)ip;
    frame[39] = (uint8_t)(bytes >> 8);
    frame[40] = (uint8_t)bytes;
}

/* Words are big-endian on the wire; the core has an instruction that turns all eight bytes round. */
static inline uint64_t ring_word(uint64_t word)
{
    uint64_t turned;

    __asm__(".insn r 0x33, 2, 0x2a, %0, %1, x0" : "=r"(turned) : "r"(word));
    return turned;
}

/* Tells the load generator that the guest is ready: a frame made by hand. */
static inline void ring_tell_ready(uint32_t own_ip)
{
    struct ring_descriptor *tx = &ring.tx[ring.sent % RING_SIZE];
    uint8_t *f = tx->buffer;

    f[12] = 0x08; /* IPv4 */
    f[14] = 0x45;
    f[22] = 64;
    f[23] = 153;
    for (unsigned i = 0; i < 4; i++) {
        f[26 + i] = (uint8_t)(own_ip >> (24 - 8 * i));
        f[30 + i] = (uint8_t)(LOADGEN_IP >> (24 - 8 * i));
    }
    f[34] = RING_DATA;
    ring_set_bytes(f, 16);
    tx->length = RING_HEADER + 16;
    __asm__ volatile("fence" : : : "memory");
    ring.sent++;
    if (ring.mode == RING_QUEUES)
        RING_TX_POST = (uint64_t)f | (uint64_t)tx->length << RING_LENGTH_SHIFT;
    else
        RING_TX_TAIL = ring.sent;
}

#endif /* APPS_NANOPU_RING_H */
