#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catpowder and Linux's own TCP/IP as peers, over a pair of interfaces between two namespaces: connections both ways,
# all sizes, byte for byte; datagrams, IPv6, large packets, ends of streams, resets, an interface that goes down.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make "${PREFIX-}catpowder_and_linux"
# XDP takes frames before somebody has computed the checksums that the sender left to its device
[ "${DRIVER-packet}" != xdp ] || ip netns exec "$NS_K" ethtool -K k0 tx off >ethtool.log 2>&1
export DEVICE=o0 NET_ADDRESS=$OURS LIBOS=catpowder
linux() { in_k env LIBOS=catnap "$@"; }
client=("$ECHO" client --check --quiet --requests)

# NAME ADDRESS: the kernel's client at our server, from one byte to more than every window
from_linux() {
    for size in 1 64 1460 9000 300000; do
        linux "${client[@]}" $((size > 9000 ? 50 : 200)) --size $size --connect "$2" || return 1
    done
    linux "${client[@]}" 2000 --connections 20 --size 1000 --connect "$2"
}
to_linux() {
    for size in 1 64 1460 9000 300000; do
        in_o "${client[@]}" $((size > 9000 ? 50 : 200)) --size $size --connect "$2" || return 1
    done
    in_o "${client[@]}" 2000 --connections 20 --size 1000 --connect "$2"
}
# a client that sends all, closes its half, and reads what comes back until the end
half_close() {
    head -c 3000000 /dev/urandom >sent
    in_k nc -N 10.77.0.2 7000 <sent >back && cmp sent back
}
# a port that nobody listens on says so at once, and not after a time
linux_refused() {
    in_k timeout 20 nc -z 10.77.0.2 7999
    [ $? = 1 ]
}
we_refused() {
    local began=$SECONDS
    in_o "${client[@]}" 1 --connect 10.77.0.1:7999 2>err && return 1
    grep -q refused err && [ $((SECONDS - began)) -lt 15 ]
}
# the client is gone without a word; who comes next is served
killed_client() {
    ip netns exec "$NS_K" env LIBOS=catnap "$ECHO" client -q --connect 10.77.0.2:7000 --duration 10 &
    sleep 0.3
    kill -KILL $!
    linux "${client[@]}" 100 --connect 10.77.0.2:7000
}
down_and_up() {
    linux "$ECHO" client --check --quiet --requests 200 --rate 100 --connect 10.77.0.2:7000 &
    local load=$!
    sleep 0.5
    ip -n "$NS_O" link set o0 down
    sleep 0.5
    ip -n "$NS_O" link set o0 up
    wait $load
}
ping_both() {
    in_k ping -q -c 3 -i 0.2 10.77.0.2 && in_k ping -q -c 3 -i 0.2 -s 4000 10.77.0.2 &&
        in_k ping -6 -q -c 3 -i 0.2 fd77::2
}
# several requests on one connection, and one for more than every window
http() {
    in_k curl -s --max-time 40 -o one -o two http://10.77.0.2:8000/bytes/100 http://10.77.0.2:8000/bytes/3000000 &&
        [ "$(wc -c <one)" = 100 ] && [ "$(wc -c <two)" = 3000000 ]
}

serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet || { not_ok server_starts; exit 1; }
check linux_connects from_linux tcp4 10.77.0.2:7000
check linux_half_closes half_close
check linux_is_refused linux_refused
check ping_answers ping_both
check client_killed killed_client
check interface_down_and_up down_and_up
end_server
serve in_o "$HTTPD" --bind 0.0.0.0:8000 --quiet && check curl_fetches http
end_server
serve in_o "$ECHO" server --bind '[::]:7000' --quiet && check linux_connects_by_ipv6 from_linux tcp6 '[fd77::2]:7000'
end_server
serve in_o "$ECHO" server --udp --bind 0.0.0.0:7000 --quiet &&
    check linux_sends_datagrams linux "${client[@]}" 500 --udp --size 1200 --connect 10.77.0.2:7000
check linux_sends_fragments linux "${client[@]}" 50 --udp --size 8000 --connect 10.77.0.2:7000
end_server

serve linux "$ECHO" server --bind 0.0.0.0:7000 --quiet || { not_ok linux_server_starts; exit 1; }
check we_connect to_linux tcp4 10.77.0.1:7000
check we_are_refused we_refused
end_server
serve linux "$ECHO" server --bind '[::]:7000' --quiet && check we_connect_by_ipv6 to_linux tcp6 '[fd77::1]:7000'
end_server
serve linux "$ECHO" server --udp --bind 0.0.0.0:7000 --quiet &&
    check we_send_datagrams in_o "${client[@]}" 500 --udp --size 1200 --connect 10.77.0.1:7000
end_server

# a driver's program cannot take frames beyond a page
[ "${XDP_MODE-}" != native ] || exit 0
ip -n "$NS_K" link set k0 mtu 9000
ip -n "$NS_O" link set o0 mtu 9000
serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet &&
    check linux_connects_with_large_packets from_linux jumbo 10.77.0.2:7000
end_server
