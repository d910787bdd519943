/* SPDX-License-Identifier: MIT */
/* JSON writer; see json.h. */
#include "json.h"

#include <inttypes.h>
#include <math.h>

static void put_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(file, "\\%c", *c);
        } else if (*c < 0x20) {
            fprintf(file, "\\u%04x", *c);
        } else {
            fputc(*c, file);
        }
    }
    fputc('"', file);
}

static void put_name(struct json *j, const char *name)
{
    if (j->comma) {
        fputs(", ", j->file);
    }
    put_string(j->file, name);
    fputs(": ", j->file);
    j->comma = true;
}

void json_open(struct json *j, FILE *file)
{
    *j = (struct json){.file = file};
    fputc('{', file);
}

void json_close(struct json *j)
{
    fputs("}\n", j->file);
    fflush(j->file);
}

void json_object(struct json *j, const char *name)
{
    put_name(j, name);
    fputc('{', j->file);
    j->comma = false;
}

void json_object_end(struct json *j)
{
    fputc('}', j->file);
    j->comma = true;
}

void json_text(struct json *j, const char *name, const char *value)
{
    put_name(j, name);
    put_string(j->file, value);
}

void json_u64(struct json *j, const char *name, uint64_t value)
{
    put_name(j, name);
    fprintf(j->file, "%" PRIu64, value);
}

void json_f64(struct json *j, const char *name, double value)
{
    put_name(j, name);
    if (isfinite(value)) {
        fprintf(j->file, "%.6g", value);
    } else {
        fputs("null", j->file);
    }
}

void json_bool(struct json *j, const char *name, bool value)
{
    put_name(j, name);
    fputs(value ? "true" : "false", j->file);
}
