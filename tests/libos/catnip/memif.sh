#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catnip to catnip over a memif: two processes, one cable in shared memory.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/libos/catnip/lib.bash
. "$here/lib.bash"

# over SERVER_ARGUMENTS -- CLIENT_ARGUMENTS: a server and one client on a cable of their own.
over() {
    local server_words=()
    while [ "$1" != -- ]; do
        server_words+=("$1")
        shift
    done
    shift
    cable=$((cable + 1))
    one serve "$work/server$cable" "$echo_program" server "${server_words[@]}"
    two client_well --check "$@"
    kill -KILL "$started"
    wait "$started" 2>/dev/null
    holds "$(field corrupt) == 0 && $(field errors) == 0 && $(field unanswered) == 0"
}

# to_server CLIENT_ARGUMENTS: a client of the one server that stays, whoever came and went before it.
to_server() {
    cable=stays
    two client_well --check --connect 10.9.0.1:7000 "$@"
    holds "$(field corrupt) == 0 && $(field errors) == 0 && $(field unanswered) == 0"
}

streams() {
    to_server --requests 200 --size 64
    to_server --requests 400 --size 900 --connections 20
}

# Above zero_copy_threshold and below: mbufs that point into our memory, and copies.
bulk_by_reference_and_by_copy() {
    to_server --requests 3 --size 1000003
    ZERO_COPY_THRESHOLD=1048576 to_server --requests 3 --size 1000003
}

# DPDK unmaps what the two share while the other polls (src/netdev/dpdk/hold.c).
peers_that_go_leave_the_server_alone() {
    cable=stays
    for ((i = 0; i < 3; i++)); do
        two begin "$work/killed" "$echo_program" client --connect 10.9.0.1:7000 --size 2000 --duration 60
        sleep 0.7
        kill -KILL "$started"
        wait "$started" 2>/dev/null
    done
    to_server --requests 100
}

# Last of those with that server, because it is the one that goes.
server_that_goes_leaves_its_client_alone() {
    cable=stays
    two begin "$work/left" "$echo_program" client --connect 10.9.0.1:7000 --duration 2
    sleep 1
    kill -KILL "$server"
    await "$started" 20
    [ "$status" -lt 128 ] || fail "it went too: status $status: $(cat "$work/left.err")"
}

datagrams_and_fragments() {
    over --udp --bind 0.0.0.0:7000 -- --udp --connect 10.9.0.1:7000 --requests 100 --size 6000
}

ipv6() {
    over --bind '[::]:7000' -- --connect '[fd09::1]:7000' --requests 100
}

# A queue each way for each thread: what comes by another's queue is handed on, in both directions.
threads() {
    over --threads 2 --bind 0.0.0.0:7000 -- --threads 2 --connect 10.9.0.1:7000 --requests 100 --connections 6
    over --udp --threads 2 --bind '[::]:7000' -- --udp --threads 2 --connect '[fd09::1]:7000' --requests 60 \
        --connections 6
}

tests=(streams bulk_by_reference_and_by_copy peers_that_go_leave_the_server_alone
    server_that_goes_leaves_its_client_alone datagrams_and_fragments ipv6 threads)
need_dpdk "${tests[@]}"
cable=stays
one serve "$work/stays" "$echo_program" server --bind 0.0.0.0:7000
server=$started
cable=0
for name in "${tests[@]}"; do
    run_test "$name"
done
exit $((failures != 0))
