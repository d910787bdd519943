# SPDX-License-Identifier: MIT
"""Running the key-value server beside redis-server, for scripts/bench and scripts/demo."""
import os
import re
import shutil
import socket
import subprocess
import time

from echolib import BUILD, MODULES, Server, client, pinned
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


def benchmark(server, test, requests, pipeline):
    """Requests a second that redis-benchmark gets with values of 64 bytes and 50 clients."""
    with server as s:
        return _rate(_benchmark_of("127.0.0.1", s.port, test, requests, pipeline), test)


def _rate(command, test):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE, timeout=300,
                          preexec_fn=pinned(0), check=True)
    found = re.search(r'^"' + test.upper() + r'","([0-9.]+)"', done.stdout, re.M)
    if found is None:
        raise RuntimeError("redis-benchmark said: " + done.stdout[-200:] + done.stderr[-200:])
    return float(found.group(1))


def _benchmark_of(host, port, test, requests, pipeline):
    return ["redis-benchmark", "-h", host, "-p", str(port), "-t", test, "-n", str(requests), "-d", "64", "-c", "50",
            "-P", str(pipeline), "--csv"]


def over_veth(test, requests, pipeline, driver=None):
    """The same over a pair of interfaces: our server on a driver of catpowder's, or redis-server (None)."""
    if driver is None:
        return vethlib.with_kernel_server(
            ["redis-server", "--bind", "10.79.0.1", "--port", "6379", "--save", "", "--appendonly", "no",
             "--protected-mode", "no"], 6379,
            lambda prefix: _rate(prefix + _benchmark_of("10.79.0.1", 6379, test, requests, pipeline), test))
    vethlib.without_checksums()
    return vethlib.served([KV, "--quiet"], "10.79.0.2:6379", {"DRIVER": driver, "XDP_MODE": "generic"},
                          lambda prefix: _rate(prefix + _benchmark_of("10.79.0.2", 6379, test, requests, pipeline),
                                               test))


def load(address, env, options):
    return client([LOAD, "--connect", address, "--json"] + options, {**MODULES, **env})


def loaded(env, options):
    """One run of our server under our load generator."""
    with Kv(env) as s:
        return load(s.address, env, options)


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
