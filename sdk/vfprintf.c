/* SPDX-License-Identifier: MIT */
/*
 * The formatter behind printf, snprintf and their kin. The C library's own keeps values in x30 and x31, which are the
 * network's registers here; this one is compiled without them.
 *
 * Conversions: d i u x X o c s p f F %, with flags - 0 + space #, width, precision, * and the lengths hh h l ll j z t.
 * f has at most 9 decimals and values below 2^63 (a larger one is shown as `big`); e, g and their kin are shown as f
 * is. Anything else, n included, is printed as it stands in the format.
 */
#include "runtime.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX   32
#define DECIMALS_MAX 9

enum length { LENGTH_INT, LENGTH_CHAR, LENGTH_SHORT, LENGTH_LONG };

struct spec {
    bool left, zero, plus, space, alternate, upper;
    enum length length;
    int width, precision; /* precision -1: none given */
};

struct out {
    FILE *stream;
    int count;
};

static void put(struct out *out, char c)
{
    out->stream->put(c, out->stream);
    out->count++;
}

static void pad(struct out *out, char c, int count)
{
    while (count-- > 0)
        put(out, c);
}

/* prefix: a sign or 0x, before zeros that fill the width */
static void put_padded(struct out *out, const struct spec *s, const char *prefix, const char *text, size_t len)
{
    size_t prefix_len = strlen(prefix);
    int fill = s->width - (int)(len + prefix_len);

    if (!s->left && !s->zero)
        pad(out, ' ', fill);
    for (size_t i = 0; i < prefix_len; i++)
        put(out, prefix[i]);
    if (!s->left && s->zero)
        pad(out, '0', fill);
    for (size_t i = 0; i < len; i++)
        put(out, text[i]);
    if (s->left)
        pad(out, ' ', fill);
}

/* Digits of value before end, at least as many as the precision wants; returns where they begin. */
static char *digits(char *end, uint64_t value, unsigned base, const struct spec *s)
{
    const char *alphabet = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    int wanted = s->precision < 0 ? 1 : s->precision;
    char *at = end;

    wanted = wanted < DIGITS_MAX ? wanted : DIGITS_MAX;
    for (; value != 0; value /= base)
        *--at = alphabet[value % base];
    while (end - at < wanted)
        *--at = '0';
    return at;
}

static void put_number(struct out *out, struct spec *s, uint64_t value, unsigned base, const char *prefix)
{
    char buf[DIGITS_MAX];
    char *at = digits(buf + sizeof(buf), value, base, s);

    if (s->precision >= 0)
        s->zero = false;
    put_padded(out, s, prefix, at, (size_t)(buf + sizeof(buf) - at));
}

static const char *sign_of(const struct spec *s, bool negative)
{
    return negative ? "-" : s->plus ? "+" : s->space ? " " : "";
}

static void put_signed(struct out *out, struct spec *s, int64_t value)
{
    put_number(out, s, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, sign_of(s, value < 0));
}

static void put_unsigned(struct out *out, struct spec *s, uint64_t value, char conversion)
{
    bool hex = conversion == 'x' || conversion == 'X';
    const char *prefix = "";

    s->upper = conversion == 'X';
    if (s->alternate && hex && value != 0)
        prefix = s->upper ? "0X" : "0x";
    else if (s->alternate && conversion == 'o')
        prefix = "0";
    put_number(out, s, value, hex ? 16 : conversion == 'o' ? 8 : 10, prefix);
}

/* Rounds to the nearest, a half to the even one. */
static uint64_t round_half_even(double value)
{
    uint64_t down = (uint64_t)value;
    double rest = value - (double)down;

    return down + (rest > 0.5 || (rest == 0.5 && (down & 1) != 0));
}

static void put_float(struct out *out, struct spec *s, double value)
{
    static const struct spec plain = {.precision = 1};
    int decimals = s->precision < 0 ? 6 : s->precision < DECIMALS_MAX ? s->precision : DECIMALS_MAX;
    char buf[2 * DIGITS_MAX];
    char *end = buf + sizeof(buf), *at = end;
    bool negative = __builtin_signbit(value) != 0;
    double magnitude = negative ? -value : value;
    uint64_t whole, scale = 1, fraction;

    if (magnitude != magnitude || magnitude >= 0x1p63) {
        const char *word = magnitude != magnitude ? "nan" : __builtin_isinf(magnitude) ? "inf" : "big";

        s->zero = false;
        put_padded(out, s, sign_of(s, negative), word, 3);
        return;
    }
    for (int i = 0; i < decimals; i++)
        scale *= 10;
    whole = decimals > 0 ? (uint64_t)magnitude : round_half_even(magnitude);
    fraction = decimals > 0 ? round_half_even((magnitude - (double)whole) * (double)scale) : 0;
    if (fraction >= scale) {
        fraction -= scale;
        whole++;
    }
    if (decimals > 0) {
        struct spec fixed = {.precision = decimals};

        at = digits(at, fraction, 10, &fixed);
        *--at = '.';
    }
    at = digits(at, whole, 10, &plain);
    put_padded(out, s, sign_of(s, negative), at, (size_t)(end - at));
}

static void put_text(struct out *out, struct spec *s, const char *text)
{
    if (text == NULL)
        text = "(null)";
    s->zero = false;
    put_padded(out, s, "", text, strnlen(text, s->precision < 0 ? INT_MAX : (size_t)s->precision));
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        switch (*f) {
        case '-':
            s->left = true;
            break;
        case '0':
            s->zero = true;
            break;
        case '+':
            s->plus = true;
            break;
        case ' ':
            s->space = true;
            break;
        case '#':
            s->alternate = true;
            break;
        default:
            return f;
        }
    }
}

static const char *parse_length(const char *f, struct spec *s)
{
    for (;; f++) {
        switch (*f) {
        case 'h':
            s->length = s->length == LENGTH_SHORT ? LENGTH_CHAR : LENGTH_SHORT;
            break;
        case 'l':
        case 'j':
        case 'z':
        case 't':
            s->length = LENGTH_LONG;
            break;
        default:
            return f;
        }
    }
}

static const char *parse_number(const char *f, int *number)
{
    for (*number = 0; *f >= '0' && *f <= '9'; f++) {
        if (*number < 100000)
            *number = *number * 10 + (*f - '0');
    }
    return f;
}

static int64_t narrow_signed(const struct spec *s, int64_t value)
{
    switch (s->length) {
    case LENGTH_CHAR:
        return (signed char)value;
    case LENGTH_SHORT:
        return (short)value;
    case LENGTH_INT:
        return (int)value;
    default:
        return value;
    }
}

static uint64_t narrow_unsigned(const struct spec *s, uint64_t value)
{
    switch (s->length) {
    case LENGTH_CHAR:
        return (unsigned char)value;
    case LENGTH_SHORT:
        return (unsigned short)value;
    case LENGTH_INT:
        return (unsigned)value;
    default:
        return value;
    }
}

/* An integer argument takes 8 bytes wherever it is passed, so one type reads them all. */
static bool convert(struct out *out, struct spec *s, char conversion, va_list *ap)
{
    char c;

    switch (conversion) {
    case 'd':
    case 'i':
        put_signed(out, s, narrow_signed(s, va_arg(*ap, long)));
        return true;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        put_unsigned(out, s, narrow_unsigned(s, va_arg(*ap, unsigned long)), conversion);
        return true;
    case 'p':
        s->alternate = true;
        put_unsigned(out, s, va_arg(*ap, unsigned long), 'x');
        return true;
    case 'c':
        c = (char)va_arg(*ap, int);
        s->zero = false;
        put_padded(out, s, "", &c, 1);
        return true;
    case 's':
        put_text(out, s, va_arg(*ap, const char *));
        return true;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        put_float(out, s, va_arg(*ap, double));
        return true;
    case '%':
        put(out, '%');
        return true;
    default:
        return false;
    }
}

/* One conversion, format pointing behind its %; returns what follows it. */
static const char *directive(struct out *out, const char *format, va_list *ap)
{
    struct spec s = {.precision = -1};
    const char *f = parse_flags(format, &s);

    if (*f == '*') {
        s.width = va_arg(*ap, int);
        s.left = s.left || s.width < 0;
        s.width = s.width < 0 ? -s.width : s.width;
        f++;
    } else {
        f = parse_number(f, &s.width);
    }
    if (*f == '.' && f[1] == '*') {
        s.precision = va_arg(*ap, int);
        f += 2;
    } else if (*f == '.') {
        f = parse_number(f + 1, &s.precision);
    }
    f = parse_length(f, &s);
    if (convert(out, &s, *f, ap))
        return f + 1;
    put(out, '%');
    return format;
}

int vfprintf(FILE *stream, const char *format, va_list ap)
{
    struct out out = {.stream = stream};
    bool console = stream == stdout;
    uint64_t state = console ? nanopu_console_lock() : 0;
    va_list copy;

    va_copy(copy, ap);
    while (*format != '\0') {
        if (*format == '%')
            format = directive(&out, format + 1, &copy);
        else
            put(&out, *format++);
    }
    va_end(copy);
    if (console)
        nanopu_console_unlock(state);
    return out.count;
}
