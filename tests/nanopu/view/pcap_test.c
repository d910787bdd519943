/* SPDX-License-Identifier: MIT */
/* The blocks of a pcapng file, as draft-ietf-opsawg-pcapng lays them out. */
#include "nanopu/view/pcap.h"

#include "nanopu/nic/nic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH       "pcap_test.pcapng"
#define BLOCKS_MAX 8

struct block {
    uint32_t type, len;
    const uint8_t *body;
};

static uint8_t file[8192];
static struct block blocks[BLOCKS_MAX];
static unsigned count;

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Reads the file; each block's length stands at both of its ends. */
static void read_blocks(void)
{
    FILE *f = fopen(PATH, "rb");
    size_t size, at = 0;

    assert_non_null(f);
    size = fread(file, 1, sizeof(file), f);
    fclose(f);
    unlink(PATH);
    for (count = 0; at < size; count++) {
        uint32_t len = get32(file + at + 4);

        assert_true(count < BLOCKS_MAX && len >= 12 && len % 4 == 0 && at + len <= size);
        assert_int_equal(get32(file + at + len - 4), len);
        blocks[count] = (struct block){.type = get32(file + at), .len = len, .body = file + at + 8};
        at += len;
    }
}

static bool contains(const struct block *b, const char *text)
{
    return memmem(b->body, b->len - 12, text, strlen(text)) != NULL;
}

static void record(struct pcap *p, enum probe_kind kind, uint64_t cycle, uint64_t id, uint64_t why)
{
    static const uint8_t bytes[70] = {1, 2, 3};
    struct record rec = {.e = {.kind = kind, .node = 1, .cycle = cycle, .a = why},
                         .packet = bytes,
                         .packet_len = sizeof(bytes),
                         .packet_id = id};

    pcap_record(p, &rec);
}

static struct pcap *start(void)
{
    static const struct pcap_interface interfaces[] = {{"alpha", 0x0026e1000002}, {"beta", 0x0026e1000003}};
    struct error_text et;
    struct pcap *p;

    assert_int_equal(pcap_open(&p, PATH, interfaces, 2, &et), 0);
    return p;
}

static void end(struct pcap *p)
{
    struct error_text et;

    assert_int_equal(pcap_close(p, &et), 0);
    read_blocks();
}

static void open__section_and_an_interface_a_host(void **state)
{
    (void)state;
    end(start());
    assert_int_equal(count, 3);
    assert_int_equal(blocks[0].type, 0x0a0d0d0a);
    assert_int_equal(get32(blocks[0].body), 0x1a2b3c4d);
    assert_int_equal(blocks[1].type, 1);
    assert_int_equal(get32(blocks[1].body), 1); /* Ethernet */
    assert_true(contains(&blocks[1], "alpha"));
    assert_true(contains(&blocks[2], "beta"));
}

static void record__time_in_ns_lengths_and_bytes(void **state)
{
    struct pcap *p = start();

    (void)state;
    record(p, PROBE_tx_packet, 16016, 7, 0);
    end(p);
    assert_int_equal(count, 4);
    assert_int_equal(blocks[3].type, 6);
    assert_int_equal(get32(blocks[3].body), 1);                   /* interface */
    assert_int_equal(get32(blocks[3].body + 4), 0);               /* time, upper half */
    assert_int_equal(get32(blocks[3].body + 8), 16016 * 10 / 32); /* 5005 ns */
    assert_int_equal(get32(blocks[3].body + 12), 70);
    assert_int_equal(get32(blocks[3].body + 16), 70);
    assert_memory_equal(blocks[3].body + 20, "\1\2\3", 3);
    assert_true(contains(&blocks[3], "cycle 16016, packet 7"));
}

static void record__a_drop_is_told_with_its_packet(void **state)
{
    struct pcap *p = start();

    (void)state;
    record(p, PROBE_rx_packet, 100, 1, 0);
    record(p, PROBE_rx_packet, 110, 2, 0);
    record(p, PROBE_drop, 116, 1, NIC_COUNTER_drop_no_buffer);
    record(p, PROBE_rx_packet, 5000, 3, 0);
    end(p);
    assert_int_equal(count, 6);
    assert_true(contains(&blocks[3], "packet 1, dropped: drop_no_buffer"));
    assert_false(contains(&blocks[4], "dropped"));
}

static void open__names_what_cannot_be_written(void **state)
{
    struct error_text et;
    struct pcap *p;

    (void)state;
    assert_true(pcap_open(&p, "/nonexistent/x", NULL, 0, &et) < 0);
    assert_non_null(strstr(et.text, "/nonexistent/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open__section_and_an_interface_a_host),
        cmocka_unit_test(record__time_in_ns_lengths_and_bytes),
        cmocka_unit_test(record__a_drop_is_told_with_its_packet),
        cmocka_unit_test(open__names_what_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
