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

#include "nanopu/fabric/packet.h"
#include "nanopu/hart/hart.h"
#include "nanopu/nic/nic.h"

struct host;
struct elf_image;

struct host_config {
    const struct params *params; /* of this host; must outlive it */
    uint32_t node;               /* index in the machine */
    const char *name;
    uint64_t mac;
    uint32_t ip;
    const struct elf_image *image; /* may be shared by hosts */
    int argc;                      /* what the guest's getmainvars gives */
    char *const *argv;
    struct probe *probe;                                /* or NULL */
    void (*send)(void *arg, struct packet *p);          /* a packet leaves the NIC; the callee owns it */
    void (*output)(void *arg, const char *s, size_t n); /* what the guest writes to descriptors 1 and 2 */
    void *arg;
};

/* Returns 0 and *out, or a negative errno with a text in error (size bytes). */
int host_new(struct host **out, const struct host_config *config, char *error, size_t size);
void host_free(struct host *h);

/* A packet arrives: first_flit_cycle is set, at or after the host's time. Copied into the host's pool. */
void host_receive(struct host *h, const struct packet *p);

/* Runs everything that happens before cycle `until`. */
void host_advance(struct host *h, uint64_t until);

/* The first cycle at which host_advance has anything to do but skipping; CYCLE_NEVER when nothing will ever happen. */
uint64_t host_next_event(struct host *h);

enum host_state { HOST_RUNNING, HOST_EXITED, HOST_FAILED };
enum host_state host_state(const struct host *h);
int host_exit_code(const struct host *h);
const char *host_failure(const struct host *h);

#endif /* NANOPU_SIM_HOST_H */
