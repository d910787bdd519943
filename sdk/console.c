/* SPDX-License-Identifier: MIT */
/*
 * stdout and stderr of the C library. Each thread collects a line of at most 64 bytes and hands it to the host when it
 * is full or ends; a call of printf holds the lock, so lines of threads are not mixed.
 */
#include "runtime.h"

#include <stdio.h>

#define LINE_BYTES 64

struct line {
    unsigned len;
    char text[LINE_BYTES];
};

static _Thread_local struct line line_of_thread;
static struct nanopu_lock console_lock;

uint64_t nanopu_console_lock(void)
{
    uint64_t interrupts = nanopu_interrupts_off();

    nanopu_lock(&console_lock);
    return interrupts;
}

void nanopu_console_unlock(uint64_t state)
{
    nanopu_unlock(&console_lock);
    nanopu_interrupts_back(state);
}

void nanopu_console_flush(void)
{
    struct line *line = &line_of_thread;

    if (line->len != 0)
        nanopu_write(1, line->text, line->len);
    line->len = 0;
}

static int console_put(char c, FILE *stream)
{
    struct line *line = &line_of_thread;

    (void)stream;
    line->text[line->len++] = c;
    if (c == '\n' || line->len == LINE_BYTES)
        nanopu_console_flush();
    return (unsigned char)c;
}

static int console_get(FILE *stream)
{
    char c;

    (void)stream;
    return (long)nanopu_htif_call(SYS_READ, 0, (uint64_t)&c, 1) == 1 ? (unsigned char)c : _FDEV_EOF;
}

static int console_sync(FILE *stream)
{
    (void)stream;
    nanopu_console_flush();
    return 0;
}

static FILE console = FDEV_SETUP_STREAM(console_put, console_get, console_sync, _FDEV_SETUP_RW);

FILE *const stdin = &console;
FILE *const stdout = &console;
FILE *const stderr = &console;
