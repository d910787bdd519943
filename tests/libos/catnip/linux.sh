#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catnip on DPDK's af_packet driver and Linux's own TCP/IP as peers, over a pair of interfaces between two namespaces:
# bytes both ways, datagrams, IPv6, a client that is killed, a server that is killed and started again.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
[ -f "$CARACAL_MODULES/caracal-dpdk.so" ] || {
    skip catnip_and_linux "DPDK was not there when this was built (libdpdk-dev)"
    exit 0
}
ns_make catnip_and_linux
# the driver knows nothing of checksums that the sender left to a device
ip netns exec "$NS_K" ethtool -K k0 tx off gso off >/dev/null || {
    skip catnip_and_linux "there is no ethtool"
    exit 0
}
export NET_ADDRESS=$OURS LIBOS=catnip EAL="--no-huge --no-pci --vdev net_af_packet0,iface=o0"
linux() { in_k env LIBOS=catnap "$@"; }
client=("$ECHO" client --check --quiet --requests)

from_linux() {
    linux "${client[@]}" 100 --size 64 --connect 10.77.0.2:7000 &&
        linux "${client[@]}" 20 --size 300000 --connect 10.77.0.2:7000 &&
        linux "${client[@]}" 400 --connections 20 --size 1000 --connect 10.77.0.2:7000
}
killed_client() {
    ip netns exec "$NS_K" env LIBOS=catnap "$ECHO" client -q --connect 10.77.0.2:7000 --duration 10 &
    sleep 0.5
    kill -KILL $!
    linux "${client[@]}" 100 --connect 10.77.0.2:7000
}
# in the middle of a connection; its successor on the same device serves who comes next
killed_server() {
    ip netns exec "$NS_K" env LIBOS=catnap "$ECHO" client -q --connect 10.77.0.2:7000 --rate 100 --duration 20 2>err &
    local lost=$!
    sleep 0.5
    for pid in $(ip netns pids "$NS_O"); do kill -KILL "$pid"; done
    serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet && linux "${client[@]}" 100 --connect 10.77.0.2:7000
    local status=$?
    kill -KILL $lost
    return $status
}
# addresses of the kernel's are refused
shared() { ! NET_ADDRESS=10.77.0.9/24 in_o "$ECHO" server --bind 0.0.0.0:7000 2>err && grep -q 'kernel has' err; }

# Each server has its own minute (in_o).
for test in from_linux killed_client killed_server; do
    serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet || { not_ok server_starts; exit 1; }
    check $test $test
    end_server
done
serve in_o "$ECHO" server --udp --bind 0.0.0.0:7000 --quiet &&
    check linux_sends_datagrams linux "${client[@]}" 100 --udp --size 1200 --connect 10.77.0.2:7000
end_server
serve linux "$ECHO" server --bind '[::]:7000' --quiet &&
    check we_connect_by_ipv6 in_o "${client[@]}" 100 --size 9000 --connect '[fd77::1]:7000'
end_server
ip -n "$NS_O" addr add 10.77.0.9/24 dev o0
check address_of_the_kernel_is_refused shared
