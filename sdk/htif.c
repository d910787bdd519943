/* SPDX-License-Identifier: MIT */
/* The host interface: two words of memory that the simulator watches (section 1.8 of the machine's contract). */
#include "runtime.h"

/* At fixed addresses, see nanopu.ld. */
__attribute__((section(".tohost"), aligned(64))) volatile uint64_t tohost;
__attribute__((section(".fromhost"), aligned(64))) volatile uint64_t fromhost;

static struct nanopu_lock htif_lock;

uint64_t nanopu_htif_call_unlocked(uint64_t number, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    static volatile uint64_t call[8] __attribute__((aligned(64)));

    call[0] = number;
    call[1] = arg0;
    call[2] = arg1;
    call[3] = arg2;
    __asm__ volatile("fence" : : : "memory");
    tohost = (uint64_t)call;
    while (fromhost == 0)
        ;
    fromhost = 0;
    __asm__ volatile("fence" : : : "memory");
    return call[0];
}

uint64_t nanopu_htif_call(uint64_t number, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    /* A thread of this hart that interrupted us here would wait for the lock for ever. */
    uint64_t interrupts = nanopu_interrupts_off(), result;

    nanopu_lock(&htif_lock);
    result = nanopu_htif_call_unlocked(number, arg0, arg1, arg2);
    nanopu_unlock(&htif_lock);
    nanopu_interrupts_back(interrupts);
    return result;
}

long nanopu_write(int fd, const void *bytes, size_t len)
{
    return (long)nanopu_htif_call(SYS_WRITE, (uint64_t)fd, (uint64_t)bytes, len);
}

void nanopu_print(const char *text)
{
    size_t len = 0;

    while (text[len] != '\0')
        len++;
    nanopu_write(1, text, len);
}

void nanopu_exit(uint64_t code)
{
    for (;;)
        tohost = code << 1 | 1;
}
