#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The echo server and programs that know nothing of it: nc and socat get back every byte they send.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/lib.bash"

start_server() {
    serve "$work/server" "$echo_program" server --bind 127.0.0.1:0 "$@"
    server=$started
    head -c 1048576 /dev/urandom >"$work/sent"
}

same() {
    cmp "$work/sent" "$1" || fail "$1 is not what was sent"
}

# The client ends its direction; the server sends the rest and ends its own.
nc_one_mebibyte() {
    start_server
    timeout 20 nc -N 127.0.0.1 "$port" <"$work/sent" >"$work/got" || fail "nc: status $?"
    same "$work/got"
}

nc_many_at_a_time() {
    local i pids=()
    start_server
    for i in $(seq 8); do
        timeout 20 nc -N 127.0.0.1 "$port" <"$work/sent" >"$work/got$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    for i in $(seq 8); do
        same "$work/got$i"
    done
}

nc_one_byte_and_nothing() {
    start_server
    [ "$(printf x | timeout 10 nc -N 127.0.0.1 "$port")" = x ] || fail "one byte"
    [ -z "$(timeout 10 nc -N 127.0.0.1 "$port" </dev/null)" ] || fail "nothing"
    end "$server"
    contains "$work/server" '^tcp server: 2 connections, 1 messages, 1 bytes, 0 failed$'
}

# A client that sends much and reads late: the server must stop reading, keep all, and go on.
nc_slow_reader() {
    start_server
    head -c 30000000 /dev/urandom >"$work/sent"
    timeout 30 nc -N 127.0.0.1 "$port" <"$work/sent" | (sleep 1 && cat) >"$work/got"
    same "$work/got"
}

socat_one_mebibyte() {
    start_server
    timeout 20 socat -t 5 -T 10 - "TCP:127.0.0.1:$port" <"$work/sent" >"$work/got" || fail "socat: status $?"
    same "$work/got"
}

socat_ipv6() {
    serve "$work/server" "$echo_program" server --bind '[::1]:0'
    head -c 1048576 /dev/urandom >"$work/sent"
    timeout 20 socat -t 5 -T 10 - "TCP6:[::1]:$port" <"$work/sent" >"$work/got" || fail "socat: status $?"
    same "$work/got"
}

# Through an IPv6 wildcard also IPv4 clients come in.
socat_dual_stack() {
    serve "$work/server" "$echo_program" server --bind '[::]:0'
    [ "$(echo four | timeout 10 socat -t 5 - "TCP4:127.0.0.1:$port")" = four ] || fail IPv4
    [ "$(echo six | timeout 10 socat -t 5 - "TCP6:[::1]:$port")" = six ] || fail IPv6
}

socat_datagrams() {
    local got
    start_server --udp
    for word in a bc "$(head -c 1400 /dev/zero | tr '\0' y)"; do
        got=$(printf %s "$word" | timeout 10 socat -t 1 - "UDP:127.0.0.1:$port")
        [ "$got" = "$word" ] || fail "'$got' for '$word'"
    done
}

# The peer resets the connection while the server is sending.
reset_by_the_peer() {
    start_server
    head -c 10000000 /dev/zero | timeout 10 socat -u - "TCP:127.0.0.1:$port,linger=0" || true
    [ "$(printf x | timeout 10 nc -N 127.0.0.1 "$port")" = x ] || fail "no service after a reset"
    end "$server"
    [ "$status" -eq 0 ] || fail "status $status"
}

if command -v nc >/dev/null; then
    for name in nc_one_mebibyte nc_many_at_a_time nc_one_byte_and_nothing nc_slow_reader; do
        run_test "$name"
    done
else
    skip_test nc "there is no nc"
fi
if command -v socat >/dev/null && command -v nc >/dev/null; then
    for name in socat_one_mebibyte socat_ipv6 socat_dual_stack socat_datagrams reset_by_the_peer; do
        run_test "$name"
    done
else
    skip_test socat "there is no socat"
fi
exit $((failures != 0))
