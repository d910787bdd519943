#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The same machine gives the same output, counters and hashes of its state, to the bit: with 1, 2 and 4 threads, with
# its hosts in any order in the file, with either switch and without timing.

# shellcheck source=tests/nanopu/command/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

# What a run says and counts, without what it took on this machine.
result() {
    "$nanopu" run --quiet --hash 20k --stats json --cycles 5M "$@" 2>&1 |
        sed -E 's/"(threads|seconds|mips)": [0-9.e+-]+(, )?//g'
}

# same_results FILE...: runs of all files with all numbers of threads agree; ARGS are for each.
same_results() {
    local file threads first='' this
    for file in "$@"; do
        for threads in 1 2 4; do
            this=$(result --topology "$file" --threads "$threads" "${args[@]}")
            [ -n "$first" ] || first=$this
            [ "$this" = "$first" ] ||
                fail "$file with $threads threads differs: $(diff <(echo "$first") <(echo "$this"))"
        done
    done
    grep -q '^hash' <<<"$first" || fail "no hash: $first"
    grep -q '"end": "exited"' <<<"$first" || fail "did not end: $first"
}

ring__threads_and_order() {
    args=(--set boot_stagger=0)
    ring_hosts 2 3 4 5 >ring.yaml
    ring_hosts 5 3 2 4 >ring_other.yaml
    same_results ring.yaml ring_other.yaml
}

ring__without_timing() {
    args=(--timing off)
    ring_hosts 2 3 4 5 >ring.yaml
    ring_hosts 4 2 5 3 >ring_other.yaml
    same_results ring.yaml ring_other.yaml
}

incast_file() {
    cat <<END
params: {cores: 1, queue_low_bytes: 4375, queue_high_bytes: 4375}
hosts:
  - {name: server, program: $guests/incast.elf, args: [server, 8]}
  - {name: client, count: 8, program: $guests/incast.elf, args: [client, 10.0.0.2, "{i}"]}
switches:
  - {name: s, kind: $1}
END
}

incast__exact_switch() {
    args=()
    incast_file exact >incast.yaml
    same_results incast.yaml
}

incast__osdi21_switch() {
    args=()
    incast_file osdi21 >incast.yaml
    same_results incast.yaml
}

# Five levels of priority, losses and timeouts.
homa__with_and_without_trimming() {
    local trimming elf=$CARACAL_BUILD_DIR/apps/nanopu/slowdown.elf
    cat >homa.yaml <<END
profile: homa
params: {cores: 1, rtt_pkts: 9, queue_high_bytes: 16384, queue_low_bytes: 16384}
hosts:
  - {name: client, count: 3, program: $elf, args: [client, 10.0.0.5, "{i}", "3"]}
  - {name: server, program: $elf, args: [server, "3"]}
switches:
  - {name: s, kind: osdi21}
END
    for trimming in off on; do
        args=(--set "trimming=$trimming")
        same_results homa.yaml
    done
}

# Polling that is executed, and skipped: all that happens to several harts is the same, whatever their quantum.
# same_when_skipped CYCLES ARGS...: a run is the same whether polls are skipped or executed, in steps of any length.
same_when_skipped() {
    local cycles=$1 quantum skip first this
    shift
    for quantum in 1 32 100; do
        first=''
        for skip in 0 1; do
            this=$("$nanopu" run --quiet --stats json --cycles "$cycles" --set "quantum=$quantum" \
                --set "idle_skip=$skip" "$@" 2>&1 |
                sed -E 's/"(windows|pulses|threads|seconds|mips)": [0-9.e+-]+(, )?//g')
            [ -n "$first" ] || first=$this
        done
        [ "$this" = "$first" ] ||
            fail "quantum $quantum: it differs: $(diff <(tr , '\n' <<<"$first") <(tr , '\n' <<<"$this"))"
        grep -q '"end": "exited"' <<<"$first" || fail "did not end: $first"
    done
}

idle_skip__changes_nothing() {
    same_when_skipped 5M --topology "$CARACAL_SOURCE_DIR/examples/nanopu/jbsq.yaml" "$guests/jbsq.elf"
}

# Another hart takes the line of the word that is polled: the next turn takes longer, though it finds the same.
idle_skip__notices_a_line_that_went() {
    cat >line.c <<'C'
#include <nanopu/nanopu.h>
static struct {
    volatile uint64_t flag, other;
} line __attribute__((aligned(64)));
int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    (void)argc, (void)argv, (void)cores;
    for (unsigned i = 1; hart == 0 && i <= 40; i++) {
        for (volatile unsigned wait = 0; wait < 150 + 7 * i; wait++)
            ;
        line.other = i;
        line.flag = i == 40;
    }
    while (line.flag == 0)
        ;
    return 0;
}
C
    "$nanopu" cc --cores 3 line.c -o line.elf || fail "does not compile"
    same_when_skipped 1M --cores 3 line.elf
}

# Interrupts of the thread scheduler hit the same instructions, also where two pulses are closer than a loop's turn.
idle_skip__forgets_no_pulse() {
    local skip load
    load=service=fixed:1600,mean=900:900:50,count=250,seed=3,csv=answers.csv
    cat >preempted.yaml <<YAML
params: {timeout_cycles: 2240}
hosts:
  - {name: server, program: $CARACAL_BUILD_DIR/apps/nanopu/evaluation.elf,
     args: [TWO_CONTEXTS_FOUR_SHARED_CORES, '10', '100'], background: yes}
ports:
  - {name: load, ip: 10.0.0.1, connect: "load:test=TWO_CONTEXTS_FOUR_SHARED_CORES,$load"}
links:
  - {between: [server, load]}
YAML
    for skip in 0 1; do
        "$nanopu" run --quiet --set "idle_skip=$skip" --topology preempted.yaml >said 2>&1 || fail "it said $(<said)"
        mv answers.csv "answers$skip"
    done
    same answers "$(wc -l <answers0)" 501
    cmp answers0 answers1 || fail "they differ: $(diff answers0 answers1 | head -n 4)"
}

tests=(idle_skip__changes_nothing idle_skip__notices_a_line_that_went idle_skip__forgets_no_pulse
    homa__with_and_without_trimming ring__threads_and_order ring__without_timing incast__exact_switch
    incast__osdi21_switch)
need_guests "${tests[@]}"
for t in "${tests[@]}"; do
    run_test "$t"
done
exit "$((failures > 0))"
