#!/usr/bin/env python3
"""disk_fault_test: the disk fails below one real node of three under load (tests/preload/disk_fault.c): a write or a sync of
journal, environment or guard answers EIO once, and the process ends with 70 without trying it again, comes back as the same
replica, and the cluster goes on (F1; FLT13). Or a write of the journal is lost though the disk said it was done: the next
start finds that out and retires the replica (D8, T2, M3; FLT16). Or a write lands elsewhere: a start finds evidence (T2), or
less than others recorded (T5), or that a later write of the same place came right. All the while what clients were told
stays linearizable (K1, K3).

    tests/integration/disk_fault_test.py [FILE...]        only faults of these files"""
import json
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from failpoints_test import Load, await_back, follower  # noqa: E402
from cluster import RESTART_EXIT, Cluster, Failure, await_true, build_dir  # noqa: E402

FAILING = ["pwrite:journal:30", "fdatasync:data.mdb:3", "pwrite:data.mdb:4", "writev:data.mdb:1", "fdatasync:guard:1"]
LOSING = ["pwrite:journal:10"]
STRAYING = ["pwrite:journal:10", "pwrite:data.mdb:4"]


def start_with(node, fault):
    shim = build_dir() / "tests" / "preload" / "disk_fault.so"
    if not shim.exists():
        raise Failure(f"{shim} is not built")
    # An ASan build wants to be the first library; all it needs is to be told that this one is meant.
    node.environment = {"LD_PRELOAD": str(shim), "AETHER_DISK_FAULT": fault,
                        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    node.start()
    node.wanted = False  # Nobody starts it again before its end is looked at.


def start_sound(node):
    node.environment = {}
    node.start()


def replica_of(cluster, node):
    members = json.loads(cluster.run("cluster", "members", node=node)[1])
    return next(m["replica-id"] for m in members["members"] if m["node"] == node.name)


def change_term(cluster, victim, leader):
    third = next(n for n in cluster.nodes if n not in (victim, leader))
    cluster.run("cluster", "transfer-leadership", third.name, node=leader)


def fail_once(cluster, load, fault, _):
    victim, leader = follower(cluster)
    before = replica_of(cluster, victim)
    victim.kill()
    mark = len(victim.log.read_text(errors="replace"))
    start_with(victim, f"fail:{fault}")
    if "guard" in fault:
        await_back(cluster, victim)
        change_term(cluster, victim, leader)
    await_true(f"{victim.name} ends by {fault}", lambda: victim.process.poll() is not None, 30)
    said = victim.log.read_text(errors="replace")[mark:]
    if victim.process.returncode != RESTART_EXIT or "disk fault: " not in said:
        raise Failure(f"{victim.name} ended with {victim.process.returncode} by {fault}:\n{victim.log_tail()}")
    # LMDB puts the former meta page back where it could not write the new one: the one call that may follow.
    if said.count("after it failed") > (1 if fault.startswith("pwrite:data.mdb") else 0):
        raise Failure(f"{fault} was tried again:\n{victim.log_tail()}")
    load.await_writes(20)
    start_sound(victim)
    await_back(cluster, victim)
    if replica_of(cluster, victim) != before:
        raise Failure(f"{victim.name} is another replica after {fault}, which loses nothing")


def lose_once(cluster, load, fault, _):
    victim, _ = follower(cluster)
    before = replica_of(cluster, victim)
    victim.kill()
    start_with(victim, f"lose:{fault}")
    await_true(f"{victim.name} loses a write and ends", lambda: victim.process.poll() is not None, 30)
    load.await_writes(20)
    start_sound(victim)
    await_votes(cluster, victim)
    if replica_of(cluster, victim) == before:
        raise Failure(f"{victim.name} is the same replica after {fault}, which lost a write")
    if not list(victim.data.glob("store.doubt-*")):
        raise Failure(f"{victim.name} moved nothing aside: {victim.log_tail()}")


def await_votes(cluster, node):
    """Until then the cluster bears no second loss: the replica that the node is now votes, and nobody is on the way."""
    other = next(n for n in cluster.nodes if n is not node)
    await_back(cluster, node)

    def votes():
        code, out, _ = cluster.run("cluster", "members", "--timeout", "2s", node=other)
        members = json.loads(out)["members"] if code == 0 else []
        heard = re.findall(rf"transport.peer_up node={node.name} replica=(\w+)", other.log.read_text(errors="replace"))
        return (len(members) == len(cluster.nodes) and all(m["role"] == "voter" for m in members)
                and any(m["node"] == node.name and m["replica-id"] == heard[-1] for m in members))
    await_true(f"{node.name} votes", votes, 60)


def stray_once(cluster, load, fault, spent):
    """Who was replaced is not struck again: more of it within the hour takes a person (T2)."""
    leader = cluster.leader()
    victim = next(n for n in cluster.nodes if n is not leader and n not in spent)
    spent.append(victim)
    victim.kill()
    mark = len(victim.log.read_text(errors="replace"))
    start_with(victim, f"stray:{fault}")
    await_true(f"a write of {victim.name} goes astray",
               lambda: "disk fault: " in victim.log.read_text(errors="replace")[mark:], 30)
    load.await_writes(20)
    if victim.alive():
        victim.kill()
    start_sound(victim)
    load.await_writes(20)
    await_votes(cluster, victim)


def run(strike, faults, outcome):
    """One cluster for all of them. How many faults."""
    spent = []
    if not faults:
        return 0
    with Cluster(3) as cluster, Load(cluster) as load:
        cluster.leader(30)
        load.await_writes(50)
        for fault in faults:
            strike(cluster, load, fault, spent)
            print(f"{strike.__name__} {fault}: {outcome}", flush=True)
        verdict = load.end()
    print(f"{verdict['operations']} operations: linearizable", flush=True)
    return len(faults)


def main():
    wanted = sys.argv[1:]
    done = 0
    for strike, faults, outcome in ((fail_once, FAILING, "ends with 70, back as the same replica"),
                                    (lose_once, LOSING, "found out, back as another replica"),
                                    (stray_once, STRAYING, "the cluster goes on, and so does the node")):
        done += run(strike, [f for f in faults if not wanted or f.split(":")[1] in wanted], outcome)
    print(f"{done} faults of the disk: what clients were told is linearizable", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
    try:
        main()
    except Failure as failure:
        sys.exit(f"disk_fault_test: {failure}")
