/* SPDX-License-Identifier: MIT */
/* The reader of counter pages on arbitrary bytes: no access outside them, and every name it gives has an end. */
#include "stat_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stat_sample s;
    struct error_text et;

    if (stat_sample_parse(&s, data, size, &et) != 0) {
        require(memchr(et.text, '\0', sizeof(et.text)) != NULL && s.counter == NULL);
        return 0;
    }
    require(strlen(s.libos) < STAT_NAME_MAX && strlen(s.program) < STAT_NAME_MAX);
    for (uint32_t i = 0; i < s.count; i++)
        require(memchr(s.counter[i].name, '\0', STAT_NAME_MAX) != NULL);
    require(stat_sample_value(&s, "a name that is too long to stand in a page") == 0);
    stat_sample_free(&s);
    return 0;
}
