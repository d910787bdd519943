/* SPDX-License-Identifier: MIT */
/* The parser of requests; see resp.h. */
#include "kv/resp.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void resp_init(struct resp *p)
{
    p->arg = p->few;
    p->room = RESP_FEW;
    resp_next(p);
}

void resp_fini(struct resp *p)
{
    if (p->arg != p->few) {
        free(p->arg);
    }
    p->arg = p->few;
    p->room = RESP_FEW;
}

static enum resp_result bad(struct resp *p, const char *what)
{
    snprintf(p->error, sizeof(p->error), "ERR Protocol error: %s", what);
    return RESP_BAD;
}

static bool add_arg(struct resp *p, uint32_t offset, uint32_t len)
{
    if (p->have == p->room) {
        size_t room = (size_t)p->room * 4;
        struct resp_arg *grown = realloc(p->arg == p->few ? NULL : p->arg, room * sizeof(struct resp_arg));
        if (grown == NULL) {
            return false;
        }
        if (p->arg == p->few) {
            memcpy(grown, p->few, sizeof(p->few));
        }
        p->arg = grown;
        p->room = (uint32_t)room;
    }
    p->arg[p->have++] = (struct resp_arg){offset, len};
    return true;
}

/* The number of a line from `from` on. DONE: *out, and pos is behind the line. */
static enum resp_result number_line(struct resp *p, const char *data, size_t len, int64_t *out, const char *too_long,
                                    const char *wrong)
{
    const char *from = data + p->pos + 1;
    const char *end = memchr(from, '\r', len - p->pos - 1);
    if (end == NULL) {
        return len - p->pos > RESP_LINE_MAX ? bad(p, too_long) : RESP_MORE;
    }
    if ((size_t)(end - data) + 1 >= len) {
        return RESP_MORE;
    }
    bool negative = from < end && *from == '-';
    const char *at = from + negative;
    int64_t value = 0;
    if (at == end || end - at > 10 || end[1] != '\n') {
        return bad(p, wrong);
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return bad(p, wrong);
        }
        value = value * 10 + (*at - '0');
    }
    *out = negative ? -value : value;
    p->pos = (uint32_t)(end - data) + 2;
    return RESP_DONE;
}

/* An escape within double quotes, behind its backslash; *used: the bytes it takes. */
static char unescape(const char *at, const char *end, size_t *used)
{
    static const char names[] = "n\nr\rt\tb\ba\a";
    if (end - at >= 3 && at[0] == 'x' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2])) {
        char digits[3] = {at[1], at[2], '\0'};
        *used = 3;
        return (char)strtol(digits, NULL, 16);
    }
    *used = 1;
    for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
        if (names[i] == *at) {
            return names[i + 1];
        }
    }
    return *at;
}

/* Takes a word that begins at *at: its bytes go to where it began. false: quotes that do not close, or end wrongly. */
static bool take_word(char **at, char *end, uint32_t *len)
{
    char *from = *at, *to = *at, quote = '\0';
    while (from < end) {
        char c = *from;
        if (quote == '\0' && isspace((unsigned char)c)) {
            break;
        }
        if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            from++;
        } else if (quote != '\0' && c == quote) {
            from++;
            if (from < end && !isspace((unsigned char)*from)) {
                return false;
            }
            quote = '\0';
            break;
        } else if (quote == '"' && c == '\\' && from + 1 < end) {
            size_t used;
            char plain = unescape(from + 1, end, &used);
            *to++ = plain;
            from += 1 + used;
        } else if (quote == '\'' && c == '\\' && from + 1 < end && from[1] == '\'') {
            *to++ = '\'';
            from += 2;
        } else {
            *to++ = c;
            from++;
        }
    }
    *len = (uint32_t)(to - *at);
    *at = from;
    return quote == '\0';
}

static enum resp_result parse_inline(struct resp *p, char *data, size_t len)
{
    char *end = memchr(data + p->pos, '\n', len - p->pos);
    if (end == NULL) {
        p->pos = len > 0 ? (uint32_t)len : 0; /* so much holds no line's end */
        return len > RESP_LINE_MAX ? bad(p, "too big inline request") : RESP_MORE;
    }
    p->pos = (uint32_t)(end - data) + 1;
    char *at = data;
    end -= end > data && end[-1] == '\r';
    for (;;) {
        while (at < end && isspace((unsigned char)*at)) {
            at++;
        }
        if (at == end) {
            return RESP_DONE;
        }
        uint32_t offset = (uint32_t)(at - data), word_len;
        if (!take_word(&at, end, &word_len)) {
            return bad(p, "unbalanced quotes in request");
        }
        if (!add_arg(p, offset, word_len)) {
            return bad(p, "no memory");
        }
    }
}

static enum resp_result parse_count(struct resp *p, const char *data, size_t len)
{
    int64_t count;
    enum resp_result r = number_line(p, data, len, &count, "too big mbulk count string", "invalid multibulk length");
    if (r != RESP_DONE) {
        return r;
    }
    if (count > RESP_ARGS_MAX) {
        return bad(p, "invalid multibulk length");
    }
    p->want = count > 0 ? (uint32_t)count : 0;
    return RESP_DONE;
}

static enum resp_result parse_length(struct resp *p, const char *data, size_t len)
{
    if (p->pos == len) {
        return RESP_MORE;
    }
    if (data[p->pos] != '$') {
        char what[32];
        snprintf(what, sizeof(what), "expected '$', got '%c'",
                 isprint((unsigned char)data[p->pos]) ? data[p->pos] : '?');
        return bad(p, what);
    }
    enum resp_result r = number_line(p, data, len, &p->bulk, "too big bulk count string", "invalid bulk length");
    if (r == RESP_DONE && (p->bulk < 0 || p->bulk > RESP_BULK_MAX)) {
        return bad(p, "invalid bulk length");
    }
    return r;
}

/* The argument itself, and the end of line behind it. */
static enum resp_result parse_bulk(struct resp *p, const char *data, size_t len)
{
    size_t bulk = (size_t)p->bulk;
    if (len - p->pos < bulk + 2) {
        return RESP_MORE;
    }
    const char *end = data + p->pos + bulk;
    if (end[0] != '\r' || end[1] != '\n') {
        return bad(p, "expected CRLF behind a bulk string");
    }
    if (!add_arg(p, p->pos, (uint32_t)bulk)) {
        return bad(p, "no memory");
    }
    p->pos += (uint32_t)bulk + 2;
    p->bulk = -1;
    return RESP_DONE;
}

/* A line of one to four digits, which begins at `at` and ends before `end`: where the next one begins, or NULL. Those
 * of one and two digits, which nearly all are, are judged as words. */
static inline const char *few_digits(const char *at, const char *end, uint32_t *out)
{
    const uint16_t line_end = '\r' | '\n' << 8;
    uint16_t behind[2];
    if (end - at < 6) {
        return NULL;
    }
    uint32_t value = (unsigned char)at[0] - (uint32_t)'0';
    memcpy(&behind[0], at + 1, sizeof(behind[0]));
    if (value <= 9 && behind[0] == line_end) {
        *out = value;
        return at + 3;
    }
    uint32_t second = (unsigned char)at[1] - (uint32_t)'0';
    memcpy(&behind[1], at + 2, sizeof(behind[1]));
    if (value <= 9 && second <= 9 && behind[1] == line_end) {
        *out = value * 10 + second;
        return at + 4;
    }
    value = 0;
    for (int i = 0; i < 5; i++) {
        unsigned digit = (unsigned char)at[i] - (unsigned)'0';
        if (digit > 9) {
            *out = value;
            return i > 0 && at[i] == '\r' && at[i + 1] == '\n' ? at + i + 2 : NULL;
        }
        value = value * 10 + digit;
    }
    return NULL;
}

/* A command of few, short arguments that is all there, as nearly every one is. false: nothing was taken, and the parser
 * that goes step by step has to look, be it for what is missing or for what is wrong. */
static bool parse_whole(struct resp *p, const char *data, size_t len)
{
    const char *end = data + len;
    struct resp_arg *arg = p->arg;
    uint32_t count, bulk;
    const char *at = few_digits(data + 1, end, &count);
    if (at == NULL || count == 0 || count > RESP_FEW) {
        return false;
    }
    for (const struct resp_arg *last = arg + count; arg < last; arg++) {
        if (at == end || *at != '$') {
            return false;
        }
        at = few_digits(at + 1, end, &bulk);
        if (at == NULL || end - at < (ptrdiff_t)bulk + 2 || at[bulk] != '\r' || at[bulk + 1] != '\n') {
            return false;
        }
        *arg = (struct resp_arg){(uint32_t)(at - data), bulk};
        at += bulk + 2;
    }
    p->want = p->have = count;
    p->pos = (uint32_t)(at - data);
    return true;
}

static enum resp_result parse_steps(struct resp *p, char *data, size_t len) __attribute__((noinline));
static enum resp_result parse_steps(struct resp *p, char *data, size_t len)
{
    if (len == 0) {
        return RESP_MORE;
    }
    if (p->want == 0) {
        if (data[0] != '*') {
            return parse_inline(p, data, len);
        }
        enum resp_result r = parse_count(p, data, len);
        if (r != RESP_DONE || p->want == 0) {
            return r;
        }
    }
    while (p->have < p->want) {
        enum resp_result r = p->bulk < 0 ? parse_length(p, data, len) : RESP_DONE;
        if (r == RESP_DONE) {
            r = parse_bulk(p, data, len);
        }
        if (r != RESP_DONE) {
            return r;
        }
    }
    return RESP_DONE;
}

enum resp_result resp_parse(struct resp *p, char *data, size_t len)
{
    if (p->want == 0 && len > 0 && data[0] == '*' && parse_whole(p, data, len)) {
        return RESP_DONE;
    }
    return parse_steps(p, data, len);
}

size_t resp_big(const struct resp *p, size_t least)
{
    return p->bulk >= 0 && (size_t)p->bulk >= least && !p->has_big ? (size_t)p->bulk : 0;
}

bool resp_take_big(struct resp *p)
{
    assert(p->bulk >= 0 && !p->has_big && p->have < p->want && p->have < RESP_ARGS_MAX);
    p->has_big = add_arg(p, RESP_BIG, (uint32_t)p->bulk);
    p->bulk = -1;
    return p->has_big;
}
