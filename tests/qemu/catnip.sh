#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: catnip.sh [NIC...]
# catnip on drivers of real cards: two cards of each kind on one wire, in a guest, with huge pages, taken from the
# kernel by uio_pci_generic. Bytes must arrive whole from one program to another.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/../apps/lib.bash"

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
    EAL="-a 0000:00:$2.0" NET_ADDRESS=10.9.0.1/24 \
        "$BUILD/apps/caracal-echo" server --bind 10.9.0.1:7000 --quiet >server &
    local server=$!
    for ((i = 0; i < 600; i++)); do
        grep -q listening server && break
        kill -0 $server || break
        sleep 0.1
    done
    echo "$1: $(EAL="-a 0000:00:$3.0" NET_ADDRESS=10.9.0.2/24 timeout 60 "$BUILD/apps/caracal-echo" client --json \
        --check --connect 10.9.0.1:7000 --requests 20 --size 5000 2>&1)"
    kill $server
}
cd /run/tmp
for nic in $NICS; do
    case $nic in
    virtio-net-pci) echo_on $nic 10 11 ;;
    e1000) echo_on $nic 12 13 ;;
    vmxnet3) echo_on $nic 14 15 ;;
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

boot() {
    local machine=()
    wire virtio-net-pci,disable-modern=off 1 10 11
    wire e1000 2 12 13
    wire vmxnet3 3 14 15
    "$here/run" --cpus 2 --memory 1024 --append hugepages=160 --timeout 240 --module uio_pci_generic \
        "${machine[@]}" --env LIBOS=catnip --env "BUILD=$build" --env "NICS=$nics" --env STAT=false --env TRACE=false \
        -- bash -c "$(inside)" >"$work/out" 2>"$work/err"
    status=$?
}

echo_over() {
    json=$(grep "^$nic: " "$work/out")
    [ -n "$(field requests)" ] || fail "status $status: $(cat "$work/out" "$work/err")"
    holds "$(field requests) == 20 && $(field errors) == 0 && $(field corrupt) == 0"
}

nics=${*:-virtio-net-pci e1000 vmxnet3}
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
    eval "$name() { echo_over; }"
    if [ -n "$reason" ]; then skip_test "$name" "$reason"; else run_test "$name"; fi
done
exit $((failures != 0))
