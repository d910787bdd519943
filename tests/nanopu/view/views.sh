#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The instruction trace, the pipeline log and the debugger's stub, on a program of two harts.

# shellcheck disable=SC2016 # dollars are the debugger's
# shellcheck source=tests/nanopu/command/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/../command/lib.bash"
here=$(dirname "${BASH_SOURCE[0]}")

# What nanopu run says of the run's end: cycles and instructions.
run_end() {
    "$nanopu" run --cores 2 --quiet --stats text "$@" guest.elf >said 2>&1
    grep -oE 'after [0-9]+ cycles|[0-9]+ instructions' said || fail "the run said $(<said)"
}

trace__observes_and_changes_nothing() {
    local mode
    for mode in on off; do
        same "end with timing $mode" "$(run_end --timing $mode)" "$(run_end --timing $mode --trace trace --konata log)"
    done
}

# As many lines as instructions; every one has its place; the values are those of the program.
trace__has_every_instruction() {
    local instructions
    instructions=$(run_end --timing on --trace trace | sed -n 's/ instructions//p')
    same lines "$instructions" "$(grep -cv ' trap ' trace)"
    same "calls of twice" 3 "$(grep -c "^[0-9]* 0 $(address twice) " trace)"
    grep -A12 "^[0-9]* 0 $(address twice) " trace | grep -qE 'c.slli a0,0x1|slliw a0,a0,0x1  a0=0000000000000006' ||
        fail "no product: $(grep -A12 " $(address twice) " trace)"
    awk '$2 == 0 && $1 <= last { exit 1 } $2 == 0 { last = $1 }' trace || fail "two instructions of a hart in one cycle"
}

# address SYMBOL
address() {
    riscv64-unknown-elf-nm guest.elf | awk -v s="$1" '$3 == s { print $1 }'
}

# Stages of an instruction are in order, each cycle is in order, all that is begun retires.
konata__is_in_order() {
    run_end --timing on --konata log >end
    python3 - <<'PYTHON' || fail "the log is not in order"
cycle, stages, begun, retired = 0, {}, set(), 0
lines = open("log").read().splitlines()
assert lines[0] == "Kanata\t0004", lines[0]
assert lines[1].startswith("C=\t")
for line in lines[2:]:
    field = line.split("\t")
    if field[0] == "C":
        assert int(field[1]) > 0
        cycle += int(field[1])
    elif field[0] == "I":
        assert int(field[1]) == len(begun)
        begun.add(field[1])
    elif field[0] == "S":
        stages.setdefault(field[1], []).append((cycle, field[3]))
    elif field[0] == "R":
        assert int(field[2]) == retired and field[3] == "0"
        retired += 1
        at = dict((s, c) for c, s in stages.pop(field[1]))
        assert list(at) == ["F", "D", "X", "M", "W"], at
        assert at["D"] < at["X"] == at["M"] - 1 == at["W"] - 2 == cycle - 3, at
assert retired == len(begun) > 1000 and not stages
PYTHON
}

# debug COMMAND...: the program under the debugger; what both said is in out and err
debug() {
    local port='' commands=() command pid
    rm -f err
    gdb_port=$((${gdb_port:-20000 + $$ % 10000} + 1))
    timeout -s KILL 50 "$nanopu" run --quiet --cores 2 --gdb "$gdb_port" guest.elf >out 2>err </dev/null &
    pid=$!
    for ((i = 0; i < 100; i++)); do
        port=$(sed -n 's/.*127.0.0.1://p' err 2>/dev/null)
        [ -n "$port" ] && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    for command in "set confirm off" "set pagination off" "target remote 127.0.0.1:$port" "$@"; do
        commands+=(-ex "$command")
    done
    timeout -s KILL 40 gdb-multiarch -batch -nx "${commands[@]}" guest.elf >gdb.out 2>&1 </dev/null
    wait "$pid"
    status=$?
}

gdb__breakpoints_steps_registers_memory() {
    debug 'info registers pc' 'break twice' 'continue' 'info args' 'bt' 'stepi' 'stepi' 'print $pc == (long)twice + 4' \
        'print/x $mhartid' 'print $fcsr' 'finish' 'set var counter = 100' 'continue' 'print x' 'delete' \
        'break printf' 'continue' 'print f' 'print $_exitcode' 'continue'
    says gdb.out "pc             0x80000000"
    says gdb.out "hit Breakpoint 1, twice (x=x@entry=1)"
    says gdb.out "in main () at"
    says gdb.out "Value returned is \$4 = 2"
    says gdb.out "\$5 = 2"
    says gdb.out "\$6 = 12"
    says out "sum 12 counter 105"
    says gdb.out "exited with code 014"
    same "exit code" 12 "$status"
}

gdb__harts_are_threads() {
    debug 'break twice' 'continue' 'info threads' 'thread 2' 'print/x $mhartid' 'print $a0 = 77' 'print $a0' 'kill'
    says gdb.out "host 0 hart 0, cycle "
    says gdb.out "host 0 hart 1, cycle "
    says gdb.out "\$1 = 0x1"
    says gdb.out "\$3 = 77"
    [ "$status" -ne 0 ] || fail "a run that was killed ended well"
}

gdb__moves_the_pc_and_writes_code() {
    debug 'break twice' 'continue' 'set var *(int *)$pc = 0x00008067' 'delete' 'continue'
    says out "counter 0"
    debug 'break twice' 'continue' 'delete' 'set var $a0 = 50' 'set var $pc = $ra' 'continue'
    says out "sum 60 counter 5"
}

gdb__detach_lets_it_run() {
    debug 'break twice' 'continue' 'detach'
    says out "sum 12 counter 6"
    same "exit code" 12 "$status"
}

tests=(trace__observes_and_changes_nothing trace__has_every_instruction konata__is_in_order
    gdb__breakpoints_steps_registers_memory gdb__harts_are_threads gdb__moves_the_pc_and_writes_code
    gdb__detach_lets_it_run)
need_guests "${tests[@]}"
export NANOPU_SDK=$CARACAL_BUILD_DIR/sdk
"$nanopu" cc -g -O1 --cores 2 "$here/guest.c" -o guest.elf || exit 1
for t in "${tests[@]}"; do
    case $t in
    gdb__*) command -v gdb-multiarch >/dev/null || { echo "skip $t there is no gdb-multiarch" && continue; } ;;
    esac
    run_test "$t"
done
[ "$failures" -eq 0 ]
