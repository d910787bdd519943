/* SPDX-License-Identifier: MIT */
/*
 * Decimal fractions, exact to 17 places: Redis adds with the processor's longest floating-point format and shows that
 * many. Here 1000.1 stays 1000.1, and the result is the same on every processor.
 */
#ifndef APPS_KV_DECIMAL_H
#define APPS_KV_DECIMAL_H

#include "kv/item.h"

#define DECIMAL_PLACES   17
#define DECIMAL_TEXT_MAX 48

__extension__ typedef __int128 decimal; /* in units of the last place */

/* Reads a number: sign, digits with a point among them, a power of ten behind e. false: it is none, or is not between
 * -10^20 and 10^20. What lies behind the last place is rounded. */
bool decimal_read(struct span text, decimal *out);

/* The sum; false: not between those either. */
bool decimal_add(decimal a, decimal b, decimal *out);

/* Writes it in its shortest form, without an exponent, and returns its length. */
size_t decimal_write(decimal value, char out[DECIMAL_TEXT_MAX]);

#endif /* APPS_KV_DECIMAL_H */
