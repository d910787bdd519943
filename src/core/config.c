/* SPDX-License-Identifier: MIT */
/* Settings and their checks: see config.h. The YAML file's structure is read in config_yaml.c. */
#include "config.h"

#include "config_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_CHARS  64 /* longer unknown keys are not compared */
#define TEXT_MAX_CHARS  256
#define READABLE_DIGITS 10000000 /* numbers below this are easier to read as they are */

enum key_type { KEY_UINT, KEY_BOOL, KEY_ENUM, KEY_STR };

struct key {
    const char *name;
    enum key_type type;
    size_t offset;     /* in struct config */
    uint64_t def;      /* UINT, BOOL, ENUM */
    uint64_t min, max; /* UINT */
    const char *words; /* ENUM: the words; STR: the default */
    const char *help;
};

static const struct key keys[] = {
#define KEY_UINT(name, def, min, max, help) {#name, KEY_UINT, offsetof(struct config, name), def, min, max, "", help},
#define KEY_BOOL(name, def, help)           {#name, KEY_BOOL, offsetof(struct config, name), def, 0, 1, "", help},
#define KEY_ENUM(name, def, words, help)    {#name, KEY_ENUM, offsetof(struct config, name), def, 0, 0, words, help},
#define KEY_STR(name, def, help)            {#name, KEY_STR, offsetof(struct config, name), 0, 0, 0, def, help},
    CONFIG_KEYS(KEY_UINT, KEY_BOOL, KEY_ENUM, KEY_STR)
#undef KEY_UINT
#undef KEY_BOOL
#undef KEY_ENUM
#undef KEY_STR
};

_Static_assert(ARRAY_LEN(keys) <= CONFIG_KEYS_MAX, "config_seen has a bit for each key");

static uint64_t *uint_at(const struct config *c, const struct key *k)
{
    return (uint64_t *)(void *)((char *)(uintptr_t)c + k->offset);
}

static bool *bool_at(const struct config *c, const struct key *k)
{
    return (bool *)(void *)((char *)(uintptr_t)c + k->offset);
}

static unsigned *enum_at(const struct config *c, const struct key *k)
{
    return (unsigned *)(void *)((char *)(uintptr_t)c + k->offset);
}

static char *str_at(const struct config *c, const struct key *k)
{
    return (char *)(uintptr_t)c + k->offset;
}

void config_defaults(struct config *c)
{
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct key *k = &keys[i];

        switch (k->type) {
        case KEY_UINT:
            *uint_at(c, k) = k->def;
            break;
        case KEY_BOOL:
            *bool_at(c, k) = k->def != 0;
            break;
        case KEY_ENUM:
            *enum_at(c, k) = (unsigned)k->def;
            break;
        case KEY_STR:
            snprintf(str_at(c, k), CONFIG_STR_MAX, "%s", k->words);
            break;
        }
    }
}

/* Decimal digits with an optional suffix. -EINVAL: not that; -ERANGE: over 64 bits. */
static int parse_uint(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    unsigned shift = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return -ERANGE;
    }
    if (p == text)
        return -EINVAL;
    switch (*p) {
    case '\0':
        break;
    case 'k':
    case 'K':
        shift = 10;
        break;
    case 'm':
    case 'M':
        shift = 20;
        break;
    case 'g':
    case 'G':
        shift = 30;
        break;
    default:
        return -EINVAL;
    }
    if (shift != 0 && p[1] != '\0')
        return -EINVAL;
    if (shift != 0 && value > UINT64_MAX >> shift)
        return -ERANGE;
    *out = value << shift;
    return 0;
}

static int parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2 != 0;
            return 0;
        }
    }
    return -EINVAL;
}

/* Place of text among words joined by '|', -EINVAL when it is none of them. */
static int parse_enum(const char *text, const char *words)
{
    size_t len = strlen(text);
    int at = 0;

    for (const char *w = words; w != NULL; at++) {
        const char *end = strchr(w, '|');

        if ((end != NULL ? (size_t)(end - w) : strlen(w)) == len && memcmp(w, text, len) == 0)
            return at;
        w = end != NULL ? end + 1 : NULL;
    }
    return -EINVAL;
}

/* A number as it would be written: large ones with a suffix where that is exact. */
static void uint_text(uint64_t value, char *buf, size_t size)
{
    static const char *const suffix[] = {"", "k", "m", "g"};
    unsigned steps = 0;

    if (value >= READABLE_DIGITS) {
        while (steps < 3 && value % 1024 == 0) {
            value /= 1024;
            steps++;
        }
    }
    snprintf(buf, size, "%" PRIu64 "%s", value, suffix[steps]);
}

/* What a key takes, in words. */
static void takes_text(const struct key *k, char *buf, size_t size)
{
    char min[24], max[24];

    switch (k->type) {
    case KEY_UINT:
        uint_text(k->min, min, sizeof(min));
        uint_text(k->max, max, sizeof(max));
        snprintf(buf, size, "%s to %s", min, max);
        break;
    case KEY_BOOL:
        snprintf(buf, size, "true|false");
        break;
    case KEY_ENUM:
        snprintf(buf, size, "%s", k->words);
        break;
    case KEY_STR:
        snprintf(buf, size, "text of up to %d bytes", CONFIG_STR_MAX - 1);
        break;
    }
}

static int bad_value(const struct config_place *at, const struct key *k, const char *text, const char *why,
                     struct error_text *et)
{
    char takes[TEXT_MAX_CHARS];

    takes_text(k, takes, sizeof(takes));
    return error_set(et, EINVAL, "%s%s: \"%.80s\" %s; it takes %s", at->where, at->key, text, why, takes);
}

static int set_key(struct config *c, const struct key *k, const char *text, const struct config_place *at,
                   struct error_text *et)
{
    uint64_t value = 0;
    int ret;

    switch (k->type) {
    case KEY_UINT:
        ret = parse_uint(text, &value);
        if (ret == -EINVAL)
            return bad_value(at, k, text, "is not a number", et);
        if (ret != 0 || value < k->min || value > k->max)
            return bad_value(at, k, text, "is out of range", et);
        *uint_at(c, k) = value;
        return 0;
    case KEY_BOOL:
        if (parse_bool(text, bool_at(c, k)) != 0)
            return bad_value(at, k, text, "is neither true nor false", et);
        return 0;
    case KEY_ENUM:
        ret = parse_enum(text, k->words);
        if (ret < 0)
            return bad_value(at, k, text, "is not one of its words", et);
        *enum_at(c, k) = (unsigned)ret;
        return 0;
    case KEY_STR:
        if (strlen(text) >= CONFIG_STR_MAX)
            return bad_value(at, k, text, "is too long", et);
        memcpy(str_at(c, k), text, strlen(text) + 1);
        return 0;
    }
    return -EINVAL;
}

static char fold(char ch)
{
    if (ch >= 'A' && ch <= 'Z')
        return (char)(ch - 'A' + 'a');
    return ch == '-' ? '_' : ch;
}

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; case and '-' for '_' cost nothing. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[3][NAME_MAX_CHARS + 1];
    size_t la = strlen(a), lb = strlen(b);

    assert(lb <= NAME_MAX_CHARS);
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *cur = row[i % 3];
        const unsigned *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];

        cur[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = prev[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));

            if (prev[j] + 1 < best)
                best = prev[j] + 1;
            if (cur[j - 1] + 1 < best)
                best = cur[j - 1] + 1;
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
                prev2[j - 2] + 1 < best)
                best = prev2[j - 2] + 1;
            cur[j] = best;
        }
    }
    return row[la % 3][lb];
}

static int unknown_key(const struct config_place *at, struct error_text *et)
{
    unsigned distance, least = UINT32_MAX;
    const char *nearest = keys[0].name;
    size_t len = strlen(at->key);

    if (len > NAME_MAX_CHARS)
        return error_set(et, EINVAL, "%s%.80s...: unknown key", at->where, at->key);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        distance = edit_distance(at->key, keys[i].name);
        if (distance < least) {
            least = distance;
            nearest = keys[i].name;
        }
    }
    return error_set(et, EINVAL,
                     least <= 1 + len / 3 ? "%s%s: unknown key; did you mean \"%s\"?"
                                          : "%s%s: unknown key; the nearest there is, is \"%s\"",
                     at->where, at->key, nearest);
}

int config_set(struct config *c, config_seen *seen, const char *value, const struct config_place *at,
               struct error_text *et)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, at->key) != 0)
            continue;
        if ((*seen & (config_seen)1 << i) != 0)
            return error_set(et, EINVAL, "%s%s: key set a second time", at->where, at->key);
        *seen |= (config_seen)1 << i;
        return set_key(c, &keys[i], value, at, et);
    }
    return unknown_key(at, et);
}

int config_read_env(struct config *c, struct error_text *et)
{
    char variable[NAME_MAX_CHARS];
    struct config_place at = {.where = "environment: ", .key = variable};
    const char *value;
    int ret;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        size_t len = strlen(keys[i].name);

        assert(len < sizeof(variable));
        for (size_t j = 0; j <= len; j++) {
            char ch = keys[i].name[j];

            variable[j] = ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
        }
        value = getenv(variable);
        if (value == NULL || (value[0] == '\0' && keys[i].type != KEY_STR))
            continue;
        ret = set_key(c, &keys[i], value, &at, et);
        if (ret != 0)
            return ret;
    }
    return 0;
}

/* Text of an enumeration's n-th word. */
static void word_text(const char *words, unsigned n, char *buf, size_t size)
{
    for (; n > 0; n--) {
        words = strchr(words, '|');
        if (words == NULL) {
            snprintf(buf, size, "?");
            return;
        }
        words++;
    }
    snprintf(buf, size, "%.*s", (int)strcspn(words, "|"), words);
}

static void value_text(const struct config *c, const struct key *k, char *buf, size_t size)
{
    switch (k->type) {
    case KEY_UINT:
        uint_text(*uint_at(c, k), buf, size);
        break;
    case KEY_BOOL:
        snprintf(buf, size, "%s", *bool_at(c, k) ? "true" : "false");
        break;
    case KEY_ENUM:
        word_text(k->words, *enum_at(c, k), buf, size);
        break;
    case KEY_STR:
        snprintf(buf, size, "%s", str_at(c, k));
        break;
    }
}

void config_each(const struct config *c, config_key_fn *fn, void *arg)
{
    char value[CONFIG_STR_MAX], def[CONFIG_STR_MAX], takes[TEXT_MAX_CHARS];
    struct config defaults;

    config_defaults(&defaults);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        value_text(c, &keys[i], value, sizeof(value));
        value_text(&defaults, &keys[i], def, sizeof(def));
        takes_text(&keys[i], takes, sizeof(takes));
        fn(arg, keys[i].name, value, def, takes, keys[i].help);
    }
}
