# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# What the tests of the nanopu command share; sourced.
nanopu=$CARACAL_BUILD_DIR/tools/nanopu
guests=$CARACAL_BUILD_DIR/examples/nanopu
failures=0

# nanopu STATUS ARGUMENTS...: runs it and checks its exit code; what it said is in $out and $err.
nanopu() {
    local wanted=$1 got
    shift
    "$nanopu" "$@" >out 2>err </dev/null
    got=$?
    out=$(<out)
    err=$(<err)
    [ "$got" -eq "$wanted" ] || fail "nanopu $*: exit code $got, not $wanted: $out $err"
}

fail() {
    echo "# $*"
    failed=1
}

# says WHERE TEXT: TEXT is somewhere in $out or $err.
says() {
    grep -qF -- "$2" "$1" || fail "no \"$2\" in: $(<"$1")"
}

# value EXPRESSION: prints what a Python expression finds in the JSON document d, the last line of $out.
value() {
    tail -n 1 out | python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1" || fail "no $1"
}

same() {
    [ "$2" = "$3" ] || fail "$1 is \"$3\", not \"$2\""
}

run_test() {
    failed=0
    "$1"
    if [ "$failed" -eq 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        failures=$((failures + 1))
    fi
}

# need_guests TEST...: without a cross compiler there are no guests; says so for each test and ends.
need_guests() {
    local t
    [ -e "$guests/hello.elf" ] && return
    for t in "$@"; do
        echo "skip $t there is no cross compiler for guests"
    done
    exit 0
}

# The four hosts of the ring, in the order of the arguments.
ring_hosts() {
    local i
    echo "hosts:"
    for i in "$@"; do
        echo "  - {name: h$i, ip: 10.0.0.$i, program: $guests/ring.elf," \
            "args: [10.0.0.$((i == 5 ? 2 : i + 1)), 50$([ "$i" -eq 2 ] && echo ', first')]}"
    done
}
