/* SPDX-License-Identifier: MIT */
/* A scripted port alone: what it sends is noted, what it receives is made here. */
#include "nanopu/fabric/port.h"
#include "nanopu/fabric/port_script.h"
#include "transport/msg_header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SENT_MAX 16

struct rig {
    struct params params;
    struct port *port;
    struct packet sent[SENT_MAX];
    unsigned count;
    char connect[64];
};

static void on_send(void *arg, struct packet *p)
{
    struct rig *r = arg;

    assert_true(r->count < SENT_MAX);
    r->sent[r->count++] = *p;
    port_packet_free(r->port, p);
}

static int start(struct rig *r, const char *text, struct error_text *et)
{
    struct port_config config = {.name = "p",
                                 .ip = 0x0a000001,
                                 .mac = 0x26e1000001,
                                 .switch_mac = 0x085566778808,
                                 .params = &r->params,
                                 .send = on_send,
                                 .arg = r};
    int fd, ret;

    memset(r, 0, sizeof(*r));
    params_profile(&r->params, "osdi21");
    strcpy(r->connect, "script:script-XXXXXX");
    fd = mkstemp(r->connect + strlen("script:"));
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    config.connect = r->connect;
    ret = port_new(&r->port, &config, et);
    unlink(r->connect + strlen("script:"));
    return ret;
}

static void begin(struct rig *r, const char *text)
{
    struct error_text et = {""};

    if (start(r, text, &et) != 0)
        fail_msg("%s", et.text);
}

/* A DATA packet of 10.0.0.2 with one word arrives. */
static void arrive(struct rig *r, uint64_t cycle, uint16_t id, uint64_t word)
{
    struct msg_header h = {.src_ip = 0x0a000002,
                           .dst_ip = 0x0a000001,
                           .ip_protocol = 153,
                           .payload_len = 8,
                           .flags = MSG_DATA,
                           .msg_len = 8,
                           .tx_msg_id = id};
    struct packet p = {.first_flit_cycle = cycle, .len_bytes = PACKET_HEADER_BYTES + 8};

    msg_header_write(&h, MSG_NDP, false, p.data);
    for (unsigned i = 0; i < 8; i++)
        p.data[PACKET_HEADER_BYTES + i] = (uint8_t)(word >> (56 - 8 * i));
    port_receive(r->port, &p);
}

static void script__sends_at_its_times(void **state)
{
    struct msg_header h;
    struct rig r;

    (void)state;
    begin(&r, "# two\nat 100 send dst=10.0.0.2 src_ctx=3 id=0x11 words=1,0xff\n\n after 5 send dst=10.0.0.3 "
              "flags=ack+pull pull=4\n");
    assert_int_equal(port_state(r.port), PORT_WAITING);
    assert_int_equal(port_next_event(r.port), 100);
    port_advance(r.port, 100);
    assert_int_equal(r.count, 0);
    port_advance(r.port, 1000);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.sent[0].first_flit_cycle, 100);
    assert_int_equal(r.sent[0].len_bytes, 80);
    assert_int_equal(r.sent[0].data[PACKET_HEADER_BYTES + 15], 0xff);
    assert_int_equal(msg_header_parse(&h, MSG_NDP, 153, r.sent[0].data, 80), MSG_OK);
    assert_int_equal(h.src_ip, 0x0a000001);
    assert_int_equal(h.dst_ip, 0x0a000002);
    assert_int_equal(h.flags, MSG_DATA);
    assert_int_equal(h.src_context, 3);
    assert_int_equal(h.msg_len, 16);
    assert_int_equal(h.tx_msg_id, 0x11);
    assert_int_equal(r.sent[1].first_flit_cycle, 110); /* the first has ten flits */
    assert_int_equal(r.sent[1].len_bytes, 128);
    assert_int_equal(msg_header_parse(&h, MSG_NDP, 153, r.sent[1].data, 128), MSG_OK);
    assert_int_equal(h.flags, MSG_ACK | MSG_PULL);
    assert_int_equal(h.pull_offset, 4);
    assert_int_equal(port_state(r.port), PORT_IDLE);
    port_free(r.port);
}

static void script__what_is_expected_comes(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "expect src=10.0.0.2 id=1 words=7\nwithin 50 expect id=2\nat 300 expect id=3 bytes=0000000000000009\n");
    arrive(&r, 100, 1, 7);
    arrive(&r, 150, 2, 8);
    arrive(&r, 300, 3, 9);
    port_advance(r.port, 400);
    assert_string_equal(port_failure(r.port), "");
    assert_int_equal(port_state(r.port), PORT_IDLE);
    port_free(r.port);
}

static void script__answers_count_from_what_came(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "expect id=1\nafter 20 send dst=10.0.0.2 words=1\n");
    port_advance(r.port, 1000);
    assert_int_equal(r.count, 0);
    arrive(&r, 1005, 1, 7);
    port_advance(r.port, 2000);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.sent[0].first_flit_cycle, 1025);
    port_free(r.port);
}

static void script__ignored_packets_do_not_matter(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "expect id=2\nignore id=1\n");
    arrive(&r, 100, 1, 7);
    arrive(&r, 110, 2, 7);
    arrive(&r, 120, 1, 7);
    port_advance(r.port, 200);
    assert_int_equal(port_state(r.port), PORT_IDLE);
    assert_int_equal(port_stats(r.port)->ignored, 2);
    port_free(r.port);
}

/* The script fails with this text when a packet with id 1 and the word 7 comes at cycle 100. */
static void fails(const char *text, const char *why)
{
    struct rig r;

    begin(&r, text);
    arrive(&r, 100, 1, 7);
    port_advance(r.port, 1000);
    port_end(r.port);
    assert_int_equal(port_state(r.port), PORT_FAILED);
    if (strstr(port_failure(r.port), why) == NULL)
        fail_msg("\"%s\" is no \"%s\"", port_failure(r.port), why);
    port_free(r.port);
}

static void script__mismatches_are_told_precisely(void **state)
{
    (void)state;
    fails("\nexpect id=2\n",
          ":2: id=2 was expected, not 1; at cycle 100 came 72 bytes: src=10.0.0.2 dst=10.0.0.1 flags=data");
    fails("expect flags=ack+pull\n", ":1: flags=ack+pull was expected, not data");
    fails("expect src=10.0.0.9\n", ":1: src=10.0.0.9 was expected, not 10.0.0.2");
    fails("expect words=7,8\n", ":1: byte 8 of the payload (of 8) was expected to be 0x00");
    fails("expect words=9\n", ":1: byte 7 of the payload (of 8) was expected to be 0x09, not 0x07");
    fails("at 99 expect id=1\n", ":1: it was expected at cycle 99; at cycle 100 came");
    fails("by 99 expect id=1\n", ":1: it was expected by cycle 99");
    fails("# nothing\n", "nothing more was expected; at cycle 100 came");
    fails("expect id=1\nby 500 expect id=2\n", ":2: by cycle 500 a packet was expected; none came");
    fails("expect id=1\nexpect id=2\n", ":2: a packet was expected, and none will come any more");
}

static void refused(const char *text, const char *why)
{
    struct error_text et = {""};
    struct script *s;

    assert_int_equal(script_parse(&s, "s.txt", text, strlen(text), &et), -EINVAL);
    if (strncmp(et.text, "s.txt:", 6) != 0 || strstr(et.text, why) == NULL)
        fail_msg("\"%s\" is no \"%s\"", et.text, why);
}

static void script_parse__names_what_is_wrong(void **state)
{
    (void)state;
    refused("\n\nfrob dst=1\n", "s.txt:3: send, expect or ignore is expected, not \"frob\"");
    refused("at x send dst=10.0.0.2", "a number of cycles is expected, not \"x\"");
    refused("at 5", "send or expect is missing after \"at\"");
    refused("by 5 send dst=10.0.0.2", "no such time is possible with \"send\"");
    refused("after 5 ignore id=2", "no such time is possible with \"ignore\"");
    refused("send id=1", "a destination (dst=) is missing");
    refused("expect ids=1", "unknown field \"ids\"; the nearest there is, is \"id\"");
    refused("expect id", "field=value is expected, not \"id\"");
    refused("expect id=65536", "no number, or too large: \"65536\"");
    refused("expect offset=256", "no number, or too large");
    refused("expect dst=10.0.0", "no address: \"10.0.0\"");
    refused("expect flags=data+", "no flags: \"data+\"");
    refused("expect flags=fin", "no flags: \"fin\"");
    refused("expect words=1,x", "no payload: \"1,x\"");
    refused("expect bytes=0", "no payload: \"0\"");
}

static void port_new__names_what_it_takes(void **state)
{
    static const char *const bad[] = {"",
                                      "script",
                                      "script:",
                                      "serial:x",
                                      "socket:127.0.0.1",
                                      "socket:10.0.0.1:7000",
                                      "socket:127.0.0.1:70000",
                                      "socket:localhost:7000",
                                      "tap:0123456789abcdef",
                                      "ring:/dev/null"};
    struct params params;

    (void)state;
    params_profile(&params, "osdi21");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct port_config config = {.name = "way", .connect = bad[i], .params = &params};
        struct error_text et = {""};
        struct port *p;

        assert_int_equal(port_new(&p, &config, &et), -EINVAL);
        assert_non_null(strstr(et.text, "way: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(script__sends_at_its_times),
        cmocka_unit_test(script__what_is_expected_comes),
        cmocka_unit_test(script__answers_count_from_what_came),
        cmocka_unit_test(script__ignored_packets_do_not_matter),
        cmocka_unit_test(script__mismatches_are_told_precisely),
        cmocka_unit_test(script_parse__names_what_is_wrong),
        cmocka_unit_test(port_new__names_what_it_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
