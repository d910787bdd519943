#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The judges judged: run-suite counts what happened, check-style names each offender.
set -u
scripts=$CARACAL_SOURCE_DIR/scripts

# expect NAME FILE LINE...: every LINE is somewhere in FILE, as an extended regular expression.
expect() {
    local name=$1 file=$2 line
    shift 2
    for line in "$@"; do
        if ! grep -qE -- "$line" "$file"; then
            sed 's/^/# /' "$file"
            echo "# wanted: $line"
            echo "not ok $name"
            return
        fi
    done
    echo "ok $name"
}

# suite NAME TIMEOUT_S SHELL-COMMAND: runs one test program through run-suite; output in ./said, status in $status.
suite() {
    mkdir -p build/meson-info
    python3 - "$@" >build/meson-info/intro-tests.json <<'PYTHON'
import json, os, sys
print(json.dumps([{"name": sys.argv[1], "cmd": ["bash", "-c", sys.argv[3]], "env": {}, "workdir": None,
                   "timeout": int(sys.argv[2]), "suite": ["x:script", *os.environ.get("TAGS", "").split()],
                   "is_parallel": True}] * int(os.environ.get("TIMES", "1"))))
PYTHON
    env -u CARACAL_TEST_ID "$scripts/run-suite" --build build --label L >said 2>&1
    status=$?
    echo "status $status" >>said
}

suite good 9 'echo 1..2; echo ok 1 - one; echo ok 2 - two'
expect run_suite__counts_tap said '^ok      L good: one$' '^ok      L good: two$' '^status 0$'
suite bad 9 'echo ok one; echo not ok two; exit 1'
expect run_suite__counts_failures said '^ok      L bad: one$' '^FAILED  L bad: two$' '^status 1$'
suite skips 9 'echo skip one needs root; echo "# skip: no device"; echo "not ok 2 # SKIP two"'
expect run_suite__counts_skips said '^SKIPPED L skips: one  -- needs root$' '^SKIPPED L skips: two  -- no device$' \
    '^status 0$'
suite dies 9 'echo 1..2; echo ok 1 - one; kill -SEGV $$'
expect run_suite__sees_a_crash said '^ok .* one$' '^FAILED  L dies: .whole program.  -- killed by SIGSEGV' '^status 1$'
suite short 9 'echo 1..2; echo ok 1 - one'
expect run_suite__sees_a_missing_test said '^FAILED  L short: .*announced 2 tests, told of 1' '^status 1$'
suite quiet 9 'true'
expect run_suite__refuses_silence said '^FAILED  L quiet: .*printed no result' '^status 1$'
suite hangs 1 'sleep 60'
expect run_suite__ends_what_hangs said '^FAILED  L hangs: .*timed out after 1 s' '^status 1$'
nap="sleep 7$$" # no other run's
suite leaves 9 "echo ok one; setsid $nap & exit 0"
expect run_suite__ends_what_is_left said "^FAILED  L leaves: .processes left behind.*$nap" '^status 1$'
if pgrep -f "^$nap\$" >/dev/null; then
    echo "not ok run_suite__leaves_no_process"
else
    echo "ok run_suite__leaves_no_process"
fi

# a test that fails in its first run only, and says which run it is
cat >twice.sh <<'SH'
echo run >>"$1"
n=$(wc -l <"$1")
echo "this is run $n"
echo ok one
[ "$n" = 2 ] && echo ok two || echo not ok two
SH
twice="bash $PWD/twice.sh $PWD/ran"
TAGS=x:realtime suite twice 9 "$twice"
expect run_suite__runs_real_time_tests_again said '^# first run: ok      L twice: one$' \
    '^# first run: FAILED  L twice: two$' 'this is run 1$' '^ok      L twice: two$' \
    '^# passed only at the second run: L twice$' '^status 0$'
cat build/logs/L-twice*.log >both
expect run_suite__keeps_both_logs both 'this is run 1' 'this is run 2'
if [ "$(grep -c '^ok ' said)$(grep -c '^FAILED ' said)" = 20 ]; then
    echo "ok run_suite__counts_the_second_run_alone"
else
    echo "not ok run_suite__counts_the_second_run_alone"
fi
rm -f ran
suite once 9 "$twice"
expect run_suite__runs_other_tests_once said '^FAILED  L once: two$' '^status 1$'
TAGS=x:realtime suite never 9 'echo ok one; echo not ok two'
expect run_suite__second_run_can_fail said '^# first run: FAILED  L never: two$' '^FAILED  L never: two$' '^status 1$'
TAGS=x:realtime TIMES=6 suite many 9 'echo ok one; echo not ok two'
expect run_suite__runs_none_again_where_many_fail said '^# 6 real-time tests failed: none runs again$' \
    '^FAILED  L many: two$' '^status 1$'

# A tree with one offence of each kind; the licence line is made here so that this file has but one.
mkdir -p tree/scripts tree/src/core tree/src/libos
cp "$scripts/check-style" tree/scripts/
licence='/* SPDX-License''-Identifier: MIT */'
: >tree/src/libos/high.h
{
    echo "$licence"
    echo '#include "libos/high.h"'
    echo '#include <liburing.h>'
    echo '#include <yaml.h>'
    printf 'int long_one(void)\n{\n%s}\n' "$(printf '    return 1;\n%.0s' {1..70})
"
    echo 'int trailing; '
    echo "/* TO""DO: later */"
    printf '/* %0125d */\n' 1
} >tree/src/core/bad.c
echo '#define X 1' >tree/src/core/unlicensed.h
{
    echo "$licence"
    yes 'int x;' | head -n 700
} >tree/src/core/long.c
tree/scripts/check-style >said 2>&1
echo "status $?" >>said
expect check_style__names_long_functions said 'bad.c:5: long_one has 7[0-9] lines'
expect check_style__names_long_files said 'long.c:701: 599 lines'
expect check_style__names_long_lines said 'bad.c:[0-9]+: 131 columns'
expect check_style__guards_rooms said 'bad.c:2: src/core may not include src/libos/high.h' \
    'bad.c:3: src/core may not include <liburing.h>'
expect check_style__names_the_unfinished said 'bad.c:[0-9]+: .* TO''DO: later'
expect check_style__wants_licences said 'unlicensed.h:1: no SPDX'
expect check_style__names_white_space said 'bad.c:[0-9]+: white space at the end'
expect check_style__fails said '^status 1$'
if grep -q yaml said; then
    echo "not ok check_style__lets_core_have_yaml"
else
    echo "ok check_style__lets_core_have_yaml"
fi
