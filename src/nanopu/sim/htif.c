/* SPDX-License-Identifier: MIT */
/* System calls by the numbers that RISC-V's newlib, picolibc and the proxy kernel use (those of Linux). */
#include "htif.h"

#include "nanopu/hart/hart.h"
#include "nanopu/nic/hts.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_WORDS   8
#define WRITE_BYTES_MAX 65536 /* in one call; the guest's library goes on with the rest */
#define BREAK_ALIGN     16

#define DEVICE_SYSTEM     0
#define DEVICE_CONSOLE    1
#define CONSOLE_WRITE     1
#define PAYLOAD_MASK      ((UINT64_C(1) << 48) - 1)
#define FIRST_OWN_FD      3
#define STAT_BYTES        128
#define STAT_MODE_OFFSET  16 /* of struct stat of RV64's Linux */
#define STAT_BLOCK_OFFSET 56
#define STAT_MODE_TTY     0020620
#define STAT_BLOCK_BYTES  1024

static uint64_t word_get(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static void word_put(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

struct call {
    struct htif *htif;
    uint64_t cycle; /* of the answer */
    uint64_t arg[REQUEST_WORDS - 1];
};

static int64_t sys_write(struct call *c)
{
    uint64_t len = c->arg[2] < WRITE_BYTES_MAX ? c->arg[2] : WRITE_BYTES_MAX;
    const uint8_t *from = memory_dram(c->htif->config.memory, c->arg[1], len);

    if (c->arg[0] != 1 && c->arg[0] != 2)
        return -EBADF;
    if (from == NULL)
        return -EFAULT;
    c->htif->config.output(c->htif->config.arg, (const char *)from, len);
    return (int64_t)len;
}

static int64_t sys_read(struct call *c)
{
    struct htif *h = c->htif;
    uint64_t left = h->config.input_len - h->input_read;
    uint64_t len = c->arg[2] < left ? c->arg[2] : left;
    uint8_t *to = memory_dram(h->config.memory, c->arg[1], c->arg[2]);

    if (c->arg[0] != 0)
        return -EBADF;
    if (to == NULL)
        return -EFAULT;
    if (len > 0)
        memcpy(to, h->config.input + h->input_read, len);
    h->input_read += len;
    return (int64_t)len;
}

static int64_t sys_close(struct call *c)
{
    return c->arg[0] < FIRST_OWN_FD ? 0 : -EBADF;
}

static int64_t sys_lseek(struct call *c)
{
    return c->arg[0] < FIRST_OWN_FD ? -ESPIPE : -EBADF;
}

static int64_t sys_openat(struct call *c)
{
    return memory_dram(c->htif->config.memory, c->arg[1], 1) != NULL ? -ENOENT : -EFAULT;
}

/* The three descriptors there are, look like a terminal. */
static int64_t sys_fstat(struct call *c)
{
    uint8_t *st = memory_dram(c->htif->config.memory, c->arg[1], STAT_BYTES);

    if (c->arg[0] >= FIRST_OWN_FD)
        return -EBADF;
    if (st == NULL)
        return -EFAULT;
    memset(st, 0, STAT_BYTES);
    word_put(st + STAT_MODE_OFFSET, STAT_MODE_TTY | UINT64_C(1) << 32); /* and one link */
    word_put(st + STAT_BLOCK_OFFSET, STAT_BLOCK_BYTES);
    return 0;
}

static int64_t sys_exit(struct call *c)
{
    c->htif->exited = true;
    c->htif->exit_code = (int)c->arg[0];
    c->htif->exit_cycle = c->cycle;
    return 0;
}

/* As Linux does it: the break is returned, moved if that was possible. */
static int64_t sys_brk(struct call *c)
{
    struct htif *h = c->htif;
    uint64_t start = (h->config.image->end + BREAK_ALIGN - 1) / BREAK_ALIGN * BREAK_ALIGN;

    if (h->program_break == 0)
        h->program_break = start;
    if (c->arg[0] >= start && c->arg[0] - MEMORY_BASE <= h->config.memory->size_bytes)
        h->program_break = c->arg[0];
    return (int64_t)h->program_break;
}

/* Simulated time since the start, as two words: seconds and the rest in parts of 1/unit. */
static int64_t put_time(struct call *c, uint64_t addr, uint64_t unit)
{
    uint8_t *to = memory_dram(c->htif->config.memory, addr, 16);
    const uint64_t cycles_a_second = CLOCK_MHZ * UINT64_C(1000000);

    if (to == NULL)
        return -EFAULT;
    word_put(to, c->cycle / cycles_a_second);
    word_put(to + 8, c->cycle % cycles_a_second * (unit / 1000000) / CLOCK_MHZ);
    return 0;
}

static int64_t sys_gettimeofday(struct call *c)
{
    return put_time(c, c->arg[0], 1000000);
}

static int64_t sys_clock_gettime(struct call *c)
{
    return put_time(c, c->arg[1], 1000000000);
}

static int64_t sys_getpid(struct call *c)
{
    (void)c;
    return 1;
}

/* argc, the pointers, two NULLs, the strings. */
static int64_t sys_getmainvars(struct call *c)
{
    const struct htif_config *config = &c->htif->config;
    uint64_t at = ((uint64_t)config->argc + 3) * 8, total = at;
    uint8_t *to;

    for (int i = 0; i < config->argc; i++)
        total += strlen(config->argv[i]) + 1;
    if (total > c->arg[1])
        return -ENOMEM;
    to = memory_dram(config->memory, c->arg[0], total);
    if (to == NULL)
        return -EFAULT;
    memset(to, 0, at);
    word_put(to, (uint64_t)config->argc);
    for (int i = 0; i < config->argc; i++) {
        size_t size = strlen(config->argv[i]) + 1;

        word_put(to + 8 * (i + 1), c->arg[0] + at);
        memcpy(to + at, config->argv[i], size);
        at += size;
    }
    return 0;
}

static const struct {
    uint64_t number;
    int64_t (*run)(struct call *c);
} calls[] = {
    {56, sys_openat},        {57, sys_close}, {62, sys_lseek},         {63, sys_read},    {64, sys_write},
    {80, sys_fstat},         {93, sys_exit},  {94, sys_exit},          {172, sys_getpid}, {113, sys_clock_gettime},
    {169, sys_gettimeofday}, {214, sys_brk},  {2011, sys_getmainvars},
};

static int64_t run_call(struct call *c, uint64_t number)
{
    c->htif->calls++;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (calls[i].number == number)
            return calls[i].run(c);
    }
    c->htif->unknown_calls++;
    return -ENOSYS;
}

static void serve_call(struct htif *h, uint64_t request, uint64_t cycle)
{
    uint8_t *words = memory_dram(h->config.memory, request, REQUEST_WORDS * 8);
    struct call c = {.htif = h, .cycle = cycle};
    int64_t result;

    if (words == NULL) {
        snprintf(h->failure, sizeof(h->failure),
                 "0x%" PRIx64 " in tohost is neither an exit code nor the address of %d words of memory", request,
                 REQUEST_WORDS);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(c.arg); i++)
        c.arg[i] = word_get(words + 8 * (i + 1));
    result = run_call(&c, word_get(words));
    word_put(words, (uint64_t)result);
    if (h->config.image->fromhost != 0)
        word_put(memory_dram(h->config.memory, h->config.image->fromhost, 8), 1);
}

/* A store to tohost was made. */
static void tohost_store(void *arg, struct hart *hart, uint64_t cycle)
{
    struct htif *h = arg;
    uint64_t value = word_get(memory_dram(h->config.memory, h->config.image->tohost, 8));

    if (value == 0 || h->exited)
        return;
    if (value >> 56 == DEVICE_SYSTEM && (value & 1) != 0) {
        h->exited = true;
        h->exit_code = (int)((value & PAYLOAD_MASK) >> 1);
        h->exit_cycle = cycle;
        hart_limit(hart, cycle);
        return;
    }
    if (h->answer_cycle == CYCLE_NEVER)
        h->answer_cycle = cycle + h->config.answer_cycles;
    hart_limit(hart, h->answer_cycle);
}

void htif_init(struct htif *h, const struct htif_config *config)
{
    struct memory *m = config->memory;

    *h = (struct htif){.config = *config, .answer_cycle = CYCLE_NEVER};
    m->tohost_addr = config->image->tohost;
    m->tohost_store = tohost_store;
    m->tohost_arg = h;
}

void htif_advance(struct htif *h, uint64_t cycle)
{
    uint64_t at = h->answer_cycle, request;
    uint8_t *tohost;

    if (at > cycle || h->exited)
        return;
    h->answer_cycle = CYCLE_NEVER;
    tohost = memory_dram(h->config.memory, h->config.image->tohost, 8);
    request = word_get(tohost);
    word_put(tohost, 0);
    if (request >> 56 == DEVICE_SYSTEM)
        serve_call(h, request & PAYLOAD_MASK, at);
    else if (request >> 56 == DEVICE_CONSOLE && (request >> 48 & 0xff) == CONSOLE_WRITE)
        h->config.output(h->config.arg, &(char){(char)request}, 1);
}
