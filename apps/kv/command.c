/* SPDX-License-Identifier: MIT */
/* Finding and running commands; see command.h. */
#include "kv/command.h"
#include "kv/text.h"
#include "kv/transaction.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FIND_ROOM  256u /* places of the table of names, a power of two */
#define NAME_BYTES 16
#define NAME_LINE  64 /* a command's name, and a subcommand's */
#define HELP_LINE  160

#define KV_COMMAND_ROW(name, arity, flags, first, last, step, group, summary)                                          \
    {#name, command_##name, arity, flags, first, last, step, group, summary},
const struct command commands[COMMAND_COUNT] = {KV_COMMANDS(KV_COMMAND_ROW)};

/* A name as it is compared: its letters are small ones. */
struct name {
    uint64_t word[2];
    size_t len;
};

/* The first eight bytes, as far as there are so many, with the bit set that makes letters small. */
static uint64_t small_letters(const char *at, size_t len)
{
    uint64_t word = 0;
    if (len >= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
    } else if (len >= sizeof(uint32_t)) { /* both ends, which overlap */
        uint32_t low, high;
        memcpy(&low, at, sizeof(low));
        memcpy(&high, at + len - sizeof(high), sizeof(high));
        word = low | (uint64_t)high << 8 * (len - sizeof(high));
    } else if (len > 0) { /* the first, the middle and the last, which may be the same */
        word = (unsigned char)at[0] | (uint64_t)(unsigned char)at[len / 2] << 8 * (len / 2) |
               (uint64_t)(unsigned char)at[len - 1] << 8 * (len - 1);
    }
    return word | UINT64_C(0x2020202020202020);
}

static struct name name_of(struct span text)
{
    size_t more = text.len > sizeof(uint64_t) ? text.len - sizeof(uint64_t) : 0;
    assert(text.len <= NAME_BYTES);
    return (struct name){{small_letters(text.at, text.len), small_letters(text.at + text.len - more, more)}, text.len};
}

static unsigned name_place(const struct name *n)
{
    return (unsigned)((n->word[0] ^ n->word[1] << 7) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

/* All names; those of commands have letters alone, so that no other byte becomes like one of theirs. */
struct names {
    uint8_t at[FIND_ROOM]; /* 1 + number */
    struct name name[COMMAND_COUNT];
};

static void make_names(struct names *names)
{
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        struct name *n = &names->name[i];
        *n = name_of((struct span){commands[i].name, strlen(commands[i].name)});
        assert(strspn(commands[i].name, "abcdefghijklmnopqrstuvwxyz") == n->len);
        unsigned at = name_place(n);
        while (names->at[at] != 0) {
            at = (at + 1) % FIND_ROOM;
        }
        names->at[at] = (uint8_t)(i + 1);
    }
}

const struct command *command_find(struct span text)
{
    static struct names names;
    static bool made;
    if (!made) {
        make_names(&names);
        made = true;
    }
    if (text.len > NAME_BYTES) {
        return NULL;
    }
    struct name wanted = name_of(text);
    for (unsigned at = name_place(&wanted); names.at[at] != 0; at = (at + 1) % FIND_ROOM) {
        const struct name *n = &names.name[names.at[at] - 1];
        if (n->word[0] == wanted.word[0] && n->word[1] == wanted.word[1] && n->len == wanted.len) {
            return &commands[names.at[at] - 1];
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

bool put_with_expiry_of(struct call *c, const struct item *it, struct span value)
{
    struct store_put put = {.key = c->argv[1], .value = value, .expiry_ms = it != NULL ? item_expiry_ms(it) : 0};
    if (!key_ok(c, c->argv[1])) {
        return false;
    }
    if (store_put(&c->kv->store, &put) != 0) {
        error_memory(c);
        return false;
    }
    return true;
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
    c->kv->work += (uint64_t)c->argc * WORK_OF_WORD;
    if (command == NULL) {
        transaction_spoil(c->session);
        error_unknown(c);
        return;
    }
    c->session->last = command->name;
    if (!arity_fits(command->arity, c->argc)) {
        transaction_spoil(c->session);
        error_arity(c, command->name);
        return;
    }
    if (c->session->transaction == NULL || !transaction_gathers(c, command)) {
        command->run(c);
    }
}
