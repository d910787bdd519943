/* SPDX-License-Identifier: MIT */
/*
 * The longest time for which the key-value server does one thing while all its clients wait: each command, and each
 * turn of its housekeeping and the library's memory's, timed by itself in this thread's processor time. Interrupts
 * count in it and fall anywhere: several rounds do the very same, each in a process of its own that begins with fresh
 * memory, and what one command took is the least that it took in any of them. One JSON object with the worst phase;
 * with --phases a line for each. usage: kv_pause_bench [--phases]
 */
#include "api/api.h"
#include "kv/command.h"
#include "kv/reply.h"
#include "pair.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/wait.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS        1000000u
#define LONG_KEYS   50000u /* with values that lie outside the log */
#define LONG_BYTES  2000u
#define WORDS       100u /* keys of a command of many */
#define ROUNDS      3u
#define TIMES       (KEYS + 100000u) /* of a phase at most */
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

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "kv_pause_bench: %s\n", what);
        exit(1);
    }
}

/* Times of a phase, in the order of what took them: the least of all rounds so far. ns NULL: not wanted. */
struct times {
    uint32_t *ns;
    uint32_t count; /* so far in this round */
};

/* Shared by the rounds' processes. */
static struct results {
    uint32_t count[16]; /* of a phase */
    uint32_t ns[16][TIMES];
} * results;

static void record(struct times *l, uint64_t ns)
{
    if (l->ns == NULL) {
        return;
    }
    must(l->count < TIMES, "more times than there is room for");
    uint32_t *least = &l->ns[l->count++];
    *least = *least == 0 || ns < *least ? (uint32_t)ns : *least;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t key_of(uint32_t number, char out[24])
{
    return (size_t)snprintf(out, 24, "user%012" PRIu32, number);
}

/* Runs a command of so many words, timed. */
static void command(struct times *l, const struct span *words, uint32_t count)
{
    struct call call = {.kv = &kv, .session = &session, .reply = &reply, .argc = count, .argv = words};
    uint64_t begin_ns = thread_ns();
    command_run(&call);
    record(l, thread_ns() - begin_ns);
    must(!reply.broken, "no memory for a reply");
    reply_drop(&reply);
}

static void command_on(struct times *l, const char *name, uint32_t number, struct span value, const char *px)
{
    char key[24];
    struct span words[5] = {{name, strlen(name)}, {key, key_of(number, key)}, value, {"px", 2}, {px, 0}};
    words[4].len = px != NULL ? strlen(px) : 0;
    command(l, words, value.at == NULL ? 2 : px == NULL ? 3 : 5);
}

static void turn(struct times *l, bool *again)
{
    uint64_t begin_ns = thread_ns();
    *again = store_tick(&kv.store);
    record(l, thread_ns() - begin_ns);
}

static const char value_bytes[LONG_BYTES];

static void grow(struct times *l)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "set", i, (struct span){value_bytes, 64}, NULL);
    }
}

static void long_values(struct times *l)
{
    for (uint32_t i = 0; i < LONG_KEYS; i++) {
        command_on(l, "set", KEYS + i, (struct span){value_bytes, LONG_BYTES}, NULL);
    }
}

static void update(struct times *l)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "set", (i * 7919u) % KEYS, (struct span){value_bytes, 56 + i % 16}, NULL);
    }
}

static void scan(struct times *l)
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

static void many_words(struct times *l)
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

static void delete (struct times *l)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "del", i, (struct span){NULL, 0}, NULL);
    }
}

static void expire(struct times *l)
{
    struct times unused = {.ns = NULL};
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
static void flush(struct times *l)
{
    struct times unused = {.ns = NULL};
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

/* Memory that is free goes back to the kernel, a piece each time that the library has nothing else to do. */
static void give_back(struct times *l)
{
    bool again = true;
    for (uint32_t i = 0; i < TIMES && again; i++) {
        uint64_t begin_ns = thread_ns();
        again = mem_cool(&api_self.inst->mem);
        record(l, thread_ns() - begin_ns);
    }
    must(!again && l->count > 1, "memory that is not given back");
}

static void evict(struct times *l)
{
    kv.store.bytes_max = SMALL_BYTES;
    for (uint32_t i = 0; i < KEYS; i++) {
        command_on(l, "set", i, (struct span){value_bytes, 64 + i % 900}, NULL);
    }
}

static const struct {
    const char *name;
    void (*run)(struct times *l);
} phases[] = {{"grow", grow},     {"update", update},         {"long_values", long_values},
              {"scan", scan},     {"many_words", many_words}, {"delete", delete},
              {"expire", expire}, {"flush", flush},           {"give_back", give_back},
              {"evict", evict}};
#define PHASES (sizeof(phases) / sizeof(phases[0]))

static void begin(void)
{
    static const uint64_t seed[2] = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f)};
    must(demi_init(NULL) == 0, "cannot start the library");
    kv = (struct kv){.clients_max = 1};
    must(store_init(&kv.store, UINT64_C(1) << 30, true, seed), "no memory to begin with");
    kv.store.now_ms = 1;
    reply = (struct reply){.push = discard};
    reply_init(&reply);
    session = (struct session){.protocol = 2};
}

/* All phases once, in a process of their own. */
static void run_round(bool first)
{
    int status = -1;
    pid_t child = fork();
    must(child >= 0, "cannot fork");
    if (child == 0) {
        begin();
        for (size_t i = 0; i < PHASES; i++) {
            struct times l = {.ns = results->ns[i]};
            phases[i].run(&l);
            must(first || l.count == results->count[i], "two rounds that are not the same");
            results->count[i] = l.count;
        }
        store_fini(&kv.store);
        _exit(demi_fini());
    }
    must(waitpid(child, &status, 0) == child && status == 0, "a round failed");
}

int main(int argc, char **argv)
{
    double max_us[PHASES], tail_us[PHASES];
    bool show = argc > 1 && strcmp(argv[1], "--phases") == 0;
    size_t worst = 0;
    results = mmap(NULL, sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(results != MAP_FAILED, "no memory for the results");
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_round(round == 0);
    }
    for (size_t i = 0; i < PHASES; i++) {
        uint32_t n = results->count[i], beyond = n / 10000;
        qsort(results->ns[i], n, sizeof(uint32_t), ascending);
        max_us[i] = results->ns[i][n - 1] / 1e3;
        tail_us[i] = results->ns[i][n - 1 - beyond] / 1e3;
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
    return 0;
}
