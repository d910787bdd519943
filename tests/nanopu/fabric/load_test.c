/* SPDX-License-Identifier: MIT */
/* A load generator alone: what it sends is noted; start messages and answers are made here. */
#include "nanopu/fabric/load.h"
#include "nanopu/fabric/load_draw.h"
#include "nanopu/fabric/port.h"
#include "transport/msg_header.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SENT_MAX 256
#define LINK     140
#define LOAD_IP  0x0a000001
#define HOST_IP  0x0a000002

struct rig {
    struct params params;
    struct port *port;
    struct packet sent[SENT_MAX];
    struct msg_header header[SENT_MAX];
    unsigned count;
};

static void on_send(void *arg, struct packet *p)
{
    struct rig *r = arg;

    assert_true(r->count < SENT_MAX);
    r->sent[r->count] = *p;
    assert_int_equal(msg_header_parse(&r->header[r->count], MSG_NDP, 153, p->data, p->len_bytes), MSG_OK);
    r->count++;
    port_packet_free(r->port, p);
}

static void begin(struct rig *r, const char *connect)
{
    struct port_config config = {.name = "p",
                                 .connect = connect,
                                 .ip = LOAD_IP,
                                 .mac = 0x26e1000001,
                                 .switch_mac = 0x085566778808,
                                 .params = &r->params,
                                 .link_cycles = LINK,
                                 .send = on_send,
                                 .arg = r};
    struct error_text et = {""};

    memset(r, 0, sizeof(*r));
    params_profile(&r->params, "osdi21");
    if (port_new(&r->port, &config, &et) != 0)
        fail_msg("%s", et.text);
}

/* A DATA packet of the host with some words. */
static void arrive(struct rig *r, uint64_t cycle, uint16_t context, uint64_t a, uint64_t b, uint64_t c)
{
    struct packet p = {.first_flit_cycle = cycle, .len_bytes = PACKET_HEADER_BYTES + 24};
    struct msg_header h = {.src_ip = HOST_IP,
                           .dst_ip = LOAD_IP,
                           .ip_protocol = 153,
                           .payload_len = 24,
                           .flags = MSG_DATA,
                           .src_context = context,
                           .msg_len = 24,
                           .tx_msg_id = 77,
                           .buf_ptr = 5,
                           .buf_class = 1};
    const uint64_t words[] = {a, b, c};

    msg_header_write(&h, MSG_NDP, false, p.data);
    for (unsigned i = 0; i < sizeof(words); i++)
        p.data[PACKET_HEADER_BYTES + i] = (uint8_t)(words[i / 8] >> (56 - 8 * (i % 8)));
    port_receive(r->port, &p);
}

static uint64_t word(const struct rig *r, unsigned i, unsigned n)
{
    uint64_t v = 0;

    assert_true(PACKET_HEADER_BYTES + 8 * (n + 1) <= r->sent[i].len_bytes);
    for (unsigned b = 0; b < 8; b++)
        v = v << 8 | r->sent[i].data[PACKET_HEADER_BYTES + 8 * n + b];
    return v;
}

static void end(struct rig *r)
{
    port_free(r->port);
}

/* Forgets the acknowledgements: requests alone stay. */
static void keep_requests(struct rig *r)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < r->count; i++) {
        if (r->header[i].flags != MSG_DATA)
            continue;
        r->sent[kept] = r->sent[i];
        r->header[kept++] = r->header[i];
    }
    r->count = kept;
}

static void waits_for_all_start_messages(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:test=DIF_PRIORITY_LNIC_DRIVEN,mean=1000,count=5");
    arrive(&r, 300, 0, 0, 0, 0);
    port_advance(r.port, 280000);
    assert_int_equal(r.count, 1); /* its acknowledgement */
    assert_int_equal(r.header[0].flags, MSG_ACK | MSG_PULL);
    assert_int_equal(r.header[0].pull_offset, r.params.rtt_pkts);
    assert_int_equal(r.header[0].tx_msg_id, 77);
    assert_int_equal(r.header[0].buf_ptr, 5);
    assert_int_equal(r.header[0].buf_class, 1);
    assert_int_equal(r.header[0].dst_ip, HOST_IP);
    assert_int_equal(r.sent[0].len_bytes, 80);
    assert_int_equal(r.sent[0].first_flit_cycle, 300);
    arrive(&r, 280000, 1, 0, 0, 0);
    port_advance(r.port, 280140);
    assert_true(r.count >= 3);
    assert_int_equal(r.header[2].flags, MSG_DATA);
    end(&r);
}

static void ends_as_failure_without_them(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:test=ONE_CONTEXT_FOUR_CORES");
    arrive(&r, 300, 0, 0, 0, 0);
    port_advance(r.port, 28000);
    assert_int_equal(port_next_event(r.port), UINT64_MAX);
    assert_int_equal(port_state(r.port), PORT_WAITING);
    port_end(r.port);
    assert_int_equal(port_state(r.port), PORT_FAILED);
    assert_non_null(strstr(port_failure(r.port), "1 of 4"));
    end(&r);
}

static void requests_are_as_published(void **state)
{
    struct rig r;
    uint64_t last = 0;

    (void)state;
    begin(&r, "load:starts=0,mean=300,count=50,service=fixed:700,test=DIF_PRIORITY_LNIC_DRIVEN");
    port_advance(r.port, 56000);
    assert_int_equal(r.count, 50);
    for (unsigned i = 0; i < r.count; i++) {
        assert_int_equal(r.sent[i].first_flit_cycle % LINK, 0);
        assert_true(i == 0 || r.sent[i].first_flit_cycle > last);
        last = r.sent[i].first_flit_cycle;
        assert_int_equal(r.header[i].dst_ip, HOST_IP);
        assert_int_equal(r.header[i].src_ip, LOAD_IP);
        assert_int_equal(r.header[i].src_context, 0);
        assert_true(r.header[i].dst_context < 2);
        assert_int_equal(r.header[i].tx_msg_id, i % 127);
        assert_int_equal(r.header[i].msg_len, 16);
        assert_int_equal(word(&r, i, 0), 700);
        assert_int_equal(word(&r, i, 1), last);
    }
    end(&r);
}

static bool same_requests(const struct rig *a, const struct rig *b)
{
    bool same = a->count == b->count;

    for (unsigned i = 0; i < a->count && same; i++)
        same = a->sent[i].first_flit_cycle == b->sent[i].first_flit_cycle &&
               a->sent[i].len_bytes == b->sent[i].len_bytes &&
               memcmp(a->sent[i].data, b->sent[i].data, a->sent[i].len_bytes) == 0;
    return same;
}

static void a_seed_gives_one_sequence(void **state)
{
    static struct rig a, b, c;

    (void)state;
    begin(&a, "load:starts=0,mean=300,count=20,service=bimodal,seed=5");
    begin(&b, "load:starts=0,mean=300,count=20,service=bimodal,seed=5");
    begin(&c, "load:starts=0,mean=300,count=20,service=bimodal,seed=6");
    port_advance(a.port, 140000);
    port_advance(b.port, 140000);
    port_advance(c.port, 140000);
    assert_true(same_requests(&a, &b));
    assert_false(same_requests(&a, &c));
    end(&a);
    end(&b);
    end(&c);
}

static void control_leaves_before_requests(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:starts=0,mean=1,count=1,arrivals=fixed");
    arrive(&r, 20, 0, 500, 0, 0);
    port_advance(r.port, LINK);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.header[0].flags, MSG_ACK | MSG_PULL);
    assert_int_equal(r.sent[0].first_flit_cycle, 20);
    assert_int_equal(r.header[1].flags, MSG_DATA);
    assert_int_equal(r.sent[1].first_flit_cycle, 30); /* stamped 0, behind ten flits */
    end(&r);
}

static void what_does_not_fit_waits_for_the_next_iteration(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:starts=0,mean=1,count=2,arrivals=fixed");
    port_advance(r.port, LINK);
    arrive(&r, LINK + 125, 0, 500, 0, 0); /* acknowledged at once: the request has no room behind it */
    port_advance(r.port, (uint64_t)2 * LINK);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.sent[1].first_flit_cycle, LINK + 125);
    port_advance(r.port, (uint64_t)3 * LINK);
    assert_int_equal(r.count, 3);
    assert_int_equal(r.header[2].flags, MSG_DATA);
    assert_int_equal(r.sent[2].first_flit_cycle, 2 * LINK);
    end(&r);
}

static void phases_end_with_answers_and_the_last_request_with_0(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:starts=0,mean=400:200:200,count=1,arrivals=fixed,service=fixed:100000");
    port_advance(r.port, 1400);
    assert_int_equal(r.count, 1);
    arrive(&r, 1400, 0, 100000, 0, 0);
    port_advance(r.port, 2800);
    keep_requests(&r);
    assert_int_equal(r.count, 2);
    assert_int_equal(port_state(r.port), PORT_WAITING);
    arrive(&r, 2800, 0, 100000, word(&r, 1, 1), 0);
    port_advance(r.port, 4200);
    keep_requests(&r);
    assert_int_equal(r.count, 3);
    assert_int_equal(word(&r, 2, 0), 0);
    assert_int_equal(port_state(r.port), PORT_IDLE);
    assert_int_equal(port_next_event(r.port), UINT64_MAX);
    end(&r);
}

static void gives_up_after_twice_the_work(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:starts=0,mean=400,count=10,arrivals=fixed,service=fixed:1000");
    port_advance(r.port, 14000);
    assert_int_equal(r.count, 10);
    port_advance(r.port, 28000);
    assert_int_equal(r.count, 11);
    assert_in_range(r.sent[10].first_flit_cycle, r.sent[9].first_flit_cycle + 20000,
                    r.sent[9].first_flit_cycle + 20000 + LINK);
    end(&r);
}

static void exact_time_knows_no_iterations(void **state)
{
    struct rig r;
    unsigned aligned = 0;

    (void)state;
    begin(&r, "load:starts=0,mean=300,count=100,time=exact");
    port_advance(r.port, 98000);
    assert_int_equal(r.count, 100);
    for (unsigned i = 1; i < r.count; i++)
        aligned += r.sent[i].first_flit_cycle % LINK == 0;
    assert_true(aligned < 10);
    /* the mean is the nominal one: 99 gaps, within four deviations */
    assert_in_range((r.sent[99].first_flit_cycle - r.sent[0].first_flit_cycle) / 99, 180, 420);
    end(&r);
}

static void bimodal_long_requests_have_a_context_of_their_own(void **state)
{
    static struct rig r;
    unsigned longs = 0;

    (void)state;
    begin(&r, "load:starts=0,mean=1,count=200,service=bimodal,test=TWO_CONTEXTS_FOUR_SHARED_CORES,seed=2");
    port_advance(r.port, 140000);
    for (unsigned i = 0; i < r.count; i++) {
        assert_int_equal(r.header[i].dst_context, word(&r, i, 0) > 8000);
        longs += r.header[i].dst_context;
    }
    assert_in_range(longs, 1, 8);
    end(&r);
}

static void rdma_reads_from_the_array_of_the_start_message(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:kind=rdma,mean=300,count=5,keys=100,service=fixed:100000");
    arrive(&r, 140, 0, 0, 0, 0x80010000);
    port_advance(r.port, 14000);
    keep_requests(&r);
    assert_int_equal(r.count, 5);
    for (unsigned i = 0; i < r.count; i++) {
        assert_int_equal(r.header[i].msg_len, 32);
        assert_int_equal(word(&r, i, 2), 1);
        assert_in_range(word(&r, i, 3), 0x80010000, 0x80010000 + 99 * 8);
        assert_int_equal(word(&r, i, 3) % 8, 0);
    }
    end(&r);
}

static void kinds_have_their_lengths(void **state)
{
    static const struct {
        const char *connect;
        unsigned least, most;
    } kinds[] = {
        {"load:starts=0,bytes=1024", 1024, 1024},           {"load:starts=0,kind=mica", 16 + 32, 16 + 32 + 512},
        {"load:starts=0,kind=chainrep", 16 + 48 + 64, 128}, {"load:starts=0,kind=intersect", 32, 56},
        {"load:starts=0,kind=euclidean_dist", 168, 192},    {"load:starts=0,kind=classification", 48, 48},
        {"load:starts=0,kind=raft_write", 104, 104},
    };

    (void)state;
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        char connect[96];
        static struct rig r;

        snprintf(connect, sizeof(connect), "%s,mean=1,count=40", kinds[k].connect);
        begin(&r, connect);
        port_advance(r.port, 14000);
        assert_int_equal(r.count, 40);
        for (unsigned i = 0; i < r.count; i++) {
            assert_in_range(r.header[i].msg_len, kinds[k].least, kinds[k].most);
            assert_int_equal(r.sent[i].len_bytes, PACKET_HEADER_BYTES + r.header[i].msg_len);
        }
        end(&r);
    }
}

static void mica_writes_under_even_ids_and_hashes_keys(void **state)
{
    static struct rig r;

    (void)state;
    begin(&r, "load:starts=0,kind=mica,mean=1,count=20,keys=10");
    port_advance(r.port, 14000);
    for (unsigned i = 0; i < r.count; i++) {
        bool write = i % 2 == 0;

        assert_int_equal(word(&r, i, 2), write ? 2 : 1);
        assert_int_equal(r.header[i].msg_len, write ? 560 : 48);
        assert_in_range(word(&r, i, 3), 1, 10);
        assert_int_equal(word(&r, i, 4), 0);
        if (write)
            assert_int_equal(word(&r, i, 6), word(&r, i, 3));
        for (unsigned j = 0; j < i; j++)
            assert_int_equal(word(&r, i, 3) == word(&r, j, 3), word(&r, i, 5) == word(&r, j, 5));
    }
    end(&r);
}

static void intersect_asks_for_different_words_in_order(void **state)
{
    static struct rig r;

    (void)state;
    begin(&r, "load:starts=0,kind=intersect,mean=1,count=100,keys=6");
    port_advance(r.port, 28000);
    for (unsigned i = 0; i < r.count; i++) {
        unsigned n = (unsigned)word(&r, i, 2);

        assert_in_range(n, 1, 4);
        assert_int_equal(r.header[i].msg_len, 24 + 8 * n);
        for (unsigned k = 0; k < n; k++) {
            assert_in_range(word(&r, i, 3 + k), 1, 6);
            assert_true(k == 0 || word(&r, i, 3 + k) > word(&r, i, 2 + k));
        }
    }
    end(&r);
}

/* The lines of a file of the test's directory. */
static unsigned lines_of(const char *path, const char *first)
{
    char line[256];
    unsigned lines = 0;
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (lines++ == 0)
            assert_memory_equal(line, first, strlen(first));
    }
    fclose(f);
    unlink(path);
    return lines;
}

static void records_are_written_in_three_formats(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "load:starts=0,mean=400,count=2,arrivals=fixed,service=fixed:9000,log=l.log,csv=l.csv,json=l.json");
    port_advance(r.port, 700);
    arrive(&r, 760, 1, 9000, 0, 0);
    arrive(&r, 790, 1, 9000, 420, 0);
    port_advance(r.port, 1400);
    end(&r);
    assert_int_equal(lines_of("l.log", "&&CSV&&RequestStats,0,9000,0,9000.000000,400\n"), 4);
    assert_int_equal(lines_of("l.csv", "what,service,delta,sent,"), 5);
    assert_int_equal(lines_of("l.json", "{\"test\":\"ONE_CONTEXT_ONE_CORE\","), 6);
}

static void refuses_what_it_does_not_know(void **state)
{
    static const char *const wrong[][2] = {
        {"means=3", "the nearest is \"mean\""},
        {"mean", "KEY=VALUE"},
        {"mean=0", "mean takes"},
        {"mean=100:200:5", "mean takes"},
        {"mean=200:100", "mean takes"},
        {"count=0", "count takes"},
        {"service=fixed:0", "service takes"},
        {"service=often", "service takes"},
        {"test=MANY", "test takes"},
        {"kind=soup", "kind takes"},
        {"time=later", "time takes"},
        {"target=10.0", "target takes"},
        {"bytes=20", "bytes takes"},
        {"bytes=1032", "bytes takes"},
        {"keys=4", "keys takes"},
        {"seed=-1", "seed takes"},
        {"starts=5000", "starts takes"},
        {"arrivals=no", "arrivals takes"},
        {"log=", "log takes"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        struct error_text et = {""};
        struct load_spec s;

        assert_int_equal(load_spec_parse(&s, "name", wrong[i][0], &et), -EINVAL);
        if (strstr(et.text, wrong[i][1]) == NULL || strncmp(et.text, "name: load: ", 12) != 0)
            fail_msg("%s: %s", wrong[i][0], et.text);
    }
}

static void drawn_numbers_have_their_distributions(void **state)
{
    struct draw d;
    static struct zipf z;
    double exp = 0, normal = 0;
    unsigned ones = 0;

    (void)state;
    draw_init(&d, 7, 0);
    zipf_init(&z, 200);
    for (unsigned i = 0; i < 100000; i++) {
        double e = draw_exp(&d, 50);
        uint64_t word_number = draw_zipf(&d, &z);

        assert_true(e >= 0);
        exp += e;
        normal += draw_normal(&d, 1600, 100);
        assert_in_range(word_number, 1, 200);
        ones += word_number == 1;
        assert_true(draw_below(&d, 3) < 3);
    }
    assert_in_range((unsigned)exp / 100000, 49, 50);
    assert_in_range((unsigned)(normal / 100000), 1599, 1600);
    assert_in_range(ones, 16000, 18000); /* 1 of 5.88 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_all_start_messages),
        cmocka_unit_test(ends_as_failure_without_them),
        cmocka_unit_test(requests_are_as_published),
        cmocka_unit_test(a_seed_gives_one_sequence),
        cmocka_unit_test(control_leaves_before_requests),
        cmocka_unit_test(what_does_not_fit_waits_for_the_next_iteration),
        cmocka_unit_test(phases_end_with_answers_and_the_last_request_with_0),
        cmocka_unit_test(gives_up_after_twice_the_work),
        cmocka_unit_test(exact_time_knows_no_iterations),
        cmocka_unit_test(bimodal_long_requests_have_a_context_of_their_own),
        cmocka_unit_test(rdma_reads_from_the_array_of_the_start_message),
        cmocka_unit_test(kinds_have_their_lengths),
        cmocka_unit_test(mica_writes_under_even_ids_and_hashes_keys),
        cmocka_unit_test(intersect_asks_for_different_words_in_order),
        cmocka_unit_test(records_are_written_in_three_formats),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(drawn_numbers_have_their_distributions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
