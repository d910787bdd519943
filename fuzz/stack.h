/* SPDX-License-Identifier: MIT */
/*
 * A stack for fuzz targets: its memory, timers and surroundings, with demands on what it sends; and for targets below
 * TCP the whole run, in which the input's bytes decide what happens next: a frame arrives, time passes, datagrams are
 * sent, an allocation fails. A target makes frames so that its own parser has the last word on them.
 */
#ifndef FUZZ_STACK_H
#define FUZZ_STACK_H

#include "inet/internal.h"
#include "inet/udp.h"

#include "fuzz.h"

#define STACK_START (1000 * NS_PER_S)
#define STACK_LINK  14
#define STACK_MTU   1500
#define STACK_FRAME 2100 /* bytes of a frame at most */

struct stack {
    struct inet *in;
    struct mem mem;
    struct timer_wheel wheel;
    uint64_t count[COUNTER_MAX];
    uint64_t random;
    uint32_t fail_after;                                  /* allocations until one fails; 0: none */
    void (*sent)(struct stack *s, const struct frame *f); /* looks at what leaves; may be NULL */
};

void stack_config(struct inet_config *cfg);

/* Makes a stack without addresses; s is cleared first. */
void stack_open(struct stack *s, const struct inet_config *cfg);

/* Ends it. All that it held must be free. */
void stack_close(struct stack *s);

void stack_pass(struct stack *s, uint64_t ns);

/* A frame arrives, in an object of its size, so that a byte behind it is one too far. */
void stack_receive(struct stack *s, const uint8_t *bytes, uint32_t len);

/* Makes the checksums of network and transport right, as far as lengths allow. */
void stack_fix(uint8_t *frame, uint32_t len);

/* What a target below TCP is. */
struct stack_target {
    /* Writes a frame to f (STACK_FRAME bytes); returns its length. */
    uint32_t (*frame)(struct stack *s, struct input *in, uint8_t *f);
    void (*config)(struct inet_config *cfg, struct input *in); /* may be NULL */
};

/* Hosts: us 10.0.0.1 and fd00::1, others .2 and ::2; ports 7 (bound) and 9 (connected to port 9 of .2). */
int stack_run(const uint8_t *data, size_t size, const struct stack_target *t);

/* Parts of frames. Each appends to f at *len; bytes of headers are a good header's, changed by the input's. */
void stack_put(uint8_t *f, uint32_t *len, const void *bytes, uint32_t n);
void stack_put_input(uint8_t *f, uint32_t *len, struct input *in, uint32_t max);
void stack_put_changed(uint8_t *f, uint32_t *len, const uint8_t *good, uint32_t n, struct input *in);
void stack_put_eth(uint8_t *f, uint32_t *len, uint16_t type);
void stack_put_ip(uint8_t *f, uint32_t *len, bool v6, uint8_t proto, uint32_t payload);

#endif /* FUZZ_STACK_H */
