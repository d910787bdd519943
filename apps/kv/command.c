/* SPDX-License-Identifier: MIT */
/* Finding and running commands; see command.h. */
#include "kv/command.h"
#include "kv/text.h"

#include <stdio.h>

#define FIND_ROOM  256u /* places of the table of names, a power of two */
#define NAME_BYTES 16
#define NAME_LINE  64 /* a command's name, and a subcommand's */
#define HELP_LINE  160

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

void error_text(struct call *c, const char *text)
{
    reply_error(c->reply, "%s", text);
    c->kv->count.total_error_replies++;
}

void error_arity(struct call *c, const char *name)
{
    reply_error(c->reply, "ERR wrong number of arguments for '%s' command", name);
    c->kv->count.total_error_replies++;
}

void error_syntax(struct call *c)
{
    error_text(c, "ERR syntax error");
}

void error_not_integer(struct call *c)
{
    error_text(c, "ERR value is not an integer or out of range");
}

void error_memory(struct call *c)
{
    error_text(c, "OOM command not allowed when used memory > 'maxmemory'.");
}

bool key_ok(struct call *c, struct span key)
{
    if (key.len > ITEM_KEY_MAX) {
        reply_error(c->reply, "ERR a key has at most %u bytes", ITEM_KEY_MAX);
        c->kv->count.total_error_replies++;
    }
    return key.len <= ITEM_KEY_MAX;
}

static bool arity_fits(int arity, uint32_t argc)
{
    return arity > 0 ? argc == (uint32_t)arity : argc >= (uint32_t)-arity;
}

/* Errors and help show names in upper case. */
static void upper(const char *text, char *out, size_t size)
{
    size_t len = 0;
    for (; text[len] != '\0' && len + 1 < size; len++) {
        out[len] = text[len] >= 'a' && text[len] <= 'z' ? (char)(text[len] - 'a' + 'A') : text[len];
    }
    out[len] = '\0';
}

static void subcommand_help(struct call *c, const char *name, const struct subcommand *list, size_t count)
{
    char line[HELP_LINE];
    reply_array(c->reply, 2 * count + 3);
    snprintf(line, sizeof(line), "%s <subcommand> [<arg> ...]. Subcommands are:", name);
    reply_simple(c->reply, line);
    for (size_t i = 0; i < count; i++) {
        reply_simple(c->reply, list[i].usage);
        snprintf(line, sizeof(line), "    %s", list[i].summary);
        reply_simple(c->reply, line);
    }
    reply_simple(c->reply, "HELP");
    reply_simple(c->reply, "    Shows this.");
}

void subcommand_run(struct call *c, const char *command, const struct subcommand *list, size_t count)
{
    char name[NAME_LINE];
    struct span word = c->argv[1];
    for (size_t i = 0; i < count; i++) {
        if (text_is(word, list[i].name)) {
            if (arity_fits(list[i].arity, c->argc)) {
                list[i].run(c);
            } else {
                snprintf(name, sizeof(name), "%s|%s", command, list[i].name);
                error_arity(c, name);
            }
            return;
        }
    }
    upper(command, name, sizeof(name));
    if (text_is(word, "help") && c->argc == 2) {
        subcommand_help(c, name, list, count);
        return;
    }
    reply_error(c->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)(word.len < 128 ? word.len : 128),
                word.at, name);
    c->kv->count.total_error_replies++;
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
    if (!arity_fits(command->arity, c->argc)) {
        error_arity(c, command->name);
        return;
    }
    command->run(c);
}
