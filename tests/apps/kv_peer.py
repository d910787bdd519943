# SPDX-License-Identifier: MIT
"""usage: kv_peer.py PORT TEST: what no ordinary client does to caracal-kv. Says nothing when all is well."""
import os
import random
import resource
import socket
import struct
import sys
import threading
import time


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=40)


def rest(sock):
    """What comes until the server closes."""
    got = b""
    while True:
        try:
            part = sock.recv(65536)
        except ConnectionResetError:
            return got
        if not part:
            return got
        got += part


def expect(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}: got {got[:200]!r}, wanted {wanted[:200]!r}")


def malformed(port):
    """Each is answered with an error, and the connection ends; what was served before it is answered too."""
    bad = [(b"*1\r\n+PING\r\n", b"expected '$', got '+'"), (b"*99999999\r\n", b"invalid multibulk length"),
           (b"*x\r\n", b"invalid multibulk length"), (b"*1\r\n$-5\r\n", b"invalid bulk length"),
           (b"*1\r\n$99999999999\r\n", b"invalid bulk length"), (b"*1\r\n$999999999\r\n", b"invalid bulk length"),
           (b"*1\r\n$4\r\nPINGxx", b"expected CRLF behind a bulk string"),
           (b'SET k "unbalanced\r\n', b"unbalanced quotes in request"),
           (b"SET k 'a'b\r\n", b"unbalanced quotes in request"),
           (b"x" * 70000, b"too big inline request"), (b"*" + b"1" * 70000, b"too big mbulk count string"),
           (b"*1\r\n$" + b"1" * 70000, b"too big bulk count string"),
           (b"*2\r\n$3\r\nGET\r\n$20000\r\n" + b"k" * 20002, b"expected CRLF behind a bulk string")]
    for data, text in bad:
        sock = connect(port)
        sock.sendall(b"*1\r\n$4\r\nPING\r\n" + data)
        expect(rest(sock), b"+PONG\r\n-ERR Protocol error: " + text + b"\r\n", repr(data[:40]))


def byte_by_byte(port):
    sock = connect(port)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b'*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n\r\n*1\r\n$4\r\nPING\r\n get "\\x6b"  \r\n'
    data += b"*0\r\n*-1\r\nQUIT\r\n"
    for i in range(len(data)):
        sock.sendall(data[i:i + 1])
    expect(rest(sock), b"+OK\r\n+PONG\r\n$5\r\nvalue\r\n+OK\r\n", "byte by byte")


def long_values(port):
    """Cut anywhere, several in one command, followed by others."""
    sock = connect(port)
    reader = sock.makefile("rb")
    for size in (16383, 16384, 16385, 100000, 3000000):
        value = bytes(i * 7 % 251 for i in range(1000)) * (size // 1000 + 1)
        value = value[:size]
        head = b"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$%d\r\n" % size
        data = head + value + b"\r\n$1\r\nb\r\n$%d\r\n" % size + value + b"\r\n"
        data += b"PING\r\nGET a\r\nSTRLEN b\r\nDEL a\r\n"
        for cut in (len(head), len(head) + 5, len(head) + size + 1, len(data) - 3):
            sock.sendall(data[:cut])
            time.sleep(0.01)
            sock.sendall(data[cut:])
            wanted = b"+OK\r\n+PONG\r\n$%d\r\n" % size + value + b"\r\n:%d\r\n:1\r\n" % size
            expect(reader.read(len(wanted)), wanted, f"{size} bytes cut at {cut}")


def cut_anywhere(port):
    """Pipelines of commands of all lengths, cut at random into what is sent at once."""
    numbers = random.Random(1)
    sock = connect(port)
    reader = sock.makefile("rb")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    values = [bytes(numbers.randrange(256) for _ in range(1000)) * 60 for _ in range(3)]
    for _ in range(30):
        data, wanted = b"", b""
        for _ in range(numbers.randrange(1, 100)):
            value = numbers.choice(values)[:numbers.choice((1, 50, 900, 5000, 16384, 60000))]
            few = numbers.randrange(1, 5)
            form = numbers.randrange(4)
            if form == 0:
                data += b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (len(value), value)
                wanted += b"+OK\r\n"
            elif form == 1:
                data += b"*%d\r\n$4\r\nMSET\r\n" % (1 + 2 * few)
                data += (b"$1\r\nm\r\n$%d\r\n%s\r\n" % (len(value), value)) * few
                data += b"STRLEN m\r\n"
                wanted += b"+OK\r\n:%d\r\n" % len(value)
            elif form == 2:
                data += b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (len(value), value)
                wanted += b"$%d\r\n%s\r\n" % (len(value), value)
            else:
                data += b"ECHO 'a b'\r\n*1\r\n$4\r\nPING\r\n" * few
                wanted += b"$3\r\na b\r\n+PONG\r\n" * few
        sender = threading.Thread(target=send_cut, args=(sock, data, random.Random(len(data))))
        sender.start()
        expect(reader.read(len(wanted)), wanted, "what was cut")
        sender.join()


def send_cut(sock, data, numbers):
    while data:
        size = numbers.choice((1, 20, 1000, 3000, 30000, 300000))
        sock.sendall(data[:size])
        data = data[size:]


def slow_reader(port):
    """A client that asks for much and reads late gets all of it, and the server's memory does not grow with it."""
    sock = connect(port)
    asked = 4000
    sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$100000\r\n" + b"v" * 100000 + b"\r\n")
    sock.recv(5)
    sock.sendall(b"GET v\r\n" * asked)
    other = connect(port)
    for _ in range(3000):
        other.sendall(b"INFO stats\r\n")
        if b"reads_held_back:0\r\n" not in other.recv(8192):
            break
        time.sleep(0.01)
    else:
        sys.exit("was not held back")
    other.sendall(b"DEL v\r\nQUIT\r\n")
    rest(other)
    head = len(b"$100000\r\n")
    reader = sock.makefile("rb")
    values = 0
    for _ in range(asked):
        line = reader.readline()
        if line == b"$-1\r\n":
            continue
        expect(line, b"$100000\r\n", "head")
        expect(reader.read(100002), b"v" * 100000 + b"\r\n", "value")
        values += 1
    if not head < values < asked:
        sys.exit(f"{values} values of {asked} came before the key was deleted")


def many_clients(port):
    """KV_CLIENTS connections at a time, the server's bound: all are served, and one more is told."""
    count = int(os.environ["KV_CLIENTS"])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if count + 50 > hard:
        sys.exit(f"{count} connections need more than {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socks = [connect(port) for _ in range(count)]
    for turn in range(2):
        for sock in socks:
            sock.sendall(b"INCR n\r\n")
        got = sorted(int(sock.recv(20)[1:]) for sock in socks)
        expect(got, list(range(turn * count + 1, (turn + 1) * count + 1)), "counts")
    expect(rest(connect(port)), b"-ERR max number of clients reached\r\n", "one too many")
    for sock in socks[1:]:
        sock.close()
    for _ in range(3000):
        socks[0].sendall(b"INFO clients\r\n")
        if b"connected_clients:1\r\n" in socks[0].recv(8192):
            break
        time.sleep(0.01)
    else:
        sys.exit("connections are left that nobody has")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def input_limit(port):
    """--maxinput 1: who sends more of an incomplete command is told, the others are served."""
    sock = connect(port)
    try:
        sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n" + b"x" * 2000000)
    except (ConnectionResetError, BrokenPipeError):
        pass
    expect(rest(sock)[:20], b"-ERR too many bytes ", "limit")
    other = connect(port)
    other.sendall(b"PING\r\nQUIT\r\n")
    expect(rest(other), b"+PONG\r\n+OK\r\n", "another client")


def full_memory(port):
    """--maxmemory 8 --policy noeviction: writes are refused, reads and removals work, and then writes again."""
    sock = connect(port)
    reader = sock.makefile("rb")

    def ask(data):
        sock.sendall(data)
        return reader.readline()

    written = 0
    while ask(b"SET key%d %s\r\n" % (written, b"v" * 900)) == b"+OK\r\n":
        written += 1
    if not 3000 < written < 9000:
        sys.exit(f"{written} keys went in")
    expect(ask(b"SET other x" + b"y" * 900 + b"\r\n"), b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
           "write")
    expect(ask(b"EXISTS key0\r\n"), b":1\r\n", "read")
    for i in range(0, written, 2):
        expect(ask(b"DEL key%d\r\n" % i), b":1\r\n", "removal")
    for i in range(0, written // 3, 1):
        expect(ask(b"SET new%d %s\r\n" % (i, b"w" * 900)), b"+OK\r\n", f"write {i} after removals")
    for i in range(1, written, 2):
        expect(ask(b"STRLEN key%d\r\n" % i), b":900\r\n", "what was not removed")


def eviction(port):
    """--maxmemory 8: old keys go, those that are read stay, and the bound holds."""
    sock = connect(port)
    reader = sock.makefile("rb")
    for i in range(40000):
        sock.sendall(b"SET key%d %s\r\nGET hot\r\nSETNX hot h\r\n" % (i, b"v" * 500))
        if reader.readline() != b"+OK\r\n":
            sys.exit("a write was refused")
        if reader.readline() == b"$-1\r\n":
            if i != 0:
                sys.exit(f"the hot key was evicted at {i}")
        else:
            reader.readline()
        reader.readline()
    sock.sendall(b"INFO memory\r\nQUIT\r\n")
    text = reader.read()
    used = int(text.split(b"used_memory:")[1].split(b"\r\n")[0])
    if not 4 << 20 < used <= 8 << 20:
        sys.exit(f"{used} bytes are used")


def library_ends(port):
    """Each of these values takes more of the library's memory than it has bytes, so that this ends before --maxmemory:
    others go, or the write is refused, and nobody loses anything else."""
    sock = connect(port)
    reader = sock.makefile("rb")
    value = b"v" * 600000
    there = []
    for i in range(60):
        sock.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nk%02d\r\n$%d\r\n%s\r\n" % (i, len(value), value))
        answer = reader.readline()
        if answer != b"+OK\r\n":
            expect(answer, b"-ERR no memory for the command\r\n", "a long value")
            break
        there.append(i)
    other = connect(port)
    reader = other.makefile("rb")
    found = 0
    for i in there:
        other.sendall(b"GET k%02d\r\n" % i)
        if reader.readline() != b"$-1\r\n":
            expect(reader.read(len(value) + 2), value + b"\r\n", f"value {i}")
            found += 1
    other.sendall(b"INFO\r\nQUIT\r\n")
    stats = dict(line.split(b":", 1) for line in reader.read().split(b"\r\n") if b":" in line)
    if not 10 < found < 60 or found + int(stats[b"evicted_keys"]) != len(there):
        sys.exit(f"{found} of {len(there)} values are left, {stats[b'evicted_keys']} were evicted")
    if (stats[b"maxmemory_policy"] == b"noeviction") != (len(there) < 60) or stats[b"connections_broken"] != b"0":
        sys.exit(f"{len(there)} values went in, {stats[b'connections_broken']} connections broke")


def rpc_message(operation, key=b"", value=b"", number=0, flags=0, ttl_ms=0, version=1):
    head = struct.pack("<BBBBHHIIQ", version, operation, 0, flags, len(key), 0, len(value), ttl_ms, number)
    return head + key + value


def rpc(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", port))

    def ask(number, operation, **rest_of_it):
        sock.send(rpc_message(operation, number=number, **rest_of_it))
        answer = sock.recv(65536)
        fields = struct.unpack("<BBBBHHIIQ", answer[:24])
        if fields[0] != 1 or fields[1] != operation | 0x80 or fields[8] != number or fields[6] != len(answer) - 24:
            sys.exit(f"header {fields}")
        return fields[2], fields[7], answer[24:]

    expect(ask(1, 1), (0, 0, b""), "ping")
    expect(ask(2, 2, key=b"k"), (1, 0, b""), "get of nothing")
    expect(ask(3, 3, key=b"k", value=b"v" * 50000), (0, 0, b""), "set")
    expect(ask(4, 2, key=b"k"), (0, 0, b"v" * 50000), "get")
    expect(ask(5, 3, key=b"k", value=b"w", flags=1), (2, 0, b""), "set if absent")
    expect(ask(6, 3, key=b"x", value=b"w", flags=2), (2, 0, b""), "set if present")
    expect(ask(7, 5, key=b"n", value=b"41"), (0, 0, b"41"), "add")
    expect(ask(8, 5, key=b"n", value=b"-1"), (0, 0, b"40"), "add")
    expect(ask(9, 5, key=b"k", value=b"1"), (6, 0, b""), "add to what is no number")
    expect(ask(10, 6, key=b"n", ttl_ms=100000), (0, 0, b""), "expire")
    status, ttl_ms, _ = ask(11, 2, key=b"n")
    if status != 0 or not 50000 < ttl_ms <= 100000:
        sys.exit(f"time to live {ttl_ms}")
    expect(ask(12, 4, key=b"n"), (0, 0, b""), "delete")
    expect(ask(13, 4, key=b"n"), (1, 0, b""), "delete again")
    expect(ask(14, 99), (4, 0, b""), "an operation that there is not")
    for silent in (b"", b"x" * 23, rpc_message(2, version=2), rpc_message(0x82)):
        sock.send(silent)
    sock.send(rpc_message(2, key=b"k", number=15)[:-1])
    expect(struct.unpack("<BBBBHHIIQ", sock.recv(100)[:24])[2::6], (4, 15), "lengths that do not fit")


TESTS = {f.__name__: f for f in (malformed, byte_by_byte, cut_anywhere, long_values, slow_reader, many_clients,
                                 input_limit, full_memory, eviction, library_ends, rpc)}
if __name__ == "__main__":
    TESTS[sys.argv[2]](int(sys.argv[1]))
