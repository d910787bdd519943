#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The load generator for key-value servers, against ours, over sockets and shared memory.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/lib.bash"

start_server() {
    serve "$work/server" "$kv_program" --bind 127.0.0.1:0 "$@"
    server=$started
}

# load ARGUMENTS...: its JSON is in $json, status in $status.
load() {
    json=$("$kvload_program" --connect "$address" --json "$@" 2>"$work/load.err")
    status=$?
}

load_well() {
    load "$@"
    [ "$status" -eq 0 ] || fail "kvload $*: status $status: $json $(cat "$work/load.err")"
    holds "$(field errors) == 0 && $(field wrong) == 0 && $(field missing) == 0 && $(field unanswered) == 0"
}

# every_workload: each, closed loop, with every value checked.
every_workload() {
    local letter
    start_server
    for letter in A B C D E F; do
        load_well --workload "$letter" --records 2000 --connections 3 --depth 5 --requests 3000 --check
        holds "$(field requests) >= 3000 && $(field requests) < 3000 + 15"
    done
}

help_and_usage() {
    "$kvload_program" --help | grep -q -- --workload || fail "no --workload in --help"
    usage_error "$kvload_program"
    usage_error "$kvload_program" --connect 127.0.0.1:1 --workload X
    usage_error "$kvload_program" --connect 127.0.0.1:1 --theta 1
    usage_error "$kvload_program" --connect 127.0.0.1:1 --messages --workload E
}

workloads_over_sockets() {
    every_workload
}

workloads_over_shared_memory() {
    export LIBOS=catmem
    every_workload
    load_well --workload A --size 20000 --records 300 --depth 4 --requests 1000 --check # values by reference
}

# messages over datagrams, in any order and asked again where one is lost
messages() {
    local letter
    start_server --rpc 127.0.0.1:0
    address=$(sed -n 's/^messages on //p' "$work/server")
    for letter in A D F; do
        load_well --messages --workload "$letter" --records 1000 --connections 3 --depth 5 --requests 2000 --check
    done
    load_well --messages --workload B --records 1000 --rate 500 --duration 0.5 --connections 4 --depth 32 --check
    end "$server"
    contains "$work/server" ', [1-9][0-9]* messages, '
}

# Nobody answers, or something else: it asks again, and says what is wrong.
messages_go_astray() {
    begin "$work/silent" python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % s.getsockname()[1], flush=True)
asked = set()
while True:
    data, peer = s.recvfrom(65536)
    if data in asked:
        s.sendto(data, peer)
    asked.add(data)'
    for _ in $(seq 500); do
        address=$(sed -n 's/^listening on //p' "$work/silent")
        [ -n "$address" ] && break
        sleep 0.02
    done
    load --messages --workload C --skip-load --records 100 --requests 10
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/load.err" 'what came is no answer'
    holds "$(field asked_again) == 1"
}

filling_counts_every_record() {
    start_server
    load_well --workload L --records 5000 --depth 16 --size 500
    holds "$(field requests) == 5000"
    end "$server"
    contains "$work/server" ' 5000 keys$'
}

rate_is_kept() {
    start_server
    load_well --workload B --records 1000 --rate 500 --duration 1 --connections 4 --depth 32 --check
    holds "$(field requests) == 500 && $(field elapsed_s) > 0.9"
}

# What is popular is asked more often: a server that keeps a tenth has more of it than of keys that are all alike.
skew_is_there() {
    start_server --maxmemory 8
    load --workload A --records 60000 --size 900 --requests 40000 --depth 8
    local skewed
    skewed=$(field missing)
    load --workload A --records 60000 --size 900 --requests 40000 --depth 8 --uniform --skip-load
    holds "$(field missing) > 1.2 * $skewed && $skewed > 0"
}

wrong_values_are_found() {
    start_server
    load_well --workload L --records 100
    load --workload C --records 100 --requests 500 --skip-load --check --size 63
    [ "$status" -eq 1 ] || fail "status $status: $json"
    holds "$(field wrong) == 500"
}

server_killed() {
    start_server
    begin "$work/load" "$kvload_program" --connect "$address" --records 100 --duration 20 --depth 4 --json
    sleep 0.7
    kill -KILL "$server"
    await "$started" 40
    [ "$status" -eq 1 ] || fail "status $status"
    json=$(cat "$work/load")
    holds "$(field errors) >= 1 && $(field requests) > 0"
    contains "$work/load" '"complete": false, "error": "connection 1: '
}

# The same for people, and while the store is filled: what there is is shown, and that it is not all.
server_gone_is_said() {
    start_server
    local load fill
    begin "$work/load" "$kvload_program" --connect "$address" --records 100 --duration 20 --depth 4
    load=$started
    begin "$work/fill" "$kvload_program" --connect "$address" --records 1000000000
    fill=$started
    sleep 0.7
    kill -KILL "$server"
    await "$load" 15
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/load" '^workload A, not to its end: [1-9]'
    contains "$work/load" '^  it ended early: connection 1: '
    await "$fill" 15
    [ "$status" -eq 1 ] || fail "status $status"
    [ ! -s "$work/fill" ] || fail "a summary of nothing: $(cat "$work/fill")"
    contains "$work/fill.err" ': connection 1: '
}

interrupted() {
    start_server
    begin "$work/load" "$kvload_program" --connect "$address" --records 100 --duration 20 --json
    sleep 0.5
    kill -TERM "$started"
    await "$started" 5
    [ "$status" -eq 0 ] || fail "status $status: $(cat "$work/load.err")"
    contains "$work/load" '"complete": false, "error": "interrupted"'
}

# A server's own words: it has enough clients, or no room.
errors_are_quoted() {
    start_server --maxclients 1 --maxmemory 8 --policy noeviction
    load --records 60000 --size 900 --workload L
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/load.err" 'the server says: OOM command not allowed'
    load --connections 2 --records 10
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/load.err" 'the server says: ERR max number of clients reached'
}

# What no text is does not reach the terminal, nor JSON.
errors_are_made_text() {
    begin "$work/silent" python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % s.getsockname()[1], flush=True)
while True:
    peer, _ = s.accept()
    peer.recv(65536)
    peer.sendall(b"-ERR \x1b[2J\xff no\r\n")'
    for _ in $(seq 500); do
        address=$(sed -n 's/^listening on //p' "$work/silent")
        [ -n "$address" ] && break
        sleep 0.02
    done
    load --workload C --skip-load --records 1 --requests 1
    contains "$work/load.err" 'the server says: ERR ?\[2J? no$'
    python3 -c 'import json, sys; assert "ERR ?[2J? no" in json.load(sys.stdin)["error"]' <<<"$json" || fail "$json"
}

nobody_listens() {
    address=127.0.0.1:1
    load
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/load.err" 'cannot connect to 127.0.0.1:1: Connection refused'
    local said='"complete": false, "error": "cannot connect to 127.0.0.1:1: Connection refused"'
    [[ $json == *"$said"* ]] || fail "$json"
    "$kvload_program" --connect "$address" >"$work/out" 2>&1
    [ "$(cat "$work/out")" = 'caracal-kvload: cannot connect to 127.0.0.1:1: Connection refused' ] ||
        fail "$(cat "$work/out")"
}

for name in help_and_usage workloads_over_sockets workloads_over_shared_memory messages messages_go_astray \
    filling_counts_every_record rate_is_kept skew_is_there wrong_values_are_found server_killed server_gone_is_said \
    interrupted errors_are_quoted errors_are_made_text nobody_listens; do
    run_test "$name"
done
exit $((failures != 0))
