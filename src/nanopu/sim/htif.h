/* SPDX-License-Identifier: MIT */
/*
 * The host-target interface (section 1.8): a guest stores to tohost and gets an answer in fromhost after a constant
 * number of cycles.
 *
 *   bits 63:56 device 0, bit 0 set     the program ends, its exit code is what is above bit 0; at once
 *   bits 63:56 device 0, bit 0 clear   address of eight 64-bit words: number of the system call and its arguments; word
 * 0 gets the result, a negative errno for a failure device 1, command 1 (bits 55:48)   the console writes the character
 * in bits 7:0
 */
#ifndef NANOPU_SIM_HTIF_H
#define NANOPU_SIM_HTIF_H

#include "core/error.h"
#include "nanopu/sim/elf.h"

#define HTIF_FAILURE_MAX 160

struct htif_config {
    struct memory *memory;
    const struct elf_image *image;
    uint64_t answer_cycles;
    int argc;
    char *const *argv;
    const uint8_t *input; /* what the guest reads from descriptor 0; NULL: nothing */
    size_t input_len;
    void (*output)(void *arg, const char *s, size_t n); /* what it writes to descriptors 1 and 2 */
    void *arg;
};

struct htif {
    struct htif_config config;
    uint64_t answer_cycle; /* in which the pending request is answered; CYCLE_NEVER: there is none */
    uint64_t program_break;
    size_t input_read;
    bool exited;
    int exit_code;
    uint64_t exit_cycle;
    uint64_t calls, unknown_calls;
    char failure[HTIF_FAILURE_MAX]; /* what the guest did that cannot be answered; "": nothing */
};

/* The configuration is copied; what it points to must outlive it. Sets the memory's tohost hook. */
void htif_init(struct htif *h, const struct htif_config *config);

/* Answers what is due up to and including cycle. */
void htif_advance(struct htif *h, uint64_t cycle);

#endif /* NANOPU_SIM_HTIF_H */
