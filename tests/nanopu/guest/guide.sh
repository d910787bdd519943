#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every block of C in docs/nanopu-guide.md compiles as a guest without a warning, and the first one runs.
set -u

nanopu=$CARACAL_BUILD_DIR/tools/nanopu
guide=$CARACAL_SOURCE_DIR/docs/nanopu-guide.md
failed=0

# Writes the N-th block of C.
block()
{
    awk -v want="$1" '/^```c$/ { n++; on = n == want; next } /^```/ { on = 0 } on' "$guide"
}

# verdict NAME STATUS: 0 is ok; $PWD/log is shown otherwise.
verdict()
{
    if [ "$2" -eq 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^/# /' log
        failed=1
    fi
}

if [ ! -f "$CARACAL_BUILD_DIR/sdk/libnanopu.a" ]; then
    echo "skip guide the guest runtime is not built here"
    exit 0
fi
n=1
while block "$n" >"block$n.c" && [ -s "block$n.c" ]; do
    "$nanopu" cc -Wall -Wextra -Werror "block$n.c" -lcaracal -o "block$n.elf" >log 2>&1
    verdict "compiles/$n" $?
    n=$((n + 1))
done
[ "$n" -eq 5 ]
verdict four_blocks $?
"$nanopu" run --quiet block1.elf >log 2>&1 && grep -q '^42 from 0a000002 after [0-9]* cycles$' log
verdict first_runs $?
exit "$failed"
