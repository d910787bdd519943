/* SPDX-License-Identifier: MIT */
/* Decimal fractions; see decimal.h. */
#include "kv/decimal.h"

#define WHOLE     UINT64_C(100000000000000000)                          /* 10^17: a one */
#define LIMIT     ((decimal)WHOLE * (decimal)1000000000 * 100000000000) /* 10^37 */
#define POWER_MAX 10000

static bool is_digit(struct span text, size_t at)
{
    return at < text.len && text.at[at] >= '0' && text.at[at] <= '9';
}

/* Reads digits and a point; *power is what the digits are to be multiplied with, as a power of ten. Digits beyond what
 * the type holds only move the point. */
static bool read_digits(struct span text, size_t *at, decimal *value, int *power)
{
    bool any = false, point = false;
    for (;; ++*at) {
        if (*at < text.len && text.at[*at] == '.' && !point) {
            point = true;
        } else if (!is_digit(text, *at)) {
            return any;
        } else {
            bool held = *value < LIMIT;
            any = true;
            *value = held ? *value * 10 + (text.at[*at] - '0') : *value;
            *power += held ? -point : !point;
        }
    }
}

static bool read_power(struct span text, size_t *at, int *power)
{
    int more = 0;
    bool negative = false;
    if (*at == text.len || (text.at[*at] != 'e' && text.at[*at] != 'E')) {
        return true;
    }
    ++*at;
    if (*at < text.len && (text.at[*at] == '-' || text.at[*at] == '+')) {
        negative = text.at[(*at)++] == '-';
    }
    if (!is_digit(text, *at)) {
        return false;
    }
    for (; is_digit(text, *at); ++*at) {
        more = more < POWER_MAX ? more * 10 + (text.at[*at] - '0') : more;
    }
    *power += negative ? -more : more;
    return true;
}

bool decimal_read(struct span text, decimal *out)
{
    decimal value = 0;
    size_t at = 0;
    int power = DECIMAL_PLACES;
    unsigned behind = 0; /* the digit that was cut off last */
    bool negative = text.len > 0 && text.at[0] == '-';
    at += text.len > 0 && (text.at[0] == '-' || text.at[0] == '+');
    if (text.len > INT16_MAX || !read_digits(text, &at, &value, &power) || !read_power(text, &at, &power) ||
        at != text.len) {
        return false;
    }
    for (; power > 0 && value > 0 && value < LIMIT; power--) {
        value *= 10;
    }
    for (; power < 0 && value > 0; power++) {
        behind = (unsigned)(value % 10);
        value /= 10;
    }
    behind = power < 0 ? 0 : behind; /* all of it was behind the last place, and more */
    value += behind >= 5;
    *out = negative ? -value : value;
    return value < LIMIT;
}

bool decimal_add(decimal a, decimal b, decimal *out)
{
    *out = a + b; /* each is far from the type's end */
    return *out > -LIMIT && *out < LIMIT;
}

size_t decimal_write(decimal value, char out[DECIMAL_TEXT_MAX])
{
    char digits[DECIMAL_TEXT_MAX]; /* the last one first */
    size_t n = 0, len = 0, zeros = 0;
    bool negative = value < 0;
    for (decimal rest = negative ? -value : value; rest > 0 || n <= DECIMAL_PLACES; rest /= 10) {
        digits[n++] = (char)('0' + (int)(rest % 10));
    }
    while (zeros < DECIMAL_PLACES && digits[zeros] == '0') {
        zeros++;
    }
    if (negative) {
        out[len++] = '-';
    }
    while (n > zeros) {
        if (n == DECIMAL_PLACES) {
            out[len++] = '.';
        }
        out[len++] = digits[--n];
    }
    return len;
}
