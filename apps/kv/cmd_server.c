/* SPDX-License-Identifier: MIT */
/* Commands on the server and its settings, and INFO. */
#include "kv/command.h"
#include "kv/text.h"

#include <demi/ext.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* What clients that look for Redis's version are told: the one whose commands these are. */
#define LIKE_VERSION "7.0.0"
#define INFO_BYTES   8192

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
    uint64_t ms = store_now_ms(&c->kv->store);
    reply_array(c->reply, 2);
    reply_bulk(c->reply, (struct span){text, text_of_number((int64_t)(ms / 1000), text)});
    reply_bulk(c->reply, (struct span){text, text_of_number((int64_t)(ms % 1000 * 1000), text)});
}

void command_role(struct call *c)
{
    reply_array(c->reply, 3);
    reply_text(c->reply, "master");
    reply_number(c->reply, 0); /* nothing was ever sent to replicas */
    reply_array(c->reply, 0);
}

void command_wait(struct call *c)
{
    int64_t replicas, timeout_ms;
    if (!text_number(c->argv[1], &replicas) || !text_number(c->argv[2], &timeout_ms)) {
        error_not_integer(c);
    } else if (timeout_ms < 0) {
        error_text(c, "ERR timeout is negative");
    } else {
        reply_number(c->reply, 0);
    }
}

struct info {
    uint64_t now_ms;
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
    uint64_t up_s = (o->now_ms - kv->started_ms) / 1000;
    tell(o, "redis_version:%s\r\nredis_mode:standalone\r\nserver_name:caracal-kv\r\ncaracal_version:%s\r\n",
         LIKE_VERSION, demi_version());
    tell(o, "arch_bits:%u\r\nprocess_id:%ld\r\ntcp_port:%" PRIu32 "\r\n", (unsigned)sizeof(void *) * 8, (long)getpid(),
         kv->port);
    tell(o, "server_time_usec:%" PRIu64 "\r\nuptime_in_seconds:%" PRIu64 "\r\nuptime_in_days:%" PRIu64 "\r\n",
         o->now_ms * 1000, up_s, up_s / 86400);
}

static void info_clients(const struct kv *kv, struct info *o)
{
    tell(o, "connected_clients:%" PRIu32 "\r\nmaxclients:%" PRIu32 "\r\nblocked_clients:0\r\n", kv->clients,
         kv->clients_max);
    tell(o, "client_input_bytes:%" PRIu64 "\r\nclient_input_limit:%" PRIu64 "\r\n", kv->input_bytes, kv->input_max);
}

/* A size as people read it. */
static void tell_human(struct info *o, const char *name, uint64_t bytes)
{
    static const char unit[] = "BKMGT";
    unsigned power = 0;
    uint64_t hundredths = bytes * 100;
    for (; hundredths >= 102400 && power < 4; power++) {
        hundredths /= 1024;
    }
    tell(o, "%s:%" PRIu64 ".%02" PRIu64 "%c\r\n", name, hundredths / 100, hundredths % 100, unit[power]);
}

static void info_memory(const struct kv *kv, struct info *o)
{
    const struct store *st = &kv->store;
    tell(o, "used_memory:%" PRIu64 "\r\nused_memory_dataset:%" PRIu64 "\r\n", store_bytes(st), st->key_value_bytes);
    tell_human(o, "used_memory_human", store_bytes(st));
    tell_human(o, "maxmemory_human", st->bytes_max);
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

/* What clients look for before they trust a server: it is alone, it has all it will have, it writes nothing down. */
static void info_persistence(const struct kv *kv, struct info *o)
{
    (void)kv;
    tell(o, "loading:0\r\nrdb_bgsave_in_progress:0\r\naof_enabled:0\r\n");
}

static void info_replication(const struct kv *kv, struct info *o)
{
    (void)kv;
    tell(o, "role:master\r\nconnected_slaves:0\r\n");
}

static void info_cluster(const struct kv *kv, struct info *o)
{
    (void)kv;
    tell(o, "cluster_enabled:0\r\n");
}

static void info_keyspace(const struct kv *kv, struct info *o)
{
    if (kv->store.index.count > 0) {
        tell(o, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0\r\n", kv->store.index.count, kv->store.expiring);
    }
}

static const struct {
    const char *name, *title;
    void (*tell)(const struct kv *kv, struct info *o);
} sections[] = {
    {"server", "Server", info_server},    {"clients", "Clients", info_clients},
    {"memory", "Memory", info_memory},    {"persistence", "Persistence", info_persistence},
    {"stats", "Stats", info_stats},       {"replication", "Replication", info_replication},
    {"cluster", "Cluster", info_cluster}, {"keyspace", "Keyspace", info_keyspace},
};

/* Whether one of the words, or their absence, asks for the section. */
static bool wanted(const char *name, const struct span *words, uint32_t count)
{
    bool is = count == 0;
    for (uint32_t i = 0; i < count && !is; i++) {
        is = text_is(words[i], name) || text_is(words[i], "all") || text_is(words[i], "default") ||
             text_is(words[i], "everything");
    }
    return is;
}

/* Returns the length of what the sections that the words name, or all when there is no word, say. */
static size_t info_text(struct kv *kv, const struct span *words, uint32_t count, char *out, size_t size)
{
    struct info o = {.out = out, .size = size, .now_ms = store_now_ms(&kv->store)};
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (wanted(sections[i].name, words, count)) {
            tell(&o, "%s# %s\r\n", o.len > 0 ? "\r\n" : "", sections[i].title);
            sections[i].tell(kv, &o);
        }
    }
    return o.len;
}

void command_info(struct call *c)
{
    char text[INFO_BYTES];
    size_t len = info_text(c->kv, c->argv + 1, c->argc - 1, text, sizeof(text));
    reply_verbatim_head(c->reply, len);
    reply_raw(c->reply, text, len);
    reply_raw(c->reply, "\r\n", 2);
}

/* What CONFIG GET shows: names and values as clients of Redis look for them. */
static unsigned settings(struct call *c, bool show)
{
    const struct store *st = &c->kv->store;
    char memory[TEXT_NUMBER_MAX], clients[TEXT_NUMBER_MAX], bulk[TEXT_NUMBER_MAX], port[TEXT_NUMBER_MAX];
    memory[text_of_number((int64_t)st->bytes_max, memory)] = '\0';
    clients[text_of_number(c->kv->clients_max, clients)] = '\0';
    bulk[text_of_number(ITEM_VALUE_MAX, bulk)] = '\0';
    port[text_of_number(c->kv->port, port)] = '\0';
    const char *const pairs[][2] = {
        {"appendonly", "no"},  {"cluster-enabled", "no"},
        {"databases", "1"},    {"maxclients", clients},
        {"maxmemory", memory}, {"maxmemory-policy", st->evict ? "allkeys-lru" : "noeviction"},
        {"port", port},        {"proto-max-bulk-len", bulk},
        {"requirepass", ""},   {"save", ""},
        {"timeout", "0"},
    };
    unsigned shown = 0;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        bool matches = false;
        for (uint32_t k = 2; k < c->argc && !matches; k++) {
            matches = text_matches((struct span){pairs[i][0], strlen(pairs[i][0])}, c->argv[k]);
        }
        shown += matches;
        if (matches && show) {
            reply_text(c->reply, pairs[i][0]);
            reply_text(c->reply, pairs[i][1]);
        }
    }
    return shown;
}

static void config_get(struct call *c)
{
    reply_map(c->reply, settings(c, false));
    (void)settings(c, true);
}

static void config_resetstat(struct call *c)
{
    memset(&c->kv->count, 0, sizeof(c->kv->count));
    memset(&c->kv->store.count, 0, sizeof(c->kv->store.count));
    reply_simple(c->reply, "OK");
}

static void config_set(struct call *c)
{
    error_text(c, "ERR settings are those of the command line");
}

void command_config(struct call *c)
{
    static const struct subcommand list[] = {
        {"get", -3, config_get, "GET <pattern> ...", "Returns the settings whose names match."},
        {"resetstat", 2, config_resetstat, "RESETSTAT", "Sets the counters of INFO to 0."},
        {"set", -4, config_set, "SET <name> <value> ...", "Refused: settings are those of the command line."},
    };
    subcommand_run(c, "config", list, sizeof(list) / sizeof(list[0]));
}
