/* SPDX-License-Identifier: MIT */
/* Parameters by name: see params.h. */
#include "params.h"

#include "nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IP_PROTOCOL_OSDI21 153 /* of a profile that has one transport */

const struct param_info param_list[] = {
#define INFO(name, osdi21, homa, low, high, help) {#name, help, osdi21, homa, low, high, offsetof(struct params, name)},
    NANOPU_PARAMS(INFO)
#undef INFO
};
const size_t param_list_len = ARRAY_LEN(param_list);

#define DEFAULT_IN_BOUNDS(name, osdi21, homa, low, high, help)                                                         \
    _Static_assert((osdi21) >= (low) && (osdi21) <= (high) && (homa) >= (low) && (homa) <= (high), #name);
NANOPU_PARAMS(DEFAULT_IN_BOUNDS)
#undef DEFAULT_IN_BOUNDS

/* Other words for values. An empty key: for every parameter that is a flag. */
static const struct {
    const char *key, *word;
    int64_t value;
} words[] = {
    {"", "off", 0}, {"", "on", 1},           {"", "false", 0},         {"", "true", 1},         {"", "no", 0},
    {"", "yes", 1}, {"transport", "ndp", 0}, {"transport", "homa", 1}, {"nic", "registers", 0}, {"nic", "rings", 1},
};

static int64_t *value_at(struct params *p, const struct param_info *info)
{
    return (int64_t *)(void *)((char *)p + info->offset);
}

int64_t params_get(const struct params *p, const struct param_info *info)
{
    return *(const int64_t *)(const void *)((const char *)p + info->offset);
}

int params_profile(struct params *p, const char *profile)
{
    bool homa = strcmp(profile, "homa") == 0;

    if (!homa && strcmp(profile, "osdi21") != 0)
        return -ENOENT;
    for (size_t i = 0; i < param_list_len; i++)
        *value_at(p, &param_list[i]) = homa ? param_list[i].homa : param_list[i].osdi21;
    p->profile = homa ? "homa" : "osdi21";
    return 0;
}

const struct transport *params_transport(const struct params *p)
{
    return p->transport != 0 ? &homa_transport : &ndp_transport;
}

uint8_t params_ip_protocol(const struct params *p)
{
    if (p->ip_protocol != 0)
        return (uint8_t)p->ip_protocol;
    return strcmp(p->profile, "homa") == 0 ? params_transport(p)->ip_protocol : IP_PROTOCOL_OSDI21;
}

static const struct param_info *find(const char *key, const char **nearest)
{
    struct nearest n;

    nearest_start(&n, key);
    for (size_t i = 0; i < param_list_len; i++) {
        if (strcmp(param_list[i].key, key) == 0)
            return &param_list[i];
        nearest_try(&n, param_list[i].key);
    }
    if (nearest != NULL)
        *nearest = n.best;
    return NULL;
}

/* 0: text is a word for a value of info. */
static int parse_word(const struct param_info *info, const char *text, int64_t *value)
{
    bool flag =
        info->low == 0 && info->high == 1 && strcmp(info->key, "transport") != 0 && strcmp(info->key, "nic") != 0;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        bool fits = words[i].key[0] == '\0' ? flag : strcmp(words[i].key, info->key) == 0;

        if (fits && strcasecmp(words[i].word, text) == 0) {
            *value = words[i].value;
            return 0;
        }
    }
    return -EINVAL;
}

int params_set(struct params *p, const char *key, const char *text, const char **nearest)
{
    const struct param_info *info = find(key, nearest);
    int64_t value;
    char *end;

    if (info == NULL)
        return -ENOENT;
    if (parse_word(info, text, &value) != 0) {
        if (text[0] < '0' || text[0] > '9')
            return text[0] == '-' && text[1] >= '0' && text[1] <= '9' ? -ERANGE : -EINVAL;
        errno = 0;
        value = strtoll(text, &end, 10);
        if (*end != '\0')
            return -EINVAL;
        if (errno == ERANGE || value < info->low || value > info->high)
            return -ERANGE;
    }
    *value_at(p, info) = value;
    return 0;
}
