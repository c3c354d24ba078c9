#!/usr/bin/env python3
"""flaky_disk_test: the disk of one real node of three fails once, below the store: a write or a sync says EIO (FLT13), or a
write lands elsewhere and says nothing (FLT16), under load. The node ends at once (70) and acknowledges nothing of it, or finds
at its next start what its directory lacks; it comes back, the cluster has gone on, and what clients were told is linearizable.

    tests/integration/flaky_disk_test.py [write|sync|astray ...]        only these"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster import RESTART_EXIT, Cluster, Failure, await_true, build_dir  # noqa: E402
from failpoints_test import Load, await_back, follower  # noqa: E402


def start_on_flaky_disk(cluster, node):
    """The same node, with the shim before its C library."""
    order = cluster.directory / f"{node.name}.order"
    node.kill()
    node.environment = {"LD_PRELOAD": str(build_dir() / "tests" / "flaky_disk.so"), "FLAKY_ORDER": str(order),
                        "FLAKY_BELOW": str(node.data), "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    node.start()
    await_back(cluster, node)
    return order


def give(order, deed):
    """All at once: half a word would be no order."""
    half = order.with_suffix(".half")
    half.write_text(deed)
    half.rename(order)
    await_true(f"the disk meets {deed}", lambda: not order.exists(), 30)


def fails_once(cluster, load, deed):
    """An error that the store hears of: the process ends, and nothing of that batch was told (F1)."""
    victim, _ = follower(cluster)
    order = start_on_flaky_disk(cluster, victim)
    victim.wanted = False  # The test itself starts it again: it wants to see the end.
    give(order, deed)
    try:
        victim.process.wait(30)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{victim.name} goes on after {deed} failed:\n{victim.log_tail()}") from late
    if victim.process.returncode != RESTART_EXIT:
        raise Failure(f"{victim.name} ended with {victim.process.returncode}, not {RESTART_EXIT}:\n{victim.log_tail()}")
    load.await_writes(20)
    victim.environment = {}
    victim.start()
    await_back(cluster, victim)


def goes_astray(cluster, load):
    """Nobody hears of it. What a start finds then is evidence (T2), or less than others recorded (T5), or nothing is missing
    (a later write of the same page came right)."""
    victim, _ = follower(cluster)
    order = start_on_flaky_disk(cluster, victim)
    give(order, "astray")
    load.await_writes(20)
    if victim.alive():
        victim.kill()
    victim.environment = {}
    victim.start()
    load.await_writes(20)
    await_back(cluster, victim)


def run(deed):
    with Cluster(3) as cluster:
        cluster.leader(30)
        with Load(cluster) as load:
            load.await_writes(50)
            if deed == "astray":
                for _ in range(3):
                    goes_astray(cluster, load)
            else:
                fails_once(cluster, load, deed)
            load.await_writes(50)
            verdict = load.end()
        print(f"{deed}: {json.dumps(verdict)}", flush=True)


def main():
    os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
    for deed in sys.argv[1:] or ["write", "sync", "astray"]:
        run(deed)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"flaky_disk_test: {failure}")
