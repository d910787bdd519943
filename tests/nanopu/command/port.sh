#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Ports: a scripted peer and a program of this machine exchange messages with a simulated host that echoes.

# shellcheck source=tests/nanopu/command/lib.bash
source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

echo_guest=$CARACAL_BUILD_DIR/bench/echo.elf

# echo_file CONNECT
echo_file() {
    cat >echo.yaml <<END
hosts: [{name: e, program: $echo_guest, background: yes, cores: 1}]
ports: [{name: way, connect: "$1", ip: 10.0.0.1}]
END
}

# The guest's messages all have the length of the first.
script() {
    cat >script.txt <<END
ignore flags=ack
ignore flags=pull
ignore flags=ack+pull
at 30000 send dst=10.0.0.2 id=1 words=1,2
within 1000 expect src=10.0.0.2 flags=data len=16 words=1,2
after 500 send dst=10.0.0.2 id=2 words=7,9
within 1000 expect src=10.0.0.2 flags=data len=16 words=$1
END
}

port__script_is_answered() {
    echo_file script:script.txt
    script 7,9
    nanopu 0 run --topology echo.yaml --cycles 1M --stats json
    same end exited "$(value 'd["end"]')"
    same sent 2 "$(value 'd["ports"][0]["counters"]["sent"]')"
}

port__script_fails_the_run() {
    echo_file script:script.txt
    script 7,8
    nanopu 1 run --topology echo.yaml --cycles 1M
    says err 'nanopu: way: script.txt:7: byte 15 of the payload (of 16) was expected to be 0x08, not 0x09; at cycle'
    echo 'expect id=1 frob=2' >script.txt
    nanopu 1 run --topology echo.yaml --cycles 1M
    says err 'script.txt:1: unknown field "frob"'
}

port__option_of_the_command_line() {
    cat >script.txt <<END
at 30000 send dst=10.0.0.9 id=1 words=16
END
    nanopu 1 run --port script:script.txt --cycles 100k --cores 1 "$echo_guest"
    says err 'the limit of 100000 cycles was reached'
    nanopu 1 run --port frob:x "$echo_guest"
    says err 'a port takes script:FILE'
}

# joined HOW: a program of this machine sends messages over HOW and gets the guest's answers.
joined() {
    local simulator
    echo_file "$1"
    "$nanopu" run --quiet --topology echo.yaml >simulated 2>&1 &
    simulator=$!
    timeout 40 python3 "$CARACAL_SOURCE_DIR/tests/nanopu/command/peer.py" "$1" >said 2>&1
    kill -INT "$simulator" 2>/dev/null
    wait "$simulator"
    same answer echoed "$(<said)"
}

port__socket_joins_a_program() {
    joined "socket:127.0.0.1:$(python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
}

port__ring_joins_a_program() {
    joined ring:frames.ring
    # All of it is on its disk from the beginning: one that is full is told then, by an error.
    [ $((512 * $(stat -c %b frames.ring))) -ge "$(stat -c %s frames.ring)" ] || fail "the ring's file has holes"
    echo "another file" >text
    echo_file ring:text
    nanopu 1 run --topology echo.yaml
    says err 'way: text is another file than a ring'
}

# In a network namespace of its own, which ends with the last process in it.
port__tap_joins_a_program() {
    joined tap:way0
}

if [ "${1-}" = tap ]; then
    run_test port__tap_joins_a_program
    exit "$((failures > 0))"
fi

tests=(port__script_is_answered port__script_fails_the_run port__option_of_the_command_line
    port__socket_joins_a_program port__ring_joins_a_program)
need_guests "${tests[@]}"
for t in "${tests[@]}"; do
    run_test "$t"
done
if [ -c /dev/net/tun ] && unshare -n true 2>/dev/null; then
    unshare -n bash "${BASH_SOURCE[0]}" tap || failures=$((failures + 1))
else
    echo "skip port__tap_joins_a_program no right to make network namespaces, or no /dev/net/tun"
fi
exit "$((failures > 0))"
