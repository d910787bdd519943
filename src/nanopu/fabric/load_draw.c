/* SPDX-License-Identifier: MIT */
/* See load_draw.h. The generator is splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
#include "load_draw.h"

#include <math.h>

#define TWO_PI 6.283185307179586

uint64_t draw_word(struct draw *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void draw_init(struct draw *d, uint64_t seed, uint64_t stream)
{
    d->state = seed;
    d->state = draw_word(d) ^ stream * UINT64_C(0xd1342543de82ef95);
}

uint64_t draw_below(struct draw *d, uint64_t n)
{
    uint64_t reject = -n % n, word;

    /* The rest of 2^64 by n would come too often. */
    do
        word = draw_word(d);
    while (word < reject);
    return word % n;
}

double draw_unit(struct draw *d)
{
    return (double)((draw_word(d) >> 11) + 1) * 0x1p-53;
}

double draw_exp(struct draw *d, double mean)
{
    return -mean * log(draw_unit(d));
}

double draw_normal(struct draw *d, double mean, double deviation)
{
    double radius = sqrt(-2 * log(draw_unit(d)));

    return mean + deviation * radius * cos(TWO_PI * draw_unit(d));
}

void zipf_init(struct zipf *z, unsigned n)
{
    double sum = 0, total = 0;

    assert(n >= 1 && n <= DRAW_ZIPF_MAX);
    z->n = n;
    for (unsigned i = 1; i <= n; i++)
        total += 1.0 / i;
    for (unsigned i = 1; i <= n; i++) {
        sum += 1.0 / i;
        z->below[i - 1] = sum / total;
    }
}

uint64_t draw_zipf(struct draw *d, const struct zipf *z)
{
    double u = draw_unit(d);
    unsigned low = 0, high = z->n - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (u <= z->below[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low + 1;
}
