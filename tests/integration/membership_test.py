#!/usr/bin/env python3
"""membership_test: a cluster of real processes grows from one node to three and five, and mends itself, while writes
run: nodes join by their peers, wishes move the voters (M5), a wiped directory gets its vote back (M3, T2), a dead node is
replaced, the leader hands over, restarts, is removed (E9, S12). What was acknowledged is there at the end (K3)."""
import json
import os
import pathlib
import shutil
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failure, await_true  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
SLACK = 3  # Sanitizers on two busy cores.


class Writer(threading.Thread):
    """Puts one value after the other, through whoever is up, until it is told to end; keeps what was acknowledged."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.ending, self.acknowledged, self.number = cluster, threading.Event(), {}, 0
        self.failures = []

    def run(self):
        while not self.ending.is_set():
            self.number += 1
            key = f"written/{self.number:05d}"
            alive = [n for n in self.cluster.nodes if n.alive()]
            code, out, err = self.cluster.run("kv", "put", key, str(self.number), "--timeout", "5s",
                                              node=alive[self.number % len(alive)])
            if code == 0:
                self.acknowledged[key] = self.number
            else:
                self.failures.append((out + err).strip())

    def end(self):
        self.ending.set()
        self.join()


class MembershipTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(5, founders=1)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.cluster.leader(30)
        cls.writer = Writer(cls.cluster)
        cls.addClassCleanup(cls.writer.end)  # Before the nodes end.
        cls.writer.start()

    def members(self, node=None):
        """name -> role, as the leader has it; who has two replicas shows the voter."""
        found = {}
        for member in self.cluster.ask("cluster", "members", node=node)["members"]:
            if found.get(member["node"]) != "voter":
                found[member["node"]] = member["role"]
        return found

    def await_roles(self, timeout, **wanted):
        wanted = {k.replace("_", "-"): v for k, v in wanted.items()}

        def so():
            members = self.members()
            if members == wanted:
                return True
            raise Failure(json.dumps(members))
        await_true(f"members {wanted}", so, timeout * SLACK)

    def replica(self, name):
        return [m["replica-id"] for m in self.cluster.ask("cluster", "members")["members"] if m["node"] == name]

    def change(self, *words, timeout=60):
        return self.cluster.ask("node", *words, timeout=timeout * SLACK)

    def test_1_one_grows_to_three_and_five(self):
        """Each new node knows one address; the first promotion waits for a second candidate, and says so."""
        nodes = self.cluster.nodes
        code, out, _ = self.cluster.run("cluster", "transfer-leadership")  # There is nobody to wait for.
        self.assertEqual((code, json.loads(out)["error"]["code"]), (5, "CONFLICT"), out)
        self.assertIn("no other node votes", out)
        nodes[1].start()
        self.await_roles(10, node_1="voter", node_2="learner")
        waits = self.change("promote", "node-2")
        self.assertEqual((waits["complete"], waits["waiting"], waits["wish"]),
                         (False, "waiting for a second candidate", "voter"))
        nodes[2].start()
        self.await_roles(10, node_1="voter", node_2="learner", node_3="learner")
        self.assertTrue(self.change("promote", "node-3")["complete"])
        self.await_roles(10, node_1="voter", node_2="voter", node_3="voter")
        for node in nodes[3:]:
            node.start()
        self.await_roles(10, node_1="voter", node_2="voter", node_3="voter", node_4="learner", node_5="learner")
        self.change("promote", "node-4")
        code, out, err = self.cluster.run("node", "promote", "node-5")
        self.assertTrue(code == 0 and json.loads(out)["complete"], out + err)
        self.assertIn("node-5 voter", err)  # What became of it, while it was waited for.
        self.await_roles(10, **{f"node_{k}": "voter" for k in range(1, 6)})
        listed = {n["node"]: (n["state"], n["presence"]) for n in self.cluster.ask("node", "list")["nodes"]}
        self.assertEqual(listed, {f"node-{k}": ("ON_DUTY", "UP") for k in range(1, 6)})

    def test_2_five_shrinks_to_three(self):
        """A wish that leaves an even number waits; the second one carries both out. The removed one ends with 75."""
        demoted = self.change("demote", "node-4")
        self.assertEqual((demoted["complete"], demoted["waiting"]), (False, "waiting for a candidate in its place"))
        removed = self.cluster.node("node-5")
        removed.wanted = False
        self.assertTrue(self.change("remove", "node-5")["complete"])
        self.assertEqual(75, removed.process.wait(timeout=10 * SLACK), removed.log_tail())
        self.await_roles(10, node_1="voter", node_2="voter", node_3="voter", node_4="learner")
        removed.start()  # It is told again, and says nothing else.
        removed.wanted = False
        self.assertEqual(75, removed.process.wait(timeout=20 * SLACK), removed.log_tail())
        self.assertIn("retired", removed.log_tail())

    def test_3_a_wiped_directory_comes_back(self):
        """Under its old name with an empty disk: its former replica is silent, then it has its vote again."""
        wiped = next(n for n in self.cluster.nodes[:3] if n is not self.cluster.leader())
        before = self.replica(wiped.name)
        wiped.kill()
        shutil.rmtree(wiped.data)
        wiped.start()

        def replaced():
            now = self.replica(wiped.name)
            return len(now) == 1 and now != before and self.members()[wiped.name] == "voter"
        await_true("the new replica votes", replaced, 40 * SLACK)
        await_true("it holds what was written", lambda: self.cluster.ask(
            "kv", "get", max(self.writer.acknowledged), "--stale", node=wiped), 15 * SLACK)

    def test_4_a_dead_node_is_replaced(self):
        """By another name: node-4 takes its vote, and nothing is left of the dead one."""
        dead = next(n for n in self.cluster.nodes[:3] if n is not self.cluster.leader())
        dead.kill()
        await_true("it is LOST", lambda: self.cluster.ask("node", "show", dead.name)["presence"] == "LOST", 10 * SLACK)
        self.change("promote", "node-4")
        self.assertTrue(self.change("remove", dead.name)["complete"])
        await_true("node-4 votes", lambda: self.members().get("node-4") == "voter", 10 * SLACK)
        self.assertNotIn(dead.name, [n["node"] for n in self.cluster.ask("node", "list")["nodes"]])
        self.assertNotIn(dead.name, self.members())

    def test_5_the_lead_moves_and_nodes_restart(self):
        """transfer-leadership, restart and stop, of the leader and of others, without a failed write."""
        self.writer.failures.clear()
        former = self.cluster.leader()
        moved = self.cluster.ask("cluster", "transfer-leadership")
        self.assertEqual(moved["former"], former.name)
        self.assertNotEqual(moved["leader"], former.name)
        pid = former.process.pid
        other = next(n for n in self.cluster.nodes if n.alive() and n is not former)
        done = self.cluster.ask("node", "restart", former.name, node=other, timeout=60 * SLACK)
        self.assertTrue(done["complete"])
        self.assertNotEqual(pid, former.process.pid)  # Its service manager started it again, after exit 70.
        again = former.process.pid
        told = self.cluster.ask("node", "restart", former.name, node=former)  # Through the node itself: told, not awaited.
        self.assertEqual(told["node"], former.name)
        await_true("it ended again", lambda: former.process.pid != again and self.cluster.ask(
            "node", "show", former.name, node=other)["presence"] == "UP", 20 * SLACK)
        leader = self.cluster.leader()
        leader.wanted = False
        self.change("stop", leader.name)
        self.assertEqual(0, leader.process.wait(timeout=20 * SLACK), leader.log_tail())
        self.cluster.leader(20 * SLACK, other_than=leader)
        leader.start()
        await_true("it is back", lambda: self.cluster.ask("node", "show", leader.name)["presence"] == "UP", 20 * SLACK)

    def test_6_the_leader_is_removed(self):
        """It hands over, ends with 75, and the cluster goes on with an even number because that was allowed."""
        leader = self.cluster.leader()
        leader.wanted = False
        other = next(n for n in self.cluster.nodes if n.alive() and n is not leader)
        code, out, err = self.cluster.run("node", "remove", leader.name, "--allow-even", "--timeout", "45s", node=other)
        self.assertEqual(0, code, "\n".join([out, err, *(n.log_tail() for n in self.cluster.nodes)]))
        self.assertEqual(75, leader.process.wait(timeout=20 * SLACK), leader.log_tail())
        self.assertEqual(2, sum(role == "voter" for role in self.members(other).values()))

    def test_7_nothing_acknowledged_is_lost(self):
        self.writer.end()
        survivor = next(n for n in self.cluster.nodes if n.alive())
        self.assertGreater(len(self.writer.acknowledged), 20)
        found, after = {}, ""
        while True:
            page = self.cluster.ask("kv", "list", "written/", "--start-after", after, node=survivor)
            found.update({r["key"]: r["value"] for r in page["records"]})
            if not page["more"]:
                break
            after = page["records"][-1]["key"]
        missing = {k: v for k, v in self.writer.acknowledged.items() if found.get(k) != v}
        self.assertEqual({}, missing)
        print(f"{len(self.writer.acknowledged)} writes acknowledged, {len(self.writer.failures)} not", file=sys.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
