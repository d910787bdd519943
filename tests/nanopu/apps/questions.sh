#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every block of commands in docs/nanopu-questions.md marked `sh` runs and says something. The first one only names
# directories, which are this test's.
set -u
# shellcheck source=tests/nanopu/command/lib.bash
. "$CARACAL_SOURCE_DIR/tests/nanopu/command/lib.bash"
page=$CARACAL_SOURCE_DIR/docs/nanopu-questions.md

# block N: the Nth block of commands, from 1.
block() { awk -v want="$1" '/^```sh$/ { n++; on = n == want; next } /^```/ { on = 0 } on' "$page"; }

test_every_command_runs() {
    local n=2
    echo "PATH=$CARACAL_BUILD_DIR/tools:\$PATH APPS=$CARACAL_BUILD_DIR/apps/nanopu" >common.sh
    block 2 | sed -n '/^cat/,/^p99()/p' >>common.sh
    while block "$n" >block.sh && [ -s block.sh ]; do
        { cat common.sh && echo "set -eu -o pipefail" && cat block.sh; } >run.sh
        bash run.sh >said 2>err || fail "block $n: $(<err)"
        [ -s said ] || fail "block $n says nothing"
        ! grep -qE ': +(us)?$' said || fail "block $n has no figure: $(<said)"
        n=$((n + 1))
    done
    [ "$n" -ge 9 ] || fail "only $((n - 1)) blocks"
}

# The page's claims, as far as they are of size and not of taste.
test_the_answers_are_those_that_the_page_expects() {
    block 5 >>common.sh && bash common.sh >said
    awk '/^LNIC/ { a = $2 } /^TIMER/ { b = $2 } END { exit !(a > 0 && a < b) }' said || fail "schedulers: $(<said)"
}

all="every_command_runs the_answers_are_those_that_the_page_expects"
# shellcheck disable=SC2086
need_guests $all
for t in $all; do
    run_test "test_$t"
done
exit $((failures > 0))
