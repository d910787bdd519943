/* SPDX-License-Identifier: MIT */
/*
 * The service of the published evaluation: works for as many cycles as a request says and answers with the request.
 * Seven modes: which contexts which cores register, at which priority, and what interrupts a thread.
 *
 * evaluation MODE FACTOR FREQUENCY
 *
 * In the modes that stall, context 1 works FACTOR times as long on a message after FREQUENCY that it did not. Each
 * thread tells the load generator that it is ready; a request for no work ends the program, with what was answered.
 */
#include "loadgen.h"

#include <stdio.h>
#include <string.h>

#define REQUEST_BYTES 16

/* M(name, cores, contexts of each, priority of context 0, of context 1, what interrupts a thread, context 1 stalls) */
#define MODES(M)                                                                                                       \
    M(ONE_CONTEXT_FOUR_CORES, 4, 1, 0, 0, 0, 0)                                                                        \
    M(FOUR_CONTEXTS_FOUR_CORES, 4, 1, 0, 0, 0, 0)                                                                      \
    M(TWO_CONTEXTS_FOUR_SHARED_CORES, 4, 2, 0, 1, NANOPU_BY_HARDWARE, 0)                                               \
    M(DIF_PRIORITY_LNIC_DRIVEN, 1, 2, 0, 1, NANOPU_BY_HARDWARE, 0)                                                     \
    M(DIF_PRIORITY_TIMER_DRIVEN, 1, 2, 0, 1, NANOPU_BY_TIMER, 0)                                                       \
    M(HIGH_PRIORITY_C1_STALL, 1, 2, 0, 0, NANOPU_BY_HARDWARE, 1)                                                       \
    M(LOW_PRIORITY_C1_STALL, 1, 2, 1, 1, NANOPU_BY_HARDWARE, 1)

struct mode {
    const char *name;
    unsigned cores, contexts, priority[2];
    int scheduling; /* 0: no threads, the core polls */
    bool stalls;
};

static const struct mode modes[] = {
#define MODE(name, cores, contexts, p0, p1, by, stalls) {#name, cores, contexts, {p0, p1}, by, stalls},
    MODES(MODE)
#undef MODE
};

struct service {
    unsigned core, context;
    bool stalls;
    uint64_t factor, frequency, since_stall, answered;
} __attribute__((aligned(64))); /* no two share a line: what one counts delays no other */

static struct service services[4][2]; /* by core and context */

static uint64_t answered_by_all(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 8; i++)
        sum += services[i / 2][i % 2].answered;
    return sum;
}

static void serve(void *arg)
{
    struct service *s = arg;

    loadgen_start(s->core, s->context);
    for (;;) {
        uint64_t header = loadgen_take(), work = nanopu_rx(), sent = nanopu_rx();

        if (nanopu_header_ip(header) != LOADGEN_IP || nanopu_header_bytes(header) != REQUEST_BYTES) {
            printf("a message of %u bytes from %08x\n", nanopu_header_bytes(header), nanopu_header_ip(header));
            exit(1);
        }
        if (work == 0) {
            printf("%lu requests answered\n", answered_by_all());
            exit(0);
        }
        if (s->stalls && s->since_stall++ >= s->frequency) {
            work *= s->factor;
            s->since_stall = 0;
        }
        loadgen_work(work);
        nanopu_tx(header);
        nanopu_tx(work);
        nanopu_tx(sent);
        nanopu_msg_done();
        s->answered++;
    }
}

static const struct mode *find(const char *name)
{
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (name != NULL && strcmp(modes[i].name, name) == 0)
            return &modes[i];
    }
    return NULL;
}

static int run_threads(const struct mode *m, struct service *of_core)
{
    for (unsigned c = 0; c < m->contexts; c++) {
        of_core[c].context = c;
        of_core[c].stalls = m->stalls && c == 1;
        if (nanopu_thread_start(serve, &of_core[c], c, m->priority[c]) != 0)
            return 1;
    }
    nanopu_scheduler_run(m->scheduling);
    return 1; /* no thread ever returns */
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    const struct mode *m = find(nanopu_arg(argc, argv, 0));
    uint64_t factor = nanopu_number_parse(nanopu_arg(argc, argv, 1), 1);
    uint64_t frequency = nanopu_number_parse(nanopu_arg(argc, argv, 2), 1);

    if (m == NULL || cores < m->cores || hart >= sizeof(services) / sizeof(services[0])) {
        if (hart == 0)
            printf("usage: evaluation MODE FACTOR FREQUENCY, on four cores\n");
        return 2;
    }
    if (hart >= m->cores)
        return 0;
    for (unsigned c = 0; c < 2; c++)
        services[hart][c] = (struct service){.core = hart, .factor = factor, .frequency = frequency};
    if (m->scheduling != 0)
        return run_threads(m, services[hart]);
    services[hart][0].context = m == &modes[1] ? hart : 0;
    nanopu_register(services[hart][0].context, 0);
    serve(&services[hart][0]);
    return 1;
}
