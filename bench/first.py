#!/usr/bin/env python3
"""first: the figures of the first milestone, from outside, with real processes on this machine.

From cold to a leader and to two slices ACTIVE on three nodes; the gap in acknowledged writes after SIGKILL of the leader over
30 kills (--kills N); resident memory of an idle node; calls from a client through a node. Prints
`BENCH fig=… peer=aether val=… unit=… dir=…` lines. Run by `./dev bench first`.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "support"))
from cluster import CallLoad, Cluster, HttpRepository, example_slice, publish_artifact  # noqa: E402

PRICING, ORDERS = "org.example:pricing:1.0.0", "org.example:orders:1.0.0"
BLUEPRINT = f"""\
name: shop
slices:
  - {{artifact: {PRICING}, instances: 3}}
  - {{artifact: {ORDERS}, instances: 3}}
"""


def figure(name, value, unit, note="", direction="down"):
    print(f'BENCH fig={name} peer=aether val={value:.6g} unit={unit} dir={direction} note="{note}"', flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cold_start(directory, repository):
    started = time.monotonic()
    cluster = Cluster(3, repositories=[{"id": "bench", "url": repository.url}], directory=directory)
    cluster.__enter__()
    cluster.leader(30)
    to_leader = time.monotonic() - started
    memory(cluster)
    resumed = time.monotonic()
    blueprint = directory / "shop.yaml"
    blueprint.write_text(BLUEPRINT)
    cluster.ask("blueprint", "publish", blueprint, timeout=90)
    to_serving = to_leader + time.monotonic() - resumed
    figure("first.cold_to_leader", to_leader, "s", "three nodes, first start, as the aether command sees it")
    figure("first.cold_to_serving", to_serving, "s", "two slices, three instances each, published and awaited")
    return cluster


class Writer(threading.Thread):
    """Writes one key after another; keeps when each was acknowledged."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.acknowledged, self.ended = cluster, [], threading.Event()
        self.at = None

    def run(self):
        count = 0
        while not self.ended.is_set():
            count += 1
            code, _, _ = self.cluster.run("kv", "put", "bench/gap", count, "--timeout", "10s", node=self.at)
            if code == 0:
                self.acknowledged.append(time.monotonic())


def kill_gaps(cluster, kills):
    gaps = []
    for _ in range(kills):
        leader = cluster.leader(30)
        writer = Writer(cluster)
        writer.at = next(n for n in cluster.nodes if n is not leader)
        writer.start()
        while len(writer.acknowledged) < 3:
            time.sleep(0.005)
        killed = time.monotonic()
        leader.kill()
        while not any(t > killed + 0.02 for t in writer.acknowledged):
            time.sleep(0.005)
        writer.ended.set()
        writer.join()
        before = [t for t in writer.acknowledged if t <= killed]
        after = [t for t in writer.acknowledged if t > killed]
        times = before[-1:] + after
        gaps.append(max(b - a for a, b in zip(times, times[1:])) if len(times) > 1 else after[0] - killed)
        leader.start()
        cluster.leader(30)
        cluster.await_active(6, 60)
    figure("first.kill_gap_p50", statistics.median(gaps), "s", f"{kills} kills; one writer, its process start included")
    figure("first.kill_gap_p99", percentile(gaps, 0.99), "s", f"{kills} kills")


def memory(cluster):
    values = [node.memory_kib() for node in cluster.nodes]
    figure("first.idle_rss", max(v[0] for v in values) / 1024, "MiB", "largest of three nodes, no slices")
    figure("first.idle_rss_anon", max(v[1] for v in values) / 1024, "MiB", "anonymous part")


def idle_cpu(cluster):
    """Milliseconds of CPU a second, over five quiet seconds, instances loaded."""
    def ticks(node):
        return sum(map(int, pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    before, started = [ticks(n) for n in cluster.nodes], time.monotonic()
    threading.Event().wait(5)
    seconds = time.monotonic() - started
    used = max(ticks(n) - b for n, b in zip(cluster.nodes, before)) * 1000 / 100
    figure("first.idle_cpu", used / seconds, "ms/s", "busiest of three nodes")


QUOTE = json.dumps({"net-cents": 4999, "quantity": 2})


def calls(cluster, name, nodes, kind, seconds=5):
    load = CallLoad(cluster, "org.example:pricing/quote", QUOTE, 100 * len(nodes), nodes)
    threading.Event().wait(seconds)
    result = load.stop()[0]
    node, client = result[kind], result["seen"]
    figure(f"first.{name}_p50", node["p50-us"], "us", f"{node['count']} calls at 100/s, as the node measured them")
    figure(f"first.{name}_p99", node["p99-us"], "us")
    figure(f"first.{name}_client_p50", client["p50-us"], "us", "the same, client hop included")


def remote_calls(cluster):
    """Calls from a node that has no instance."""
    blueprint = cluster.directory / "one.yaml"
    blueprint.write_text(f"name: shop\nslices:\n  - {{artifact: {PRICING}, instances: 1}}\n")
    cluster.ask("blueprint", "publish", blueprint, timeout=60)
    cluster.await_active(1, 30)
    holder = cluster.instances()[0]["node"]
    calls(cluster, "call_remote", [n for n in cluster.nodes if n.name != holder][:1], "remote")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    options = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-bench-"))
    repository = HttpRepository(directory / "repository").start()
    publish_artifact(repository.directory, example_slice("pricing"), PRICING)
    publish_artifact(repository.directory, example_slice("orders"), ORDERS)
    cluster = None
    try:
        cluster = cold_start(directory, repository)
        idle_cpu(cluster)
        calls(cluster, "call_local", cluster.nodes[:1], "local")
        kill_gaps(cluster, options.kills)
        remote_calls(cluster)
    finally:
        if cluster is not None:
            cluster.__exit__()
        repository.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
