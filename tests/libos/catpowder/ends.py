# SPDX-License-Identifier: MIT
"""usage: ends.py connect|listen HOST: Linux's side of ends.c, with plain sockets. Connections end in each way that one
can, and each side must see what the other did."""
import socket
import struct
import sys

PORT = 7000
MANY = b"x" * 100000


def until_end(s):
    """What comes, and how it ends: False a reset."""
    got = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return got, True
            got += piece
    except ConnectionResetError:
        return got, False


def they_reset(s):
    assert until_end(s) == (b"", False)


def we_reset(s):
    s.sendall(MANY)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def they_close_half(s):
    assert until_end(s) == (b"bye", True)
    s.sendall(MANY)


def we_close_half(s):
    s.sendall(MANY)
    s.shutdown(socket.SHUT_WR)
    assert until_end(s) == (str(len(MANY)).encode(), True)


def main():
    mode, host = sys.argv[1:]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = None
    if mode == "listen":
        listener = socket.create_server((host, PORT), family=family)
        print("listening on", host, flush=True)
    for act, end in (("r", they_reset), ("R", we_reset), ("h", they_close_half), ("H", we_close_half),
                     ("q", lambda s: None)):
        s = listener.accept()[0] if listener else socket.create_connection((host, PORT), timeout=40)
        s.settimeout(40)
        with s:
            s.sendall(act.encode())
            end(s)


main()
