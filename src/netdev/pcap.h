/* SPDX-License-Identifier: MIT */
/*
 * Writes frames as pcapng (draft-ietf-opsawg-pcapng): one interface a port, times in nanoseconds, what is to be said of
 * a frame as its comment. The file is complete after each frame that a flush or close followed.
 */
#ifndef NETDEV_PCAP_H
#define NETDEV_PCAP_H

#include "core/frame.h"

#define PCAP_COMMENT_MAX 200 /* longer ones are cut */

struct pcap;

enum pcap_dir { PCAP_UNKNOWN, PCAP_RECEIVED, PCAP_SENT };

/* Makes the file, with interfaces port0 ... NULL with *err: what open or malloc said, negative. */
struct pcap *pcap_open(const char *path, const char *application, unsigned interfaces, int *err);

/* Adds a frame of segs runs of bytes. comment: "" for none. A file that cannot be written to loses it (pcap_error). */
void pcap_add(struct pcap *p, uint64_t now_ns, unsigned interface, enum pcap_dir dir, const struct frame_seg *seg,
              unsigned segs, const char *comment);

/* 0, or the negative errno of the first write that failed. */
int pcap_error(const struct pcap *p);
void pcap_flush(struct pcap *p);
int pcap_close(struct pcap *p);

#endif /* NETDEV_PCAP_H */
