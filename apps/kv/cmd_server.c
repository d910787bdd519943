/* SPDX-License-Identifier: MIT */
/* Commands on the server and its settings, and INFO. */
#include "kv/command.h"
#include "kv/text.h"

#include <demi/ext.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* What clients that look for Redis's version are told: the one whose commands these are. */
#define LIKE_VERSION "7.0.0"

void command_dbsize(struct call *c)
{
    reply_number(c->reply, (int64_t)c->kv->store.index.count);
}

void command_flushdb(struct call *c)
{
    if (c->argc > 2 || (c->argc == 2 && !text_is(c->argv[1], "sync") && !text_is(c->argv[1], "async"))) {
        error_syntax(c);
    } else if (!store_clear(&c->kv->store)) {
        error_memory(c);
    } else {
        reply_simple(c->reply, "OK");
    }
}

void command_flushall(struct call *c)
{
    command_flushdb(c);
}

void command_time(struct call *c)
{
    char text[TEXT_NUMBER_MAX];
    uint64_t ms = c->kv->store.now_ms;
    reply_array(c->reply, 2);
    reply_bulk(c->reply, (struct span){text, text_of_number((int64_t)(ms / 1000), text)});
    reply_bulk(c->reply, (struct span){text, text_of_number((int64_t)(ms % 1000 * 1000), text)});
}

struct info {
    char *out;
    size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void tell(struct info *o, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(o->out + o->len, o->size - o->len, format, list);
    va_end(list);
    o->len += n > 0 ? (size_t)n : 0;
    o->len = o->len < o->size ? o->len : o->size - 1;
}

static void info_server(const struct kv *kv, struct info *o)
{
    tell(o, "redis_version:%s\r\nredis_mode:standalone\r\nserver_name:caracal-kv\r\ncaracal_version:%s\r\n",
         LIKE_VERSION, demi_version());
    tell(o, "tcp_port:%" PRIu32 "\r\nuptime_in_seconds:%" PRIu64 "\r\n", kv->port,
         (kv->store.now_ms - kv->started_ms) / 1000);
}

static void info_clients(const struct kv *kv, struct info *o)
{
    tell(o, "connected_clients:%" PRIu32 "\r\nmaxclients:%" PRIu32 "\r\n", kv->clients, kv->clients_max);
    tell(o, "client_input_bytes:%" PRIu64 "\r\nclient_input_limit:%" PRIu64 "\r\n", kv->input_bytes, kv->input_max);
}

static void info_memory(const struct kv *kv, struct info *o)
{
    const struct store *st = &kv->store;
    tell(o, "used_memory:%" PRIu64 "\r\nused_memory_dataset:%" PRIu64 "\r\n", store_bytes(st), st->key_value_bytes);
    tell(o, "maxmemory:%" PRIu64 "\r\nmaxmemory_policy:%s\r\n", st->bytes_max,
         st->evict ? "allkeys-lru" : "noeviction");
    tell(o, "log_segments:%" PRIu64 "\r\nlog_bytes:%" PRIu64 "\r\nlog_live_bytes:%" PRIu64 "\r\n", st->log.segments,
         log_bytes(&st->log), st->log.live_bytes);
    tell(o, "outside_bytes:%" PRIu64 "\r\nindex_bytes:%zu\r\n", st->outside_bytes, index_bytes(&st->index));
    tell(o, "index_buckets:%" PRIu64 "\r\nindex_overflow_buckets:%" PRIu64 "\r\n", st->index.buckets,
         st->index.overflow_used);
}

#define TELL_COUNTER(name)       tell(o, #name ":%" PRIu64 "\r\n", kv->count.name);
#define TELL_STORE_COUNTER(name) tell(o, #name ":%" PRIu64 "\r\n", kv->store.count.name);

static void info_stats(const struct kv *kv, struct info *o)
{
    KV_COUNTERS(TELL_COUNTER)
    STORE_COUNTERS(TELL_STORE_COUNTER)
    tell(o, "index_splits:%" PRIu64 "\r\nindex_joins:%" PRIu64 "\r\n", kv->store.index.splits, kv->store.index.joins);
    tell(o, "index_refused:%" PRIu64 "\r\nlog_refused:%" PRIu64 "\r\n", kv->store.index.refused, kv->store.log.refused);
}

static void info_keyspace(const struct kv *kv, struct info *o)
{
    if (kv->store.index.count > 0) {
        tell(o, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0\r\n", kv->store.index.count, kv->store.expiring);
    }
}

size_t info_text(const struct kv *kv, struct span section, char *out, size_t size)
{
    static const struct {
        const char *name, *title;
        void (*tell)(const struct kv *kv, struct info *o);
    } sections[] = {
        {"server", "Server", info_server}, {"clients", "Clients", info_clients},    {"memory", "Memory", info_memory},
        {"stats", "Stats", info_stats},    {"keyspace", "Keyspace", info_keyspace},
    };
    struct info o = {.out = out, .size = size};
    bool all =
        section.at == NULL || text_is(section, "all") || text_is(section, "default") || text_is(section, "everything");
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (all || text_is(section, sections[i].name)) {
            tell(&o, "%s# %s\r\n", o.len > 0 ? "\r\n" : "", sections[i].title);
            sections[i].tell(kv, &o);
        }
    }
    return o.len;
}

void command_info(struct call *c)
{
    char text[INFO_BYTES];
    size_t len = info_text(c->kv, c->argc > 1 ? c->argv[1] : (struct span){NULL, 0}, text, sizeof(text));
    reply_bulk(c->reply, (struct span){text, len});
}

/* What CONFIG GET shows: names and values as clients of Redis look for them. */
static unsigned settings(struct call *c, struct span pattern, bool show)
{
    const struct store *st = &c->kv->store;
    char memory[TEXT_NUMBER_MAX], clients[TEXT_NUMBER_MAX], bulk[TEXT_NUMBER_MAX], port[TEXT_NUMBER_MAX];
    memory[text_of_number((int64_t)st->bytes_max, memory)] = '\0';
    clients[text_of_number(c->kv->clients_max, clients)] = '\0';
    bulk[text_of_number(ITEM_VALUE_MAX, bulk)] = '\0';
    port[text_of_number(c->kv->port, port)] = '\0';
    const char *const pairs[][2] = {
        {"appendonly", "no"},
        {"databases", "1"},
        {"maxclients", clients},
        {"maxmemory", memory},
        {"maxmemory-policy", st->evict ? "allkeys-lru" : "noeviction"},
        {"port", port},
        {"proto-max-bulk-len", bulk},
        {"save", ""},
        {"timeout", "0"},
    };
    unsigned shown = 0;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (text_matches((struct span){pairs[i][0], strlen(pairs[i][0])}, pattern)) {
            shown++;
            if (show) {
                reply_text(c->reply, pairs[i][0]);
                reply_text(c->reply, pairs[i][1]);
            }
        }
    }
    return shown;
}

static void error_subcommand(struct call *c, const char *command)
{
    reply_error(c->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                (int)(c->argv[1].len < 64 ? c->argv[1].len : 64), c->argv[1].at, command);
    c->kv->count.total_error_replies++;
}

void command_config(struct call *c)
{
    if (text_is(c->argv[1], "get") && c->argc == 3) {
        reply_map(c->reply, settings(c, c->argv[2], false));
        (void)settings(c, c->argv[2], true);
    } else if (text_is(c->argv[1], "get")) {
        error_arity(c, "config|get");
    } else if (text_is(c->argv[1], "resetstat") && c->argc == 2) {
        memset(&c->kv->count, 0, sizeof(c->kv->count));
        memset(&c->kv->store.count, 0, sizeof(c->kv->store.count));
        reply_simple(c->reply, "OK");
    } else if (text_is(c->argv[1], "set")) {
        reply_error(c->reply, "ERR settings are those of the command line");
        c->kv->count.total_error_replies++;
    } else {
        error_subcommand(c, "CONFIG");
    }
}

/* A list of words as an array of simple strings. */
static void tell_words(struct reply *r, const char *words)
{
    size_t count = words[0] != '\0';
    for (const char *at = words; *at != '\0'; at++) {
        count += *at == ' ';
    }
    reply_array(r, count);
    for (const char *at = words; count > 0; count--) {
        size_t len = strcspn(at, " ");
        reply_raw(r, "+", 1);
        reply_raw(r, at, len);
        reply_raw(r, "\r\n", 2);
        at += len + 1;
    }
}

static void tell_command(struct call *c, const struct command *k)
{
    if (k == NULL) {
        reply_raw(c->reply, c->reply->protocol == 3 ? "_\r\n" : "*-1\r\n", c->reply->protocol == 3 ? 3 : 5);
        return;
    }
    reply_array(c->reply, 10);
    reply_text(c->reply, k->name);
    reply_number(c->reply, k->arity);
    tell_words(c->reply, k->flags);
    reply_number(c->reply, k->first);
    reply_number(c->reply, k->last);
    reply_number(c->reply, k->step);
    for (int i = 0; i < 4; i++) { /* categories, tips, key specifications, subcommands */
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

static void command_docs(struct call *c)
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

static void tell_commands(struct call *c)
{
    reply_array(c->reply, COMMAND_COUNT);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        tell_command(c, &commands[i]);
    }
}

void command_command(struct call *c)
{
    if (c->argc == 1 || (c->argc == 2 && text_is(c->argv[1], "info"))) {
        tell_commands(c);
    } else if (text_is(c->argv[1], "count") && c->argc == 2) {
        reply_number(c->reply, COMMAND_COUNT);
    } else if (text_is(c->argv[1], "docs")) {
        command_docs(c);
    } else if (text_is(c->argv[1], "list") && c->argc == 2) {
        reply_array(c->reply, COMMAND_COUNT);
        for (size_t i = 0; i < COMMAND_COUNT; i++) {
            reply_text(c->reply, commands[i].name);
        }
    } else if (text_is(c->argv[1], "info")) {
        reply_array(c->reply, c->argc - 2);
        for (uint32_t i = 2; i < c->argc; i++) {
            tell_command(c, command_find(c->argv[i]));
        }
    } else {
        error_subcommand(c, "COMMAND");
    }
}
