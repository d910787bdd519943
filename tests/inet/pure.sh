#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The TCP/IP stack reaches nothing but what it is handed: what its object files leave undefined is this list.
set -u

lib=$CARACAL_BUILD_DIR/src/libcaracal-inet.a
# memory of the pool, timers; functions that compute; what compilers call by themselves
allowed='mem_alloc_slow mem_release_slow timer_arm timer_cancel memcpy memmove memset memcmp strlen __assert_fail'
allowed+=' bcmp __divti3 __modti3 __udivti3 __umodti3'
# of sanitizers and instrumented builds
tool='^(__asan_|__ubsan_|__sanitizer_|__sanitize|__stack_chk_fail$|__gcov_|__llvm_|_GLOBAL_OFFSET_TABLE_$|__cyg_|llvm_)'

if [ ! -f "$lib" ]; then
    echo "not ok inet_is_pure there is no $lib"
    exit 1
fi
# a thin archive names its members relative to the archive
undefined=$(nm --undefined-only --no-sort -j "$lib" 2>/dev/null | grep -v ':$' | grep . | sort -u)
defined=$(nm --defined-only -j "$lib" 2>/dev/null | grep -v ':$' | grep . | sort -u)
strange=
for name in $(comm -23 <(echo "$undefined") <(echo "$defined")); do
    [[ $name =~ $tool ]] && continue
    [[ " $allowed " == *" $name "* ]] || strange+=" $name"
done
if [ -z "$undefined" ]; then
    echo "not ok inet_is_pure nm said nothing about $lib"
elif [ -n "$strange" ]; then
    echo "not ok inet_is_pure undefined in src/inet:$strange"
else
    echo "ok inet_is_pure"
fi
# variables that live as long as the process: none; what the loader relocates and then protects is constant
globals=$(size -A "$lib" |
    awk '$1 ~ /^\.(data|bss|tdata|tbss)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 {print $1, $2}' | sort -u)
if [ -n "$globals" ]; then
    echo "not ok inet_has_no_globals $globals"
else
    echo "ok inet_has_no_globals"
fi
