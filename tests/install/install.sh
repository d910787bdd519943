#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs into an empty prefix and does what a stranger would: compiles against the headers, links shared and static,
# and runs; then looks at which names the libraries define.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$PWD
prefix=$work/usr
cc=${CC:-cc}
build=$CARACAL_BUILD_DIR

# try NAME COMMAND...: a result line, and on failure what the command said.
try() {
    local name=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "ok $name"
    else
        sed 's/^/# /' "$work/said"
        echo "not ok $name"
    fi
}

install_tree() {
    DESTDIR=$work/dest meson install -C "$build" --no-rebuild --quiet || return 1
    local at
    at=$(find "$work/dest" -path '*/include/demi/libos.h') || return 1
    # Move the installed tree to a prefix of its own; the pkg-config file finds itself there.
    mv "${at%/include/demi/libos.h}" "$prefix"
}

flags() { PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --define-variable=prefix="$prefix" "$@" caracal; }

# Runs a program with the installed library; the output must be the message.
says_hello() {
    local out
    out=$(LD_LIBRARY_PATH=${2-$lib} LIBOS=catnap "$1") || return 1
    echo "$out"
    [ "${out#* }" = "through the queue" ]
}

compile() { eval "$cc -std=c17 -Wall -Wextra -Werror -o \"$1\" \"$here/use.c\" $2"; }

link_shared() { compile use-shared "$(flags --cflags --libs)" && says_hello ./use-shared; }

# Static library, libyaml from its archive as well; libc stays shared so that modules can be opened.
link_static() {
    local libs
    libs=$(flags --static --libs)
    compile use-static "$(flags --cflags) -Wl,-Bstatic $libs -Wl,-Bdynamic" || return 1
    if ldd ./use-static | grep -E 'caracal|yaml'; then
        return 1
    fi
    says_hello ./use-static /nonexistent
}

link_all_static() {
    compile use-all-static "-static $(flags --static --cflags --libs)" && says_hello ./use-all-static /nonexistent
}

# A program that was linked to Demikernel: its library has the soname libdemikernel.so and no symbol versions.
old_binary() {
    mkdir -p old && sed -n 's/.*\b\(demi_[a-z_]*\)(.*/void \1(void);void \1(void){}/p' <(calls) >old/stub.c &&
        "$cc" -shared -fPIC -Wl,-soname,libdemikernel.so -o old/libdemikernel.so old/stub.c &&
        compile use-old "$(flags --cflags) -Lold -ldemikernel" &&
        readelf -d use-old | grep -q 'NEEDED.*libdemikernel.so' && says_hello ./use-old
}

# Every call that the public headers declare, one a line.
calls() {
    cat "$prefix"/include/demi/*.h | grep -oE '^extern .*\bdemi_[a-z_]+\(' | grep -oE 'demi_[a-z_]+\(' | sort -u
}

declared_calls_are_exported() {
    calls | tr -d '(' >declared
    nm -D --defined-only "$lib/libcaracal.so" | awk '$2 ~ /[TW]/ {sub(/@.*/, "", $3); print $3}' | sort -u >exported
    diff declared exported
}

only_demi_exported() {
    ! nm -D --defined-only "$lib/libcaracal.so" | grep -vE ' (demi_[a-z_]*(@@CARACAL_[0-9]+)?|CARACAL_[0-9]+)$'
}

only_demi_in_archive() {
    nm -g --defined-only "$lib/libcaracal.a" | grep -qE ' T demi_init$' &&
        ! nm -g --defined-only "$lib/libcaracal.a" | grep -E '^[0-9a-f]+ ' | grep -vE ' T demi_[a-z_]*$'
}

# Nothing but libc and libyaml behind the library.
needs_little() {
    ! readelf -d "$lib/libcaracal.so" | grep NEEDED | grep -vE 'libc\.so|libyaml|ld-linux|libm\.so'
}

# Every symbol that a module wants is in it or in a library that it names.
module_is_complete() { ! ldd -r "$1" 2>&1 | grep -E 'undefined symbol|not found'; }

module_exports_little() { ! nm -D --defined-only "$1" | grep -vE ' caracal_[a-z_]*$'; }

soname() { readelf -d "$lib/libcaracal.so" | grep -q 'SONAME.*\[libcaracal.so.0\]'; }

header_alone() {
    printf '#include <demi/%s>\nint one;\n' "$1" >"$1.c"
    eval "$cc -std=c11 -pedantic -Wall -Wextra -Werror -fsyntax-only $(flags --cflags) $1.c"
}

headers_in_cxx() {
    for h in "$prefix"/include/demi/*.h; do
        echo "#include <demi/$(basename "$h")>"
    done >all.cc
    eval "g++ -std=c++17 -pedantic -Wall -Wextra -Werror -fsyntax-only $(flags --cflags) all.cc"
}

help_is_short_and_ends_well() { LD_LIBRARY_PATH=$lib "$1" --help | grep -q .; }

# A guest of the simulated machine, with what was installed alone.
guest_runs() {
    cat >guest.c <<'END'
#include <nanopu/nanopu.h>
#include <stdio.h>

int main(void)
{
    printf("at %u\n", nanopu_hart());
}
END
    "$prefix/bin/nanopu" cc guest.c -o guest.elf && "$prefix/bin/nanopu" run --quiet guest.elf >guest.out &&
        [ "$(cat guest.out)" = "at 0" ]
}

try install_tree install_tree
lib=$(dirname "$(find "$prefix" -name libcaracal.so | head -n 1)")
[ -e "$lib/libcaracal.so" ] || {
    echo "not ok library_is_installed"
    exit 1
}
try link_shared link_shared
try link_static link_static
try link_all_static link_all_static
try program_of_demikernel_runs old_binary
try declared_calls_are_exported declared_calls_are_exported
try only_demi_is_exported only_demi_exported
try only_demi_is_global_in_the_archive only_demi_in_archive
try needs_only_libc_and_libyaml needs_little
for module in "$lib"/caracal/*.so; do
    [ -e "$module" ] || continue
    try "module_is_complete_$(basename "$module" .so)" module_is_complete "$module"
    try "module_exports_little_$(basename "$module" .so)" module_exports_little "$module"
done
try soname_is_libcaracal_so_0 soname
for h in "$prefix"/include/demi/*.h; do
    try "header_alone_$(basename "$h" .h)" header_alone "$(basename "$h")"
done
if [ -f "$build/sdk/libnanopu.a" ]; then
    try guest_runs guest_runs
else
    echo "skip guest_runs the guest runtime is not built here"
fi
if command -v g++ >/dev/null; then
    try headers_in_cxx headers_in_cxx
else
    echo "skip headers_in_cxx there is no g++"
fi
for program in "$prefix"/bin/*; do
    [ ! -x "$program" ] || try "help_of_$(basename "$program")" help_is_short_and_ends_well "$program"
done
