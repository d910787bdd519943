# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
# What the tests of catnip share; sourced: two stations that a memif joins, without huge pages and without root.

# shellcheck source=tests/apps/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/../../apps/lib.bash"
unset CONFIG_PATH DEVICE
export LIBOS=catnip RUN_DIR=$work/run
software="--no-huge --no-pci"
cable=0

# memif ROLE N: arguments of the EAL for station N at the cable that both use.
memif() {
    echo "$software --vdev net_memif0,role=$1,socket=$work/memif$cable,mac=02:00:00:00:00:0$2"
}

# Everything below runs as the station that is named: one (the server of the memif) or two.
one() { EAL=$(memif server 1) NET_ADDRESS=10.9.0.1/24,fd09::1/64 "$@"; }
two() { EAL=$(memif client 2) NET_ADDRESS=10.9.0.2/24,fd09::2/64 "$@"; }

# Says of every test that it was skipped, and ends the script, where this build has no DPDK.
need_dpdk() {
    [ -f "$CARACAL_MODULES/caracal-dpdk.so" ] && return
    for name in "$@"; do
        skip_test "$name" "DPDK was not there when this was built (libdpdk-dev)"
    done
    exit 0
}
