#!/usr/bin/env python3
"""actors: the runtime beside its peers and the physical limit, interleaved.

Within a round every program of a figure runs once, one after the other, so they share the machine's mood of that minute;
ratios are taken inside a round, then the median over rounds. The peers are the programs of the kit (AETHER_PEERS, default
../shared/peers beside this repository), built into build/peers; those that can't be built or run here are left out, and the
report says so. Prints each program's line as it comes, then the tables. Run by `./dev bench actors`.

  --rounds N     rounds (5)
  --only REGEX   only workloads whose name matches: pingpong count fanin ring create big work idle idle-cpu wake delay
  --wait S       hold a program back up to S seconds while the machine is more than a quarter busy (8)
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
KIT = pathlib.Path(os.environ.get("AETHER_PEERS", ROOT.parent / "shared" / "peers")).resolve()
PEERS = ROOT / "build" / "peers"
AETHER = ROOT / "build" / "release" / "bench" / "actors_bench"
LINE = re.compile(r'(?:BENCH|ANCHOR) fig=(\S+) peer=(\S+) val=(\S+) unit=(\S+) dir=(up|down) note="(.*)"')

WORKLOADS = ("pingpong", "count", "fanin", "ring", "create", "big", "work", "idle", "idle-cpu", "wake", "delay")
OURS_ONLY = ("idle-cpu", "wake", "delay")
ONE_THREAD_ONLY = ("idle",)

A1, A2, LIMIT = "aether-t1", "aether-t2", "limit-1t-atomic"
# Figure, what is divided by what, the bound, and whether the ratio must be at least ("up") or at most ("down") that.
# "best-t2" is the best peer with two threads.
GOALS = (
    ("1a.pingpong", A1, LIMIT, 0.5, "up"),
    ("1a.pingpong", A2, A1, 0.9, "up"),
    ("1b.count", A1, LIMIT, 0.45, "up"),
    ("1b.count", A2, "best-t2", 2.5, "up"),
    ("1c.fanin100", A1, LIMIT, 0.45, "up"),
    ("1c.fanin100", A2, "best-t2", 2.5, "up"),
    ("1d.ring100", A1, LIMIT, 0.4, "up"),
    ("1d.ring100", A2, A1, 0.9, "up"),
    ("1e.create", A1, LIMIT, 0.35, "up"),
    ("1e.create", A2, LIMIT, 0.35, "up"),
    ("1e.idle-bytes", A1, None, 256, "down"),
    ("1f.big100", A1, LIMIT, 0.5, "up"),
    ("1f.big100", A2, A1, 0.9, "up"),
    ("1g.work1us", A2, "limit-2-threads", 0.93, "up"),
    ("1g.work1us", A2, A1, 1.85, "up"),
    ("1h.idle-cpu", A2, None, 0.1, "down"),
    ("1h.wake-p99", A2, "limit-futex", 1.5, "down"),
    ("1i.delay-p99", A2, None, 10, "down"),
    ("1i.delay-share", A2, None, 1, "down"),
)


def build_peers():
    """The kit's programs that build here; the kit itself is not written to."""
    if not (KIT / "Makefile").exists():
        print(f"actors: no peer kit at {KIT} (AETHER_PEERS names another place): Aether runs alone", file=sys.stderr)
        return
    PEERS.mkdir(parents=True, exist_ok=True)
    targets = ["limit_rt0", "limit_rt1", "caf017", "erl_bench.beam"]
    targets += ["caf_new"] if os.environ.get("CAF_PREFIX") else []
    targets += ["ponyrt_bench"] if os.environ.get("PONYRT_LIB") else []
    for target in targets:
        made = subprocess.run(["make", "-C", KIT, f"OUT={PEERS}", PEERS / target], capture_output=True, text=True)
        if made.returncode != 0:
            print(f"actors: peer {target} can't be built here and is left out", file=sys.stderr)


def peer(program, *arguments):
    path = PEERS / program
    return [[str(path), *arguments]] if path.exists() else []


def programs(workload):
    """The commands of one round of one workload, in their order."""
    commands = []
    if workload not in OURS_ONLY:
        commands += peer("limit_rt1", workload)
        commands += peer("limit_rt1", "work-threads") if workload == "work" else []
    for threads in ("1",) if workload in ONE_THREAD_ONLY else ("1", "2"):
        commands.append([str(AETHER), workload, threads])
        if workload in OURS_ONLY:
            continue
        commands += peer("ponyrt_bench", workload, f"--ponymaxthreads={threads}")
        commands += peer("caf_new", workload, threads)
        commands += peer("caf017", workload, threads, "0.2" if workload == "create" else "1")
        if shutil.which("erl") and (PEERS / "erl_bench.beam").exists():
            commands.append(["erl", "-noinput", "+S", f"{threads}:{threads}", "+P", "2000000", "-pa", str(PEERS),
                             "-run", "erl_bench", "main", workload, "1"])
    return commands


def busy_share():
    def counters():
        fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]
    total, idle = counters()
    time.sleep(0.1)
    later_total, later_idle = counters()
    return 1 - (later_idle - idle) / max(1, later_total - total)


def run(command, wait_s):
    """The figures that a program prints; none if it fails, and then it is said."""
    until = time.monotonic() + wait_s
    while busy_share() > 0.25 and time.monotonic() < until:
        pass
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        print(f"actors: no answer within 90 s: {' '.join(command)}", file=sys.stderr)
        return []
    found = [match.groups() for match in map(LINE.match, ended.stdout.splitlines()) if match]
    if ended.returncode != 0 or not found:
        print(f"actors: exit {ended.returncode}: {' '.join(command)}: {ended.stderr.strip()[-300:]}", file=sys.stderr)
    return found


class Results:
    def __init__(self):
        self.values = collections.defaultdict(dict)  # (figure, peer) to {round: value}
        self.units = {}

    def add(self, number, figure, who, value, unit, direction, note):
        self.values[figure, who][number] = float(value)
        self.units[figure] = (unit, direction)
        print(f'BENCH fig={figure} peer={who} val={value} unit={unit} dir={direction} note="{note}"', flush=True)

    def peers_of(self, figure):
        return [who for name, who in self.values if name == figure]

    def best_t2(self, figure):
        """By round: the best peer with two threads."""
        rounds = collections.defaultdict(list)
        for who in self.peers_of(figure):
            if who.endswith("-t2") and who != A2:
                for number, value in self.values[figure, who].items():
                    rounds[number].append(value)
        return {number: max(values) for number, values in rounds.items()}

    def ratios(self, figure, above, below):
        """Inside each round. `below` None: the value itself."""
        upper = self.values.get((figure, above), {})
        if below is None:
            return list(upper.values())
        lower = self.best_t2(figure) if below == "best-t2" else self.values.get((figure, below), {})
        return [upper[number] / lower[number] for number in upper if lower.get(number)]

    def print_table(self):
        print(f"\n{'figure':16} {'peer':18} {'median':>10} {'min':>10} {'max':>10}  {'of A1':>7} {'of A2':>7} {'of limit':>8}")
        for figure, (unit, direction) in self.units.items():
            rows = sorted(self.peers_of(figure), key=lambda who: statistics.median(self.values[figure, who].values()),
                          reverse=direction == "up")
            for who in rows:
                values = list(self.values[figure, who].values())
                shares = [self.ratios(figure, who, below) for below in (A1, A2, LIMIT)]
                texts = [f"{statistics.median(s):.3g}" if s else "-" for s in shares]
                print(f"{figure:16} {who:18} {statistics.median(values):10.4g} {min(values):10.4g} {max(values):10.4g}  "
                      f"{texts[0]:>7} {texts[1]:>7} {texts[2]:>8}  {unit}")

    def print_goals(self):
        print(f"\n{'figure':16} {'ratio':32} {'median':>8} {'min':>8} {'max':>8} {'goal':>8}")
        for figure, above, below, bound, direction in GOALS:
            ratios = self.ratios(figure, above, below)
            if not ratios:
                continue
            median = statistics.median(ratios)
            met = median >= bound if direction == "up" else median <= bound
            what = above if below is None else f"{above} / {below}"
            sign = ">=" if direction == "up" else "<="
            print(f"{figure:16} {what:32} {median:8.3g} {min(ratios):8.3g} {max(ratios):8.3g} {sign + f'{bound:g}':>8}  "
                  f"{'met' if met else 'NOT MET'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--wait", type=float, default=8)
    options = parser.parse_args()
    build_peers()
    results = Results()
    for number in range(options.rounds):
        for workload in WORKLOADS:
            if options.only and not re.fullmatch(options.only, workload):
                continue
            for command in programs(workload):
                for found in run(command, options.wait):
                    results.add(number, *found)
    results.print_table()
    results.print_goals()
    return 0


if __name__ == "__main__":
    sys.exit(main())
