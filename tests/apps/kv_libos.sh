#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The key-value server on the libOSes that have a TCP/IP stack of ours, with redis-cli on Linux's as the client; and on
# shared memory, where only programs of ours can be clients.
set -u
# shellcheck source=tests/lib/netns.sh
. "$CARACAL_SOURCE_DIR/tests/lib/netns.sh"
KV=$CARACAL_BUILD_DIR/apps/caracal-kv
LOAD=$CARACAL_BUILD_DIR/apps/caracal-kvload

# Commands of all kinds of replies, and a value of more than a window.
session() {
    head -c 300000 /dev/zero | tr '\0' v >value
    [ "$(in_k redis-cli -h 10.77.0.2 set greeting hello ex 60)" = OK ] || return 1
    [ "$(in_k redis-cli -h 10.77.0.2 get greeting)" = hello ] || return 1
    [ "$(in_k redis-cli -h 10.77.0.2 incrby n 41)" = 41 ] || return 1
    [ "$(in_k redis-cli -h 10.77.0.2 mget greeting n none | tr '\n' ,)" = hello,41,, ] || return 1
    [ "$(in_k redis-cli -h 10.77.0.2 -x set large <value)" = OK ] || return 1
    in_k redis-cli -h 10.77.0.2 get large | head -c 300000 | cmp - value || return 1
    [ "$(in_k redis-cli -h 10.77.0.2 dbsize)" = 3 ] || return 1
    in_k redis-benchmark -h 10.77.0.2 -t set,get -n 2000 -c 20 -P 8 -q >benchmark.log 2>&1
}

# on NAME SETTING...: a server in the namespace of ours, and a session with it
on() {
    local name=$1
    shift
    serve in_o env DEVICE=o0 NET_ADDRESS=10.77.0.2/24 "$@" "$KV" --bind 10.77.0.2:6379 || { not_ok "$name"; return; }
    check "$name" session
    end_server
}

shared_memory() {
    LIBOS=catmem timeout -k 1 20 "$LOAD" --connect "$1" --workload A --records 1000 --requests 3000
}

LIBOS=catmem serve timeout -k 1 20 "$KV" --bind 127.0.0.1:0 || exit 1
check kv_on_catmem shared_memory "$(sed -n 's/.*listening on \(\S*\).*/\1/p' server.log)"
kill "$LAST"
wait "$LAST" 2>/dev/null
command -v redis-cli >/dev/null || { skip kv_on_libos "there is no redis-cli (redis-tools)"; exit 0; }
ns_make kv_on_libos
# XDP and DPDK take frames before somebody has computed the checksums that the sender left to its device
ip netns exec "$NS_K" ethtool -K k0 tx off gso off >ethtool.log 2>&1
on kv_on_packet LIBOS=catpowder
if [ -f "${CARACAL_MODULES-}/caracal-xdp.so" ]; then
    on kv_on_xdp LIBOS=catpowder DRIVER=xdp XDP_MODE=generic
else
    skip kv_on_xdp "caracal-xdp is not built"
fi
if [ -f "${CARACAL_MODULES-}/caracal-dpdk.so" ]; then
    on kv_on_catnip LIBOS=catnip EAL="--no-huge --no-pci --vdev net_af_packet0,iface=o0" DEVICE=
else
    skip kv_on_catnip "caracal-dpdk is not built"
fi
