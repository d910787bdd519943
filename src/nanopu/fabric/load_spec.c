/* SPDX-License-Identifier: MIT */
/* The text behind `load:`: see load.h. */
#include "load.h"

#include "nanopu/fabric/topology.h"
#include "nanopu/sim/nearest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CYCLES_MAX  UINT64_C(1000000000)
#define TEXT_MAX    128 /* a value, but a path */
#define KEYS_MAX    UINT64_C(1000000000)
#define STARTS_MAX  1024
#define MEAN_PHASES 10000 /* of FIRST:LAST:STEP */

struct reading {
    struct load_spec *spec;
    const char *name;
    struct error_text *et;
};

typedef int set_fn(struct reading *r, const char *value);

static const struct {
    const char *name;
    unsigned starts;
    enum load_context context;
} tests[] = {
#define TEST(name, starts, context) {#name, starts, context},
    LOAD_TESTS(TEST)
#undef TEST
};

static const char *const kinds[] = {
#define KIND(name, help) #name,
    LOAD_KINDS(KIND)
#undef KIND
};

const char *load_test_name(enum load_test test)
{
    return tests[test].name;
}

unsigned load_test_starts(enum load_test test)
{
    return tests[test].starts;
}

enum load_context load_test_context(enum load_test test)
{
    return tests[test].context;
}

static int refuse(struct reading *r, const char *key, const char *value, const char *what)
{
    return error_set(r->et, EINVAL, "%.100s: load: %s takes %s, not \"%.60s\"", r->name, key, what, value);
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out <= max;
}

static int set_test(struct reading *r, const char *value)
{
    for (unsigned i = 0; i < ARRAY_LEN(tests); i++) {
        if (strcmp(tests[i].name, value) == 0) {
            r->spec->test = (enum load_test)i;
            return 0;
        }
    }
    return refuse(r, "test", value, "the name of a published test");
}

static int set_kind(struct reading *r, const char *value)
{
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i], value) == 0) {
            r->spec->kind = (enum load_kind)i;
            return 0;
        }
    }
    return refuse(r, "kind", value, "the name of a kind of request");
}

static int set_service(struct reading *r, const char *value)
{
    struct load_spec *s = r->spec;

    if (strcmp(value, "exp") == 0)
        s->service = LOAD_EXP;
    else if (strcmp(value, "bimodal") == 0)
        s->service = LOAD_BIMODAL;
    else if (strncmp(value, "fixed:", 6) == 0 && number(value + 6, CYCLES_MAX, &s->service_cycles) &&
             s->service_cycles > 0)
        s->service = LOAD_FIXED;
    else
        return refuse(r, "service", value, "fixed:CYCLES, exp or bimodal");
    return 0;
}

static int set_mean(struct reading *r, const char *value)
{
    struct load_spec *s = r->spec;
    uint64_t part[3] = {0, 0, 1};
    unsigned parts = 0;
    char copy[TEXT_MAX], *save = NULL;

    memcpy(copy, value, strlen(value) + 1);
    for (char *t = strtok_r(copy, ":", &save); t != NULL; t = strtok_r(NULL, ":", &save)) {
        if (parts == 3 || !number(t, CYCLES_MAX, &part[parts]) || part[parts] == 0)
            return refuse(r, "mean", value, "CYCLES or FIRST:LAST:STEP");
        parts++;
    }
    if (parts == 1)
        part[1] = part[0];
    if (parts == 0 || parts == 2 || part[1] > part[0] || (part[0] - part[1]) / part[2] >= MEAN_PHASES)
        return refuse(r, "mean", value, "CYCLES or FIRST:LAST:STEP");
    s->mean_first = part[0];
    s->mean_last = part[1];
    s->mean_step = part[2];
    return 0;
}

static int set_arrivals(struct reading *r, const char *value)
{
    if (strcmp(value, "exp") != 0 && strcmp(value, "fixed") != 0)
        return refuse(r, "arrivals", value, "exp or fixed");
    r->spec->arrivals_fixed = value[0] == 'f';
    return 0;
}

static int set_count(struct reading *r, const char *value)
{
    return number(value, LOAD_COUNT_MAX, &r->spec->count) && r->spec->count > 0
               ? 0
               : refuse(r, "count", value, "a number from 1 to 10000000");
}

static int set_seed(struct reading *r, const char *value)
{
    return number(value, UINT64_MAX, &r->spec->seed) ? 0 : refuse(r, "seed", value, "a number");
}

static int set_keys(struct reading *r, const char *value)
{
    return number(value, KEYS_MAX, &r->spec->keys) && r->spec->keys >= 5
               ? 0
               : refuse(r, "keys", value, "a number from 5 to 1000000000");
}

static int set_bytes(struct reading *r, const char *value)
{
    uint64_t *bytes = &r->spec->bytes;

    return number(value, SEGMENT_BYTES, bytes) && *bytes >= 16 && *bytes % 8 == 0
               ? 0
               : refuse(r, "bytes", value, "a multiple of 8 from 16 to 1024");
}

static int set_target(struct reading *r, const char *value)
{
    return ip_parse(value, &r->spec->target) == 0 ? 0 : refuse(r, "target", value, "an address like 10.0.0.2");
}

static int set_starts(struct reading *r, const char *value)
{
    uint64_t starts;

    if (!number(value, STARTS_MAX, &starts))
        return refuse(r, "starts", value, "a number from 0 to 1024");
    r->spec->starts = (unsigned)starts;
    return 0;
}

static int set_acks(struct reading *r, const char *value)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return refuse(r, "acks", value, "yes or no");
    r->spec->silent = value[0] == 'n';
    return 0;
}

static int set_time(struct reading *r, const char *value)
{
    if (strcmp(value, "iterations") != 0 && strcmp(value, "exact") != 0)
        return refuse(r, "time", value, "iterations or exact");
    r->spec->time = value[0] == 'i' ? LOAD_ITERATIONS : LOAD_EXACT;
    return 0;
}

static int set_path(struct reading *r, const char *key, const char *value, char *path)
{
    if (value[0] == '\0')
        return refuse(r, key, value, "a path of at most 255 characters");
    memcpy(path, value, strlen(value) + 1);
    return 0;
}

static int set_log(struct reading *r, const char *value)
{
    return set_path(r, "log", value, r->spec->log);
}

static int set_csv(struct reading *r, const char *value)
{
    return set_path(r, "csv", value, r->spec->csv);
}

static int set_json(struct reading *r, const char *value)
{
    return set_path(r, "json", value, r->spec->json);
}

static const struct {
    const char *name;
    set_fn *set;
} keys[] = {
#define KEY(name, help) {#name, set_##name},
    LOAD_KEYS(KEY)
#undef KEY
};

static bool takes_path(set_fn *set)
{
    return set == set_log || set == set_csv || set == set_json;
}

static int set_pair(struct reading *r, const char *key, const char *value)
{
    struct nearest n;

    nearest_start(&n, key);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, key) != 0) {
            nearest_try(&n, keys[i].name);
            continue;
        }
        if (strlen(value) >= (takes_path(keys[i].set) ? LOAD_PATH_MAX : TEXT_MAX))
            return refuse(r, key, value, "less text");
        return keys[i].set(r, value);
    }
    return error_set(r->et, EINVAL, "%.100s: load: there is no key \"%.60s\"; the nearest is \"%s\"", r->name, key,
                     n.best != NULL ? n.best : keys[0].name);
}

static int parse_pairs(struct reading *r, char *text)
{
    char *save = NULL;
    int ret = 0;

    for (char *pair = strtok_r(text, ",", &save); pair != NULL && ret == 0; pair = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(pair, '=');

        if (equals == NULL)
            return error_set(r->et, EINVAL, "%.100s: load: KEY=VALUE is expected, not \"%.60s\"", r->name, pair);
        *equals = '\0';
        ret = set_pair(r, pair, equals + 1);
    }
    return ret;
}

/* As published. */
static uint64_t keys_of_kind(enum load_kind kind)
{
    switch (kind) {
    case LOAD_rdma:
        return 400000;
    case LOAD_intersect:
        return 200;
    case LOAD_dot:
        return 2000;
    default:
        return 10000;
    }
}

int load_spec_parse(struct load_spec *spec, const char *name, const char *text, struct error_text *et)
{
    struct reading r = {.spec = spec, .name = name, .et = et};
    char *copy = strdup(text);
    int ret;

    if (copy == NULL)
        return error_set(et, ENOMEM, "out of memory");
    *spec = (struct load_spec){.service_cycles = 500,
                               .mean_first = 3200,
                               .mean_last = 3200,
                               .mean_step = 1,
                               .count = 20000,
                               .seed = 1,
                               .bytes = 16,
                               .target = IP_FIRST_HOST,
                               .starts = STARTS_MAX + 1};
    ret = parse_pairs(&r, copy);
    free(copy);
    if (spec->starts > STARTS_MAX)
        spec->starts = load_test_starts(spec->test);
    if (spec->keys == 0)
        spec->keys = keys_of_kind(spec->kind);
    return ret;
}
