/* SPDX-License-Identifier: MIT */
/* What the files of the target api share: the run's state, and choices that the input makes. */
#ifndef FUZZ_API_FUZZ_H
#define FUZZ_API_FUZZ_H

#include "api_model.h"
#include "fuzz.h"

#include <demi/types.h>
#include <time.h>

#define OBJECTS 24

/* Memory the application owns, or owned: a dead one is kept as a stale name until its place is needed. */
struct object {
    bool live, is_sga;
    demi_sgarray_t sga;
    char *data;
    struct content content;
    unsigned pushes; /* whose results were not taken: it must not be written to */
};

struct timeout {
    struct timespec ts;
    bool null, bad;
};

extern struct model model;
extern struct object objects[OBJECTS];
extern bool up;           /* there is an instance */
extern bool short_memory; /* calls may run out of it */
extern uint32_t sga_limit;
extern uint8_t pattern[PATTERN_BYTES];

/* A call returned what it should, and its text is there. */
#define expect(got, want) expect_at(got, want, #got, __FILE__, __LINE__)
void expect_at(int got, int want, const char *what, const char *file, int line);

int pick_qd(struct input *in);
demi_qtoken_t pick_token(struct input *in);
struct timeout pick_timeout(struct input *in, bool ready);

/* api_memory.c: the application's memory, and what pushes it. */
void call_alloc(struct input *in);
void call_free(struct input *in);
void call_write(struct input *in);
void call_look(struct input *in);
void call_push(struct input *in);
void call_pushv(struct input *in);
void free_object(int i);

/* The push of token t is over for the application: it may write to its buffer. */
void object_pushed(int t);

/* A popped array is the application's from now on. */
void object_popped(const demi_sgarray_t *sga, const struct content *c);

/* api_wait.c: tokens. */
void call_wait(struct input *in);
void call_poll(struct input *in);
void call_wait_any(struct input *in);
void call_next(struct input *in);
void call_wait_all(struct input *in);
void call_cancel(struct input *in);

/* Takes up to n results in order of completion. */
void take_next(int n);

#endif /* FUZZ_API_FUZZ_H */
