#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every example says that it worked, and takes the cycles that it should, within bounds that have a reason.
set -u

nanopu=$CARACAL_BUILD_DIR/tools/nanopu
programs=$CARACAL_BUILD_DIR/examples/nanopu
topologies=$CARACAL_SOURCE_DIR/examples/nanopu
failed=0

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

# run NAME [OPTION]...: output into ./log; fails when the example does.
run()
{
    local name=$1 topology=()
    shift
    [ -f "$topologies/$name.yaml" ] && topology=(--topology "$topologies/$name.yaml")
    "$nanopu" run --quiet "$@" "${topology[@]}" "$programs/$name.elf" >log 2>&1
    verdict "$name/ends" $?
}

# says NAME TEXT: a line of the log has it.
says()
{
    grep -qE -- "$2" log
    verdict "$1" $?
}

# between NAME LOW HIGH PATTERN: the number that PATTERN's group takes from the log lies there.
between()
{
    local number
    number=$(sed -nE "s/.*$4.*/\1/p" log | head -n 1)
    [ -n "$number" ] && awk -v n="$number" -v low="$2" -v high="$3" 'BEGIN { exit !(n >= low && n <= high) }'
    verdict "$1" $?
}

if [ ! -f "$programs/hello.elf" ]; then
    echo "skip examples the guests are not built here"
    exit 0
fi

run hello
for hart in 0 1 2 3; do
    says "hello/hart-$hart" "hello from hart $hart of 4, host 10\.0\.0\.2"
done

# Two link latencies of 140 each way, and what NICs and harts add.
run loopback
says loopback/intact 'all came back'
between loopback/8-bytes 560 800 ' 8 bytes: ([0-9]+) cycles'

run jbsq
for core in 0 1 2 3; do
    between "jbsq/core-$core" 50 150 "core $core answered ([0-9]+) requests"
done
between jbsq/cores-work 3 4 'cycles: ([0-9.]+) cores'

# The short request does not wait for the 30000 cycles that the long one still takes.
run threads
says threads/order 'the short one was always first'
says threads/return 'both threads have returned'
between threads/urgent 100 2000 'answered after ([0-9]+), one of'

# A hop is at least two link latencies (280 cycles, 87 ns).
run ring
says ring/hops '400 hops'
between ring/hop 87 130 ': ([0-9]+) ns a hop'

# Four link latencies of 483 are 603.75 ns of each; the published medians are up to 691.
run onesided
says onesided/values 'every answer was right'
for operation in read write cas fetch_add indirect; do
    between "onesided/$operation" 630 710 "$operation +median +[0-9]+ cycles +([0-9.]+) ns"
done

# Sixteen messages of 136 flits leave the switch one after the other.
run incast --stats text
says incast/intact 'each of them once and intact'
between incast/time 2040 60000 'in ([0-9]+) cycles after the first'
says incast/trimmed 'trimmed +[1-9]'
exit "$failed"
