# SPDX-License-Identifier: MIT
"""Programs on simulated nanoPU hosts: what scripts/bench and scripts/demo share. All times are the simulated ones."""
import json
import os
import re
import subprocess
import tempfile

from echolib import BUILD

HZ = 3.2e9
ECHO = os.path.join(BUILD, "apps", "nanopu", "caracal-echo.elf")
KV = os.path.join(BUILD, "apps", "nanopu", "caracal-kv.elf")
SERVER_IP = "10.0.0.2"  # the first host's
LINK = 140  # cycles to the switch


def guest(name):
    return os.path.join(BUILD, "bench", name)


def run_hosts(hosts, cycles, links=()):
    """What guests on simulated hosts of one core print, until all but the first have ended, or for so many cycles.
    links: of each host to the switch, in cycles, where they are not the usual ones."""
    for _, program, _ in hosts:
        if not os.path.exists(program):
            raise RuntimeError("without the compiler for RISC-V there are no guests")
    lines = ["params: {cores: 1}", "hosts:"]
    lines += [f"  - {{name: {n}, program: {p}, args: [{', '.join(repr(a) for a in args)}]}}" for n, p, args in hosts]
    lines[2] = lines[2][:-1] + ", background: yes}"
    if links:
        lines += ["switches: [{name: s}]", "links:"]
        lines += [f"  - {{between: [{host[0]}, s], latency: {link}}}" for host, link in zip(hosts, links)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as topology:
        topology.write("\n".join(lines) + "\n")
        topology.flush()
        return subprocess.run([os.path.join(BUILD, "tools", "nanopu"), "run", "--quiet", "--cycles", cycles,
                               "--topology", topology.name], stdout=subprocess.PIPE, text=True, timeout=600,
                              check=False).stdout


def hosts_print(hosts, pattern, cycles, links=()):
    """The same: a pattern's groups, as numbers."""
    out = run_hosts(hosts, cycles, links)
    found = re.search(pattern, out)
    if found is None:
        raise RuntimeError(f"{hosts[0][0]} on the nanoPU: {out[-200:]}")
    return [int(n) for n in found.groups()]


def echo(clients):
    """apps/echo on both sides, a request of 64 bytes at a time from each client. Figures as the client prints them."""
    options = ["client", "--udp", "--connect", SERVER_IP + ":0", "--size", "64", "--requests", "400", "--json"]
    hosts = [("server", ECHO, ["server", "--udp", "--quiet", "--bind", "0.0.0.0:0"])]
    hosts += [(f"client{i}", ECHO, options) for i in range(clients)]
    answers = [json.loads(line.split("|", 1)[1]) for line in run_hosts(hosts, "60M").splitlines()
               if "latency_ns" in line]
    if len(answers) != clients or any(a["requests"] != 400 for a in answers):
        raise RuntimeError("echo on the nanoPU did not end")
    return {"latency_ns": answers[0]["latency_ns"], "req_per_s": sum(a["req_per_s"] for a in answers)}


def kv():
    """apps/kv: cycles of a GET at most, median and 99th percentile in ns at half of that rate. The prototype's load
    came from its switch, so that a latency has the server's link twice and no other: the client's is short here."""
    args = ["--bind", "none", "--rpc", "0.0.0.0:0", "--maxmemory", "8", "--maxclients", "1"]
    return hosts_print([("kv", KV, args), ("load", guest("kv_client.elf"), [SERVER_IP])],
                       r"kv: (\d+) cycles a GET at most, at half that rate p50 (\d+) p99 (\d+) ns, 0 wrong", "300M",
                       (LINK, LINK // 10))
