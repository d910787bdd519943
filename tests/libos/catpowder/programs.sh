#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Programs that nobody here wrote, on Linux's side of a link, load ours on catpowder: iperf3 (both directions, one
# stream and several, IPv6) and redis-benchmark at caracal-kv. tshark looks at the frames of a shorter run.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
# shellcheck source=tests/lib/capture.sh
. "$CARACAL_SOURCE_DIR/tests/lib/capture.sh"
ns_make catpowder_and_programs
export DEVICE=o0 NET_ADDRESS=$OURS LIBOS=catpowder
iperf_server=$CARACAL_BUILD_DIR/tests/libos/catpowder/test-iperf3-server
need() { command -v "$1" >/dev/null || { skip "${1//-/_}" "there is no $1"; return 1; }; }

# ARGUMENTS...: iperf3 at our server; no error is reported, and bytes arrived: not all, because the word that the test
# is over comes by another connection and may overtake them
iperf() {
    in_k iperf3 --json --connect-timeout 3000 "$@" >iperf.json || { cat iperf.json; return 1; }
    python3 -c '
import json
end = json.load(open("iperf.json"))["end"]
print(end["sum_received"]["bytes"], "bytes received,", end["sum_sent"]["bytes"], "sent")
assert end["sum_sent"]["bytes"] > 1000000 and end["sum_received"]["bytes"] > 100000'
}
redis_benchmark() {
    in_k redis-benchmark -h 10.77.0.2 -p 6380 "$@" --csv -t set,get,incr >redis.csv 2>redis.err
    local status=$?
    cat redis.csv redis.err
    [ $status = 0 ] && [ "$(grep -c '^"\(SET\|GET\|INCR\)","[1-9]' redis.csv)" = 3 ]
}

# NAME: iperf3's random bytes are not to be guessed a protocol of
frames_are_good() {
    local options=(-d "tcp.port==5201,data")
    [ "$(tshark -r "$1.pcapng" 2>/dev/null | wc -l)" -gt 1000 ] || { echo "too few frames"; return 1; }
    none "$1" '_ws.malformed || _ws.expert.severity == "Error" || ip.checksum.status == 0 ||
        tcp.checksum.status == 0' "${options[@]}" &&
        lossless "$1" lost_segment fast_retransmission -- "${options[@]}"
}

need iperf3 && serve in_o "$iperf_server" 5201 && {
    check iperf3_sends iperf -c 10.77.0.2 -t 1
    check iperf3_sends_by_four_streams iperf -c 10.77.0.2 -n 30M -P 4
    check iperf3_receives iperf -c 10.77.0.2 -n 50M -R
    check iperf3_receives_by_four_streams iperf -c 10.77.0.2 -n 20M -P 4 -R
    check iperf3_sends_by_ipv6 iperf -6 -c fd77::2 -n 20M
}
end_server
need redis-benchmark && serve in_o "$CARACAL_BUILD_DIR/apps/caracal-kv" --bind 10.77.0.2:6380 --quiet && {
    check redis_benchmark redis_benchmark -n 5000 -c 20
    check redis_benchmark_pipelined redis_benchmark -n 10000 -c 8 -P 16
}
end_server
# a value that takes more than a window, and back
redis_cli() {
    head -c 300000 /dev/urandom | base64 -w 0 >value
    in_k redis-cli -h 10.77.0.2 -p 6380 -x set long <value && in_k redis-cli -h 10.77.0.2 -p 6380 get long >got &&
        [ "$(cat got)" = "$(cat value)" ]
}
need redis-cli && serve in_o "$CARACAL_BUILD_DIR/apps/caracal-kv" --bind 10.77.0.2:6380 --quiet &&
    check redis_cli redis_cli
end_server

need tshark && need ethtool || exit 0
# all checksums are to be on the wire, and no frame larger than the link's
ip netns exec "$NS_K" ethtool -K k0 tx off gso off >ethtool.log 2>&1
export NET_OFFLOAD=false NET_RING=4096 # more than the windows of two streams
captured() {
    capture_start wire || { cat wire.log; return 1; }
    serve in_o "$iperf_server" 5201 && iperf -c 10.77.0.2 -n 2M -P 2 && iperf -c 10.77.0.2 -n 2M -R || return 1
    for pid in $(ip netns pids "$NS_O"); do kill "$pid"; done # and not the capture
    wait "$LAST"
    serve in_o "$CARACAL_BUILD_DIR/apps/caracal-kv" --bind 10.77.0.2:6380 --quiet && redis_benchmark -n 200 -c 5 ||
        return 1
    capture_stop
    frames_are_good wire
}
check programs_and_the_wire captured
