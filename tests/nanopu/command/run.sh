#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# nanopu run: its arguments, what guests say, exit codes, counters; and the small commands beside it.

# shellcheck source=tests/nanopu/command/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

run__wrong_arguments() {
    local args
    while read -ra args; do
        nanopu 2 "${args[@]}"
        grep -q '^usage: nanopu' <<<"$err" || fail "nanopu ${args[*]} tells no usage: $err"
        [ -z "$out" ] || fail "nanopu ${args[*]} writes to stdout: $out"
    done <<'END'
frobnicate
run
run --frobnicate x
run --hosts 0 x
run --hosts x x
run --hosts 2 --topology t.yaml
run --set cores
run --set cores=0 x
run --set frob=1 x
run --cores 65 x
run --timing maybe x
run --profile sigcomm x
run --threads 0 x
run --stats xml x
run --cycles 0 x
run --hash
params extra
topo
topo a b
topo --json
topo a --json --dot
dis
dis a b c
END
    nanopu 2 run --set link_cycle=3 x
    says err 'the nearest is "link_cycles"'
    nanopu 2 run --set cores=99 x
    says err 'cores takes a number from 1 to 64, not "99"'
}

run__missing_and_wrong_programs() {
    nanopu 1 run nothere.elf
    says err 'nothere.elf: No such file or directory'
    echo 'int main' >text.c
    nanopu 1 run text.c
    says err 'text.c: not an ELF file'
    mkfifo fifo.elf
    nanopu 1 run fifo.elf
    says err 'fifo.elf: not a regular file'
    nanopu 1 run "$nanopu"
    says err 'not for RISC-V'
}

run__help_names_every_command() {
    local command
    nanopu 0 help
    for command in run topo dis params version help; do
        grep -qE "^  $command " out || fail "$command is missing: $out"
    done
    nanopu 0 run --help
    says out '--topology FILE'
}

params__lists_both_profiles() {
    nanopu 0 params
    says out quirk_pulse_unlatched
    nanopu 0 params --json
    same control_pad "64 1" \
        "$(python3 -c 'import json; p = {x["key"]: x for x in json.load(open("out"))["params"]}["control_pad"]
print(p["osdi21"], p["homa"])')"
}

run__hello_on_one_host() {
    nanopu 0 run --timing off "$guests/hello.elf"
    same lines 4 "$(wc -l <out)"
    says out 'hello from hart 3 of 4, host 10.0.0.2'
    nanopu 0 run "$guests/hello.elf"
    same lines 4 "$(wc -l <out)"
}

run__names_hosts_when_there_are_several() {
    nanopu 0 run --hosts 2 --timing off "$guests/hello.elf"
    same lines 8 "$(wc -l <out)"
    says out 'host1| hello from hart 0 of 4, host 10.0.0.3'
}

run__exit_code_is_the_guests() {
    nanopu 2 run --timing off "$guests/ring.elf"
    says out 'usage: ring'
}

run__limit_of_cycles() {
    nanopu 1 run --cycles 10k "$guests/hello.elf"
    says err 'the limit of 10000 cycles was reached; 1 of 1 hosts still run (host0)'
}

run__stats() {
    nanopu 0 run --timing off --stats json "$guests/loopback.elf"
    same end exited "$(value 'd["end"]')"
    same exit_code 0 "$(value 'd["hosts"][0]["exit_code"]')"
    same msgs "$(value 'd["hosts"][0]["nic"]["tx_msgs"]')" "$(value 'd["hosts"][0]["nic"]["rx_msgs"]')"
    same harts 4 "$(value 'len(d["hosts"][0]["harts"])')"
    same switch True "$(value 'd["switches"][0]["counters"]["packets"] > 0')"
    nanopu 0 run --timing off --stats text "$guests/loopback.elf"
    says out 'host0 (10.0.0.2): exited with code 0'
}

dis__one_function() {
    nanopu 0 dis "$guests/ring.elf" main
    says out '<main>:'
    [ "$(grep -c '>:$' out)" -eq 1 ] || fail "more than one function: $out"
    nanopu 1 dis "$guests/ring.elf" nothere
    says err 'there is no function "nothere" in it'
}

host_tests=(run__wrong_arguments run__missing_and_wrong_programs run__help_names_every_command
    params__lists_both_profiles)
guest_tests=(run__hello_on_one_host run__names_hosts_when_there_are_several run__exit_code_is_the_guests
    run__limit_of_cycles run__stats dis__one_function)
for t in "${host_tests[@]}"; do
    run_test "$t"
done
need_guests "${guest_tests[@]}"
for t in "${guest_tests[@]}"; do
    run_test "$t"
done
exit "$((failures > 0))"
