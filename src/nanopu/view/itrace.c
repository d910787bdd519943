/* SPDX-License-Identifier: MIT */
#include "nanopu/view/itrace.h"

#include "nanopu/hart/dis.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct itrace {
    struct probe probe;
    FILE *file;
    char *path;
    bool open; /* a line waits for what its instruction wrote */
};

static void itrace_line(struct itrace *t)
{
    if (t->open)
        putc('\n', t->file);
    t->open = false;
}

static void itrace_event(void *arg, const struct probe_event *e)
{
    struct itrace *t = arg;
    char text[DIS_TEXT_MAX];

    switch (e->kind) {
    case PROBE_insn:
        itrace_line(t);
        dis_insn(text, sizeof text, e->a, (uint32_t)e->b);
        fprintf(t->file, "%" PRIu64 " %" PRIu32 " %016" PRIx64 " %0*" PRIx64 " %s", e->cycle, e->unit, e->a,
                (e->b & 3) == 3 ? 8 : 4, e->b, text);
        t->open = true;
        break;
    case PROBE_reg:
        fprintf(t->file, "  %s=%016" PRIx64, reg_name((unsigned)e->a), e->b);
        break;
    case PROBE_trap:
        itrace_line(t);
        fprintf(t->file, "%" PRIu64 " %" PRIu32 " %016" PRIx64 " trap mcause=%016" PRIx64 " mtval=%016" PRIx64 "\n",
                e->cycle, e->unit, e->a, e->b, e->c);
        break;
    default:
        break;
    }
}

int itrace_open(struct itrace **out, const char *path, struct error_text *et)
{
    struct itrace *t = calloc(1, sizeof *t);

    *out = NULL;
    if (t != NULL)
        t->path = strdup(path);
    if (t == NULL || t->path == NULL) {
        free(t);
        return error_set(et, ENOMEM, "out of memory");
    }
    t->file = fopen(path, "w");
    if (t->file == NULL) {
        int err = errno;

        free(t->path);
        free(t);
        return error_set(et, err, "%s: %s", path, strerror(err));
    }
    t->probe = (struct probe){
        .wanted = 1u << PROBE_insn | 1u << PROBE_reg | 1u << PROBE_trap, .event = itrace_event, .arg = t};
    *out = t;
    return 0;
}

struct probe *itrace_probe(struct itrace *t)
{
    return &t->probe;
}

int itrace_close(struct itrace *t, struct error_text *et)
{
    int ret = 0;

    if (t == NULL)
        return 0;
    itrace_line(t);
    if (ferror(t->file) != 0)
        ret = error_set(et, EIO, "%s: not all could be written", t->path);
    if (fclose(t->file) != 0 && ret == 0)
        ret = error_set(et, errno, "%s: %s", t->path, strerror(errno));
    free(t->path);
    free(t);
    return ret;
}
