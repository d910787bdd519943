#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The evaluation's guests with a load generator, or among themselves: each answers everything, and rightly.
set -u
# shellcheck source=tests/nanopu/command/lib.bash
. "$CARACAL_SOURCE_DIR/tests/nanopu/command/lib.bash"
apps=$CARACAL_BUILD_DIR/apps/nanopu

# loaded APP LOAD ARGUMENTS...: one host that runs APP, and a load generator at its link; its packets are in t.pcapng.
params='' background=''
loaded() {
    local app=$1 load=$2
    shift 2
    cat >t.yaml <<EOT
params: {$params}
hosts:
  - {name: server, program: $apps/$app.elf, args: [$(printf '"%s",' "$@")], $background}
ports:
  - {name: load, ip: 10.0.0.1, connect: "load:$load,csv=a.csv"}
links:
  - {between: [server, load]}
EOT
    nanopu 0 run --quiet --stats json --cycles 100M --pcap t.pcapng --topology t.yaml
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

# total: cycles from the first request of the last phase to its last answer.
total() { awk -F, '$1 == "sent" && $9 == 1 && !f { f = $4 } $1 == "answer" { l = $5 } END { print l - f }' a.csv; }

test_dot_products_are_quickest_in_registers() {
    local optimised naive rings
    local load=kind=dot,service=fixed:5000,time=exact,arrivals=fixed,mean=2000:1:1999,count=30,bytes=96
    params="cores: 1, link_cycles: 20, timeout_cycles: 30000"
    loaded dot "$load" optimised
    says out "60 requests answered"
    answers 60
    optimised=$(total)
    loaded dot "$load" naive
    says out "60 requests answered"
    naive=$(total)
    params="nic: rings, cores: 1, link_cycles: 20"
    loaded ring_dot "$load,acks=no" poll
    says out "60 requests answered"
    rings=$(total)
    loaded ring_dot "$load,acks=no" interrupt
    says out "60 requests answered"
    params=
    { [ "$optimised" -lt "$naive" ] && [ "$naive" -lt "$rings" ]; } ||
        fail "optimised $optimised cycles, naive $naive, with rings $rings"
}

# product_error: of a capture with one request and its answer, the answer's product less that of the request's words.
product_error() {
    python3 - <<'EOT'
import struct
data, at, words = open("t.pcapng", "rb").read(), 0, {}
while at < len(data):
    kind, length = struct.unpack_from("<II", data, at)
    frame = data[at + 28:at + 28 + struct.unpack_from("<I", data, at + 20)[0]] if kind == 6 else b""
    if len(frame) > 80 and frame[34] == 1:
        payload = struct.unpack(">%dQ" % ((len(frame) - 64) // 8), frame[64:64 + (len(frame) - 64) // 8 * 8])
        if payload[0] != 0:
            words[frame[29]] = payload[2:]
    at += length
print((words[2][0] - sum(w * (3 * w + 1) for w in words[1])) % 2**64)
EOT
}

test_a_dot_product_is_right_on_both_nics() {
    params="cores: 1"
    loaded dot "kind=dot,bytes=96,mean=5000,count=1" optimised
    says out "1 requests answered"
    same "too much" 0 "$(product_error)"
    loaded dot "kind=dot,bytes=96,mean=5000,count=1" naive
    same "too much" 0 "$(product_error)"
    params="nic: rings, cores: 1"
    loaded ring_dot "kind=dot,bytes=96,mean=5000,count=1,acks=no" poll
    says out "1 requests answered"
    same "too much, with rings" 0 "$(product_error)"
    params=
}

test_rings_give_back_what_came() {
    local how
    params="nic: rings, cores: 1, link_cycles: 20" background="background: yes"
    for how in poll queues interrupt; do
        loaded ring_loopback "time=exact,mean=900,count=100,bytes=256,acks=no" "$how"
        answers 100
        same "answers that name no request" 0 \
            "$(awk -F, '$1 == "sent" { s[$4] = 1 } $1 == "answer" && !s[$4]' a.csv | wc -l)"
        ! grep -qE '"drop_[a-z_]*":[1-9]' out || fail "something was lost"
    done
    says out '"interrupts":'
    ! grep -q '"interrupts":0' out || fail "no interrupt"
    params='' background=''
}

test_a_chain_has_the_same_items_everywhere() {
    cat >t.yaml <<EOT
params: {cores: 1}
hosts:
  - {name: proxy, program: $apps/chain.elf, args: [proxy, 10.0.0.3]}
  - {name: node, count: 3, program: $apps/chain.elf, args: [node, 10.0.0.2]}
switches:
  - {name: s, kind: osdi21}
ports:
  - {name: load, ip: 10.0.0.1, connect: "load:kind=chainrep,service=fixed:1000,mean=1000,count=300,csv=a.csv"}
EOT
    nanopu 0 run --cycles 100M --topology t.yaml
    answers 300
    says out "300 requests answered"
    same "nodes that made all writes" 3 "$(grep -c '300 writes' out)"
    same "different stores" 1 "$(grep -o 'sum .*' out | sort -u | wc -l)"
}

test_slowdowns_are_of_messages_that_came_whole() {
    cat >t.yaml <<EOT
profile: homa
params: {cores: 1}
hosts:
  - {name: client, count: 2, program: $apps/slowdown.elf, args: [client, 10.0.0.4, "{i}", "2"]}
  - {name: server, program: $apps/slowdown.elf, args: [server, "2"]}
EOT
    nanopu 0 run --cycles 10M --topology t.yaml
    says out "4 messages, 0 wrong"
    awk '/slowdown 2/ { n++; if ($4 < 1 || $4 > 3) exit 1 } END { exit n != 2 }' out || fail "slowdowns: $out"
}

all="a_service_in_each_mode hardware_schedules_by_priority no_answer_comes_twice a_store_finds_all_its_items
    words_of_memory_are_read documents_are_those_of_all_words dot_products_are_quickest_in_registers
    a_dot_product_is_right_on_both_nics rings_give_back_what_came a_chain_has_the_same_items_everywhere
    slowdowns_are_of_messages_that_came_whole"
# shellcheck disable=SC2086
need_guests $all
for t in $all; do
    run_test "test_$t"
done
exit $((failures > 0))
