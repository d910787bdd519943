/* SPDX-License-Identifier: MIT */
/*
 * Writes JSON: objects, arrays, text, numbers, booleans. Whatever bytes a text has, what comes out is valid: bytes that
 * are not UTF-8 become U+FFFD. name is NULL within an array and for the outermost value.
 */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include "core/base.h"

#include <stdio.h>

struct json {
    FILE *out;
    bool comma; /* a value came before at this level */
};

void json_init(struct json *j, FILE *out);

/* open is '{' or '['; json_end takes the same letter. */
void json_begin(struct json *j, const char *name, char open);
void json_end(struct json *j, char open);

void json_text(struct json *j, const char *name, const char *text);
void json_uint(struct json *j, const char *name, uint64_t value);
void json_int(struct json *j, const char *name, int64_t value);
void json_real(struct json *j, const char *name, double value);
void json_bool(struct json *j, const char *name, bool value);

/* Ends the line after the outermost value. */
void json_line(struct json *j);

#endif /* TOOLS_JSON_H */
