#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demi doctor: its verdicts, and that each is the machine's.

# shellcheck source=tests/tools/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

# libos NAME ENGINE FIELD: of the JSON in $out
libos() {
    value "[r for r in d['libos'] if r['name'] == '$1' and r.get('engine', '') == '$2'][0]['$3']"
}

check() {
    value "[c for c in d['machine'] if c['name'] == '$1'][0]['$2']"
}

doctor__default_works() {
    demi 0 doctor
    grep -qE '^  catnap epoll +.* works +64 B there and back in [0-9.]+ us$' <<<"$out" || fail "$out"
    same "last line" "A program started here uses catnap with epoll, which works." "$(tail -n 1 <<<"$out")"
}

doctor__json_names_every_libos() {
    demi 0 doctor --json
    same names "catmem catmint catnano catnap catnap+catmem catnip catpowder cattree sim" \
        "$(value '" ".join(sorted({r["name"] for r in d["libos"]}))')"
    same "both in one" works "$(libos catnap+catmem '' state)"
    same "strange states" 0 "$(value \
        'len({r["state"] for r in d["libos"]} - {"works", "not available", "not in this version"})')"
    same default True "$(value 'd["default_works"]')"
}

doctor__two_in_one_instance() {
    LIBOS=sim+catmem demi 0 doctor --json
    same state works "$(libos sim+catmem '' state)"
    same default True "$(value 'd["default_works"]')"
}

doctor__unknown_libos_fails() {
    LIBOS=catfish demi 1 doctor
    same "last line" "A program started here uses catfish, which does not work." "$(tail -n 1 <<<"$out")"
}

doctor__bad_setting_is_the_reason() {
    printf 'idle: spin\nenigne: epoll\n' >"$work/bad.yaml"
    CONFIG_PATH=$work/bad.yaml demi 1 doctor --json
    same settings bad "$(check settings verdict)"
    same why "$work/bad.yaml:2: enigne: unknown key; did you mean \"engine\"?" "$(libos catnap epoll why)"
}

doctor__module_that_is_missing_is_the_reason() {
    CARACAL_MODULES=$work demi 0 doctor --json
    same state "not available" "$(libos catnap uring state)"
    [[ $(libos catnap uring mend) == *liburing* ]] || fail "$out"
}

doctor__catnip_says_the_package_that_is_missing() {
    CARACAL_MODULES=$work demi 0 doctor --json
    same state "not available" "$(libos catnip '' state)"
    [[ $(libos catnip '' why) == *libdpdk-dev* && $(libos catnip '' mend) == *libdpdk-dev* ]] || fail "$out"
}

doctor__catnip_works_where_its_module_is() {
    demi 0 doctor --json
    same state works "$(libos catnip '' state)"
    EAL="--no-huge --no-pci --nonsense" demi 0 doctor --json
    same state "not available" "$(libos catnip '' state)"
    [[ $(libos catnip '' why) == *--nonsense* ]] || fail "$out"
}

doctor__engine_of_the_settings_decides() {
    CARACAL_MODULES=$work ENGINE=uring demi 1 doctor
    same "last line" "A program started here uses catnap with uring, which does not work." "$(tail -n 1 <<<"$out")"
}

doctor__low_limit_is_told_with_its_command() {
    (ulimit -Sn 512 && "$demi_program" doctor --json) >"$work/out" || fail "$(<"$work/out")"
    out=$(<"$work/out")
    same verdict warn "$(check 'open files' verdict)"
    [[ $(check 'open files' mend) == *ulimit\ -n* || $(check 'open files' mend) == *prlimit* ]] || fail "$out"
}

doctor__foreign_run_directory_is_told() {
    mkdir -m 777 "$work/everybodys"
    chmod 777 "$work/everybodys"
    RUN_DIR=$work/everybodys demi 0 doctor --json
    same verdict warn "$(check run_dir verdict)"
}

doctor__leaves_nothing_behind() {
    demi 0 doctor
    same files 0 "$(find "$RUN_DIR" "${TMPDIR:-/tmp}" -maxdepth 1 -newer "$work/stamp" \
        \( -name 'demi-doctor-*' -o -name '*.probe*' \) | wc -l)"
}

# What a driver lacks is told with what mends it; nothing of the trial stays.
doctor__drivers_are_tried() {
    local driver state before
    before=$(ls /sys/class/net)
    demi 0 doctor --json
    same ring works "$(libos catpowder ring state)"
    for driver in packet tap xdp; do
        state=$(libos catpowder "$driver" state)
        [ "$state" = works ] || [ -n "$(libos catpowder "$driver" mend)" ] || fail "$driver: $out"
    done
    same interfaces "$before" "$(ls /sys/class/net)"
}

doctor__driver_of_the_settings_decides() {
    LIBOS=catpowder DRIVER=ring demi 0 doctor
    same "last line" "A program started here uses catpowder with ring, which works." "$(tail -n 1 <<<"$out")"
}

doctor__works_as_a_user() {
    local room copy status=0
    # As root it must work for others too; the build directory, and this test's own, may be closed to them.
    room=$(TMPDIR=/tmp mktemp -d) && chmod 755 "$room"
    copy=$room/demi
    install -m 755 "$demi_program" "$copy"
    out=$(cd / && setpriv --reuid 65534 --regid 65534 --clear-groups env -u RUN_DIR "$copy" doctor) || status=$?
    rm -rf "$room"
    [ "$status" = 0 ] || fail "$out"
    grep -qE '^  catnap epoll .* works' <<<"$out" || fail "$out"
    rm -rf /dev/shm/caracal-65534
}

: >"$work/stamp"
for t in doctor__default_works doctor__json_names_every_libos doctor__two_in_one_instance doctor__unknown_libos_fails \
    doctor__bad_setting_is_the_reason doctor__module_that_is_missing_is_the_reason \
    doctor__engine_of_the_settings_decides doctor__low_limit_is_told_with_its_command \
    doctor__foreign_run_directory_is_told doctor__drivers_are_tried doctor__driver_of_the_settings_decides \
    doctor__leaves_nothing_behind; do
    run_test "$t"
done
run_test doctor__catnip_says_the_package_that_is_missing
if [ -f "$CARACAL_MODULES/caracal-dpdk.so" ]; then
    run_test doctor__catnip_works_where_its_module_is
else
    skip_test doctor__catnip_works_where_its_module_is "DPDK was not there when this was built (libdpdk-dev)"
fi
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    run_test doctor__works_as_a_user
else
    skip_test doctor__works_as_a_user "only root can become another user"
fi
exit "$((failures > 0))"
