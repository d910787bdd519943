#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The HTTP example, by curl and by hand.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/lib.bash"

start_server() {
    serve "$work/server" "$httpd_program" --bind 127.0.0.1:0 "$@"
    server=$started
}

# get CURL-ARGUMENTS...
get() {
    curl --silent --show-error --max-time 20 "$@"
}

# expected N: what /bytes/N is, made by other means.
expected() {
    seq -f %07.0f 0 9999999 2>/dev/null | head -c "$1"
}

# by_hand TEXT: sends TEXT (with printf's escapes) on a connection and prints what comes until the server closes it.
by_hand() {
    # shellcheck disable=SC2059
    printf "$1" | timeout 10 nc -N 127.0.0.1 "$port"
}

# status_is CODE TEXT: the first line of the response to TEXT.
status_is() {
    local line
    line=$(by_hand "$2" | head -n 1)
    [[ $line == "HTTP/1.1 $1 "* ]] || fail "'$line' for '$2', $1 expected"
}

help_and_usage() {
    "$httpd_program" --help | grep -q -- --bind || fail "no --bind in --help"
    usage_error "$httpd_program" --bind nowhere
    usage_error "$httpd_program" surplus
}

root() {
    start_server
    get "http://$address/" | grep -q Hello || fail "no greeting"
    get "http://$address/?a=b" | grep -q Hello || fail "a query is in the way"
}

bytes_are_exact() {
    local n
    start_server
    for n in 0 1 7 8 9 100 4096 65535 65536 65537 1000003 30000000; do
        get "http://$address/bytes/$n" >"$work/got"
        expected "$n" | cmp - "$work/got" || fail "/bytes/$n differs"
    done
}

several_at_a_time() {
    local i pids=()
    start_server
    for i in $(seq 10); do
        get "http://$address/bytes/$((i * 300007))" >"$work/got$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    for i in $(seq 10); do
        expected $((i * 300007)) | cmp - "$work/got$i" || fail "download $i differs"
    done
}

connection_is_kept() {
    start_server
    get "http://$address/bytes/70000" "http://$address/" "http://$address/bytes/5" >/dev/null --verbose 2>"$work/said"
    [ "$(grep -c 'Re-using existing connection' "$work/said")" -eq 2 ] || fail "$(cat "$work/said")"
    end "$server"
    contains "$work/server" '^httpd: 1 connections, 3 requests, 0 failed$'
}

connection_is_closed_when_asked() {
    start_server
    get -H 'Connection: close' --dump-header "$work/head" "http://$address/" >/dev/null
    contains "$work/head" '^Connection: close'
    get --http1.0 --dump-header "$work/head" "http://$address/" >/dev/null
    contains "$work/head" '^Connection: close'
    get --http1.0 -H 'Connection: Keep-Alive' --dump-header "$work/head" "http://$address/" >/dev/null
    contains "$work/head" '^Connection: keep-alive'
}

head_has_no_body() {
    start_server
    get --head "http://$address/bytes/1234" "http://$address/" >"$work/head"
    contains "$work/head" '^Content-Length: 1234'
    [ "$(grep -c '^HTTP/1.1 200 OK' "$work/head")" -eq 2 ] || fail "$(cat "$work/head")"
    contains "$work/head" '^Date: [A-Z][a-z][a-z], [0-9][0-9] [A-Z][a-z][a-z] 20[0-9][0-9] [0-9:]* GMT'
}

what_is_not_there() {
    local path
    start_server
    for path in /nothing /bytes/ /bytes/x /bytes/-1 /bytes/12x /bytes/99999999999999999999 /bytes/5/; do
        [ "$(get -o /dev/null -w '%{http_code}' --path-as-is "http://$address$path")" = 404 ] || fail "$path is there"
    done
}

other_methods() {
    start_server
    get -o "$work/o" --dump-header "$work/head" --data x "http://$address/"
    contains "$work/head" '^HTTP/1.1 405'
    contains "$work/head" '^Allow: GET, HEAD'
    [ "$(get -o "$work/o" -w '%{http_code}' -X DELETE "http://$address/")" = 405 ] || fail DELETE
    status_is 405 'get / HTTP/1.1\r\nHost: a\r\n\r\n'
}

malformed_requests() {
    start_server
    status_is 400 'hello\r\n\r\n'
    status_is 400 'GET /\r\n\r\n'
    status_is 400 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\nHost: a\n\n'
    status_is 400 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\nHost: a\r\nX: \001\r\n\r\n'
    status_is 400 'GET /\177 HTTP/1.1\r\nHost: a\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'
    status_is 400 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'
    status_is 400 'GET / HTTP/11\r\nHost: a\r\n\r\n'
    status_is 505 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'
    status_is 200 'GET http://somewhere/bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n'
    status_is 200 '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'
}

# The response must arrive although the server reads no more of what the client sends.
head_is_bounded() {
    start_server
    local field
    field=$(head -c 7000 /dev/zero | tr '\0' x)
    [ "$(get -o /dev/null -w '%{http_code}' -H "X: $field" "http://$address/")" = 200 ] || fail "7000 bytes"
    field=$(head -c 60000 /dev/zero | tr '\0' x)
    [ "$(get -o /dev/null -w '%{http_code}' -H "X: $field" "http://$address/")" = 431 ] || fail "60000 bytes"
    [ "$(get -o /dev/null -w '%{http_code}' "http://$address/$field")" = 431 ] || fail "60000 bytes of path"
}

several_requests_at_once() {
    start_server
    local one='GET /bytes/8 HTTP/1.1\r\nHost: a\r\n\r\n'
    local head='HEAD / HTTP/1.1\r\nHost: a\r\n\r\n'
    local last='GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    by_hand "$one$one${one/8/16}$head$last$one" >"$work/got"
    [ "$(grep -c '^HTTP/1.1 200' "$work/got")" -eq 5 ] || fail "$(cat "$work/got")"
    [ "$(grep -c '^0000000$' "$work/got")" -eq 3 ] || fail "first lines of three bodies"
    [ "$(grep -c '^0000001$' "$work/got")" -eq 1 ] || fail "second line of one body"
}

# More than the server keeps of a connection at a time, so that requests are cut anywhere.
hundreds_of_requests_at_once() {
    local i
    start_server
    for i in $(seq 600); do
        printf 'GET /bytes/%d HTTP/1.1\r\nHost: a\r\n\r\n' $((8 * i))
    done >"$work/requests"
    timeout 20 nc -N 127.0.0.1 "$port" <"$work/requests" >"$work/got"
    [ "$(grep -c '^HTTP/1.1 200' "$work/got")" -eq 600 ] || fail "$(grep -c '^HTTP/1.1 200' "$work/got") of 600"
    expected 4800 | awk '{ all = all $0 "\n"; printf "%s", all }' >"$work/want" # a body is a line longer than the last
    grep '^[0-9]*$' "$work/got" | cmp - "$work/want" || fail "bodies differ"
}

request_in_pieces() {
    local request='GET /bytes/20 HTTP/1.1\r\nHost: a\r\n\r\n' piece
    start_server
    (
        for piece in 'G' 'ET /by' 'tes/20 HTTP/1.1' '\r' '\nHost' ': a\r\n' '\r' '\n'; do
            # shellcheck disable=SC2059
            printf "$piece"
            sleep 0.05
        done
    ) | timeout 10 nc -N 127.0.0.1 "$port" >"$work/got"
    contains "$work/got" '^HTTP/1.1 200'
    by_hand "$request" | tr -d '\r' | sed '/^Date/d' >"$work/want"
    tr -d '\r' <"$work/got" | sed '/^Date/d' | cmp - "$work/want" || fail "differs from the request in one piece"
}

ipv6() {
    serve "$work/server" "$httpd_program" --bind '[::1]:0'
    get "http://$address/bytes/100000" >"$work/got"
    expected 100000 | cmp - "$work/got"
}

# Downloads that are broken off, and one that is never read, leave a server that serves.
clients_that_vanish() {
    local i
    start_server
    for i in 1 2 3; do
        begin "$work/dropped" curl --silent --limit-rate 100k "http://$address/bytes/1000000000"
        sleep 0.2
        kill -KILL "$started"
    done
    begin "$work/dropped" curl --silent "http://$address/bytes/1000000000"
    sleep 0.1
    kill -STOP "$started"
    get "http://$address/bytes/1000" >"$work/got"
    expected 1000 | cmp - "$work/got" || fail "after clients that vanished"
    end "$server"
    [ "$status" -eq 0 ] || fail "server: status $status"
}

silent_connections_end() {
    start_server --idle 0.5
    exec 3<>"/dev/tcp/127.0.0.1/$port" || fail "cannot connect"
    read -r -t 40 <&3 # ends because the server closes, with 1; a time-out is more than 128
    status=$?
    exec 3>&-
    [ "$status" -eq 1 ] || fail "read: status $status"
}

connections_are_bounded() {
    start_server --max-connections 2 --idle 1
    exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$port" || fail "cannot connect"
    sleep 0.2
    get "http://$address/" | grep -q Hello || fail "no service after the silent ones have ended"
    exec 3>&- 4>&-
}

if ! command -v curl >/dev/null || ! command -v nc >/dev/null; then
    skip_test httpd "there is no curl or no nc"
    exit 0
fi
for name in help_and_usage root bytes_are_exact several_at_a_time connection_is_kept connection_is_closed_when_asked \
    head_has_no_body what_is_not_there other_methods malformed_requests head_is_bounded several_requests_at_once \
    hundreds_of_requests_at_once request_in_pieces ipv6 clients_that_vanish silent_connections_end \
    connections_are_bounded; do
    run_test "$name"
done
exit $((failures != 0))
