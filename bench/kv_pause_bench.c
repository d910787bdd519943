/* SPDX-License-Identifier: MIT */
/*
 * The longest time for which the key-value server does one thing while all its clients wait: each command, and each
 * turn of its housekeeping, timed by itself in this thread's processor time, which what else the machine does leaves
 * alone. A phase's figure is the smallest of the rounds' longest ones. One JSON object a phase, the worst of them last.
 * usage: kv_pause_bench [--phases]
 */
#include "kv/command.h"
#include "kv/reply.h"
#include "pair.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/wait.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEYS        1000000u
#define LONG_KEYS   50000u /* with values that lie outside the log */
#define LONG_BYTES  2000u
#define WORDS       100u /* keys of a command of many */
#define ROUNDS      3u
#define LIMIT_US    100.0
#define SMALL_BYTES (UINT64_C(64) << 20)
#define EXPIRE_MS   1000

static struct kv kv;
static struct reply reply;
static struct session session;

static bool discard(void *context, struct reply *r)
{
    (void)context, (void)r;
    return true;
}

static uint64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Times of a round: how many, the longest, and how many of each sixteenth of a power of two. */
struct longest {
    uint64_t count;
    uint64_t max_ns;
    uint64_t bucket[64 * 16];
};

static unsigned bucket_of(uint64_t ns)
{
    unsigned log = ns < 16 ? 4 : 63u - (unsigned)__builtin_clzll(ns);
    return log * 16 + (unsigned)(ns >> (log - 4) & 15);
}

static void record(struct longest *l, uint64_t ns)
{
    l->count++;
    l->max_ns = ns > l->max_ns ? ns : l->max_ns;
    l->bucket[bucket_of(ns)]++;
}

static double p9999_us(const struct longest *l)
{
    uint64_t beyond = l->count / 10000, seen = 0;
    unsigned i = 64 * 16;
    while (i > 0 && seen <= beyond) {
        seen += l->bucket[--i];
    }
    unsigned log = i / 16;
    return (double)((UINT64_C(16) + i % 16 + 1) << (log - 4)) / 1e3;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "kv_pause_bench: %s\n", what);
        exit(1);
    }
}

static size_t key_of(uint32_t number, char out[24])
{
    return (size_t)snprintf(out, 24, "user%012" PRIu32, number);
}

/* Runs a command of so many words, timed. */
static void command(struct longest *l, const struct span *words, uint32_t count)
{
    struct call call = {.kv = &kv, .session = &session, .reply = &reply, .argc = count, .argv = words};
    uint64_t begin_ns = thread_ns();
    command_run(&call);
    record(l, thread_ns() - begin_ns);
    must(!reply.broken, "no memory for a reply");
    reply_drop(&reply);
}

static void command_on(struct longest *l, const char *name, uint32_t number, struct span value, const char *px)
{
    char key[24];
    struct span words[5] = {{name, strlen(name)}, {key, key_of(number, key)}, value, {"px", 2}, {px, 0}};
    words[4].len = px != NULL ? strlen(px) : 0;
    command(l, words, value.at == NULL ? 2 : px == NULL ? 3 : 5);
}

static void turn(struct longest *l, bool *again)
{
    uint64_t begin_ns = thread_ns();
    *again = store_tick(&kv.store);
    record(l, thread_ns() - begin_ns);
}

static const char value_bytes[LONG_BYTES];

static void grow(struct longest *l)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "set", i, (struct span){value_bytes, 64}, NULL);
    }
}

static void long_values(struct longest *l)
{
    for (uint32_t i = 0; i < LONG_KEYS; i++) {
        command_on(l, "set", KEYS + i, (struct span){value_bytes, LONG_BYTES}, NULL);
    }
}

static void update(struct longest *l)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "set", (i * 7919u) % KEYS, (struct span){value_bytes, 56 + i % 16}, NULL);
    }
}

static void scan(struct longest *l)
{
    static const struct span words[] = {{"scan", 4}, {NULL, 0}, {"count", 5}, {"1000000", 7}};
    struct span ask[4];
    memcpy(ask, words, sizeof(ask));
    for (uint32_t i = 0; i < 1000; i++) {
        char cursor[24];
        ask[1] = (struct span){cursor, (size_t)snprintf(cursor, sizeof(cursor), "%" PRIu64, (uint64_t)i << 38)};
        command(l, ask, 4);
    }
}

static void many_words(struct longest *l)
{
    static char key[WORDS][24];
    static struct span words[1 + 2 * WORDS];
    for (uint32_t i = 0; i < 3000; i++) {
        bool sets = i % 3 == 1;
        words[0] = i % 3 == 0 ? (struct span){"mget", 4} : sets ? (struct span){"mset", 4} : (struct span){"del", 3};
        for (uint32_t k = 0; k < WORDS; k++) {
            struct span name = {key[k], key_of((i * WORDS + k) * 2654435761u % KEYS, key[k])};
            words[sets ? 1 + 2 * k : 1 + k] = name;
            words[sets ? 2 + 2 * k : 1 + k] = sets ? (struct span){value_bytes, 64} : name;
        }
        command(l, words, 1 + WORDS * (sets ? 2 : 1));
    }
}

static void delete (struct longest *l)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "del", i, (struct span){NULL, 0}, NULL);
    }
}

static void expire(struct longest *l)
{
    struct longest unused = {.count = 0};
    bool again = true;
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(&unused, "set", i, (struct span){value_bytes, 64}, "1000");
    }
    kv.store.now_ms += 2 * EXPIRE_MS;
    while (kv.store.expiring > 0) {
        turn(l, &again);
    }
}

/* Removal of all, and what it leaves to do. */
static void flush(struct longest *l)
{
    struct longest unused = {.count = 0};
    static const struct span words[] = {{"flushdb", 7}};
    bool again = true;
    grow(&unused);
    long_values(&unused);
    for (int i = 0; i < 3; i++) {
        command(l, words, 1);
        command_on(l, "set", 1, (struct span){value_bytes, 64}, NULL);
    }
    for (uint32_t i = 0; i < KEYS && again; i++) {
        turn(l, &again);
    }
    must(!again, "a flush that does not end");
}

static void evict(struct longest *l)
{
    kv.store.bytes_max = SMALL_BYTES;
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "set", i, (struct span){value_bytes, 64 + i % 900}, NULL);
    }
}

static const struct {
    const char *name;
    void (*run)(struct longest *l);
} phases[] = {{"grow", grow},     {"update", update},         {"long_values", long_values},
              {"scan", scan},     {"many_words", many_words}, {"delete", delete},
              {"expire", expire}, {"flush", flush},           {"evict", evict}};
#define PHASES (sizeof(phases) / sizeof(phases[0]))

static void begin(void)
{
    static const uint64_t seed[2] = {1, 2};
    kv = (struct kv){.clients_max = 1};
    must(store_init(&kv.store, UINT64_C(1) << 30, true, seed), "no memory to begin with");
    kv.store.now_ms = 1;
    reply = (struct reply){.push = discard};
    reply_init(&reply);
    session = (struct session){.protocol = 2};
}

int main(int argc, char **argv)
{
    static double max_us[PHASES], tail_us[PHASES];
    bool show = argc > 1 && strcmp(argv[1], "--phases") == 0;
    size_t worst = 0;
    must(demi_init(NULL) == 0, "cannot start the library");
    for (unsigned round = 0; round < ROUNDS; round++) {
        begin();
        for (size_t i = 0; i < PHASES; i++) {
            struct longest l = {.count = 0};
            phases[i].run(&l);
            double most_us = (double)l.max_ns / 1e3;
            max_us[i] = round == 0 || most_us < max_us[i] ? most_us : max_us[i];
            tail_us[i] = round == 0 || p9999_us(&l) < tail_us[i] ? p9999_us(&l) : tail_us[i];
        }
        store_fini(&kv.store);
    }
    for (size_t i = 0; i < PHASES; i++) {
        worst = max_us[i] > max_us[worst] ? i : worst;
        if (show) {
            printf("%-12s longest %8.1f us, 99.99 %% within %8.1f us\n", phases[i].name, max_us[i], tail_us[i]);
        }
    }
    if (!show) {
        printf("{\"name\": \"kv_pause\", \"value\": %.1f, \"unit\": \"us\", \"peer\": \"the bound; worst of %zu: %s\", "
               "\"peer_value\": %.0f, \"ratio\": %.3f, \"aim\": 1, \"p9999\": %.1f}\n",
               max_us[worst], PHASES, phases[worst].name, LIMIT_US, max_us[worst] / LIMIT_US, tail_us[worst]);
    }
    (void)demi_fini();
    return 0;
}
