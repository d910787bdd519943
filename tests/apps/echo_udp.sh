#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The echo program over datagrams.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/lib.bash"

start_server() {
    serve "$work/server" "$echo_program" server --udp --bind 127.0.0.1:0 "$@"
    server=$started
}

usage() {
    usage_error "$echo_program" client --udp --connect 127.0.0.1:1 --size 65508
}

requests_are_counted_on_both_sides() {
    start_server --json
    client_well --udp --connect "$address" --requests 2000
    holds "$(field requests) == 2000 - $(field lost) && $(field errors) == 0"
    end "$server"
    [ "$status" -eq 0 ] || fail "server: status $status"
    json=$(cat "$work/server")
    holds "$(field messages) >= 2000 - 10 && $(field bytes) == 64 * $(field messages) && $(field failed) == 0"
}

every_byte_of_every_size() {
    local size
    start_server
    for size in 1 2 7 8 9 100 1023 1024 1472 9000 65507; do
        client_well --udp --connect "$address" --requests 50 --size "$size" --check
        holds "$(field requests) == 50 && $(field corrupt) == 0"
    done
}

ipv6() {
    serve "$work/server" "$echo_program" server --udp --bind '[::1]:0'
    client_well --udp --connect "$address" --requests 200 --check --connections 3
    holds "$(field requests) == 200"
}

many_in_flight() {
    start_server
    client_well --udp --connect "$address" --requests 2000 --depth 32 --connections 2 --check
    holds "$(field requests) + $(field lost) == 2000 && $(field requests) > 1000"
    client_well --udp --connect "$address" --requests 2000 --depth 100 --size 1
    holds "$(field requests) + $(field lost) == 2000 && $(field requests) > 1000"
}

rate_is_kept() {
    start_server
    client_well --udp --connect "$address" --rate 500 --duration 1 --connections 4 --check
    holds "$(field requests) + $(field lost) == 500 && $(field requests) > 450"
    holds "$(field elapsed_s) > 0.95"
}

# The server's socket has no room for what comes while it stands still: that is lost, is counted as such, and the run
# goes on.
lost_datagrams_are_counted() {
    start_server
    (sleep 0.3 && kill -STOP "$server" && sleep 0.7 && kill -CONT "$server") &
    client --udp --connect "$address" --duration 1.5 --timeout 100 --connections 2
    [ "$status" -eq 0 ] || fail "status $status: $(cat "$work/client.err")"
    holds "$(field lost) >= 4 && $(field requests) > 100"
    holds "$(field max) < 0.2e9" # an answer after the timeout is late, not slow
    holds "$(field late) >= 2"
}

nobody_listens() {
    start_server
    end "$server"
    client --udp --connect "$address" --requests 3 --timeout 100
    [ "$status" -eq 1 ] || fail "status $status: $json"
    holds "$(field requests) == 0 && $(field lost) == 3"
    contains "$work/client.err" 'efused'
    contains "$work/client.err" 'not one request was answered'
}

server_killed() {
    start_server
    (sleep 0.5 && kill -KILL "$server") &
    client --udp --connect "$address" --duration 1.5 --timeout 100
    [ "$status" -eq 1 ] || fail "status $status: $json"
    holds "$(field requests) > 0 && $(field lost) > 1"
}

# Empty datagrams have no echo on a queue that takes none; the server counts them and goes on.
empty_datagrams() {
    start_server --json
    python3 - "$port" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    s.sendto(b"", ("127.0.0.1", int(sys.argv[1])))
PYTHON
    client_well --udp --connect "$address" --requests 10 --check
    end "$server"
    json=$(cat "$work/server")
    holds "$(field empty) == 3 && $(field messages) == 10"
}

wrong_datagrams_are_found() {
    serve_badly udp flip
    client --udp --connect "$address" --requests 3 --check --timeout 100
    [ "$status" -eq 1 ] || fail "flip: status $status: $json"
    holds "$(field corrupt) == 3 && $(field lost) == 3 && $(field requests) == 0"
    serve_badly udp less
    client --udp --connect "$address" --requests 3 --timeout 100
    [ "$status" -eq 1 ] || fail "less: status $status: $json"
    holds "$(field corrupt) == 3 && $(field requests) == 0"
}

repeated_datagrams_are_found() {
    serve_badly udp more
    client_well --udp --connect "$address" --requests 100 --check
    holds "$(field requests) == 100 && $(field late) >= 99"
}

summary() {
    start_server
    client_well --udp --connect "$address" --requests 10
    kill -TERM "$server"
    await "$server" 40
    [ "$status" -eq 0 ] || fail "status $status"
    contains "$work/server" '^udp server: .* 10 messages, 640 bytes, 0 failed$'
}

for name in usage requests_are_counted_on_both_sides every_byte_of_every_size ipv6 many_in_flight rate_is_kept \
    lost_datagrams_are_counted nobody_listens server_killed summary; do
    run_test "$name"
done
if command -v python3 >/dev/null; then
    for name in empty_datagrams wrong_datagrams_are_found repeated_datagrams_are_found; do
        run_test "$name"
    done
else
    skip_test bad_servers "there is no python3"
fi
exit $((failures != 0))
