#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two threads on one device, each with an instance and a queue of its own: connections of both directions stay where
# they began, datagrams find who sent them, one ARP answer comes for each request, and threads sleep and wake.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make catpowder_threads
# two queues each way
ip -n "$NS_O" link del o0
ip -n "$NS_K" link add k0 numtxqueues 2 numrxqueues 2 type veth peer name o0 numtxqueues 2 numrxqueues 2 netns "$NS_O"
ip netns exec "$NS_K" ethtool -K k0 tx off >ethtool.log 2>&1 || {
    skip catpowder_threads "there is no ethtool"
    exit 0
}
ip -n "$NS_K" addr add 10.77.0.1/24 dev k0
ip -n "$NS_K" addr add fd77::1/64 dev k0 nodad
ip -n "$NS_K" link set k0 up
ip -n "$NS_O" link set o0 up
export DEVICE=o0 NET_ADDRESS=$OURS LIBOS=catpowder STAT=true
linux() { in_k env LIBOS=catnap "$@"; }
client=("$ECHO" client --check --quiet --requests)
pair=(--threads 2)

from_linux() { linux "${client[@]}" 1200 --connections 24 --size 1000 --connect "$1"; }
# of the server's two instances none did all; AF_PACKET's frames come by the right queue, with XDP it is the sender's
# choice
both_work() {
    from_linux 10.77.0.2:7000 || return 1
    "$CARACAL_BUILD_DIR/tools/demi" stat --json >stat.json
    python3 - "$DRIVER" <<'END'
import json, sys
all = [i["counters"] for i in json.load(open("stat.json"))["instances"]]
accepts, handed, lost = ([c[name] for c in all] for name in ("accepts", "handed_over", "drop_device_rx"))
print("accepts", accepts, "handed over", handed, "lost", lost)
assert len(all) == 2 and min(accepts) > 0 and sum(lost) == 0
assert sys.argv[1] != "packet" or sum(handed) < 20
END
}
ping_once() { in_k ping -q -c 3 -i 0.2 10.77.0.2 >ping.log && ! grep -q duplicates ping.log; }
to_linux() { in_o "${client[@]}" 1200 "${pair[@]}" --connections 24 --size 1000 --connect "$@"; }

for driver in packet xdp; do
    [ $driver != xdp ] || [ -e "$CARACAL_MODULES/caracal-xdp.so" ] || { skip xdp_threads "not built"; continue; }
    export DRIVER=$driver RUN_DIR=$PWD/run-$driver
    PREFIX=${driver}_
    serve in_o "$ECHO" server "${pair[@]}" --bind 0.0.0.0:7000 --quiet || { not_ok "${driver}_starts"; continue; }
    check both_threads_serve both_work
    check ping_is_answered_once ping_once
    end_server
    serve in_o "$ECHO" server --udp "${pair[@]}" --bind '[::]:7000' --quiet &&
        check datagrams_of_ipv6 linux "${client[@]}" 300 --udp --connections 8 --connect '[fd77::2]:7000'
    end_server
    serve linux "$ECHO" server --bind '[::]:7000' --quiet || { not_ok linux_starts; continue; }
    check threads_connect to_linux 10.77.0.1:7000
    check threads_connect_by_ipv6 to_linux '[fd77::1]:7000'
    end_server
    serve linux "$ECHO" server --udp --bind 0.0.0.0:7000 --quiet &&
        check datagrams_come_back to_linux 10.77.0.1:7000 --udp
    end_server
done

# a TAP interface of two queues, which the kernel fills as it likes
export DRIVER=tap DEVICE=tap0 NET_ADDRESS="10.78.0.2/24, fd78::2/64" RUN_DIR=$PWD/run-tap PREFIX=tap_
serve in_o "$ECHO" server "${pair[@]}" --bind 0.0.0.0:7000 --quiet || { not_ok tap_starts; exit 1; }
ip -n "$NS_O" addr add 10.78.0.1/24 dev tap0
tap_threads() { in_o env LIBOS=catnap "${client[@]}" 1200 --connections 24 --size 1000 --connect 10.78.0.2:7000; }
check threads_serve tap_threads
end_server

# two cables, a pair of threads each
wire=$(mktemp -u -p /dev/shm caracal-threads-XXXXXX)
export DRIVER=ring DEVICE=$wire RUN_DIR=$PWD/run-ring PREFIX=ring_
rings_meet() {
    NET_ADDRESS=10.0.0.2/24 timeout -k 1 20 "${client[@]}" 1200 "${pair[@]}" --connections 24 --connect 10.0.0.1:7000
}
serve ip netns exec "$NS_O" env NET_ADDRESS=10.0.0.1/24 "$ECHO" server "${pair[@]}" --bind 0.0.0.0:7000 --quiet &&
    check threads_meet rings_meet
end_server
rm -f "$wire".*
export LIBOS=catnap PREFIX=catnap_
own_sockets() { in_k "${client[@]}" 1200 "${pair[@]}" --connections 24 --connect 127.0.0.1:7000; }
serve in_k "$ECHO" server "${pair[@]}" --bind 127.0.0.1:7000 --quiet && check threads_have_sockets own_sockets
end_server
