/* SPDX-License-Identifier: MIT */
/*
 * A simulated host: harts, what they share below their caches, CLINT, HTIF and a NIC, driven together.
 *
 * Harts and NIC take turns. The horizon is the first cycle in which the NIC or a timer can do something that a hart
 * notices; each hart runs up to it, in steps of `quantum` cycles and in the order of their ids, so that stores of one
 * are seen by the others in an order that depends on nothing else. Then the NIC does what happened before the horizon.
 * A hart that asks the NIC for something (a network CSR, a device) stops there and is gone on with in the next round.
 */
#ifndef NANOPU_SIM_HOST_H
#define NANOPU_SIM_HOST_H

#include "core/error.h"
#include "nanopu/fabric/packet.h"
#include "nanopu/hart/hart.h"
#include "nanopu/nic/nic.h"

#define HOST_PACKETS_MAX 16384 /* packets that a host can have in its NIC at once */

struct host;
struct elf_image;
struct l2;
struct ring_nic;

struct host_config {
    const struct params *params; /* of this host; must outlive it */
    uint32_t node;               /* index in the machine */
    uint64_t mac;
    uint64_t switch_mac; /* destination of everything the NIC sends */
    uint32_t ip;
    const struct elf_image *image; /* may be shared by hosts; must outlive it */
    int argc;                      /* what the guest's getmainvars gives; must outlive it */
    char *const *argv;
    const uint8_t *input; /* what the guest reads from descriptor 0; must outlive it */
    size_t input_len;
    struct probe *probe;                       /* or NULL */
    void (*send)(void *arg, struct packet *p); /* a packet leaves the NIC; give it back with host_packet_free */
    void (*output)(void *arg, const char *s, size_t n); /* what the guest writes to descriptors 1 and 2 */
    void *arg;
};

/* Returns 0 and *out, or a negative errno with a text in et. */
int host_new(struct host **out, const struct host_config *config, struct error_text *et);
void host_free(struct host *h);

/* A packet arrives: first_flit_cycle is set, at or after the host's time, in their order. Copied into the host's pool;
 * without room there it is lost and counted (host_lost). */
void host_receive(struct host *h, const struct packet *p);
void host_packet_free(struct host *h, struct packet *p);
uint64_t host_lost(const struct host *h);

/* Runs everything that happens before cycle `until`. */
void host_advance(struct host *h, uint64_t until);

/* The first cycle at which host_advance has anything to do but skipping; CYCLE_NEVER when nothing will ever happen. */
uint64_t host_next_event(struct host *h);

/*
 * A host whose program has ended goes on as a NIC, so that its last messages leave and their senders hear of it. One
 * that failed stands still altogether.
 */
enum host_state { HOST_RUNNING, HOST_EXITED, HOST_FAILED };
enum host_state host_state(const struct host *h);
int host_exit_code(const struct host *h);       /* of HOST_EXITED */
uint64_t host_exit_cycle(const struct host *h); /* when it exited or failed */
const char *host_failure(const struct host *h); /* of HOST_FAILED: hart, pc, instruction, cause */

/* For views and reports. */
unsigned host_cores(const struct host *h);
struct hart *host_hart(struct host *h, unsigned i);
const struct hts *host_hts(const struct host *h, unsigned i); /* NULL with a conventional NIC */
struct memory *host_memory(struct host *h);
const struct nic *host_nic(const struct host *h);       /* one of these two, the other is NULL */
const struct ring_nic *host_ring(const struct host *h); /* parameter nic: rings */
const struct l2 *host_l2(const struct host *h);         /* NULL without timing */
uint64_t host_instret(const struct host *h);            /* of all harts */
uint64_t host_cycle(const struct host *h);              /* up to which it was advanced */

/* Ends the run of a host from outside, as if it had failed: a debugger's kill, a peer's mismatch. */
void host_fail(struct host *h, const char *why);

#endif /* NANOPU_SIM_HOST_H */
