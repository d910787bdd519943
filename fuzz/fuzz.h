/* SPDX-License-Identifier: MIT */
/*
 * What fuzz targets share: taking decisions from the input's bytes, demanding that something holds, and a long text
 * without repetition from which all contents are cut, so that a comparison tells bytes of another place or message.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Macros, so that the report says which demand did not hold: the compiler merges the ends of calls. */
#define require(holds)           require_at(holds, #holds, __FILE__, __LINE__)
#define require_equal(got, want) require_equal_at(got, want, #got, __FILE__, __LINE__)

static inline void require_at(bool holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

static inline void require_equal_at(long long got, long long want, const char *what, const char *file, int line)
{
    if (got == want)
        return;
    fprintf(stderr, "%s:%d: %s is %lld and not %lld\n", file, line, what, got, want);
    abort();
}

/* The input's bytes that were not used yet. Behind its end there are zeros. */
struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint32_t next_byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static inline uint32_t next_word(struct input *in)
{
    uint32_t high = next_byte(in);

    return high << 8 | next_byte(in);
}

/* A number below n, which is at most 65536; one byte of the input where that is enough. */
static inline uint32_t next_below(struct input *in, uint32_t n)
{
    return (n <= 256 ? next_byte(in) : next_word(in)) % n;
}

#define DESCRIPTORS 128

/* Descriptors that are open, of the lowest ones. */
static inline int descriptors_open(void)
{
    struct pollfd fds[DESCRIPTORS] = {{0}};
    int n = 0;

    for (int i = 0; i < DESCRIPTORS; i++)
        fds[i].fd = i;
    require(poll(fds, DESCRIPTORS, 0) >= 0);
    for (int i = 0; i < DESCRIPTORS; i++)
        n += (fds[i].revents & POLLNVAL) == 0;
    return n;
}

#define PATTERN_STARTS 65536u
#define PATTERN_BYTES  (PATTERN_STARTS + (2u << 20))

/* Pseudorandom bytes: those at one place differ from those at any other. */
static inline void pattern_init(uint8_t *pattern)
{
    uint64_t x = 88172645463325252u; /* xorshift64 */

    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        pattern[i] = (uint8_t)(x >> 32);
    }
}

#endif /* FUZZ_FUZZ_H */
