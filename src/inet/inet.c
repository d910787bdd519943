/* SPDX-License-Identifier: MIT */
/* A stack's beginning and end. */
#include "internal.h"

void inet_config_defaults(struct inet_config *cfg)
{
    *cfg = (struct inet_config){
        .mtu = 1500,
        .neighbours = 1024,
        .neigh_reach_ns = 30 * NS_PER_S,
        .udp_sockets = 4096,
        .udp_queue = 256,
        .router_solicits = 3,
    };
}

static bool config_good(const struct inet_config *cfg)
{
    static const uint8_t none[6];

    return (cfg->mac[0] & 1) == 0 && memcmp(cfg->mac, none, 6) != 0 && cfg->mtu >= IP_MTU_MIN4 &&
           cfg->mtu <= INET_MTU_MAX && cfg->vlan < 4095 && cfg->neighbours >= 16 && cfg->neighbours <= 32768 &&
           cfg->neigh_reach_ns > 0 && cfg->udp_sockets >= 1 && cfg->udp_sockets <= 65536 && cfg->udp_queue >= 1;
}

struct inet *inet_new(const struct inet_env *env, const struct inet_config *cfg, int *err)
{
    struct inet_stack *s;

    *err = config_good(cfg) ? 0 : -EINVAL;
    if (*err != 0)
        return NULL;
    s = env->reserve(env->ctx, sizeof(*s));
    if (s == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    s->in.env = *env;
    s->in.cfg = *cfg;
    s->in.mtu6 = cfg->mtu;
    s->in.hops6 = IP_HOPS;
    s->in.generation = 1;
    s->in.verdict = COUNTER_MAX;
    memcpy(&s->station, cfg->mac, sizeof(cfg->mac));
    s->station = le64toh(s->station);
    s->ip_id = (uint16_t)env->random(env->ctx);
    *err = neigh_init(&s->in);
    if (*err == 0)
        *err = frag_init(&s->in);
    if (*err == 0 && cfg->mtu >= IP_MTU_MIN6) {
        struct inet_addr a = inet_link_local(&s->in);

        *err = inet_addr_add(&s->in, &a, 64);
    }
    if (*err == 0)
        return &s->in;
    inet_free(&s->in);
    return NULL;
}

void inet_free(struct inet *in)
{
    struct inet_stack *s = stack_of(in);
    struct inet_env env = in->env;
    struct frame *f;

    while ((f = s->loop_first) != NULL) {
        s->loop_first = f->next;
        frame_free(env.mem, f);
    }
    timer_cancel(env.timers, &s->pmtu_timer);
    timer_cancel(env.timers, &s->expire_timer);
    timer_cancel(env.timers, &s->solicit_timer);
    frag_fini(in);
    neigh_fini(in);
    env.unreserve(env.ctx, s, sizeof(*s));
}
