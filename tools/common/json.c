/* SPDX-License-Identifier: MIT */
/* JSON writer: see json.h. */
#include "json.h"

#include "text.h"

#include <inttypes.h>
#include <string.h>

void json_init(struct json *j, FILE *out)
{
    j->out = out;
    j->comma = false;
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
