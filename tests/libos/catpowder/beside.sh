#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catpowder or catnip on real interfaces and catmem in one instance, and another instance at the other end of both: the
# contract of two libOSes (tests/api/beside_test.c) over a pair of interfaces, by each driver. Both ends are in one
# namespace, because catmem's names are.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make catpowder_beside_catmem
ns_link "$NS_O" s0 "$NS_O" c0
ip -n "$NS_O" link set s0 up
ip -n "$NS_O" link set c0 up
# XDP takes frames before somebody has computed the checksums that the sender left to its device
for end in s0 c0; do ip netns exec "$NS_O" ethtool -K $end tx off >ethtool.log 2>&1; done

contract() {
    in_o env LIBOS=catpowder+catmem DRIVER="$1" DEVICE=s0 SERVER_DEVICE=s0 CLIENT_DEVICE=c0 \
        NET_ADDRESS=10.0.0.1/24 IDLE="$2" "$CARACAL_BUILD_DIR/tests/test-api_beside"
}
for idle in adaptive block; do
    check packet_beside_catmem_$idle contract packet $idle
done
check xdp_beside_catmem contract xdp adaptive

by_dpdk() {
    in_o env LIBOS=catnip+catmem DEVICE=net_af_packet0 SERVER_DEVICE=net_af_packet0 CLIENT_DEVICE=net_af_packet1 \
        EAL="--no-huge --no-pci --vdev net_af_packet0,iface=s0 --vdev net_af_packet1,iface=c0" \
        NET_ADDRESS=10.0.0.1/24 "$CARACAL_BUILD_DIR/tests/test-api_beside"
}
if [ -f "$CARACAL_MODULES/caracal-dpdk.so" ]; then
    check catnip_beside_catmem by_dpdk
else
    skip catnip_beside_catmem "DPDK was not there when this was built (libdpdk-dev)"
fi
