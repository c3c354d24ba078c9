#!/usr/bin/env python3
"""store: three nodes on loopback with data on disk, a client process outside, beside etcd 3.4 and the limits of the machine.

    ./dev bench store [--rounds N] [--kills N] [--sizes 1000,100000,1000000] [--no-peers]

Each round starts a fresh cluster of each peer, one after the other, so that they share the machine's mood of that minute;
ratios are taken inside a round, then the median over rounds. Both clients are one process that keeps N requests
outstanding in a closed loop: etcd's over min(N, 16) HTTP/2 connections, ours over min(N, 4) sockets (a node holds 64
open requests of a connection at most), so neither pays for a connection a client. What a client's process costs a
request is in the notes (client_cpu_us_per_op). The peers' programs are looked for in AETHER_PEERS (a folder
with `consensus/` and a `Makefile`), built into build/peers; without them, or without an etcd, only our own figures are
printed. After the rounds: gaps in writes after SIGKILL, SIGSTOP and an ordered stop of the leader, and the table of cost
against size. Prints `BENCH fig=… peer=… val=… unit=… dir=… note="…"` lines, then a table.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from cluster import Cluster, Failure, await_true, build_dir, cpu_seconds  # noqa: E402

SECONDS, VALUE, IDLE_S = "2.5", "256", 10
# Figure -> (the goal as a ratio to etcd, is more better).
GOALS = {"3.seqput-p50": (0.45, False), "3.seqput-p99": (0.6, False), "3.put-c64": (5, True), "3.put-c256": (5, True),
         "3.get-c64": (12, True), "3.rss-same-load": (0.4, False), "3.rss-loaded": (None, False), "3.cluster-start": (None, False),
         "3.rss-idle": (None, False), "3.idle-cpu": (None, False)}
# Figure -> the goal as a value of ours, at most.
LIMITS = {"3.cluster-start": 300, "3.rss-idle": 12, "3.idle-cpu": 0.2, "store.gap_kill_p50": 0.2, "store.gap_kill_p99": 1.0,
          "store.gap_stop_p50": 1.0, "store.gap_handover_p50": 0.1}
LINE = re.compile(r'(?:BENCH|ANCHOR) fig=(\S+) peer=(\S+) val=(\S+) unit=(\S+) dir=(\S+) note="([^"]*)"')


def bench():
    return build_dir() / "bench" / "store_bench"


def show(figure, peer, value, unit, direction, note):
    print(f'BENCH fig={figure} peer={peer} val={value:.6g} unit={unit} dir={direction} note="{note}"', flush=True)


def take(output, figures):
    """The lines of a program, ours or a peer's, printed again in our form and kept as {figure: {peer: [values]}}."""
    for figure, peer, value, unit, direction, note in LINE.findall(output):
        show(figure, peer, float(value), unit, direction, note)
        figures.setdefault(figure, {}).setdefault(peer, []).append(float(value))


def run(*command, timeout=60):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}")
    return done.stdout


def own_line(figure, value, unit, direction, note=""):
    return f'BENCH fig={figure} peer=aether val={value:.6g} unit={unit} dir={direction} note="{note}"\n'


def memory(cluster, figure):
    sizes = [n.memory_kib() for n in cluster.nodes]
    resident, anonymous = (sum(s[i] for s in sizes) / len(sizes) / 1024 for i in (0, 1))
    return own_line(figure, resident, "MiB/node", "down", f"mean of {len(sizes)} nodes; anonymous {anonymous:.1f} MiB")


def own_round():
    out = []
    cluster = Cluster(3)
    started = time.monotonic()
    with cluster:
        run(bench(), "wait", ",".join(n.client for n in cluster.nodes))
        out.append(own_line("3.cluster-start", (time.monotonic() - started) * 1e3, "ms", "down",
                            "3 processes started to first successful put"))
        leader = cluster.leader()
        out.append(memory(cluster, "3.rss-idle"))
        time.sleep(4)  # A first start lays out its journal meanwhile: that is not idle.
        before, began = [cpu_seconds(n.process.pid) for n in cluster.nodes], time.monotonic()
        time.sleep(max(0, began + IDLE_S - time.monotonic()))
        spent = sum(cpu_seconds(n.process.pid) - b for n, b in zip(cluster.nodes, before)) / IDLE_S / 3 * 100
        out.append(own_line("3.idle-cpu", spent, "%core/node", "down",
                            f"no clients, {IDLE_S} s, from 4 s after the first put on"))
        out.append(run(bench(), "seqput", leader.client, SECONDS, VALUE))
        for clients in ("64", "256"):
            before, began = [cpu_seconds(n.process.pid) for n in cluster.nodes], time.monotonic()
            out.append(run(bench(), "put", leader.client, clients, SECONDS, VALUE))
            spent = sum(cpu_seconds(n.process.pid) - b for n, b in zip(cluster.nodes, before)) / (time.monotonic() - began)
            out.append(own_line(f"3.server-cpu-put-c{clients}", spent, "cores", "down", "all three nodes"))
        out.append(run(bench(), "get", leader.client, "64", SECONDS, VALUE))
        out.append(memory(cluster, "3.rss-loaded"))
    return "".join(out)


def same_load(figures):
    """Memory after the puts that etcd got through in this round: the loads run for a time, and who is quicker holds more."""
    theirs = {f: figures.get(f, {}).get("etcd-3.4") for f in ("3.put-c64", "3.put-c256", "3.rss-loaded")}
    if not all(theirs.values()):
        return
    with Cluster(3) as cluster:
        run(bench(), "wait", ",".join(n.client for n in cluster.nodes))
        leader = cluster.leader()
        for figure in ("3.put-c64", "3.put-c256"):
            run(bench(), "fill", leader.client, str(int(theirs[figure][-1] * float(SECONDS))), VALUE)
        run(bench(), "get", leader.client, "64", SECONDS, VALUE)
        take(memory(cluster, "3.rss-same-load"), figures)
    figures["3.rss-same-load"].setdefault("etcd-3.4", []).append(theirs["3.rss-loaded"][-1])


class Peers:
    """The kit, if it is there: etcd, and what the disk and a log without a protocol allow."""

    def __init__(self):
        kit = os.environ.get("AETHER_PEERS")
        self.kit = pathlib.Path(kit) if kit else None
        self.programs = ROOT / "build" / "peers"
        self.limits = self.etcd = False
        if self.kit is None or not (self.kit / "consensus").is_dir():
            print("store: AETHER_PEERS names no kit: our own figures only", file=sys.stderr)
            return
        self.limits = self._make("disk_limits")
        self.etcd = shutil.which("etcd") is not None and self._make("etcd_bench")
        if not self.etcd:
            print("store: no etcd, or its client cannot be built: no ratios to it", file=sys.stderr)

    def _make(self, name):
        done = subprocess.run(["make", "-C", self.kit, f"OUT={self.programs}", self.programs / name], capture_output=True,
                              text=True)
        return done.returncode == 0

    def round(self):
        out = ""
        if self.etcd:
            out += run(sys.executable, self.kit / "consensus" / "etcd_run.py", self.programs / "etcd_bench", SECONDS, timeout=120)
        if self.limits:
            place = build_dir() / "limits"
            place.mkdir(exist_ok=True)
            modes = [["fsync", place, "1", "3"], ["lmdb-log", place, "1"]]
            modes += [[kind, place, batch] for batch in ("1", "64", "256") for kind in ("repl", "repl-lmdb")]
            for mode in modes:
                out += run(self.programs / "disk_limits", *mode)
            shutil.rmtree(place, ignore_errors=True)
        return out


def verdict(figure, value):
    return "" if figure not in LIMITS else "met" if value <= LIMITS[figure] else "NOT met"


def median_ratio(figures, figure, peer):
    ours, theirs = figures.get(figure, {}).get("aether", []), figures.get(figure, {}).get(peer, [])
    return statistics.median(a / b for a, b in zip(ours, theirs) if b) if ours and theirs else None


def table(figures):
    print("\n| figure | aether | etcd-3.4 | ratio | goal | |\n|---|---|---|---|---|---|")
    for figure, (goal, more) in GOALS.items():
        ours, theirs = (figures.get(figure, {}).get(p, []) for p in ("aether", "etcd-3.4"))
        ratio = median_ratio(figures, figure, "etcd-3.4")
        met = "" if ratio is None or goal is None else ("met" if (ratio >= goal if more else ratio <= goal) else "NOT met")
        cells = [f"{statistics.median(v):.5g}" if v else "-" for v in (ours, theirs)]
        wanted = "-" if goal is None else f"{'≥' if more else '≤'} {goal} x"
        if figure in LIMITS and ours:
            met, wanted = verdict(figure, statistics.median(ours)), f"≤ {LIMITS[figure]}"
        print(f"| {figure} | {cells[0]} | {cells[1]} | {'-' if ratio is None else f'{ratio:.3g}'} | {wanted} | {met} |")
    print("\n| limit | its value | share of it that aether reaches |\n|---|---|---|")
    shares = (("3.seqput-p50", "limit-replicate-3", "3.seqput-p50"), ("3.seqput-p50", "replicate-3-lmdb-log", "3.seqput-p50"),
              ("3.put-c64", "limit-replicate-3", "3.put-c64"), ("3.put-c64", "replicate-3-lmdb-log", "3.put-c64"),
              ("3.put-c256", "limit-replicate-3", "3.put-c256"), ("3.put-c256", "replicate-3-lmdb-log", "3.put-c256"))
    for limit, peer, figure in shares:
        bound, ours = figures.get(limit, {}).get(peer), figures.get(figure, {}).get("aether")
        if not bound or not ours:
            continue
        pairs = [(b / a) if "seqput" in figure else (a / b) for a, b in zip(ours, bound)]
        print(f"| {peer} ({limit}) | {statistics.median(bound):.5g} | {statistics.median(pairs):.3g} |")


# --- gaps -------------------------------------------------------------------------------------------------------


def gap_once(cluster, how):
    leader = cluster.leader()
    others = ",".join(n.client for n in cluster.nodes if n is not leader)
    sign = {"kill": "KILL", "stop": "STOP", "handover": "TERM"}[how]
    if how != "stop":
        leader.wanted = False
    milliseconds = float(run(bench(), "gap", others, f"kill -{sign} {leader.process.pid}"))
    if how == "stop":
        leader.process.send_signal(signal.SIGCONT)
    else:
        leader.process.wait()
        leader.start()

    def is_back():
        code, out, _ = cluster.run("cluster", "status", "--timeout", "2s", node=leader)
        return code == 0 and '"health": "ok"' in out
    await_true("the leader is back", is_back, 30)
    return milliseconds / 1e3


def gaps(count):
    """From the strike to the next acknowledged put, by a client that knows the other two nodes."""
    with Cluster(3) as cluster:
        cluster.leader()
        for how, times in (("kill", count), ("stop", max(1, count // 4)), ("handover", max(1, count // 4))):
            values = sorted(gap_once(cluster, how) for _ in range(times))
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                figure, value = f"store.gap_{how}_{name}", values[min(len(values) - 1, int(share * len(values)))]
                goal = f"; goal {LIMITS[figure]} s: {verdict(figure, value)}" if figure in LIMITS else ""
                show(figure, "aether", value, "s", "down", f"{times} times, worst {values[-1]:.3g} s{goal}")


# --- cost against size --------------------------------------------------------------------------------------------


def size_row(keys):
    with Cluster(3) as cluster:
        leader = cluster.leader()
        began = time.monotonic()
        out = run(bench(), "fill", leader.client, str(keys), VALUE, timeout=600)
        filled = time.monotonic() - began
        rate = float(LINE.search(out)[3])
        put = float(LINE.search(run(bench(), "seqput", leader.client, "1", VALUE))[3])
        get = float(LINE.search(run(bench(), "get", leader.client, "64", "1", VALUE))[3])
        rss = statistics.mean(n.memory_kib()[0] for n in cluster.nodes) / 1024
        file = cluster.directory / "backup.aether"
        began = time.monotonic()
        code, _, _ = cluster.run("cluster", "backup", file, timeout=300)
        snapshot = time.monotonic() - began if code == 0 else None
        victim = next(n for n in cluster.nodes if n is not leader)
        victim.stop()
        began = time.monotonic()
        victim.start()
        await_true("it serves again", lambda: cluster.run("kv", "get", "key-000000000000", node=victim)[0] == 0, 120)
        restart = time.monotonic() - began
    return [f"{keys:,}", f"{rate:,.0f}", f"{put:.0f}", f"{get:,.0f}", f"{rss:.0f}",
            "-" if snapshot is None else f"{snapshot:.2f}", f"{restart:.2f}", f"{filled:.1f}"]


def sizes(counts):
    rows = [size_row(keys) for keys in counts]
    print("\n| keys | fill, puts/s | one put p50, µs | reads/s, 64 clients | RSS, MiB | snapshot, s | restart, s | filled in, s |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--sizes", default="1000,100000")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    peers = None if options.no_peers else Peers()
    figures = {}
    for _ in range(options.rounds):
        take(own_round(), figures)
        if peers is not None:
            take(peers.round(), figures)
            same_load(figures)
    if options.rounds:
        table(figures)
    if options.kills:
        gaps(options.kills)
    if options.sizes:
        sizes([int(s) for s in options.sizes.split(",")])


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"store: {failure}")
