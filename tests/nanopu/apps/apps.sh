#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The evaluation's guests with a load generator, or among themselves: each answers everything, and rightly.
set -u
# shellcheck source=tests/nanopu/command/lib.bash
. "$CARACAL_SOURCE_DIR/tests/nanopu/command/lib.bash"
apps=$CARACAL_BUILD_DIR/apps/nanopu

# loaded APP LOAD ARGUMENTS...: one host that runs APP, and a load generator at its link.
loaded() {
    local app=$1 load=$2
    shift 2
    cat >t.yaml <<EOT
hosts:
  - {name: server, program: $apps/$app.elf, args: [$(printf '"%s",' "$@")]}
ports:
  - {name: load, ip: 10.0.0.1, connect: "load:$load,csv=a.csv"}
links:
  - {between: [server, load]}
EOT
    nanopu 0 run --quiet --cycles 100M --topology t.yaml
}

# answers NUMBER: so many requests were answered.
answers() { same answers "$1" "$(grep -c '^answer' a.csv)"; }

# p99 CONTEXT: the 99th percentile of its answers' cycles.
p99() {
    awk -F, -v c="$1" '$1 == "answer" && $7 == c { print $3 }' a.csv | sort -n |
        awk '{ v[NR] = $1 } END { print v[int(NR * 0.99) + 1] }'
}

test_a_service_in_each_mode() {
    local mode
    for mode in ONE_CONTEXT_FOUR_CORES FOUR_CONTEXTS_FOUR_CORES TWO_CONTEXTS_FOUR_SHARED_CORES \
        DIF_PRIORITY_LNIC_DRIVEN DIF_PRIORITY_TIMER_DRIVEN HIGH_PRIORITY_C1_STALL LOW_PRIORITY_C1_STALL; do
        loaded evaluation "test=$mode,service=fixed:1600,mean=3200,count=200" "$mode" 10 50
        answers 200
        says out "200 requests answered"
    done
}

test_hardware_schedules_by_priority() {
    local high low
    local load=service=fixed:1600,mean=2000,count=2000
    loaded evaluation "test=DIF_PRIORITY_LNIC_DRIVEN,$load" DIF_PRIORITY_LNIC_DRIVEN 1 1
    high=$(p99 0) low=$(p99 1)
    [ $((2 * high)) -lt "$low" ] || fail "99 % of the urgent within $high cycles, of the others within $low"
    loaded evaluation "test=DIF_PRIORITY_TIMER_DRIVEN,$load" DIF_PRIORITY_TIMER_DRIVEN 1 1
    [ "$(p99 0)" -gt $((2 * high)) ] || fail "the timer is as good: $(p99 0) cycles, $high with hardware"
}

test_no_answer_comes_twice() {
    loaded evaluation test=LOW_PRIORITY_C1_STALL,service=fixed:1600,mean=3200,count=3000 LOW_PRIORITY_C1_STALL 10 100
    answers 3000
    same requests 3000 "$(grep -c '^sent' a.csv)"
}

test_a_store_finds_all_its_items() {
    loaded mica kind=mica,mean=2000,count=300
    answers 300
    says out "300 requests answered, 0 missing, 0 wrong"
}

test_words_of_memory_are_read() {
    loaded rdma kind=rdma,test=ONE_CONTEXT_FOUR_CORES,mean=400,count=300
    answers 300
    says out "300 requests answered, 0 wrong"
}

test_documents_are_those_of_all_words() {
    loaded intersect kind=intersect,test=ONE_CONTEXT_FOUR_CORES,mean=4000,count=200
    answers 200
    says out "200 requests answered, 0 wrong"
}

all="a_service_in_each_mode hardware_schedules_by_priority no_answer_comes_twice a_store_finds_all_its_items
    words_of_memory_are_read documents_are_those_of_all_words"
# shellcheck disable=SC2086
need_guests $all
for t in $all; do
    run_test "test_$t"
done
exit $((failures > 0))
