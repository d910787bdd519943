/* SPDX-License-Identifier: MIT */
/*
 * catnano on the nanoPU itself: message sockets over the network registers. Transport, reassembly, scheduling and load
 * balancing are the NIC's; nothing is left for software but the API.
 *
 * - A port is a context. bind registers it on this core with the socket's priority (SO_PRIORITY); port 0 takes the
 *   lowest free one. The hardware cannot take a registration back: a context that was closed stays registered, and what
 *   arrived for it meanwhile is thrown away when it is bound again.
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
