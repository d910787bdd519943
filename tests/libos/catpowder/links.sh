#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What becomes of catpowder's connections when the link changes under them: the peer's link address, an MTU on the way,
# a receive ring that is full, an interface that is deleted. They live, or fail with the right error; nothing spins and
# nothing is left.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
ns_make catpowder_on_changing_links middle
# the namespace in the middle routes between the two networks
ip -n "$NS_B" addr add 10.77.0.254/24 dev b0
ip -n "$NS_B" addr add 10.76.0.254/24 dev b1
ip -n "$NS_B" addr add fd77::fe/64 dev b0 nodad
ip -n "$NS_B" addr add fd76::fe/64 dev b1 nodad
ip netns exec "$NS_B" sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$NS_K" route add 10.76.0.0/24 via 10.77.0.254
ip -n "$NS_K" route add fd76::/64 via fd77::fe
export DEVICE=o0 NET_ADDRESS="10.76.0.2/24, fd76::2/64" NET_GATEWAY="10.76.0.254, fd76::fe" LIBOS=catpowder
export STAT=true RUN_DIR=$PWD/run
linux() { in_k env LIBOS=catnap STAT=false "$@"; }
client=("$ECHO" client --check --quiet)

# counter NAME: of the one instance that runs
counter() {
    "$CARACAL_BUILD_DIR/tools/demi" stat --json |
        python3 -c "import json, sys; print(json.load(sys.stdin)['instances'][0]['counters']['$1'])"
}
BYTES=20000000
# fetch URL: in the background, as $load, and so that it takes a second; returns when the first bytes are here. More
# than the buffers of both ends hold is to come then.
fetch() {
    rm -f fetched
    in_k curl -s --max-time 40 --limit-rate 20M -o fetched "$1/bytes/$BYTES" &
    load=$!
    for _ in {1..2000}; do
        [ ! -s fetched ] || return 0
        sleep 0.01
    done
}
# URL MTU: fetched while the link behind the router shrinks to MTU, which the router says
too_big() {
    local before load
    before=$(counter pmtu_changes)
    fetch "$1"
    ip -n "$NS_B" link set b0 mtu "$2"
    wait "$load"
    echo "status $?, $(wc -c <fetched) bytes, path MTUs that shrank: $before, $(counter pmtu_changes)"
    ip -n "$NS_B" link set b0 mtu 1500
    [ "$(wc -c <fetched)" = $BYTES ] && [ "$(counter pmtu_changes)" -gt "$before" ]
}
# Our own interface takes shorter packets from some moment on, and refuses the others.
own_mtu() {
    local before load status
    before=$(counter pmtu_changes)
    fetch http://10.76.0.2:8000
    ip -n "$NS_O" link set o0 mtu 1300
    wait "$load"
    status=$?
    ip -n "$NS_O" link set o0 mtu 1500
    echo "status $status, refused $(counter drop_device_tx), path MTUs that shrank: $before, $(counter pmtu_changes)"
    [ $status = 0 ] && [ "$(wc -c <fetched)" = $BYTES ] && [ "$(counter drop_device_tx)" -gt 0 ] &&
        [ "$(counter pmtu_changes)" -gt "$before" ]
}
# FROM TO: Linux's IP address
move_linux() {
    ip -n "$NS_K" addr del "$1/24" dev k0
    ip -n "$NS_K" addr add "$2/24" dev k0
    ip -n "$NS_K" route replace 10.76.0.0/24 via 10.77.0.254
}
# Our peer has another IP address for a while: who connects there is served, and the old connection waits for it.
new_ip_address() {
    local load status
    in_o env STAT=false "${client[@]}" --requests 200 --rate 100 --timeout 30000 --connect 10.77.0.1:7000 &
    load=$!
    sleep 0.3
    move_linux 10.77.0.1 10.77.0.8
    in_o env STAT=false NET_ADDRESS=10.76.0.3/24 "${client[@]}" --requests 20 --connect 10.77.0.8:7000
    status=$?
    kill -0 $load || status=1 # it is not done yet
    move_linux 10.77.0.8 10.77.0.1
    wait $load && return $status
}
# The gateway's interface gets another link address. It may say so (arp_notify), or not.
new_address() {
    local load
    ip netns exec "$NS_B" sysctl -q -w net.ipv4.conf.b1.arp_notify="$1"
    linux "${client[@]}" --requests "$2" --rate 100 --connect 10.76.0.2:7000 &
    load=$!
    sleep 0.3
    ip -n "$NS_B" link set b1 address "$3"
    wait "$load"
}
server_pid() {
    for pid in $(ip netns pids "$NS_O"); do
        [ "$(</proc/"$pid"/comm)" != caracal-echo ] || echo "$pid"
    done
}
# A ring of few frames, and a process that is stopped while they come.
ring_full() {
    local load
    linux "${client[@]}" --duration 2 --connections 20 --size 20000 --connect 10.76.0.2:7000 &
    load=$!
    for _ in {1..20}; do
        [ "$(counter drop_device_rx)" = 0 ] || break
        sleep 0.2
        kill -STOP "$(server_pid)"
        sleep 0.1
        kill -CONT "$(server_pid)"
    done
    wait $load || return 1
    echo "lost $(counter drop_device_rx)"
    [ "$(counter drop_device_rx)" -gt 0 ]
}
# What the process PID has used of a processor, in hundredths of a second.
used() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
# The interface and its cable, where they are gone.
link_again() {
    ip -n "$NS_O" link show o0 >/dev/null 2>&1 && return
    ns_link "$NS_O" o0 "$NS_B" b1
    ip netns exec "$NS_O" ethtool -K o0 tx off gso off gro off >ethtool.log 2>&1
    ip netns exec "$NS_B" ethtool -K b1 tx off gso off gro off >ethtool.log 2>&1
    ip -n "$NS_B" addr add 10.76.0.254/24 dev b1
    ip -n "$NS_B" link set b1 up
    ip -n "$NS_O" link set o0 up
    [ -n "$NET_ADDRESS" ] || ip -n "$NS_O" addr add 10.76.0.2/24 dev o0
}
# The interface goes while a client of ours and a server of ours use it: both say why, and end.
deleted() {
    local began=$SECONDS side status
    for side in stream datagram; do
        link_again
        rm -f out
        in_o "$ECHO" server "$([ $side = stream ] && echo --tcp || echo --udp)" --bind 0.0.0.0:7000 --quiet >out 2>err &
        local server=$!
        listens out
        ip -n "$NS_O" link del o0
        wait $server
        status=$?
        echo "$side: status $status after $((SECONDS - began)) s: $(cat err)"
        [ $status = 1 ] && grep -q 'No such device' err || return 1
    done
    [ $((SECONDS - began)) -lt 20 ]
}
# The same under a load from our side, on a wire to a server of Linux's.
deleted_under_load() {
    in_o "${client[@]}" --duration 50 --connections 5 --connect 10.77.0.1:7000 2>err &
    local load=$! began=$SECONDS
    sleep 0.5
    ip -n "$NS_O" link del o0
    wait $load && return 1
    cat err
    grep -q 'No such device' err && [ $((SECONDS - began)) -lt 20 ]
}
# It sleeps: nothing is to be sent, and what it waits for never comes. That costs nothing while the link is down.
no_spin() {
    local pid before
    pid=$(server_pid)
    ip -n "$NS_O" link set o0 down
    sleep 0.1
    before=$(used "$pid")
    sleep 1
    echo "hundredths of a second in one second: $(($(used "$pid") - before))"
    [ $(($(used "$pid") - before)) -lt 10 ] || return 1
    ip -n "$NS_O" link set o0 up
    linux "${client[@]}" --requests 10 --connect 10.76.0.2:7000
}

serve in_o "$HTTPD" --bind '[::]:8000' --quiet || { not_ok server_starts; exit 1; }
check link_shrinks_behind_a_router too_big http://10.76.0.2:8000 1300
check link_shrinks_behind_a_router_of_ipv6 too_big 'http://[fd76::2]:8000' 1300
end_server
NET_OFFLOAD=false serve in_o "$HTTPD" --bind 0.0.0.0:8000 --quiet && check interface_itself_shrinks own_mtu
end_server
serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet || { not_ok echo_server_starts; exit 1; }
check gateway_gets_a_new_link_address new_address 1 100 02:00:00:00:0a:01
check gateway_changes_its_link_address_silently new_address 0 100 02:00:00:00:0a:02
check interface_is_down_without_spinning no_spin
end_server
NET_RING=15 serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet && check receive_ring_is_full ring_full
end_server
serve linux "$ECHO" server --bind 0.0.0.0:7000 --quiet && {
    check peer_gets_a_new_ip_address new_ip_address
    check interface_is_deleted_under_load deleted_under_load
}
end_server
check interface_is_deleted deleted
if [ -e "$CARACAL_MODULES/caracal-xdp.so" ]; then
    export DRIVER=xdp
    link_again
    ip netns exec "$NS_K" ethtool -K k0 tx off >ethtool.log 2>&1
    NET_RING=1 serve in_o "$ECHO" server --bind 0.0.0.0:7000 --quiet && check receive_ring_of_xdp_is_full ring_full
    end_server
    check interface_of_xdp_is_deleted deleted
    link_again
    serve linux "$ECHO" server --bind 0.0.0.0:7000 --quiet &&
        check interface_of_xdp_is_deleted_under_load deleted_under_load
    end_server
    export NET_ADDRESS="" NET_GATEWAY="" IDLE=spin
    check shared_interface_is_deleted_while_polling deleted
else
    skip interface_of_xdp_is_deleted "the module is not built"
fi
