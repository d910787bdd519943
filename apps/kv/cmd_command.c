/* SPDX-License-Identifier: MIT */
/* COMMAND: what the server says of its commands. */
#include "kv/command.h"
#include "kv/text.h"

#include <stdio.h>

#define CATEGORIES_BYTES 128

/* A list of words as a set of simple strings. */
static void tell_words(struct reply *r, const char *words)
{
    size_t count = words[0] != '\0';
    for (const char *at = words; *at != '\0'; at++) {
        count += *at == ' ';
    }
    reply_set(r, count);
    for (const char *at = words; count > 0; count--) {
        size_t len = strcspn(at, " ");
        reply_raw(r, "+", 1);
        reply_raw(r, at, len);
        reply_raw(r, "\r\n", 2);
        at += len + 1;
    }
}

/* Whether word is one of the words of a list. */
static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += len) {
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

/* The categories of access lists, which follow from group and flags. */
static void categories_of(const struct command *k, char out[CATEGORIES_BYTES])
{
    bool admin = has_word(k->flags, "admin");
    snprintf(out, CATEGORIES_BYTES, "%s%s%s%s%s%s%s%s%s", strcmp(k->group, "generic") == 0 ? "@keyspace " : "",
             has_word(k->flags, "readonly") ? "@read " : "", has_word(k->flags, "write") ? "@write " : "",
             strcmp(k->group, "string") == 0 ? "@string " : "", admin ? "@admin " : "",
             has_word(k->flags, "fast") ? "@fast" : "@slow", admin ? " @dangerous" : "",
             strcmp(k->group, "connection") == 0 ? " @connection" : "",
             strcmp(k->group, "transactions") == 0 ? " @transaction" : "");
}

static void tell_command(struct call *c, const struct command *k)
{
    if (k == NULL) {
        reply_null_array(c->reply);
        return;
    }
    reply_array(c->reply, 10);
    reply_text(c->reply, k->name);
    reply_number(c->reply, k->arity);
    tell_words(c->reply, k->flags);
    reply_number(c->reply, k->first);
    reply_number(c->reply, k->last);
    reply_number(c->reply, k->step);
    char categories[CATEGORIES_BYTES];
    categories_of(k, categories);
    tell_words(c->reply, categories);
    for (int i = 0; i < 3; i++) { /* tips, key specifications, subcommands */
        reply_array(c->reply, 0);
    }
}

static void tell_docs(struct call *c, const struct command *k)
{
    reply_text(c->reply, k->name);
    reply_map(c->reply, 2);
    reply_text(c->reply, "summary");
    reply_text(c->reply, k->summary);
    reply_text(c->reply, "group");
    reply_text(c->reply, k->group);
}

static void docs(struct call *c)
{
    size_t known = 0;
    for (uint32_t i = 2; i < c->argc; i++) {
        known += command_find(c->argv[i]) != NULL;
    }
    reply_map(c->reply, c->argc > 2 ? known : (size_t)COMMAND_COUNT);
    for (uint32_t i = 2; i < c->argc; i++) {
        const struct command *k = command_find(c->argv[i]);
        if (k != NULL) {
            tell_docs(c, k);
        }
    }
    for (size_t i = 0; i < COMMAND_COUNT && c->argc == 2; i++) {
        tell_docs(c, &commands[i]);
    }
}

static void info_of_all(struct call *c)
{
    reply_array(c->reply, COMMAND_COUNT);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        tell_command(c, &commands[i]);
    }
}

static void info_of(struct call *c)
{
    if (c->argc == 2) {
        info_of_all(c);
        return;
    }
    reply_array(c->reply, c->argc - 2);
    for (uint32_t i = 2; i < c->argc; i++) {
        tell_command(c, command_find(c->argv[i]));
    }
}

static void count_all(struct call *c)
{
    reply_number(c->reply, COMMAND_COUNT);
}

/* Whether LIST's filter, the words behind FILTERBY, takes a command. */
static bool filter_takes(struct span kind, struct span value, const struct command *k)
{
    char categories[CATEGORIES_BYTES], word[CATEGORIES_BYTES];
    if (text_is(kind, "pattern")) {
        return text_matches((struct span){k->name, strlen(k->name)}, value);
    }
    categories_of(k, categories);
    snprintf(word, sizeof(word), "@%.*s", value.len < sizeof(word) - 2 ? (int)value.len : (int)sizeof(word) - 2,
             value.at);
    return text_is(kind, "aclcat") && has_word(categories, word); /* no command is of a module */
}

static void list_names(struct call *c)
{
    bool taken[COMMAND_COUNT];
    size_t count = 0;
    bool filtered = c->argc == 5 && text_is(c->argv[2], "filterby") &&
                    (text_is(c->argv[3], "pattern") || text_is(c->argv[3], "aclcat") || text_is(c->argv[3], "module"));
    if (c->argc != 2 && !filtered) {
        error_syntax(c);
        return;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        taken[i] = !filtered || filter_takes(c->argv[3], c->argv[4], &commands[i]);
        count += taken[i];
    }
    reply_array(c->reply, count);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (taken[i]) {
            reply_text(c->reply, commands[i].name);
        }
    }
}

/* Which of the words behind GETKEYS are keys. */
static void keys_of(struct call *c)
{
    const struct command *k = command_find(c->argv[2]);
    uint32_t argc = c->argc - 2;
    if (k == NULL) {
        error_text(c, "ERR Invalid command specified");
    } else if (k->first == 0) {
        error_text(c, "ERR The command has no key arguments");
    } else if (k->arity > 0 ? argc != (uint32_t)k->arity : argc < (uint32_t)-k->arity) {
        error_text(c, "ERR Invalid number of arguments specified for command");
    } else {
        uint32_t last = k->last < 0 ? argc - (uint32_t)-k->last : (uint32_t)k->last;
        reply_array(c->reply, (last - (uint32_t)k->first) / (uint32_t)k->step + 1);
        for (uint32_t i = (uint32_t)k->first; i <= last; i += (uint32_t)k->step) {
            reply_bulk(c->reply, c->argv[2 + i]);
        }
    }
}

void command_command(struct call *c)
{
    static const struct subcommand list[] = {
        {"count", 2, count_all, "COUNT", "Returns how many commands there are."},
        {"docs", -2, docs, "DOCS [<name> ...]", "Returns group and summary of commands."},
        {"getkeys", -4, keys_of, "GETKEYS <command> ...", "Returns the keys among the words of a command."},
        {"info", -2, info_of, "INFO [<name> ...]", "Returns arity, flags, keys and categories of commands."},
        {"list", -2, list_names, "LIST [FILTERBY (PATTERN|ACLCAT|MODULE) <text>]", "Returns names of commands."},
    };
    if (c->argc == 1) {
        info_of_all(c);
    } else {
        subcommand_run(c, "command", list, sizeof(list) / sizeof(list[0]));
    }
}
