/* SPDX-License-Identifier: MIT */
/*
 * Writes frames as pcapng (draft-ietf-opsawg-pcapng): times in nanoseconds, what is to be said of a frame as its
 * comment. What is written goes through a buffer of PCAP_BUFFER bytes; the file is complete after each flush. It grows
 * to a limit and no further: frames beyond it are lost, and counted.
 */
#ifndef NETDEV_PCAP_H
#define NETDEV_PCAP_H

#include "core/frame.h"

#define PCAP_COMMENT_MAX 200 /* longer ones are cut */
#define PCAP_BUFFER      (256 * 1024)

struct pcap;

enum pcap_dir { PCAP_UNKNOWN, PCAP_RECEIVED, PCAP_SENT };

/*
 * Makes the file, or empties it. NULL with *err, negative: what the system said; -EBUSY: another capture writes it.
 */
struct pcap *pcap_open(const char *path, const char *application, uint64_t limit_bytes, int *err);

/* Adds an interface of that name; returns its number, from 0 on. */
unsigned pcap_interface(struct pcap *p, const char *name);

/*
 * Copies a frame of segs runs of bytes; it is not in the file before pcap_end, which says the comment ("": none). One
 * that turns out not to be one is left out by beginning the next.
 */
void pcap_begin(struct pcap *p, uint64_t now_ns, unsigned interface, const struct frame_seg *seg, unsigned segs);

/* False: the frame is lost, because the file has reached its limit or cannot be written to (pcap_error). */
bool pcap_end(struct pcap *p, enum pcap_dir dir, const char *comment);

/* 0, or the negative errno of the first write that failed. */
int pcap_error(const struct pcap *p);
void pcap_flush(struct pcap *p);
int pcap_close(struct pcap *p);

#endif /* NETDEV_PCAP_H */
