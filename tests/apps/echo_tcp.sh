#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The echo program over streams.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/lib.bash"

start_server() {
    serve "$work/server" "$echo_program" server --bind 127.0.0.1:0 "$@"
    server=$started
}

help_and_usage() {
    "$echo_program" --help | grep -q -- --connect || fail "no --connect in --help"
    "$echo_program" client --help >/dev/null || fail "client --help"
    usage_error "$echo_program"
    usage_error "$echo_program" neither
    usage_error "$echo_program" client
    usage_error "$echo_program" client --connect 127.0.0.1
    usage_error "$echo_program" client --connect '[::1:80'
    usage_error "$echo_program" client --connect 127.0.0.1:65536
    usage_error "$echo_program" client --connect localhost:7000
    usage_error "$echo_program" client --connect 127.0.0.1:1 --size 0
    usage_error "$echo_program" client --connect 127.0.0.1:1 --size 12x
    usage_error "$echo_program" client --connect 127.0.0.1:1 --size -1
    usage_error "$echo_program" client --connect 127.0.0.1:1 --rate nan
    usage_error "$echo_program" client --connect 127.0.0.1:1 --duration 1 --requests 1
    usage_error "$echo_program" client --connect 127.0.0.1:1 --unknown
    usage_error "$echo_program" client --connect 127.0.0.1:1 --size
    usage_error "$echo_program" client --connect 127.0.0.1:1 surplus
    usage_error "$echo_program" server --connect 127.0.0.1:1
}

requests_are_counted_on_both_sides() {
    start_server --json
    client_well --connect "$address" --requests 2000
    holds "$(field requests) == 2000 && $(field errors) == 0 && $(field unanswered) == 0"
    holds "0 < $(field min) && $(field min) <= $(field p50) && $(field p50) <= $(field p99)"
    holds "$(field p99) <= $(field p999) && $(field p999) <= $(field max)"
    holds "$(field min) <= $(field mean) && $(field mean) <= $(field max)"
    holds "$(field req_per_s) * $(field elapsed_s) > 1999 && $(field req_per_s) * $(field elapsed_s) < 2001"
    end "$server"
    [ "$status" -eq 0 ] || fail "server: status $status"
    json=$(cat "$work/server")
    holds "$(field connections) == 1 && $(field bytes) == 2000 * 64 && $(field failed) == 0"
}

every_byte_of_every_size() {
    local size
    start_server
    for size in 1 2 63 64 1023 1024 4096 65536 1000003; do
        client_well --connect "$address" --requests 20 --size "$size" --check
        holds "$(field requests) == 20 && $(field corrupt) == 0"
    done
    client_well --connect "$address" --requests 20 --size 16777216 --check --connections 2
    holds "$(field requests) == 20"
}

many_in_flight() {
    start_server
    client_well --connect "$address" --requests 5000 --depth 64 --size 100 --check --connections 3
    holds "$(field requests) == 5000"
}

many_connections() {
    start_server --json
    client_well --connect "$address" --requests 3000 --connections 300 --check
    holds "$(field requests) == 3000"
    end "$server"
    json=$(cat "$work/server")
    holds "$(field connections) == 300 && $(field failed) == 0"
}

ipv6() {
    serve "$work/server" "$echo_program" server --bind '[::1]:0'
    [[ $address == '[::1]:'* ]] || fail "listens on $address"
    client_well --connect "$address" --requests 500 --check
}

wildcard_address() {
    serve "$work/server" "$echo_program" server --bind 0.0.0.0:0
    client_well --connect "127.0.0.1:$port" --requests 100 --check
}

duration_and_warmup() {
    start_server --json
    client_well --connect "$address" --duration 0.5 --warmup 0.5
    holds "$(field elapsed_s) >= 0.4 && $(field elapsed_s) < 5"
    local measured
    measured=$(field requests)
    end "$server"
    json=$(cat "$work/server")
    holds "$(field messages) > $measured"
}

rate_is_kept() {
    start_server
    client_well --connect "$address" --rate 500 --duration 1 --connections 4
    holds "$(field requests) == 500 && $(field unanswered) == 0"
    holds "$(field elapsed_s) > 0.95"
    client_well --connect "$address" --rate 1000 --requests 300 --check
    holds "$(field requests) == 300 && $(field elapsed_s) > 0.28"
}

# The server stands still for half a second of two: a quarter of the requests must show it, also where they could not
# be sent meanwhile because a connection takes one at a time. A closed loop, or a latency that counts from the real
# sending, would show it in one request a connection.
no_coordinated_omission() {
    local depth
    start_server
    for depth in 1 1000; do
        (sleep 0.7 && kill -STOP "$server" && sleep 0.5 && kill -CONT "$server") &
        client_well --connect "$address" --rate 400 --duration 2 --connections 2 --depth "$depth"
        holds "$(field requests) == 800"
        holds "$(field max) >= 4e8"
        holds "$(field p90) >= 1e8"
    done
}

# More than the server can do: what was not answered is said, and the run ends.
overload_ends() {
    start_server
    client --connect "$address" --rate 3000000 --duration 0.3 --timeout 300
    holds "$(field requests) > 0"
    holds "$(field requests) + $(field unanswered) >= 900000"
    holds "$(field elapsed_s) < 30"
}

server_killed() {
    start_server
    begin "$work/c" "$echo_program" client --connect "$address" --duration 90 --connections 20 --json
    connected 20
    sleep 0.5
    kill -KILL "$server"
    await "$started" 40
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/c.err" 'after [0-9]* answers'
    json=$(cat "$work/c")
    holds "$(field errors) == 20 && $(field requests) > 0"
    [ "$(wc -l <"$work/c.err")" -le 6 ] || fail "a line for each connection"
}

server_stands_still() {
    start_server
    (sleep 0.3 && kill -STOP "$server") &
    begin "$work/c" "$echo_program" client --connect "$address" --duration 30 --timeout 400
    await "$started" 40
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/c.err" 'no answer within the timeout'
}

nobody_listens() {
    start_server
    end "$server"
    begin "$work/c" "$echo_program" client --connect "$address" --requests 1
    await "$started" 40
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/c.err" "cannot connect to $address: .*refused"
}

address_in_use() {
    start_server
    begin "$work/second" "$echo_program" server --bind "$address"
    await "$started" 40
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/second.err" "cannot .* $address: .*in use"
}

library_says_what_is_wrong() {
    begin "$work/s" env LIBOS=nonsense "$echo_program" server
    await "$started" 40
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/s.err" nonsense
}

server_outlives_its_clients() {
    local i
    start_server --json
    for i in 1 2 3; do
        begin "$work/c$i" "$echo_program" client --connect "$address" --duration 30 --connections 10 --depth 8 \
            --size 5000
        connected 10
        sleep 0.1
        kill -KILL "$started"
    done
    client_well --connect "$address" --requests 100 --check
    end "$server"
    [ "$status" -eq 0 ] || fail "server: status $status"
    json=$(cat "$work/server")
    holds "$(field connections) == 31"
}

signals_end_with_a_summary() {
    local signal
    for signal in INT TERM; do
        start_server
        client_well --connect "$address" --requests 10
        kill -"$signal" "$server"
        await "$server" 40
        [ "$status" -eq 0 ] || fail "$signal: status $status"
        contains "$work/server" '^tcp server: 1 connections, 10 messages, 640 bytes, 0 failed$'
    done
    start_server
    begin "$work/c" "$echo_program" client --connect "$address" --duration 90
    connected 1
    sleep 0.5
    end "$started"
    [ "$status" -eq 0 ] || fail "client: status $status"
    contains "$work/c" 'requests *[1-9]'
}

progress_and_quiet() {
    start_server
    begin "$work/c" "$echo_program" client --connect "$address" --duration 1.5 --progress
    await "$started" 40
    contains "$work/c.err" 'req/s .*p50'
    begin "$work/c" "$echo_program" client --connect "$address" --requests 10 --quiet
    await "$started" 40
    [ "$status" -eq 0 ] || fail "status $status"
    if [ -s "$work/c" ] || [ -s "$work/c.err" ]; then
        fail "--quiet is not"
    fi
}

# The third connection is served when one of two has ended.
connections_are_bounded() {
    start_server --max-connections 2
    begin "$work/c" "$echo_program" client --connect "$address" --duration 1 --connections 2
    connected 2
    client_well --connect "$address" --requests 10 --check
    await "$started" 40
    [ "$status" -eq 0 ] || fail "first client: $(cat "$work/c.err")"
}

# More connections than descriptors: some get no service, the server goes on and serves again when they are gone.
descriptors_run_out() {
    start_limited() {
        ulimit -n 60
        exec "$echo_program" server --bind 127.0.0.1:0
    }
    serve "$work/server" start_limited
    client --connect "$address" --connections 200 --requests 100000 --timeout 500
    [ "$status" -eq 1 ] || fail "status $status: $json"
    client_well --connect "$address" --connections 10 --requests 100 --check
    kill -0 "$started" || fail "the server is gone"
}

wrong_bytes_are_found() {
    serve_badly tcp flip
    client --connect "$address" --requests 100 --size 64
    [ "$status" -eq 0 ] || fail "unasked: status $status"
    client --connect "$address" --requests 100 --size 64 --check
    [ "$status" -eq 1 ] || fail "status $status: $json"
    holds "$(field corrupt) == 1 && $(field requests) == 15"
    contains "$work/client.err" 'after 15 answers: .*wrong byte'
}

surplus_bytes_are_found() {
    serve_badly tcp more
    client --connect "$address" --requests 1000 --size 2
    [ "$status" -eq 1 ] || fail "status $status: $json"
    contains "$work/client.err" 'more than it got'
}

early_close_is_found() {
    serve_badly tcp close
    client --connect "$address" --requests 10
    [ "$status" -eq 1 ] || fail "status $status: $json"
    holds "$(field requests) == 1 && $(field errors) == 1 && $(field unanswered) == 1"
    contains "$work/client.err" 'after 1 answers: '
}

# What nobody can read does not look like success: results, and the help of each program.
full_disk_is_a_failure() {
    local program
    serve "$work/server" "$echo_program" server --bind 127.0.0.1:0
    "$echo_program" client --connect "$address" --requests 10 --json 2>"$work/client.err" >/dev/full
    [ $? -eq 1 ] || fail "results that were not written look like success"
    contains "$work/client.err" 'the output could not be written'
    for program in "$echo_program" "$relay_program" "$httpd_program" "$kv_program" "$kvload_program"; do
        "$program" --help >/dev/full 2>&1
        [ $? -eq 1 ] || fail "$program --help: a full disk looks like success"
    done
}

for name in help_and_usage requests_are_counted_on_both_sides every_byte_of_every_size many_in_flight \
    many_connections ipv6 wildcard_address duration_and_warmup rate_is_kept no_coordinated_omission overload_ends \
    server_killed server_stands_still nobody_listens address_in_use library_says_what_is_wrong \
    server_outlives_its_clients signals_end_with_a_summary progress_and_quiet connections_are_bounded \
    descriptors_run_out full_disk_is_a_failure; do
    run_test "$name"
done
if command -v python3 >/dev/null; then
    for name in wrong_bytes_are_found surplus_bytes_are_found early_close_is_found; do
        run_test "$name"
    done
else
    skip_test bad_servers "there is no python3"
fi
exit $((failures != 0))
