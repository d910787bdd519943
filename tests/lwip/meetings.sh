#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Some meetings of our stack with lwIP, and that one seed is one run, lwIP included: the frames are the same ones.
set -u

sim=$CARACAL_BUILD_DIR/tests/lwip/sim-lwip
if "$sim" --seeds "${SIM_SEEDS:-800}" >out 2>&1; then
    echo "ok lwip_meetings"
else
    echo "not ok lwip_meetings"
    sed 's/^/# /' out
fi
"$sim" --seeds 1 --first 4711 --pcap a.pcapng >/dev/null
"$sim" --seeds 1 --first 4711 --pcap b.pcapng >/dev/null
if [ -s a.pcapng ] && cmp a.pcapng b.pcapng; then
    echo "ok lwip_one_seed_is_one_run"
else
    echo "not ok lwip_one_seed_is_one_run"
fi
