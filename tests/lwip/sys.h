/* SPDX-License-Identifier: MIT */
/*
 * What lwIP (Debian's liblwip0: the Unix port, with threads) asks of a system, for one that drives it from a single
 * thread through its raw API, in a time that the caller sets. The library calls these functions by way of its symbol
 * table, so that a module that is linked with it and defines them comes first.
 *
 * lwIP is one stack in global variables, and its names (tcp_input, udp_send, ...) are ours too: it lives in a module
 * that a program opens with dlopen and RTLD_LOCAL, and a program that needs a fresh stack needs a fresh process.
 */
#ifndef TESTS_LWIP_SYS_H
#define TESTS_LWIP_SYS_H

#include <stdint.h>

/*
 * Begins: lwIP's clock is at now_ns, its random numbers (LWIP_RAND: ports, first sequence numbers, timers of groups)
 * come from seed. Once a process.
 */
void lwip_sys_begin(uint64_t now_ns, uint32_t seed);

/* Sets the clock (lwIP counts milliseconds) and fires what is due. */
void lwip_sys_at(uint64_t now_ns);

/* When lwIP's next timer is due; UINT64_MAX: none is. */
uint64_t lwip_sys_next_ns(void);

#endif /* TESTS_LWIP_SYS_H */
