/* SPDX-License-Identifier: MIT */
/*
 * The format wants its lines in the order of cycles, and instructions overlap: what comes later than the next
 * instruction can begin is kept back. At most as many instructions overlap as there are stages and cycles of fetch.
 */
#include "nanopu/view/konata.h"

#include "nanopu/hart/dis.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KONATA_FETCH   2 /* cycles of fetch before decode */
#define KONATA_BEHIND  3 /* from the end of decode to commit */
#define KONATA_STEPS   5 /* of an instruction that are kept back: D, X, M, W, and its end */
#define KONATA_WAITING 64

struct konata_step {
    uint64_t cycle, id;
    char stage; /* 'R': retires */
};

struct konata {
    struct probe probe;
    FILE *file;
    char *path;
    uint32_t hart;
    uint64_t cycle; /* the file is at */
    uint64_t fetched, id, retired;
    struct konata_step steps[KONATA_WAITING]; /* in the order of cycles */
    unsigned waiting;
    bool begun;
};

static void konata_at(struct konata *k, uint64_t cycle)
{
    if (!k->begun)
        fprintf(k->file, "Kanata\t0004\nC=\t%" PRIu64 "\n", cycle);
    else if (cycle > k->cycle)
        fprintf(k->file, "C\t%" PRIu64 "\n", cycle - k->cycle);
    k->cycle = cycle;
    k->begun = true;
}

static void konata_write(struct konata *k, const struct konata_step *s)
{
    konata_at(k, s->cycle);
    if (s->stage == 'R')
        fprintf(k->file, "R\t%" PRIu64 "\t%" PRIu64 "\t0\n", s->id, k->retired++);
    else
        fprintf(k->file, "S\t%" PRIu64 "\t0\t%c\n", s->id, s->stage);
}

/* Writes what happened up to a cycle. */
static void konata_flush(struct konata *k, uint64_t until)
{
    unsigned n = 0;

    while (n < k->waiting && k->steps[n].cycle <= until)
        konata_write(k, &k->steps[n++]);
    k->waiting -= n;
    memmove(k->steps, k->steps + n, k->waiting * sizeof k->steps[0]);
}

static void konata_add(struct konata *k, uint64_t cycle, char stage)
{
    unsigned i = k->waiting++;

    for (; i > 0 && k->steps[i - 1].cycle > cycle; i--)
        k->steps[i] = k->steps[i - 1];
    k->steps[i] = (struct konata_step){.cycle = cycle, .id = k->id, .stage = stage};
}

static uint64_t konata_before(uint64_t cycle, uint64_t cycles)
{
    return cycle > cycles ? cycle - cycles : 0;
}

/* An instruction that is in decode from `decode` on and commits at `commit`. */
static void konata_insn(struct konata *k, const struct probe_event *e)
{
    uint64_t execute = konata_before(e->cycle, KONATA_BEHIND - 1), decode = e->c < execute ? e->c : execute;
    uint64_t fetch = konata_before(decode, KONATA_FETCH);
    char text[DIS_TEXT_MAX];

    if (fetch < k->fetched) /* the hart's clock never goes back, but decode of one can overlap that of the next */
        fetch = k->fetched;
    k->fetched = fetch;
    konata_flush(k, fetch);
    assert(k->waiting + KONATA_STEPS <= KONATA_WAITING);
    konata_at(k, fetch);
    dis_insn(text, sizeof text, e->a, (uint32_t)e->b);
    fprintf(k->file,
            "I\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu32 "\nL\t%" PRIu64 "\t0\t%" PRIx64 ": %s\nS\t%" PRIu64 "\t0\tF\n",
            k->id, k->id, k->hart, k->id, e->a, text, k->id);
    konata_add(k, decode, 'D');
    konata_add(k, execute, 'X');
    konata_add(k, execute + 1, 'M');
    konata_add(k, execute + 2, 'W');
    konata_add(k, execute + 3, 'R');
    k->id++;
}

static void konata_event(void *arg, const struct probe_event *e)
{
    struct konata *k = arg;

    if (e->unit == k->hart)
        konata_insn(k, e);
}

int konata_open(struct konata **out, const char *path, uint32_t hart, struct error_text *et)
{
    struct konata *k = calloc(1, sizeof *k);

    *out = NULL;
    if (k != NULL)
        k->path = strdup(path);
    if (k == NULL || k->path == NULL) {
        free(k);
        return error_set(et, ENOMEM, "out of memory");
    }
    k->file = fopen(path, "w");
    if (k->file == NULL) {
        int err = errno;

        free(k->path);
        free(k);
        return error_set(et, err, "%s: %s", path, strerror(err));
    }
    k->hart = hart;
    k->probe = (struct probe){.wanted = 1u << PROBE_insn, .event = konata_event, .arg = k};
    *out = k;
    return 0;
}

struct probe *konata_probe(struct konata *k)
{
    return &k->probe;
}

int konata_close(struct konata *k, struct error_text *et)
{
    int ret = 0;

    if (k == NULL)
        return 0;
    konata_flush(k, UINT64_MAX);
    if (ferror(k->file) != 0)
        ret = error_set(et, EIO, "%s: not all could be written", k->path);
    if (fclose(k->file) != 0 && ret == 0)
        ret = error_set(et, errno, "%s: %s", k->path, strerror(errno));
    free(k->path);
    free(k);
    return ret;
}
