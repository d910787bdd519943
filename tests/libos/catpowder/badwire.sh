#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catpowder and Linux's TCP/IP over a bad wire: a bridge of ours (tests/netdev/bridge.c) loses, repeats, reorders,
# damages and cuts frames by a seed. Streams arrive whole both ways, connections live or end with the right error, and
# afterwards everything is back in the server's pools.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make catpowder_on_a_bad_wire middle
export DEVICE=o0 NET_ADDRESS=$OURS LIBOS=catpowder STAT=true RUN_DIR=$PWD/run
linux() { in_k env LIBOS=catnap STAT=false "$@"; }
client=("$ECHO" client --check --quiet --timeout 40000)
demi=$CARACAL_BUILD_DIR/tools/demi

# Operations, queues, bytes and connections of the one instance that runs.
levels() {
    "$demi" stat --json | python3 -c 'if True:
        import json, sys
        c = json.load(sys.stdin)["instances"][0]["counters"]
        print(*(c[n + "_now"] for n in ("ops", "queues", "memory", "tcp_conns")))'
}
pools_are_full() {
    local now
    for _ in {1..300}; do
        now=$(levels)
        [ "$now" = "$full" ] && return 0
        sleep 0.1
    done
    echo "operations, queues, bytes, connections: $full before, $now after"
    return 1
}
# SEED FAULT VALUE...: bytes both ways over that wire, from Linux's client and then from ours
exchange() {
    wire_start "$@" || return 1
    linux "${client[@]}" --requests 300 --connections 10 --size 3000 --connect 10.77.0.2:7000 &&
        linux "${client[@]}" --requests 12 --size 200000 --connect '[fd77::2]:7000'
    local status=$?
    wire_end
    cat wire.out
    return $status
}
did() {
    for count in "$@"; do
        [ "$(wire_count "$count")" -gt 0 ] || { echo "the wire did nothing of $count"; return 1; }
    done
}
# A wire without faults, and interfaces that cut nothing: the kernel cuts our long segments; their checksums are good.
cuts_segments() {
    exchange 0 || return 1
    ip netns exec "$NS_K" nstat -az TcpInCsumErrors | tee nstat.out
    [ "$(awk '$1 == "TcpInCsumErrors" { print $2 }' nstat.out)" = 0 ]
}
loses() { exchange 1 loss 20000 && did lost; }
repeats_and_reorders() {
    exchange 2 delay_ns 200000 jitter_ns 100000 reorder 50000 duplicate 100000 && did reordered duplicated
}
damages() { exchange 4 corrupt 20000 && did corrupted; }
all_at_once() {
    exchange 6 delay_ns 300000 jitter_ns 300000 loss 10000 reorder 20000 duplicate 20000 corrupt 10000 truncate 5000 &&
        did lost reordered duplicated corrupted truncated
}
# The cable is cut for a while in the midst of work.
goes_dark() {
    wire_start 7 || return 1
    linux "${client[@]}" --requests 150 --rate 100 --connect 10.77.0.2:7000 &
    local load=$!
    sleep 0.4
    wire_set dark 1
    sleep 0.6
    wire_set dark 0
    wait $load || return 1
    wire_end
    did dark
}
# From some moment on packets of full size vanish and nobody says so (RFC 4821): the stack finds a size that passes.
swallows() {
    local began=$SECONDS
    rm -f fetched
    wire_start 8 rate_bps 20000000 queue_ns 20000000 || return 1
    in_k curl -s --max-time 40 -o fetched http://10.77.0.2:8000/bytes/3000000 &
    local load=$!
    for _ in {1..2000}; do
        [ ! -s fetched ] || break
        sleep 0.01
    done
    wire_set swallow 1300
    wait $load
    echo "status $?, $((SECONDS - began)) s, $(wc -c <fetched) bytes"
    wire_end
    [ "$(wc -c <fetched)" = 3000000 ] && did swallowed
}
# The same faults with our side as the one that connects.
we_begin() {
    wire_start 9 delay_ns 200000 jitter_ns 200000 loss 10000 reorder 20000 duplicate 20000 corrupt 10000 || return 1
    in_o "${client[@]}" --requests 200 --connections 10 --size 3000 --connect 10.77.0.1:7000 &&
        in_o "${client[@]}" --requests 12 --size 200000 --connect 10.77.0.1:7000
    local status=$?
    wire_end
    return $status
}
# Nobody is at the other end of the cable: told in the time it takes to ask three times, and by the right name.
nobody_there() {
    wire_start 10 dark 1 || return 1
    in_o "${client[@]}" --requests 1 --connect 10.77.0.1:7000 2>err
    wire_end
    cat err
    grep -qi 'no route to host' err
}

serve ip netns exec "$NS_O" timeout -k 1 120 "$ECHO" server --bind '[::]:7000' --quiet ||
    { not_ok server_starts; exit 1; }
full=$(levels)
for test in cuts_segments loses repeats_and_reorders damages all_at_once goes_dark; do
    check wire_$test $test
done
check pools_are_full_again pools_are_full
end_server
serve in_o "$HTTPD" --bind 0.0.0.0:8000 --quiet && check wire_swallows swallows
end_server
serve linux "$ECHO" server --bind 0.0.0.0:7000 --quiet || { not_ok linux_server_starts; exit 1; }
check wire_is_bad_where_we_begin we_begin
end_server
check wire_without_a_peer nobody_there
