#!/usr/bin/env python3
"""kills_test: the leader of three real nodes dies again and again under load (SIGKILL; every fifth time it is stopped,
and goes on later), and everything that the clients did and were told is linearizable (K1-K4, K6, K7, K9; FLT7, FLT10).

    tests/integration/kills_test.py [COUNT]        `./dev kills [COUNT]` takes 200; CI a tenth

Clients use the client library with all endpoints, so they live through every death. Prints the gaps in acknowledged
writes, and with BENCH lines their percentiles."""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
from cluster import Cluster, Failure, await_true, build_dir  # noqa: E402

CLIENTS = 8
SEED = int(os.environ.get("AETHER_SEED", "1"))


class Load:
    """tests/load/kv_load.c beside the cluster."""

    def __init__(self, cluster, history):
        endpoints = ",".join(n.client for n in cluster.nodes)
        self.process = subprocess.Popen([build_dir() / "tests" / "kv_load", endpoints, str(CLIENTS), str(SEED), history],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        out, _ = self.process.communicate(timeout=300)
        return self.process.returncode, json.loads(out)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def figure(name, gaps):
    for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        print(f'BENCH fig=store.gap_{name}_{label} peer=aether val={percentile(gaps, share) / 1e3:.4g} unit=s dir=down '
              f'note="{len(gaps)} times, {CLIENTS} clients"', flush=True)


def strike(cluster, load, chance, stops):
    """The leader dies, or stands still for a while; returns the gap in ms once writes go on."""
    leader = cluster.leader()
    load.say("mark")
    if stops:
        leader.process.send_signal(signal.SIGSTOP)
    else:
        leader.kill()
    wanted = chance.randint(20, 200)
    answer = load.say(f"await {wanted}")
    if answer["acknowledged"] < wanted:
        raise Failure(f"only {answer['acknowledged']} writes in a minute after the leader {leader.name} died")
    gap = answer["longest-gap-ms"]
    if stops:
        leader.process.send_signal(signal.SIGCONT)
    else:
        leader.start()

    def is_back():
        code, out, _ = cluster.run("cluster", "status", "--timeout", "2s", node=leader)
        return code == 0 and json.loads(out)["health"] == "ok"
    await_true("the dead leader is back", is_back, 30)
    return gap


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    chance = random.Random(SEED)
    gaps = {"kill": [], "stop": []}
    with Cluster(3) as cluster:
        cluster.leader()
        history = cluster.directory / "history.jsonl"
        load = Load(cluster, history)
        load.say("await 100")
        for i in range(count):
            stops = i % 5 == 4
            gaps["stop" if stops else "kill"].append(strike(cluster, load, chance, stops))
        code, verdict = load.end()
        print(json.dumps(verdict), flush=True)
        for name, values in gaps.items():
            figure(name, values)
        if code != 0:
            kept = pathlib.Path(f"/tmp/aether-history-{os.getpid()}.jsonl")
            kept.write_bytes(history.read_bytes())
            raise Failure(f"not linearizable; the history is at {kept}, the seed is {SEED}")
        if verdict["operations"] < 50 * count or verdict["watch-events"] == 0:
            raise Failure("the load did next to nothing")
    print(f"{count} deaths of the leader, {verdict['operations']} operations: linearizable", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"kills_test: {failure}")
