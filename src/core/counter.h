/* SPDX-License-Identifier: MIT */
/*
 * Counters: plain 64-bit words in a page that other processes may read. Each is written by the instance's thread only.
 *
 * The page is a file in the run directory, mapped shared, so that `demi stat` sees it live and a crash leaves it
 * behind.
 */
#ifndef CORE_COUNTER_H
#define CORE_COUNTER_H

#include "base.h"
#include "counters.h"

enum counter {
#define COUNTER(name, help) CTR_##name,
    COUNTER_LIST(COUNTER)
#undef COUNTER
        COUNTER_MAX
};

#define STAT_MAGIC    UINT64_C(0x0031746174736363) /* "ccstat1" */
#define STAT_VERSION  1
#define STAT_NAME_MAX 32
#define STAT_SLOTS    ((COUNTER_MAX + 7) / 8 * 8) /* whole cache lines */

/*
 * The page. A reader checks magic and version; how many counters there are, where they lie and what they are called
 * travels with the page, so that a reader of another build still works. Counters whose name ends in "_now" are levels.
 */
struct stat_page {
    uint64_t magic;
    uint32_t version;
    uint32_t pid;
    uint32_t tid;
    uint32_t count;         /* counters that follow */
    uint32_t value_offset;  /* bytes from the start of the page to the values */
    uint32_t name_offset;   /* and to their names, STAT_NAME_MAX bytes each */
    uint64_t start_unix_ns; /* when the instance was made */
    char libos[STAT_NAME_MAX];
    char program[STAT_NAME_MAX];
    _Alignas(CACHE_LINE) uint64_t value[STAT_SLOTS];
    char name[STAT_SLOTS][STAT_NAME_MAX];
};

const char *counter_name(enum counter c);
const char *counter_help(enum counter c);

/* Fills the header and the names of a zeroed page that belongs to the calling thread. Longer names are cut. */
void stat_page_init(struct stat_page *p, const char *libos, const char *program);

#endif /* CORE_COUNTER_H */
