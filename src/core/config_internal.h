/* SPDX-License-Identifier: MIT */
/* Between the two files of the configuration: the YAML reader finds names and values, config.c judges them. */
#ifndef CORE_CONFIG_INTERNAL_H
#define CORE_CONFIG_INTERNAL_H

#include "config.h"

/* One bit for each key that a file has set. */
#define CONFIG_KEYS_MAX 64
typedef uint64_t config_seen;

/* Where a setting stands, for messages: "file:line: " or "environment: ", and its name. */
struct config_place {
    const char *where;
    const char *key;
};

/* Sets the key at->key to what value says. -EINVAL: unknown, already in *seen, or a bad value. */
int config_set(struct config *c, config_seen *seen, const char *value, const struct config_place *at,
               struct error_text *et);

#endif /* CORE_CONFIG_INTERNAL_H */
