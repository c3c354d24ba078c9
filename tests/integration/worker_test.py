#!/usr/bin/env python3
"""worker_test: a node with `node.role: worker` as a real process: it follows the three voters without being in their
configuration, serves stale and fresh reads, passes changes on, runs slices, and goes on from where it was after a kill."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Node, await_true, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
PRICING = "org.example:pricing:1.0.0"


class Worker(Node):
    def write_config(self):
        path = super().write_config()
        config = json.loads(path.read_text())
        config["node"].update({"role": "worker", "labels": {"kind": "worker"}})
        config["cluster"]["bootstrap"] = []
        path.write_text(json.dumps(config))
        return path


class WorkerTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-worker-"))
        repository = self.directory / "repository"
        repository.mkdir()
        publish_artifact(repository, example_slice("pricing"), PRICING)
        self.cluster = Cluster(3, name="worker", directory=self.directory,
                               repositories=[{"id": "local", "url": f"file://{repository}"}])
        self.addCleanup(self.cluster.__exit__)
        self.cluster.__enter__()
        self.cluster.leader(20)
        self.worker = Worker(self.cluster, 4)
        self.addCleanup(self.worker.stop)
        self.worker.start()

    def known(self):
        nodes = self.cluster.ask("node", "list")["nodes"]
        return next((n for n in nodes if n["node"] == self.worker.name), None)

    def level(self, revision):
        code, out, _ = self.cluster.run("kv", "get", "app/last", "--after", revision, "--stale", "--timeout", "2s",
                                        node=self.worker)
        return code == 0 and json.loads(out)

    def test_worker(self):
        await_true("the worker is known", lambda: (self.known() or {}).get("presence") == "UP", 30)
        self.assertEqual(self.known()["role"], "worker")
        status = self.cluster.ask("cluster", "status")
        self.assertEqual(status["voters"], 3)  # It counts for nothing.
        first = self.cluster.ask("kv", "put", "app/last", "1")["revision"]
        self.assertEqual(await_true("it follows", lambda: self.level(first), 20)["value"], 1)
        self.assertEqual(self.cluster.ask("kv", "get", "app/last", node=self.worker)["value"], 1)
        self.cluster.ask("kv", "put", "app/last", "2", node=self.worker)
        self.assertEqual(self.cluster.ask("kv", "get", "app/last")["value"], 2)

        self.worker.kill()
        for i in range(50):
            last = self.cluster.ask("kv", "put", "app/last", str(i))["revision"]
        self.worker.start()
        self.assertEqual(await_true("it goes on", lambda: self.level(last), 30)["value"], 49)

        blueprint = {"name": "shop", "slices": [{"artifact": PRICING, "instances": 1, "config": {"tax-percent": 7},
                                                 "constraints": {"kind": "worker"}}]}
        path = self.directory / "shop.json"
        path.write_text(json.dumps(blueprint))
        code, out, err = self.cluster.run("blueprint", "publish", path)
        self.assertEqual(code, 0, out + err)
        self.assertEqual([i["node"] for i in self.cluster.instances()], [self.worker.name])
        quote = self.cluster.ask("call", "org.example:pricing/quote", json.dumps({"net-cents": 1000, "quantity": 2}))
        self.assertTrue(quote)

    def test_replicas_come_and_go(self):
        await_true("the worker is known", lambda: self.known() is not None, 30)
        for round_number in range(3):
            leader = self.cluster.leader(20)
            leader.kill()
            await_true("another leads", lambda: self.cluster.leader(20, other_than=leader), 20)
            last = self.cluster.ask("kv", "put", "app/last", str(round_number))["revision"]
            self.assertEqual(await_true("it follows on", lambda: self.level(last), 20)["value"], round_number)
            leader.start()


if __name__ == "__main__":
    unittest.main(verbosity=2)
