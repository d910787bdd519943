/* SPDX-License-Identifier: MIT */
/*
 * A stack's frames, written to the capture file that the setting `pcap` names, each with what is to be said of it: the
 * counter under which it was dropped, and what its device knows. Without the setting a stack pays a comparison a burst.
 *
 * Where several stacks of an instance share a simulated network each frame is written once, where it arrives (`sent`
 * is false): what a stack sends another one receives, and what the network loses it shows its tap.
 */
#ifndef LIBOS_STACK_CAPTURE_H
#define LIBOS_STACK_CAPTURE_H

#include "core/instance.h"
#include "inet/env.h"
#include "netdev/netdev.h"
#include "netdev/pcap.h"

struct capture {
    struct pcap *pcap; /* NULL: nothing is captured */
    struct instance *inst;
    unsigned interface;
    bool own;           /* pcap is this stack's alone */
    bool sent;          /* what it sends is written too */
    uint64_t offset_ns; /* from the instance's clock to the file's */
};

/* Opens the file of the setting. NULL with *err: 0 when none is asked for, else negative with a text. */
struct pcap *capture_file(struct instance *inst, int *err);

/*
 * Begins: into pcap, as interface `name`, what arrives; with pcap NULL, into a file of its own if the setting asks for
 * one, and what is sent too. Negative errno and a text.
 */
int capture_begin(struct capture *c, struct instance *inst, struct pcap *pcap, const char *name);
void capture_end(struct capture *c);

/* A received frame, and the counter under which it was dropped or COUNTER_MAX. */
void capture_received(struct capture *c, const struct frame_in *f, enum counter drop);

/* A frame that is not sent. */
void capture_refused(struct capture *c, const struct frame *f, enum counter drop);

/* tx_burst of the device, capturing. */
unsigned capture_transmit(struct capture *c, struct netdev *d, struct frame **f, unsigned n);

#endif /* LIBOS_STACK_CAPTURE_H */
