/* SPDX-License-Identifier: MIT */
/* Choice and calibration of the clock: see clock.h. */
#include "clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CALIBRATION_NS (5 * NS_PER_MS)
#define PAIR_READINGS  32
/* A shorter span measures the reading's error rather than the rate: 50 ns in 100 ms are 0.5 ppm. */
#define STEER_SPAN_NS (100 * NS_PER_MS)
#define STEER_SLEW_NS NS_PER_S
/* Put between base and now, so that a counter a few cycles behind on another CPU cannot read as a huge difference. */
#define BASE_MARGIN_CYCLES 65536

struct pair {
    uint64_t tsc;
    uint64_t ns;
};

/* Measured once a process and constant from then on. */
static pthread_once_t calibrated = PTHREAD_ONCE_INIT;
static struct clock calibration;

static uint64_t tsc_read(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;
#endif
}

static bool tsc_invariant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
#else
    return false;
#endif
}

static bool kernel_uses_tsc(void)
{
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    char word[8] = "";
    ssize_t n;

    if (fd < 0)
        return false;
    n = read(fd, word, sizeof(word) - 1);
    close(fd);
    return n == 4 && strcmp(word, "tsc\n") == 0;
}

/* Reads both clocks at one moment: of several tries the one with the least time between two counter readings. */
static struct pair pair_read(void)
{
    struct pair best = {0, 0};
    uint64_t before, after, ns, width = UINT64_MAX;

    for (int i = 0; i < PAIR_READINGS; i++) {
        before = tsc_read();
        ns = clock_gettime_ns();
        after = tsc_read();
        if (after >= before && after - before < width) {
            width = after - before;
            best.tsc = before + width / 2;
            best.ns = ns;
        }
    }
    return best;
}

/* Nanoseconds a cycle, scaled by 2^CLOCK_SHIFT; 0 when it fits no counter there is (10 MHz to 100 GHz). */
static uint64_t rate_of(uint64_t cycles, uint64_t ns)
{
    unsigned __int128 rate;

    if (cycles == 0)
        return 0;
    rate = ((unsigned __int128)ns << CLOCK_SHIFT) / cycles;
    if (rate < (UINT64_C(1) << CLOCK_SHIFT) / 100 || rate > (UINT64_C(100) << CLOCK_SHIFT))
        return 0;
    return (uint64_t)rate;
}

static uint64_t rate_to_hz(uint64_t mult)
{
    return (uint64_t)(((unsigned __int128)NS_PER_S << CLOCK_SHIFT) / mult);
}

/* Makes now_ns the time at tsc and mult the rate from there on. */
static void rebase(struct clock *c, uint64_t tsc, uint64_t now_ns, uint64_t mult)
{
    uint64_t margin_ns = (BASE_MARGIN_CYCLES * mult) >> CLOCK_SHIFT;

    c->mult = mult;
    c->base_tsc = tsc - BASE_MARGIN_CYCLES;
    c->base_ns = now_ns - margin_ns;
    assert(clock_at_tsc(c, tsc) == now_ns);
}

static void calibrate(void)
{
    struct pair first, last;
    uint64_t rate;

    if (!tsc_invariant() || !kernel_uses_tsc())
        return;
    first = pair_read();
    do {
        last = pair_read();
    } while (last.ns - first.ns < CALIBRATION_NS);
    rate = last.tsc > first.tsc ? rate_of(last.tsc - first.tsc, last.ns - first.ns) : 0;
    if (rate == 0)
        return;
    calibration.use_tsc = true;
    calibration.tsc_hz = rate_to_hz(rate);
    calibration.paired_tsc = first.tsc;
    calibration.paired_ns = first.ns;
    rebase(&calibration, last.tsc, last.ns, rate);
}

void clock_init(struct clock *c, bool force_gettime)
{
    memset(c, 0, sizeof(*c));
    if (force_gettime || pthread_once(&calibrated, calibrate) != 0)
        return;
    *c = calibration;
    if (c->use_tsc)
        clock_refine(c); /* the longer ago the first pair was read, the better it measures the rate */
}

void clock_use_virtual(struct clock *c, const uint64_t *ns)
{
    c->use_tsc = false;
    c->virtual_ns = ns;
}

void clock_steer(struct clock *c, uint64_t tsc, uint64_t ns)
{
    uint64_t span = ns - c->paired_ns;
    uint64_t now, rate, ahead, window;

    assert(c->use_tsc);
    if (ns < c->paired_ns || span < STEER_SPAN_NS)
        return;
    rate = tsc > c->paired_tsc ? rate_of(tsc - c->paired_tsc, span) : 0;
    if (rate == 0) {
        /* The counter was set anew, as when a machine is moved: keep the rate, start over from the true time. */
        rate = c->mult;
        now = ns;
    } else {
        c->tsc_hz = rate_to_hz(rate);
        now = clock_at_tsc(c, tsc);
    }
    c->paired_tsc = tsc;
    c->paired_ns = ns;
    if (now > ns) {
        /* Slower by at most a half; the next call is expected after as long a time as this one. */
        ahead = now - ns;
        window = span < STEER_SLEW_NS ? STEER_SLEW_NS : span;
        if (ahead > window / 2)
            ahead = window / 2;
        rate -= (uint64_t)((unsigned __int128)rate * ahead / window);
    } else {
        now = ns;
    }
    rebase(c, tsc, now, rate);
}

void clock_refine(struct clock *c)
{
    struct pair p;

    if (!c->use_tsc)
        return;
    p = pair_read();
    clock_steer(c, p.tsc, p.ns);
}
