/* SPDX-License-Identifier: MIT */
/* lwIP in virtual time, without threads and locks. */
#include "sys.h"

#include <lwip/init.h>
#include <lwip/sys.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <stdlib.h>

#define NS_PER_MS 1000000

#define FROM_LWIP __attribute__((visibility("default")))

static uint64_t clock_ns;

FROM_LWIP u32_t sys_now(void)
{
    return (u32_t)(clock_ns / NS_PER_MS);
}

FROM_LWIP sys_prot_t sys_arch_protect(void)
{
    return 0;
}

FROM_LWIP void sys_arch_unprotect(sys_prot_t was)
{
    (void)was;
}

void lwip_sys_begin(uint64_t now_ns, uint32_t seed)
{
    clock_ns = now_ns;
    srand(seed); /* LWIP_RAND is rand */
    lwip_init();
}

void lwip_sys_at(uint64_t now_ns)
{
    clock_ns = now_ns;
    sys_check_timeouts();
}

uint64_t lwip_sys_next_ns(void)
{
    u32_t ms = sys_timeouts_sleeptime();

    return ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? UINT64_MAX : (clock_ns / NS_PER_MS + ms) * NS_PER_MS;
}
