/* SPDX-License-Identifier: MIT */
/* Finding and running commands; see command.h. */
#include "kv/command.h"
#include "kv/text.h"

#include <stdio.h>

#define FIND_ROOM  256u /* places of the table of names, a power of two */
#define NAME_BYTES 16

#define KV_COMMAND_ROW(name, arity, flags, first, last, step, group, summary)                                          \
    {#name, command_##name, arity, flags, first, last, step, group, summary},
const struct command commands[COMMAND_COUNT] = {KV_COMMANDS(KV_COMMAND_ROW)};

static unsigned name_hash(struct span name)
{
    unsigned h = (unsigned)name.len;
    for (size_t i = 0; i < name.len; i++) {
        h = h * 31 + ((unsigned char)name.at[i] | 0x20u);
    }
    return h * 2654435761u >> 24;
}

const struct command *command_find(struct span name)
{
    static uint8_t table[FIND_ROOM]; /* 1 + number */
    static bool made;
    if (!made) {
        for (unsigned i = 0; i < COMMAND_COUNT; i++) {
            unsigned at = name_hash((struct span){commands[i].name, strlen(commands[i].name)});
            while (table[at] != 0) {
                at = (at + 1) % FIND_ROOM;
            }
            table[at] = (uint8_t)(i + 1);
        }
        made = true;
    }
    if (name.len > NAME_BYTES) {
        return NULL;
    }
    for (unsigned at = name_hash(name); table[at] != 0; at = (at + 1) % FIND_ROOM) {
        if (text_is(name, commands[table[at] - 1].name)) {
            return &commands[table[at] - 1];
        }
    }
    return NULL;
}

static void error_unknown(struct call *c)
{
    char args[128 + 4] = "";
    size_t len = 0;
    for (uint32_t i = 1; i < c->argc && len < 128; i++) {
        int room = (int)(128 - len);
        int n = snprintf(args + len, sizeof(args) - len, "'%.*s' ",
                         (int)c->argv[i].len < room ? (int)c->argv[i].len : room, c->argv[i].at);
        len += n > 0 ? (size_t)n : 0;
    }
    reply_error(c->reply, "ERR unknown command '%.*s', with args beginning with: %s",
                c->argv[0].len < 128 ? (int)c->argv[0].len : 128, c->argv[0].at, args);
    c->kv->count.total_error_replies++;
}

void error_arity(struct call *c, const char *name)
{
    reply_error(c->reply, "ERR wrong number of arguments for '%s' command", name);
    c->kv->count.total_error_replies++;
}

void error_syntax(struct call *c)
{
    reply_error(c->reply, "ERR syntax error");
    c->kv->count.total_error_replies++;
}

void error_not_integer(struct call *c)
{
    reply_error(c->reply, "ERR value is not an integer or out of range");
    c->kv->count.total_error_replies++;
}

void error_memory(struct call *c)
{
    reply_error(c->reply, "OOM command not allowed when used memory > 'maxmemory'.");
    c->kv->count.total_error_replies++;
}

bool key_ok(struct call *c, struct span key)
{
    if (key.len > ITEM_KEY_MAX) {
        reply_error(c->reply, "ERR a key has at most %u bytes", ITEM_KEY_MAX);
        c->kv->count.total_error_replies++;
    }
    return key.len <= ITEM_KEY_MAX;
}

void command_run(struct call *c)
{
    const struct command *command = command_find(c->argv[0]);
    c->kv->count.total_commands_processed++;
    if (command == NULL) {
        error_unknown(c);
        return;
    }
    c->session->last = command->name;
    if (command->arity > 0 ? c->argc != (uint32_t)command->arity : c->argc < (uint32_t)-command->arity) {
        error_arity(c, command->name);
        return;
    }
    command->run(c);
}
