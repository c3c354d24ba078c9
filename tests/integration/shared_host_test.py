#!/usr/bin/env python3
"""Goal (issue 5, Isolation): `hosts: shared` puts the instances of one slice on a node into one process: they serve each
for itself, come and go each for itself, a crash takes those and only those, and what holds the limits is the process's.

Method: a node of one with the hostile slice under `hosts: shared` and an honest one beside it. Each wait is for a state
of the cluster.
"""
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, await_true, build_dir, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

HOSTILE, PRICING = "org.test:hostile:1.0.0", "org.example:pricing:1.0.0"
QUOTE = '{"net-cents": 100, "quantity": 1}'
SLACK = 2  # Sanitizers on two busy cores.


class SharedHostTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-shared-"))
        repository = cls.directory / "repository"
        publish_artifact(repository, build_dir() / "tests" / "slices" / "hostile.so", HOSTILE)
        publish_artifact(repository, example_slice("pricing"), PRICING)
        cls.cluster = Cluster(1, repositories=[{"id": "local", "url": f"file://{repository}"}], directory=cls.directory)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.cluster.leader(30)
        cls.publish("beside", {"artifact": PRICING, "instances": 1})
        cls.publish_shared(3)

    @classmethod
    def publish(cls, name, slice_of_it):
        document = json.dumps({"name": name, "slices": [slice_of_it]})
        code, out, err = cls.cluster.run("blueprint", "publish", "-", "--timeout", "60s", stdin=document, timeout=90)
        assert code == 0, (out, err)

    @classmethod
    def publish_shared(cls, instances, **more):
        cls.publish("together", {"artifact": HOSTILE, "instances": instances, "hosts": "shared", **more})

    def shown(self, artifact=HOSTILE):
        return self.cluster.ask("slice", "show", artifact)["instances"]

    def pids(self, artifact=HOSTILE):
        return {i["instance"]: i["pid"] for i in self.shown(artifact)}

    def call(self, entry, payload, *options):
        code, out, _ = self.cluster.run("call", f"org.test:hostile/{entry}", "-", *options, stdin=json.dumps(payload))
        return code, json.loads(out)

    def serving(self, count):
        """All are ACTIVE, in one process; its pid."""
        def ready():
            shown = self.shown()
            return len(shown) == count and all(i["state"] == "ACTIVE" and i["pid"] for i in shown)
        await_true(f"{count} instances serve", ready, 20 * SLACK)
        pids = set(self.pids().values())
        self.assertEqual(len(pids), 1, self.pids())
        return pids.pop()

    def test_1_one_process_serves_for_all(self):
        pid = self.serving(3)
        self.assertTrue(pathlib.Path(f"/proc/{pid}").exists())
        self.assertNotEqual(pid, self.pids(PRICING)[1])
        answered = set()
        for key in range(40):  # A key sticks to its instance; forty meet all three.
            code, answer = self.call("echo", {"key": key}, "--affinity", str(key))
            self.assertEqual((code, answer["payload"]), (0, {"key": key}))
            answered.add(answer["instance"])
        self.assertEqual(answered, {1, 2, 3})
        blob = "x" * 900_000
        self.assertEqual(self.call("echo", blob)[1]["payload"], blob)

    def test_2_each_comes_and_goes_for_itself(self):
        pid = self.serving(3)
        before = {i["instance"]: i["since"] for i in self.shown()}
        self.cluster.ask("slice", "restart", HOSTILE, "--instance", "2", timeout=90)
        self.assertEqual(self.serving(3), pid)
        after = {i["instance"]: i["since"] for i in self.shown()}
        self.assertEqual({n for n in after if after[n] != before[n]}, {2})
        self.publish_shared(1)
        self.assertEqual(self.serving(1), pid)
        self.publish_shared(3)
        self.assertEqual(self.serving(3), pid)

    def test_3_a_crash_takes_those_and_only_those(self):
        pid, beside = self.serving(3), self.pids(PRICING)
        code, answer = self.call("try", "crash")
        self.assertEqual((code, answer["error"]["code"]), (7, "CRASHED"))
        await_true("its process is gone", lambda: not pathlib.Path(f"/proc/{pid}").exists(), 10 * SLACK)
        self.assertNotEqual(self.serving(3), pid)
        self.assertEqual(self.pids(PRICING), beside)
        self.assertEqual([i["restarts"] for i in self.shown(PRICING)], [0])
        self.cluster.ask("call", "org.example:pricing/quote", QUOTE)
        events = self.cluster.ask("event", "list", "--limit", "200")["events"]
        crashed = {e["fields"]["instance"] for e in events if e["type"] == "instance.crashed"}
        self.assertEqual(crashed, {f"{HOSTILE}#{n}" for n in (1, 2, 3)})

    def test_4_the_limits_are_the_process_s(self):
        pid = self.serving(3)
        self.publish_shared(3, resources={"cpu": 0.5, "memory": "256Mi"})
        self.assertNotEqual(self.serving(3), pid)  # Other limits, another process.
        self.assertEqual(len({i["limits"] for i in self.shown()}), 1)
        self.assertNotEqual(self.shown()[0]["limits"], "none")

    def test_5_the_last_one_ends_the_process(self):
        pid = self.serving(3)
        self.cluster.ask("blueprint", "delete", "together", timeout=90)
        await_true("its process is gone", lambda: not pathlib.Path(f"/proc/{pid}").exists(), 10 * SLACK)
        self.publish_shared(2)
        self.serving(2)

    def test_6_inline_refuses(self):
        document = json.dumps({"name": "x", "slices": [{"artifact": HOSTILE, "isolation": "inline", "hosts": "shared"}]})
        code, out, _ = self.cluster.run("blueprint", "publish", "-", stdin=document)
        self.assertEqual((code, json.loads(out)["error"]["code"]), (2, "INVALID"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
