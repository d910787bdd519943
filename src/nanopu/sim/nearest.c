/* SPDX-License-Identifier: MIT */
/* Levenshtein's distance over two rows. */
#include "nearest.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 64 /* longer words are not compared */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

static unsigned distance(const char *a, const char *b)
{
    unsigned rows[2][WORD_MAX + 1];
    size_t la = strlen(a), lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX)
        return UINT32_MAX;
    for (unsigned j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= la; i++) {
        const unsigned *above = rows[(i - 1) % 2];
        unsigned *row = rows[i % 2];

        row[0] = i;
        for (unsigned j = 1; j <= lb; j++) {
            unsigned differs = strncasecmp(&a[i - 1], &b[j - 1], 1) != 0;

            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + differs);
        }
    }
    return rows[la % 2][lb];
}

void nearest_start(struct nearest *n, const char *word)
{
    *n = (struct nearest){.word = word, .distance = UINT32_MAX};
}

void nearest_try(struct nearest *n, const char *known)
{
    unsigned d = distance(n->word, known);

    if (d < n->distance) {
        n->distance = d;
        n->best = known;
    }
}
