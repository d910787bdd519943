/* SPDX-License-Identifier: MIT */
/*
 * Packets of the simulated network as a pcapng file (draft-ietf-opsawg-pcapng): one interface a host, time stamps in
 * nanoseconds, the exact cycle of the first flit and, where the NIC dropped the packet, the reason as comments.
 */
#ifndef NANOPU_VIEW_PCAP_H
#define NANOPU_VIEW_PCAP_H

#include "core/error.h"
#include "nanopu/view/recorder.h"

struct pcap;

struct pcap_interface {
    const char *name; /* of the host */
    uint64_t mac;
};

#define PCAP_WANTED (1U << PROBE_rx_packet | 1U << PROBE_tx_packet | 1U << PROBE_drop)

/* Creates the file, with an interface for each node from 0 on. 0; negative errno and a text. */
int pcap_open(struct pcap **out, const char *path, const struct pcap_interface *interfaces, unsigned count,
              struct error_text *et);

/* A sink of the recorder, for PCAP_WANTED. */
void pcap_record(void *pcap, const struct record *rec);

/* Writes what is left and frees. 0; negative errno and a text when something could not be written. */
int pcap_close(struct pcap *pcap, struct error_text *et);

#endif /* NANOPU_VIEW_PCAP_H */
