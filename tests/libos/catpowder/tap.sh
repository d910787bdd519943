#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catpowder over a TAP interface: the kernel is at the other end of the cable.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
[ -w /dev/net/tun ] || { skip catpowder_on_tap "no /dev/net/tun here"; exit 0; }
ns_make catpowder_on_tap
export LIBOS=catpowder DRIVER=tap DEVICE=tap0 NET_ADDRESS="10.78.0.2/24, fd78::2/64"
client=("$ECHO" client --check --quiet --requests)

from_kernel() {
    local size
    for size in 1 64 1460 9000 300000; do
        in_o env LIBOS=catnap "${client[@]}" $((size > 9000 ? 30 : 200)) --size $size --connect "$1" || return 1
    done
}
to_kernel() { in_o "${client[@]}" 100 --size 100000 --connect 10.78.0.1:7001; }
kernel_end() {
    ip -n "$NS_O" addr add 10.78.0.1/24 dev tap0 && ip -n "$NS_O" addr add fd78::1/64 dev tap0 nodad
}

serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet || { not_ok server_starts; exit 1; }
kernel_end
check kernel_connects from_kernel 10.78.0.2:7000
check kernel_pings in_o ping -q -c 2 -i 0.2 10.78.0.2
end_server
# the interface is there before the program, which then needs no right to make one
ip -n "$NS_O" tuntap add dev tap0 mode tap user 65534 vnet_hdr
kernel_end
ip -n "$NS_O" link set tap0 up
as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
serve in_o "${as_nobody[@]}" "$ECHO" server --bind '[::]:7000' --quiet &&
    check kernel_connects_to_a_plain_user from_kernel '[fd78::2]:7000'
end_server
serve in_o env LIBOS=catnap "$ECHO" server --bind 0.0.0.0:7001 --quiet && check we_connect to_kernel
end_server
