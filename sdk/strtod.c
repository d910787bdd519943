/* SPDX-License-Identifier: MIT */
/*
 * strtod without x30 and x31, where the C library's keeps values: decimal numbers only, no infinity, NaN or hexadecimal
 * ones. Exact for up to 15 digits and powers of ten up to 22, off by a unit or two in the last place beyond.
 */
#include <stdint.h>
#include <stdlib.h>

#define DIGITS_MAX 18 /* that a uint64_t holds; further ones only count */
#define POWER_MAX  400

static double scale(double value, int power)
{
    static const double tens[] = {1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256};
    unsigned rest = (unsigned)(power < 0 ? -power : power);

    for (unsigned bit = 0; rest != 0 && bit < sizeof(tens) / sizeof(tens[0]); bit++, rest >>= 1)
        if ((rest & 1) != 0)
            value = power < 0 ? value / tens[bit] : value * tens[bit];
    return value;
}

/* The digits at *at into *number, behind those that are there. Returns how many; *lost: those that did not fit. */
static int take_digits(const char **at, uint64_t *number, int *held, int *lost)
{
    int count = 0;

    for (; **at >= '0' && **at <= '9'; ++*at, count++) {
        if (*held >= DIGITS_MAX) {
            ++*lost;
            continue;
        }
        *number = *number * 10 + (uint64_t)(**at - '0');
        *held += *number != 0;
    }
    return count;
}

/* "e-5" at *at; 0 and nothing taken when there is none. */
static int take_power(const char **at)
{
    const char *from = *at;
    int power = 0, negative;

    if (*from != 'e' && *from != 'E')
        return 0;
    from++;
    negative = *from == '-';
    from += *from == '-' || *from == '+';
    if (*from < '0' || *from > '9')
        return 0;
    for (; *from >= '0' && *from <= '9'; from++)
        power = power < POWER_MAX ? power * 10 + (*from - '0') : POWER_MAX;
    *at = from;
    return negative ? -power : power;
}

double strtod(const char *text, char **end)
{
    const char *at = text;
    uint64_t number = 0;
    int held = 0, lost = 0, digits, behind = 0, power, negative;

    while (*at == ' ' || (*at >= '\t' && *at <= '\r'))
        at++;
    negative = *at == '-';
    at += *at == '-' || *at == '+';
    digits = take_digits(&at, &number, &held, &lost);
    power = lost;
    if (*at == '.') {
        lost = 0;
        at++;
        behind = take_digits(&at, &number, &held, &lost);
        power -= behind - lost;
    }
    if (digits + behind == 0)
        at = text;
    else
        power += take_power(&at);
    if (end != NULL)
        *end = (char *)(uintptr_t)at;
    return scale(negative ? -(double)number : (double)number, power);
}
