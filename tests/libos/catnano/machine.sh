#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs of this machine exchange messages with a simulated host that runs a PDPIX program: through shared memory,
# with losses, and through a TAP interface.
set -u

nanopu=$CARACAL_BUILD_DIR/tools/nanopu
here=$CARACAL_SOURCE_DIR/tests/libos/catnano
bin=$CARACAL_BUILD_DIR/tests/libos/catnano
export STAT=false TRACE=false LIBOS=catnano MSG_NEIGHBOURS=nanopu NET_ADDRESS=10.0.0.1/24 MSG_TIMEOUT_US=10000

if [ ! -f "$CARACAL_BUILD_DIR/sdk/libcaracal.a" ]; then
    echo "skip machine the guest runtime is not built here"
    exit 0
fi
stop() {
    jobs -p | xargs -r kill -KILL
    wait
} 2>/dev/null
trap stop EXIT
trap 'exit 1' HUP INT TERM

# simulate CONNECT: the guest behind a port, in the background; the machine's clock runs ahead of ours, so its timeout
# is long
simulate() {
    printf '%s\n' 'params: {cores: 1, timing: 0, timeout_cycles: 2000000}' \
        'hosts: [{name: e, program: serve.elf, background: yes}]' \
        "ports: [{name: way, connect: \"$1\", ip: 10.0.0.1}]" >machine.yaml
    "$nanopu" run --quiet --cycles 20G --topology machine.yaml >machine.log 2>&1 &
}

# answers NAME FIRST LAST STEP [FIRST LAST STEP]...: a request of each length
answers() {
    local name=$1
    shift
    if timeout -s KILL 45 "$bin/catnano-requests" 10.0.0.2 0 "$@" >answers.log 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        cat answers.log machine.log
    fi
    stop
}

"$nanopu" cc -Wall -Wextra -Werror --cores 1 "$here/serve.c" -lcaracal -o serve.elf || exit 1

if [ "${1-}" = tap ]; then
    simulate tap:way0
    for _ in {1..1500}; do
        ip link set way0 up 2>/dev/null && break
        sleep 0.02
    done
    DRIVER=packet DEVICE=way0 answers machine_by_tap 1 2048 89
    exit 0
fi

simulate "ring:$PWD/wire"
# each part of a word, each class of memory, one packet and two
DRIVER=nanopu DEVICE=$PWD/wire answers machine_by_ring 1 9 1 32 992 64 1016 1032 1 1088 2016 116 2041 2048 1
simulate "ring:$PWD/machine"
"$bin/catnano-lossy" "$PWD/machine" "$PWD/program" 50 7 50 >lossy.log 2>&1 &
DRIVER=nanopu DEVICE=$PWD/program answers machine_by_ring_with_losses 1 9 4 64 1024 320 1025 2048 341
if [ -c /dev/net/tun ] && [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    unshare -n bash "${BASH_SOURCE[0]}" tap
else
    echo "skip machine_by_tap not root, no network namespaces here, or no /dev/net/tun"
fi
