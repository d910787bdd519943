/* SPDX-License-Identifier: MIT */
/*
 * Requests of RESP, the Redis serialization protocol: arrays of bulk strings, or a line of words ("inline"). The parser
 * is fed a command's bytes from its first one on, as often as more of them are there, and goes on where it stopped. It
 * allocates the argument table alone, which is bounded.
 *
 * A long argument need not lie among the others: resp_take_big() says that its bytes are elsewhere, and parsing goes on
 * behind it.
 */
#ifndef APPS_KV_RESP_H
#define APPS_KV_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESP_ARGS_MAX 65536u
#define RESP_LINE_MAX 65536u
#define RESP_BULK_MAX (32u << 20)
#define RESP_FEW      8u
#define RESP_BIG      UINT32_MAX /* offset of the argument that lies elsewhere */

struct resp_arg {
    uint32_t offset; /* from the command's first byte */
    uint32_t len;
};

struct resp {
    uint32_t pos;  /* bytes of the command that were understood */
    uint32_t want; /* arguments; 0: not known yet */
    uint32_t have; /* of them */
    int64_t bulk;  /* length of the argument that begins at pos; -1: its length was not read yet */
    bool has_big;  /* one of the arguments is elsewhere */
    uint32_t room; /* of arg */
    struct resp_arg few[RESP_FEW];
    struct resp_arg *arg; /* few, or of the heap */
    char error[80];       /* what was wrong, after RESP_BAD */
};

enum resp_result {
    RESP_MORE, /* the command is not complete */
    RESP_DONE, /* `have` arguments, 0 for an empty line; the next command begins at pos */
    RESP_BAD,  /* a protocol error, or no memory; the connection is of no more use */
};

void resp_init(struct resp *p);
void resp_fini(struct resp *p);

/* Before another command. */
static inline void resp_next(struct resp *p)
{
    if (p->room > 16 * RESP_FEW) { /* a long command's table is not kept */
        resp_fini(p);
    }
    p->pos = p->want = p->have = 0;
    p->bulk = -1;
    p->has_big = false;
}

/* Goes on with data, which begins with the command's first byte. Words of an inline command are unquoted in place. */
enum resp_result resp_parse(struct resp *p, char *data, size_t len);

/* Bytes of the argument that is under way, when it has at least `least` and none is elsewhere yet; else 0. */
size_t resp_big(const struct resp *p, size_t least);

/* That argument is elsewhere: its bytes, and the line's end behind it, are not in data. false: no memory. */
bool resp_take_big(struct resp *p);

#endif /* APPS_KV_RESP_H */
