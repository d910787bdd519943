/* SPDX-License-Identifier: MIT */
/*
 * What memory queues, tokens and results must do, as a model that never calls the library: the target makes a call,
 * tells the model, and compares. Everything is in arrays; an index stands for a queue or a token.
 */
#ifndef FUZZ_API_MODEL_H
#define FUZZ_API_MODEL_H

#include <demi/types.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_QUEUES   16   /* max_queues of the instance */
#define MODEL_OPS      63   /* max_operations less the poller of catnap */
#define MODEL_TOKENS   1024 /* tokens and messages of one run */
#define CONTENT_PIECES 6

/* Bytes cut from the pattern: of a message, or of the application's memory. */
struct content {
    uint32_t pieces, len;
    struct {
        uint32_t start, len;
    } piece[CONTENT_PIECES];
};

struct content content_of(uint32_t start, uint32_t len);
struct content content_slice(const struct content *c, uint32_t from, uint32_t len);

/* Appends b to a. False, with a as it was: it has too many pieces then. */
bool content_append(struct content *a, const struct content *b);

/* Are the bytes at p those of c? */
bool content_is(const struct content *c, const void *p, const uint8_t *pattern);

enum token_state { TOKEN_PENDING, TOKEN_DONE, TOKEN_GONE };

struct token {
    demi_qtoken_t qt;
    enum token_state state;
    demi_opcode_t opcode;
    int queue; /* of the model */
    int qd;
    int err;                /* of the result */
    uint32_t max_bytes;     /* of a pop; 0: any */
    struct content content; /* of a push, or what a pop got */
    int object;             /* of the application, which a push refers to; -1: none */
    uint64_t done_at;       /* place in the order of completion */
};

struct memory_queue {
    int qd;
    bool open;
    uint32_t head, tail; /* of its messages */
    struct {
        struct content content;
        int token;  /* whose push it is */
        bool empty; /* it was taken back; its place counts until it is the first */
    } message[MODEL_TOKENS];
};

struct model {
    uint32_t depth; /* queue_depth */
    uint32_t open;  /* queues */
    struct memory_queue queue[MODEL_QUEUES];
    uint32_t tokens; /* tokens ever made */
    struct token token[MODEL_TOKENS];
    uint32_t live_count, done_count;
    int live[MODEL_TOKENS]; /* tokens that are not gone, in the order of their issue */
    uint64_t done_clock;
};

/* Everything is gone: no queue is open, no token lives. Names that were once valid are kept. */
void model_reset(struct model *m, uint32_t depth);

int model_find_queue(const struct model *m, int qd);           /* the open queue, or -1 */
int model_find_token(const struct model *m, demi_qtoken_t qt); /* the live token, or -1 */
int model_first_done(const struct model *m);                   /* the token that completed first, or -1 */

/* Calls that succeeded. push and pop return the token's index. */
void model_open(struct model *m, int q, int qd);
int model_push(struct model *m, int q, demi_qtoken_t qt, const struct content *c, int object);
int model_pop(struct model *m, int q, demi_qtoken_t qt, uint32_t max_bytes);

/* Closes q. The tokens that end with it, results nobody waited for, are written to ended, their number is returned. */
uint32_t model_close(struct model *m, int q, int ended[MODEL_OPS]);

/* The push of token t failed when its result was looked at: its message is taken back. */
void model_take_back(struct model *m, int t);

/* The target's: did the library have no memory for this operation? */
bool ran_out(demi_qtoken_t qt);

/* The token's result was taken, or it was cancelled. */
void model_end(struct model *m, int t);

#endif /* FUZZ_API_MODEL_H */
