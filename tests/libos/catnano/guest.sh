#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# PDPIX programs as guests of the simulated nanoPU, on catnano.
set -u

nanopu=$CARACAL_BUILD_DIR/tools/nanopu
here=$CARACAL_SOURCE_DIR/tests/libos/catnano
failed=0

if [ ! -f "$CARACAL_BUILD_DIR/sdk/libcaracal.a" ]; then
    echo "skip guests the guest runtime is not built here"
    exit 0
fi

# verdict NAME STATUS: 0 is ok; $PWD/log is shown otherwise.
verdict()
{
    if [ "$2" -eq 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^/# /' log
        failed=1
    fi
}

# topology CORES HOST...: hosts as in a topology file.
topology()
{
    echo "params: {cores: $1}"
    echo "hosts:"
    shift
    printf '  - {%s}\n' "$@"
}

# guest PROGRAM TEXT HOST...: builds a program of this directory, runs it on the hosts, and finds the text.
guest()
{
    local name=$1 text=$2
    shift 2
    topology 1 "$@" >"$name.yaml"
    "$nanopu" cc -Wall -Wextra -Werror --cores 1 "$here/$name.c" -lcaracal -o "$name.elf" >log 2>&1 &&
        timeout -s KILL 60 "$nanopu" run --topology "$name.yaml" "$name.elf" >log 2>&1 && grep -qF -- "$text" log
    verdict "$name" $?
}

guest hello 'the answer is right' 'name: server' 'name: client, args: [10.0.0.2]'
exit "$failed"
