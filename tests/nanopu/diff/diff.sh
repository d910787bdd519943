#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Random programs on the machine and on QEMU's: registers after each block and memory must be the same.
# DIFF_PROGRAMS (4), DIFF_BLOCKS of each (1500; about 200 instructions executed a block), DIFF_SEED (1) of the first.
set -u
source_dir=$CARACAL_SOURCE_DIR/tests/nanopu/diff
nanopu=$CARACAL_BUILD_DIR/tools/nanopu
seed=${DIFF_SEED:-1}
last=$((seed + ${DIFF_PROGRAMS:-4} - 1))

command -v qemu-system-riscv64 >/dev/null || { echo "skip diff there is no qemu-system-riscv64" && exit 0; }
command -v riscv64-unknown-elf-gcc >/dev/null || { echo "skip diff there is no riscv64-unknown-elf-gcc" && exit 0; }

# build OUT OPTIONS...: the program in program.S
build() {
    riscv64-unknown-elf-gcc -march=rv64gc -mabi=lp64d -mcmodel=medany -nostdlib \
        -Wl,--no-relax,-n,--no-warn-rwx-segments,-Ttext=0x80000000 \
        "${@:2}" -o "$1" "$source_dir/frame.S" program.S "$source_dir/finish.S"
}

# The prototype's instruction set: what QEMU adds to it is off.
qemu() {
    rm -f sig.bin
    timeout -s KILL 120 qemu-system-riscv64 -machine spike -m 64 -cpu rv64,zba=off,zbb=off,zbc=off,zbs=off,h=off \
        -nographic -monitor none -serial none -bios none \
        -kernel "$1" -semihosting-config enable=on,target=native </dev/null
}

# QEMU's reservations last; on the machine a miss of the instruction cache may be longer than one.
# check SEED MODE: what the machine writes is what QEMU wrote
check() {
    local said
    if ! timeout -s KILL 120 "$nanopu" run --timing "$2" --set reservation_cycles=1000000 program.elf \
        >ours.bin 2>errors; then
        echo "not ok diff seed $1 timing $2: $(tail -n 3 errors)"
    elif ! said=$(python3 "$source_dir/compare.py" sig.bin ours.bin); then
        echo "not ok diff seed $1 timing $2"
        printf '%s\n' "$said"
    else
        echo "ok diff seed $1 timing $2"
    fi
}

for (( ; seed <= last; seed++)); do
    if python3 "$source_dir/generate.py" "$seed" "${DIFF_BLOCKS:-1500}" >program.S && build qemu.elf -DQEMU &&
        build program.elf && qemu qemu.elf; then
        check "$seed" off
        check "$seed" on
    else
        echo "not ok diff seed $seed was not built or QEMU failed"
    fi
done
