/* SPDX-License-Identifier: MIT */
#include "capture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct pcap *capture_file(struct instance *inst, int *err)
{
    struct pcap *p;

    *err = 0;
    if (inst->config.pcap[0] == '\0')
        return NULL;
    p = pcap_open(inst->config.pcap, "Caracal " CARACAL_VERSION, inst->config.pcap_limit, err);
    if (p == NULL)
        *err = error_set(&inst->error, -*err, "pcap: %s: %s", inst->config.pcap,
                         *err == -EBUSY ? "another instance captures into it" : strerror(-*err));
    return p;
}

int capture_begin(struct capture *c, struct instance *inst, struct pcap *pcap, const char *name)
{
    struct timespec wall;
    int err = 0;

    *c = (struct capture){.pcap = pcap, .inst = inst};
    if (pcap == NULL) {
        c->own = c->sent = true;
        c->pcap = capture_file(inst, &err);
    }
    if (c->pcap == NULL)
        return err;
    if (inst->clock.virtual_ns == NULL) {
        clock_gettime(CLOCK_REALTIME, &wall);
        c->offset_ns = (uint64_t)wall.tv_sec * NS_PER_S + (uint64_t)wall.tv_nsec - clock_now_ns(&inst->clock);
    }
    c->interface = pcap_interface(c->pcap, name);
    return 0;
}

void capture_end(struct capture *c)
{
    if (c->own && c->pcap != NULL)
        pcap_close(c->pcap);
    c->pcap = NULL;
}

static void begin(struct capture *c, const struct frame_seg *seg, unsigned segs)
{
    pcap_begin(c->pcap, clock_now_ns(&c->inst->clock) + c->offset_ns, c->interface, seg, segs);
}

static void end(struct capture *c, enum pcap_dir dir, const char *comment)
{
    if (pcap_end(c->pcap, dir, comment))
        COUNT(c->inst, pcap_frames);
    else
        COUNT(c->inst, pcap_lost);
}

void capture_received(struct capture *c, const struct frame_in *f, enum counter drop)
{
    struct frame_seg seg = {f->obj, (char *)f->ptr, f->len};
    char comment[PCAP_COMMENT_MAX] = "";

    if (drop != COUNTER_MAX)
        snprintf(comment, sizeof(comment), "%s (%s)%s%s", counter_name(drop), counter_help(drop),
                 f->note != NULL ? "; " : "", f->note != NULL ? f->note : "");
    else if (f->note != NULL)
        snprintf(comment, sizeof(comment), "%s", f->note);
    begin(c, &seg, 1);
    end(c, PCAP_RECEIVED, comment);
}

void capture_refused(struct capture *c, const struct frame *f, enum counter drop)
{
    char comment[PCAP_COMMENT_MAX];

    snprintf(comment, sizeof(comment), "%s (%s)", counter_name(drop), counter_help(drop));
    begin(c, f->seg, f->segs);
    end(c, PCAP_SENT, comment);
}

/* One at a time: a frame that the device took over may be gone, and one that it refused is not sent. */
unsigned capture_transmit(struct capture *c, struct netdev *d, struct frame **f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (c->sent)
            begin(c, f[i]->seg, f[i]->segs);
        if (d->ops->tx_burst(d, &f[i], 1) == 0)
            return i;
        if (c->sent)
            end(c, PCAP_SENT, "");
    }
    return n;
}
