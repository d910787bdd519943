#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The demi command's arguments: help, and exit code 2 with a usage line for what is wrong.

# shellcheck source=tests/tools/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

usage__wrong_arguments() {
    local args
    while read -ra args; do
        demi 2 "${args[@]}"
        grep -q '^usage: demi' <<<"$err" || fail "demi ${args[*]} tells no usage: $err"
        [ -z "$out" ] || fail "demi ${args[*]} writes to stdout: $out"
    done <<'END'
frobnicate
stat --frobnicate
stat extra
stat --pid
stat --pid 0
stat --pid -1
stat --pid 1x
stat --watch 0
stat --watch=x
stat --count 0
trace a b
trace a --list
trace --pid 1 --list
trace --last x
trace --list --follow
doctor extra
pcap
pcap a b
pcap --flows x a
xdp
xdp attach lo
xdp attach --pin /tmp/x
xdp detach lo --pin /tmp/x
xdp attach lo --pin /tmp/x --mode fast
xdp attach lo --pin /tmp/x --user nobody-here
doctor --yaml
config extra
config --json --yaml
version extra
help frobnicate
help stat trace
END
}

usage__without_command() {
    demi 2
    grep -q '^usage: demi COMMAND' <<<"$err" || fail "$err"
}

usage__help_names_every_command() {
    local command
    demi 0 help
    for command in doctor stat trace pcap xdp config version help; do
        grep -qE "^  $command " <<<"$out" || fail "$command is missing: $out"
        demi 0 help "$command"
        grep -q "^usage: demi $command" <<<"$out" || fail "$out"
        demi 0 help
    done
    demi 0 --help
}

usage__every_command_has_help() {
    local command
    for command in doctor stat trace pcap xdp config; do
        demi 0 "$command" --help
        grep -q "^usage: demi $command" <<<"$out" || fail "$out"
    done
}

usage__version() {
    demi 0 version
    grep -qE '^demi [0-9]+\.[0-9]+\.[0-9]+$' <<<"$out" || fail "$out"
    demi 0 --version
}

usage__full_disk_is_a_failure() {
    "$demi_program" config >/dev/full
    [ $? -eq 1 ] || fail "a full disk looks like success"
}

# In the build tree, with nothing set: what a command needs is found there.
usage__finds_modules_beside_itself() {
    [ -e "$build/src/caracal-xdp.so" ] || return 0
    unset CARACAL_MODULES
    demi 1 xdp attach no-such-if --pin "$work/pin"
    grep -q 'no-such-if' <<<"$err" || fail "$err"
}

for t in usage__wrong_arguments usage__without_command usage__help_names_every_command \
    usage__every_command_has_help usage__version usage__full_disk_is_a_failure \
    usage__finds_modules_beside_itself; do
    run_test "$t"
done
exit "$((failures > 0))"
