#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# nanopu bench: runs, tables, the report, runs that are done, a job array; and figures that must be near the published.
set -u
# shellcheck source=tests/nanopu/command/lib.bash
. "$CARACAL_SOURCE_DIR/tests/nanopu/command/lib.bash"

test_experiments_are_listed() {
    nanopu 0 bench
    says out "hts "
    says out "loopback "
    nanopu 2 bench nothing
    says err 'there is no experiment "nothing"'
    nanopu 2 bench --jobs 0 hts
    says err "--jobs takes a number"
}

# column FILE NUMBER LINE-PATTERN: that field of the first such line.
column() { grep -m1 -E "$3" "$1" | cut -d, -f"$2"; }

test_wire_figures_are_near_the_published() {
    local error
    nanopu 0 bench --quick --out ev loopback stream
    [ "$(wc -l <ev/errors.csv)" -eq 27 ] || fail "errors.csv: $(wc -l <ev/errors.csv) lines"
    for row in '^loopback,nanoPU,16,' '^loopback,nanoPU,1024,' '^stream,nanoPU,64,' '^stream,nanoPU,1024,'; do
        error=$(column ev/errors.csv 6 "$row")
        awk -v e="$error" 'BEGIN { exit !(e > -4 && e < 4) }' || fail "$row: an error of $error %"
    done
    says ev/points.csv "loopback,nanoPU,16,16,"
    same "header of errors.csv" "experiment,row,x,published,ours,error_pct,limit_pct" "$(head -1 ev/errors.csv)"
    says ev/report.html "<svg"
    says ev/report.html "prefers-color-scheme"
    says ev/report.html "nanopu bench --quick --out ev loopback stream"
    ! grep -qE '(href|src)=' ev/report.html || fail "the report needs other files"
}

# ours EXPERIMENT,ROW,SETTING: that point of points.csv.
ours() { grep -m1 "^$1," ev/points.csv | cut -d, -f5; }

test_registers_beat_a_conventional_nic() {
    nanopu 0 bench --quick --out ev dot_speedup
    for bytes in 8 400; do
        awk -v a="$(ours "dot_speedup,optimised,$bytes")" -v b="$(ours "dot_speedup,naive,$bytes")" \
            'BEGIN { exit !(a > b && b > 1) }' || fail "$bytes bytes: not quicker"
        awk -v a="$(ours "dot,IceNIC,$bytes")" -v b="$(ours "dot,optimised,$bytes")" \
            -v c="$(ours "dot_speedup,optimised,$bytes")" 'BEGIN { exit !(a / b > c - 0.01 && a / b < c + 0.01) }' ||
            fail "$bytes bytes: the ratio is not that of its rows"
    done
}

test_one_sided_operations_take_as_long_as_published() {
    nanopu 0 bench --quick --out ev rdma_latency
    same "points off by more than 3 %" 0 "$(awk -F, 'NR > 1 && ($6 > 3 || $6 < -3)' ev/errors.csv | wc -l)"
    same points 12 "$(grep -c ^rdma_latency ev/errors.csv)"
}

test_the_incast_fills_the_queues_as_published() {
    nanopu 0 bench --quick --out ev incast incast_time
    same "points off by more than 3 %" 0 "$(awk -F, 'NR > 1 && ($6 > 3 || $6 < -3)' ev/errors.csv | wc -l)"
    same points 6 "$(grep -c ^incast ev/errors.csv)"
    same "bytes in the low queue" 0.0 "$(column ev/errors.csv 6 '^incast,peak of the low queue')"
    same "bytes in the high queue" 0.0 "$(column ev/errors.csv 6 '^incast,peak of the high queue')"
}

test_the_transports_among_ten_senders() {
    local row
    nanopu 0 bench --quick --out ev slowdown occupancy
    for row in '^slowdown,NDP 108 KB,20,' '^slowdown,NDP 108 KB,38,' '^slowdown,Homa 108 KB,38,' \
        '^slowdown,HomaTr 54 KB,38,' '^occupancy,NDP,108801,' '^occupancy,Homa,108801,'; do
        awk -v e="$(column ev/errors.csv 6 "$row")" 'BEGIN { exit !(e > -5 && e < 5) }' ||
            fail "$row: an error of $(column ev/errors.csv 6 "$row") %"
    done
    same "messages of NDP with 54 KB" 10 "$(grep -c '^slowdown,NDP 54 KB' ev/points.csv)"
}

test_runs_that_are_done_stay_done() {
    nanopu 0 bench --quick --out ev loopback
    [ "$(find ev -name 'done' | wc -l)" -eq 28 ] || fail "$(find ev -name 'done' | wc -l) runs done"
    rm ev/loopback/loopback/64/done
    echo kept >ev/loopback/loopback/16/output.txt
    nanopu 0 bench --quick --out ev loopback
    same "output of a run that was done" kept "$(cat ev/loopback/loopback/16/output.txt)"
    [ -e ev/loopback/loopback/64/done ] || fail "the run that was not done was not run again"
}

test_a_job_array_does_the_same() {
    nanopu 0 bench --quick --slurm --out ev throughput
    [ "$(wc -l <ev/runs.txt)" -eq 21 ] || fail "$(wc -l <ev/runs.txt) runs in the array"
    says ev/jobs.sh "--array=1-21"
    for task in $(seq 21); do
        SLURM_ARRAY_TASK_ID=$task sh ev/jobs.sh || fail "task $task"
    done
    [ "$(find ev -name 'done' | wc -l)" -eq 21 ] || fail "$(find ev -name 'done' | wc -l) runs done"
    nanopu 0 bench --quick --out ev throughput
    says out "throughput   nanoPU"
}

test_a_failed_run_is_named() {
    mkdir -p bin/tools && cp "$CARACAL_BUILD_DIR/tools/nanopu" bin/tools/ && mkdir -p bin/apps/nanopu
    cp "$CARACAL_BUILD_DIR/tools/published.csv" bin/tools/
    cp "$CARACAL_BUILD_DIR/apps/nanopu/evaluation.elf" bin/apps/nanopu/
    local nanopu=bin/tools/nanopu
    nanopu 1 bench --quick --jobs 1 --out ev loopback
    says err "a run failed: see"
}

all="experiments_are_listed wire_figures_are_near_the_published registers_beat_a_conventional_nic
    one_sided_operations_take_as_long_as_published the_incast_fills_the_queues_as_published
    the_transports_among_ten_senders runs_that_are_done_stay_done a_job_array_does_the_same a_failed_run_is_named"
# shellcheck disable=SC2086
need_guests $all
for t in $all; do
    rm -rf ev bin
    run_test "test_$t"
done
exit $((failures > 0))
