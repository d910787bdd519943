/* SPDX-License-Identifier: MIT */
/* The nanoPU's clock is its cycle counter, whose rate nobody has to measure: see clock_gettime_ns. */
#include "clock.h"

#include <string.h>

void clock_init(struct clock *c, bool force_gettime)
{
    (void)force_gettime;
    memset(c, 0, sizeof(*c));
}

void clock_refine(struct clock *c)
{
    (void)c;
}

void clock_use_virtual(struct clock *c, const uint64_t *ns)
{
    c->virtual_ns = ns;
}
