# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2030,SC2031
# What the tests of the programs share; sourced. A test is one function; `run_test NAME` prints `ok NAME`, or
# `not ok NAME` and what was said. Servers take port 0 and are waited for by their 'listening on' line. Everything that
# was started is ended with the script.
#
# The build directory is $CARACAL_BUILD_DIR, $BUILD or ./build.

set -u
build=$(cd "${CARACAL_BUILD_DIR:-${BUILD:-build}}" && pwd) || exit 1
export CARACAL_MODULES=${CARACAL_MODULES:-$build/src}
echo_program=$build/apps/caracal-echo
relay_program=$build/apps/caracal-relay
httpd_program=$build/apps/caracal-httpd
kv_program=$build/apps/caracal-kv
kvload_program=$build/apps/caracal-kvload
work=$(mktemp -d) || exit 1
children=()
failures=0
started='' address='' port='' status='' json='' # what the functions below set

end_all() {
    local pid
    for pid in "${children[@]:-}"; do
        if [ -n "$pid" ]; then
            kill -CONT "$pid" 2>/dev/null
            kill -KILL "$pid" 2>/dev/null
        fi
    done
    rm -rf "$work"
}
trap end_all EXIT
trap 'exit 1' HUP INT TERM

# fail WORDS...: ends the test that runs; the words are the reason.
fail() {
    echo "$*"
    exit 1
}

# run_test FUNCTION: in a process of its own, so that a test may fail anywhere in it.
run_test() {
    if (
        children=()
        trap 'end_started' EXIT
        "$1"
    ) >"$work/said" 2>&1; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^/    | /' "$work/said"
        failures=$((failures + 1))
    fi
}

# skip_test FUNCTION WORDS...
skip_test() {
    echo "skip $1 ${*:2}"
}

end_started() {
    local pid
    for pid in "${children[@]:-}"; do
        if [ -n "$pid" ]; then
            kill -CONT "$pid" 2>/dev/null
            kill -KILL "$pid" 2>/dev/null
            wait "$pid" 2>/dev/null
        fi
    done
}

# begin OUT COMMAND...: starts a command with its output in OUT and OUT.err; $started is its process.
begin() {
    local out=$1
    shift
    : >"$out" # nobody must read what an earlier one said
    "$@" >"$out" 2>"$out.err" </dev/null &
    started=$!
    children+=("$started")
}

# serve OUT COMMAND...: as begin, and waits until it listens; $address is where, $port the number alone.
serve() {
    local out=$1
    local i
    begin "$@"
    for ((i = 0; i < 1500; i++)); do
        address=$(sed -n 's/^listening on //p' "$out")
        if [ -n "$address" ]; then
            port=${address##*:}
            return 0
        fi
        kill -0 "$started" 2>/dev/null || fail "${*:2} ended: $(cat "$out" "$out.err")"
        sleep 0.02
    done
    fail "${*:2} does not listen"
}

# end PID: SIGINT; sets $status. The program has 40 seconds.
end() {
    kill -INT "$1" || fail "process $1 is gone"
    await "$1" 40
}

# connected N: waits until N connections to $port are there. It is a port of IPv4 on this machine.
connected() {
    local i here
    for ((i = 0; i < 1500; i++)); do
        here=$(awk -v port=":$(printf %04X "$port")" 'substr($2, 9) == port && $4 == "01"' /proc/net/tcp | wc -l)
        [ "$here" -lt "$1" ] || return 0
        sleep 0.02
    done
    fail "$here connections of $1"
}

# await PID SECONDS: waits for the end of a process; sets $status.
await() {
    local i
    for ((i = 0; i < $2 * 50; i++)); do
        if ! kill -0 "$1" 2>/dev/null; then
            wait "$1"
            status=$?
            return 0
        fi
        sleep 0.02
    done
    fail "process $1 does not end within $2 s"
}

# client ARGUMENTS...: runs the echo client; its JSON is in $json, stderr in $work/client.err, status in $status.
client() {
    json=$("$echo_program" client --json "$@" 2>"$work/client.err")
    status=$?
}

# client_well ARGUMENTS...: as client, and it must succeed.
client_well() {
    client "$@"
    [ "$status" -eq 0 ] || fail "client $*: status $status: $json $(cat "$work/client.err")"
}

# field NAME: a number in $json.
field() {
    sed -n 's/.*"'"$1"'": \([-+.0-9e]*\).*/\1/p' <<<"$json"
}

# holds EXPRESSION: arithmetic on real numbers is true.
holds() {
    awk "BEGIN { exit !($1) }" || fail "it does not hold that $1: ${json:-}"
}

# contains FILE PATTERN
contains() {
    grep -q -e "$2" "$1" || fail "no '$2' in: $(cat "$1")"
}

# usage_error COMMAND...: exit status 2 and a hint at --help.
usage_error() {
    "$@" >"$work/usage" 2>&1
    status=$?
    [ "$status" -eq 2 ] || fail "$*: status $status, 2 expected"
    contains "$work/usage" --help
}

# serve_badly PROTOCOL FAULT: an echo server that does something wrong; see bad_server.py.
serve_badly() {
    serve "$work/bad" python3 "$here/bad_server.py" "$@"
}
