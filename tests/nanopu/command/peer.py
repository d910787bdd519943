#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program beside the simulator: sends two messages to 10.0.0.2 through a port and says if the second comes back.

usage: peer.py socket:127.0.0.1:PORT | ring:FILE | tap:NAME
"""
import mmap
import os
import socket
import struct
import subprocess
import sys
import time

ATTEMPTS = 400
PATIENCE = 100  # packets that are looked at before a message is sent again
SLOTS, SLOT_BYTES, FIRST_SLOT = 1024, 2048, 4096  # src/core/port_ring.h
LANE = (64, 192)
IN, OUT = 0, 1


class Udp:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))
        self.socket.settimeout(0.2)

    def send(self, frame):
        try:
            self.socket.send(frame)
        except ConnectionRefusedError:
            time.sleep(0.05)

    def receive(self):
        """A frame, or None after a while."""
        try:
            return self.socket.recv(2000)
        except TimeoutError:
            return None
        except ConnectionRefusedError:
            time.sleep(0.05)
            return None


class Tap:
    def __init__(self, name):
        for _ in range(ATTEMPTS):
            up = subprocess.run(["ip", "link", "set", name, "up"], stderr=subprocess.DEVNULL, check=False)
            if up.returncode == 0:
                break
            time.sleep(0.05)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind((name, 0))
        self.socket.settimeout(0.2)

    def send(self, frame):
        self.socket.send(frame)

    def receive(self):
        try:
            return self.socket.recv(2000)
        except TimeoutError:
            return None


class Ring:
    def __init__(self, path):
        size = FIRST_SLOT + 2 * SLOTS * SLOT_BYTES
        for _ in range(ATTEMPTS):
            if os.path.exists(path) and os.path.getsize(path) == size:
                break
            time.sleep(0.05)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size)

    def counts(self, lane):
        return struct.unpack_from("=Q", self.map, LANE[lane])[0], struct.unpack_from("=Q", self.map, LANE[lane] + 64)[0]

    def slot(self, lane, index):
        return FIRST_SLOT + (lane * SLOTS + index % SLOTS) * SLOT_BYTES

    def send(self, frame):
        put, taken = self.counts(IN)
        if put - taken < SLOTS:
            at = self.slot(IN, put)
            self.map[at:at + 4 + len(frame)] = struct.pack("=I", len(frame)) + frame
            struct.pack_into("=Q", self.map, LANE[IN], put + 1)

    def receive(self):
        for _ in range(20):
            put, taken = self.counts(OUT)
            if taken < put:
                at = self.slot(OUT, taken)
                length = struct.unpack_from("=I", self.map, at)[0]
                frame = self.map[at + 4:at + 4 + length]
                struct.pack_into("=Q", self.map, LANE[OUT] + 64, taken + 1)
                return frame
            time.sleep(0.01)
        return None


def packet(head, payload):
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 50 + len(payload), 1, 0, 64, 153, 0, 0x0A000001, 0x0A000002)
    return bytes.fromhex("0855667788080026e10000010800") + ip + head.ljust(30, b"\0") + payload


def data(ident, payload):
    return packet(struct.pack(">BHHHBHHHB", 1, 0, 0, len(payload), 0, 0, ident, 0, 0), payload)


def acknowledgement(got):
    """Of a DATA packet: without it the guest's NIC, whose time runs far faster than ours, sends it again and again."""
    _, source, destination, length, offset, _, ident, handle, size = struct.unpack_from(">BHHHBHHHB", got, 34)
    return packet(struct.pack(">BHHHBHHHB", 0x0A, destination, source, length, offset, offset + 2, ident, handle, size),
                  bytes(64))


def take(way, got, answers):
    answers.add(got[64:])
    way.send(acknowledgement(got))


def message(way, ident, payload, answers):
    """Sends one until it is acknowledged; DATA that comes meanwhile is kept."""
    for _ in range(ATTEMPTS):
        way.send(data(ident, payload))
        for _ in range(PATIENCE):
            got = way.receive()
            if got is None:
                break
            if got[34] & 1:
                take(way, got, answers)
            elif got[34] & 2 and struct.unpack_from(">H", got, 44)[0] == ident:
                return
    sys.exit(f"no acknowledgement of {ident}")


def main():
    kind, where = sys.argv[1].split(":", 1)
    way = {"socket": Udp, "ring": Ring, "tap": Tap}[kind](where)
    asked, answers = struct.pack(">QQ", 7, 9), set()
    message(way, 1, struct.pack(">QQ", 1, 2), answers)
    message(way, 2, asked, answers)
    for _ in range(ATTEMPTS):
        if asked in answers:
            print("echoed")
            return
        got = way.receive()
        if got is not None and got[34] & 1:
            take(way, got, answers)
    sys.exit("no answer")


main()
