#!/usr/bin/env python3
"""failpoints_test: a node of three dies (SIGKILL of itself) at each named step of persistence, under load: founding, guard,
journal, its replay, entries, copy, compaction, snapshot, flip, doubt (consensus.md 14.6; sections 2, 3, 4, 6, 9). Each time
it comes back, the cluster has gone on, and everything that the clients were told is linearizable: no acknowledged write is
lost (K1, K3; FLT7).

    tests/integration/failpoints_test.py [NAME...]        only these points

Needs a build with failpoints (preset dev)."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
from cluster import Cluster, Failure, await_true, build_dir  # noqa: E402

CLIENTS = 4
KEPT_ENTRIES = 40
AWAY_S = 12
RECORD_HEADER = 4 + 4 * 8 + 3  # Of a record in the state copy, between its key and its value (store/record.c).

FOUNDING = ["found.guard", "found.before_rename", "found.renamed", "member.before", "member.written"]
WRITING = ["entries.before", "entries.committed", "writer.before_reply:5", "copy.before", "copy.committed",
           "compact.before", "compact.committed"]
JOURNAL = ["journal.before:20", "journal.written:20", "settle.before:2", "settle.committed:2", "journal.switch:2"]
MAKING = ["journal.made", "journal.known"]
REPLAYING = ["replay.before", "replay.committed"]
TERMS = ["guard.before", "guard.written"]
RECEIVING = ["chunk.before", "chunk.committed", "install.before", "install.committed"]
CLEARING = ["clear.before", "clear.committed"]  # What was there before a snapshot goes before the next one comes.
DOUBT = ["doubt.written", "doubt.before_rename", "doubt.renamed"]
COPY_DAMAGE = ["copy.before_drop"]


class Load:
    """tests/load/kv_load.c beside the cluster: records all that its clients do, and judges it at the end."""

    def __init__(self, cluster):
        endpoints = ",".join(n.client for n in cluster.nodes)
        self.history = cluster.directory / "history.jsonl"
        self.process = subprocess.Popen([build_dir() / "tests" / "kv_load", endpoints, str(CLIENTS), "1", self.history],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):  # Before its cluster's ports are somebody else's.
        self.process.kill()
        self.process.wait()

    def await_writes(self, wanted):
        for line in ("mark", f"await {wanted}"):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        if answer["acknowledged"] < wanted:
            raise Failure(f"only {answer['acknowledged']} writes in a minute")

    def end(self):
        out, _ = self.process.communicate(timeout=300)
        if self.process.returncode != 0:
            raise Failure(f"not linearizable: {out} ({self.history})")
        return json.loads(out)


def await_death(node, point):
    """It ended itself, and at that point."""
    await_true(f"{node.name} dies at {point}", lambda: node.process.poll() is not None, 30)
    if node.process.returncode != -signal.SIGKILL or f"failpoint {point.split(':')[0]}\n" not in node.log.read_text():
        raise Failure(f"{node.name} ended with {node.process.returncode} instead of dying at {point}:\n{node.log_tail()}")
    node.wanted = False


def start_at(node, point):
    node.environment["AETHER_FAILPOINT"] = point
    node.start()


def start_sound(node):
    node.environment.pop("AETHER_FAILPOINT", None)
    node.start()


def await_back(cluster, node):
    def is_back():
        code, out, _ = cluster.run("cluster", "status", "--timeout", "2s", node=node)
        return code == 0 and json.loads(out)["health"] == "ok"
    await_true(f"{node.name} is back", is_back, 60)


def follower(cluster):
    leader = cluster.leader()
    return next(n for n in cluster.nodes if n is not leader), leader


def die_founding(point):
    """The first start of a node is cut short; the next one founds the cluster all the same."""
    with Cluster(3) as cluster:
        victim = cluster.nodes[2]
        victim.kill()
        for name in ("store", "store.new"):
            subprocess.run(["rm", "-rf", victim.data / name], check=True)
        victim.log.unlink()
        start_at(victim, point)
        await_death(victim, point)
        start_sound(victim)
        cluster.leader(30)
        cluster.ask("kv", "put", "founded", "yes", node=cluster.nodes[0])


def die_writing(cluster, load, point):
    victim, _ = follower(cluster)
    victim.kill()
    start_at(victim, point)
    load.await_writes(2 * KEPT_ENTRIES)
    await_death(victim, point)
    load.await_writes(20)
    start_sound(victim)
    await_back(cluster, victim)


def die_replaying(cluster, load, point):
    """What it had in its journal when it died is on its way to the tables when it dies again."""
    victim, _ = follower(cluster)
    for _ in range(5):  # Once in a while a transaction has just taken everything.
        load.await_writes(20)
        victim.kill()
        start_at(victim, point)
        try:
            victim.process.wait(5)
            break
        except subprocess.TimeoutExpired:
            continue
    await_death(victim, point)
    load.await_writes(20)
    start_sound(victim)
    await_back(cluster, victim)


def die_in_a_new_term(cluster, load, point):
    """The lead moves: the victim's term changes."""
    victim, leader = follower(cluster)
    victim.kill()
    start_at(victim, point)
    cluster.ask("kv", "put", "before", point, node=leader)
    third = next(n for n in cluster.nodes if n not in (victim, leader))
    cluster.run("cluster", "transfer-leadership", third.name, node=leader)
    await_death(victim, point)
    load.await_writes(20)
    start_sound(victim)
    await_back(cluster, victim)


def miss_what_is_compacted(cluster, load, victim):
    """Down until the others no longer keep the log for it (ten election timeouts): it needs a snapshot then."""
    victim.kill()
    since = time.monotonic()
    while time.monotonic() - since < AWAY_S:
        load.await_writes(10 * KEPT_ENTRIES)


def die_receiving(cluster, load, points):
    """One after another, while the same snapshot comes: each start goes on where the last one was cut short."""
    victim, _ = follower(cluster)
    miss_what_is_compacted(cluster, load, victim)
    for point in points:
        start_at(victim, point)
        await_death(victim, point)
        load.await_writes(20)
    start_sound(victim)
    await_back(cluster, victim)


def die_doubting(cluster, load, point):
    """Its store is damaged: it comes back under another replica id (T2, M3)."""
    victim, _ = follower(cluster)
    victim.kill()
    os.truncate(victim.data / "store" / "data.mdb", 3 * 4096)
    start_at(victim, point)
    await_death(victim, point)
    load.await_writes(20)
    start_sound(victim)
    await_back(cluster, victim)
    if not list(victim.data.glob("store.doubt-*")):
        raise Failure(f"{victim.name} moved nothing aside: {victim.log_tail()}")


def places_of_record(data, key, value):
    """Where its value stands in the state copy; the log's entry of the same value has another head."""
    at = data.find(value)
    while at >= 0:
        start = at - RECORD_HEADER
        if data[start - len(key):start] == key:
            yield at
        at = data.find(value, at + 1)


def damage_record(file, key, value):
    """Flips a bit of it, wherever it is."""
    data = bytearray(file.read_bytes())
    places = list(places_of_record(bytes(data), key, value))
    if not places:
        raise Failure("the record is not in the state copy")
    for at in places:
        data[at] ^= 1
    file.write_bytes(data)


def die_mending(cluster, load, point):
    """Its state copy is damaged: it keeps its id, and gets the state anew (T6)."""
    victim, leader = follower(cluster)
    cluster.ask("kv", "put", "damaged", "a value that is nowhere else", node=leader)
    cluster.ask("kv", "get", "damaged", node=victim)
    file, value = victim.data / "store" / "data.mdb", b'"a value that is nowhere else"'
    await_true("the copy follows", lambda: any(places_of_record(file.read_bytes(), b"damaged", value)), 30)
    victim.stop()
    damage_record(file, b"damaged", value)
    start_at(victim, point)
    await_death(victim, point)
    start_sound(victim)
    await_back(cluster, victim)
    value = cluster.ask("kv", "get", "damaged", node=victim)
    if "a value that is nowhere else" not in json.dumps(value):
        raise Failure(f"the mended copy says {value}")
    cluster.ask("kv", "delete", "damaged", node=leader)


GROUPS = [(WRITING, die_writing), (JOURNAL, die_writing), (REPLAYING, die_replaying), (TERMS, die_in_a_new_term), (DOUBT, die_doubting), (COPY_DAMAGE, die_mending)]


def main():
    wanted = sys.argv[1:]

    def chosen(points):
        return [p for p in points if not wanted or p.split(":")[0] in wanted]

    done = 0
    for point in chosen(FOUNDING + MAKING):
        die_founding(point)
        done += 1
        print(f"{point}: founded all the same", flush=True)
    environment = {"AETHER_LIMITS_LOG_ENTRIES": str(KEPT_ENTRIES)}
    with Cluster(3, environment=environment) as cluster, Load(cluster) as load:
        cluster.leader(30)
        load.await_writes(50)
        for points, die in GROUPS:
            for point in chosen(points):
                die(cluster, load, point)
                done += 1
                print(f"{point}: back, and the cluster went on", flush=True)
        for points in (chosen(RECEIVING), chosen(CLEARING)):
            if points:
                die_receiving(cluster, load, points)
                done += len(points)
                print(f"{', '.join(points)}: back, and the cluster went on", flush=True)
        verdict = load.end()
    if verdict["operations"] < 100:
        raise Failure("the load did next to nothing")
    print(f"{done} failpoints, {verdict['operations']} operations: linearizable", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"failpoints_test: {failure}")
