#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demi stat: what it shows of instances that run, that ended, that were killed.

# shellcheck source=tests/tools/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

stat__nothing_runs() {
    demi 0 stat
    same output "No instance is running in $RUN_DIR." "$out"
    demi 0 stat --json
    same instances 0 "$(value 'len(d["instances"])')"
}

stat__shows_a_running_instance() {
    with_traffic
    demi 0 stat
    grep -qE "^ *$server +$server +caracal-echo +catnap +[0-9]+s " <<<"$out" || fail "$out"
}

stat__counts_what_went_through() {
    with_traffic
    demi 0 stat --json
    same pid "$server" "$(value 'd["instances"][0]["pid"]')"
    same alive True "$(value 'd["instances"][0]["alive"]')"
    same accepts 2 "$(value 'd["instances"][0]["counters"]["accepts"]')"
    same pushes 100 "$(value 'd["instances"][0]["counters"]["pushes"]')"
    same push_bytes 6400 "$(value 'd["instances"][0]["counters"]["push_bytes"]')"
}

stat__pid_shows_every_counter_with_help() {
    with_traffic
    demi 0 stat --pid "$server"
    grep -qE '^  pushes +100 +push operations completed$' <<<"$out" || fail "$out"
    grep -qE '^  peer_protocol_errors +0 ' <<<"$out" || fail "$out"
}

stat__pid_without_instance() {
    demi 1 stat --pid $$
    same message "demi: process $$ has no running instance" "$err"
}

stat__watch_has_rates() {
    local watcher
    with_traffic
    "$demi_program" stat --json --watch 1 --count 2 >"$work/watched" &
    watcher=$!
    for _ in {1..1500}; do
        [ ! -s "$work/watched" ] || break
        sleep 0.02
    done
    client_well --connect "$address" --requests 1000
    wait "$watcher" || fail "watch failed"
    same lines 2 "$(wc -l <"$work/watched")"
    out=$(tail -n 1 "$work/watched")
    same rate True "$(value '0 < d["instances"][0]["per_second"]["pops"] < 1100')"
    same "levels with a rate" False "$(value '"ops_now" in d["instances"][0]["per_second"]')"
}

stat__watch_ends_with_the_process_it_watches() {
    local watcher
    with_traffic
    "$demi_program" stat --pid "$server" --watch 0.1 >/dev/null 2>"$work/err" &
    watcher=$!
    sleep 0.4
    end "$server"
    await "$watcher" 40
    same status 1 "$status"
}

stat__clean_end_leaves_nothing() {
    with_traffic
    end "$server"
    demi 0 stat --all --json
    same instances 0 "$(value 'len(d["instances"])')"
    same files 0 "$(find "$RUN_DIR" -type f | wc -l)"
}

stat__killed_instance_is_shown_with_all() {
    with_traffic
    kill -KILL "$server"
    await "$server" 40
    demi 0 stat
    same output "No instance is running in $RUN_DIR." "$out"
    demi 0 stat --all
    grep -q "pid $server, tid $server, catnap, crashed" <<<"$out" || fail "$out"
}

stat__cleans_nothing_that_lives() {
    with_traffic
    demi 0 stat --all
    client_well --connect "$address" --requests 10 # which prunes the run directory as it starts
    demi 0 stat --json
    same pid "$server" "$(value 'd["instances"][0]["pid"]')"
}

stat__file_that_is_no_page_is_named() {
    mkdir -m 700 "$RUN_DIR"
    head -c 5000 /dev/urandom >"$RUN_DIR/1.1.stat"
    printf 'ccstat1\0\377\377' >"$RUN_DIR/1.2.stat"
    : >"$RUN_DIR/1.3.stat"
    demi 0 stat --all
    grep -q '1.1.stat: not a counter page' <<<"$err" || fail "$err"
    grep -q '1.2.stat: too short' <<<"$err" || fail "$err"
    grep -q '1.3.stat: too short' <<<"$err" || fail "$err"
}

stat__other_version_is_refused() {
    with_traffic
    kill -KILL "$server"
    await "$server" 40
    printf '\011' | dd of="$RUN_DIR/$server.$server.stat" bs=1 seek=8 conv=notrunc status=none
    demi 0 stat --all
    grep -q 'counter page of version 9; this demi reads version 1' <<<"$err" || fail "$err"
}

stat__program_name_cannot_drive_the_terminal() {
    with_traffic
    kill -KILL "$server"
    await "$server" 40
    # A name is 32 bytes; program follows libos.
    python3 - "$RUN_DIR/$server.$server.stat" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"caracal-echo")
data[at:at + 32] = b"\x1b[2J\xff\"" + b"x" * 26
open(sys.argv[1], "wb").write(data)
PYTHON
    demi 0 stat --all
    [[ $out != *$'\033'* ]] || fail "an escape got through"
    demi 0 stat --all --json
    value 'd["instances"][0]["program"]' >/dev/null
}

stat__no_colour_without_a_terminal() {
    with_traffic
    demi 0 stat
    [[ $out != *$'\033'* ]] || fail "an escape"
}

stat__colour_on_a_terminal_unless_asked_not_to() {
    with_traffic
    out=$(TERM=xterm script -qec "$demi_program stat" /dev/null </dev/null)
    [[ $out == *$'\033['* ]] || fail "no colour: $out"
    out=$(NO_COLOR=1 TERM=xterm script -qec "$demi_program stat" /dev/null </dev/null)
    [[ $out != *$'\033['* ]] || fail "colour: $out"
}

tests=(stat__nothing_runs stat__shows_a_running_instance stat__counts_what_went_through
    stat__pid_shows_every_counter_with_help stat__pid_without_instance stat__watch_has_rates
    stat__watch_ends_with_the_process_it_watches stat__clean_end_leaves_nothing
    stat__killed_instance_is_shown_with_all stat__cleans_nothing_that_lives stat__file_that_is_no_page_is_named
    stat__other_version_is_refused stat__program_name_cannot_drive_the_terminal stat__no_colour_without_a_terminal)
for t in "${tests[@]}"; do
    rm -rf "$RUN_DIR"
    run_test "$t"
done
if command -v script >/dev/null; then
    run_test stat__colour_on_a_terminal_unless_asked_not_to
else
    skip_test stat__colour_on_a_terminal_unless_asked_not_to "there is no script(1)"
fi
exit "$((failures > 0))"
