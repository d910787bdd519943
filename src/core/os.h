/* SPDX-License-Identifier: MIT */
/*
 * What the core wants from the machine beneath it: memory, chance, and what an instance sleeps on. os_linux.c and
 * instance_linux.c serve it on Linux; os_nano.c serves it on the nanoPU, which has no kernel.
 */
#ifndef CORE_OS_H
#define CORE_OS_H

#include "base.h"

struct instance;

/* Zeroed memory for a table, taken page by page as it is touched where the machine has pages. NULL: none is left. */
void *os_table_new(size_t bytes);
void os_table_free(void *table, size_t bytes);

/*
 * Zeroed memory for buffers. With shared it can be shown to other processes by the descriptor *fd, which is -1
 * otherwise. NULL: none is left, or it cannot be shared.
 */
void *os_region_new(size_t bytes, bool shared, int *fd);
void os_region_free(void *region, size_t bytes, int fd);

/* Gives the pages of a part of a region back; they read as zeros afterwards. False: they are what they were. */
bool os_region_discard(void *part, size_t bytes, int fd);

/* Fills in what nobody can guess; zeros where the machine has no chance to offer. */
void os_random(void *out, size_t bytes);

/* Who the calling thread is, for the heads of counter pages and trace rings. */
struct os_identity {
    uint32_t pid, tid;
    uint64_t unix_ns;    /* wall clock */
    const char *program; /* static */
};

struct os_identity os_identify(void);

/* Opens what the instance sleeps on and its counter page (and trace ring). Negative errno and a text. */
int os_instance_open(struct instance *inst);
void os_instance_close(struct instance *inst);

#endif /* CORE_OS_H */
