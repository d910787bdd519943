/* SPDX-License-Identifier: MIT */
/* demi pcap: what is in a capture: flows, and the frames that did not get through. */
#include "../common/json.h"
#include "demi.h"
#include "pcap_flow.h"
#include "term.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FLOWS_SHOWN 20

struct look {
    const char *path;
    uint64_t flows; /* that are shown, UINT64_MAX: all */
    bool json;
};

static int by_bytes(const void *a, const void *b)
{
    const struct flow *x = a, *y = b;
    uint64_t n = x->way[0].bytes + x->way[1].bytes, m = y->way[0].bytes + y->way[1].bytes;

    if (n != m)
        return n < m ? 1 : -1;
    return x->first_ns != y->first_ns ? (x->first_ns > y->first_ns ? 1 : -1) : 0;
}

static int by_frames(const void *a, const void *b)
{
    const struct drop_reason *x = a, *y = b;

    return x->frames != y->frames ? (x->frames < y->frames ? 1 : -1) : strcmp(x->name, y->name);
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / NS_PER_S : 0;
}

static void json_flow(struct json *j, const struct flow *f)
{
    static const char *const ways[] = {"forth", "back"};
    char buf[64];

    json_begin(j, NULL, '{');
    json_text(j, "protocol", flow_name(&f->key, buf));
    json_text(j, "from", flow_end_text(&f->key, 0, buf));
    json_text(j, "to", flow_end_text(&f->key, 1, buf));
    if (f->key.kind == FLOW_TCP)
        json_text(j, "state", flow_state(f));
    json_uint(j, "first_ns", f->first_ns);
    json_uint(j, "last_ns", f->last_ns);
    json_uint(j, "dropped", f->dropped);
    for (unsigned i = 0; i < 2; i++) {
        json_begin(j, ways[i], '{');
        json_uint(j, "frames", f->way[i].frames);
        json_uint(j, "bytes", f->way[i].bytes);
        json_uint(j, "payload", f->way[i].payload);
        json_uint(j, "resent", f->way[i].resent);
        json_end(j, '{');
    }
    json_end(j, '{');
}

static void print_json(const struct look *v, const struct pcap_reader *r, const struct pcap_sum *s)
{
    struct json j;

    json_init(&j, stdout);
    json_begin(&j, NULL, '{');
    json_text(&j, "file", v->path);
    json_text(&j, "application", r->application);
    json_bool(&j, "cut", r->cut);
    json_begin(&j, "interfaces", '[');
    for (unsigned i = 0; i < r->interfaces; i++)
        json_text(&j, NULL, r->interface[i].name);
    json_end(&j, '[');
    json_uint(&j, "frames", s->frames);
    json_uint(&j, "bytes", s->bytes);
    json_uint(&j, "dropped", s->dropped);
    json_uint(&j, "unsorted", s->unsorted + r->other);
    json_uint(&j, "first_ns", s->first_ns);
    json_uint(&j, "last_ns", s->last_ns);
    json_begin(&j, "drops", '[');
    for (unsigned i = 0; i < s->reasons; i++) {
        json_begin(&j, NULL, '{');
        json_text(&j, "reason", s->reason[i].name);
        json_uint(&j, "frames", s->reason[i].frames);
        json_text(&j, "what", s->reason[i].what);
        json_end(&j, '{');
    }
    json_end(&j, '[');
    json_begin(&j, "flows", '[');
    for (uint32_t i = 0; i < s->flows && i < v->flows; i++)
        json_flow(&j, &s->flow[i]);
    json_end(&j, '[');
    json_uint(&j, "flows_in_all", s->flows);
    json_end(&j, '{');
    json_line(&j);
}

static void print_flows(const struct look *v, const struct pcap_sum *s)
{
    static const char *const heads[] = {"PROTOCOL", "FROM",   "TO",      "FRAMES",  "BACK", "BYTES",
                                        "BACK",     "RESENT", "DROPPED", "SECONDS", "STATE"};
    struct table t;
    char buf[64], left[64];

    table_init(&t, "lllrrrrrrrl");
    table_row(&t);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        table_cell(&t, STYLE_DIM, "%s", heads[i]);
    for (uint32_t i = 0; i < s->flows && i < v->flows; i++) {
        const struct flow *f = &s->flow[i];
        const struct flow_way *a = &f->way[0], *b = &f->way[1];

        table_row(&t);
        table_cell(&t, STYLE_BOLD, "%s", flow_name(&f->key, buf));
        table_cell(&t, STYLE_PLAIN, "%s", flow_end_text(&f->key, 0, buf));
        table_cell(&t, STYLE_PLAIN, "%s", flow_end_text(&f->key, 1, buf));
        table_cell(&t, STYLE_PLAIN, "%" PRIu64, a->frames);
        table_cell(&t, STYLE_PLAIN, "%" PRIu64, b->frames);
        table_cell(&t, STYLE_PLAIN, "%s", number_text((double)a->bytes, buf));
        table_cell(&t, STYLE_PLAIN, "%s", number_text((double)b->bytes, buf));
        table_cell(&t, a->resent + b->resent > 0 ? STYLE_WARN : STYLE_PLAIN, "%" PRIu64, a->resent + b->resent);
        table_cell(&t, f->dropped > 0 ? STYLE_WARN : STYLE_PLAIN, "%" PRIu64, f->dropped);
        table_cell(&t, STYLE_PLAIN, "%.6f", seconds(f->first_ns, f->last_ns));
        table_cell(&t, STYLE_PLAIN, "%s", flow_state(f));
    }
    if (s->flows > v->flows) {
        snprintf(left, sizeof(left), "and %" PRIu64 " more; --flows N shows so many", s->flows - v->flows);
        table_note(&t, STYLE_DIM, left);
    }
    table_print(&t, 0);
}

static void print_drops(const struct pcap_sum *s)
{
    static const char *const heads[] = {"REASON", "FRAMES", "WHAT"};
    struct table t;

    printf("\n");
    table_init(&t, "lrl");
    table_row(&t);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        table_cell(&t, STYLE_DIM, "%s", heads[i]);
    for (unsigned i = 0; i < s->reasons; i++) {
        table_row(&t);
        table_cell(&t, STYLE_BOLD, "%s", s->reason[i].name);
        table_cell(&t, STYLE_PLAIN, "%" PRIu64, s->reason[i].frames);
        table_cell(&t, STYLE_PLAIN, "%s", s->reason[i].what);
    }
    table_print(&t, 0);
}

static void print_text(const struct look *v, const struct pcap_reader *r, const struct pcap_sum *s)
{
    char bytes[16];

    printf("%s%s%s: %" PRIu64 " frames, %s bytes in %.6f s; %" PRIu64 " did not get through", style_begin(STYLE_BOLD),
           v->path, style_end(STYLE_BOLD), s->frames, number_text((double)s->bytes, bytes),
           seconds(s->first_ns, s->last_ns), s->dropped);
    if (r->application[0] != '\0')
        printf("; by %s", r->application);
    printf("\n");
    if (r->cut)
        printf("(the file ends within a frame: it is still being written, or was cut)\n");
    if (s->unsorted + r->other > 0)
        printf("(%" PRIu64 " frames are in no row)\n", s->unsorted + r->other);
    if (s->flows > 0 && v->flows > 0) {
        printf("\n");
        print_flows(v, s);
    }
    if (s->reasons > 0)
        print_drops(s);
}

/* Reads it all. */
static int sum_up(struct pcap_reader *r, struct pcap_sum *s, struct error_text *et)
{
    struct pcap_frame f;
    int ret;

    while ((ret = pcap_reader_next(r, &f, et)) == 1)
        if (!pcap_sum_add(s, &f))
            return error_set(et, ENOMEM, "no memory");
    return ret;
}

static int show(const struct look *v)
{
    static struct pcap_sum s;
    struct pcap_reader r;
    struct error_text et;
    FILE *in = strcmp(v->path, "-") == 0 ? stdin : fopen(v->path, "re");
    int ret;

    if (in == NULL)
        return fail("%s: %s", v->path, strerror(errno));
    ret = pcap_reader_open(&r, in, &et);
    if (ret == 0) {
        ret = sum_up(&r, &s, &et);
        if (ret == 0 && ferror(in) != 0)
            ret = error_set(&et, EIO, "cannot be read to its end");
        if (ret == 0) {
            if (s.flows > 0)
                qsort(s.flow, s.flows, sizeof(*s.flow), by_bytes);
            qsort(s.reason, s.reasons, sizeof(s.reason[0]), by_frames);
            if (v->json)
                print_json(v, &r, &s);
            else
                print_text(v, &r, &s);
        }
        pcap_sum_free(&s);
        pcap_reader_close(&r);
    }
    if (in != stdin)
        fclose(in);
    return ret == 0 ? DEMI_OK : fail("%s: %s", v->path, et.text);
}

int cmd_pcap(int argc, char **argv)
{
    static const struct option options[] = {{"flows", required_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct look v = {.flows = FLOWS_SHOWN};
    bool asked = false;
    int opt;

    opterr = 0;
    while ((opt = getopt_long(argc, argv, ":hn:j", options, NULL)) != -1) {
        switch (opt) {
        case 'n':
            if (!option_number("pcap", "--flows", optarg, 0, FLOWS_MAX, &v.flows))
                return DEMI_USAGE;
            asked = true;
            break;
        case 'j':
            v.json = true;
            break;
        case 'h':
            print_help("pcap");
            return DEMI_OK;
        case ':':
            return usage_error("pcap", "%s needs a value", argv[optind - 1]);
        default:
            return usage_error("pcap", "unknown option \"%s\"", argv[optind - 1]);
        }
    }
    if (v.json && !asked)
        v.flows = UINT64_MAX;
    if (optind + 1 != argc)
        return usage_error("pcap", "one capture file, or - for what comes in");
    v.path = argv[optind];
    return show(&v);
}
