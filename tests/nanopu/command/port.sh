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

# The first message says how long the others are.
script() {
    cat >script.txt <<END
ignore flags=ack
ignore flags=pull
ignore flags=ack+pull
at 30000 send dst=10.0.0.2 id=1 words=16
after 5000 send dst=10.0.0.2 id=2 words=7,9
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
    says err 'nanopu: way: script.txt:6: byte 15 of the payload (of 16) was expected to be 0x08, not 0x09; at cycle'
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

# A program sends frames to the port's socket and gets the guest's answers.
port__socket_joins_a_program() {
    local simulator
    echo_file socket:127.0.0.1:0
    python3 - >number <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
END
    echo_file "socket:127.0.0.1:$(<number)"
    "$nanopu" run --quiet --topology echo.yaml >simulated 2>&1 &
    simulator=$!
    timeout 30 python3 - "$(<number)" >said 2>&1 <<'END'
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.settimeout(0.2)

def frame(flags, dst_ctx, length, offset, pull, ident, payload):
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 50 + len(payload), 1, 0, 64, 153, 0, 0x0a000001, 0x0a000002)
    head = struct.pack(">BHHHBHHHB", flags, 0, dst_ctx, length, offset, pull, ident, 0, 0).ljust(30, b"\0")
    return bytes.fromhex("08556677880800e1000000010800") + ip + head + payload

def message(ident, payload):
    """Sends one until it is acknowledged; answers that come are acknowledged and kept."""
    for attempt in range(50):
        try:
            s.send(frame(1, 0, len(payload), 0, 0, ident, payload))
            while True:
                got = s.recv(2000)
                if got[34] & 1 and got[26:30] == bytes([10, 0, 0, 2]):
                    answers.add(got[64:])
                elif got[34] & 2 and got[44:46] == struct.pack(">H", ident):
                    return
        except (TimeoutError, ConnectionRefusedError):
            time.sleep(0.05)
    sys.exit("no acknowledgement of %d" % ident)

answers = set()
message(1, struct.pack(">Q", 16))
message(2, struct.pack(">QQ", 7, 9))
for attempt in range(50):
    if struct.pack(">QQ", 7, 9) in answers:
        print("echoed")
        break
    try:
        got = s.recv(2000)
        if got[34] & 1:
            answers.add(got[64:])
    except TimeoutError:
        pass
END
    kill -INT "$simulator" 2>/dev/null
    wait "$simulator"
    same answer echoed "$(<said)"
}

tests=(port__script_is_answered port__script_fails_the_run port__option_of_the_command_line
    port__socket_joins_a_program)
need_guests "${tests[@]}"
for t in "${tests[@]}"; do
    run_test "$t"
done
exit "$((failures > 0))"
