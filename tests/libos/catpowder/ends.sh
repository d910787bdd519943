#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How connections between catpowder and Linux end, whoever began them: resets and half-closed streams, both ways, both
# families. Each side sees what the other did, and no byte is missing.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make connections_end
[ "${DRIVER-packet}" != xdp ] || ip netns exec "$NS_K" ethtool -K k0 tx off >ethtool.log 2>&1
export DEVICE=o0 NET_ADDRESS=$OURS LIBOS=catpowder
ends=$CARACAL_BUILD_DIR/tests/libos/catpowder/test-ends
linux() { in_k python3 "$CARACAL_SOURCE_DIR/tests/libos/catpowder/ends.py" "$@"; }
# FILE: what our side saw
saw() {
    cat "$1"
    diff - <(grep -v listening "$1") <<<"r 0
Connection reset by peer
h 100000
H 100000
q 0"
}
accepts() {
    serve in_o "$ends" server "$1" && linux connect "$2" && wait "$LAST" && saw server.log
}
connects() {
    serve linux listen "$1" && in_o "$ends" client "$2" >client.log && wait "$LAST" && saw client.log
}
check ends_where_linux_connects accepts 0.0.0.0:7000 10.77.0.2
check ends_where_linux_connects_by_ipv6 accepts '[::]:7000' fd77::2
check ends_where_we_connect connects 10.77.0.1 10.77.0.1:7000
check ends_where_we_connect_by_ipv6 connects fd77::1 '[fd77::1]:7000'
