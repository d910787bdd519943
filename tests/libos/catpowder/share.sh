#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catpowder on AF_XDP with the interface's own addresses: ports in use are ours, all else stays the kernel's, both ends
# hear of neighbours, and a process with CAP_NET_RAW alone can do it with a program that root attached.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
[ -e "$CARACAL_MODULES/caracal-xdp.so" ] || { skip catpowder_shares "the module is not built"; exit 0; }
ns_make catpowder_shares
ip netns exec "$NS_K" ethtool -K k0 tx off >ethtool.log 2>&1 || { skip catpowder_shares "there is no ethtool"; exit 0; }
ip -n "$NS_O" addr add 10.77.0.3/24 dev o0
ip -n "$NS_O" addr add fd77::3/64 dev o0 nodad
ip -n "$NS_O" route add default via 10.77.0.1
ip -n "$NS_K" addr add 10.99.0.1/32 dev lo
export DEVICE=o0 DRIVER=xdp
unset NET_ADDRESS
ours() { in_o env LIBOS=catpowder "$@"; }
linux() { in_k env LIBOS=catnap "$@"; }
demi=$CARACAL_BUILD_DIR/tools/demi
client=("$ECHO" client --check --quiet --requests)

from_linux() {
    linux "${client[@]}" 200 --size 64 --connect 10.77.0.3:7000 &&
        linux "${client[@]}" 20 --size 300000 --connect 10.77.0.3:7000 &&
        linux "${client[@]}" 400 --connections 20 --size 1000 --connect 10.77.0.3:7000
}
# the kernel of our side goes on to serve: its echo at another port, its pings, both families
kernel_serves() {
    serve in_o env LIBOS=catnap "$ECHO" server --bind 10.77.0.3:7100 --quiet || return 1
    linux "${client[@]}" 100 --connect 10.77.0.3:7100 && in_k ping -q -c 2 -i 0.2 10.77.0.3 &&
        in_k ping -q -c 2 -i 0.2 -s 4000 10.77.0.3 && in_k ping -6 -q -c 2 -i 0.2 fd77::3 || return 1
    serve in_o env LIBOS=catnap "$ECHO" server --udp --bind 10.77.0.3:7100 --quiet &&
        linux "${client[@]}" 100 --udp --connect 10.77.0.3:7100
}
# with an address of our own: the kernel's, beside it on the interface, is answered by the kernel, port for port
two_stations() {
    serve in_o env LIBOS=catnap "$ECHO" server --bind 10.77.0.3:7000 --quiet || return 1
    for host in 10.77.0.2 10.77.0.3; do
        in_k ping -q -c 2 -i 0.2 $host && in_k ping -q -c 2 -i 0.2 -s 4000 $host || return 1
        linux "${client[@]}" 100 --size 3000 --connect $host:7000 || return 1
        in_k timeout 20 nc -z $host 7999
        [ $? = 1 ] || return 1
    done
    in_k ip neigh show dev k0 | grep -E '^10.77.0.[23] ' >macs
    cat macs
    [ "$(awk '{ print $3 }' macs | sort -u | wc -l)" = 2 ]
}
closed_port_is_refused() {
    in_k timeout 20 nc -z 10.77.0.3 7999
    [ $? = 1 ]
}
# neither side knows the other: both stacks of ours learn by the kernel's requests or their own
after_flush() {
    ip -n "$NS_K" neigh flush all
    ip -n "$NS_O" neigh flush all
    ours "${client[@]}" 50 --connect "$1" && in_o ping -q -c 1 10.77.0.1
}
kernels_port_is_refused() {
    serve in_o env LIBOS=catnap "$ECHO" server --bind 0.0.0.0:7200 --quiet || return 1
    ours "$ECHO" server --bind 0.0.0.0:7200 --quiet 2>err && return 1
    grep -q 'in use' err
}
our_port_is_the_kernels_after() {
    serve in_o env LIBOS=catnap "$ECHO" server --bind 0.0.0.0:7000 --quiet &&
        linux "${client[@]}" 50 --connect 10.77.0.3:7000
}
# NAME WORD...: the driver says why it cannot, with these words
explains() {
    local driver=$1
    ours env DRIVER="$driver" "$ECHO" server --bind 0.0.0.0:7000 --quiet 2>err && return 1
    grep -q "$2" err
}
ping_too_big() {
    ip -n "$NS_K" link set k0 mtu 1400
    linux "${client[@]}" 20 --size 100000 --connect 10.77.0.3:7000
    local status=$?
    ip -n "$NS_K" link set k0 mtu 1500
    return $status
}

# XDP_BUSY_US: what the kernel has of it, by copies of the server's descriptors
busy_options() {
    python3 -c '
import ctypes, os, socket, sys
SO_DOMAIN, PREFER, US, AF_XDP, PIDFD_GETFD = 39, 69, 46, 44, 438  # asm-generic/socket.h; x86-64
pid, want = int(sys.argv[1]), int(sys.argv[2])
pidfd, found = os.pidfd_open(pid), []
for fd in map(int, os.listdir(f"/proc/{pid}/fd")):
    copy = ctypes.CDLL(None).syscall(PIDFD_GETFD, pidfd, fd, 0)
    try:
        s = socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=copy)
        if s.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) == AF_XDP:
            found.append([s.getsockopt(socket.SOL_SOCKET, o) for o in (PREFER, US)])
    except OSError:
        pass
print("prefer, us:", found)
sys.exit(found != [[int(want > 0), want]])' "$1" "$2"
}
server_pid() {
    for pid in $(ip netns pids "$NS_O"); do
        [ "$(</proc/"$pid"/comm)" != caracal-echo ] || echo "$pid"
    done
}
# both ways, streams and datagrams, asleep and awake between messages
env_busy() { XDP_BUSY_US=20 "$@"; }
busy_polls() {
    busy_options "$(server_pid)" 20 && from_linux &&
        linux "${client[@]}" 20 --rate 100 --connect 10.77.0.3:7000
}

serve ours "$ECHO" server --bind 0.0.0.0:7000 --quiet || { not_ok server_starts; exit 1; }
check linux_connects from_linux
behind_the_driver() { ip -n "$NS_O" link show o0 | grep -q xdpgeneric; }
check veth_is_taken_behind_its_driver behind_the_driver
check busy_polling_is_off_by_itself busy_options "$(server_pid)" 0
check kernel_goes_on_to_serve kernel_serves
check closed_port_is_refused closed_port_is_refused
check path_with_less_mtu ping_too_big
end_server
check port_goes_back_to_the_kernel our_port_is_the_kernels_after
end_server
check port_of_the_kernel_is_refused kernels_port_is_refused
end_server
serve ours "$ECHO" server --bind '[::]:7000' --quiet &&
    check linux_connects_by_ipv6 linux "${client[@]}" 100 --size 5000 --connect '[fd77::3]:7000'
end_server
serve ours "$ECHO" server --udp --bind 0.0.0.0:7000 --quiet &&
    check linux_sends_datagrams linux "${client[@]}" 300 --udp --size 1200 --connect 10.77.0.3:7000
end_server
serve ours env XDP_BUSY_US=20 "$ECHO" server --bind 0.0.0.0:7000 --quiet && check busy_polling_serves busy_polls
end_server
serve linux "$ECHO" server --bind '[::]:7000' --quiet &&
    check we_connect_while_busy_polling env_busy after_flush 10.77.0.1:7000
check we_connect after_flush 10.77.0.1:7000
check we_connect_by_ipv6 after_flush '[fd77::1]:7000'
check we_connect_by_the_kernels_gateway after_flush 10.99.0.1:7000
end_server
check packet_says_why_it_cannot explains packet 'answer them too'

serve in_o env LIBOS=catpowder NET_ADDRESS=10.77.0.2/24 "$ECHO" server --bind 0.0.0.0:7000 --quiet &&
    check our_address_beside_the_kernels two_stations
end_server

# the kernel's copies are dropped behind AF_PACKET (classic BPF: TCP's port 7000)
drop="4,40 0 0 36,21 0 1 7000,6 0 0 2,6 0 0 4294967295"
tc="ip netns exec $NS_O tc"
if $tc qdisc add dev o0 clsact && $tc filter add dev o0 ingress protocol ip bpf da bytecode "$drop"; then
    serve ours env DRIVER=packet NET_SHARED=true "$ECHO" server --bind 0.0.0.0:7000 --quiet &&
        check packet_shares_with_a_rule from_linux
    end_server
    $tc qdisc del dev o0 clsact
else
    skip packet_shares_with_a_rule "tc cannot do it here"
fi >tc.log 2>&1
grep -aE '^(ok|not ok|skip)' tc.log

# processes that may open raw sockets and nothing else: without a large receive buffer long frames come by slots
as_nobody() {
    setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw \
        --bounding-set=-all,+net_raw "$@"
}
plain() { in_o bash -c "$(declare -f as_nobody); as_nobody"' "$@"' bash env LIBOS=catpowder "$@"; }
packet_with_raw_sockets_alone() {
    serve plain env DRIVER=packet NET_ADDRESS=10.77.0.9/24 "$ECHO" server --bind 0.0.0.0:7000 --quiet &&
        linux "${client[@]}" 50 --size 300000 --connect 10.77.0.9:7000
}
check packet_with_raw_sockets_alone packet_with_raw_sockets_alone
end_server

# a program that root put there, and processes that may open raw sockets and nothing else
room=$(mktemp -d /tmp/caracal-share-XXXXXX)
trap 'umount "$room" 2>/dev/null; rmdir "$room"; ns_end' EXIT
mount -t bpf bpf "$room" 2>mount.log || { skip pinned_program_serves "no BPF file system here"; exit 0; }
export XDP_MAP=$room/o0 NET_RING=256
attach() { in_o "$demi" xdp attach o0 --pin "$XDP_MAP" --user 65534; }
pinned_names_what_is_missing() {
    plain "$ECHO" server --bind 0.0.0.0:7000 --quiet 2>err && return 1
    grep -q 'demi xdp attach' err
}
# killed: its port is the kernel's again as soon as somebody else comes
killed_leaves_its_port() {
    for pid in $(ip netns pids "$NS_O"); do kill -KILL "$pid"; done
    our_port_is_the_kernels_after || return 1
    serve plain "$ECHO" server --bind 0.0.0.0:7300 --quiet && linux "${client[@]}" 50 --connect 10.77.0.3:7000 &&
        linux "${client[@]}" 50 --connect 10.77.0.3:7300
}
detach() {
    in_o "$demi" xdp detach --pin "$XDP_MAP" && [ ! -e "$XDP_MAP" ] && ! ip -n "$NS_O" link show o0 | grep -q 'xdp'
}
busy_polling_says_what_it_needs() {
    plain env XDP_BUSY_US=20 "$ECHO" server --bind 0.0.0.0:7000 --quiet 2>err && return 1
    cat err
    grep -q 'xdp_busy_us: needs CAP_NET_ADMIN' err
}
check missing_pin_is_told pinned_names_what_is_missing
check program_is_attached attach
check busy_polling_says_what_it_needs busy_polling_says_what_it_needs
serve plain "$ECHO" server --bind 0.0.0.0:7000 --quiet && check pinned_program_serves from_linux
check killed_process_leaves_no_port killed_leaves_its_port
end_server
check program_is_detached detach
