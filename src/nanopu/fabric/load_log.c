/* SPDX-License-Identifier: MIT */
/* See load_log.h. The published log is lines of a simulator's output; ours has these alone. */
#include "load_log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int open_one(FILE **out, const char *path, struct error_text *et)
{
    if (path[0] == '\0')
        return 0;
    *out = fopen(path, "we");
    return *out != NULL ? 0 : error_set(et, errno, "%s: %s", path, strerror(errno));
}

int load_log_open(struct load_log *l, const struct load_spec *spec, double mean_service, struct error_text *et)
{
    int ret;

    *l = (struct load_log){.mean_service = mean_service};
    ret = open_one(&l->log, spec->log, et);
    if (ret == 0)
        ret = open_one(&l->csv, spec->csv, et);
    if (ret == 0)
        ret = open_one(&l->json, spec->json, et);
    if (ret != 0) {
        load_log_close(l);
        return ret;
    }
    if (l->csv != NULL)
        fprintf(l->csv, "what,service,delta,sent,received,iteration,context,mean_service,mean_arrival\n");
    if (l->json != NULL)
        fprintf(l->json, "{\"test\":\"%s\",\"target\":%u,\"seed\":%" PRIu64 ",\"records\":[",
                load_test_name(spec->test), spec->target, spec->seed);
    return 0;
}

void load_log_sent(struct load_log *l, const struct load_sent *s)
{
    if (l->log != NULL)
        fprintf(l->log, "&&CSV&&RequestStats,%" PRIu64 ",%" PRIu64 ",%u,%f,%" PRIu64 "\n", s->sent, s->service,
                s->context, l->mean_service, s->mean_cycles);
    if (l->csv != NULL)
        fprintf(l->csv, "sent,%" PRIu64 ",,%" PRIu64 ",,,%u,%f,%" PRIu64 "\n", s->service, s->sent, s->context,
                l->mean_service, s->mean_cycles);
    if (l->json != NULL)
        fprintf(l->json,
                "%s\n{\"what\":\"sent\",\"service\":%" PRIu64 ",\"sent\":%" PRIu64
                ",\"context\":%u,\"mean_arrival\":%" PRIu64 "}",
                l->comma ? "," : "", s->service, s->sent, s->context, s->mean_cycles);
    l->comma = true;
}

void load_log_answer(struct load_log *l, const struct load_answer *a)
{
    uint64_t delta = a->received > a->sent ? a->received - a->sent : 0;

    if (l->log != NULL)
        fprintf(l->log,
                "&&CSV&&ResponseTimes,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%f,%" PRIu64 "\n",
                a->service, delta, a->sent, a->received, a->iteration, a->context, l->mean_service, a->mean_cycles);
    if (l->csv != NULL)
        fprintf(l->csv, "answer,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%f,%" PRIu64 "\n",
                a->service, delta, a->sent, a->received, a->iteration, a->context, l->mean_service, a->mean_cycles);
    if (l->json != NULL)
        fprintf(l->json,
                "%s\n{\"what\":\"answer\",\"service\":%" PRIu64 ",\"delta\":%" PRIu64 ",\"sent\":%" PRIu64
                ",\"received\":%" PRIu64 ",\"context\":%u,\"mean_arrival\":%" PRIu64 "}",
                l->comma ? "," : "", a->service, delta, a->sent, a->received, a->context, a->mean_cycles);
    l->comma = true;
}

bool load_log_close(struct load_log *l)
{
    FILE *files[] = {l->log, l->csv, l->json};
    bool fine = true;

    if (l->json != NULL)
        fprintf(l->json, "\n]}\n");
    for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
        if (files[i] == NULL)
            continue;
        fine &= ferror(files[i]) == 0;
        fine &= fclose(files[i]) == 0;
    }
    l->log = l->csv = l->json = NULL;
    return fine;
}
