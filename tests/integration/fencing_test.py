#!/usr/bin/env python3
"""fencing_test: a node that lost the cluster kills its `exclusive` instances before the cluster may start them elsewhere,
and goes on serving its own callers with the others (A8, DEP2). Real processes; the others stand still (SIGSTOP)."""
import json
import os
import pathlib
import signal
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failure, await_true, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

PRICING, ORDERS = "org.example:pricing:1.0.0", "org.example:orders:1.0.0"
BLUEPRINT = f"""\
name: fenced
slices:
  - artifact: {PRICING}
    instances: 1
    exclusive: true
    config: {{currency: EUR, tax-percent: 19}}
  - artifact: {ORDERS}
    instances: 3
"""
SLACK = 3  # Sanitizers on two busy cores.


def hosts_of(node):
    """Process ids of the slice hosts that this node's process started."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            before, after = path.read_text().rsplit(")", 1)
        except OSError:
            continue  # It ended meanwhile.
        state, parent = after.split()[0], int(after.split()[1])
        if before.split("(", 1)[1].startswith("aether-slice") and state != "Z" and parent == node.process.pid:
            found.append(int(path.parent.name))
    return found


class FencingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-fencing-"))
        repository = cls.directory / "repository"
        publish_artifact(repository, example_slice("pricing"), PRICING)
        publish_artifact(repository, example_slice("orders"), ORDERS)
        cls.cluster = Cluster(3, repositories=[{"id": "local", "url": f"file://{repository}"}], directory=cls.directory)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.cluster.leader(30)
        blueprint = cls.directory / "fenced.yaml"
        blueprint.write_text(BLUEPRINT)
        cls.cluster.ask("blueprint", "publish", blueprint, timeout=90)

    def of(self, artifact, node=None):
        return [i for i in self.cluster.instances(node=node) if i["artifact"] == artifact]

    def test_exclusive_instances_end_with_the_cluster(self):
        owner = self.cluster.node(self.of(PRICING)[0]["node"])
        before = hosts_of(owner)
        self.assertEqual(2, len(before))  # The exclusive one, and one of the others.
        others = [n for n in self.cluster.nodes if n is not owner]
        for node in others:
            node.process.send_signal(signal.SIGSTOP)
        await_true("the exclusive instance's process is gone", lambda: len(hosts_of(owner)) == 1, 3 * SLACK)
        self.assertTrue(set(hosts_of(owner)) < set(before))  # Not restarted: the other one is as it was.
        self.assertIn("exclusive_killed", owner.log.read_text())
        for node in others:
            node.process.send_signal(signal.SIGCONT)
        self.cluster.leader(20 * SLACK)

        def one_owner():
            live = [i for i in self.of(PRICING) if i["state"] == "ACTIVE"]
            if len(live) == 1 and len(self.of(PRICING)) == 1:
                return live
            raise Failure(json.dumps(self.of(PRICING)))
        await_true("it runs once", one_owner, 30 * SLACK)


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
