/* SPDX-License-Identifier: MIT */
/* Texts that others wrote: see text.h. */
#include "text.h"

#include <stdio.h>
#include <string.h>

void text_clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

void text_copy(char *to, const char *from, size_t size)
{
    assert(size > 0);
    memmove(to, from, size - 1);
    to[size - 1] = '\0';
    text_clean(to);
}

/* RFC 3629 section 4. */
unsigned utf8_length(const unsigned char *p)
{
    unsigned len;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    for (unsigned i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

/* Code point of a UTF-8 character of len bytes. */
static unsigned code_point(const unsigned char *p, unsigned len)
{
    unsigned value = len == 1 ? p[0] : p[0] & (0x7fu >> len);

    for (unsigned i = 1; i < len; i++)
        value = value << 6 | (p[i] & 0x3fu);
    return value;
}

size_t text_yaml(char *to, size_t size, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned len, value;
    size_t at = 1;

    assert(size >= TEXT_YAML_MAX(strlen(text)));
    to[0] = '"';
    for (; *p != '\0'; p += len == 0 ? 1 : len) {
        len = utf8_length(p);
        value = len == 0 ? 0xfffd : code_point(p, len);
        if (value > 0xffff)
            at += (size_t)snprintf(to + at, size - at, "\\U%08x", value);
        else if (value > 0x7e || value < ' ')
            at += (size_t)snprintf(to + at, size - at, "\\u%04x", value);
        else
            at += (size_t)snprintf(to + at, size - at, value == '"' || value == '\\' ? "\\%c" : "%c", (char)value);
    }
    at += (size_t)snprintf(to + at, size - at, "\"");
    return at;
}
