# SPDX-License-Identifier: MIT
"""usage: bad_server.py tcp|udp flip|more|less|close: an echo server with a fault, for the tests of the echo client.

flip changes one bit of the 1000th byte of a stream, or of each datagram's last byte; more answers with a byte too many;
less with one byte less; close ends a connection after the first bytes. Prints `listening on ADDR:PORT`.
"""
import socket
import sys


def spoil(data, start, fault):
    """What is sent for data, which begins at byte `start` of all."""
    data = bytearray(data)
    if fault == "flip" and start <= 1000 < start + len(data):
        data[1000 - start] ^= 0x10
    elif fault == "more":
        data += b"x"
    return bytes(data)


def serve_stream(listener, fault):
    while True:
        peer, _ = listener.accept()
        with peer:
            start = 0
            while True:
                try:
                    data = peer.recv(65536)
                    if not data or (fault == "close" and start > 0):
                        break
                    peer.sendall(spoil(data, start, fault))
                except OSError:
                    break
                start += len(data)


def serve_datagrams(s, fault):
    while True:
        data, source = s.recvfrom(65536)
        if fault == "flip":
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif fault == "less":
            data = data[:-1]
        s.sendto(data, source)
        if fault == "more":
            s.sendto(data, source)


def main():
    proto, fault = sys.argv[1:]
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    if proto == "tcp":
        s.listen()
    print("listening on %s:%d" % s.getsockname(), flush=True)
    if proto == "tcp":
        serve_stream(s, fault)
    else:
        serve_datagrams(s, fault)


main()
