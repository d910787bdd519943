/* SPDX-License-Identifier: MIT */
#include "nanopu/fabric/topology.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int read_text(struct topology *t, const char *text, struct error_text *et)
{
    struct params p;
    int ret;

    params_profile(&p, "osdi21");
    topology_init(t);
    ret = topology_parse(t, "dir/net.yaml", text, strlen(text), &p, et);
    return ret == 0 ? topology_finish(t, "dir/net.yaml", et) : ret;
}

static void topology__hosts_alone_get_a_switch_and_addresses(void **state)
{
    struct error_text et;
    struct topology t;
    char buf[18];

    (void)state;
    assert_int_equal(read_text(&t, "hosts: [{count: 3, program: p.elf, args: [1, two, 'n{i}.']}]", &et), 0);
    assert_int_equal(t.node_count, 4);
    assert_int_equal(t.host_count, 3);
    assert_string_equal(t.nodes[2]->name, "host2");
    assert_string_equal(ip_text(t.nodes[2]->ip, buf), "10.0.0.4");
    assert_string_equal(mac_text(t.nodes[2]->mac, buf), "00:26:E1:00:00:04");
    assert_string_equal(t.nodes[2]->program, "dir/p.elf");
    assert_int_equal(t.nodes[2]->arg_count, 3);
    assert_string_equal(t.nodes[2]->args[1], "two");
    assert_string_equal(t.nodes[2]->args[2], "n2.");
    assert_int_equal(t.nodes[3]->kind, TOPOLOGY_SWITCH);
    assert_int_equal(t.nodes[3]->switch_kind, SWITCH_EXACT);
    assert_int_equal(t.nodes[3]->links, 3);
    assert_int_equal(t.window_cycles, 140);
    topology_free(&t);
}

static void topology__parameters_of_all_and_of_one(void **state)
{
    const char *text = "profile: homa\n"
                       "params: {link_cycles: 100}\n"
                       "hosts:\n"
                       "  - {name: a, cores: 2, params: {rtt_pkts: 9}}\n"
                       "  - {name: b, background: yes, ip: 10.0.0.9}\n"
                       "switches:\n"
                       "  - {name: s, kind: osdi21, queue_low_bytes: 4375}\n";
    struct error_text et;
    struct topology t;

    (void)state;
    assert_int_equal(read_text(&t, text, &et), 0);
    assert_int_equal(t.nodes[0]->params.cores, 2);
    assert_int_equal(t.nodes[0]->params.rtt_pkts, 9);
    assert_string_equal(t.nodes[0]->params.profile, "homa");
    assert_int_equal(t.nodes[1]->params.cores, 4);
    assert_int_equal(t.nodes[1]->ip, 0x0a000009);
    assert_true(t.nodes[1]->background && !t.nodes[0]->background);
    assert_int_equal(t.nodes[2]->params.queue_low_bytes, 4375);
    assert_int_equal(t.nodes[2]->switch_kind, SWITCH_OSDI21);
    assert_int_equal(t.window_cycles, 100);
    topology_free(&t);
}

static const char *const tiers = "hosts: [{name: a, count: 4}, {name: b, count: 4}]\n"
                                 "switches: [{name: leaf_a}, {name: leaf_b}, {name: spine, count: 2}]\n"
                                 "links:\n"
                                 "  - {between: [a*, leaf_a]}\n"
                                 "  - {between: [b*, leaf_b], latency: 70}\n"
                                 "  - {between: [leaf_*, spine*], latency: 280}\n";

static void topology__routes_through_tiers(void **state)
{
    uint16_t *routes = malloc(SWITCH_ROUTES * sizeof(*routes));
    unsigned up[2] = {0, 0};
    struct error_text et;
    struct topology t;

    (void)state;
    assert_int_equal(read_text(&t, tiers, &et), 0);
    assert_int_equal(t.window_cycles, 70);
    assert_int_equal(topology_routes(&t, (unsigned)topology_find(&t, "leaf_a"), routes), 0);
    assert_int_equal(routes[2], 0); /* its own hosts are at its first ports */
    assert_int_equal(routes[5], 3);
    for (unsigned i = 6; i < 10; i++) { /* the others' are spread over both spines */
        assert_in_range(routes[i], 4, 5);
        up[routes[i] - 4]++;
    }
    assert_int_equal(up[0], 2);
    assert_int_equal(up[1], 2);
    assert_int_equal(routes[10], ROUTE_NONE);
    assert_int_equal(topology_routes(&t, (unsigned)topology_find(&t, "spine1"), routes), 0);
    assert_int_equal(routes[3], 0);
    assert_int_equal(routes[9], 1);
    free(routes);
    topology_free(&t);
}

/* The same file with its entries in another order makes the same machine. */
static void topology__the_order_of_entries_is_not_the_machines(void **state)
{
    const char *first = "hosts: [{name: x, ip: 10.0.0.7}, {name: y, ip: 10.0.0.3}]\n"
                        "switches: [{name: s2}, {name: s1}]\n"
                        "links: [{between: [x, s1]}, {between: [s2, s1]}, {between: [y, s2]}]\n";
    const char *second = "links: [{between: [s2, y]}, {between: [s1, s2]}, {between: [s1, x]}]\n"
                         "switches: [{name: s1}, {name: s2}]\n"
                         "hosts: [{name: y, ip: 10.0.0.3}, {name: x, ip: 10.0.0.7}]\n";
    struct error_text et;
    struct topology a, b;

    (void)state;
    assert_int_equal(read_text(&a, first, &et), 0);
    assert_int_equal(read_text(&b, second, &et), 0);
    assert_int_equal(a.node_count, b.node_count);
    for (unsigned i = 0; i < a.node_count; i++)
        assert_string_equal(a.nodes[i]->name, b.nodes[i]->name);
    assert_string_equal(a.nodes[0]->name, "y");
    for (unsigned i = 0; i < a.link_count; i++) {
        assert_memory_equal(a.links[i].node, b.links[i].node, sizeof(a.links[i].node));
        assert_memory_equal(a.links[i].port, b.links[i].port, sizeof(a.links[i].port));
    }
    topology_free(&a);
    topology_free(&b);
}

static void topology__what_is_wrong_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"hosts: [{name: a}]\nhost: 1\n", "dir/net.yaml:2: unknown key \"host\"; the nearest there is, is \"hosts\""},
        {"hosts:\n - name: a\n   progam: x\n",
         "dir/net.yaml:3: unknown key \"progam\"; the nearest there is, is \"program\""},
        {"hosts:\n - {name: a, core: 2}\n", "dir/net.yaml:2: unknown key \"core\"; the nearest there is, is \"cores\""},
        {"hosts:\n - {name: a, cores: 99}\n", "dir/net.yaml:2: cores: takes a number from 1 to 64, not \"99\""},
        {"params: {link: 9}\nhosts: [{name: a}]\n", "unknown key \"link\""},
        {"hosts: [{name: a, name: b}]", "name: for the second time"},
        {"hosts: [{name: a}, {name: a}]", "a is the name of two nodes"},
        {"hosts: [{name: a, count: 0}]", "count: takes a number from 1 to 4096"},
        {"hosts: [{name: 'a b'}]", "a name has no spaces"},
        {"hosts: [{name: a, ip: 10.0.0}]", "an address like 10.0.0.2"},
        {"hosts: [{ip: 10.0.0.2, name: a}, {name: b, ip: 10.1.0.2}]", "whose low 16 bits another node has"},
        {"hosts: [{name: a, background: maybe}]", "takes yes or no"},
        {"hosts: {name: a}", "hosts: a list is expected here"},
        {"hosts: [a]", "\"key: value\" is expected here"},
        {"hosts: [{name: a, args: x}]", "args: a list is expected here"},
        {"hosts: [{name: a, program: []}]", "program: a path is expected here"},
        {"profile: sigcomm\nhosts: [{name: a}]", "profile: takes osdi21 or homa"},
        {"switches: [{name: s}]", "no hosts"},
        {"", "nothing in it"},
        {"hosts: [{name: a}\n", "not YAML"},
        {"hosts: [{name: a}]\nswitches: [{name: s, kind: fast}]", "kind: takes exact or osdi21"},
        {"hosts: [{name: a}]\nswitches: [{name: s}, {name: r}]", "is a second switch, and no links are given"},
        {"hosts: [{name: a}, {name: b}]\nlinks: [{between: [a, c]}]", "there is no node \"c\"; the nearest is \"a\""},
        {"hosts: [{name: a}, {name: b}]\nlinks: [{between: [a]}]", "two names in [ ] are expected here"},
        {"hosts: [{name: a}, {name: b}]\nlinks: [{between: [a, a]}]", "cannot be linked with itself"},
        {"hosts: [{name: a}, {name: b}]\nlinks: [{latency: 7}]", "a link needs \"between\""},
        {"hosts: [{name: a}, {name: b}, {name: c}]\nlinks: [{between: [a, b]}]", "c has no link"},
        {"hosts: [{name: a}, {name: b}]\nlinks: [{between: [a, b]}, {between: [a, b]}]", "more than one link"},
        {"hosts: [{name: a, count: 4}]\nlinks: [{between: [a0, a1]}, {between: [a2, a3]}]", "a2 cannot be reached"},
        {"hosts: [{name: a, count: 2}]\nswitches: [{name: s, kind: osdi21}]\n"
         "links: [{between: [a0, s], latency: 7}, {between: [a1, s], latency: 14}]",
         "all of its links need the same latency"},
        {"hosts: [{name: a}]\nports: [{name: p}]", "a port needs a \"connect\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error_text et = {""};
        struct topology t;

        assert_int_equal(read_text(&t, cases[i].text, &et), -EINVAL);
        if (strstr(et.text, cases[i].error) == NULL || strncmp(et.text, "dir/net.yaml", 12) != 0)
            fail_msg("\"%s\" is no \"%s\"", et.text, cases[i].error);
        topology_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topology__hosts_alone_get_a_switch_and_addresses),
        cmocka_unit_test(topology__parameters_of_all_and_of_one),
        cmocka_unit_test(topology__routes_through_tiers),
        cmocka_unit_test(topology__the_order_of_entries_is_not_the_machines),
        cmocka_unit_test(topology__what_is_wrong_is_named_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
