#!/usr/bin/env python3
"""lifecycle_test: what people see of a running slice, and do to it (issue 5, Lifecycle): show, logs, explain, restart; a
configuration that is taken over or refused; the state that a stopped instance leaves to its successor, here and on
another node; the last words of one that crashed.

Three nodes with real processes and one slice that counts (tests/slices/carrying.c). Each wait is for a state of the cluster.
"""
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, await_true, build_dir, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

CARRYING = "org.test:carrying:1.0.0"


class LifecycleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-lifecycle-"))
        repository = cls.directory / "repository"
        repository.mkdir()
        publish_artifact(repository, build_dir() / "tests" / "slices" / "carrying.so", CARRYING)
        cls.cluster = Cluster(3, repositories=[{"id": "local", "url": f"file://{repository}"}], directory=cls.directory)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.leader(30)
        cls.publish({"step": 1})

    @classmethod
    def publish(cls, config):
        path = cls.directory / "carrying.json"
        path.write_text(json.dumps({"name": "carrying", "slices": [{"artifact": CARRYING, "instances": 1, "config": config,
                                                                     "update": {"max-surge": 0}}]}))
        return cls.cluster.ask("blueprint", "publish", path, timeout=90)

    def add(self):
        """What the slice counts now. A call may meet an instance that is just being replaced."""
        answer = {}

        def counted():
            code, out, _ = self.cluster.run("call", "org.test:carrying/add", "null")
            answer.update(json.loads(out))
            return code == 0
        await_true("the slice counts", counted, 20)
        return answer["payload"]

    def shown(self):
        return self.cluster.ask("slice", "show", "org.test:carrying")["instances"][0]

    def texts(self, *words):
        return [line["text"] for line in self.cluster.ask("slice", "logs", "org.test:carrying", *words)["lines"]]

    def test_1_restart_carries_the_state(self):
        self.assertEqual([self.add() for _ in range(3)], [1, 2, 3])
        before = self.shown()
        self.assertEqual((before["state"], before["heard"], before["isolation"], before["version"], before["restarts"]),
                         ("ACTIVE", "OK", "process", "1.0.0", 0))
        self.assertGreater(before["memory-bytes"], 0)
        self.assertTrue(pathlib.Path(f"/proc/{before['pid']}").exists())
        await_true("its calls are counted", lambda: self.shown()["calls"] >= 3, 10)
        restarted = self.cluster.ask("slice", "restart", "org.test:carrying", timeout=90)
        self.assertEqual((restarted["restarted"], restarted["complete"]), (1, True))
        after = self.shown()
        self.assertNotEqual(after["pid"], before["pid"])
        self.assertEqual(after["restarts"], 1)
        self.assertEqual(self.add(), 4)
        texts = self.texts()
        for wanted in ("counted", "stopped", "its predecessor's state is restored"):
            self.assertIn(wanted, texts)

    def test_2_a_crash_leaves_its_last_words_and_no_state(self):
        before = self.shown()
        code, out, _ = self.cluster.run("call", "org.test:carrying/crash", "null")
        self.assertEqual((code, json.loads(out)["error"]["code"]), (7, "CRASHED"))
        await_true("it is back", lambda: self.shown()["pid"] not in (0, before["pid"]) and
                   self.shown()["state"] == "ACTIVE", 20)
        self.assertEqual(self.add(), 1)
        after = self.shown()
        self.assertEqual((after["restarts"], after["attempt"]), (before["restarts"] + 1, 1))
        self.assertIn("killed by signal 6", after["last-error"])
        texts = self.texts()
        self.assertIn("these are my last words", texts)
        self.assertIn("killed by signal 6 (Aborted)", texts)
        last = [line for line in self.cluster.ask("slice", "logs", CARRYING, "--node", after["node"])["lines"]
                if line["text"] == "these are my last words"][0]
        self.assertEqual((last["node"], last["instance"], last["level"]), (after["node"], after["instance"], "info"))

    def test_3_a_configuration_is_taken_over_or_refused(self):
        self.add()
        before = self.shown()
        self.assertTrue(self.publish({"step": 2})["complete"])
        after = self.shown()
        self.assertEqual((after["pid"], after["since"]), (before["pid"], before["since"]))  # Nothing was stopped.
        self.assertEqual(self.config(), {"step": 2})
        types = [e["type"] for e in self.cluster.ask("event", "list", "--limit", 200)["events"]]
        self.assertIn("instance.configured", types)
        count = self.add()
        self.assertTrue(self.publish({"refuse": True})["complete"])
        self.assertNotEqual(self.shown()["pid"], before["pid"])  # Replaced in order: with the new one, and its state.
        self.assertEqual(self.config(), {"refuse": True})
        self.assertEqual(self.add(), count + 1)
        self.assertIn("config_changed said NOT_READY: not while I run", self.texts())

    def config(self):
        return self.cluster.ask("call", "org.test:carrying/config", "null")["payload"]

    def test_4_a_move_carries_the_state_to_another_node(self):
        count = self.add()
        home = self.shown()["node"]
        self.cluster.ask("node", "drain", home, timeout=90)
        await_true("it serves elsewhere", lambda: [i["node"] for i in self.cluster.ask("slice", "list")["instances"]
                                                   if i["state"] == "ACTIVE"] not in ([], [home]), 30)
        explained = self.cluster.ask("slice", "explain", "org.test:carrying")
        refused = {n["node"]: n["reason"] for n in explained["nodes"] if not n["takes"]}
        self.assertEqual(refused, {home: "DRAINING"})
        self.assertEqual(self.add(), count + 1)
        self.assertNotEqual(self.shown()["node"], home)
        self.cluster.ask("node", "resume", home)

    def test_5_logs_follow(self):
        node = self.cluster.nodes[0]
        process = subprocess.Popen([str(self.cluster.bin / "aether"), "-e", node.client, "-o", "json", "slice", "logs",
                                    "org.test:carrying", "--follow", "--tail", "1"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        json.loads(process.stdout.readline())  # It follows from here on.
        self.add()
        self.assertTrue(select.select([process.stdout], [], [], 20)[0], "no line came")
        line = json.loads(process.stdout.readline())
        self.assertEqual((line["text"], line["level"]), ("counted", "info"))
        self.assertEqual(len(line["request-id"]), 32)
        process.terminate()
        self.assertEqual(process.wait(20), 0)

    def test_6_a_silent_node_is_shown_as_such(self):
        shown = self.shown()
        node = self.cluster.node(shown["node"])
        other = next(n for n in self.cluster.nodes if n is not node)
        if self.cluster.leader() is node:
            self.cluster.ask("cluster", "transfer-leadership", other.name)
            self.cluster.leader(other_than=node)
        node.kill()
        silent = self.cluster.ask("slice", "show", "org.test:carrying", node=other)["instances"]
        if any(i["node"] == node.name for i in silent):  # Before it was LOST.
            self.assertIn([i["heard"] for i in silent if i["node"] == node.name][0], ("NODE_LOST", "DEADLINE"))
        await_true("it serves elsewhere", lambda: any(i["state"] == "ACTIVE" and i["node"] != node.name and i["heard"] == "OK"
                   for i in self.cluster.ask("slice", "show", "org.test:carrying", node=other)["instances"]), 30)
        logs = self.cluster.ask("slice", "logs", "org.test:carrying", node=other)
        self.assertIn(node.name, logs["silent"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
