#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What catnip says when it cannot start: the cause, and nothing but that on standard output.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/libos/catnip/lib.bash
. "$here/lib.bash"
export NET_ADDRESS=10.9.0.1/24

# refused EAL PATTERN: no start, and the reason matches.
refused() {
    EAL=$1 timeout -s KILL 10 "$echo_program" server --bind 10.9.0.1:7000 >"$work/out" 2>"$work/err"
    status=$?
    [ "$status" -ne 0 ] || fail "it started with $1"
    contains "$work/err" "$2"
    [ ! -s "$work/out" ] || fail "something was printed: $(head -n 3 "$work/out")"
}

unknown_arguments_are_named() {
    refused "$software --nonsense" 'DPDK does not know "--nonsense"'
    refused "$software -l 99999" '99999'
    refused "$software --in-memory" 'in-memory'
}

devices_that_fail_are_named() {
    refused "$software --vdev net_memif0,role=queen" 'queen'
    refused "$software --vdev net_nothing0" 'net_nothing0'
    refused "$software --vdev net_af_packet0,iface=nowhere7" 'No such device'
    refused "$software" 'no --vdev is given'
    DEVICE=net_null7 refused "$software --vdev net_null0" 'no port "net_null7"; it has net_null0'
}

settings_that_fail_are_named() {
    NET_MTU=9000 refused "$software --vdev net_memif0" 'net_mtu: 9000 is more than the device takes'
    NET_ADDRESS='' refused "$software --vdev net_null0" 'net_address is not set'
}

module_that_is_missing_names_its_package() {
    CARACAL_MODULES=$work refused "$software" 'package libdpdk-dev'
}

tests=(unknown_arguments_are_named devices_that_fail_are_named settings_that_fail_are_named)
run_test module_that_is_missing_names_its_package
need_dpdk "${tests[@]}"
for name in "${tests[@]}"; do
    run_test "$name"
done
exit $((failures != 0))
