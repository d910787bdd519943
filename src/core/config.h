/* SPDX-License-Identifier: MIT */
/*
 * Settings: defaults, then the YAML file (one mapping of key: value), then environment variables named like the keys in
 * upper case. The list of keys is src/core/config_keys.h; nothing else names them.
 */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "base.h"
#include "config_keys.h"
#include "error.h"

#define CONFIG_STR_MAX  256   /* longest string value, with its end */
#define CONFIG_FILE_MAX 65536 /* longest file, in bytes */

/*
 * Types of a value in the list: UINT (decimal, with an optional suffix k, m or g for 2^10, 2^20, 2^30), BOOL (true,
 * yes, on, 1 or false, no, off, 0), ENUM (one of the words), STR (shorter than CONFIG_STR_MAX).
 */
struct config {
#define CONFIG_UINT(name, def, min, max, help) uint64_t name;
#define CONFIG_BOOL(name, def, help)           bool name;
#define CONFIG_ENUM(name, def, words, help)    unsigned name;
#define CONFIG_STR(name, def, help)            char name[CONFIG_STR_MAX];
    CONFIG_KEYS(CONFIG_UINT, CONFIG_BOOL, CONFIG_ENUM, CONFIG_STR)
#undef CONFIG_UINT
#undef CONFIG_BOOL
#undef CONFIG_ENUM
#undef CONFIG_STR
};

void config_defaults(struct config *c);

/*
 * Reads the file at path over c. Negative errno and a text "file:line: key: message": -ENOENT, -EACCES, ... unreadable;
 * -EINVAL not YAML, not one flat mapping of plain values (anchors, aliases, tags and further documents are refused),
 * unknown key (the nearest known one is named), key twice, bad value, longer than CONFIG_FILE_MAX; -ENOMEM. c is then
 * unspecified. A file without any setting is fine.
 */
int config_read_file(struct config *c, const char *path, struct error_text *et);

/* The same for a text in memory; name stands for the file in messages. */
int config_read_text(struct config *c, const char *name, const char *text, size_t len, struct error_text *et);

/*
 * Lays the environment over c. -EINVAL with the variable's name and what it takes. An empty variable counts as not set,
 * except for a STR, which it empties.
 */
int config_read_env(struct config *c, struct error_text *et);

/*
 * For help texts and tests: calls fn for every key, in the order of the list, with its name, current value as text,
 * default, what it takes, help. The strings are valid during the call.
 */
typedef void config_key_fn(void *arg, const char *name, const char *value, const char *def, const char *takes,
                           const char *help);
void config_each(const struct config *c, config_key_fn *fn, void *arg);

#endif /* CORE_CONFIG_H */
