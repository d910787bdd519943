#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: hostility.py PORT: clients that mean harm to a key-value server, until SIGTERM: idle ones, pipelines without
end, pipelines that nobody reads, long values, malformed requests, commands of 65,536 words. Prints 'ready' when all are
there. For scripts/bench kv_bystander."""
import resource
import selectors
import socket
import sys

IDLE = 9500
WORDS = 65535
VALUE = b"*3\r\n$3\r\nSET\r\n$4\r\nlong\r\n$4000000\r\n" + b"v" * 4000000 + b"\r\n"
FLOOD = b"*%d\r\n$4\r\nMGET\r\n" % (WORDS + 1) + b"$1\r\nx\r\n" * WORDS
GETS = b"*2\r\n$3\r\nGET\r\n$1\r\nv\r\n" * 20000
BAD = b"*1\r\n$-5\r\n"
# Bytes that are sent again and again, clients, and whether they read.
CROWDS = ((GETS, 8, True), (GETS, 4, False), (VALUE, 2, True), (FLOOD, 1, True), (BAD, 1, True))


class Client:
    def __init__(self, port, data, reads):
        self.port, self.data, self.reads = port, data, reads
        self.connect()

    def connect(self):
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.sock.setblocking(False)
        self.left = memoryview(self.data)

    def events(self):
        return selectors.EVENT_WRITE | (selectors.EVENT_READ if self.reads else 0)

    def step(self, room):
        """false: the server closed the connection, as it does after malformed requests."""
        try:
            self.left = self.left[self.sock.send(self.left[:200000]):] or memoryview(self.data)
        except BlockingIOError:
            pass
        except OSError:
            return False
        try:
            return not self.reads or self.sock.recv_into(room) > 0
        except BlockingIOError:
            return True
        except OSError:
            return False


def main(port):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(min(IDLE, hard - 100))]
    idle[0].sendall(b"SET v " + b"v" * 100 + b"\r\n")
    idle[0].recv(100)
    room = bytearray(1 << 20)
    selector = selectors.DefaultSelector()
    for data, count, reads in CROWDS:
        for _ in range(count):
            client = Client(port, data, reads)
            selector.register(client.sock, client.events(), client)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            client = key.data
            if not client.step(room):
                selector.unregister(client.sock)
                client.sock.close()
                client.connect()
                selector.register(client.sock, client.events(), client)


if __name__ == "__main__":
    main(int(sys.argv[1]))
