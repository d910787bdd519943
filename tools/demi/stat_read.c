/* SPDX-License-Identifier: MIT */
/* Reading a counter page: see stat_read.h. */
#include "stat_read.h"

#include "../common/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int stat_sample_parse(struct stat_sample *s, const void *page, size_t len, struct error_text *et)
{
    const char *bytes = page;
    struct stat_page head; /* of which only what comes before the values is used */
    const size_t head_bytes = offsetof(struct stat_page, value);

    memset(s, 0, sizeof(*s));
    if (len < head_bytes)
        return error_set(et, EINVAL, "too short for a counter page");
    memcpy(&head, bytes, head_bytes);
    if (head.magic != STAT_MAGIC)
        return error_set(et, EINVAL, "not a counter page, or not written yet");
    if (head.version != STAT_VERSION)
        return error_set(et, EINVAL, "counter page of version %u; this demi reads version %u", head.version,
                         STAT_VERSION);
    if (head.count > STAT_COUNTERS_MAX || head.value_offset > len || head.name_offset > len ||
        (len - head.value_offset) / sizeof(uint64_t) < head.count ||
        (len - head.name_offset) / STAT_NAME_MAX < head.count)
        return error_set(et, EINVAL, "damaged counter page");
    s->counter = calloc(head.count + 1, sizeof(*s->counter));
    if (s->counter == NULL)
        return error_set(et, ENOMEM, "out of memory");
    for (uint32_t i = 0; i < head.count; i++) {
        memcpy(&s->counter[i].value, bytes + head.value_offset + i * sizeof(uint64_t), sizeof(uint64_t));
        text_copy(s->counter[i].name, bytes + head.name_offset + (size_t)i * STAT_NAME_MAX, STAT_NAME_MAX);
    }
    s->count = head.count;
    s->pid = head.pid;
    s->tid = head.tid;
    s->start_unix_ns = head.start_unix_ns;
    text_copy(s->libos, head.libos, sizeof(s->libos));
    text_copy(s->program, head.program, sizeof(s->program));
    return 0;
}

void stat_sample_free(struct stat_sample *s)
{
    free(s->counter);
    s->counter = NULL;
    s->count = 0;
}

uint64_t stat_sample_value(const struct stat_sample *s, const char *name)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (strcmp(s->counter[i].name, name) == 0)
            return s->counter[i].value;
    }
    return 0;
}

bool stat_is_level(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, "_now") == 0;
}
