#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the simulation writes as pcapng: Wireshark's reader takes it, finds every checksum good where nothing was
# damaged, and reads the frames' fates as comments.
set -u

sim=$CARACAL_BUILD_DIR/tests/sim/sim-worlds
command -v tshark >/dev/null || { echo "skip pcap_reads there is no tshark"; exit 0; }
export HOME=$PWD

"$sim" --seeds 1 --first 162 --pcap run.pcapng >out 2>&1
fields=(-T fields -e ip.checksum.status -e tcp.checksum.status -e udp.checksum.status -e frame.comment)
options=(-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE)
if tshark -r run.pcapng "${options[@]}" "${fields[@]}" >frames 2>err && [ "$(wc -l <frames)" -gt 100 ]; then
    echo "ok pcap_reads"
else
    echo "not ok pcap_reads $(tail -n 1 err)"
fi
# status 0 is "bad"; a frame that was damaged on its way says so in its comment
if grep -vE 'bit inverted|cut to' frames | cut -f 1-3 | grep -q 0; then
    echo "not ok pcap_checksums_are_good"
else
    echo "ok pcap_checksums_are_good"
fi
if grep -q 'cut to' frames && grep -q 'bit inverted' frames; then
    echo "ok pcap_says_fates"
else
    echo "not ok pcap_says_fates"
fi
