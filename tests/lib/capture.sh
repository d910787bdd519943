# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For script tests that let tshark judge what passed at the kernel's end of the link, after tests/lib/netns.sh:
#
#   capture_start NAME           captures at k0 into NAME.pcapng, until capture_stop
#   none NAME FILTER OPTION...   no frame of NAME passes the filter; tshark gets the options
#   lossless NAME KIND... [-- OPTION...]
#                                the same for frames that tshark's TCP analysis finds lost or repeated: KIND is
#                                lost_segment, fast_retransmission, out_of_order. Those are accepted that the machine
#                                explains, not a stack, and standard output names how many and why
#
# A machine whose processors are busy loses frames where no stack is to blame: those that the capture had no room for,
# and those that the kernel's own queue in front of Linux's TCP/IP had none for (netdev_max_backlog). It reorders them
# where a process moves to another processor, whose queue is shorter: here one processor has the queue. And a side that
# does not run for a while is sent bytes again by timer, which tshark takes for another kind after a slow handshake: a
# repetition is by timer when that side was silent for SILENT_MS before.

SILENT_MS=4
export HOME=$PWD

# Frames that the kernel's queues dropped, all in all.
backlog_drops() {
    local all=0 dropped
    while read -r _ dropped _; do all=$((all + 16#$dropped)); done </proc/net/softnet_stat
    echo $all
}
# Frames that the capture NAME missed.
capture_drops() { awk '/ dropped from / { print $1; found = 1 } END { if (!found) print 0 }' "$1.log"; }

capture_start() {
    ip netns exec "$NS_K" sh -c 'echo 1 >/sys/class/net/k0/queues/rx-0/rps_cpus' 2>/dev/null
    ip netns exec "$NS_O" sh -c 'echo 1 >/sys/class/net/o0/queues/rx-0/rps_cpus' 2>/dev/null
    backlog_drops >"$1.backlog"
    ip netns exec "$NS_K" tshark -q -B 64 -i k0 -w "$1.pcapng" >"$1.log" 2>&1 &
    capture=$!
    capture_file=$1.pcapng
    for _ in {1..600}; do
        [ -s "$capture_file" ] && return 0
        kill -0 "$capture" || return 1
        sleep 0.05
    done
    return 1
}
# When the file has not grown for a second, everything is in it.
capture_stop() {
    local size=-1 still=0
    for _ in {1..200}; do
        [ $still -lt 10 ] || break
        sleep 0.1
        still=$((still + 1))
        [ "$(stat -c %s "$capture_file")" = "$size" ] || still=0
        size=$(stat -c %s "$capture_file")
    done
    kill -INT "$capture"
    wait "$capture"
    echo $(($(backlog_drops) - $(<"${capture_file%.pcapng}.backlog"))) >"${capture_file%.pcapng}.backlog"
}

# A checksum of 0xffff is one of zero, differently written: Linux does so where it computes it itself.
none() {
    local found name=$1 filter=$2
    shift 2
    found=$(tshark -r "$name.pcapng" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
        "$@" -Y "!(tcp.checksum == 0xffff && (ip.src == 10.77.0.1 || ipv6.src == fd77::1)) && ($filter)" 2>/dev/null)
    [ -z "$found" ] && return 0
    head -n 5 <<<"$found"
    return 1
}

# Reads frame, time, stream, port, sequence number, length and whether tshark found it lost or repeated; prints those
# that no silent peer explains, and how many one explains.
unexplained() {
    awk -v silent="$SILENT_MS" -F '\t' '
        {
            bytes = $3 FS $4 FS ($5 + $6)
            found = 0
            for (i = 7; i <= NF; i++) if ($i != "") found = 1
            if (found && seen[bytes] && ($2 - heard[$3, $4]) * 1000 >= silent) explained++
            else if (found) print "frame " $1 " at " $2 ": stream " $3 ", port " $4 ", " $6 " bytes to " $5 + $6
            seen[bytes] = 1
            for (port in ports) if (port != $4) heard[$3, port] = $2
            ports[$4] = 1
        }
        END { print explained + 0 }'
}
exec 5>&1
lossless() {
    local name=$1 kinds=() found repeated missed backlog
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        kinds+=(-e "tcp.analysis.$1")
        shift
    done
    found=$(tshark -r "$name.pcapng" "${@:2}" -Y tcp -T fields -e frame.number -e frame.time_relative -e tcp.stream \
        -e tcp.srcport -e tcp.seq -e tcp.len "${kinds[@]}" 2>/dev/null | unexplained)
    repeated=$(tail -n 1 <<<"$found")
    missed=$(capture_drops "$name")
    backlog=$(<"$name.backlog")
    head -n -1 <<<"$found"
    if [ "$found" != "$repeated" ] && [ "$missed" = 0 ] && [ "$backlog" = 0 ]; then return 1; fi
    [ "$repeated$missed$backlog" = 000 ] ||
        echo "# accepted in $name: $repeated frames repeated by timer while the other side did not run," \
            "$missed that the capture missed, $backlog that the kernel's queues dropped" >&5
}
