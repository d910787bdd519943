#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The UDP relay, between the echo program's client and server.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/lib.bash"

# start_pair [RELAY OPTIONS]: a server, and a relay to it; $address is the relay's.
start_pair() {
    serve "$work/server" "$echo_program" server --udp --bind 127.0.0.1:0 --json
    server=$started
    target=$address
    start_relay "$target" "$@"
}

start_relay() {
    serve "$work/relay" "$relay_program" --to "$1" --bind 127.0.0.1:0 --json "${@:2}"
    relay=$started
}

# end_relay: its summary in $json.
end_relay() {
    end "$relay"
    [ "$status" -eq 0 ] || fail "relay: status $status"
    json=$(tail -n 1 "$work/relay")
}

help_and_usage() {
    "$relay_program" --help | grep -q -- --to || fail "no --to in --help"
    usage_error "$relay_program"
    usage_error "$relay_program" --to nowhere
    usage_error "$relay_program" --to 127.0.0.1:1 --sessions 0
    usage_error "$relay_program" --to 127.0.0.1:1 --idle -3
    usage_error "$relay_program" --to 127.0.0.1:1 surplus
}

relays_both_ways() {
    start_pair
    client_well --udp --connect "$address" --requests 1000 --check
    holds "$(field requests) == 1000"
    end_relay
    holds "$(field sessions) == 1 && $(field in) == 1000 && $(field out) == 1000"
    holds "$(field in_bytes) == 64000 && $(field out_bytes) == 64000 && $(field receive_failed) == 0"
}

large_and_small() {
    local size
    start_pair
    for size in 1 1024 1472 65507; do
        client_well --udp --connect "$address" --requests 20 --size "$size" --check
        holds "$(field requests) == 20"
    done
}

# The echo client's --check knows its connections apart: an answer given to another client would be corrupt.
each_client_gets_its_own() {
    start_pair
    client_well --udp --connect "$address" --requests 2000 --connections 50 --check
    holds "$(field requests) + $(field lost) == 2000 && $(field corrupt) == 0 && $(field late) == 0"
    end_relay
    holds "$(field sessions) == 50"
}

between_families() {
    serve "$work/server" "$echo_program" server --udp --bind '[::1]:0'
    start_relay "$address"
    client_well --udp --connect "$address" --requests 100 --check
    end "$relay"
    serve "$work/server" "$echo_program" server --udp --bind 127.0.0.1:0
    serve "$work/relay" "$relay_program" --to "$address" --bind '[::1]:0'
    client_well --udp --connect "$address" --requests 100 --check --connections 3
}

table_is_bounded() {
    start_pair --sessions 4
    client --udp --connect "$address" --requests 40 --connections 8 --timeout 200
    holds "$(field requests) > 0 && $(field lost) >= 4"
    end_relay
    holds "$(field sessions) == 4 && $(field table_full) >= 4"
}

silent_sessions_expire() {
    start_pair --idle 0.3 --sessions 2
    client_well --udp --connect "$address" --requests 4 --connections 2
    sleep 1.2
    client_well --udp --connect "$address" --requests 4 --connections 2
    end_relay
    holds "$(field sessions) == 4 && $(field expired) >= 2 && $(field table_full) == 0"
}

busy_sessions_do_not_expire() {
    start_pair --idle 0.8
    client_well --udp --connect "$address" --rate 50 --duration 2.2
    end_relay
    holds "$(field sessions) == 1" # one that had expired would have been made again
}

# The target goes and comes back on the same port.
target_restarts() {
    start_pair
    client_well --udp --connect "$address" --requests 10
    end "$server"
    client --udp --connect "$address" --requests 2 --timeout 100
    [ "$status" -eq 1 ] || fail "answers without a target: $json"
    local relay_address=$address
    serve "$work/server" "$echo_program" server --udp --bind "$target"
    client_well --udp --connect "$relay_address" --requests 10 --check
    end_relay
}

# Who is not the target has nothing to say to a client, even where it knows the session's port.
strangers_are_dropped() {
    python3 - "$relay_program" >"$work/relay" 2>"$work/python.err" <<'PYTHON' || fail "$(cat "$work/python.err")"
import signal, socket, subprocess, sys

def receives(s):
    try:
        return s.recvfrom(2000)
    except socket.timeout:
        return None, None

def make():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.settimeout(20)
    return s

target, client, stranger = make(), make(), make()
relay = subprocess.Popen([sys.argv[1], "--to", "127.0.0.1:%d" % target.getsockname()[1], "--bind", "127.0.0.1:0",
                          "--json"], stdout=subprocess.PIPE, text=True)
try:
    port = int(relay.stdout.readline().rsplit(":", 1)[1])
    client.sendto(b"question", ("127.0.0.1", port))
    asked, session = receives(target)
    assert asked == b"question", asked
    stranger.sendto(b"lie", session)
    target.sendto(b"", session)
    target.sendto(b"answer", session)
    answered, source = receives(client)
    assert answered == b"answer" and source[1] == port, (answered, source)
    relay.send_signal(signal.SIGINT)
    print(relay.communicate(timeout=40)[0])
    assert relay.returncode == 0, relay.returncode
finally:
    relay.kill()
PYTHON
    json=$(grep '^{' "$work/relay")
    holds "$(field foreign) == 1 && $(field empty) == 1 && $(field out) == 1"
}

summary_for_people() {
    serve "$work/relay" "$relay_program" --to 127.0.0.1:9 --bind 127.0.0.1:0
    end "$started"
    contains "$work/relay" '^relay: 0 sessions'
}

for name in help_and_usage relays_both_ways large_and_small each_client_gets_its_own between_families table_is_bounded \
    silent_sessions_expire busy_sessions_do_not_expire target_restarts summary_for_people; do
    run_test "$name"
done
if command -v python3 >/dev/null; then
    run_test strangers_are_dropped
else
    skip_test strangers_are_dropped "there is no python3"
fi
exit $((failures != 0))
