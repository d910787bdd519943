# SPDX-License-Identifier: MIT
"""A pair of Ethernet interfaces between two network namespaces, and echo programs at its ends: for scripts/bench and
scripts/demo. Namespaces are made when first needed and removed at the program's end."""
import atexit
import os
import shutil
import subprocess
import tempfile
import time

from echolib import BUILD, CPUS, ECHO, MODULES, PLAIN, Server, client, pinned

NETDEV = os.path.join(BUILD, "bench", "bench-netdev")
SERVER_NS, CLIENT_NS = f"car{os.getpid()}s", f"car{os.getpid()}c"
OURS = {"LIBOS": "catpowder", "IDLE": "spin", **MODULES}
ENDS = {SERVER_NS: {"DEVICE": "cs0", "NET_ADDRESS": "10.79.0.2/24", "NET_MAC": "02:00:00:00:00:01"},
        CLIENT_NS: {"DEVICE": "cc0", "NET_ADDRESS": "10.79.0.3/24", "NET_MAC": "02:00:00:00:00:02"}}
RING = {SERVER_NS: {"NET_ADDRESS": "10.80.0.1/24", "NET_MAC": "02:00:00:00:00:01"},
        CLIENT_NS: {"NET_ADDRESS": "10.80.0.2/24", "NET_MAC": "02:00:00:00:00:02"}}


def reason_not():
    """Why there can be no interfaces here, or None."""
    if os.geteuid() != 0:
        return "not root"
    return None if shutil.which("ip") else "there is no ip (iproute2)"


def _ip(*words):
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL)


def _remove():
    for ns in (SERVER_NS, CLIENT_NS):
        subprocess.run(["ip", "netns", "del", ns], check=False, stderr=subprocess.DEVNULL)


def make():
    """The kernel has 10.79.0.1 on the server's end and 10.79.0.4 on the client's; ours are 10.79.0.2 and .3."""
    if reason_not():
        raise RuntimeError(reason_not())
    if os.path.exists("/run/netns/" + SERVER_NS):
        return
    atexit.register(_remove)
    try:
        _build()
    except subprocess.CalledProcessError as e:
        _remove()  # nothing half made stays for the next one
        raise RuntimeError("no pair of interfaces: " + " ".join(e.cmd)) from e


def _build():
    _ip("netns", "add", SERVER_NS)
    _ip("netns", "add", CLIENT_NS)
    _ip("-n", SERVER_NS, "link", "add", "cs0", "type", "veth", "peer", "name", "cc0", "netns", CLIENT_NS)
    for ns, device, address in ((SERVER_NS, "cs0", "10.79.0.1/24"), (CLIENT_NS, "cc0", "10.79.0.4/24")):
        _ip("-n", ns, "addr", "add", address, "dev", device)
        _ip("-n", ns, "link", "set", "lo", "up")
        _ip("-n", ns, "link", "set", device, "up")


def _in(ns, command):
    return ["ip", "netns", "exec", ns] + command


def _load(seconds, options):
    return ["--duration", str(seconds), "--warmup", "0.1", "--json"] + options


def ours(driver, seconds, options, udp=False, libos="catpowder"):
    """Our echo at both ends of the pair."""
    make()
    env = {**OURS, "DRIVER": driver, "LIBOS": libos}
    kind = ["--udp"] if udp else []
    server = [ECHO, "server", "--bind", "0.0.0.0:7000", "--quiet"] + kind
    with Server(_in(SERVER_NS, server), {**env, **ENDS[SERVER_NS]}):
        return client(_in(CLIENT_NS, [ECHO, "client", "--connect", "10.79.0.2:7000"] + kind + _load(seconds, options)),
                      {**env, **ENDS[CLIENT_NS]})


def plain(mode, seconds, options, udp=False):
    """The echo on plain sockets at both ends."""
    make()
    kind = ["--udp"] if udp else []
    with Server(_in(SERVER_NS, [PLAIN, "server", "--bind", "0.0.0.0:7001"] + mode + kind), {}):
        return client(_in(CLIENT_NS, [PLAIN, "client", "--connect", "10.79.0.1:7001"] + kind + _load(seconds, options)),
                      {})


def ours_on_xdp(seconds, options):
    """The same on AF_XDP. A short run whose first frame was lost, seen a few times on a busy machine, is over before
    that is sent again after a second: then it runs again."""
    for _ in range(3):
        try:
            return ours("xdp", seconds, options)
        except RuntimeError as e:
            last = e
    raise last


def raw(driver, seconds):
    """Bare frames over the same pair, no stack."""
    make()
    env = {**MODULES, "DRIVER": driver}
    with Server(_in(SERVER_NS, [NETDEV, "server"]), {**env, **ENDS[SERVER_NS]}):
        return client(_in(CLIENT_NS, [NETDEV, "client", "10.79.0.2", str(seconds)]), {**env, **ENDS[CLIENT_NS]})


def _ring():
    path = os.path.join(tempfile.mkdtemp(prefix="caracal-ring-", dir="/dev/shm"), "wire")
    atexit.register(shutil.rmtree, os.path.dirname(path), True)
    return {"DRIVER": "ring", "DEVICE": path}


def ring_ends(libos):
    """What a server and its client at the ends of a new ring have for settings."""
    env = {**OURS, **_ring(), "LIBOS": libos}
    return {**env, **RING[SERVER_NS]}, {**env, **RING[CLIENT_NS]}


def ring(seconds, options, libos="catpowder"):
    """Our echo at both ends of a ring in shared memory: over TCP, and over messages with catnano."""
    server, load = ring_ends(libos)
    kind = ["--udp"] if libos == "catnano" else []
    with Server([ECHO, "server", "--bind", "0.0.0.0:7000", "--quiet"] + kind, server):
        return client([ECHO, "client", "--connect", "10.80.0.1:7000"] + kind + _load(seconds, options), load)


def served(command, address, env, load):
    """A server of ours at the server's end of the pair, and what load(prefix of commands at the client's end, number of
    the server's process) gives."""
    make()
    with Server(_in(SERVER_NS, command + ["--bind", address]), {**OURS, **ENDS[SERVER_NS], **env}) as s:
        return load(_in(CLIENT_NS, []), s.proc.pid)


def with_kernel_server(command, port, load):
    """The same with a server on the kernel's own TCP at 10.79.0.1, which says nothing when it listens."""
    make()
    with subprocess.Popen(_in(SERVER_NS, command), stdout=subprocess.DEVNULL, preexec_fn=pinned(1)) as proc:
        try:
            for _ in range(200):
                probe = _in(CLIENT_NS, ["bash", "-c", f"exec 3<>/dev/tcp/10.79.0.1/{port}"])
                if subprocess.run(probe, check=False, stderr=subprocess.DEVNULL).returncode == 0:
                    return load(_in(CLIENT_NS, []), proc.pid)
                time.sleep(0.02)
            raise RuntimeError("no server: " + " ".join(command))
        finally:
            proc.terminate()


def without_checksums():
    """Makes the client's end compute its checksums: XDP takes frames before a device would."""
    make()
    _in_client = _in(CLIENT_NS, ["ethtool", "-K", "cc0", "tx", "off"])
    subprocess.run(_in_client, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ring_raw(seconds):
    env = {**MODULES, **_ring()}
    with Server([NETDEV, "server"], {**env, **RING[SERVER_NS]}):
        return client([NETDEV, "client", "10.80.0.1", str(seconds)], {**env, **RING[CLIENT_NS]})


def reason_no_dpdk():
    """Why catnip cannot run here, or None."""
    module = os.path.join(MODULES.get("CARACAL_MODULES", ""), "caracal-dpdk.so")
    return None if os.path.exists(module) else "DPDK was not there when this was built (libdpdk-dev)"


def memif_ends():
    """What the two stations of a memif have for settings; its socket has a name of its own each time."""
    if reason_no_dpdk():
        raise RuntimeError(reason_no_dpdk())
    name = f"/caracal-bench-{os.getpid()}-{os.urandom(4).hex()}"
    card = "--no-huge --no-pci --vdev net_memif0"
    return [{**env, "DRIVER": "dpdk", "EAL": f"{card},role={role},socket={name},mac={mac}"}
            for env, role, mac in ((RING[SERVER_NS], "server", "02:00:00:00:00:01"),
                                   (RING[CLIENT_NS], "client", "02:00:00:00:00:02"))]


def memif(seconds, options):
    """catnip's echo at both ends of a memif."""
    server, load = memif_ends()
    env = {**OURS, "LIBOS": "catnip"}
    with Server([ECHO, "server", "--bind", "0.0.0.0:7000", "--quiet"], {**env, **server}):
        return client([ECHO, "client", "--connect", "10.80.0.1:7000"] + _load(seconds, options), {**env, **load})


def memif_raw(seconds):
    """Bare frames over a memif."""
    server, load = memif_ends()
    with Server([NETDEV, "server"], {**MODULES, **server}):
        return client([NETDEV, "client", "10.80.0.1", str(seconds)], {**MODULES, **load})


def memif_pps(seconds):
    """Datagrams a second that catnip's echo sends back over a memif, one processor for it, one for the load."""
    server, load = memif_ends()
    env = {**OURS, "LIBOS": "catnip"}
    with Server([ECHO, "server", "--udp", "--bind", "0.0.0.0:7000", "--quiet"], {**env, **server}):
        return client([NETDEV, "flood", str(seconds)], {**MODULES, **load})


def ring_pps(seconds):
    """The same of catpowder's over a ring."""
    env = {**OURS, **_ring()}
    with Server([ECHO, "server", "--udp", "--bind", "0.0.0.0:7000", "--quiet"], {**env, **RING[SERVER_NS]}):
        return client([NETDEV, "flood", str(seconds)], {**env, **RING[CLIENT_NS]})


def testpmd_pps(seconds):
    """The same datagrams, sent back as they are by DPDK's testpmd on the processor that the echo has above."""
    server, load = memif_ends()
    command = ["dpdk-testpmd", "-l", f"{CPUS[0]},{CPUS[1 % len(CPUS)]}", "-m", "256", *server["EAL"].split(), "--",
               "--port-topology=loop", "--forward-mode=io", "--auto-start", "--total-num-mbufs=16384"]
    with subprocess.Popen(["stdbuf", "-oL", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as pmd:
        try:  # who connects before its port is started is not heard, and with nobody there it does not go on
            if not any("Checking link" in line for line in pmd.stdout):
                raise RuntimeError("dpdk-testpmd did not start")
            return client([NETDEV, "flood", str(seconds)], {**MODULES, **load})
        finally:
            pmd.kill()


def reason_no_testpmd():
    return reason_no_dpdk() or (None if shutil.which("dpdk-testpmd") else "there is no dpdk-testpmd (dpdk-dev)")
