#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What makes the simulation worth its time: worlds with a mistake in TCP find it, say how to repeat it and write its
# frames.
set -u

"$CARACAL_SOURCE_DIR/tests/sim/breaks.py" list >mistakes
while read -r name what; do
    sim=$CARACAL_BUILD_DIR/tests/sim/sim-broken-$name
    if [ ! -x "$sim" ]; then
        echo "not ok sim_finds_$name it was not built"
        continue
    fi
    "$sim" --seeds 10000 --stop >out 2>&1
    seed=$(sed -n 's/^FAILED seed \([0-9]*\): .*/\1/p' out | head -n 1)
    if [ -n "$seed" ] && grep -q -- "--first $seed" out && [ -s "sim-$seed.pcapng" ]; then
        echo "ok sim_finds_$name"
    else
        echo "not ok sim_finds_$name: $what"
        sed 's/^/# /' out
        continue
    fi
    if "$sim" --seeds 1 --first "$seed" >again 2>&1; then
        echo "not ok sim_repeats_$name"
    else
        echo "ok sim_repeats_$name"
    fi
done <mistakes
