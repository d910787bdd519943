/* SPDX-License-Identifier: MIT */
/*
 * The host of the simulation, reached through two words of memory (HTIF). A call takes thousands of cycles: keep it out
 * of what you measure. printf, write and exit of the C library end here.
 *
 * Source: the machine's contract, section 1.8.
 */
#ifndef NANOPU_HTIF_H
#define NANOPU_HTIF_H

#include <stddef.h>
#include <stdint.h>

/* One system call of the host; returns its result. The harts take turns. */
uint64_t nanopu_htif_call(uint64_t number, uint64_t arg0, uint64_t arg1, uint64_t arg2);

/* Writes bytes to descriptor 1 (output) or 2 (errors) of the simulator. Returns how many, or a negative errno. */
long nanopu_write(int fd, const void *bytes, size_t len);

/* Writes a text that ends with a zero byte. */
void nanopu_print(const char *text);

/* Ends the program on every hart of this host, at once. code: 0 is success; 63 bits reach the simulator. */
void nanopu_exit(uint64_t code) __attribute__((noreturn));

#endif /* NANOPU_HTIF_H */
