/* SPDX-License-Identifier: MIT */
/* Reading a counter page: bytes in, checked numbers out. */
#ifndef DEMI_STAT_READ_H
#define DEMI_STAT_READ_H

#include "core/counter.h"
#include "core/error.h"

#define STAT_PAGE_MAX     (1 << 20) /* longest page that is read */
#define STAT_COUNTERS_MAX 1024

struct stat_counter {
    char name[STAT_NAME_MAX];
    uint64_t value;
};

struct stat_sample {
    uint32_t pid, tid;
    uint64_t start_unix_ns;
    char libos[STAT_NAME_MAX], program[STAT_NAME_MAX];
    uint32_t count;
    struct stat_counter *counter; /* count of them; freed by stat_sample_free */
};

/* Takes a page apart, whichever build wrote it. -EINVAL: not a page, or one of another version; -ENOMEM. */
int stat_sample_parse(struct stat_sample *s, const void *page, size_t len, struct error_text *et);
void stat_sample_free(struct stat_sample *s);

/* Value of a counter, 0 when the page has none of that name. */
uint64_t stat_sample_value(const struct stat_sample *s, const char *name);

/* Counters that go up and down. */
bool stat_is_level(const char *name);

#endif /* DEMI_STAT_READ_H */
