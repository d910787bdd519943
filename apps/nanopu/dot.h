/* SPDX-License-Identifier: MIT */
/*
 * The dot product of a message's words with a table: each word is an index of the table and the factor of what stands
 * there. The table is as large as the first-level data cache.
 */
#ifndef APPS_NANOPU_DOT_H
#define APPS_NANOPU_DOT_H

#include <stdint.h>

#define DOT_WORDS     2000u
#define DOT_WORDS_MAX 126u /* of a message of 1024 bytes, behind its two */

static uint64_t dot_table[DOT_WORDS];

static void dot_fill(void)
{
    for (uint64_t i = 0; i < DOT_WORDS; i++)
        dot_table[i] = 3 * i + 1;
}

static inline uint64_t dot_term(uint64_t word)
{
    return word * dot_table[word];
}

#endif /* APPS_NANOPU_DOT_H */
