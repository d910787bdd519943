/* SPDX-License-Identifier: MIT */
/* Execution of commands: what they work on, and how they are found by name. */
#ifndef APPS_KV_COMMAND_H
#define APPS_KV_COMMAND_H

#include "kv/commands.h"
#include "kv/reply.h"
#include "kv/store.h"

#define SESSION_NAME_MAX 64
#define WORK_OF_WORD     64 /* what a word of a command, or a key that is looked at, counts as work */

/* A connection, as far as commands know of it. */
struct session {
    uint64_t id;
    int qd;
    unsigned protocol; /* 2 or 3 */
    bool quit;         /* ends after the replies */
    uint64_t since_ms;
    uint64_t seen_ms;
    const char *last;                /* name of the last command */
    struct transaction *transaction; /* see transaction.h; NULL: none */
    char name[SESSION_NAME_MAX];
    char lib_name[SESSION_NAME_MAX];
    char lib_version[SESSION_NAME_MAX];
    char peer[SESSION_NAME_MAX];
    char local[SESSION_NAME_MAX];
};

/* What is held for a connection, in bytes but for pushes. */
struct session_held {
    uint64_t input;      /* of commands that are not complete */
    uint64_t input_room; /* that is left for them without more memory */
    uint64_t output;     /* replies under way */
    uint32_t pushes;     /* that they are in */
};

/* What the server counts beside the store; the names are shown by INFO. */
#define KV_COUNTERS(X)                                                                                                 \
    X(total_connections_received)                                                                                      \
    X(rejected_connections)                                                                                            \
    X(descriptor_limit_reached)                                                                                        \
    X(total_commands_processed)                                                                                        \
    X(total_error_replies)                                                                                             \
    X(total_net_input_bytes)                                                                                           \
    X(total_net_output_bytes)                                                                                          \
    X(total_pushes)                                                                                                    \
    X(protocol_errors)                                                                                                 \
    X(connections_broken)                                                                                              \
    X(input_limit_disconnections)                                                                                      \
    X(reads_held_back)                                                                                                 \
    X(visits_cut)                                                                                                      \
    X(most_work_of_visit)                                                                                              \
    X(most_work_of_turn)                                                                                               \
    X(rpc_requests)                                                                                                    \
    X(rpc_malformed)                                                                                                   \
    X(rpc_unsent)

#define KV_COUNTER_MEMBER(name) uint64_t name;

struct kv {
    struct store store;
    uint32_t clients;
    uint32_t clients_max;
    uint32_t port;
    uint64_t input_bytes; /* of commands that are not complete */
    uint64_t input_max;
    uint64_t started_ms;
    uint64_t random; /* state of a generator; nothing secret hangs on it */
    uint64_t work;   /* done: bytes that were copied or pushed, and words; see turn.c */
    struct {
        KV_COUNTERS(KV_COUNTER_MEMBER)
    } count;
    /* The sessions there are, for CLIENT LIST: the next one of a number of at least *at, or NULL. */
    const struct session *(*session)(struct kv *kv, uint32_t *at);
    /* What is held for one of them. */
    struct session_held (*held)(const struct session *session);
    /* Ends one of them, at once or, when it is the one whose command runs, after its replies. */
    void (*end)(struct kv *kv, const struct session *session);
};

/* A command under way. */
struct call {
    struct kv *kv;
    struct session *session;
    struct reply *reply;
    uint32_t argc;
    const struct span *argv;
    void *big; /* demi_malloc'ed memory of the argument that begins there; NULL: none, and when a command took it */
    size_t big_room;
};

struct command {
    const char *name;
    void (*run)(struct call *c);
    int arity;
    const char *flags;
    int first, last, step;
    const char *group;
    const char *summary;
};

#define KV_COMMAND_NUMBER(name, ...) COMMAND_##name,
enum command_number { KV_COMMANDS(KV_COMMAND_NUMBER) COMMAND_COUNT };
#define KV_COMMAND_RUN(name, ...) void command_##name(struct call *c);
KV_COMMANDS(KV_COMMAND_RUN)

extern const struct command commands[COMMAND_COUNT];

/* Finds a command by its name in upper or lower case; NULL: there is none. */
const struct command *command_find(struct span name);

/* Runs the command that c's arguments, at least one, are: exactly one reply is added. */
void command_run(struct call *c);

/* A subcommand, as of CLIENT. */
struct subcommand {
    const char *name;
    int arity; /* as a command's, with the command's own name counted */
    void (*run)(struct call *c);
    const char *usage; /* of HELP: the words behind the command's name, and what it does */
    const char *summary;
};

/* Runs the subcommand that c's second argument names, HELP among them, or replies with an error. */
void subcommand_run(struct call *c, const char *command, const struct subcommand *list, size_t count);

/* A command of many keys, one every `step` words, is at the one at c->argv[at]: now and then the next are fetched. */
static inline void command_prefetch(const struct call *c, uint32_t at, uint32_t step)
{
    if ((at - 1) / step % STORE_PREFETCH == 0 && c->argc > 1 + step) {
        store_prefetch(&c->kv->store, &c->argv[at], (c->argc - at + step - 1) / step, step);
    }
}

/* Errors that several commands have. */
void error_text(struct call *c, const char *text);
void error_syntax(struct call *c);
void error_arity(struct call *c, const char *name);
void error_not_integer(struct call *c);
void error_memory(struct call *c);

/* Whether a key may be written; replies with an error where not. */
bool key_ok(struct call *c, struct span key);

/* Writes the first argument's key with the expiry that it, the item that has it now, has (NULL: none). value may not
 * lie in the store. false: it may not be written or there is no room, and the client was told. */
bool put_with_expiry_of(struct call *c, const struct item *it, struct span value);

#endif /* APPS_KV_COMMAND_H */
