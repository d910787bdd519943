/* SPDX-License-Identifier: MIT */
/*
 * Topology files of any bytes. What is refused is refused with the file's name; of what is accepted every link joins
 * two nodes at ports of their own, and from every switch a way leads to every address, or to none that there is not.
 */
#include "fuzz.h"

#include "nanopu/fabric/topology.h"

#include <errno.h>

#define NODES_MAX 64 /* beyond that routes are not checked: it takes too long */

static void check_links(const struct topology *t)
{
    for (unsigned i = 0; i < t->link_count; i++) {
        const struct topology_link *l = &t->links[i];

        require(l->latency_cycles >= t->window_cycles && t->window_cycles > 0);
        for (unsigned e = 0; e < 2; e++) {
            require(l->node[e] < t->node_count);
            require(l->port[e] < t->nodes[l->node[e]]->links);
        }
    }
}

static void check_routes(const struct topology *t)
{
    static uint16_t routes[SWITCH_ROUTES];

    for (unsigned i = 0; i < t->node_count && t->node_count <= NODES_MAX; i++) {
        if (t->nodes[i]->kind != TOPOLOGY_SWITCH)
            continue;
        require(topology_routes(t, i, routes) == 0);
        for (unsigned n = 0; n < t->node_count; n++)
            require(t->nodes[n]->kind == TOPOLOGY_SWITCH || routes[t->nodes[n]->ip & 0xffff] < t->nodes[i]->links);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_text et = {""};
    struct topology t;
    struct params p;
    int ret;

    params_profile(&p, "osdi21");
    topology_init(&t);
    ret = topology_parse(&t, "name", (const char *)data, size, &p, &et);
    if (ret == 0)
        ret = topology_finish(&t, "name", &et);
    if (ret != 0) {
        require(ret == -EINVAL && strncmp(et.text, "name:", 5) == 0);
    } else {
        require(t.host_count > 0);
        check_links(&t);
        check_routes(&t);
    }
    topology_free(&t);
    return 0;
}
