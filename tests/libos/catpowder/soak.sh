#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Clients come, talk and go for SOAK_SECONDS (3; `make soak` takes minutes), over a wire that repeats and reorders a
# little: Linux's at a server of catpowder's, and catpowder's at a server of Linux's. Half of them are killed at some
# moment. Those that are not get every byte right; at the end everything is back in the server's pools. Nothing is lost:
# a reset that is lost leaves the other end open for good where neither keepalive nor data ask, as TCP has it.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make soak middle
seconds=${SOAK_SECONDS:-3}
began=$SECONDS
export DEVICE=o0 LIBOS=catpowder RUN_DIR=$PWD/run
RANDOM=${SOAK_SEED:-1}
demi=$CARACAL_BUILD_DIR/tools/demi
in_time() { ip netns exec "$1" timeout -s KILL $((seconds + 180)) "${@:2}"; }

# Of our server: operations, queues, bytes, connections; superblocks; connections accepted so far.
counters() {
    "$demi" stat --json | python3 -c '
import json, sys
c = json.load(sys.stdin)["instances"][0]["counters"]
print(*(c[n] for n in sys.argv[1:]))' "$@"
}
levels() { counters ops_now queues_now memory_now tcp_conns_now; }

in_time "$NS_K" env LIBOS=catnap STAT=false "$ECHO" server --bind 0.0.0.0:7001 --quiet >linux.log 2>&1 &
NET_ADDRESS=$OURS STAT=true serve in_time "$NS_O" "$ECHO" server --bind '[::]:7000' --quiet ||
    { not_ok soak_server_starts; exit 1; }
wire_start 1 duplicate 2000 reorder 2000 delay_ns 50000 || { not_ok soak_wire; exit 1; }
full=$(levels)

# N: one client. By N's remainder by 4: Linux's, Linux's that is killed, ours, ours that is killed.
client() {
    local options=(--check --quiet --timeout 30000 --size $((RANDOM % 4000 + 1)) --connections $((RANDOM % 20 + 1)))
    local to target=("$NS_K" env LIBOS=catnap STAT=false)
    to=$([ $((RANDOM % 2)) = 0 ] && echo 10.77.0.2:7000 || echo '[fd77::2]:7000')
    if [ $(($1 % 4)) -ge 2 ]; then
        target=("$NS_O" env NET_ADDRESS="10.77.0.$((100 + $1 % 100))/24" STAT=false)
        to=10.77.0.1:7001
    fi
    if [ $(($1 % 2)) = 1 ]; then
        ip netns exec "${target[@]}" timeout -s KILL "0.$((RANDOM % 300 + 100))" "$ECHO" client "${options[@]}" \
            --duration 30 --connect "$to" >killed.out 2>&1
        killed=$((killed + 1))
    else
        ip netns exec "${target[@]}" timeout -s KILL 60 "$ECHO" client "${options[@]}" \
            --requests $((RANDOM % 400 + 50)) --connect "$to" >"out.$1" 2>&1 || echo "client $1: status $?" >>failed
        [ ! -s "out.$1" ] || { echo "client $1 at $to:" && head -n 3 "out.$1"; } >>failed
        rm -f "out.$1"
    fi
}
# One of four that work side by side: all clients of one kind.
worker() {
    local number=$1 killed=0
    RANDOM=$((RANDOM + $1))
    while [ $((SECONDS - began)) -lt "$seconds" ]; do
        client "$number"
        number=$((number + 4))
    done
    echo "clients $((number / 4)), killed $killed" >"worker.$1"
}
for i in 0 1 2 3; do
    worker $i 2>/dev/null & # the shell says of each that it was killed
    workers[i]=$!
done
wait "${workers[@]}"

all_were_served() {
    cat worker.* linux.log
    [ "$(cat worker.* | wc -l)" = 4 ] && [ ! -s failed ] && return 0
    head -n 20 failed
    return 1
}
pools_are_full() {
    local now
    for _ in $(seq 60); do
        now=$(levels)
        [ "$now" = "$full" ] && break
        sleep 0.5
    done
    echo "operations, queues, bytes, connections: $full before, $now after; superblocks, connections accepted:" \
        "$(counters superblocks_now accepts)"
    [ "$now" = "$full" ]
}
ends_well() {
    for pid in $(ip netns pids "$NS_O"); do
        [ "$(</proc/"$pid"/comm)" != caracal-echo ] || kill "$pid"
    done
    wait "$LAST"
}
check soak_clients_are_served all_were_served
check soak_pools_are_full_again pools_are_full
check soak_server_ends ends_well
wire_end
[ -z "${SOAK_REPORT-}" ] || cat soak_clients_are_served.out soak_pools_are_full_again.out wire.out
