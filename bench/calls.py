#!/usr/bin/env python3
"""calls: what a call costs, inline, isolated and across nodes, beside what the machine takes for its parts.

    ./dev bench calls [--rounds N] [--only NAME,...] [--no-peers]

The caller is an inline slice (bench/slices/driver.c) that uses host->invoke as any slice does, so a figure is the whole
public path; the daemons are real. Each round runs ours and the references one after the other, so that they share the
machine's mood of that minute; ratios are taken inside a round, then the median over rounds. The peers' programs (a bare
pointer with protobuf-c, shared memory, libzmq, gRPC) are looked for in AETHER_PEERS or in /work/shared/peers and built
into build/peers; bench/calls_bench.c stands in for shared memory and memcpy where they are not found. Prints
`BENCH fig=... peer=... val=... unit=... dir=... note="..."` lines, then the goals of issue 5: met, or NOT MET.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from cluster import Cluster, Failure, await_true, build_dir, cpu_seconds, publish_artifact  # noqa: E402

ECHO = b"echo-00"
LINE = re.compile(r'(?:BENCH|ANCHOR) fig=(\S+) peer=(\S+) val=(\S+) unit=(\S+) dir=(\S+) note="([^"]*)"')
PARTS = ("inline", "isolated", "payload", "nodes", "idle", "publish", "respawn")


class Figures:
    def __init__(self):
        self.rounds = {}  # Name -> values, one a round.

    def show(self, figure, peer, value, unit, direction, note=""):
        print(f'BENCH fig={figure} peer={peer} val={value:.6g} unit={unit} dir={direction} note="{note}"', flush=True)
        self.rounds.setdefault((figure, peer), []).append(value)

    def take(self, output):
        """The lines of a program, printed again in our form."""
        for figure, peer, value, unit, direction, note in LINE.findall(output):
            self.show(figure, peer, float(value), unit, direction, note)

    def last(self, figure, peer):
        return self.rounds.get((figure, peer), [None])[-1]

    def median(self, figure, peer):
        values = self.rounds.get((figure, peer))
        return statistics.median(values) if values else None

    def ratio(self, figure, peer, below_figure, below):
        above, under = self.rounds.get((figure, peer), []), self.rounds.get((below_figure, below), [])
        return statistics.median(a / b for a, b in zip(above, under) if b) if above and under else None


def run(*command, timeout=90):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}")
    return done.stdout


class Peers:
    def __init__(self, wanted):
        kit = pathlib.Path(os.environ.get("AETHER_PEERS", "/work/shared/peers"))
        self.programs = ROOT / "build" / "peers"
        self.found = set()
        for name in ("slice_bench", "plugin.so", "zmq_bench", "grpc_bench") if wanted and kit.is_dir() else ():
            done = subprocess.run(["make", "-C", kit, f"OUT={self.programs}", self.programs / name], capture_output=True)
            if done.returncode == 0:
                self.found.add(name)
            else:
                print(f"calls: the peer {name} cannot be built: no ratio to it", file=sys.stderr)
        if not self.found:
            print("calls: no kit of peers: only the references of calls_bench", file=sys.stderr)

    def run(self, figures, name, *arguments):
        if name in self.found:
            figures.take(run(self.programs / name, *arguments, *([self.programs / "plugin.so"] if name == "slice_bench" else [])))


def own(*arguments):
    return run(build_dir() / "bench" / "calls_bench", *arguments)


# --- slices and blueprints -------------------------------------------------------------------------------------------

def publish_echo(repository, name):
    """The echo slice under another name of the same length."""
    bytes_ = (build_dir() / "tests" / "slices" / "echo.so").read_bytes().replace(ECHO, name.encode())
    with tempfile.NamedTemporaryFile(suffix=".so") as copy:
        copy.write(bytes_)
        copy.flush()
        publish_artifact(repository, copy.name, f"org.bench:{name}:1.0.0")


def publish(cluster, name, slices):
    document = f"name: {name}\nslices:\n" + "".join(f"  - {{artifact: 'org.bench:{s}:1.0.0', {rest}}}\n" for s, rest in slices)
    began = time.monotonic()
    cluster.ask("blueprint", "publish", "-", "--timeout", "120s", stdin=document, timeout=130)
    return time.monotonic() - began


def drive(cluster, target, calls, size=64, in_flight=1, pause_us=0):
    words = f"org.bench:{target}/echo {calls} {size} {in_flight} {pause_us}"
    answer = cluster.ask("call", "org.bench:driver/run", json.dumps(words), "--timeout", "110s", timeout=120)
    found = json.loads(answer["payload"]) if isinstance(answer["payload"], str) else answer["payload"]
    if found["failed"]:
        raise Failure(f"{words}: {found['failed']} calls failed: {found['why']}")
    return found


def on_duty(cluster):
    return sum(n["state"] == "ON_DUTY" and n["presence"] == "UP" for n in cluster.ask("node", "list")["nodes"])


# --- the parts of a round --------------------------------------------------------------------------------------------

def inline(figures, cluster, peers):
    found = drive(cluster, "echo-01", 200000)
    figures.show("5.inline-rtt", "aether", found["p50-us"], "us", "down", f"p50, 64 B; p99={found['p99-us']}")
    peers.run(figures, "slice_bench", "call-pb")
    per_second = figures.last("5.local-calls", "limit-dlsym-protobuf-c")
    if per_second:
        figures.show("5.inline-rtt", "bare-protobuf-c", 1e6 / per_second, "us", "down", "the line above, as a time")


def isolated(figures, cluster, peers):
    found = drive(cluster, "echo-02", 200000)
    figures.show("5.isolated-rtt", "aether", found["p50-us"], "us", "down", f"p50, 64 B; p99={found['p99-us']}")
    figures.take(own("spin"))
    peers.run(figures, "slice_bench", "shm-spin")
    found = drive(cluster, "echo-02", 300, pause_us=2000)
    figures.show("5.isolated-idle", "aether", found["p50-us"], "us", "down", f"p50, 64 B, 2 ms between; p99={found['p99-us']}")
    figures.take(own("futex"))
    found = drive(cluster, "echo-02", 400000, in_flight=64)
    figures.show("5.isolated-calls", "aether", found["per-s"], "calls/s", "up", "64 B, 64 in flight")


def payload(figures, cluster, _):
    size = 1 << 20
    for target, name, calls in (("echo-01", "inline", 2000), ("echo-02", "isolated", 1000)):
        found = drive(cluster, target, calls, size=size)
        figures.show(f"5.{name}-1MiB", "aether", found["p50-us"], "us", "down", "p50 of an echo of 1 MiB")
        figures.show(f"5.copy-{name}", "aether", 2 * size / found["p50-us"] / 1e3, "GB/s", "up", "there and back")
    figures.take(own("memcpy", str(size)))


def nodes(figures, cluster, peers):
    found = drive(cluster, "echo-03", 5000)
    figures.show("2.call-rtt", "aether", found["p50-us"], "us", "down", f"p50, 64 B, slice on another node; p99={found['p99-us']}")
    peers.run(figures, "zmq_bench", "rtt", "64")
    peers.run(figures, "grpc_bench", "rtt", "64")
    found = drive(cluster, "echo-03", 100000, in_flight=64)
    figures.show("2.calls-64", "aether", found["per-s"], "calls/s", "up", "64 B, 64 in flight")
    peers.run(figures, "grpc_bench", "qps", "64")
    peers.run(figures, "zmq_bench", "pipe", "64")


def processes(cluster):
    """The node and its slice hosts."""
    node = cluster.nodes[0].process.pid
    children = pathlib.Path(f"/proc/{node}/task").glob("*/children")
    return [node] + [int(pid) for task in children for pid in task.read_text().split()]


def memory(pid):
    """(PSS, PSS of the heap), KiB."""
    pss = int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M).group(1))
    heap = re.search(r"\[heap\]\n(?:.*\n)*?Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps").read_text())
    return pss, int(heap.group(1)) if heap else 0


def idle(figures, repository):
    """200 instances of 20 slices; and the same node without any, since what it takes itself is issue 4's."""
    with Cluster(1, repositories=[repository]) as cluster:
        cluster.leader()
        took = publish(cluster, "many", [(f"echo-{k:02}", "instances: 10") for k in range(10, 30)])
        figures.show("5.publish-200", "aether", took * 1e3, "ms", "down", "20 slices x 10 instances, publish to ACTIVE")
        pids = processes(cluster)
        before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
        time.sleep(6)  # The measured silence: health checks are every 5 s.
        spent = [cpu_seconds(pid) - b for pid, b in zip(pids, before)]
        seconds = time.monotonic() - began
        figures.show("5.idle-cpu", "aether-hosts", sum(spent[1:]) / seconds * 100, "%core", "down", f"{len(pids) - 1} hosts")
        figures.show("5.idle-cpu", "aether-node", spent[0] / seconds * 100, "%core", "down", "the node itself")
        sizes = [memory(pid) for pid in pids]
        whole = sum(pss for pss, _ in sizes) / 1024
        heaps = sum(heap for _, heap in sizes[1:]) / 1024
        figures.show("5.idle-pss", "aether", whole - heaps, "MiB", "down",
                     f"{len(pids)} processes: {whole:.1f} MiB, less {heaps:.1f} MiB of the hosts' heaps; node {sizes[0][0] / 1024:.1f}")


def publishing(figures, repository):
    with Cluster(1, repositories=[repository]) as cluster:
        cluster.leader()
        took = publish(cluster, "shop", [(f"echo-{k:02}", "instances: 3") for k in range(30, 54)])
        figures.show("5.publish-24x3", "aether", took * 1e3, "ms", "down", "24 slices x 3 instances, publish to ACTIVE")


def respawn(figures, repository):
    """A host dies; its instance answers again. Polled by calls, each a new process: its own time is taken off."""
    with Cluster(1, repositories=[repository]) as cluster:
        cluster.leader()
        publish(cluster, "one", [("echo-02", "instances: 1")])
        log = cluster.nodes[0].log
        times = []
        for _ in range(5):
            victim = processes(cluster)[-1]
            seen = log.stat().st_size
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)

            def back():
                return any(pid != victim for pid in processes(cluster)[1:]) and any(
                    i["state"] == "ACTIVE" for i in cluster.instances())
            await_true("the instance is ACTIVE again", back, 20)
            times.append((time.monotonic() - began) * 1e3)
            # A second of peace between two deaths, so that none counts as the second in a row.
            await_true("its host is watched", lambda: log.stat().st_size > seen, 20)
            publish_again(cluster)
        figures.show("5.respawn", "aether", statistics.median(times), "ms", "down",
                     "killed to ACTIVE, as `slice list` sees it: " + " ".join(f"{t:.0f}" for t in times))


def publish_again(cluster):
    """A new revision: the attempts of the old one don't count any more."""
    cluster.ask("blueprint", "delete", "one", timeout=60)
    publish(cluster, "one", [("echo-02", "instances: 1")])


# --- goals -----------------------------------------------------------------------------------------------------------

def goals(figures):
    """(what, value, goal, met?) of issue 5."""
    def bare(name, other):
        return name if figures.median("5.isolated-rtt", name) else other
    spin = bare("limit-shm-spin", "bare-spin")
    rows = [
        ("inline call, us", figures.median("5.inline-rtt", "aether"), 1.0, False),
        ("inline / bare call with protobuf-c", figures.ratio("5.inline-rtt", "aether", "5.inline-rtt", "bare-protobuf-c"), 6, False),
        (f"isolated, steady / {spin}", figures.ratio("5.isolated-rtt", "aether", "5.isolated-rtt", spin), 4, False),
        ("isolated, from idle / bare-futex", figures.ratio("5.isolated-idle", "aether", "5.isolated-idle", "bare-futex"), 1.5, False),
        ("across nodes / libzmq", figures.ratio("2.call-rtt", "aether", "2.rtt-64B", "libzmq"), 1.5, False),
        ("across nodes / gRPC", figures.ratio("2.call-rtt", "aether", "2.rtt-64B", "grpc-c++"), None, False),
        ("64 in flight across nodes / gRPC", figures.ratio("2.calls-64", "aether", "2.qps64-64B", "grpc-c++"), 3, True),
        ("1 MiB inline / 64 B inline", figures.ratio("5.inline-1MiB", "aether", "5.inline-rtt", "aether"), 1.5, False),
        ("1 MiB isolated, there and back / memcpy", figures.ratio("5.copy-isolated", "aether", "5.copy-1MiB", "limit-memcpy"), 0.5, True),
        ("200 instances idle, % of a core", figures.median("5.idle-cpu", "aether-hosts"), 0.5, False),
        ("200 instances, MiB PSS less heaps", figures.median("5.idle-pss", "aether"), 64, False),
        ("24 x 3 publish to ACTIVE, ms", figures.median("5.publish-24x3", "aether"), 2000, False),
        ("killed host ACTIVE again, ms", figures.median("5.respawn", "aether"), 100, False),
    ]
    print(f"\n{'what':44} {'value':>10} {'goal':>10}")
    for what, value, goal, more in rows:
        if value is None:
            continue
        sign = "" if goal is None else ("≥ " if more else "≤ ") + f"{goal:g}"
        met = "" if goal is None else "met" if (value >= goal if more else value <= goal) else "NOT MET"
        print(f"{what:44} {value:10.4g} {sign:>10}  {met}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    wanted = options.only.split(",")
    figures, peers = Figures(), Peers(not options.no_peers)
    with tempfile.TemporaryDirectory(prefix="aether-calls-") as folder:
        for k in range(1, 54):
            publish_echo(folder, f"echo-{k:02}")
        publish_artifact(folder, build_dir() / "tests" / "slices" / "driver.so", "org.bench:driver:1.0.0")
        repository = {"id": "bench", "url": f"file://{folder}"}
        for _ in range(options.rounds):
            if set(wanted) & {"inline", "isolated", "payload", "nodes"}:
                with Cluster(2, repositories=[repository], founders=1) as cluster:
                    cluster.leader()
                    cluster.nodes[1].start()
                    await_true("the second node", lambda: on_duty(cluster) == 2, 20)
                    here, there = "instances: 1, constraints: {zone: zone-1}", "instances: 1, constraints: {zone: zone-2}"
                    publish(cluster, "calls", [("driver", here + ", isolation: inline"), ("echo-01", here + ", isolation: inline"),
                                               ("echo-02", here), ("echo-03", there + ", isolation: inline")])
                    for part in (inline, isolated, payload, nodes):
                        if part.__name__ in wanted:
                            part(figures, cluster, peers)
            for name, part in (("idle", idle), ("publish", publishing), ("respawn", respawn)):
                if name in wanted:
                    part(figures, repository)
    goals(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
