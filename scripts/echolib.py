# SPDX-License-Identifier: MIT
"""Running the echo programs, ours and the one on plain sockets: what scripts/bench and scripts/demo share."""
import json
import os
import re
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
ECHO = os.path.join(BUILD, "apps", "caracal-echo")
PLAIN = os.path.join(BUILD, "bench", "plain", "plain_echo")
CPUS = sorted(os.sched_getaffinity(0))
MODULES = {"CARACAL_MODULES": os.path.join(BUILD, "src")}


def run_main(main):
    """Runs a program's main; when it is interrupted or told to end, the servers it has started end too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status = main()
        sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:  # whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def pinned(cpu):
    """What a child runs first: the processor it stays on."""
    return lambda: os.sched_setaffinity(0, {CPUS[cpu % len(CPUS)]})


class Server:
    """A server process that says `listening on ADDR:PORT`, or `messages on`; it ends with the block."""

    def __init__(self, command, env):
        self.proc = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True, preexec_fn=pinned(1))
        self.address = None
        for line in self.proc.stdout:
            found = re.search(r"(?:listening|messages) on (\S+)", line)
            if found:
                self.address = found.group(1)
                break
        if self.address is None:
            raise RuntimeError(self.proc.communicate()[1].strip() or "no server: " + " ".join(command))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.terminate()
        try:
            self.proc.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.communicate()


def client(command, env):
    done = subprocess.run(command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120, preexec_fn=pinned(0), check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or " ".join(command))
    return json.loads(done.stdout)


def _load(address, program, env, seconds, options):
    return client([program, "client", "--connect", address, "--duration", str(seconds), "--warmup", "0.1", "--json"] +
                  options, env)


def ours(env, seconds, options, loader=ECHO):
    """One run of our echo server, loaded by our client or by the plain one (loader)."""
    env = {**MODULES, **env}
    with Server([ECHO, "server", "--bind", "127.0.0.1:0", "--quiet"], env) as s:
        return _load(s.address, loader, env, seconds, options)


def plain(mode, seconds, options):
    """One run of the echo server on plain sockets, mode spin or epoll, loaded by the plain client."""
    with Server([PLAIN, "server", "--bind", "127.0.0.1:0"] + mode, {}) as s:
        return _load(s.address, PLAIN, {}, seconds, options)
