/* SPDX-License-Identifier: MIT */
/*
 * What programs written for a system expect of it, as far as a machine without a kernel can mean it: the cycle counter
 * is the clock, there is nobody who could send a signal, no file to be limited, one address family.
 */
#include <nanopu/nanopu.h>

#include "runtime.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000

/* 3.2 cycles a nanosecond */
static uint64_t now_ns(void)
{
    return nanopu_cycle() / 16 * 5 + nanopu_cycle() % 16 * 5 / 16;
}

/* Every clock counts from the machine's reset: there is no calendar. */
int clock_gettime(clockid_t id, struct timespec *out)
{
    uint64_t ns = now_ns();

    (void)id;
    *out = (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    return 0;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    uint64_t end_ns = now_ns() + (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_nsec;

    while (now_ns() < end_ns)
        nanopu_thread_pass();
    if (left != NULL)
        *left = (struct timespec){0};
    return 0;
}

/* Remembered by nobody: no signal is ever sent. */
int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    (void)number, (void)action;
    if (old != NULL)
        memset(old, 0, sizeof(*old));
    return 0;
}

int getrlimit(int resource, struct rlimit *limit)
{
    (void)resource, (void)limit;
    errno = ENOSYS;
    return -1;
}

int setrlimit(int resource, const struct rlimit *limit)
{
    (void)resource, (void)limit;
    errno = ENOSYS;
    return -1;
}

int isatty(int fd)
{
    (void)fd;
    errno = ENOTTY;
    return 0;
}

ssize_t getrandom(void *out, size_t bytes, unsigned flags)
{
    static uint64_t calls;
    uint64_t state = nanopu_fetch_add(&calls, 1) << 48 ^ (uint64_t)nanopu_host_ip() << 16 ^ nanopu_cycle();
    uint8_t *to = out;

    (void)flags;
    for (size_t i = 0; i < bytes; i++) { /* splitmix64 */
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        to[i] = (uint8_t)(z ^ z >> 31);
    }
    return (ssize_t)bytes;
}

unsigned if_nametoindex(const char *name)
{
    (void)name;
    errno = ENXIO;
    return 0;
}

char *if_indextoname(unsigned index, char *name)
{
    (void)index, (void)name;
    errno = ENXIO;
    return NULL;
}

int inet_pton(int family, const char *text, void *out)
{
    uint32_t ip = nanopu_ip_parse(text);

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (ip == 0 && strcmp(text, "0.0.0.0") != 0)
        return 0;
    ip = htonl(ip);
    memcpy(out, &ip, sizeof(ip));
    return 1;
}

const char *inet_ntop(int family, const void *in, char *text, socklen_t size)
{
    const uint8_t *byte = in;

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return NULL;
    }
    if ((socklen_t)snprintf(text, size, "%u.%u.%u.%u", byte[0], byte[1], byte[2], byte[3]) < size)
        return text;
    errno = ENOSPC;
    return NULL;
}
