#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a conversation with Linux looks like on the wire to somebody else's parser: no malformed frame, no wrong
# checksum, nothing lost or sent again because it seemed lost, whichever side begins.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
# shellcheck source=tests/lib/capture.sh
. "$CARACAL_SOURCE_DIR/tests/lib/capture.sh"
command -v tshark >/dev/null || { skip wire_is_clean "there is no tshark"; exit 0; }
ns_make wire_is_clean
# all checksums are to be on the wire
ip netns exec "$NS_K" ethtool -K k0 tx off >ethtool.log 2>&1 || { skip wire_is_clean "there is no ethtool"; exit 0; }
export DEVICE=o0 NET_ADDRESS=$OURS LIBOS=catpowder NET_OFFLOAD=false
export NET_RING=4096 # more than a window
client=("$ECHO" client --check --quiet --requests)

is_clean() {
    [ "$(tshark -r "$1.pcapng" 2>/dev/null | wc -l)" -gt 100 ] || { echo "too few frames"; return 1; }
    none "$1" '_ws.malformed || _ws.expert.severity == "Error" || ip.checksum.status == 0 || tcp.checksum.status == 0 ||
        udp.checksum.status == 0 || icmpv6.checksum.status == 0 || icmp.checksum.status == 0'
}
sends_once() { lossless "$1" lost_segment fast_retransmission out_of_order; }

capture_start in || { not_ok capture_starts "$(tail -n 1 in.log)"; exit 1; }
serve in_o "$ECHO" server --bind '[::]:20077' --quiet || { not_ok server_starts; exit 1; }
in_k env LIBOS=catnap "${client[@]}" 20 --size 100000 --connect 10.77.0.2:20077
in_k env LIBOS=catnap "${client[@]}" 100 --size 64 --connections 5 --connect '[fd77::2]:20077'
in_k ping -q -c 3 -i 0.2 -s 3000 10.77.0.2 >ping.log
capture_stop
end_server
check wire_is_clean_when_linux_begins is_clean in
check nothing_is_lost_when_linux_begins sends_once in

capture_start out || { not_ok capture_starts_again "$(tail -n 1 out.log)"; exit 1; }
serve in_k env LIBOS=catnap "$ECHO" server --bind 0.0.0.0:20077 --quiet || { not_ok linux_server_starts; exit 1; }
in_o "${client[@]}" 20 --size 100000 --connect 10.77.0.1:20077
in_o "${client[@]}" 100 --size 64 --connections 5 --connect 10.77.0.1:20077
capture_stop
end_server
check wire_is_clean_when_we_begin is_clean out
check nothing_is_lost_when_we_begin sends_once out
