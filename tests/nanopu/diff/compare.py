#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: compare.py EXPECTED ACTUAL

Compares what two runs of a program of generate.py have written: a data window and the registers after each block.
Says where they part first, in words; the exit status is 0 when they are the same.
"""
import struct
import sys

WINDOW, GAP, RECORD = 4096, 64, 544
NAMES = ["mscratch"] + [f"x{i}" for i in range(1, 30)] + ["fcsr", "-"] + [f"f{i}" for i in range(32)] + ["-"] * 4


def differences(expected, actual):
    if len(expected) != len(actual):
        yield f"{len(expected)} bytes expected, {len(actual)} bytes came"
    size = min(len(expected), len(actual)) // 8 * 8
    for block in range((size - WINDOW - GAP) // RECORD):
        at = WINDOW + GAP + block * RECORD
        want, got = (struct.unpack_from("<68Q", data, at) for data in (expected, actual))
        found = [f"  {n} is {g:016x}, not {w:016x}" for n, w, g in zip(NAMES, want, got) if w != g and n != "-"]
        if found:
            yield "\n".join([f"after block {block}:"] + found)
            return
    if expected[:WINDOW] != actual[:WINDOW]:
        at = next(i for i in range(WINDOW) if expected[i:i + 1] != actual[i:i + 1])
        yield f"byte {at} of the window differs"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    with open(sys.argv[1], "rb") as expected, open(sys.argv[2], "rb") as actual:
        found = list(differences(expected.read(), actual.read()))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
