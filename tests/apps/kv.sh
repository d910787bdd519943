#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: kv.sh [TEST...]
# The key-value server: by redis-cli, beside redis-server, and by hand. KV_ORACLE_COMMANDS (3000): random commands that
# each comparison with redis-server takes. KV_CLIENTS (900): connections of many_clients at a time.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/lib.bash"
export KV_CLIENTS=${KV_CLIENTS:-900}

start_server() {
    serve "$work/server" "$kv_program" --bind 127.0.0.1:0 "$@"
    server=$started
}

# cli WORDS...: one command by redis-cli.
cli() {
    redis-cli -p "$port" "$@"
}

# replies EXPECTED WORDS...: redis-cli prints that for the command; | stands for an end of line.
replies() {
    local got
    got=$(cli "${@:2}" | tr '\n' '|')
    [ "$got" = "$1|" ] || fail "'${*:2}' gives '$got' and not '$1|'"
}

# peer TEST OPTIONS...: a test of kv_peer.py, or of $script, against a server with these options.
script=kv_peer.py
peer() {
    start_server "${@:2}"
    python3 "$here/$script" "$port" "$1" || fail "$(cat "$work/server.err")"
    end "$server"
    [ "$status" -eq 0 ] || fail "server: status $status: $(cat "$work/server.err")"
}

# beside_redis SEED RESP-VERSION: random commands get the replies that redis-server gives.
beside_redis() {
    local socket_port
    start_server
    socket_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    begin "$work/redis" redis-server --bind 127.0.0.1 --port "$socket_port" --save '' --appendonly no
    local i
    for ((i = 0; i < 500; i++)); do
        [ "$(redis-cli -p "$socket_port" ping 2>/dev/null)" = PONG ] && break
        sleep 0.02
    done
    python3 "$here/kv_oracle.py" "$port" "$socket_port" "${KV_ORACLE_COMMANDS:-3000}" "$1" "$2"
    status=$?
    [ "$status" -eq 0 ] || fail "status $status: $(cat "$work/server.err")"
}

help_and_usage() {
    "$kv_program" --help | grep -q -- --maxmemory || fail "no --maxmemory in --help"
    usage_error "$kv_program" --bind nowhere
    usage_error "$kv_program" --maxmemory 1
    usage_error "$kv_program" --policy sometimes
    usage_error "$kv_program" surplus
}

one_source_for_every_libos() {
    ! grep -nE '^ *# *(if|ifdef|ifndef|elif) .*(LIBOS|CATNAP|CATMEM|CATNIP|CATPOWDER|CATNANO|LINUX)' \
        "$here"/../../apps/kv/*.[ch] || fail "code for one libOS"
}

redis_cli() {
    start_server
    replies OK set k hello ex 100
    replies hello get k
    replies 100 ttl k
    replies '' get nothing
    replies 11 append k ' world'
    replies 1 incr n
    replies 'hello world|1|' mget k n nothing
    replies 2 dbsize
    replies string type k
    replies 'OK' flushdb
    replies 0 exists k n
    replies "ERR unknown command 'lpush', with args beginning with: 'l' 'x' |" lpush l x
    replies "ERR wrong number of arguments for 'get' command|" get
    replies OK client setname me
    cli -3 hello 3 | grep -q caracal-kv || fail "hello 3"
    [ "$(cli command count)" -gt 40 ] || fail "command count"
    cli command docs | grep -q 'Returns the value of a key' || fail "command docs"
    cli command list filterby aclcat string | grep -qx getex || fail "command list"
    cli client help | grep -q '^KILL <addr>' || fail "client help"
    cli client list | grep -q '^id=.* laddr=.* qbuf=0 ' || fail "client list"
    replies 'maxclients|10000|maxmemory-policy|allkeys-lru' config get maxclients maxmemory-pol*
    cli info | grep -q '^used_memory:' || fail info
    cli info server replication | tr -d '\r' | grep -qx role:master || fail "info of two sections"
    cli -r 5 incr n >"$work/n"
    [ "$(tail -n 1 "$work/n")" = 5 ] || fail "five times incr"
    seq 1000 | sed 's/.*/SET key:& value:&/' | cli --pipe | grep -q 'errors: 0, replies: 1000' || fail "--pipe"
    [ "$(cli --scan --pattern 'key:*' | sort -u | wc -l)" -eq 1000 ] || fail "--scan"
    end "$server"
    contains "$work/server" '^kv: [0-9]* connections, [0-9]* commands, 0 messages, 1001 keys$'
}

# An ordinary client library; Debian's, for Debian's python3.
client_library() {
    start_server
    /usr/bin/python3 "$here/kv_client.py" "$port" || fail "$(cat "$work/server.err")"
}

expiry() {
    start_server
    replies OK set a 1 px 50
    for i in $(seq 300); do
        echo "SET k$i v PX 50"
    done | cli >"$work/out"
    replies OK set b 1
    for i in $(seq 300); do # without a touch: the sweep finds them
        [ "$(cli dbsize)" != 1 ] || break
        sleep 0.1
    done
    replies 1 dbsize
    cli info stats | tr -d '\r' | grep -qx 'expired_keys:301' || fail "$(cli info stats | grep expired)"
}

redis_benchmark() {
    start_server
    redis-benchmark -p "$port" -t set,get,incr,mset,ping -n 2000 -c 20 -P 8 -r 1000 -q >"$work/out" 2>&1 ||
        fail "$(tail -n 3 "$work/out")"
    [ "$(tr '\r' '\n' <"$work/out" | grep -c 'requests per second')" -ge 6 ] || fail "$(cat "$work/out")"
}

beside_redis_resp2() {
    beside_redis 1 2
}

beside_redis_resp3() {
    beside_redis 2 3
}

beside_redis_uring() {
    ENGINE=uring beside_redis 3 2
}

for name in malformed byte_by_byte cut_anywhere long_values slow_reader; do
    eval "$name() { peer $name; }"
    eval "${name}_uring() { ENGINE=uring peer $name; }"
done

for name in huge_lengths inline_commands killed_clients resets never_reading shares half_closed ended_by_others; do
    eval "$name() { script=kv_hostile.py peer $name; }"
    eval "${name}_uring() { ENGINE=uring script=kv_hostile.py peer $name; }"
done

transactions() {
    script=kv_hostile.py peer transactions --maxinput 1
}

transactions_uring() {
    ENGINE=uring transactions
}

no_descriptors() {
    serve "$work/server" prlimit --nofile=64:64 "$kv_program" --bind 127.0.0.1:0
    python3 "$here/kv_hostile.py" "$port" no_descriptors || fail "$(cat "$work/server.err")"
    end "$started"
    [ "$status" -eq 0 ] || fail "server: status $status: $(cat "$work/server.err")"
}

no_descriptors_uring() {
    ENGINE=uring no_descriptors
}

many_clients() {
    peer many_clients --maxclients "$KV_CLIENTS"
}

many_clients_uring() {
    ENGINE=uring many_clients
}

input_is_bounded() {
    peer input_limit --maxinput 1
}

memory_is_full() {
    peer full_memory --maxmemory 8 --policy noeviction
}

old_keys_are_evicted() {
    peer eviction --maxmemory 8
}

messages() {
    start_server --rpc 127.0.0.1:0
    local messages_port
    messages_port=$(sed -n 's/^messages on .*://p' "$work/server")
    python3 "$here/kv_peer.py" "$messages_port" rpc || fail "$(cat "$work/server.err")"
}

library_is_full() {
    export MEMORY_LIMIT=64m
    peer library_ends --maxmemory 46
    peer library_ends --maxmemory 46 --policy noeviction
}

# More than the library has is refused where it was asked for; else the default is lowered.
more_than_the_library_has() {
    export MEMORY_LIMIT=64m
    timeout 40 "$kv_program" --bind 127.0.0.1:0 --maxmemory 64 >"$work/out" 2>&1
    status=$?
    [ "$status" -eq 1 ] || fail "status $status"
    contains "$work/out" '--maxmemory 64: the library has memory for 4[0-9] (memory_limit'
    start_server
    contains "$work/server.err" 'maxmemory is 4[0-9] MiB: the library has no more'
    replies OK set k v
}

# Errors name their cause.
cannot_begin() {
    start_server
    ! "$kv_program" --bind "127.0.0.1:$port" >"$work/out" 2>&1 || fail "two servers on a port"
    contains "$work/out" "cannot bind to 127.0.0.1:$port: Address already in use"
    ! "$kv_program" --bind 192.0.2.1:6379 >"$work/out" 2>&1 || fail "an address of others"
    contains "$work/out" 'cannot bind to 192.0.2.1:6379: Cannot assign requested address'
    if ! grep -q __asan_init "$kv_program"; then # the sanitizer itself needs more
        ! (ulimit -v 300000 && "$kv_program" --bind 127.0.0.1:0 --maxclients 1000000) >"$work/out" 2>&1 ||
            fail "no memory"
        contains "$work/out" 'no memory for 1000000 connections'
    fi
    ! "$kv_program" --bind 127.0.0.1:0 --help >/dev/full 2>"$work/out" || fail "a full disk"
    contains "$work/out" 'the output could not be written'
}

# A server that was killed leaves nothing that keeps the next one from the port; clients see the end.
killed() {
    start_server
    cli set k v >"$work/out"
    begin "$work/bench" redis-benchmark -p "$port" -t set -n 100000000 -q
    sleep 0.3
    kill -KILL "$server"
    await "$started" 20
    serve "$work/server" "$kv_program" --bind "127.0.0.1:$port"
    replies '' get k
}

if ! command -v python3 >/dev/null || ! command -v redis-cli >/dev/null; then
    skip_test kv "there is no python3 or no redis-cli"
    exit 0
fi
if [ $# -eq 0 ]; then
    set -- help_and_usage one_source_for_every_libos redis_cli client_library expiry redis_benchmark malformed \
        malformed_uring byte_by_byte byte_by_byte_uring cut_anywhere cut_anywhere_uring \
        long_values long_values_uring slow_reader \
        slow_reader_uring many_clients many_clients_uring huge_lengths inline_commands killed_clients \
        killed_clients_uring resets resets_uring never_reading never_reading_uring shares shares_uring \
        half_closed half_closed_uring \
        ended_by_others ended_by_others_uring transactions transactions_uring no_descriptors no_descriptors_uring \
        input_is_bounded memory_is_full old_keys_are_evicted library_is_full \
        more_than_the_library_has cannot_begin messages killed beside_redis_resp2 beside_redis_resp3 \
        beside_redis_uring
fi
for name in "$@"; do
    if [[ $name == *_uring && ! -e $CARACAL_MODULES/caracal-uring.so ]]; then
        skip_test "$name" "there is no liburing"
    elif [[ $name == beside_redis* ]] && ! command -v redis-server >/dev/null; then
        skip_test "$name" "there is no redis-server"
    elif [ "$name" = client_library ] && ! /usr/bin/python3 -c 'import redis' 2>/dev/null; then
        skip_test "$name" "there is no python3-redis"
    else
        run_test "$name"
    fi
done
exit $((failures != 0))
