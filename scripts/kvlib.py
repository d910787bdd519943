# SPDX-License-Identifier: MIT
"""Running the key-value server beside redis-server, for scripts/bench and scripts/demo."""
import os
import re
import shutil
import socket
import subprocess
import sys
import time

from echolib import BUILD, MODULES, ROOT, Server, client, pinned
import vethlib

KV = os.path.join(BUILD, "apps", "caracal-kv")
LOAD = os.path.join(BUILD, "apps", "caracal-kvload")
RECORDS = 1000000


def have_redis():
    return all(shutil.which(p) for p in ("redis-server", "redis-benchmark"))


class Kv(Server):
    def __init__(self, env):
        super().__init__([KV, "--bind", "127.0.0.1:0", "--quiet"], {**MODULES, **env})
        self.port = int(self.address.rsplit(":", 1)[1])


class Redis:
    """redis-server on a port that was free; it ends with the block."""

    def __init__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.proc = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
                                      "--appendonly", "no"], stdout=subprocess.DEVNULL, preexec_fn=pinned(1))

    def __enter__(self):
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError("redis-server does not listen")

    def __exit__(self, *exc):
        self.proc.terminate()
        self.proc.wait()


class Least(Server):
    """The least that such a server can do on the kernel's sockets: it answers all requests with one string."""

    def __init__(self, options):
        program = os.path.join(BUILD, "bench", "plain", "plain_reply")
        super().__init__([program, "--bind", "127.0.0.1:0", *options], {})
        self.port = int(self.address.rsplit(":", 1)[1])


def processor_ns(pid):
    """What a process of one thread has had of the processors, in user mode and in the kernel."""
    with open(f"/proc/{pid}/schedstat", encoding="utf-8") as f:
        return int(f.read().split()[0])


class Load:
    """redis-benchmark with 50 clients and values of 64 bytes."""

    def __init__(self, test, requests, pipeline):
        self.test, self.requests, self.pipeline = test, requests, pipeline

    @staticmethod
    def _run(address, prefix, test, requests, pipeline):
        host, port = address.rsplit(":", 1)
        command = [*prefix, "redis-benchmark", "-h", host, "-p", port, "-t", test, "-n", str(requests), "-d", "64",
                   "-c", "50", "-P", str(pipeline), "--csv"]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE, timeout=300,
                              preexec_fn=pinned(0), check=True)

    def _requests(self, address, prefix):
        """Requests a second; the one key that redis-benchmark reads is there, or all would be told that it is not."""
        self._run(address, prefix, "set", 50, 1)
        done = self._run(address, prefix, self.test, self.requests, self.pipeline)
        found = re.search(r'^"' + self.test.upper() + r'","([0-9.]+)"', done.stdout, re.M)
        if found is None:
            raise RuntimeError("redis-benchmark said: " + done.stdout[-200:] + done.stderr[-200:])
        return float(found.group(1))

    def rate(self, address, prefix=(), _=None):
        """Requests a second that a server at ADDR:PORT answers; prefix: of the command."""
        return self._requests(address, prefix)

    def cost(self, address, prefix, pid):
        """Nanoseconds of processor time that the server, process pid, spends for a request."""
        before = processor_ns(pid)
        self._requests(address, prefix)
        return (processor_ns(pid) - before) / self.requests


def benchmark(server, test, requests, pipeline):
    """Requests a second that redis-benchmark gets with values of 64 bytes and 50 clients."""
    with server as s:
        return Load(test, requests, pipeline).rate(s.address)


def cost(server, test, requests, pipeline):
    """What such a request costs the server, in ns of processor time."""
    with server as s:
        return Load(test, requests, pipeline).cost(s.address, (), s.proc.pid)


def over_veth(driver, env, measure):
    """The same over a pair of interfaces: our server on a driver of catpowder's, or redis-server (None). What counts is
    measure(address, prefix of commands, number of the server's process)."""
    if driver is None:
        return vethlib.with_kernel_server(
            ["redis-server", "--bind", "10.79.0.1", "--port", "6379", "--save", "", "--appendonly", "no",
             "--protected-mode", "no"], 6379, lambda prefix, pid: measure("10.79.0.1:6379", prefix, pid))
    vethlib.without_checksums()
    return vethlib.served([KV, "--quiet"], "10.79.0.2:6379", {"DRIVER": driver, "XDP_MODE": "generic", **env},
                          lambda prefix, pid: measure("10.79.0.2:6379", prefix, pid))


def load(address, env, options):
    return client([LOAD, "--connect", address, "--json"] + options, {**MODULES, **env})


def loaded(env, options):
    """One run of our server under our load generator."""
    with Kv(env) as s:
        return load(s.address, env, options)


def bystander(server, seconds):
    """The 99th percentile in ns of a quiet client's reads while scripts/hostility.py has its way with the server."""
    options = ["--workload", "C", "--records", "1000", "--rate", "500", "--depth", "4096", "--duration", str(seconds)]
    with server as s:
        hostile = subprocess.Popen(["nice", "-n", "19", sys.executable, os.path.join(ROOT, "scripts", "hostility.py"),
                                    str(s.port)], stdout=subprocess.PIPE, text=True, preexec_fn=pinned(0))
        try:
            if hostile.stdout.readline() != "ready\n":
                raise RuntimeError("the hostile clients did not come")
            time.sleep(1)
            found = load(s.address, {}, options)["latency_ns"]["p99"]
            if hostile.poll() is not None:
                raise RuntimeError("the hostile clients are gone")
            return found
        finally:
            hostile.terminate()
            hostile.wait()


def by_messages(options):
    """The same by messages between the ends of a ring, over the nanoPU's transport."""
    server, load_end = vethlib.ring_ends("catnano")
    with Server([KV, "--bind", "none", "--rpc", "10.80.0.1:7000", "--quiet"], server):
        return client([LOAD, "--messages", "--connect", "10.80.0.1:7000", "--json"] + options, load_end)


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024


def memory_of(server):
    """Bytes of resident memory for each of a million keys of 16 bytes with values of 64."""
    with server as s:
        empty = resident(s.proc.pid)
        load(s.address, {}, ["--workload", "L", "--records", str(RECORDS), "--depth", "64", "--size", "64"])
        return (resident(s.proc.pid) - empty) / RECORDS
