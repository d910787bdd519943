/* SPDX-License-Identifier: MIT */
/*
 * CUBIC: RFC 9438, in integers, so that a run is the same on every compiler.
 *
 * C is 0.4 segments per cubic second and beta 0.7. Time is in milliseconds: W(t) = w_max + C (t - K)^3 with
 * C = 4e-10 segments per cubic millisecond. Bytes stand for segments throughout, as section 4 allows.
 */
#include "tcp_cc.h"

#define BETA_NUM  7
#define BETA_DEN  10
#define T_MAX_MS  100000 /* beyond it the curve is steeper than any limit: the cube stays in 64 bits */
#define ALPHA_NUM 9      /* alpha 3 (1 - beta) / (1 + beta) = 9/17 (section 4.3) */
#define ALPHA_DEN 17

static uint32_t cube_root(uint64_t x)
{
    uint32_t root = 0;

    for (int bit = 20; bit >= 0; bit--) {
        uint64_t trial = root | UINT64_C(1) << bit;

        if (trial * trial * trial <= x)
            root = (uint32_t)trial;
    }
    return root;
}

/* Equation 2: K = cbrt((w_max - cwnd) / C). */
static uint32_t time_to_max(const struct tcp_cc *cc)
{
    if (cc->cubic.w_max <= cc->cwnd)
        return 0;
    return cube_root((uint64_t)(cc->cubic.w_max - cc->cwnd) * UINT64_C(2500000000) / cc->mss);
}

/* Equation 1 at t_ms after the epoch began, in bytes, not below 0. */
static uint64_t curve(const struct tcp_cc *cc, uint64_t t_ms)
{
    int64_t d = (int64_t)(t_ms < T_MAX_MS ? t_ms : T_MAX_MS) - (int64_t)cc->cubic.k_ms, grown;

    if (d < -T_MAX_MS)
        d = -T_MAX_MS;
    grown = d * d * d / 2500 * (int64_t)cc->mss / 1000000;
    return grown < 0 && (uint64_t)-grown > cc->cubic.w_max ? 0 : (uint64_t)((int64_t)cc->cubic.w_max + grown);
}

static void start_epoch(struct tcp_cc *cc, uint64_t now_ns)
{
    cc->cubic.epoch_ns = now_ns > 0 ? now_ns : 1;
    if (cc->cubic.w_max < cc->cwnd)
        cc->cubic.w_max = cc->cwnd;
    cc->cubic.k_ms = time_to_max(cc);
    cc->cubic.w_est = cc->cwnd;
    cc->cubic.w_est_part = 0;
    cc->part = 0;
}

/* The window that Reno would have (section 4.3); it grows by one segment a window once it has reached the prior one. */
static void grow_estimate(struct tcp_cc *cc, uint32_t acked)
{
    bool caught_up = cc->cubic.w_est >= cc->prior_cwnd;
    uint64_t grown = (uint64_t)acked * cc->mss * (caught_up ? ALPHA_DEN : ALPHA_NUM) + cc->cubic.w_est_part;
    uint64_t unit = (uint64_t)cc->cwnd * ALPHA_DEN;

    cc->cubic.w_est_part = (uint32_t)((grown % unit) > UINT32_MAX ? UINT32_MAX : grown % unit);
    cc->cubic.w_est = tcp_cc_clamp(cc->cubic.w_est + grown / unit);
}

static void avoid_congestion(struct tcp_cc *cc, const struct tcp_cc_ack *a, uint32_t acked)
{
    uint64_t t_ms, target, grown;

    if (cc->cubic.epoch_ns == 0)
        start_epoch(cc, a->now_ns);
    grow_estimate(cc, acked);
    t_ms = (a->now_ns - cc->cubic.epoch_ns) / NS_PER_MS;
    if (curve(cc, t_ms) < cc->cubic.w_est) { /* Reno's region */
        if (cc->cwnd < cc->cubic.w_est)
            cc->cwnd = cc->cubic.w_est;
        return;
    }
    target = curve(cc, t_ms + a->srtt_ns / NS_PER_MS);
    if (target <= cc->cwnd)
        return;
    if (target > (uint64_t)cc->cwnd + cc->cwnd / 2)
        target = (uint64_t)cc->cwnd + cc->cwnd / 2;
    grown = (target - cc->cwnd) * acked + cc->part;
    cc->part = (uint32_t)(grown % cc->cwnd);
    cc->cwnd = tcp_cc_clamp(cc->cwnd + grown / cc->cwnd);
}

static void cubic_init(struct tcp_cc *cc)
{
    cc->cubic.epoch_ns = 0;
    cc->cubic.w_max = cc->cubic.prior_w_max = 0;
    cc->part = 0;
}

static void cubic_acked(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
    uint32_t left;

    if (!a->open)
        return;
    if (!a->limited) {
        cc->cubic.epoch_ns = 0; /* the application was slow: that time does not count (section 5.8) */
        return;
    }
    left = tcp_cc_slow_start(cc, a->acked);
    if (left > 0)
        avoid_congestion(cc, a, left);
}

/* Sections 4.6 and 4.7. */
static void reduce(struct tcp_cc *cc)
{
    tcp_cc_remember(cc);
    cc->cubic.prior_w_max = cc->cubic.w_max;
    if (cc->cwnd < cc->cubic.w_max) /* fast convergence: room for a newcomer */
        cc->cubic.w_max = (uint32_t)((uint64_t)cc->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN));
    else
        cc->cubic.w_max = cc->cwnd;
    cc->ssthresh = tcp_cc_at_least_two(cc, (uint64_t)cc->cwnd * BETA_NUM / BETA_DEN);
    cc->cubic.epoch_ns = 0;
    cc->part = 0;
}

static void cubic_congestion(struct tcp_cc *cc, uint64_t now_ns, bool ecn)
{
    (void)now_ns, (void)ecn;
    reduce(cc);
    cc->cwnd = cc->ssthresh;
}

static void cubic_timeout(struct tcp_cc *cc, uint64_t now_ns, uint32_t flight)
{
    (void)now_ns, (void)flight;
    reduce(cc);
    cc->cubic.w_max = 0; /* section 4.8: the next epoch starts from its own window, with K = 0 */
    cc->cwnd = cc->mss;
}

static void cubic_undo(struct tcp_cc *cc)
{
    cc->cubic.w_max = cc->cubic.prior_w_max;
    cc->cubic.epoch_ns = 0;
    cc->part = 0;
}

const struct tcp_cc_ops tcp_cc_cubic = {
    .name = "cubic",
    .init = cubic_init,
    .acked = cubic_acked,
    .congestion = cubic_congestion,
    .timeout = cubic_timeout,
    .undo = cubic_undo,
};
