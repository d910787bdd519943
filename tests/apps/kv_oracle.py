# SPDX-License-Identifier: MIT
"""usage: kv_oracle.py OURS-PORT REDIS-PORT COMMANDS SEED [RESP-VERSION]

Sends the same random commands, in pipelines of random lengths that are cut anywhere, to caracal-kv and to redis-server
and compares the replies: all of them, errors with their texts. Times may differ by what passes between the two; the
order of KEYS and SCAN does not count. Prints the first difference and the commands that led to it.
"""
import random
import socket
import sys

NEAR_MS = 3000  # of two clocks that are read one after the other, on a busy machine


class Reader:
    """Replies of one server, as Python values."""

    def __init__(self, sock):
        self.file = sock.makefile("rb")

    def line(self):
        text = self.file.readline()
        if not text.endswith(b"\r\n"):
            raise EOFError("connection ended")
        return text[:1], text[1:-2]

    def reply(self):
        kind, text = self.line()
        if kind in b"+-:_#,":
            return kind, text
        if kind in b"$=":
            n = int(text)
            return (kind, self.file.read(n + 2)[:-2]) if n >= 0 else (b"_", b"nil")
        if kind == b"*" and text == b"-1":
            return b"_", b"nil"
        n = int(text) * (2 if kind == b"%" else 1)
        return kind, [self.reply() for _ in range(n)]


def encode(words):
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        out.append(b"$%d\r\n%s\r\n" % (len(w), w))
    return b"".join(out)


class Generator:
    def __init__(self, rng, protocol):
        self.rng = rng
        self.protocol = protocol
        self.written = 0
        self.keys = [b"k%d" % i for i in range(60)] + [b"", b"a key", b"\x00\xff\r\n", b"x" * 300]

    def key(self):
        return self.rng.choice(self.keys)

    def number(self):
        return self.rng.choice([b"0", b"1", b"-1", b"7", b"100", b"9223372036854775807", b"-9223372036854775808",
                                b"9223372036854775808", b"1.5", b"", b" 1", b"01", b"+1", b"abc", b"-0",
                                str(self.rng.randrange(-1000, 1000)).encode()])

    def fraction(self):
        """Eighths: what a sum of doubles holds exactly, and what is none."""
        return self.rng.choice([b"1", b"-1", b"0.125", b"-0.375", b"3.0", b"1e2", b"5e-1", b"-2.5E+1", b".5", b"7.",
                                b"+4", b"0", b"-0", b"", b" 1", b"1 ", b"abc", b"1.2.3", b"1e", b"e5", b".", b"-",
                                b"00012.50",
                                b"%d.%d" % (self.rng.randrange(-999, 999), self.rng.choice([0, 125, 25, 5, 75])),
                                b"123456789.5"])

    def value(self):
        kind = self.rng.randrange(12)
        if kind < 4:
            return self.number()
        if kind < 9:
            return self.rng.randbytes(self.rng.randrange(80))
        if kind < 11:
            return self.rng.randbytes(1) * self.rng.randrange(900, 1200)
        return self.rng.randbytes(64) * self.rng.choice([100, 128, 300, 1000])

    def ttl(self, scale=1):
        return self.rng.choice([b"%d" % (1000 * scale), b"%d" % (5000 * scale), b"0", b"-1", b"abc",
                                b"99999999999999999", b"9223372036854775807",
                                b"%d" % (100 * scale)])

    def pairs(self):
        return [f() for _ in range(self.rng.randrange(1, 4)) for f in (self.key, self.value)]

    def some_keys(self):
        return [self.key() for _ in range(self.rng.randrange(1, 5))]

    def set_options(self):
        out = []
        for _ in range(self.rng.choice([0, 0, 1, 1, 2, 3])):
            out += self.rng.choice([[b"NX"], [b"xx"], [b"GET"], [b"KEEPTTL"], [b"EX", self.ttl()], [b"px", b"500000"],
                                    [b"EX"], [b"PXAT", b"99999999999999"], [b"EXAT", b"99999999999"], [b"bogus"]])
        return out

    def transaction(self):
        """A transaction of some commands, behind a watch or not, which may fail or be forgotten."""
        self.written += 1
        key, words = self.key(), []
        if self.rng.random() < 0.5:
            words = [[b"WATCH"] + self.some_keys() + [key]]
            words += self.rng.choice([[], [], [[b"SET", key, b"new %d" % self.written]], [[b"DEL", key]],
                                      [[b"GET", key]], [[b"UNWATCH"], [b"APPEND", key, b"x"]],
                                      [[b"FLUSHALL"], [b"GET", key]]])
        words += [[b"MULTI"]]
        for _ in range(self.rng.randrange(6)):
            one = self.data()  # a wrong subcommand is told by Redis at once, by us when it runs
            words += [one] if one[0] not in (b"CLIENT", b"CONFIG", b"MEMORY", b"OBJECT") else [[b"TIME"]]
        words += self.rng.choice([[], [], [], [], [[b"MULTI"]], [[b"WATCH", key]], [[b"NOSUCH"]], [[b"RESET"]]])
        return words + [[self.rng.choice([b"EXEC", b"EXEC", b"EXEC", b"EXEC", b"DISCARD"])], [b"MULTI", b"x"]]

    def batch(self):
        count = self.rng.choice([1, 1, 2, 5, 20])
        if count == 5 and self.protocol == b"2":  # RESET would go back to it
            return self.transaction()
        return [self.command() for _ in range(count)]

    def about_the_connection(self):
        return self.rng.choice([
            [b"AUTH", b"pass"], [b"AUTH", b"default", b"pass"], [b"AUTH", b"other", b"pass"],
            [b"AUTH", b"a", b"b", b"c"], [b"AUTH"], [b"CLIENT"], [b"CLIENT", b"nosuch"], [b"CLIENT", b"ID", b"1"],
            [b"CLIENT", b"SETNAME"], [b"CLIENT", b"SETNAME", b"two words"], [b"CLIENT", b"NO-EVICT", b"on"],
            [b"CLIENT", b"NO-EVICT", b"x"], [b"CLIENT", b"KILL", b"ID", b"99999999"], [b"CLIENT", b"KILL", b"ID", b"0"],
            [b"CLIENT", b"KILL", b"192.0.2.1:7"], [b"CLIENT", b"KILL", b"ADDR", b"192.0.2.1:7", b"SKIPME", b"no"],
            [b"CLIENT", b"KILL", b"SKIPME", b"maybe"], [b"CLIENT", b"KILL", b"TYPE", b"pubsub"], [b"CLIENT", b"KILL"],
            [b"CLIENT", b"KILL", b"TYPE", b"odd"], [b"CLIENT", b"LIST", b"ID", b"99999999"],
            [b"CLIENT", b"LIST", b"ID", b"x"], [b"CLIENT", b"LIST", b"TYPE", b"replica"],
            [b"CLIENT", b"LIST", b"TYPE", b"odd"], [b"CLIENT", b"LIST", b"bogus"], [b"HELLO", b"9"], [b"HELLO", b"x"],
            [b"HELLO", b"2", b"AUTH", b"other", b"pass"], [b"HELLO", b"3", b"SETNAME"], [b"SELECT"]])

    def about_commands(self):
        return self.rng.choice([
            [b"COMMAND", b"nosuch"], [b"COMMAND", b"COUNT", b"x"], [b"COMMAND", b"GETKEYS"],
            [b"COMMAND", b"GETKEYS", b"MSET"] + self.pairs(), [b"COMMAND", b"GETKEYS", b"PING", b"x"],
            [b"COMMAND", b"GETKEYS", b"MGET"] + self.some_keys(), [b"COMMAND", b"GETKEYS", b"nosuch", b"k"],
            [b"COMMAND", b"GETKEYS", b"SET", b"k"], [b"COMMAND", b"INFO", b"nosuch"], [b"COMMAND", b"LIST", b"x"],
            [b"COMMAND", b"LIST", b"FILTERBY", b"MODULE", b"x"], [b"COMMAND", b"LIST", b"FILTERBY", b"odd", b"x"],
            [b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", b"ms*t"], [b"COMMAND", b"DOCS", b"nosuch"],
            [b"CONFIG"], [b"CONFIG", b"GET"], [b"CONFIG", b"nosuch"], [b"CONFIG", b"RESETSTAT", b"x"],
            [b"CONFIG", b"GET", b"nosuch", b"nothing"], [b"CONFIG", b"GET", b"appendonly", b"appendo*"],
            [b"INFO", b"nosuch", b"nothing"], [b"INFO", b"cluster"]])

    def command(self):
        return self.rng.choice([self.data] * 30 + [self.about_the_connection, self.about_commands])()

    def data(self):
        r = self.rng
        return r.choice([
            lambda: [b"GET", self.key()], lambda: [b"get", self.key()], lambda: [b"SET", self.key(), self.value()],
            lambda: [b"SET", self.key(), self.value()], lambda: [b"SET", self.key(), self.value()] + self.set_options(),
            lambda: [b"SETNX", self.key(), self.value()], lambda: [b"SETEX", self.key(), self.ttl(), self.value()],
            lambda: [b"PSETEX", self.key(), self.ttl(1000), self.value()],
            lambda: [b"GETSET", self.key(), self.value()], lambda: [b"GETDEL", self.key()],
            lambda: [b"GETEX", self.key()] + r.choice([[], [b"PERSIST"], [b"EX", self.ttl()], [b"XX"], [b"PX"]]),
            lambda: [b"APPEND", self.key(), self.value()], lambda: [b"STRLEN", self.key()],
            lambda: [b"GETRANGE", self.key(), self.number(), self.number()],
            lambda: [b"SUBSTR", self.key(), b"-3", b"-1"],
            lambda: [b"INCR", self.key()], lambda: [b"DECR", self.key()],
            lambda: [b"INCRBY", self.key(), self.number()], lambda: [b"DECRBY", self.key(), self.number()],
            lambda: [b"MGET"] + self.some_keys(), lambda: [b"MSET"] + self.pairs(),
            lambda: [b"MSET"] + self.pairs()[:-1], lambda: [b"MSETNX"] + self.pairs(),
            lambda: [b"DEL"] + self.some_keys(), lambda: [b"UNLINK"] + self.some_keys(),
            lambda: [b"EXISTS"] + self.some_keys(), lambda: [b"TOUCH"] + self.some_keys(),
            lambda: [b"TYPE", self.key()], lambda: [b"PERSIST", self.key()],
            lambda: [b"EXPIRE", self.key(), self.ttl()] + r.choice([[], [], [b"NX"], [b"XX"], [b"gt"], [b"LT"],
                                                                    [b"NX", b"GT"], [b"GT", b"LT"], [b"zz"]]),
            lambda: [b"PEXPIRE", self.key(), self.ttl(1000)],
            lambda: [b"EXPIREAT", self.key(), r.choice([b"1", b"99999999999", b"x"])],
            lambda: [b"PEXPIREAT", self.key(), r.choice([b"1", b"99999999999000", b"-5"])],
            lambda: [b"TTL", self.key()], lambda: [b"PTTL", self.key()], lambda: [b"EXPIRETIME", self.key()],
            lambda: [b"PEXPIRETIME", self.key()], lambda: [b"DBSIZE"],
            lambda: [b"KEYS", r.choice([b"*", b"k*", b"k[1-3]*", b"k?", b"*\\ *", b"k[^1]", b"[x]*", b""])],
            lambda: [b"SCAN", b"0", b"COUNT", b"4000"],
            lambda: [b"SCAN", b"0", b"MATCH", b"k1*", b"COUNT", b"4000", b"TYPE", b"string"],
            lambda: [b"SCAN", b"x"], lambda: [b"SCAN", b"0", b"COUNT", b"0"], lambda: [b"SCAN", b"0", b"COUNT"],
            lambda: [b"PING"], lambda: [b"PING", self.value()], lambda: [b"ECHO", self.value()],
            lambda: [b"SELECT", r.choice([b"0", b"99", b"x"])], lambda: [b"GET"], lambda: [b"NOSUCH", b"a", b"b c"],
            lambda: [b"SET", self.key()], lambda: [b"CLIENT", b"GETNAME"], lambda: [b"CLIENT", b"SETNAME", b"me"],
            lambda: [b"FLUSHDB"] if r.random() < 0.05 else [b"DBSIZE"],
            lambda: [b"CONFIG", b"GET", b"save"], lambda: [b"RANDOMKEY"],
            lambda: [b"SETRANGE", self.key(), r.choice([b"0", b"3", b"70", b"3000", b"-1", b"x", b"9999999999"]),
                     self.value()],
            lambda: [b"INCRBYFLOAT", r.choice([b"f1", b"f2", b"f3"]), self.fraction()],
            lambda: [b"SET", b"f1", self.fraction()] + r.choice([[], [b"EX", b"1000"]]),
            lambda: [b"INCRBYFLOAT", self.key(), b"no number"], lambda: [b"MGET", b"f1", b"f2", b"f3"],
            lambda: [b"RENAME", self.key(), self.key()], lambda: [b"RENAMENX", self.key(), self.key()],
            lambda: [b"COPY", self.key(), self.key()] + r.choice([[], [], [b"REPLACE"], [b"DB", b"0"], [b"DB"], [b"x"],
                                                                  [b"DB", b"x"], [b"db", b"99", b"replace"]]),
            lambda: [b"OBJECT", b"REFCOUNT", b"nothing"], lambda: [b"OBJECT", b"ENCODING"], lambda: [b"OBJECT", b"x"],
            lambda: [b"MEMORY", b"USAGE", b"nothing"], lambda: [b"MEMORY", b"USAGE", b"k", b"SAMPLES", b"-1"],
            lambda: [b"WAIT", r.choice([b"0", b"x"]), r.choice([b"0", b"5", b"-1"])], lambda: [b"ROLE"],
        ])()


def is_near(one, other, scale):
    return one[0] == other[0] == b":" and abs(int(one[1]) - int(other[1])) * scale <= NEAR_MS


def same(words, one, other, gathered):
    """Whether the replies say the same. EXEC's are those of the commands that were gathered before."""
    name = words[0].upper()
    if one == (b"+", b"QUEUED"):
        gathered.append(words)
    if name == b"EXEC" and one[0] == other[0] == b"*":
        return len(one[1]) == len(other[1]) == len(gathered) and \
            all(same(w, a, b, []) for w, a, b in zip(gathered, one[1], other[1]))
    if name in (b"TTL", b"EXPIRETIME") and is_near(one, other, 1000):
        return (int(one[1]) < 0) == (int(other[1]) < 0)
    if name in (b"PTTL", b"PEXPIRETIME") and is_near(one, other, 1):
        return (int(one[1]) < 0) == (int(other[1]) < 0)
    if name == b"KEYS" and one[0] == other[0] == b"*":
        return sorted(one[1]) == sorted(other[1])
    if name == b"SCAN" and one[0] == other[0] == b"*":
        return one[1][0] == other[1][0] and sorted(one[1][1][1]) == sorted(other[1][1][1])
    if name == b"TIME" and one[0] == other[0] == b"*":
        return len(one[1]) == len(other[1])
    if name == b"RANDOMKEY":
        return one[0] == other[0]
    return one == other


def short(what):
    """Values may be long: their begin and their length tell enough."""
    if isinstance(what, (list, tuple)):
        return "[" + ", ".join(map(short, what)) + "]"
    return repr(what) if len(what) < 100 else f"{what[:60]!r}... ({len(what)} bytes)"


class Peer:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.sock)

    def ask(self, data, count, cuts):
        """Sends data in pieces that end at cuts, and takes the replies."""
        at = 0
        for cut in cuts + [len(data)]:
            self.sock.sendall(data[at:cut])
            at = cut
        return [self.reader.reply() for _ in range(count)]


def main():
    ours_port, redis_port, total, seed = (int(a) for a in sys.argv[1:5])
    version = sys.argv[5] if len(sys.argv) > 5 else "2"
    rng = random.Random(seed)
    generator = Generator(rng, version.encode())
    peers = [Peer(ours_port), Peer(redis_port)]
    for p in peers:
        p.ask(encode([b"FLUSHALL"]) + encode([b"HELLO", version.encode()]), 2, [])
    done, history = 0, []
    while done < total:
        batch = generator.batch()
        data = b"".join(encode(w) for w in batch)
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice([0, 0, 1, 3])))
        answers = [p.ask(data, len(batch), cuts) for p in peers]
        history = (history + batch)[-60:]
        gathered = []
        for words, one, other in zip(batch, *answers):
            if not same(words, one, other, gathered):
                print(f"seed {seed}, after {done} commands: {short(words)}")
                print(f"  ours  {short(one)}\n  redis {short(other)}")
                print("before it:", *map(short, history), sep="\n  ")
                return 1
        done += len(batch)
    print(f"{done} commands, the same replies")
    return 0


if __name__ == "__main__":
    sys.exit(main())
