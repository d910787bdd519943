#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Some worlds of the whole-stack simulation, and that one seed is one run: the frames are the same ones.
set -u

sim=$CARACAL_BUILD_DIR/tests/sim/sim-worlds
if "$sim" --seeds "${SIM_SEEDS:-2000}" >out 2>&1; then
    echo "ok sim_worlds"
else
    echo "not ok sim_worlds"
    sed 's/^/# /' out
fi
"$sim" --seeds 1 --first 4711 --pcap a.pcapng >/dev/null
"$sim" --seeds 1 --first 4711 --pcap b.pcapng >/dev/null
if [ -s a.pcapng ] && cmp a.pcapng b.pcapng; then
    echo "ok sim_one_seed_is_one_run"
else
    echo "not ok sim_one_seed_is_one_run"
fi
