/* SPDX-License-Identifier: MIT */
/* Answers; see answer.h. */
#include "kvload/answer.h"

#include <string.h>

#define LENGTH_MAX (INT64_C(1) << 30)

/* The number of a line in [at, end); false: there is none, or it is long. */
static bool number(const char *at, const char *end, int64_t *out)
{
    bool negative = at < end && *at == '-';
    int64_t value = 0;
    at += negative;
    if (at == end || end - at > 19) {
        return false;
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        value = (int64_t)((uint64_t)value * 10 + (uint64_t)(*at - '0'));
    }
    *out = negative ? -value : value;
    return true;
}

size_t answer_read(const char *data, size_t len, struct answer *out)
{
    size_t at = 0;
    for (int64_t pending = 1, first = 1; pending > 0; pending--, first = 0) {
        const char *end = at < len ? memchr(data + at, '\n', len - at) : NULL;
        if (end == NULL) {
            return 0;
        }
        char kind = data[at];
        int64_t value = 0;
        bool counted = kind == ':' || kind == '$' || kind == '*';
        if ((!counted && kind != '+' && kind != '-') || end[-1] != '\r' ||
            (counted && (!number(data + at + 1, end - 1, &value) || (kind != ':' && value > LENGTH_MAX)))) {
            return ANSWER_BROKEN;
        }
        const char *text = data + at + 1;
        at = (size_t)(end - data) + 1;
        if (first != 0 && counted) {
            *out = (struct answer){.kind = kind, .number = value, .bytes = data + at};
        } else if (first != 0) {
            *out = (struct answer){.kind = kind, .number = end - 1 - text, .bytes = text};
        }
        if (kind == '*' && value > 0) {
            pending += value;
        }
        if (kind == '$' && value >= 0) {
            at += (size_t)value + 2;
            if (at > len) {
                return 0;
            }
        }
    }
    return at;
}
