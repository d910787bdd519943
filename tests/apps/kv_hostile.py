# SPDX-License-Identifier: MIT
"""usage: kv_hostile.py PORT TEST: clients that mean harm, or die. Each gets a defined answer, whoever else is there is
served meanwhile, and in the end the server holds nothing for those that went. Says nothing when all is well."""
import os
import random
import re
import signal
import socket
import struct
import sys
import time

from kv_peer import connect, expect, rest

CLIENTS = 12


def info(port):
    """Every number that INFO tells."""
    sock = connect(port)
    sock.sendall(b"INFO\r\nQUIT\r\n")
    pairs = (line.split(":", 1) for line in rest(sock).decode().splitlines() if ":" in line)
    return {name: int(value) for name, value in pairs if value.isdigit()}


def settled(port, before, what):
    """Removes all keys, until nothing is held but what was before: connections, bytes of commands, memory of values."""
    names = ("connected_clients", "client_input_bytes", "outside_bytes")
    for _ in range(1500):
        sock = connect(port)
        sock.sendall(b"FLUSHALL\r\nQUIT\r\n")  # again: the last words of those that went may come late
        expect(rest(sock), b"+OK\r\n+OK\r\n", "flush")
        sock.close()
        now = info(port)
        if all(now[n] == before[n] for n in names):
            return now
        time.sleep(0.02)
    sys.exit(f"{what}: " + ", ".join(f"{n} {now[n]}, before {before[n]}" for n in names))


class Bystander:
    """A client of good manners, who must always get an answer."""

    def __init__(self, port):
        self.sock = connect(port)
        self.sock.settimeout(40)
        self.asked = 0

    def look(self):
        self.asked += 1
        self.sock.sendall(b"ECHO %d\r\n" % self.asked)
        text = b"%d" % self.asked
        expect(self.sock.recv(100), b"$%d\r\n%s\r\n" % (len(text), text), "a bystander")


def huge_lengths(port):
    """Lengths that no command has: one error, the end, and no memory taken on the client's word."""
    counts = (b"2147483647", b"2147483648", b"4294967297", b"9223372036854775807", b"9223372036854775808",
              b"18446744073709551617", b"-2147483649x", b"65537", b"", b" 1", b"+1", b"01x", b"1\0", b"0x1")
    lengths = (b"536870913", b"2147483647", b"4294967295", b"4294967297", b"9223372036854775807", b"-1", b"-2",
               b"-9223372036854775808", b"18446744073709551615", b"33554433", b"", b" 1", b"1 ", b"1e3", b"\xff")
    cases = [(b"*" + n, b"multibulk") for n in counts] + [(b"*2\r\n$3\r\nGET\r\n$" + n, b"bulk") for n in lengths]
    before = info(port)
    bystander = Bystander(port)
    for data, kind in cases:
        sock = connect(port)
        sock.sendall(data + b"\r\n" + b"x" * 50)
        expect(rest(sock), b"-ERR Protocol error: invalid " + kind + b" length\r\n", repr(data))
        sock.close()
        bystander.look()
    for data in (b"*-1\r\n", b"*0\r\n", b"*-2147483648\r\n"):
        sock = connect(port)
        sock.sendall(data + b"PING\r\nQUIT\r\n")
        expect(rest(sock), b"+PONG\r\n+OK\r\n", repr(data))
        sock.close()
    bystander.sock.close()
    after = settled(port, before, "huge lengths")
    if after["protocol_errors"] - before["protocol_errors"] != len(cases):
        sys.exit(f"{after['protocol_errors']} protocol errors are counted")


def inline_commands(port):
    """Lines of plain words, with whatever a terminal or a scanner of ports may send."""
    sock = connect(port)
    sock.sendall(b"\r\n\n   \r\n\t\r\nping\nPING  \r\n  echo\t'a b'\r\n" +
                 b"ECHO \"\\x00\\r\\n\\\"\"\r\nset k ''\r\nget k\r\n" +
                 b"GET / HTTP/1.1\r\n" + b"\x00\x01\x02\xff\r\n" + b"mget" + b" k" * 30000 + b"\r\nquit\r\n")
    wanted = b"+PONG\r\n+PONG\r\n$3\r\na b\r\n$4\r\n\0\r\n\"\r\n+OK\r\n$0\r\n\r\n"
    wanted += b"-ERR wrong number of arguments for 'get' command\r\n"
    got = rest(sock)
    expect(got[:len(wanted)], wanted, "lines")
    error, _, last = got[len(wanted):].partition(b"\r\n")
    if not error.startswith(b"-ERR unknown command '"):
        sys.exit(f"no command: {error!r}")
    expect(last, b"*30000\r\n" + b"$0\r\n\r\n" * 30000 + b"+OK\r\n", "a line of many words")


def requests_of(seed):
    """Bytes of commands for ever, some of them long."""
    dice = random.Random(seed)
    while True:
        key = b"%d" % dice.randrange(20)
        size = dice.choice((1, 100, 20000, 100000))
        yield b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, size) + b"v" * size + b"\r\n"
        yield b"GET %s\r\n" % key * dice.randrange(30)


def swarm(port, client):
    """CLIENTS processes, each running client(port, its number)."""
    children = []
    for i in range(CLIENTS):
        pid = os.fork()
        if pid == 0:
            try:
                client(port, i)
            finally:
                os._exit(0)
        children.append(pid)
    return children


def killed_clients(port):
    """kill -9 in the middle of requests, of long values and of answers that nobody read."""
    def writes(port, number):
        sock = connect(port)
        for data in requests_of(number):
            sock.sendall(data[:len(data) if number % 2 else max(1, len(data) * 2 // 3)])
            if number % 4 == 3:
                sock.recv(1000)

    before = info(port)
    bystander = Bystander(port)
    children = swarm(port, writes)
    dice = random.Random(1)
    while children:
        bystander.look()
        time.sleep(0.01)
        pid = children.pop(dice.randrange(len(children)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    bystander.sock.close()
    settled(port, before, "clients that were killed")


def resets(port):
    """Connections that end by a reset at any byte of a command and of its answer."""
    before = info(port)
    bystander = Bystander(port)
    data = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000\r\n" + b"v" * 20000 + b"\r\nGET k\r\n"
    data += b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
    for cut in list(range(0, 32)) + [1000, 16400, 20000, len(data) - 25, len(data) - 3, len(data)] * 3:
        sock = connect(port)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(data[:cut])
        if cut % 2:
            bystander.look()
        sock.close()
    bystander.sock.close()
    settled(port, before, "resets")


def never_reading(port):
    """Clients that ask and ask and read nothing are held back within the bound; when they go all is given back."""
    before = info(port)
    bystander = Bystander(port)
    bystander.sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$5000\r\n" + b"v" * 5000 + b"\r\n")
    expect(bystander.sock.recv(100), b"+OK\r\n", "set")
    socks = []
    for _ in range(CLIENTS):
        sock = connect(port)
        sock.setblocking(False)
        socks.append(sock)
    full = 0
    for _ in range(2000):
        full = 0
        for sock in socks:
            try:
                sock.send(b"GET v\r\n" * 2000)
            except BlockingIOError:
                full += 1
        bystander.look()
        if full == CLIENTS:
            time.sleep(0.005)
            if info(port)["reads_held_back"] - before["reads_held_back"] >= CLIENTS:
                break
    else:
        sys.exit(f"{full} of {CLIENTS} are held back")
    held = info(port)
    if held["connected_clients"] != before["connected_clients"] + 1 + CLIENTS:
        sys.exit(f"{held['connected_clients']} connections are left")
    for sock in socks:
        sock.close()
    bystander.look()
    bystander.sock.close()
    settled(port, before, "clients that never read")


class Crowd:
    """Clients that send the same bytes for ever, and read whatever comes unless they are told not to."""

    def __init__(self, port, count, data, reads=True):
        self.data, self.reads = data, reads
        self.left = {}
        for _ in range(count):
            sock = connect(port)
            sock.setblocking(False)
            self.left[sock] = b""

    def step(self):
        for sock in self.left:
            try:
                self.left[sock] = self.left[sock] or self.data
                self.left[sock] = self.left[sock][sock.send(self.left[sock]):]
            except BlockingIOError:
                pass
            try:
                while self.reads and len(sock.recv(1 << 20)) == 1 << 20:
                    pass
            except BlockingIOError:
                pass

    def close(self):
        for sock in self.left:
            sock.close()


def shares(port):
    """However much others ask, no client gets more than its share before the rest is looked at: bounds of turn.c."""
    visit, turn, command = 8192, 32768, 1024
    before = info(port)
    idle = [connect(port) for _ in range(100)]
    bystander = Bystander(port)
    bystander.sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$500\r\n" + b"v" * 500 + b"\r\n")
    expect(bystander.sock.recv(100), b"+OK\r\n", "set")
    pipelines = [Crowd(port, 6, b"GET v\r\n" * 30000), Crowd(port, 2, b"GET v\r\n" * 30000, reads=False)]
    for _ in range(150):
        for crowd in pipelines:
            crowd.step()
        bystander.look()
    now = info(port)
    if now["visits_cut"] - before["visits_cut"] < 100:
        sys.exit(f"{now['visits_cut']} visits were cut")
    if now["most_work_of_visit"] > visit + command or now["most_work_of_turn"] > turn + 10 * (visit + command):
        sys.exit(f"{now['most_work_of_visit']} at once, {now['most_work_of_turn']} in a turn")
    words = 65535
    long_one = words * 64 + words * 5  # as it counts: its words, and an answer of 5 bytes for each
    floods = [Crowd(port, 4, b"*%d\r\n$4\r\nMGET\r\n" % (words + 1) + b"$1\r\nx\r\n" * words)]
    for _ in range(150):
        for crowd in floods + pipelines:
            crowd.step()
        bystander.look()
    now = info(port)
    if not long_one <= now["most_work_of_turn"] < 2 * long_one:
        sys.exit(f"{now['most_work_of_turn']} in a turn, {long_one} for one command")
    for crowd in floods + pipelines:
        crowd.close()
    for sock in idle:
        sock.close()
    bystander.look()
    bystander.sock.close()
    settled(port, before, "clients that ask for much")


def half_closed(port):
    """Who shuts down its sending side gets every answer to what it sent, and then the end."""
    before = info(port)
    value = b"v" * 100000
    whole = b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$100000\r\n" + value + b"\r\n"
    answer = b"$100000\r\n" + value + b"\r\n"
    cases = [(b"", b""), (b"PING\r\n", b"+PONG\r\n"), (b"PING\r\n*2\r\n$3\r\nGET\r\n$1", b"+PONG\r\n"),
             (whole[:50000], b""), (whole[:-1], b""), (whole + b"GET v\r\n" * 60, b"+OK\r\n" + answer * 60),
             (b"*1\r\n$-7\r\n", b"-ERR Protocol error: invalid bulk length\r\n")]
    for data, wanted in cases:
        sock = connect(port)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        expect(rest(sock), wanted, f"half closed after {data[:30]!r}")
    settled(port, before, "half-closed clients")


def transactions(port):
    """--maxinput 1: what a transaction gathers and watches is bounded, others see nothing of it until it runs, and what
    is open when its client goes, or is reset, leaves nothing. A watch sees the writes of others."""
    before = info(port)
    bystander = Bystander(port)
    one = connect(port)
    reader = one.makefile("rb")

    def ask(data, wanted):
        one.sendall(data)
        expect(reader.read(len(wanted)), wanted, repr(data[:40]))

    for data, error in ((b"SET k " + b"v" * 60000, b"-ERR too many bytes of incomplete commands\r\n"),
                        (b"MGET" + b" k" * 30000, b"-ERR a transaction has at most 65536 words\r\n")):
        ask(b"MULTI\r\n", b"+OK\r\n")
        gathered = 0
        while True:
            one.sendall(data + b"\r\n")
            line = reader.readline()
            bystander.look()
            if line != b"+QUEUED\r\n":
                break
            gathered += 1
        expect((line, gathered > 0), (error, True), "the bound")
        ask(b"EXEC\r\n", b"-EXECABORT Transaction discarded because of previous errors.\r\n")
    ask(b"WATCH" + b" k" * 1025 + b"\r\nWATCH " + b"x" * 9000 + b"\r\n",
        b"-ERR at most 1024 keys can be watched\r\n-ERR a key has at most 8192 bytes\r\n")
    ask(b"WATCH w\r\nMULTI\r\nSET k mine\r\nGET k\r\n", b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n")
    bystander.sock.sendall(b"EXISTS k\r\nSET w other\r\n")
    expect(bystander.sock.recv(9, socket.MSG_WAITALL), b":0\r\n+OK\r\n", "others")
    ask(b"EXEC\r\nMULTI\r\nSET k mine\r\nGET k\r\nEXEC\r\n",
        b"*-1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$4\r\nmine\r\n")
    ask(b"WATCH k\r\nMULTI\r\nSET k two\r\nRESET\r\nEXEC\r\nGET k\r\n",
        b"+OK\r\n+OK\r\n+QUEUED\r\n+RESET\r\n-ERR EXEC without MULTI\r\n$4\r\nmine\r\n")
    ask(b"WATCH k\r\nMULTI\r\nSET k " + b"v" * 50000 + b"\r\n", b"+OK\r\n+OK\r\n+QUEUED\r\n")
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reader.close()
    one.close()
    bystander.sock.close()
    settled(port, before, "transactions")


def ended_by_others(port):
    """CLIENT KILL: wherever its victims are, in a command or in an answer that they do not read, they see the end and
    leave nothing; who kills itself gets the answer first."""
    before = info(port)
    bystander = Bystander(port)
    bystander.sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$100000\r\n" + b"v" * 100000 + b"\r\n")
    expect(bystander.sock.recv(100), b"+OK\r\n", "set")
    victims = []
    for data in (b"", b"*2\r\n$3\r\nGET\r\n$1", b"*3\r\n$3\r\nSET\r\n$1\r\nw\r\n$90000\r\n" + b"w" * 50000,
                 b"GET v\r\n" * 500):
        sock = connect(port)
        sock.sendall(data)
        victims.append(sock)
    while info(port)["reads_held_back"] == before["reads_held_back"]:
        bystander.look()
    killer = connect(port)
    killer.sendall(b"CLIENT LIST TYPE normal\r\n")
    with killer.makefile("rb") as answer:
        lines = answer.read(int(answer.readline()[1:]) + 2).decode()
    ids = {address: number for number, address in re.findall(r"^id=(\d+) addr=(\S+)", lines, re.MULTILINE)}

    def id_of(sock):
        return ids["%s:%d" % sock.getsockname()].encode()

    killer.sendall(b"CLIENT KILL TYPE pubsub\r\n")
    expect(killer.recv(100), b":0\r\n", "a kill of nobody")
    for sock in victims:
        killer.sendall(b"CLIENT KILL ID " + id_of(sock) + b"\r\n")
        expect(killer.recv(100), b":1\r\n", "kill")
        bystander.look()
    for sock in victims:
        rest(sock)
        sock.close()
    killer.sendall(b"CLIENT KILL ID " + id_of(bystander.sock) + b" SKIPME no\r\nCLIENT KILL SKIPME no\r\nPING\r\n")
    expect(rest(killer), b":1\r\n:1\r\n", "a client that ends itself")
    expect(bystander.sock.recv(100), b"", "a bystander that was ended")
    killer.close()
    settled(port, before, "clients that others ended")


def no_descriptors(port):
    """The server may open 64 files: who comes when they are in use is told, and those who are there are served."""
    socks = [connect(port) for _ in range(120)]
    answers = []
    for sock in socks:
        try:
            sock.sendall(b"PING\r\n")
            answers.append(sock.recv(100))
        except (ConnectionResetError, BrokenPipeError):
            answers.append(b"")
    served = [s for s, a in zip(socks, answers) if a == b"+PONG\r\n"]
    told = answers.count(b"-ERR max number of clients reached\r\n")
    if not 40 <= len(served) < 64 or told < 20 or len(served) + told + answers.count(b"") != len(socks):
        sys.exit(f"{len(served)} were served, {told} refused, the others got {set(answers)}")
    for sock in served[1:]:
        sock.sendall(b"PING\r\n")
        expect(sock.recv(100), b"+PONG\r\n", "served")
        sock.close()
    for sock in served[:1]:
        sock.sendall(b"INFO stats\r\nQUIT\r\n")
        if b"descriptor_limit_reached:1\r\n" not in rest(sock):
            sys.exit("reaching the limit is not counted")
    for _ in range(1500):
        again = connect(port)
        try:
            again.sendall(b"PING\r\nQUIT\r\n")
            if rest(again) == b"+PONG\r\n+OK\r\n":
                return
        except (ConnectionResetError, BrokenPipeError):
            pass
        time.sleep(0.02)
    sys.exit("nobody is served after the others went")


TESTS = {f.__name__: f for f in (huge_lengths, inline_commands, killed_clients, resets, never_reading, shares,
                                 half_closed, transactions, ended_by_others, no_descriptors)}
if __name__ == "__main__":
    TESTS[sys.argv[2]](int(sys.argv[1]))
