#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: catnip.sh [NIC...]
# catnip on drivers of real cards: two cards of each kind on one wire, in a guest, with huge pages, taken from the
# kernel by uio_pci_generic. Bytes must arrive whole from one program to another. NIC "rss": a card with two queues, a
# thread a queue; its other side is Linux, outside of the guest.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/../apps/lib.bash"
ns='' # where the other side of the card with two queues is
trap 'end_all; [ -z "$ns" ] || ip netns del "$ns"' EXIT

# In the guest.
inside() {
    cat <<'SCRIPT'
# Only the drivers that are wanted: loading all of them takes longer than the rest.
pmds=$(echo /usr/lib/x86_64-linux-gnu/dpdk/pmds-*)
mkdir /run/pmds
cp -a "$pmds"/librte_{bus_pci,bus_vdev,mempool_ring,net_virtio,net_e1000,net_vmxnet3}.so.* /run/pmds
mount --bind /run/pmds "$pmds"

take() {
    echo "0000:00:$1.0" >"/sys/bus/pci/devices/0000:00:$1.0/driver/unbind" 2>/dev/null
    echo uio_pci_generic >"/sys/bus/pci/devices/0000:00:$1.0/driver_override"
    echo "0000:00:$1.0" >/sys/bus/pci/drivers_probe
}

# echo_on NIC SLOT SLOT
echo_on() {
    take "$2" && take "$3"
    : >server # what the last one said must not be read
    EAL="-a 0000:00:$2.0" NET_ADDRESS=10.9.0.1/24 STAT=true \
        "$BUILD/apps/caracal-echo" server --bind 10.9.0.1:7000 --quiet >server &
    local server=$!
    for ((i = 0; i < 600; i++)); do
        grep -q listening server && break
        kill -0 $server || break
        sleep 0.1
    done
    echo "$1: $(EAL="-a 0000:00:$3.0" NET_ADDRESS=10.9.0.2/24 timeout 60 "$BUILD/apps/caracal-echo" client --json \
        --check --connect 10.9.0.1:7000 --requests 20 --size 5000 2>&1)"
    echo "$1 $("$BUILD/tools/demi" stat --json | grep -o '"sent_by_reference": *[0-9]*')"
    kill $server
}
connects() { grep -o '"connects": *[0-9]*' "$SHARE/connected" | awk '{ n += $2 } END { print +n }'; }
# Two threads serve Linux and then connect to it; who is outside says in the share how far it is.
threads() {
    take 16
    export EAL="-a 0000:00:16.0" NET_ADDRESS=10.79.0.2/24 RUN_DIR=/run/tmp/run STAT=true
    "$BUILD/apps/caracal-echo" server --threads 2 --bind 10.79.0.2:7000 --quiet >"$SHARE/server" &
    local pid=$!
    for ((i = 0; i < 300 && $(cat "$SHARE/step") < 1; i++)); do sleep 0.1; done
    "$BUILD/tools/demi" stat --json >"$SHARE/accepted"
    kill $pid
    wait $pid
    "$BUILD/apps/caracal-echo" client --threads 2 --connect 10.79.0.1:7000 --connections 8 --duration 60 --quiet &
    pid=$!
    for ((i = 0; i < 60 && $(connects) < 8; i++)); do
        sleep 0.5
        "$BUILD/tools/demi" stat --json >"$SHARE/connected"
    done
    sleep 1
    "$BUILD/tools/demi" stat --json >"$SHARE/connected"
    kill -KILL $pid
}
cd /run/tmp
for nic in $NICS; do
    case $nic in
    virtio-net-pci) echo_on $nic 10 11 ;;
    e1000) echo_on $nic 12 13 ;;
    vmxnet3) echo_on $nic 14 15 ;;
    rss) [ ! -e "$SHARE/step" ] || threads ;;
    esac
done
SCRIPT
}

wire() {
    local nic=$1 hub=$2 slot
    for slot in "$3" "$4"; do
        machine+=(--qemu -netdev --qemu "hubport,id=n$slot,hubid=$hub" --device "$nic,netdev=n$slot,addr=0x$slot")
    done
}

# Linux's end of the card with two queues: a namespace with a TAP interface.
outside() {
    ns=car$$rss
    ip netns add "$ns" && ip -n "$ns" tuntap add rss0 mode tap multi_queue || return 1
    ip -n "$ns" addr add 10.79.0.1/24 dev rss0
    ip -n "$ns" link set rss0 up
    local tap=tap,id=n16,ifname=rss0,script=no,downscript=no,queues=2,vhost=off
    local card=virtio-net-pci,disable-modern=off,netdev=n16,addr=0x16,mq=on,vectors=8,rss=on
    machine+=(--qemu -netdev --qemu "$tap" --device "$card")
    within=(ip netns exec "$ns")
    echo 0 >"$work/share/step"
    : >"$work/share/connected"
    LIBOS=catnap "${within[@]}" "$echo_program" server --bind 10.79.0.1:7000 --quiet >"$work/linux" 2>&1 &
    children+=($!) && disown
    (
        until grep -q listening "$work/share/server" 2>/dev/null; do sleep 0.2; done
        LIBOS=catnap timeout 20 "${within[@]}" "$echo_program" client --json --check --connect 10.79.0.2:7000 \
            --connections 24 --requests 240 >"$work/from_linux" 2>&1
        echo 1 >"$work/share/step"
    ) &
    children+=($!) && disown
}

boot() {
    local machine=() within=()
    mkdir "$work/share"
    [[ $nics != *rss* ]] || [ "$(id -u)" -ne 0 ] || outside >"$work/err" 2>&1 || return
    wire virtio-net-pci,disable-modern=off 1 10 11
    wire e1000 2 12 13
    wire vmxnet3 3 14 15
    "${within[@]}" "$here/run" --cpus 2 --memory 1024 --append hugepages=160 --timeout 240 \
        --module uio_pci_generic --share "$work/share" --env "SHARE=$work/share" "${machine[@]}" \
        --env LIBOS=catnip --env "BUILD=$build" --env "NICS=$nics" --env STAT=false --env TRACE=false \
        -- bash -c "$(inside)" >"$work/out" 2>"$work/err"
    status=$?
}

echo_over() {
    json=$(grep "^$nic: " "$work/out")
    [ -n "$(field requests)" ] || fail "status $status: $(cat "$work/out" "$work/err")"
    holds "$(field requests) == 20 && $(field errors) == 0 && $(field corrupt) == 0"
    # the card read our memory itself: 20 answers of 5000 bytes are more than 40 full frames
    json=$(grep "^$nic \"" "$work/out" | sed "s/^$nic //")
    holds "$(field sent_by_reference) + 0 > 40"
}

# What is not for one instance alone is handed on, ARP, and nothing else: the card brought all by the right queue.
by_the_right_queue() {
    json=$(cat "$work/from_linux")
    [ -n "$(field requests)" ] || fail "status $status: $json $(cat "$work/out" "$work/err")"
    holds "$(field requests) == 240 && $(field errors) == 0 && $(field corrupt) == 0"
    python3 - "$work/share/accepted" "$work/share/connected" <<'END' || fail "frames were handed on"
import json, sys
for path in sys.argv[1:]:
    all = [i["counters"] for i in json.load(open(path))["instances"]]
    print(path, [{n: c[n] for n in ("accepts", "connects", "handed_over", "drop_device_rx")} for c in all])
    assert len(all) == 2 and sum(c["handed_over"] for c in all) < 8
    assert sum(c["accepts"] for c in all) == 24 or sum(c["connects"] for c in all) == 8
    assert min(c["accepts"] + c["connects"] for c in all) > 0
END
}

nics=${*:-virtio-net-pci e1000 vmxnet3 rss}
if ! "$here/run" --have >"$work/have" 2>&1; then
    reason=$(tail -n 1 "$work/have")
elif [ ! -f "$CARACAL_MODULES/caracal-dpdk.so" ]; then
    reason="DPDK was not there when this was built (libdpdk-dev)"
else
    reason=''
    boot
fi
for nic in $nics; do
    name=catnip_on_${nic//-/_}
    if [ "$nic" = rss ]; then
        eval "$name() { by_the_right_queue; }"
        [ -n "$ns$reason" ] || reason="a TAP interface needs root"
    else
        eval "$name() { echo_over; }"
    fi
    if [ -n "$reason" ]; then skip_test "$name" "$reason"; else run_test "$name"; fi
done
exit $((failures != 0))
