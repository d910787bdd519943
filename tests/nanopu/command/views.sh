#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# nanopu run --pcap and --perfetto: what other programs make of the files.

# shellcheck source=tests/nanopu/command/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

topology=$CARACAL_SOURCE_DIR/examples/nanopu/incast.yaml
lua=$CARACAL_SOURCE_DIR/share/wireshark/nanopu.lua

incast() {
    nanopu 0 run --quiet --topology "$topology" --stats json "$@" "$guests/incast.elf"
}

# fields FILTER FIELD...: prints the fields of the packets in run.pcapng, a line each.
fields() {
    local filter=$1 args=()
    shift
    for field in "$@"; do
        args+=(-e "$field")
    done
    tshark -X "lua_script:$lua" -r run.pcapng -Y "$filter" -T fields "${args[@]}" 2>tshark.err
}

pcap__tshark_reads_every_packet() {
    local seen
    incast --pcap run.pcapng
    seen=$(fields frame frame.number | wc -l)
    same "packets of the file" \
        "$(value 'sum(h["nic"]["rx_packets"] + h["nic"]["tx_packets"] for h in d["hosts"])')" "$seen"
    # Each cycle is 0.3125 ns: the comment has the exact one.
    grep -qE '^cycle [0-9]+, packet [0-9]+$' <(fields frame frame.comment) || fail "no cycle in the comments"
    [ "$(fields frame frame.interface_name | sort -u | wc -l)" -gt 2 ] || fail "not an interface a host"
}

pcap__the_dissector_knows_the_headers() {
    incast --pcap run.pcapng
    grep -qx $'1024\t0' <(fields 'ndp_msg.flags.data == 1' ndp_msg.msglen ndp_msg.pktoffset) ||
        fail "no DATA: $(<tshark.err)"
    grep -qx $'1024\t3' <(fields 'ndp_msg.flags.pull == 1' ndp_msg.msglen ndp_msg.pulloffset) ||
        fail "no PULL: $(<tshark.err)"
}

pcap__says_why_a_packet_was_dropped() {
    incast --pcap run.pcapng --set buffers_small=0 --set buffers_large=1
    grep -q 'dropped: drop_no_buffer' <(fields frame frame.comment) || fail "no drop in the comments"
    same "dropped packets" "$(value 'sum(h["nic"]["drop_no_buffer"] for h in d["hosts"])')" \
        "$(fields 'frame.comment contains "drop_no_buffer"' frame.number | wc -l)"
}

views__are_the_same_with_any_number_of_threads() {
    incast --pcap one.pcapng --perfetto one.json
    incast --pcap two.pcapng --perfetto two.json --threads 2
    cmp -s one.pcapng two.pcapng || fail "the packets differ"
    cmp -s one.json two.json || fail "the traces differ"
}

perfetto__is_json_in_the_order_of_time() {
    incast --perfetto run.json
    python3 - >said 2>&1 <<'END' || fail "$(<said)"
import collections
import json

events = json.load(open("run.json"))["traceEvents"]
times = [e["ts"] for e in events if e["ph"] != "M"]
assert times == sorted(times), "not in the order of time"
names = {e["args"]["name"] for e in events if e["ph"] == "M"}
assert "server" in names and "core 0 context 0" in names, names
begun = [(e["cat"], e["id"]) for e in events if e["ph"] == "b"]
ended = [(e["cat"], e["id"]) for e in events if e["ph"] == "e"]
assert len(begun) == len(set(begun)) > 10, "messages begin more than once"
assert len(ended) == len(set(ended)) and set(ended) <= set(begun), "messages end that did not begin"
depth = collections.Counter()
for e in events:
    depth[e["pid"], e["tid"]] += {"B": 1, "E": -1}.get(e["ph"], 0)
    assert depth[e["pid"], e["tid"]] in (0, 1), "a core has two messages of a context in hand"
assert any(e["ph"] == "C" for e in events), "no queue"
END
}

homa() {
    local elf=$CARACAL_BUILD_DIR/apps/nanopu/slowdown.elf
    cat >homa.yaml <<END
profile: homa
params: {cores: 1, queue_high_bytes: 8192, queue_low_bytes: 8192, trimming: on}
hosts:
  - {name: client, count: 2, program: $elf, args: [client, 10.0.0.4, "{i}", "2"]}
  - {name: server, program: $elf, args: [server, "2"]}
END
    nanopu 0 run --quiet --topology homa.yaml "$@"
}

messages__have_their_first_and_last_cycle() {
    homa --messages all.csv
    same "messages of one, 20 and 22 packets" "2 1024 2 20480 2 22528" \
        "$(sed 1d all.csv | cut -d, -f4 | sort -n | uniq -c | xargs)"
    awk -F, 'NR > 1 && ($1 != "server" || $6 - $5 < $4 / 8) { exit 1 }' all.csv ||
        fail "faster than the wire: $(<all.csv)"
}

pcap__the_dissector_knows_homa() {
    homa --pcap run.pcapng
    grep -qx $'20480\t1' <(fields 'homa_msg.flags.grant == 1' homa_msg.msglen homa_msg.grantprio) ||
        fail "no GRANT: $(<tshark.err)"
    [ -n "$(fields 'homa_msg.flags.data == 1 && ip.dsfield == 1' frame.number)" ] ||
        fail "no DATA with a granted priority: $(<tshark.err)"
}

views__that_cannot_be_written() {
    nanopu 1 run --quiet --pcap /nonexistent/x "$guests/hello.elf"
    says err "/nonexistent/x"
    nanopu 1 run --quiet --perfetto /nonexistent/y "$guests/hello.elf"
    says err "/nonexistent/y"
    nanopu 1 run --quiet --messages /nonexistent/z "$guests/hello.elf"
    says err "/nonexistent/z"
}

tests=(perfetto__is_json_in_the_order_of_time messages__have_their_first_and_last_cycle
    views__are_the_same_with_any_number_of_threads
    views__that_cannot_be_written)
pcaps=(pcap__tshark_reads_every_packet pcap__the_dissector_knows_the_headers pcap__the_dissector_knows_homa
    pcap__says_why_a_packet_was_dropped)
need_guests "${tests[@]}" "${pcaps[@]}"
if command -v tshark >/dev/null; then
    tests+=("${pcaps[@]}")
else
    for t in "${pcaps[@]}"; do
        echo "skip $t there is no tshark"
    done
fi
for t in "${tests[@]}"; do
    run_test "$t"
done
exit "$((failures > 0))"
