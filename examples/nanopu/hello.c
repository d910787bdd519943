/* SPDX-License-Identifier: MIT */
/* Every hart says hello; the exit code is 0 when all of them did. */
#include <nanopu/nanopu.h>

#include <stdio.h>

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    printf("hello from hart %u of %u, host %s\n", hart, cores, argc > NANOPU_ARG_IP ? argv[NANOPU_ARG_IP] : "?");
    return 0;
}
