# SPDX-License-Identifier: MIT
"""usage: kv_client.py PORT: Debian's python3-redis, an ordinary client, against caracal-kv. Says nothing when all is
well."""
import sys

import redis


def expect(got, wanted, what):
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")


def strings(r):
    expect(r.set("a", "1", ex=100, nx=True), True, "set")
    expect(r.set("a", "2", nx=True), None, "set nx")
    expect(r.set("a", "2", xx=True, get=True, keepttl=True), "1", "set xx get keepttl")
    expect(r.incrby("a", 40), 42, "incrby")
    expect(r.incrbyfloat("a", 0.5), 42.5, "incrbyfloat")
    expect(r.setrange("s", 3, "xyz"), 6, "setrange")
    expect(r.getrange("s", 2, 4), "\0xy", "getrange")
    expect(r.mset({"m": "1", "n": "2"}), True, "mset")
    expect(r.mget("m", "n", "o"), ["1", "2", None], "mget")
    expect(r.getex("m", ex=50), "1", "getex")
    expect(r.getdel("n"), "2", "getdel")


def keys(r):
    expect(r.rename("s", "t"), True, "rename")
    expect(r.copy("t", "u"), True, "copy")
    expect(r.exists("s", "t", "u"), 2, "exists")
    expect(40 < r.ttl("m") <= 50, True, "ttl")
    expect(r.expire("m", 10, gt=True), False, "expire gt")
    expect(r.persist("m"), True, "persist")
    expect(sorted(r.scan_iter("?")), ["a", "m", "t", "u"], "scan_iter")
    expect(r.type("a"), "string", "type")
    expect(r.memory_usage("a") > 10, True, "memory_usage")
    expect(r.object("encoding", "m"), "int", "object")
    expect(r.delete("t", "u", "v"), 2, "delete")


def server(r, port):
    expect(r.info()["redis_mode"], "standalone", "info")
    expect(r.info("replication")["role"], "master", "info of a section")
    expect(r.config_get("maxmemory-policy"), {"maxmemory-policy": "allkeys-lru"}, "config_get")
    expect(r.command()["get"]["arity"], 2, "command")
    expect(r.role()[0], "master", "role")
    expect(r.client_setname("one"), True, "client_setname")
    expect([c["name"] for c in r.client_list()], ["one"], "client_list")
    expect(r.client_info()["id"], r.client_id(), "client_info")
    expect(redis.Redis(port=port, username="default", password="any").ping(), True, "a client with a password")


def pipelines(r):
    with r.pipeline(transaction=False) as p:
        for i in range(1000):
            p.set(f"p{i}", i)
        expect(all(p.execute()), True, "a pipeline of sets")
        for i in range(1000):
            p.get(f"p{i}")
        expect(p.execute(), [str(i) for i in range(1000)], "a pipeline of gets")


def transactions(r):
    expect(r.pipeline().set("t", 1).incr("t").get("t").execute(), [True, 2, "2"], "a pipeline, which is a transaction")

    def twice(p):
        value = int(p.get("t"))
        p.multi()
        p.set("t", 2 * value)
    expect(r.transaction(twice, "t"), [True], "a transaction that watches")
    with r.pipeline() as p:
        p.watch("t")
        r.set("t", 7)
        p.multi()
        p.set("t", 8)
        try:
            p.execute()
            sys.exit("a transaction whose key another one wrote")
        except redis.WatchError:
            pass
    expect(r.get("t"), "7", "get")


def main():
    port = int(sys.argv[1])
    r = redis.Redis(port=port, decode_responses=True)
    strings(r)
    keys(r)
    server(r, port)
    pipelines(r)
    transactions(r)
    expect(r.flushall(), True, "flushall")
    expect(r.dbsize(), 0, "dbsize")


if __name__ == "__main__":
    main()
