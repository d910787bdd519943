#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The key-value server's message protocol over the nanoPU's transports: between two programs of this machine over a
# ring, and with the server as a guest of a simulated host. Its load generator is the client, every value is checked.
set -u
kv=$CARACAL_BUILD_DIR/apps/caracal-kv
load=$CARACAL_BUILD_DIR/apps/caracal-kvload
export STAT=false TRACE=false LIBOS=catnano
stop() {
    jobs -p | xargs -r kill -KILL
    wait
} 2>/dev/null
trap stop EXIT
trap 'exit 1' HUP INT TERM

# check NAME COMMAND...
check() {
    if "${@:2}" >said.log 2>&1; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^/    | /' said.log server.log
    fi
}

wait_for_server() {
    for _ in {1..1500}; do
        grep -q '^messages on' server.log && break
        sleep 0.02
    done
}

# asks ADDRESS OPTIONS...: the load generator ends well, with no value wrong or missing and nothing unanswered.
asks() {
    timeout -s KILL 40 "$load" --messages --connect "$1" --check --json "${@:2}" | tee answers.log
    [ "${PIPESTATUS[0]}" = 0 ] && grep -q '"wrong": 0, "missing": 0, "unanswered": 0' answers.log
}

# ring TRANSPORT OPTIONS...: over a ring of its own.
ring() {
    rm -f wire
    : >server.log
    NET_ADDRESS=10.0.0.1/24 "$kv" --bind none --rpc 10.0.0.1:7000 >server.log 2>&1 &
    wait_for_server
    NET_ADDRESS=10.0.0.2/24 asks 10.0.0.1:7000 "$@"
    local status=$?
    stop
    return $status
}

export DRIVER=ring DEVICE=$PWD/wire
for transport in ndp homa; do
    export MSG_TRANSPORT=$transport
    check "kv_over_$transport" ring --workload A --records 500 --requests 1000 --depth 8 --connections 3
    check "kv_long_values_over_$transport" ring --workload F --size 20000 --records 50 --requests 100 --depth 4
done

guest=$CARACAL_BUILD_DIR/apps/nanopu/caracal-kv.elf
if [ ! -f "$guest" ]; then
    echo "skip kv_on_a_simulated_host the guests are not built here"
    exit 0
fi
# The machine's clock is not ours: long timeouts on both sides.
arguments="[--bind, none, --rpc, '0.0.0.0:0', --maxmemory, '8']"
printf '%s\n' 'params: {cores: 1, timing: 0, timeout_cycles: 2000000}' \
    "hosts: [{name: kv, program: $guest, background: yes, args: $arguments}]" \
    "ports: [{name: way, connect: \"ring:$PWD/way\", ip: 10.0.0.1}]" >machine.yaml
simulate() {
    : >server.log
    "$CARACAL_BUILD_DIR/tools/nanopu" run --quiet --cycles 20G --topology machine.yaml >server.log 2>&1 &
    wait_for_server
}
export DRIVER=nanopu DEVICE=$PWD/way NET_ADDRESS=10.0.0.1/24
export MSG_TRANSPORT=ndp MSG_NEIGHBOURS=nanopu MSG_TIMEOUT_US=10000
simulate
check kv_on_a_simulated_host asks 10.0.0.2:0 --workload A --records 50 --requests 200 --size 500 --depth 4
# the longest request that a message of 2048 bytes holds, over a cable that loses one frame in fifty
stop
rm -f way
simulate
"$CARACAL_BUILD_DIR/tests/libos/catnano/catnano-lossy" "$PWD/way" "$PWD/lossy" 20 3 60 >lossy.log 2>&1 &
DEVICE=$PWD/lossy
check kv_on_a_simulated_host_with_losses \
    asks 10.0.0.2:0 --workload A --records 20 --requests 60 --size 2008
