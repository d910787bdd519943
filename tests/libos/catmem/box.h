/* SPDX-License-Identifier: MIT */
/* What catmem's tests share beside the rig: a look inside a connection, and child processes that are peers. */
#ifndef TESTS_CATMEM_BOX_H
#define TESTS_CATMEM_BOX_H

#include "api/rig.h"
#include "libos/catmem/catmem.h"

#include <stdatomic.h>
#include <sys/types.h>

#define BOX_COUNT(name) (rig_instance()->stat->value[CTR_##name])

/* The connection of a connected queue of this thread. */
struct conn *box_conn(int qd);

/* Some turns of this thread's instance, the clock included. */
void box_turns(unsigned n);

/* Runs the instance until *flag is at least value. Fails after RIG_MS. */
void box_await(const atomic_uint *flag, unsigned value);

/* Runs the instance until *value is at least least. Fails after RIG_MS. */
void box_until(const uint64_t *value, uint64_t least);

/* Are all connections freed, with every peer's memory unmapped? Runs the instance for a while. */
bool box_empty(void);

/* Shared by a test and its children. */
struct box {
    atomic_uint port;    /* of the listener */
    atomic_uint step;    /* how far the child is */
    atomic_uint go;      /* how far it may go */
    atomic_ullong count; /* whatever is counted */
};
struct box *box_new(void);
void box_free(struct box *b);

/*
 * A child process that runs body with descriptors above 2 closed, so that it keeps no socket of its parent's open, and
 * with an instance of its own; its status is 0 unless something it must do fails.
 */
typedef void box_body(struct box *b, unsigned arg);
pid_t box_child(box_body *body, struct box *b, unsigned arg);
int box_join(pid_t child); /* its status */
void box_kill(pid_t child);

/* For children, where an assertion of cmocka would run the rest of the tests twice. */
#define MUST(x) ((x) ? (void)0 : box_die(__FILE__, __LINE__, #x))
void box_die(const char *file, int line, const char *what) __attribute__((noreturn));
demi_qresult_t box_wait(demi_qtoken_t qt); /* any result */
demi_qresult_t box_done(demi_qtoken_t qt); /* must have succeeded */
int box_listen(struct box *b);             /* at a free port, which b says from then on */
int box_accept(int listener);
int box_connect(struct box *b); /* to the port b says, when it says one */
demi_sgarray_t box_pop(int qd);
void box_push(int qd, demi_sgarray_t *sga); /* pushes, waits, frees */
void box_give(int qd, demi_sgarray_t *sga); /* pushes, frees, waits */
void box_echo(int qd);                      /* until the end of the stream or a reset */
demi_sgarray_t box_fill(size_t size, unsigned seed);

#endif /* TESTS_CATMEM_BOX_H */
