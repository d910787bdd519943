#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Deliberate mistakes in TCP, each of which the worlds of the simulation must find: make sim BREAK=NAME.

usage: breaks.py list | breaks.py apply NAME SOURCE OUTPUT

apply writes a copy of the source file with the mistake in it; the source itself stays as it is. A mistake is a place of
the code that is there exactly once, and what stands there instead.
"""
import sys

BREAKS = {
    "overlap": (
        "a segment that begins with bytes that are there already is taken from its first byte on",
        "    a->ptr += to - a->seq;\n",
        ""),
    "fin": (
        "the end of a stream is taken though bytes before it are missing",
        "c->rcv_nxt == c->fin_seq)",
        "seq_le(c->rcv_nxt, c->fin_seq))"),
    "window": (
        "a closed window is asked about once a day: who loses the news that it opened waits so long",
        "        rtx_set(c, TCP_RTX_PERSIST, rto(c));",
        "        rtx_set(c, TCP_RTX_PERSIST, 86400 * NS_PER_S);"),
}


def main(arguments):
    if arguments == ["list"]:
        for name, (what, _, _) in BREAKS.items():
            print(f"{name:10} {what}")
        return 0
    if len(arguments) != 4 or arguments[0] != "apply" or arguments[1] not in BREAKS:
        print(__doc__, file=sys.stderr)
        return 2
    _, name, source, output = arguments
    _, right, wrong = BREAKS[name]
    with open(source, encoding="utf-8") as f:
        text = f.read()
    if text.count(right) != 1:
        print(f"breaks.py: {name}: its place in {source} is there {text.count(right)} times; say anew what to break",
              file=sys.stderr)
        return 1
    with open(output, "w", encoding="utf-8") as f:
        f.write(text.replace(right, wrong))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
