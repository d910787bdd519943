# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# What the tests of the demi command share; sourced. Every test has a run directory of its own.

# shellcheck source=tests/apps/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/../apps/lib.bash"
demi_program=$build/tools/demi
export RUN_DIR=$work/run
unset CONFIG_PATH LIBOS NO_COLOR

# demi STATUS ARGUMENTS...: runs it and checks its exit code; what it said is in $out and $err.
demi() {
    local wanted=$1 got
    shift
    "$demi_program" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    out=$(<"$work/out")
    err=$(<"$work/err")
    [ "$got" -eq "$wanted" ] || fail "demi $*: exit code $got, not $wanted: $out $err"
}

# value EXPRESSION: prints what a Python expression finds in the JSON document d that is in $out.
value() {
    python3 -c 'import json, sys; d = json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$out" "$1" ||
        fail "no $1 in $out"
}

# same WHAT EXPECTED GOT
same() {
    [ "$2" = "$3" ] || fail "$1 is \"$3\", not \"$2\""
}

# An echo server and some traffic; $server is its process.
with_traffic() {
    serve "$work/server" "$echo_program" server --bind 127.0.0.1:0
    server=$started
    client_well --connect "$address" --requests 100 --connections 2
}
