/* SPDX-License-Identifier: MIT */
/*
 * Harts and NIC in turns, and why that is exact.
 *
 * Let T be the least clock of the harts. Everything before T has been committed and the NIC has done everything before
 * T. What the NIC, a timer or the host interface can make a hart notice without a hart's doing lies at or after the
 * horizon H, so until H a hart sees nothing but its own state, and memory. It runs there in one go. What a hart asks of
 * the NIC can be answered before H: it stops after asking, T is where it stopped, and the NIC's next horizon knows of
 * the question. The NIC answers nobody but the asker within a quantum (a completed message frees the asker's own slot
 * first), so that the others may be ahead of it.
 *
 * Memory is the exception. Between harts the order of accesses is that of quanta: hart 0 makes its steps of a quantum,
 * then hart 1, and so on. Quanta begin at multiples of their length whatever else cuts the time, and every cut depends
 * on the simulated machine alone: the same run gives the same order, with any number of threads. A quantum is
 * stretched where nobody could tell: when all harts but one sleep, or all of them go around in circles; then to the
 * start of that in which one leaves its circle.
 */
#include "host.h"

#include "nanopu/hart/l2.h"
#include "nanopu/ring/ring.h"
#include "nanopu/sim/clint.h"
#include "nanopu/sim/devices.h"
#include "nanopu/sim/elf.h"
#include "nanopu/sim/htif.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILURE_MAX   400
#define NIC_REGISTERS 0 /* of the parameter nic */

struct host {
    struct host_config config;
    struct memory memory;
    struct packet_pool pool;
    struct clint clint;
    struct devices devices;
    struct htif htif;
    struct hart *harts[CLINT_HARTS_MAX];
    struct hts *hts[CLINT_HARTS_MAX];
    struct l2 *l2;
    struct nic *nic; /* of the two that it can have, one is NULL */
    struct ring_nic *ring;
    unsigned cores;
    uint64_t now, quantum;
    enum host_state state;
    uint64_t end_cycle;
    char failure[FAILURE_MAX];
};

static int make_harts(struct host *h)
{
    const struct params *p = h->config.params;

    for (unsigned i = 0; i < h->cores; i++) {
        struct hart_config config = {.params = p, .id = i, .memory = &h->memory, .l2 = h->l2, .probe = h->config.probe};

        if (p->nic == NIC_REGISTERS && (h->hts[i] = hts_new(p, i)) == NULL)
            return -ENOMEM;
        config.hts = h->hts[i];
        h->harts[i] = hart_new(&config);
        if (h->harts[i] == NULL)
            return -ENOMEM;
        hart_reset(h->harts[i], h->config.image->entry, ROM_DEVICE_TREE, i * (uint64_t)p->boot_stagger);
    }
    return 0;
}

static int make_nic(struct host *h)
{
    struct nic_config config = {.params = h->config.params,
                                .mac = h->config.mac,
                                .switch_mac = h->config.switch_mac,
                                .ip = h->config.ip,
                                .cores = h->cores,
                                .hts = h->hts,
                                .pool = &h->pool,
                                .probe = h->config.probe,
                                .send = h->config.send,
                                .arg = h->config.arg};

    errno = ENOMEM;
    h->nic = nic_new(&config);
    return h->nic != NULL ? 0 : -errno;
}

static int make_ring(struct host *h)
{
    struct ring_config config = {.params = h->config.params,
                                 .memory = &h->memory,
                                 .l2 = h->l2,
                                 .harts = h->harts,
                                 .pool = &h->pool,
                                 .probe = h->config.probe,
                                 .send = h->config.send,
                                 .arg = h->config.arg};

    h->ring = ring_new(&config);
    return h->ring != NULL ? 0 : -ENOMEM;
}

/* ---- The NIC, whichever it is ---- */

/* The first cycle in which it may do what a hart notices; after h->now. */
static uint64_t net_horizon(const struct host *h)
{
    return h->ring != NULL ? ring_next_event(h->ring) : nic_horizon(h->nic);
}

/* All harts have committed everything before the cycle. */
static void net_advance(struct host *h, uint64_t cycle)
{
    if (h->ring != NULL)
        ring_advance(h->ring, cycle);
    else
        nic_advance(h->nic, cycle);
}

static uint64_t net_next(const struct host *h)
{
    return h->ring != NULL ? ring_next_event(h->ring) : nic_next_event(h->nic);
}

static void attach_devices(struct host *h)
{
    const struct htif_config htif = {.memory = &h->memory,
                                     .image = h->config.image,
                                     .answer_cycles = (uint64_t)h->config.params->htif_cycles,
                                     .argc = h->config.argc,
                                     .argv = h->config.argv,
                                     .input = h->config.input,
                                     .input_len = h->config.input_len,
                                     .output = h->config.output,
                                     .arg = h->config.arg};

    clint_init(&h->clint, h->harts, h->cores, (uint64_t)h->config.params->mtime_cycles);
    h->devices =
        (struct devices){.clint = &h->clint, .ring = h->ring, .output = h->config.output, .arg = h->config.arg};
    h->memory.device = (struct memory_device){devices_load, devices_store, &h->devices};
    htif_init(&h->htif, &htif);
}

static int build(struct host *h, struct error_text *et)
{
    const struct params *p = h->config.params;
    int ret = memory_init(&h->memory, (uint64_t)p->memory_mib << 20);

    if (ret != 0)
        return error_set(et, -ret, "no address space for %" PRId64 " MiB of guest memory", p->memory_mib);
    ret = elf_place(h->config.image, &h->memory, et);
    if (ret != 0)
        return ret;
    if (h->config.image->tohost != 0 && (memory_dram(&h->memory, h->config.image->tohost, 8) == NULL ||
                                         memory_dram(&h->memory, h->config.image->fromhost, 8) == NULL))
        return error_set(et, ENOEXEC, "%s: tohost or fromhost is not in its memory", h->config.image->name);
    if (p->timing != 0) {
        h->l2 = l2_new(p, h->cores);
        ret = h->l2 != NULL ? 0 : -ENOMEM;
    }
    packet_pool_init(&h->pool, h->config.node, HOST_PACKETS_MAX);
    if (ret == 0)
        ret = make_harts(h);
    if (ret == 0)
        ret = p->nic == NIC_REGISTERS ? make_nic(h) : make_ring(h);
    if (ret != 0)
        return error_set(et, -ret, ret == -ENOTSUP ? "this transport is not there yet" : "out of memory");
    attach_devices(h);
    return 0;
}

int host_new(struct host **out, const struct host_config *config, struct error_text *et)
{
    struct host *h = calloc(1, sizeof(*h));
    int ret;

    if (h == NULL)
        return error_set(et, ENOMEM, "out of memory");
    assert(config->params->cores <= CLINT_HARTS_MAX);
    h->config = *config;
    h->cores = (unsigned)config->params->cores;
    h->quantum = h->cores > 1 ? (uint64_t)config->params->quantum : CYCLE_NEVER;
    ret = build(h, et);
    if (ret != 0) {
        host_free(h);
        return ret;
    }
    *out = h;
    return 0;
}

void host_free(struct host *h)
{
    if (h == NULL)
        return;
    if (h->nic != NULL)
        nic_free(h->nic);
    ring_free(h->ring);
    for (unsigned i = 0; i < h->cores; i++) {
        if (h->harts[i] != NULL)
            hart_free(h->harts[i]);
        if (h->hts[i] != NULL)
            hts_free(h->hts[i]);
    }
    if (h->l2 != NULL)
        l2_free(h->l2);
    packet_pool_fini(&h->pool);
    memory_fini(&h->memory);
    free(h);
}

void host_receive(struct host *h, const struct packet *p)
{
    struct packet *copy = h->state == HOST_FAILED ? NULL : packet_alloc(&h->pool);

    if (copy == NULL)
        return; /* the pool counted it */
    assert(p->first_flit_cycle >= h->now);
    copy->first_flit_cycle = p->first_flit_cycle;
    copy->id = p->id;
    copy->len_bytes = p->len_bytes;
    memcpy(copy->data, p->data, p->len_bytes);
    if (h->ring != NULL)
        ring_receive(h->ring, copy);
    else
        nic_receive(h->nic, copy);
}

void host_packet_free(struct host *h, struct packet *p)
{
    packet_free(&h->pool, p);
}

uint64_t host_lost(const struct host *h)
{
    return h->pool.exhausted;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void host_fail(struct host *h, const char *why)
{
    h->state = HOST_FAILED;
    h->end_cycle = h->now;
    snprintf(h->failure, sizeof(h->failure), "%s", why);
}

/* The same, with the place in the program where hart i is. */
static void fail_at(struct host *h, unsigned i, const char *why)
{
    uint64_t pc = hart_pc(h->harts[i]);
    const struct elf_symbol *s = elf_symbol_at(h->config.image, pc);

    h->state = HOST_FAILED;
    h->end_cycle = hart_cycle(h->harts[i]);
    if (s != NULL)
        snprintf(h->failure, sizeof(h->failure), "%s, in %.80s+0x%" PRIx64 ", at cycle %" PRIu64, why, s->name,
                 pc - s->addr, h->end_cycle);
    else
        snprintf(h->failure, sizeof(h->failure), "%s, at cycle %" PRIu64, why, h->end_cycle);
}

/* Has anything ended the run since hart i went on? */
static void check_end(struct host *h, unsigned i)
{
    char text[FAILURE_MAX / 2];
    enum hts_error e = h->hts[i] != NULL ? hts_error(h->hts[i]) : HTS_OK;

    if (UNLIKELY(h->htif.exited)) {
        h->state = HOST_EXITED;
        h->end_cycle = h->htif.exit_cycle;
    } else if (UNLIKELY(hart_state(h->harts[i]) == HART_FAILED)) {
        fail_at(h, i, hart_failure(h->harts[i]));
    } else if (UNLIKELY(e != HTS_OK)) {
        snprintf(text, sizeof(text), "hart %u: %s; pc is 0x%" PRIx64, i, hts_error_text(e), hart_pc(h->harts[i]));
        fail_at(h, i, text);
    } else if (UNLIKELY(h->config.params->strict != 0 && h->nic != NULL && nic_fault(h->nic) != NIC_NO_FAULT)) {
        snprintf(text, sizeof(text), "NIC: %s (strict)", nic_fault_text(nic_fault(h->nic)));
        host_fail(h, text);
    } else if (UNLIKELY(h->htif.failure[0] != '\0')) {
        host_fail(h, h->htif.failure);
    }
}

/* The end of the step that begins at h->now: the horizon, or the quantum's end where that is before it. */
static uint64_t step_end(struct host *h, uint64_t until)
{
    uint64_t end = least(least(until, net_horizon(h)), least(clint_next(&h->clint), h->htif.answer_cycle));
    uint64_t quantum_end, quiet = CYCLE_NEVER;
    unsigned awake = 0;

    if (h->quantum == CYCLE_NEVER || end / h->quantum == h->now / h->quantum)
        return end;
    quantum_end = (h->now / h->quantum + 1) * h->quantum;
    for (unsigned i = 0; i < h->cores; i++) {
        awake += hart_state(h->harts[i]) != HART_WFI;
        if (quiet > quantum_end)
            quiet = least(quiet, hart_next_event(h->harts[i]));
    }
    if (awake <= 1)
        return end;
    /* to the start of the quantum in which something happens: in that one the harts' order is as without the stretch */
    return least(end, quiet > quantum_end ? quiet / h->quantum * h->quantum : quantum_end);
}

/* Runs the harts that slept, or those that did not, to end; gives the least of their clocks, at most end. */
static uint64_t run_harts(struct host *h, uint64_t end, const bool *slept, bool which)
{
    uint64_t clock = end;

    for (unsigned i = 0; i < h->cores && h->state == HOST_RUNNING; i++) {
        uint64_t c = hart_cycle(h->harts[i]);

        if (slept[i] != which)
            continue;
        if (c < end) {
            c = hart_run(h->harts[i], end);
            check_end(h, i);
        }
        clock = least(clock, c);
    }
    return clock;
}

static void step(struct host *h, uint64_t until)
{
    bool slept[CLINT_HARTS_MAX] = {false};
    uint64_t end, clock;

    end = step_end(h, until);
    assert(end > h->now);
    for (unsigned i = 0; i < h->cores; i++)
        slept[i] = hart_state(h->harts[i]) == HART_WFI;
    /* Those that sleep come last and not further than the others came: one of these may have woken them. */
    clock = run_harts(h, end, slept, false);
    clock = run_harts(h, clock, slept, true);
    if (h->state == HOST_FAILED)
        return;
    net_advance(h, clock);
    h->now = clock;
    clint_advance(&h->clint, clock);
    htif_advance(&h->htif, clock);
    check_end(h, 0);
}

void host_advance(struct host *h, uint64_t until)
{
    while (h->now < until && h->state == HOST_RUNNING)
        step(h, until);
    if (h->now < until && h->state == HOST_EXITED)
        net_advance(h, until);
    if (h->now < until)
        h->now = until;
}

uint64_t host_next_event(struct host *h)
{
    uint64_t next;

    if (h->state == HOST_FAILED)
        return CYCLE_NEVER;
    next = net_next(h);
    if (h->state == HOST_EXITED)
        return next;
    next = least(next, least(clint_next(&h->clint), h->htif.answer_cycle));
    for (unsigned i = 0; i < h->cores && next > h->now; i++)
        next = least(next, hart_next_event(h->harts[i]));
    return next;
}

enum host_state host_state(const struct host *h)
{
    return h->state;
}

int host_exit_code(const struct host *h)
{
    return h->htif.exit_code;
}

uint64_t host_exit_cycle(const struct host *h)
{
    return h->end_cycle;
}

const char *host_failure(const struct host *h)
{
    return h->failure;
}

unsigned host_cores(const struct host *h)
{
    return h->cores;
}

struct hart *host_hart(struct host *h, unsigned i)
{
    return h->harts[i];
}

const struct hts *host_hts(const struct host *h, unsigned i)
{
    return h->hts[i];
}

struct memory *host_memory(struct host *h)
{
    return &h->memory;
}

const struct nic *host_nic(const struct host *h)
{
    return h->nic;
}

const struct ring_nic *host_ring(const struct host *h)
{
    return h->ring;
}

const struct l2 *host_l2(const struct host *h)
{
    return h->l2;
}

uint64_t host_instret(const struct host *h)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < h->cores; i++)
        sum += hart_instret(h->harts[i]);
    return sum;
}

uint64_t host_cycle(const struct host *h)
{
    return h->now;
}
