/* SPDX-License-Identifier: MIT */
/*
 * The configuration reader on arbitrary bytes. What it accepts must say the same when it is written out and read again;
 * what it refuses must come with a text that names the file.
 */
#include "core/config.h"
#include "text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    char bytes[CONFIG_FILE_MAX];
    size_t len;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* A key as a line of YAML. */
static void write_key(void *arg, const char *name, const char *value, const char *def, const char *takes,
                      const char *help)
{
    struct text *t = arg;

    require(strlen(takes) > 0 && strlen(help) > 0);
    require(strlen(def) > 0 || strstr(help, "empty:") != NULL); /* what an empty text means is said */
    t->len += (size_t)snprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, "%s: ", name);
    t->len += text_yaml(t->bytes + t->len, sizeof(t->bytes) - t->len, value);
    t->bytes[t->len++] = '\n';
    require(t->len < sizeof(t->bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct text text;
    struct config first, second;
    struct error_text et;
    int ret;

    config_defaults(&first);
    memset(&et, 'x', sizeof(et));
    ret = config_read_text(&first, "name", (const char *)data, size, &et);
    if (ret != 0) {
        require(ret == -EINVAL && memchr(et.text, '\0', sizeof(et.text)) != NULL);
        require(strncmp(et.text, "name:", 5) == 0);
        return 0;
    }
    text.len = 0;
    config_each(&first, write_key, &text);
    config_defaults(&second);
    require(config_read_text(&second, "name", text.bytes, text.len, &et) == 0);
    require(memcmp(&first, &second, sizeof(first)) == 0); /* config_defaults cleared the gaps */
    return 0;
}
