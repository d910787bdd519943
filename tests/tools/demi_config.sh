#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demi config: every key with its value here, and a file to start from.

# shellcheck source=tests/tools/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"
unset RUN_DIR

field_of() {
    value "[k for k in d['keys'] if k['key'] == '$1'][0]['$2']"
}

config__shows_defaults() {
    demi 0 config
    grep -qE '^idle +adaptive +spin\|adaptive\|block$' <<<"$out" || fail "$out"
    grep -qE '^max_queues +65536 +16 to 1048576$' <<<"$out" || fail "$out"
    grep -q '  what a wait does while nothing is ready' <<<"$out" || fail "$out"
}

config__shows_file_then_environment() {
    printf 'idle: block\nspin_us: 7\n' >"$work/c.yaml"
    CONFIG_PATH=$work/c.yaml SPIN_US=9 demi 0 config --json
    same idle block "$(field_of idle value)"
    same default adaptive "$(field_of idle default)"
    same spin_us 9 "$(field_of spin_us value)"
    same variable SPIN_US "$(field_of spin_us variable)"
}

config__template_gives_the_same_settings() {
    local wanted
    export IDLE=block MEMORY_LIMIT=2g RUN_DIR=$'/a "b\\c: #d \xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80' TSC=false
    demi 0 config --json
    wanted=$out
    demi 0 config --yaml
    cp "$work/out" "$work/template.yaml"
    unset IDLE MEMORY_LIMIT RUN_DIR TSC
    same "lines that set something" 4 "$(grep -cE '^[a-z_]+: ' "$work/template.yaml")"
    CONFIG_PATH=$work/template.yaml demi 0 config --json
    same settings "$wanted" "$out"
}

config__template_with_every_line_uncommented_is_accepted() {
    demi 0 config --yaml
    sed -E 's/^#([a-z_]+: )/\1/' "$work/out" >"$work/all.yaml"
    CONFIG_PATH=$work/all.yaml demi 0 config --json
    same changed 0 "$(value 'sum(k["value"] != k["default"] for k in d["keys"])')"
}

config__bad_file_is_told_with_line_and_key() {
    printf 'idle: spin\nmax_qeues: 5\n' >"$work/bad.yaml"
    CONFIG_PATH=$work/bad.yaml demi 1 config
    same message "demi: $work/bad.yaml:2: max_qeues: unknown key; did you mean \"max_queues\"?" "$err"
    CONFIG_PATH=$work/none.yaml demi 1 config
    same message "demi: $work/none.yaml: No such file or directory" "$err"
}

for t in config__shows_defaults config__shows_file_then_environment config__template_gives_the_same_settings \
    config__template_with_every_line_uncommented_is_accepted config__bad_file_is_told_with_line_and_key; do
    run_test "$t"
done
exit "$((failures > 0))"
