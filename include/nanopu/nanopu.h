/* SPDX-License-Identifier: MIT */
/*
 * Everything a program on the nanoPU can use.
 *
 * A program defines one of
 *     int main(int argc, char **argv)                                      hart 0 runs it, the others sleep
 *     int core_main(int argc, char **argv, unsigned hart, unsigned cores)  every hart runs it
 * and is built with `nanopu cc`. When core_main has returned on every hart, the exit code has each hart's in eight
 * bits, hart 0's lowest. argv[0] is the program, argv[1] the NIC's MAC address, argv[2] its IP address, then what the
 * topology or the command line gives.
 */
#ifndef NANOPU_NANOPU_H
#define NANOPU_NANOPU_H

#include "hart.h"
#include "htif.h"
#include "net.h"
#include "thread.h"

#define NANOPU_ARG_MAC   1
#define NANOPU_ARG_IP    2
#define NANOPU_ARG_FIRST 3 /* the first of the program's own */

/* This host's address, 0 when the program got none. */
static inline uint32_t nanopu_own_ip(int argc, char **argv)
{
    return argc > NANOPU_ARG_IP ? nanopu_ip_parse(argv[NANOPU_ARG_IP]) : 0;
}

/* The same, anywhere in the program: the runtime keeps it. */
uint32_t nanopu_host_ip(void);

/* Argument n of the program's own (0 is the first), or NULL. */
static inline const char *nanopu_arg(int argc, char **argv, int n)
{
    return argc > NANOPU_ARG_FIRST + n ? argv[NANOPU_ARG_FIRST + n] : (const char *)0;
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores);

#endif /* NANOPU_NANOPU_H */
