/* SPDX-License-Identifier: MIT */
/*
 * The reader of captures and its sums on arbitrary bytes: no access outside them, texts with an end, and each frame in
 * one flow or among the unsorted.
 */
#include "fuzz.h"
#include "pcap_flow.h"

static void look_at_flows(const struct pcap_sum *s)
{
    uint64_t frames = 0, dropped = 0, bytes = 0, reasons = 0;
    char buf[64];

    for (uint32_t i = 0; i < s->flows; i++) {
        const struct flow *f = &s->flow[i];

        frames += f->way[0].frames + f->way[1].frames;
        bytes += f->way[0].bytes + f->way[1].bytes;
        dropped += f->dropped;
        require(f->first_ns <= f->last_ns && f->first_ns >= s->first_ns && f->last_ns <= s->last_ns);
        require(f->way[0].frames > 0 && f->way[0].resent < f->way[0].frames);
        require(strlen(flow_name(&f->key, buf)) < 16);
        require(strlen(flow_end_text(&f->key, 1, buf)) < 64 && strlen(flow_state(f)) < 16);
    }
    for (unsigned i = 0; i < s->reasons; i++) {
        require(strlen(s->reason[i].name) < sizeof(s->reason[i].name) && s->reason[i].frames > 0);
        require(strlen(s->reason[i].what) < sizeof(s->reason[i].what));
        reasons += s->reason[i].frames;
    }
    require(frames == s->frames && bytes == s->bytes && dropped == s->dropped);
    require(reasons + s->unsorted == s->dropped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pcap_sum s;
    struct pcap_reader r;
    struct pcap_frame f;
    FILE *in = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;

    if (in == NULL)
        return 0;
    memset(&s, 0, sizeof(s));
    if (pcap_reader_open(&r, in, NULL) == 0) {
        while (pcap_reader_next(&r, &f, NULL) == 1) {
            require(strlen(f.comment) < PCAP_TEXT_MAX && strlen(f.interface->name) < PCAP_TEXT_MAX);
            require(pcap_sum_add(&s, &f));
        }
        require(r.at <= size && r.interfaces <= PCAP_INTERFACES_MAX);
        look_at_flows(&s);
        pcap_sum_free(&s);
        pcap_reader_close(&r);
    }
    fclose(in);
    return 0;
}
