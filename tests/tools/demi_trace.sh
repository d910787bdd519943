#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demi trace: rings of instances that run and of those that were killed.

# shellcheck source=tests/tools/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

# An echo server that has had traffic and was killed; $server was its process.
killed_server() {
    with_traffic
    kill -KILL "$server"
    await "$server" 40
}

# events: names of the events in $out, one JSON object a line
events() {
    sed -n 's/.*"event": "\([A-Z_]*\)".*/\1/p' <<<"$out"
}

trace__survives_a_kill() {
    killed_server
    demi 0 trace
    grep -q "^caracal-echo  pid $server, tid $server, crashed;" <<<"$out" || fail "$out"
    grep -qE '^[0-9:]{8}\.[0-9]{6} .* LISTEN +qd=[0-9]+ backlog=' <<<"$out" || fail "$out"
    same pushes 100 "$(grep -c ' PUSH .* bytes=64$' <<<"$out")"
    same accepts 2 "$(grep -c ' ACCEPT ' <<<"$out")"
}

trace__times_are_wall_clock_and_in_order() {
    local before after
    before=$(date +%s)
    killed_server
    after=$(date +%s)
    demi 0 trace --json
    python3 - "$before" "$after" "$work/out" <<'PYTHON' || fail "$out"
import json, sys
times = [json.loads(line)["unix_ns"] for line in list(open(sys.argv[3]))[1:]]
assert len(times) > 200, times
assert times == sorted(times)
assert int(sys.argv[1]) <= times[0] / 1e9 and times[-1] / 1e9 <= int(sys.argv[2]) + 1, times
PYTHON
}

trace__shows_an_instance_that_runs() {
    with_traffic
    demi 0 trace --pid "$server" --json
    same state running "$(head -n 1 <<<"$out" | sed 's/.*"state": "\([a-z]*\)".*/\1/')"
    same "first event" INIT "$(events | head -n 1)"
}

trace__clean_end_with_trace_keep_says_ended() {
    export TRACE_KEEP=on
    with_traffic
    end "$server"
    demi 0 trace
    grep -q ", ended;" <<<"$out" || fail "$out"
    grep -q ' FINI' <<<"$(tail -n 1 <<<"$out")" || fail "$out"
}

trace__last_shows_so_many() {
    killed_server
    demi 0 trace --json --last 5
    same lines 6 "$(wc -l <"$work/out")"
    demi 0 trace --json --last 0
    same lines 1 "$(wc -l <"$work/out")"
}

trace__ring_that_went_round_says_what_is_gone() {
    export TRACE_RECORDS=1024
    with_traffic
    client_well --connect "$address" --requests 3000
    kill -KILL "$server"
    await "$server" 40
    demi 0 trace --pid "$server"
    grep -qE '^\([0-9]+ older records were overwritten\)$' <<<"$out" || fail "$out"
    same events True "$([ "$(wc -l <"$work/out")" -gt 900 ] && echo True)"
}

trace__follow_shows_what_happens_next() {
    local follower
    with_traffic
    "$demi_program" trace --pid "$server" --follow --last 0 >"$work/followed" &
    follower=$!
    for _ in {1..1500}; do
        ! find "/proc/$follower/fd" -lname "*.$server.trace" | grep -q . || break
        sleep 0.02
    done
    sleep 0.2
    client_well --connect "$address" --requests 300
    end "$server"
    await "$follower" 40
    same status 0 "$status"
    same pushes 300 "$(grep -c ' PUSH ' "$work/followed")"
    grep -q 'the instance has ended' "$work/followed" || fail "$(tail -n 3 "$work/followed")"
}

trace__errors_have_their_names() {
    # Nobody listens there.
    TRACE_KEEP=on client --connect 127.0.0.1:1 --requests 1
    demi 0 trace
    grep -qE ' FAILED +qd=[0-9]+ opcode=CONNECT error=ECONNREFUSED' <<<"$out" || fail "$out"
}

trace__list_shows_all() {
    killed_server
    local first=$server
    with_traffic
    demi 0 trace --list
    grep -qE "^ *$first +$first +caracal-echo +crashed .*/$first.$first.trace\$" <<<"$out" || fail "$out"
    grep -qE "^ *$server +$server +caracal-echo +running " <<<"$out" || fail "$out"
    demi 0 trace --list --json
    same traces 2 "$(value 'len(d["traces"])')"
}

trace__without_argument_takes_the_newest() {
    killed_server
    killed_server
    demi 0 trace
    grep -q "pid $server," <<<"$out" || fail "$out"
}

trace__nothing_there() {
    mkdir -m 700 "$RUN_DIR"
    demi 1 trace
    same message "demi: no trace is in $RUN_DIR" "$err"
    demi 0 trace --list
    demi 1 trace --pid 1
    demi 1 trace "$work/none"
}

trace__damaged_files_are_named() {
    killed_server
    local file=$RUN_DIR/$server.$server.trace
    head -c 1000 "$file" >"$work/short.trace"
    demi 1 trace "$work/short.trace"
    grep -q 'short.trace: damaged trace' <<<"$err" || fail "$err"
    demi 1 trace /etc/passwd
    grep -q 'not a trace' <<<"$err" || fail "$err"
    demi 1 trace /dev/zero
    demi 1 trace "$work"
    printf '\011' | dd of="$file" bs=1 seek=8 conv=notrunc status=none
    demi 1 trace "$file"
    grep -q 'trace of version 9; this demi reads version 1' <<<"$err" || fail "$err"
    demi 0 trace --list
    grep -q 'damaged' <<<"$out" || fail "$out"
}

for t in trace__survives_a_kill trace__times_are_wall_clock_and_in_order trace__shows_an_instance_that_runs \
    trace__clean_end_with_trace_keep_says_ended trace__last_shows_so_many \
    trace__ring_that_went_round_says_what_is_gone trace__follow_shows_what_happens_next \
    trace__errors_have_their_names trace__list_shows_all trace__without_argument_takes_the_newest \
    trace__nothing_there trace__damaged_files_are_named; do
    rm -rf "$RUN_DIR"
    run_test "$t"
done
exit "$((failures > 0))"
