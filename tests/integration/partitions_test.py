#!/usr/bin/env python3
"""partitions_test: real nodes in network namespaces, whose links are cut under load in every shape and direction, flap and
turn slow; some clients reach every node, some only the one that is cut off (FLT4-FLT6, FLT10; S13, S14, K1-K4, K6, A8, DEP2).

    tests/integration/partitions_test.py [ROUNDS [NODES...]]        `./dev partitions [ROUNDS]`; CI takes a few

Judged: all that the clients did and were told is linearizable, and no watch misses anything; whenever a majority is wholly
connected, writes go on; afterwards every node catches up. The exclusive slice never runs twice, and its node's own calls are
served by the others while it is alone. Skipped where there are no namespaces."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
from cluster import Cluster, Failure, await_true, build_dir, example_slice, publish_artifact  # noqa: E402
from network import Network, Unavailable  # noqa: E402

SEED = int(os.environ.get("AETHER_SEED", "1"))
SLACK = 3  # Sanitizers on two busy cores.
SKIPPED = 77
PRICING, ORDERS = "org.example:pricing:1.0.0", "org.example:orders:1.0.0"
QUOTE = json.dumps({"net-cents": 4999, "quantity": 2})
# The exclusive one is the only slice with a process of its own: so its processes can be counted from outside.
BLUEPRINT = """\
name: cut
slices:
  - artifact: org.example:pricing:1.0.0
    instances: {nodes}
    isolation: inline
    config: {{currency: EUR, tax-percent: 19}}
  - artifact: org.example:orders:1.0.0
    instances: 1
    exclusive: true
"""


# --- shapes: from the numbers of all nodes, the leader first, to the directed pairs that are cut ---------------------------

def both(pairs):
    return {p for a, b in pairs for p in ((a, b), (b, a))}


def apart(*sides):
    return {(a, b) for side in sides for other in sides if other is not side for a in side for b in other}


def leader_alone(nodes, _):
    return apart(nodes[:1], nodes[1:])


def follower_alone(nodes, _):
    return apart(nodes[-1:], nodes[:-1])


def leader_in_the_minority(nodes, _):
    minority = (len(nodes) - 1) // 2
    return apart(nodes[:minority], nodes[minority:])


def leader_is_deaf(nodes, _):
    return {(other, nodes[0]) for other in nodes[1:]}


def leader_is_mute(nodes, _):
    return {(nodes[0], other) for other in nodes[1:]}


def follower_is_deaf(nodes, _):
    return {(other, nodes[-1]) for other in nodes[:-1]}


def follower_is_mute(nodes, _):
    return {(nodes[-1], other) for other in nodes[:-1]}


def one_way(nodes, chance):
    return {tuple(chance.sample(nodes, 2))}


def one_pair(nodes, _):
    return both([(nodes[0], nodes[1])])


def followers_pair(nodes, _):
    return both([(nodes[-1], nodes[-2])])


def star(nodes, chance):
    middle = chance.choice(nodes)
    return {(a, b) for a in nodes for b in nodes if a != b and middle not in (a, b)}


def chain(nodes, chance):
    order = chance.sample(nodes, len(nodes))
    near = both(zip(order, order[1:]))
    return {(a, b) for a in nodes for b in nodes if a != b and (a, b) not in near}


def ring(nodes, _):
    near = both(list(zip(nodes, nodes[1:])) + [(nodes[-1], nodes[0])])
    return {(a, b) for a in nodes for b in nodes if a != b and (a, b) not in near}


def everybody_alone(nodes, _):
    return apart(*([n] for n in nodes))


def any_links(nodes, chance):
    return {(a, b) for a in nodes for b in nodes if a != b and chance.random() < 0.4}


SHAPES = (leader_alone, leader_is_deaf, leader_is_mute, follower_alone, one_pair, leader_in_the_minority, follower_is_deaf,
          follower_is_mute, one_way, followers_pair, star, chain, ring, everybody_alone, any_links)
DEEDS = ("cut", "cut", "cut", "flap", "slow")  # How a round goes on; the first ones are more likely.


def lives(nodes, cuts):
    """Is there a majority in which everybody reaches everybody? Then it must commit (S14)."""
    quorum = len(nodes) // 2 + 1
    linked = {n: {m for m in nodes if m == n or not {(n, m), (m, n)} & cuts} for n in nodes}

    def grow(clique, rest):
        if len(clique) >= quorum:
            return True
        return any(grow(clique | {n}, [m for m in rest[i + 1:] if m in linked[n]]) for i, n in enumerate(rest))
    return grow(set(), list(nodes))


# --- what is watched all the time ----------------------------------------------------------------------------------------

class ExclusiveWatch(threading.Thread):
    """Looks for two processes of the exclusive slice at once."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.ending, self.seen, self.twice = cluster, threading.Event(), set(), None

    def hosts(self):
        parents = {n.process.pid: n.name for n in self.cluster.nodes if n.alive()}
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                before, after = path.read_text().rsplit(")", 1)
                serves = b"--serve" in (path.parent / "cmdline").read_bytes()  # Else it only looks at a file.
            except OSError:
                continue  # It ended meanwhile.
            name, fields = before.split("(", 1)[1], after.split()
            if serves and name.startswith("aether-slice") and fields[0] not in "ZX" and int(fields[1]) in parents:
                found[int(path.parent.name)] = parents[int(fields[1])]
        return found

    def run(self):
        while not self.ending.wait(0.02):
            hosts = self.hosts()
            self.seen |= set(hosts)
            if len(set(hosts.values())) > 1:  # One look is no moment: both must be there in the next one, too.
                again = self.hosts()
                both_there = {p: n for p, n in again.items() if p in hosts}
                if len(set(both_there.values())) > 1 and self.twice is None:
                    self.twice = both_there

    def end(self):
        self.ending.set()
        self.join()
        return self.twice


class Load:
    """tests/load/kv_load.c: a third of the clients knows all nodes, the others one each, so somebody is on every side."""

    def __init__(self, cluster, history, clients):
        every = ",".join(n.client for n in cluster.nodes)
        sets = ";".join([every] + [n.client for n in cluster.nodes])
        self.process = subprocess.Popen([build_dir() / "tests" / "kv_load", sets, str(clients), str(SEED), history],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        out, _ = self.process.communicate(timeout=300)
        return self.process.returncode, json.loads(out)


# --- a round --------------------------------------------------------------------------------------------------------------

class Campaign:
    def __init__(self, size, directory, network):
        self.size, self.network, self.chance = size, network, random.Random(SEED * 100 + size)
        repository = directory / "repository"
        publish_artifact(repository, example_slice("pricing"), PRICING)
        publish_artifact(repository, example_slice("orders"), ORDERS)
        self.cluster = Cluster(size, directory=directory / f"of-{size}",
                               repositories=[{"id": "local", "url": f"file://{repository}"}])
        self.cluster.directory.mkdir()
        network.carry(self.cluster)
        self.gaps = []

    def __enter__(self):
        self.cluster.__enter__()
        try:
            self.begin()
        except BaseException:
            self.cluster.__exit__()
            raise
        return self

    def begin(self):
        self.cluster.leader(15 * SLACK)
        blueprint = self.cluster.directory / "cut.yaml"
        blueprint.write_text(BLUEPRINT.format(nodes=self.size))
        self.cluster.ask("blueprint", "publish", blueprint, timeout=90)
        self.history = self.cluster.directory / "history.jsonl"
        self.load = Load(self.cluster, self.history, 3 * (self.size + 1))
        self.watch = ExclusiveWatch(self.cluster)
        self.watch.start()

    def __exit__(self, *_):
        self.network.heal()
        self.load.process.kill()  # It has ended, unless something failed.
        self.load.process.wait()
        self.watch.end()
        self.cluster.__exit__()

    def serves(self, number):
        """Has this node an instance of its own for its callers?"""
        name = self.cluster.nodes[number - 1].name
        return any(i["artifact"] == PRICING and i.get("node") == name and i["state"] == "ACTIVE"
                   for i in self.cluster.instances())

    def call_at(self, number):
        node = self.cluster.nodes[number - 1]
        code, out, err = self.cluster.run("call", "org.example:pricing/quote", QUOTE, "--timeout", "5s", node=node)
        if code != 0:
            raise Failure(f"{node.name}, alone, does not serve its own caller: exit {code}: {(out + err).strip()}")

    def writes_go_on(self, wanted, why):
        answer = self.load.say(f"await {wanted}")
        if answer["acknowledged"] < wanted:
            raise Failure(f"only {answer['acknowledged']} writes in a minute: {why}")
        return answer["longest-gap-ms"]

    def hold(self, nodes, cuts, seconds):
        """The cuts stand for so long. Who is cut off from everybody serves its own callers all the while."""
        alone = [n for n in nodes if all((n, m) in cuts and (m, n) in cuts for m in nodes if m != n)]
        serving = [n for n in alone if self.serves(n)]
        began = time.monotonic()
        self.network.cut(cuts)
        self.load.say("mark")
        gap = self.writes_go_on(100, "a majority is connected") if lives(nodes, cuts) else None
        self.watch.ending.wait(max(0.0, seconds - (time.monotonic() - began)))
        for number in serving:
            self.call_at(number)
        return gap

    def flap(self, cuts, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.network.cut(cuts)
            self.watch.ending.wait(self.chance.uniform(0.05, 0.7))
            self.network.cut(())
            self.watch.ending.wait(self.chance.uniform(0.05, 0.3))

    def settles(self):
        """All links are whole: writes go on, and every node learns of them."""
        self.load.say("mark")
        self.writes_go_on(20, "everything is healed")
        revision = self.cluster.ask("kv", "put", "config/settled", "1")["revision"]
        for node in self.cluster.nodes:
            await_true(f"{node.name} catches up", lambda node=node: self.cluster.ask(
                "kv", "get", "config/settled", "--stale", "--after", revision, "--timeout", "2s", node=node), 10 * SLACK)

    def round(self, index):
        leader = self.cluster.leader(15 * SLACK).number
        others = [n for n in range(1, self.size + 1) if n != leader]
        nodes = [leader] + self.chance.sample(others, len(others))
        shape = SHAPES[index] if index < len(SHAPES) else self.chance.choice(SHAPES)
        deed = "cut" if index < 2 else self.chance.choice(DEEDS)
        cuts, seconds = shape(nodes, self.chance), self.chance.choice((0.5, 1, 2, 4, 7))
        began, gap = time.monotonic(), None
        if deed == "cut":
            gap = self.hold(nodes, cuts, seconds)
        elif deed == "flap":
            self.flap(cuts, seconds)
        else:
            for number in self.chance.sample(nodes, self.chance.randint(1, len(nodes))):
                self.network.slow(number, self.chance.choice(("64kbit", "256kbit", "1mbit")))
            self.watch.ending.wait(seconds)
        healed = time.monotonic()
        self.network.heal()
        self.settles()
        if gap is not None and cuts and shape.__name__.startswith("leader"):
            self.gaps.append(gap)
        print(f"{self.size} nodes, round {index}: {deed} {shape.__name__} {healed - began:.1f} s"
              f"{'' if gap is None else f', writes went on after {gap:.0f} ms'}, settled in {time.monotonic() - healed:.1f} s",
              flush=True)

    def judge(self, rounds):
        code, verdict = self.load.end()
        print(json.dumps(verdict), flush=True)
        twice = self.watch.end()
        if code != 0:
            kept = pathlib.Path(f"/tmp/aether-history-{os.getpid()}.jsonl")
            kept.write_bytes(self.history.read_bytes())
            raise Failure(f"not linearizable; the history is at {kept}, the seed is {SEED}")
        if twice is not None:
            raise Failure(f"the exclusive slice ran twice at once: {twice}")
        if verdict["operations"] < 50 * rounds or verdict["watch-events"] == 0:
            raise Failure("the load did next to nothing")

        def whole():
            status = self.cluster.ask("cluster", "status")
            return status["health"] == "ok" and status["instances-active"] == self.size + 1
        await_true("all is well in the end", whole, 30 * SLACK)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def campaign(size, rounds, directory):
    with Network(size) as network, Campaign(size, directory, network) as running:
        try:
            running.load.say("await 100")
            for index in range(rounds):
                running.round(index)
            running.judge(rounds)
        except Failure:
            for node in running.cluster.nodes:
                print(f"--- {node.name}\n{node.log_tail(40)}", file=sys.stderr)
            raise
        for label, share in (("p50", 0.5), ("max", 1.0)):
            print(f'BENCH fig=store.gap_partition_{label}_{size} peer=aether val={percentile(running.gaps, share) / 1e3:.4g} '
                  f'unit=s dir=down note="{len(running.gaps)} leaders cut off"', flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    sizes = [int(word) for word in sys.argv[2:]] or [3, 5]
    with tempfile.TemporaryDirectory(prefix="aether-cut-") as directory:
        for size in sizes:
            campaign(size, rounds if size == 3 else max(1, rounds // 2), pathlib.Path(directory))


if __name__ == "__main__":
    try:
        main()
    except Unavailable as reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    except Failure as failure:
        sys.exit(f"partitions_test: {failure}")
