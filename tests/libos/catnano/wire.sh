#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Two hosts of catnano over a pair of interfaces: link addresses by ARP, all drivers that take frames from the kernel,
# losses, a peer that is killed. The programs are today's, with their datagrams.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make catnano_by_wire middle
export LIBOS=catnano
ours() { in_o env DEVICE=o0 NET_ADDRESS=10.77.0.2/24 "$@"; }
theirs() { in_k env DEVICE=k0 NET_ADDRESS=10.77.0.3/24 "$@"; }
client=("$ECHO" client --udp --connect 10.77.0.2:7000 --check --quiet --timeout 20000)

# echoes SIZE REQUESTS DEPTH
echoes() { theirs "${client[@]}" --size "$1" --requests "$2" --depth "$3"; }

wire_start 1 || exit 1
serve ours "$ECHO" server --udp --bind 10.77.0.2:7000 || exit 1
check packet_small echoes 64 300 8
check packet_large echoes 9000 50 4
wire_set loss 20000
check packet_with_losses echoes 3000 100 8
wire_set loss 0
ip netns pids "$NS_O" | xargs -r kill -KILL
# The server is gone: its messages are given up, and the client says how many answers never came.
dead() { ! theirs env MSG_GIVE_UP_MS=50 "${client[@]}" --size 64 --requests 5 --timeout 100; }
check packet_peer_is_killed dead
serve ours env PCAP=o.pcapng "$ECHO" server --udp --bind 10.77.0.2:7000 || exit 1
check packet_peer_is_back echoes 64 20 1
theirs "$ECHO" client --udp --connect 10.77.0.2:7001 --quiet --requests 1 --timeout 50 2>unheard # nobody is there
end_server
# The server's capture has both ways, and what nobody wanted with the reason.
captured() {
    "$CARACAL_BUILD_DIR/tools/demi" pcap --json o.pcapng | python3 -c 'import json, sys
d = json.load(sys.stdin)
messages = next(f for f in d["flows"] if f["protocol"] == "IP 153")
assert messages["forth"]["frames"] >= 20 <= messages["back"]["frames"], messages
assert "drop_msg_context" in [r["reason"] for r in d["drops"]], d["drops"]'
}
check packet_capture captured
if [ -f "${CARACAL_MODULES-}/caracal-xdp.so" ]; then
    export DRIVER=xdp XDP_MODE=generic
    serve ours "$ECHO" server --udp --bind 10.77.0.2:7000 || exit 1
    check xdp_small echoes 64 200 8
    check xdp_large echoes 9000 30 4
    end_server
else
    skip xdp_small "caracal-xdp is not built"
fi
# The interface goes while a server waits on it: it says why, and ends.
deleted() {
    ours "$ECHO" server --udp --bind 10.77.0.2:7000 --quiet >out 2>err &
    listens out
    ip -n "$NS_O" link del o0
    wait $!
    local status=$?
    cat err
    [ $status = 1 ] && grep -q 'No such device' err
}
wire_end
export DRIVER=packet
check packet_interface_is_deleted deleted
check frames_were_lost test "$(wire_count lost)" -gt 0
