/* SPDX-License-Identifier: MIT */
/* JSON writer: see json.h. */
#include "json.h"

#include <inttypes.h>
#include <string.h>

void json_init(struct json *j, FILE *out)
{
    j->out = out;
    j->comma = false;
}

/* Bytes of the UTF-8 character at p (RFC 3629 section 4), 0 when it is none. */
static unsigned utf8_length(const unsigned char *p)
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

static void put_string(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned len;

    fputc('"', out);
    for (; *p != '\0'; p += len == 0 ? 1 : len) {
        len = utf8_length(p);
        if (len == 0)
            fputs("\\ufffd", out);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\u%04x", *p);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else
            fwrite(p, 1, len, out);
    }
    fputc('"', out);
}

static void put_name(struct json *j, const char *name)
{
    if (j->comma)
        fputs(", ", j->out);
    if (name != NULL) {
        put_string(j->out, name);
        fputs(": ", j->out);
    }
    j->comma = true;
}

void json_begin(struct json *j, const char *name, char open)
{
    put_name(j, name);
    fputc(open, j->out);
    j->comma = false;
}

void json_end(struct json *j, char open)
{
    fputc(open == '{' ? '}' : ']', j->out);
    j->comma = true;
}

void json_text(struct json *j, const char *name, const char *text)
{
    put_name(j, name);
    put_string(j->out, text);
}

void json_uint(struct json *j, const char *name, uint64_t value)
{
    put_name(j, name);
    fprintf(j->out, "%" PRIu64, value);
}

void json_int(struct json *j, const char *name, int64_t value)
{
    put_name(j, name);
    fprintf(j->out, "%" PRId64, value);
}

void json_real(struct json *j, const char *name, double value)
{
    put_name(j, name);
    fprintf(j->out, "%.6g", value);
}

void json_bool(struct json *j, const char *name, bool value)
{
    put_name(j, name);
    fputs(value ? "true" : "false", j->out);
}

void json_line(struct json *j)
{
    fputc('\n', j->out);
    j->comma = false;
}
