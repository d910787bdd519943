# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For script tests over a link: two network namespaces, joined by a pair of Ethernet interfaces, that go when the script
# ends, however it ends. Source it, then call ns_make.
#
#   kernel  namespace $NS_K, interface k0, 10.77.0.1/24 and fd77::1/64: Linux's own TCP/IP
#   ours    namespace $NS_O, interface o0 without addresses: 10.77.0.2 and fd77::2 are for a stack of ours
#
# ns_make NAME middle: the cable goes through a third namespace, $NS_B, with interfaces b0 (to k0) and b1 (to o0),
# which nobody joins yet; devices do neither checksums nor segmentation. wire_start joins them by a bad wire
# (netdev/bridge.c), wire_set changes it, wire_end ends it.

NS_K=car$$k
NS_O=car$$o
NS_B=car$$b
# shellcheck disable=SC2034 # for whoever sources it
ECHO=$CARACAL_BUILD_DIR/apps/caracal-echo
# shellcheck disable=SC2034
HTTPD=$CARACAL_BUILD_DIR/apps/caracal-httpd
# shellcheck disable=SC2034
OURS="10.77.0.2/24, fd77::2/64"
export CARACAL_MODULES STAT=false TRACE=false

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1 ${2-}"; }
skip() { echo "skip $1 $2"; }

# Says ok or not ok by the status of the command after the name, which gets $PREFIX in front; its output is shown when
# it fails.
check() {
    local name=${PREFIX-}$1
    shift
    if "$@" >"$name.out" 2>&1; then ok "$name"; else
        not_ok "$name"
        tail -n 20 "$name.out"
    fi
}

ns_end() {
    local pid
    for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null; done
    for ns in "$NS_K" "$NS_O" "$NS_B"; do
        for pid in $(ip netns pids "$ns" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
        ip netns del "$ns" 2>/dev/null
    done
}

# link NAMESPACE INTERFACE NAMESPACE INTERFACE
ns_link() { ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"; }

ns_middle() {
    ip netns add "$NS_B"
    ns_link "$NS_K" k0 "$NS_B" b0
    ns_link "$NS_O" o0 "$NS_B" b1
    for end in "$NS_K k0" "$NS_O o0" "$NS_B b0" "$NS_B b1"; do
        ip netns exec "${end% *}" ethtool -K "${end#* }" tx off gso off gro off >ethtool.log 2>&1 || return 1
    done
    ip -n "$NS_B" link set b0 up
    ip -n "$NS_B" link set b1 up
}

# Ends the script with one skipped test, NAME, where namespaces cannot be made.
ns_make() {
    [ "$(id -u)" = 0 ] || { skip "$1" "not root"; exit 0; }
    command -v ip >/dev/null || { skip "$1" "there is no ip (iproute2)"; exit 0; }
    ip netns add "$NS_K" 2>/dev/null || { skip "$1" "no network namespaces here"; exit 0; }
    trap ns_end EXIT
    trap 'exit 1' HUP INT TERM
    ip netns add "$NS_O"
    if [ "${2-}" = middle ]; then
        ns_middle || { skip "$1" "there is no ethtool"; exit 0; }
    else
        ns_link "$NS_K" k0 "$NS_O" o0
    fi
    ip -n "$NS_K" link set lo up
    ip -n "$NS_O" link set lo up
    ip -n "$NS_K" addr add 10.77.0.1/24 dev k0
    ip -n "$NS_K" addr add fd77::1/64 dev k0 nodad
    ip -n "$NS_K" link set k0 up
    ip -n "$NS_O" link set o0 up
}

in_k() { ip netns exec "$NS_K" timeout -k 1 60 "$@"; }
in_o() { ip netns exec "$NS_O" timeout -k 1 60 "$@"; }

SERVERS=()

# Waits until FILE says that somebody listens; it is new.
listens() {
    for _ in {1..600}; do
        ! grep -q "listening on" "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

# Starts a server (in_k or in_o and its command) that says `listening on`, and waits for that; LAST is its job.
serve() {
    : >server.log # what an earlier one said must not be read
    "$@" >server.log 2>&1 &
    LAST=$!
    SERVERS+=("$LAST")
    for _ in {1..600}; do
        grep -q 'listening on' server.log && return 0
        kill -0 "$LAST" 2>/dev/null || break
        sleep 0.05
    done
    cat server.log
    return 1
}

end_server() {
    for pid in $(ip netns pids "$NS_O") $(ip netns pids "$NS_K"); do kill "$pid" 2>/dev/null; done
    # one that is still ending would take what the next is sent
    [ ${#SERVERS[@]} -eq 0 ] || wait "${SERVERS[@]}" 2>/dev/null || true
    SERVERS=()
}

# SEED [FAULT VALUE]...
wire_start() {
    rm -f wire.in wire.out
    mkfifo wire.in
    ip netns exec "$NS_B" "$CARACAL_BUILD_DIR/tests/netdev/netdev-bridge" b0 b1 "$@" <wire.in >wire.out &
    exec 7>wire.in
    for _ in {1..1500}; do
        grep -q bridging wire.out 2>/dev/null && return 0
        sleep 0.02
    done
    return 1
}

wire_set() { echo "$1 $2" >&7; }

# Ends the wire; its counts are in wire.out then.
wire_end() {
    exec 7>&-
    for _ in {1..1500}; do
        grep -q overflowed wire.out && return 0
        sleep 0.02
    done
    return 1
}

# What the wire did: wire_count lost
wire_count() { awk -v name="$1" '$1 == name { print $2 }' wire.out; }
