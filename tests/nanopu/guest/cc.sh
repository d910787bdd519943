#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# nanopu cc and nanopu info: what they make and say of good and of bad programs.
set -u

nanopu=$CARACAL_BUILD_DIR/tools/nanopu
failed=0

# verdict NAME STATUS: 0 is ok; $PWD/log is shown otherwise.
verdict()
{
    if [ "$2" -eq 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^/# /' log
        failed=1
    fi
}

# says NAME STATUS TEXT COMMAND...: the command ends with STATUS and prints TEXT somewhere.
says()
{
    local name=$1 status=$2 text=$3
    shift 3
    "$@" >log 2>&1
    [ $? -eq "$status" ] && { [ -z "$text" ] || grep -qF -- "$text" log; }
    verdict "$name" $?
}

says no_file 2 'no file is given' "$nanopu" cc
says cores_out_of_range 2 '--cores takes a number' "$nanopu" cc --cores 65 x.c
printf 'int main(void) { return 0; }\n' >x.c
says no_compiler 1 'apt-get install gcc-riscv64-unknown-elf' env PATH=/nonexistent "$nanopu" cc x.c -o x.elf
says no_runtime 1 'there is no guest runtime in /nonexistent' env NANOPU_SDK=/nonexistent "$nanopu" cc x.c -o x.elf
says info_no_file 1 'nothere' "$nanopu" info nothere
says info_text_file 1 'not an ELF file' "$nanopu" info x.c
says info_this_machine 1 'not for RISC-V' "$nanopu" info "$nanopu"

if [ ! -f "$CARACAL_BUILD_DIR/sdk/libnanopu.a" ]; then
    echo "skip programs the guest runtime is not built here"
    exit "$failed"
fi

cat >echo.c <<'END'
#include <nanopu/nanopu.h>
int main(int argc, char **argv)
{
    (void)argv;
    nanopu_register(0, 0);
    nanopu_wait();
    nanopu_tx_rx();
    nanopu_tx(5);
    nanopu_tx((uint64_t)argc);
    return (int)nanopu_rx();
}
END
says compiles 0 '' "$nanopu" cc -Wall -Werror --cores 2 echo.c -o echo.elf
says info_runs 0 'runs       yes' "$nanopu" info echo.elf
says info_entry 0 'entry      0x80000000  _start' "$nanopu" info echo.elf
says info_tohost 0 'symbol     0x80001000  tohost' "$nanopu" info echo.elf
says info_fromhost 0 'symbol     0x80001040  fromhost' "$nanopu" info echo.elf
says info_arch 0 'compiled   for rv64i' "$nanopu" info echo.elf
says info_csr 0 'CSR        0x052       lmsgsrdy' "$nanopu" info echo.elf
# Read by main twice and by the end of a thread; written by main three times.
says info_network 0 'read by 3 instructions, netTX (x31) written by 3' "$nanopu" info echo.elf

says object 0 '' "$nanopu" cc -c echo.c -o echo.o
says info_object 1 'object file' "$nanopu" info echo.o
says links_objects 0 '' "$nanopu" cc echo.o -o echo2.elf
says error_of_the_source 1 'error' "$nanopu" cc nothere.c -o n.elf

# The C library's strtof keeps values in x30 and x31.
printf '#include <stdlib.h>\nint main(int c, char **v) { return (int)strtof(v[c - 1], 0); }\n' >bad.c
says library_registers 1 'uses the network registers x30 and x31' "$nanopu" cc bad.c -o bad.elf
[ ! -e bad.elf ]
verdict library_registers_no_output $?

# A program that takes x30 for an ordinary register.
printf 'void f(void); void f(void) { __asm__ volatile("mv x30, x31"); } int main(void) { f(); return 0; }\n' >odd.c
says odd_compiles 0 '' "$nanopu" cc odd.c -o odd.elf
says info_odd 1 'write x30 or read x31' "$nanopu" info odd.elf

printf 'int plain(int x) { return x; }\n' >plain.c
says without_nanopu_flag 1 'x30 and x31 are the network registers' riscv64-unknown-elf-gcc \
    -I"$CARACAL_SOURCE_DIR/include" -include nanopu/net.h -c plain.c -o plain.o

mkdir tmp
TMPDIR=$PWD/tmp "$nanopu" cc x.c -o x.elf && TMPDIR=$PWD/tmp "$nanopu" cc bad.c -o bad.elf 2>log
ls tmp >log
[ ! -s log ]
verdict no_files_left $?
exit "$failed"
