/* SPDX-License-Identifier: MIT */
/*
 * The nanoPU's registers beneath a PDPIX socket, for programs that are written for that machine: a message is taken
 * and sent word by word, without a buffer, a token or a call. Beside the portable calls, on the same sockets: a pop
 * that is pending on the socket must not be while its messages are taken here.
 *
 *     demi_nano_enter(qd);                          once, and after using another socket of this thread
 *     uint64_t header = demi_nano_wait();           a message is there: who sent it, and its length
 *     demi_nano_answer(header, 8);                  a message to the sender begins
 *     demi_nano_put(demi_nano_take() + 1);          exactly as many words as its length says, both ways
 *     demi_nano_done();                             the next one may come
 *
 * Headers are taken apart by nanopu_header_ip, _context, _bytes (<nanopu/message.h>). Words hold the bytes of memory
 * as they lie there; of a part of a word at a message's end the bytes stand in the most significant ones. What breaks
 * these rules, and how, is in <nanopu/net.h>.
 */
#ifndef DEMI_NANO_H
#define DEMI_NANO_H

#include <nanopu/net.h>

/*
 * Makes the context of a bound or connected message socket the hart's current one. Returns 0; ENOSYS: no instance in
 * this thread; EBADF; ENOTSUP: not a socket of catnano; EDESTADDRREQ: not bound.
 */
extern int demi_nano_enter(int qd);

/* Until there is a message; its header. Other threads of the hart run meanwhile if they have messages. */
static inline uint64_t demi_nano_wait(void)
{
    nanopu_wait();
    return nanopu_rx();
}

/* Is there a message (or, inside one, a word)? */
static inline bool demi_nano_ready(void)
{
    return nanopu_ready();
}

/* The next word of the message. */
static inline uint64_t demi_nano_take(void)
{
    return nanopu_rx();
}

/* Begins a message of 1 to NANOPU_MESSAGE_BYTES_MAX bytes to a context of a host, or to who sent a header. */
static inline void demi_nano_send(uint32_t ip, unsigned context, unsigned bytes)
{
    nanopu_tx(nanopu_header(ip, context, bytes));
}

static inline void demi_nano_answer(uint64_t header, unsigned bytes)
{
    nanopu_tx(nanopu_header_with_bytes(header, bytes));
}

/* The next word of the message that was begun. */
static inline __attribute__((always_inline)) void demi_nano_put(uint64_t word)
{
    nanopu_tx(word);
}

/* The word taken next goes out as it is: one instruction. */
static inline void demi_nano_pass(void)
{
    nanopu_tx_rx();
}

/* Every word of the message has been taken. */
static inline void demi_nano_done(void)
{
    nanopu_msg_done();
}

#endif /* DEMI_NANO_H */
