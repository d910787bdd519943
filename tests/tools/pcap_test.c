/* SPDX-License-Identifier: MIT */
/* Captures: what the stack writes is what `demi pcap` reads; the file's bound; each drop's name in its comment. */
#include "../../tools/demi/pcap_flow.h"

#include "libos/stack/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH "capture.pcapng"

/* An instance, as much of it as a capture asks for. */
struct rig {
    struct instance inst;
    uint64_t now_ns;
    struct stat_page *page;
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));

    r->page = calloc(1, sizeof(*r->page));
    r->inst.stat = r->page;
    config_defaults(&r->inst.config);
    strcpy(r->inst.config.pcap, PATH);
    r->now_ns = 5 * NS_PER_S + 7;
    clock_use_virtual(&r->inst.clock, &r->now_ns);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    unlink(PATH);
    free(r->page);
    free(r);
    return 0;
}

/* A frame with a TCP segment of 4 bytes from 10.0.0.1:80 to 10.0.0.2:90. */
static uint8_t segment[58] = {2, 0, 0,  0, 0, 2, 2,  0, 0, 0, 0, 1,  8, 0,  0x45, 0, 0, 44, 0, 0, 0, 0, 64,   6,
                              0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 0, 90, 0,    0, 0, 1,  0, 0, 0, 1, 0x50, 0x10};

static struct frame_in received(const char *note)
{
    return (struct frame_in){.ptr = segment, .len = sizeof(segment), .note = note};
}

static void open_reader(struct pcap_reader *r, FILE **in)
{
    struct error_text et;

    *in = fopen(PATH, "re");
    assert_non_null(*in);
    assert_int_equal(pcap_reader_open(r, *in, &et), 0);
}

static void capture__frame_comes_back_as_it_was(void **state)
{
    struct rig *rig = *state;
    struct frame_in in = received(NULL);
    struct capture c;
    struct pcap_reader r;
    struct pcap_frame f;
    FILE *file;

    assert_int_equal(capture_begin(&c, &rig->inst, NULL, "eth7"), 0);
    capture_received(&c, &in, COUNTER_MAX);
    assert_int_equal(rig->page->value[CTR_pcap_frames], 1);
    capture_end(&c);
    open_reader(&r, &file);
    assert_int_equal(pcap_reader_next(&r, &f, NULL), 1);
    assert_string_equal(f.interface->name, "eth7");
    assert_int_equal(f.dir, PCAP_DIR_IN);
    assert_int_equal(f.time_ns, rig->now_ns);
    assert_int_equal(f.len, sizeof(segment));
    assert_int_equal(f.captured, sizeof(segment));
    assert_memory_equal(f.bytes, segment, sizeof(segment));
    assert_string_equal(f.comment, "");
    assert_int_equal(pcap_reader_next(&r, &f, NULL), 0);
    assert_false(r.cut);
    pcap_reader_close(&r);
    fclose(file);
}

static void capture__every_drop_has_its_name_in_the_comment(void **state)
{
    static struct pcap_sum s;
    struct rig *rig = *state;
    struct frame_in in = received("bit inverted: 3");
    unsigned drops = 0, seen = 0;
    struct capture c;
    struct pcap_reader r;
    struct pcap_frame f;
    FILE *file;

    assert_int_equal(capture_begin(&c, &rig->inst, NULL, "eth7"), 0);
    for (unsigned i = 0; i < COUNTER_MAX; i++)
        if (strncmp(counter_name(i), "drop_", 5) == 0) {
            capture_received(&c, &in, i);
            drops++;
        }
    capture_end(&c);
    assert_true(drops > 40 && drops <= REASONS_MAX);
    open_reader(&r, &file);
    while (pcap_reader_next(&r, &f, NULL) == 1)
        assert_true(pcap_sum_add(&s, &f));
    assert_int_equal(s.reasons, drops);
    for (unsigned i = 0; i < COUNTER_MAX; i++)
        for (unsigned k = 0; k < s.reasons; k++)
            if (strcmp(s.reason[k].name, counter_name(i)) == 0) {
                assert_int_equal(s.reason[k].frames, 1);
                assert_non_null(strstr(counter_help(i), s.reason[k].what));
                seen++;
            }
    assert_int_equal(seen, drops);
    assert_int_equal(s.flows, 1);
    assert_int_equal(s.flow[0].dropped, drops);
    assert_int_equal(s.flow[0].way[0].payload, 4 * drops);
    assert_int_equal(s.flow[0].way[0].resent, drops - 1);
    pcap_sum_free(&s);
    pcap_reader_close(&r);
    fclose(file);
}

static void capture__file_grows_to_its_limit_and_the_rest_is_counted(void **state)
{
    struct rig *rig = *state;
    struct frame_in in = received(NULL);
    unsigned frames = 0;
    struct capture c;
    struct pcap_reader r;
    struct pcap_frame f;
    FILE *file;

    rig->inst.config.pcap_limit = 65536;
    assert_int_equal(capture_begin(&c, &rig->inst, NULL, "eth7"), 0);
    for (unsigned i = 0; i < 1000; i++)
        capture_received(&c, &in, COUNTER_MAX);
    capture_end(&c);
    open_reader(&r, &file);
    while (pcap_reader_next(&r, &f, NULL) == 1)
        frames++;
    assert_false(r.cut);
    assert_true(r.at <= 65536 && r.at > 65000);
    assert_int_equal(rig->page->value[CTR_pcap_frames], frames);
    assert_int_equal(rig->page->value[CTR_pcap_lost], 1000 - frames);
    pcap_reader_close(&r);
    fclose(file);
}

static void capture__two_do_not_write_one_file(void **state)
{
    struct rig *rig = *state;
    struct capture c, d;

    assert_int_equal(capture_begin(&c, &rig->inst, NULL, "eth7"), 0);
    assert_int_equal(capture_begin(&d, &rig->inst, NULL, "eth8"), -EBUSY);
    assert_non_null(strstr(rig->inst.error.text, "another instance captures into it"));
    capture_end(&c);
    assert_int_equal(capture_begin(&d, &rig->inst, NULL, "eth8"), 0);
    capture_end(&d);
}

static void capture__unasked_writes_nothing(void **state)
{
    struct rig *rig = *state;
    struct capture c;

    rig->inst.config.pcap[0] = '\0';
    assert_int_equal(capture_begin(&c, &rig->inst, NULL, "eth7"), 0);
    assert_null(c.pcap);
    assert_int_not_equal(access(PATH, F_OK), 0);
}

static void put32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof(v));
}

/* A capture of a machine of the other byte order, without options: microseconds. */
static void reader__takes_the_other_byte_order(void **state)
{
    uint8_t bytes[28 + 20 + 36] = {0};
    FILE *in = fmemopen(bytes, sizeof(bytes), "r");
    struct pcap_reader r;
    struct pcap_frame f;

    (void)state;
    put32(bytes, 0x0a0d0d0a);
    put32(bytes + 4, 28);
    put32(bytes + 8, 0x1a2b3c4d);
    put32(bytes + 12, 0x00010000);
    put32(bytes + 24, 28);
    put32(bytes + 28, 1);
    put32(bytes + 32, 20);
    put32(bytes + 36, 0x00010000);
    put32(bytes + 44, 20);
    put32(bytes + 48, 6);
    put32(bytes + 52, 36);
    put32(bytes + 64, 3);
    put32(bytes + 68, 1);
    put32(bytes + 72, 90);
    bytes[76] = 0xaa;
    put32(bytes + 80, 36);
    assert_int_equal(pcap_reader_open(&r, in, NULL), 0);
    assert_int_equal(pcap_reader_next(&r, &f, NULL), 1);
    assert_int_equal(f.time_ns, 3000);
    assert_int_equal(f.captured, 1);
    assert_int_equal(f.len, 90);
    assert_int_equal(f.bytes[0], 0xaa);
    assert_int_equal(f.interface->link, 1);
    assert_int_equal(pcap_reader_next(&r, &f, NULL), 0);
    pcap_reader_close(&r);
    fclose(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(capture__frame_comes_back_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(capture__every_drop_has_its_name_in_the_comment, setup, teardown),
        cmocka_unit_test_setup_teardown(capture__file_grows_to_its_limit_and_the_rest_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(capture__two_do_not_write_one_file, setup, teardown),
        cmocka_unit_test_setup_teardown(capture__unasked_writes_nothing, setup, teardown),
        cmocka_unit_test(reader__takes_the_other_byte_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
