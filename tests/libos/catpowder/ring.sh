#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catpowder over the ring, two processes and no privilege: bytes arrive, a process that is killed is replaced, what is
# no ring's file is refused, and nothing stays behind.
set -u
echo_program=$CARACAL_BUILD_DIR/apps/caracal-echo
wire=$(mktemp -u -p /dev/shm caracal-test-XXXXXX)
export LIBOS=catpowder DRIVER=ring DEVICE=$wire STAT=false TRACE=false
server=
end() {
    [ -n "$server" ] && kill -KILL "$server" 2>/dev/null
    rm -f "$wire" "$wire".bell?
}
trap end EXIT
trap 'exit 1' HUP INT TERM

check() {
    local name=$1
    shift
    if "$@" >"$name.out" 2>&1; then echo "ok $name"; else
        echo "not ok $name"
        tail -n 20 "$name.out" server.log
    fi
}
start_server() {
    : >server.log
    NET_ADDRESS="10.0.0.1/24, fd00::1/64" "$echo_program" server --bind '0.0.0.0:7000' --quiet "$@" >server.log 2>&1 &
    server=$!
    for _ in {1..600}; do
        grep -q 'listening on' server.log && return 0
        sleep 0.05
    done
    return 1
}
stop_server() {
    kill "$server"
    wait "$server"
    server=
}
client() {
    NET_ADDRESS="10.0.0.2/24, fd00::2/64" timeout -k 1 60 "$echo_program" client --check --quiet \
        --connect 10.0.0.1:7000 "$@"
}
all_sizes() {
    local size
    for size in 1 64 1460 1461 70000 1000000; do
        client --requests $((size > 9000 ? 20 : 300)) --size $size || return 1
    done
}
many() { IDLE=spin client --requests 3000 --connections 30 --size 700; }
datagrams() { client --udp --requests 300 --size 1200; }
# The client dies in the midst of its work, then the server: who comes next gets the end, and is served.
killed() {
    NET_ADDRESS=10.0.0.2/24 "$echo_program" client -q --connect 10.0.0.1:7000 --duration 10 --size 20000 &
    local victim=$!
    sleep 0.3
    kill -KILL $victim
    wait $victim 2>/dev/null
    client --requests 100 || return 1
    kill -KILL "$server"
    wait "$server" 2>/dev/null
    start_server && client --requests 100
}
two_only() {
    NET_ADDRESS=10.0.0.2/24 "$echo_program" client -q --connect 10.0.0.1:7000 --duration 50 &
    local second=$! status=0
    for _ in {1..600}; do
        ! grep -q "$wire" "/proc/$second/maps" || break
        sleep 0.05
    done
    sleep 0.3
    NET_ADDRESS=10.0.0.3/24 "$echo_program" client -q --connect 10.0.0.1:7000 --requests 1 2>third && status=1
    kill $second
    wait $second
    [ $status = 0 ] && grep -q 'both ends' third
}
# A ring of four frames is full all the time: what does not fit is lost, and sent again.
tiny_ring() {
    STAT=true RUN_DIR=$PWD/run NET_RING=4 start_server && client --requests 60 --connections 6 --size 20000 || return 1
    RUN_DIR=$PWD/run "$CARACAL_BUILD_DIR/tools/demi" stat --json >stat.json
    stop_server
    python3 -c '
import json
c = json.load(open("stat.json"))["instances"][0]["counters"]
print(c["drop_device_full"], "frames found the ring full")
assert c["drop_device_full"] > 0'
}
gone() { ! ls "$wire"* 2>/dev/null; }
foreign() {
    head -c 8192 /dev/zero >foreign
    DEVICE=$PWD/foreign NET_ADDRESS=10.0.0.1/24 "$echo_program" server --bind 0.0.0.0:7000 2>err && return 1
    grep -q "not a ring's file" err && [ "$(wc -c <foreign)" = 8192 ]
}

start_server || { echo "not ok server_starts"; cat server.log; exit 1; }
check all_sizes_arrive all_sizes
check many_connections many
check third_process_is_refused two_only
check killed_process_is_replaced killed
stop_server
check files_go_with_the_last gone
start_server --udp && check datagrams_arrive datagrams
stop_server
check full_ring_loses_nothing tiny_ring
check foreign_file_is_refused foreign
