/* SPDX-License-Identifier: MIT */
/*
 * catnano on the nanoPU itself: message sockets over the network registers. Transport, reassembly, scheduling and load
 * balancing are the NIC's; nothing is left for software but the API.
 *
 * - A port is a context. bind registers it on this core with the socket's priority (SO_PRIORITY); port 0 takes the
 *   lowest whose messages no other socket of the host gets. With SO_REUSEPORT several cores have one, and the NIC
 *   spreads the messages. The hardware cannot take a registration back: a context that was closed stays registered, and
 *   what arrives for it is thrown away while this core waits for something else.
 * - A message is done, for the NIC, when the thread looks for the next one in that context: until then it counts as one
 *   that the core has, and the thread that works on it as one that the hardware comes back to.
 * - Threads that share a hart: nanopu/thread.h. Who waits lets the others run.
 * - Bytes of a message stand in its words in the order of memory: a load or store of eight bytes is all there is to a
 *   word. Of the last one, which may be part of a word, the NIC takes the most significant bytes, so it is shifted.
 * - A message is read from netRX into the buffer that the pop gives away, when there is a pop: until then it stays in
 *   the NIC. A push writes its bytes to netTX and is complete. There is no other copy.
 */
#ifndef LIBOS_CATNANO_GUEST_H
#define LIBOS_CATNANO_GUEST_H

#include "core/instance.h"

extern const struct libos libos_catnano_guest;

/* Makes the context of a queue the hart's current one. Negative errno and a text. */
int catnano_enter(struct instance *inst, struct queue *q);

#endif /* LIBOS_CATNANO_GUEST_H */
