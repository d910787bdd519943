/* SPDX-License-Identifier: MIT */
/* Writes one JSON object on one line: objects within objects, text, numbers, booleans. No arrays, nothing is kept. */
#ifndef APPS_COMMON_JSON_H
#define APPS_COMMON_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *file;
    bool comma; /* a member was written at this level */
};

/* Begins the object, and ends it with a newline. */
void json_open(struct json *j, FILE *file);
void json_close(struct json *j);

/* Begins and ends an object as the member of the one that is open. */
void json_object(struct json *j, const char *name);
void json_object_end(struct json *j);

/* Members. A number that is not finite becomes null. */
void json_text(struct json *j, const char *name, const char *value);
void json_u64(struct json *j, const char *name, uint64_t value);
void json_f64(struct json *j, const char *name, double value);
void json_bool(struct json *j, const char *name, bool value);

#endif /* APPS_COMMON_JSON_H */
