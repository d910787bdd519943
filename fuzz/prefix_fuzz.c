/* SPDX-License-Identifier: MIT */
/*
 * Lists of addresses with prefixes, and names of libOSes, on arbitrary text: what is accepted holds its own addresses
 * and keeps to its bounds, what is refused says so and names what it is about.
 */
#include "fuzz.h"
#include "libos/prefix.h"
#include "libos/registry.h"

#include <errno.h>

static void try_list(const char *text)
{
    struct prefix_list l;
    char bad[PREFIX_WORD];
    int err = prefix_list_parse(&l, text, bad);

    require(err == 0 || err == -EINVAL || err == -E2BIG);
    require(l.count <= PREFIXES_MAX && (err != -E2BIG || l.count == PREFIXES_MAX));
    if (err == -EINVAL)
        require(memchr(bad, '\0', sizeof(bad)) != NULL && strstr(text, bad) != NULL);
    for (unsigned i = 0; i < l.count; i++) {
        require(l.prefix[i].bits <= 128);
        require(prefix_list_has(&l, &l.prefix[i].addr));
    }
}

static void try_name(const char *text)
{
    struct error_text et = {.text = ""};
    struct libos_choice c;
    int err = libos_find(text, &c, &et);

    require(err == 0 || err == -EINVAL || err == -ENOENT);
    require((err == 0) == (et.text[0] == '\0'));
    if (err != 0)
        return;
    require(c.net != NULL && c.local != c.net && (c.local == NULL || c.local->serves != NULL));
    require(strlen(text) == strlen(c.net->name) + (c.local != NULL ? 1 + strlen(c.local->name) : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    try_list(text);
    try_name(text);
    free(text);
    return 0;
}
