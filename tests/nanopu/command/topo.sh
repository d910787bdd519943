#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# nanopu topo: what it draws, and what it refuses.

# shellcheck source=tests/nanopu/command/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

tiers() {
    cat >tiers.yaml <<'END'
hosts: [{name: a, count: 4, program: x.elf, args: ["{i}"]}, {name: b, count: 4}]
switches: [{name: leaf_a}, {name: leaf_b, kind: osdi21}, {name: spine, count: 2}]
links:
  - {between: [a*, leaf_a]}
  - {between: [b*, leaf_b], latency: 280}
  - {between: [leaf_*, spine*], latency: 280}
END
}

topo__draws_tiers() {
    tiers
    nanopu 0 topo tiers.yaml
    says out 'hosts 8, switches 4, ports 0, links 12; windows of 140 cycles (43.75 ns)'
    same switches 4 "$(grep -cE '^(leaf|spine)' out)"
    grep -qE '2 -- +140 cycles -- +a2 +10.0.0.4 +00:26:E1:00:00:04 +4 harts +x.elf 2$' out || fail "$out"
}

topo__json() {
    tiers
    nanopu 0 topo tiers.yaml --json
    same nodes 12 "$(value 'len(d["nodes"])')"
    same kind osdi21 "$(value '[n["switch"] for n in d["nodes"] if n["name"] == "leaf_b"][0]')"
    same args "['3']" "$(value '[n["args"] for n in d["nodes"] if n["name"] == "a3"][0]')"
    same latency 280 "$(value 'd["links"][-1]["latency"]')"
}

topo__dot() {
    tiers
    nanopu 0 topo --dot tiers.yaml
    same edges 12 "$(grep -c ' -- ' out)"
}

topo__names_file_and_line() {
    printf 'hosts:\n  - name: a\n    progam: x\n' >bad.yaml
    nanopu 1 topo bad.yaml
    says err 'nanopu: bad.yaml:3: unknown key "progam"; the nearest there is, is "program"'
    nanopu 1 topo nothere.yaml
    says err 'nothere.yaml: No such file or directory'
}

for t in topo__draws_tiers topo__json topo__dot topo__names_file_and_line; do
    run_test "$t"
done
exit "$((failures > 0))"
