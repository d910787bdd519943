#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demi pcap: captures of worlds of the simulation, one without faults and one with.

# shellcheck source=tests/tools/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"
sim=$build/tests/sim/sim-worlds
export HOME=$work
clean=$work/clean.pcapng
faulty=$work/faulty.pcapng

# find_world FILE EXPRESSION: the capture of the first world of which the Python expression is true, as FILE.
find_world() {
    local seed
    for ((seed = 1; seed < 200; seed++)); do
        "$sim" --seeds 1 --first "$seed" --pcap "$1" >/dev/null || fail "seed $seed"
        demi 0 pcap --json "$1"
        [ "$(value "($2)")" != True ] || return 0
    done
    fail "no such world in 200"
}

pcap__finds_its_worlds() {
    find_world "$clean" 'd["dropped"] == 0 and d["frames"] > 200 and
        not any(f["forth"]["resent"] + f["back"]["resent"] for f in d["flows"])'
    find_world "$faulty" 'len(d["drops"]) > 4 and d["flows_in_all"] > 4 and d["frames"] > 500 and
        any(r["reason"] == "drop_tcp_checksum" for r in d["drops"])'
}

pcap__flows_hold_all_frames() {
    local what
    demi 0 pcap --json "$faulty"
    for what in frames bytes; do
        same "$what" True "$(value "sum(f[w]['$what'] for f in d['flows'] for w in ('forth', 'back')) == d['$what']")"
    done
    same largest True "$(value '(d["flows"][0]["forth"]["bytes"] + d["flows"][0]["back"]["bytes"] ==
        max(f["forth"]["bytes"] + f["back"]["bytes"] for f in d["flows"]))')"
}

pcap__drops_have_their_reasons() {
    demi 0 pcap --json "$faulty"
    same dropped True "$(value 'sum(r["frames"] for r in d["drops"]) == d["dropped"]')"
    demi 0 pcap "$faulty"
    grep -qE '^drop_tcp_checksum +[0-9]+  TCP segments dropped: checksum' <<<"$out" || fail "$out"
    grep -qE '^TCP +(10\.0\.0|\[fd00)' <<<"$out" || fail "$out"
}

pcap__flows_n_shows_so_many() {
    demi 0 pcap --flows 2 "$faulty"
    same rows 2 "$(grep -cE '^(TCP|ARP|ICMP|UDP) ' <<<"$out")"
    grep -q 'more; --flows' <<<"$out" || fail "$out"
}

# Wireshark's reader finds nothing wrong in a run without faults. The payload is of no protocol that it might guess.
pcap__clean_run_is_clean_to_tshark() {
    local what usual surprise=tcp.analysis.flags
    mkdir -p "$HOME/.config/wireshark"
    tshark -G protocols 2>"$work/tshark" | cut -f 3 |
        grep -vxE 'frame|eth|ethertype|ip|ipv6|ipv6\..*|arp|tcp|udp|icmp|icmpv6|data|_ws\..*|pkt_comment' \
            >"$HOME/.config/wireshark/disabled_protos"
    for usual in window_update zero_window window_full zero_window_probe zero_window_probe_ack keep_alive \
        keep_alive_ack; do
        surprise+=" && !tcp.analysis.$usual"
    done
    for what in tcp "$surprise" _ws.malformed frame.comment '_ws.expert.severity >= 0x600000' \
        'tcp.checksum.status == 0 || ip.checksum.status == 0 || udp.checksum.status == 0'; do
        tshark -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
            -r "$clean" -Y "$what" >"$work/found" 2>"$work/tshark" || fail "$(<"$work/tshark")"
        ! grep -qvE '^Running as user|^$' "$work/tshark" || fail "$(<"$work/tshark")"
        if [ "$what" = tcp ]; then
            [ -s "$work/found" ] || fail "no TCP"
        else
            [ ! -s "$work/found" ] || fail "$what: $(head -n 3 "$work/found")"
        fi
    done
}

pcap__drops_are_comments_to_tshark() {
    local counted
    demi 0 pcap --json "$faulty"
    counted=$(tshark -r "$faulty" -T fields -e frame.comment 2>/dev/null | grep -cE '^(drop_|lost)')
    same comments "$(value 'd["dropped"]')" "$counted"
}

pcap__part_of_a_file_is_read_so_far() {
    head -c 20001 "$faulty" >"$work/part.pcapng"
    demi 0 pcap "$work/part.pcapng"
    grep -q 'ends within a frame' <<<"$out" || fail "$out"
    "$demi_program" pcap - <"$faulty" >"$work/out" || fail "standard input"
}

pcap__damage_is_named() {
    local second damaged=$work/damaged.pcapng
    demi 1 pcap /etc/passwd
    grep -q 'not a pcapng capture' <<<"$err" || fail "$err"
    demi 1 pcap "$work/none"
    demi 1 pcap "$work"
    cp "$faulty" "$damaged"
    second=$(od -An -tu4 -j4 -N4 "$damaged")
    printf '\377\377\377\377' | dd of="$damaged" bs=1 seek=$((second + 4)) conv=notrunc status=none
    demi 1 pcap "$damaged"
    grep -q 'damaged capture' <<<"$err" || fail "$err"
}

tests=(pcap__finds_its_worlds pcap__flows_hold_all_frames pcap__drops_have_their_reasons pcap__flows_n_shows_so_many
    pcap__part_of_a_file_is_read_so_far pcap__damage_is_named)
if command -v tshark >/dev/null; then
    tests+=(pcap__clean_run_is_clean_to_tshark pcap__drops_are_comments_to_tshark)
else
    echo "skip pcap_tshark there is no tshark"
fi
for t in "${tests[@]}"; do
    run_test "$t"
done
exit "$((failures > 0))"
