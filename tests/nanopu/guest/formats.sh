#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The runtime's printf prints what this machine's prints, and a guest's end reaches whoever started it.
set -u

nanopu=$CARACAL_BUILD_DIR/tools/nanopu
source=$CARACAL_SOURCE_DIR/tests/nanopu/guest
failed=0

# check NAME COMMAND...: the command succeeds.
check()
{
    local name=$1
    shift
    if "$@" >log 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        head -n 40 log | sed 's/^/# /'
        failed=1
    fi
}

# ends NAME CODE PROGRAM.c: it ends with this exit code.
ends()
{
    "$nanopu" cc -O1 "$3" -o guest.elf && "$nanopu" run --quiet guest.elf
    [ $? -eq "$2" ]
}

if [ ! -f "$CARACAL_BUILD_DIR/sdk/libnanopu.a" ]; then
    echo "skip guests the guest runtime is not built here"
    exit 0
fi

check formats_compile "$nanopu" cc -Wno-format "$source/formats.c" -o formats.elf
check formats_here "$CC" -std=gnu17 -w "$source/formats.c" -o formats
./formats >here
"$nanopu" run --quiet formats.elf >there 2>log
check formats_same diff here there

printf '#include <stdlib.h>\nint main(void) { exit(7); }\n' >exit.c
check exit_code ends exit 7 exit.c
printf 'int main(void) { *(volatile long *)0x100000 = 1; return 0; }\n' >trap.c
check trap_is_the_exit_code ends trap 7 trap.c # store access fault
cat >all.c <<'END'
#include <nanopu/nanopu.h>
int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    if (argc != 3 || argv[3] != 0 || cores != 4)
        return 1;
    return hart == 0 ? 9 : 0;
}
END
check codes_are_combined ends all 9 all.c
cat >threads.c <<'END'
#include <nanopu/nanopu.h>
#include <stdlib.h>

static _Thread_local int local = 5;
static double sums[2];

/* Sends to the other thread's context and adds up; floating-point registers have to survive the switches. */
static void work(void *arg)
{
    long me = (long)arg;
    double sum = 0.5;

    for (int i = 0; i < 50; i++) {
        nanopu_send(0x0a000002, 1 - me, 8);
        nanopu_tx(i);
        nanopu_wait();
        (void)nanopu_rx();
        nanopu_wait();
        sum += (double)nanopu_rx() * 0.25;
        nanopu_msg_done();
    }
    sums[me] = sum;
}

int main(void)
{
    char *p = malloc(1000000);

    if (p == NULL || local != 5 || nanopu_thread_start(work, (void *)4, 4, 0) == 0)
        return 1;
    if (nanopu_thread_start(work, (void *)0, 0, 0) != 0 || nanopu_thread_start(work, (void *)1, 1, 0) != 0)
        return 2;
    if (nanopu_thread_start(work, (void *)1, 1, 0) == 0)
        return 3;
    nanopu_scheduler_run(NANOPU_BY_HARDWARE);
    return sums[0] == 306.75 && sums[1] == 306.75 ? 42 : 4;
}
END
check threads_keep_their_registers ends threads 42 threads.c
sed 's/NANOPU_BY_HARDWARE/NANOPU_BY_TIMER/' threads.c >timer.c
check threads_by_timer ends timer 42 timer.c
exit "$failed"
