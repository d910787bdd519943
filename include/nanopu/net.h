/* SPDX-License-Identifier: MIT */
/*
 * The network as a hart sees it: two registers. Reading x30 (netRX) takes the next word that arrived for the current
 * context, writing x31 (netTX) appends a word to the message being sent. A message is a header word (message.h) and its
 * payload; nothing is buffered, copied or allocated by software.
 *
 * Source: the machine's contract, sections 1.2, 1.3 and 2.
 *
 * The rules:
 * - Ask nanopu_ready (or nanopu_wait) before each word that may not be there yet: a read of an empty FIFO gives 0.
 * Words of one message follow each other one a cycle once its header is there.
 * - Read every word of a message, then say nanopu_msg_done: the NIC gives a core two messages of a context at most.
 * - Nothing stalls on netTX: 1024 words may wait there, the next one is lost and ends the run.
 * - A header announces 1 to NANOPU_MESSAGE_BYTES_MAX bytes, and exactly that many words must follow.
 * - The compiler keeps what is below in order, also with accesses to memory: what a program wrote before it sent a word
 *   is written, what it reads after it took one is read then. A message is how one hart or host tells another.
 */
#ifndef NANOPU_NET_H
#define NANOPU_NET_H

#include "csr.h"
#include "message.h"

#include <stdbool.h>

/* Takes the next word of the current context. */
static inline uint64_t nanopu_rx(void)
{
    uint64_t word;

    __asm__ volatile("mv %0, x30" : "=r"(word) : : "memory");
    return word;
}

/* Appends a word. A constant of 12 bits costs one instruction. */
static inline __attribute__((always_inline)) void nanopu_tx(uint64_t word)
{
    if (__builtin_constant_p(word) && (int64_t)word >= -2048 && (int64_t)word < 2048)
        __asm__ volatile("li x31, %0" : : "i"(word) : "memory");
    else
        __asm__ volatile("mv x31, %0" : : "r"(word) : "memory");
}

/* Appends a word of memory: one load, without a register in between. */
static inline void nanopu_tx_from(const uint64_t *word)
{
    __asm__ volatile("ld x31, %0" : : "m"(*word) : "memory");
}

/* Sends the next received word on: one instruction. */
static inline void nanopu_tx_rx(void)
{
    __asm__ volatile("mv x31, x30" : : : "memory");
}

/* The same with a constant of 12 bits added. */
#define nanopu_tx_rx_add(constant) __asm__ volatile("addi x31, x30, %0" : : "I"(constant) : "memory")

/* Is there a word to read? It shows two cycles after the word has arrived. */
static inline bool nanopu_ready(void)
{
    return nanopu_csr_read(NANOPU_CSR_lmsgsrdy) != 0;
}

/* Nothing to do: with threads (thread.h) another one may be run now. */
static inline void nanopu_idle(void)
{
    nanopu_csr_write(NANOPU_CSR_lnicucmd, NANOPU_UCMD_IDLE);
}

/* Until there is a word to read. */
static inline void nanopu_wait(void)
{
    while (!nanopu_ready())
        nanopu_idle();
}

/* The same without letting another thread run: the shortest loop. */
static inline void nanopu_poll(void)
{
    while (!nanopu_ready())
        ;
}

/* The message that was read is dealt with. Once for each message, or fewer and fewer of them come to this core. */
static inline void nanopu_msg_done(void)
{
    nanopu_csr_write(NANOPU_CSR_lnicucmd, NANOPU_UCMD_MSG_DONE);
}

/* The context whose words netRX gives, and that messages are sent from. */
static inline unsigned nanopu_context(void)
{
    return (unsigned)nanopu_csr_read(NANOPU_CSR_lcurcontext);
}

static inline void nanopu_set_context(unsigned context)
{
    nanopu_csr_write(NANOPU_CSR_lcurcontext, context);
}

/*
 * Makes this core one that receives the messages of a context, and the context the current one. context: 0 to 3;
 * priority: 0 (first) to 255 (last). Several cores may do so: the NIC gives each message to the core that has fewest of
 * them outstanding (JBSQ). A message for a context that no core has registered is a fault of the sender, so register
 * before anybody sends: nanopu_boot_msg is the usual sign.
 */
static inline void nanopu_register(unsigned context, unsigned priority)
{
    nanopu_csr_write(NANOPU_CSR_lcurcontext, context);
    nanopu_csr_write(NANOPU_CSR_lcurpriority, priority);
    nanopu_csr_write(NANOPU_CSR_lniccmd, NANOPU_CMD_INSERT);
}

/* Begins a message. */
static inline void nanopu_send(uint32_t ip, unsigned context, unsigned bytes)
{
    nanopu_tx(nanopu_header(ip, context, bytes));
}

/* An 8-byte message to 0.0.0.0, context 0: tells a tester on the wire that the program is ready. */
static inline void nanopu_boot_msg(void)
{
    nanopu_tx(8);
    nanopu_tx(0);
}

#endif /* NANOPU_NET_H */
