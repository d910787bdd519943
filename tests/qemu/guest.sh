#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A program of this machine on a kernel of its own: tests/qemu/run.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/apps/lib.bash
. "$here/../apps/lib.bash"

# In the guest. One boot is dear, so it answers for several tests.
inside() {
    cat <<'SCRIPT'
echo "to standard output"
echo "to standard error" >&2
touch "$HERE/written" 2>/dev/null && echo "wrote to the root"
echo kept >"$SHARE/file"
ls -d /sys/module/null_blk /sys/block/nullb2 2>&1
"$BUILD/apps/caracal-echo" server --bind 127.0.0.1:7000 >/dev/null &
for ((i = 0; i < 100; i++)); do
    : 2>/dev/null </dev/tcp/127.0.0.1/7000 && break
    sleep 0.1
done
"$BUILD/apps/caracal-echo" client --json --connect 127.0.0.1:7000 --requests 50
kill %1
exit 7
SCRIPT
}

boot() {
    mkdir -p "$work/share"
    "$here/run" --module "null_blk nr_devices=3" --share "$work/share" --env "SHARE=$work/share" \
        --env "BUILD=$build" --env "HERE=$here" -- bash -c "$(inside)" >"$work/out" 2>"$work/err"
    status=$?
}

status_and_both_outputs_come_back() {
    [ "$status" -eq 7 ] || fail "status $status: $(cat "$work/out" "$work/err")"
    contains "$work/out" 'to standard output'
    contains "$work/err" 'to standard error'
}

root_is_read_only_and_the_share_is_not() {
    if grep 'wrote to the root' "$work/out"; then
        fail "the guest can write here"
    fi
    [ "$(cat "$work/share/file")" = kept ] || fail "what was written to the share is not there"
}

modules_are_loaded_with_parameters() {
    contains "$work/out" '^/sys/module/null_blk$'
    contains "$work/out" '^/sys/block/nullb2$'
}

catnap_echoes_on_that_kernel() {
    json=$(cat "$work/out")
    holds "$(field requests) == 50 && $(field errors) == 0"
}

what_takes_too_long_is_killed() {
    "$here/run" --timeout 2 -- sleep 1000 >"$work/late" 2>&1
    status=$?
    [ "$status" -eq 124 ] || fail "status $status: $(cat "$work/late")"
    contains "$work/late" 'killed after 2 s'
}

tests=(status_and_both_outputs_come_back root_is_read_only_and_the_share_is_not modules_are_loaded_with_parameters
    catnap_echoes_on_that_kernel what_takes_too_long_is_killed)
if ! "$here/run" --have >"$work/have" 2>&1; then
    for name in "${tests[@]}"; do
        skip_test "$name" "$(tail -n 1 "$work/have")"
    done
    exit 0
fi
boot
for name in "${tests[@]}"; do
    run_test "$name"
done
exit $((failures != 0))
