#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# PDPIX programs as guests of the simulated nanoPU, on catnano.
set -u

nanopu=$CARACAL_BUILD_DIR/tools/nanopu
here=$CARACAL_SOURCE_DIR/tests/libos/catnano
failed=0
cores=1

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

# hosts NAME CYCLES TEXT HOST...: runs programs on hosts; servers do not end by themselves, so the cycles are bounded.
hosts()
{
    local name=$1 cycles=$2 text=$3
    shift 3
    topology "$cores" "$@" >"$name.yaml"
    timeout -s KILL 60 "$nanopu" run --quiet --cycles "$cycles" --topology "$name.yaml" >log 2>&1
    grep -qE -- "$text" log
    verdict "$name" $?
}

guest hello 'the answer is right' 'name: server' 'name: client, args: [10.0.0.2]'
guest closed 'the open socket has answered' 'name: server, args: [server]' 'name: client, args: [client, 10.0.0.2]'
guest again 'all messages were whole' 'name: server, args: [server]' 'name: client, args: [client, 10.0.0.2]'

"$nanopu" cc -Wall -Wextra -Werror "$here/cores.c" -lcaracal -o cores.elf >log 2>&1
cores=4
hosts cores 20M 'several harts answered' "name: server, program: cores.elf, args: [server]" \
    "name: client, program: cores.elf, args: [client, 10.0.0.2]"
"$nanopu" cc -Wall -Wextra -Werror "$here/threads.c" -o threads.elf >log 2>&1
hosts threads 5M 'the sum is 33' "program: threads.elf"
cores=1

# The same sources as on Linux: nothing in them asks where it is.
grep -nE '^ *# *(if|elif)' "$CARACAL_SOURCE_DIR"/apps/{common,echo,httpd,kv,kvload,relay}/*.[ch] |
    grep -vE '#ifndef APPS_[A-Z0-9_]+_H$' >log
[ ! -s log ]
verdict apps_have_no_conditions $?

echo="program: $CARACAL_BUILD_DIR/apps/nanopu/caracal-echo.elf"
hosts echo 30M 'client\| +errors 0  corrupt 0  lost 0  late 0  unanswered 0' \
    "name: server, $echo, background: yes, args: [server, --udp, --bind, '0.0.0.0:0', --quiet]" \
    "name: client, $echo, args: [client, --udp, --connect, '10.0.0.2:0', --requests, '30', --size, '2041', --check]"
kv="program: $CARACAL_BUILD_DIR/apps/nanopu/caracal-kv.elf"
"$nanopu" cc -Wall -Wextra -Werror --cores 1 "$here/kv.c" -lcaracal -o kv.elf >log 2>&1
hosts kv 20M 'client\| kv answers' \
    "name: server, $kv, background: yes,
    args: [--bind, none, --rpc, '0.0.0.0:0', --maxmemory, '8', --maxclients, '1']" \
    "name: client, program: kv.elf, args: [10.0.0.2]"

# Threads: a hart each, and several on one, where the hardware interrupts one for the other by priorities.
"$nanopu" cc -Wall -Wextra -Werror --cores 1 "$here/sharing.c" -lcaracal -o sharing.elf >log 2>&1
sharing="program: sharing.elf, args"
hosts threads_share_a_hart 10M '20 of 20 overtook, soon, the other went on' \
    "name: server, $sharing: [server, '0', '1']" "name: client, $sharing: [client, 10.0.0.2]"
hosts threads_without_priorities 10M '0 of 20 overtook, late' \
    "name: server, $sharing: [server, '1', '1']" "name: client, $sharing: [client, 10.0.0.2]"
cores=4
hosts echo_threads 20M 'client\| +errors 0  corrupt 0  lost 0  late 0  unanswered 0' \
    "name: server, $echo, background: yes, args: [server, --udp, --bind, '0.0.0.0:1', --quiet, --threads, '3']" \
    "name: client, $echo, args: [client, --udp, --connect, '10.0.0.2:1', --requests, '100', --depth, '4', --check,
    --connections, '2', --threads, '2']"
cores=2
echo2="program: echo2.elf, args"
"$nanopu" cc --cores 2 -I"$CARACAL_SOURCE_DIR/apps" "$CARACAL_SOURCE_DIR"/apps/echo/*.c \
    "$CARACAL_SOURCE_DIR"/apps/common/{addr,args,demi_util,hist,json,pattern,report,stop,tokset}.c \
    -lcaracal -lm -o echo2.elf >log 2>&1
for size in 8 1500; do # other times at which threads are interrupted: with the lock of the others, too
    hosts "echo_threads_share_harts_$size" 20M 'client\| +errors 0  corrupt 0  lost 0  late 0  unanswered 0' \
        "name: server, $echo2: [server, --udp, --bind, '0.0.0.0:1', --quiet, --threads, '2'], background: yes" \
        "name: client, $echo2: [client, --udp, --connect, '10.0.0.2:1', --requests, '60', --size, '$size', --check,
        --connections, '4', --threads, '4']"
done
# A hart's context has one socket: the third thread shares a hart with the first.
hosts echo_threads_one_port 4M "another socket's" \
    "name: server, $echo2: [server, --udp, --bind, '0.0.0.0:1', --quiet, --threads, '3']"
cores=1
hosts echo_too_long 3M 'cannot send: Message too long' \
    "name: server, $echo, background: yes, args: [server, --udp, --bind, '0.0.0.0:0', --quiet]" \
    "name: client, $echo, args: [client, --udp, --connect, '10.0.0.2:0', --requests, '1', --size, '2049']"
hosts echo_wrong_port 1M "a port is a context" "name: server, $echo, args: [server, --udp, --bind, '0.0.0.0:7000']"
hosts echo_stream 1M 'no streams' "name: server, $echo, args: [server]"
exit "$failed"
