#!/usr/bin/env python3
"""failure_test: what the cluster promises when processes die, shown with real processes and kill -9.

One cluster of three nodes goes through every story in order; calls run at 100 a second through all of it and may end only
as the promise says. Deadlines are those of the promise, with room for a busy machine.
"""
import collections
import json
import os
import pathlib
import signal
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import CallLoad, Cluster, HttpRepository, await_true, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

PRICING, ORDERS = "org.example:pricing:1.0.0", "org.example:orders:1.0.0"
BLUEPRINT = f"""\
name: shop
slices:
  - artifact: {PRICING}
    instances: 3
    config: {{currency: EUR, tax-percent: 19}}
  - artifact: {ORDERS}
    instances: 2
"""
QUOTE = json.dumps({"net-cents": 4999, "quantity": 2})
ALLOWED = {"OK", "NODE_LOST", "CRASHED", "NO_ENDPOINT", "DEADLINE"}
SLACK = 2  # Sanitizers on two busy cores.


def processes():
    """(pid, parent) of every live aether-slice-host."""
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            before, after = path.read_text().rsplit(")", 1)
        except OSError:
            continue  # It ended meanwhile.
        name, state, parent = before.split("(", 1)[1], after.split()[0], int(after.split()[1])
        if name == "aether-slice-host"[:15] and state != "Z":
            yield int(path.parent.name), parent


class FailureTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-failure-"))
        cls.repository = HttpRepository(cls.directory / "repository").start()
        publish_artifact(cls.repository.directory, example_slice("pricing"), PRICING)
        publish_artifact(cls.repository.directory, example_slice("orders"), ORDERS)
        cls.cluster = Cluster(3, repositories=[{"id": "local", "url": cls.repository.url}], directory=cls.directory)
        cls.load = None
        cls.addClassCleanup(cls.end)  # Also when what follows fails.
        cls.cluster.__enter__()
        cls.cluster.leader(30)
        blueprint = cls.directory / "shop.yaml"
        blueprint.write_text(BLUEPRINT)
        cls.cluster.ask("blueprint", "publish", blueprint, timeout=90)
        cls.cluster.await_active(5)
        cls.load = CallLoad(cls.cluster, "org.example:pricing/quote", QUOTE, 100)

    @classmethod
    def end(cls):
        if cls.load is not None:
            cls.load.stop()
        cls.cluster.__exit__()
        cls.repository.stop()

    def put(self, key, value, node=None):
        return self.cluster.ask("kv", "put", key, json.dumps(value), node=node)["revision"]

    def endpoints_on(self, name, node):
        return [e for e in self.cluster.ask("endpoint", "list", node=node).get("endpoints", []) if e["node"] == name]

    def places(self, node=None):
        return sorted((i["artifact"], i["node"]) for i in self.cluster.ask("slice", "list", node=node)["instances"])

    def places_without(self, node):
        """Where the planner says that everything would run, were the node dead."""
        places = self.places()
        plan = self.cluster.ask("blueprint", "plan", "--without", node.name)
        self.assertTrue(plan["complete"] and plan["changes"], plan)
        for change in plan["changes"]:
            place = (change["artifact"], change["node"])
            if change["action"] == "stop":
                places.remove(place)
            else:
                places.append(place)
        self.assertNotIn(node.name, [name for _, name in places])
        return sorted(places)

    def test_1_leader_dies(self):
        """Another leads, what was acknowledged is there, its endpoints go, its instances run where a plan said that they
        would; it rejoins."""
        revision = self.put("test/leader-dies", "before")
        dead = self.cluster.leader()
        for node in self.cluster.nodes:  # What each runs, asked of any.
            shown = self.cluster.ask("node", "show", node.name, "--tree", node=self.cluster.nodes[0])
            self.assertIn("leader", [actor["name"] for actor in shown["actors"]])
            listed = self.cluster.ask("metric", "list", "aether_actor_messages", "--node", node.name)
            self.assertTrue(all(metric["value"] > 0 for metric in listed["metrics"]
                                if metric["labels"]["actor"] in ("leader", "state")), listed)
        planned = self.places_without(dead)
        dead.kill()
        survivor = next(n for n in self.cluster.nodes if n is not dead)
        self.cluster.leader(15 * SLACK, other_than=dead)
        record = self.cluster.ask("kv", "get", "test/leader-dies", "--after", revision, node=survivor)
        self.assertEqual((record["value"], record["revision"]), ("before", revision))
        await_true("the dead node's endpoints are gone", lambda: not self.endpoints_on(dead.name, survivor), 5 * SLACK)
        self.cluster.await_active(5, 15 * SLACK, node=survivor, off_node=dead)
        self.assertEqual(self.places(survivor), planned)
        later = self.put("test/leader-dies", "after", node=survivor)
        dead.start()
        await_true("the returned node answers with what it missed", lambda: self.cluster.ask(
            "kv", "get", "test/leader-dies", "--stale", "--after", later, node=dead)["value"] == "after", 15 * SLACK)
        self.cluster.await_active(5, 30, node=survivor)

    def test_2_host_dies(self):
        """Only the instance whose process died restarts; its node goes on."""
        victim = self.hosts()[0]
        before = {n.name: n.process.pid for n in self.cluster.nodes}
        os.kill(victim, signal.SIGKILL)
        await_true("the host is replaced", lambda: victim not in self.hosts() and len(self.hosts()) == 5, 15 * SLACK)
        self.cluster.await_active(5, 15 * SLACK)
        self.assertEqual(before, {n.name: n.process.pid for n in self.cluster.nodes})
        types = [e["type"] for e in self.cluster.ask("event", "list", "--limit", 200)["events"]]
        self.assertTrue(any("crash" in t.lower() for t in types), types)

    def hosts(self):
        """Process ids of the slice hosts of this cluster's nodes."""
        parents = {n.process.pid for n in self.cluster.nodes if n.alive()}
        return sorted(pid for pid, parent in processes() if parent in parents)

    def test_3_no_leader(self):
        """Two of three stopped: running instances serve, stale reads work, changes answer NO_LEADER."""
        revision = self.put("test/no-leader", 1)
        survivor = self.cluster.nodes[0]
        self.cluster.ask("kv", "get", "test/no-leader", "--stale", "--after", revision, node=survivor)
        for node in self.cluster.nodes[1:]:
            node.kill()
        code, out, _ = self.cluster.run("kv", "put", "test/no-leader", "2", "--timeout", "3s", node=survivor)
        self.assertEqual((code, json.loads(out)["error"]["code"]), (3, "NO_LEADER"))
        stale = self.cluster.ask("kv", "get", "test/no-leader", "--stale", node=survivor)
        self.assertEqual((stale["value"], stale["stale"]), (1, True))
        if any(e["node"] == survivor.name for e in self.cluster.ask("endpoint", "list", "--stale", node=survivor)["endpoints"]):
            self.cluster.ask("call", "org.example:pricing/quote", QUOTE, node=survivor)
        for node in self.cluster.nodes[1:]:
            node.start()
        self.cluster.leader(15 * SLACK)
        self.assertEqual(self.cluster.ask("kv", "get", "test/no-leader")["value"], 1)
        self.cluster.await_active(5, 30)

    def test_4_all_die(self):
        """All killed at once and started again: the same state, and the instances ACTIVE again."""
        before = self.cluster.ask("kv", "list", "test/")["records"]
        for node in self.cluster.nodes:
            node.kill()
        for node in self.cluster.nodes:
            node.start()
        self.cluster.leader(15 * SLACK)
        self.assertEqual(before, self.cluster.ask("kv", "list", "test/")["records"])
        # The records of the former lives go with the first entry of each node's new one: the processes tell.
        await_true("five hosts run", lambda: len(self.hosts()) == 5, 15 * SLACK)
        self.cluster.await_active(5, 15 * SLACK)

    def test_5_calls_ended_as_promised(self):
        """Through all of it: only the promised outcomes, and mostly OK."""
        results = type(self).load.stop()
        type(self).load = None
        outcomes = sum((collections.Counter(r["outcomes"]) for r in results), collections.Counter())
        print(f"calls: {dict(outcomes)}", *(r["texts"] for r in results), sep="\n", file=sys.stderr)
        self.assertEqual(set(), set(outcomes) - ALLOWED, [r["texts"] for r in results])
        self.assertGreater(outcomes["OK"], outcomes.total() // 2)
        bad = {o for o in outcomes if o not in ("OK", "DEADLINE")}
        events = {e["type"] for e in self.cluster.ask("event", "list", "--limit", 1000)["events"]}
        self.assertTrue(not bad or any("lost" in e or "suspect" in e or "crash" in e for e in events), events)

    def test_6_drain_drops_no_call(self):
        """Each node is drained and resumed in turn: an instance goes once its successor serves, so every call is OK."""
        load = CallLoad(self.cluster, "org.example:pricing/quote", QUOTE, 50)
        try:
            for node in self.cluster.nodes:
                drained = self.cluster.ask("node", "drain", node.name, timeout=60 * SLACK)
                self.assertEqual((drained["state"], drained["complete"]), ("DRAINING", True))
                self.assertEqual([], self.endpoints_on(node.name, self.cluster.nodes[0]))
                self.cluster.await_active(5, 15 * SLACK, off_node=node)
                self.cluster.ask("node", "resume", node.name)
        finally:
            results = load.stop()
        outcomes = sum((collections.Counter(r["outcomes"]) for r in results), collections.Counter())
        self.assertEqual({"OK"}, set(outcomes), [r["texts"] for r in results])

    def test_7_ordered_stop(self):
        """SIGTERM ends every node with 0, and no host is left behind."""
        hosts = self.hosts()
        for node in self.cluster.nodes:
            self.assertEqual(0, node.stop(), node.log_tail())
        await_true("no host left", lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in hosts), 10)


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
