#!/usr/bin/env python3
"""backup_test: `cluster backup` under load and `cluster restore` after everything is gone, with real processes: the state is
that of one revision (K10), a restored node leads a new cluster at once, and the others join it with empty directories. A file
that is not whole, a directory that is in use, or one that holds data, is refused and nothing is touched (N5, T4, I3)."""
import json
import os
import pathlib
import shutil
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, await_true  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
INVALID, CONFLICT, FAILED = 2, 5, 1
KEYS = 120


class Writer(threading.Thread):
    """Writes on, as fast as one client can, until it is stopped."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.ended, self.count = cluster, threading.Event(), 0

    def run(self):
        while not self.ended.is_set():
            code, _, _ = self.cluster.run("kv", "put", f"load/{self.count % 50}", str(self.count))
            self.count += code == 0

    def stop(self):
        self.ended.set()
        self.join()


def records(cluster, prefix, node=None, at=None):
    """Every record under the prefix: key to value, revisions and version."""
    found, after = {}, None
    while True:
        words = ["kv", "list", prefix] + (["--start-after", after] if after else []) + (["--at", at] if at else [])
        page = cluster.ask(*words, node=node)
        for record in page["records"]:
            found[record["key"]] = tuple(json.dumps(record[k]) for k in ("value", "create-revision", "revision", "version"))
        if not page["more"]:
            return found
        after = page["records"][-1]["key"]


class BackupTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(3, name="backup")
        self.addCleanup(self.cluster.__exit__)
        self.cluster.__enter__()
        self.cluster.leader(20)

    def restore(self, file, node, *flags):
        """Offline: the endpoint that the test's commands name is not asked."""
        return self.cluster.run("cluster", "restore", file, "--config", node.write_config(), *flags)

    def test_everything_is_lost_and_restored(self):
        for i in range(KEYS):
            self.cluster.ask("kv", "put", f"app/{i:03}", json.dumps("x" * (i * 37 % 4000)))
        writer = Writer(self.cluster)
        writer.start()
        await_true("writes", lambda: writer.count > 20, 30)
        file = self.cluster.directory / "backup"
        told = self.cluster.ask("cluster", "backup", file)
        await_true("more writes", lambda: writer.count > 40, 30)
        writer.stop()
        expected = records(self.cluster, "app/", at=told["revision"])
        load = records(self.cluster, "load/", at=told["revision"])
        self.assertEqual(len(expected), KEYS)
        old = self.cluster.ask("cluster", "status")["cluster-id"]
        for node in self.cluster.nodes:
            node.kill()
            shutil.rmtree(node.data)

        first = self.cluster.nodes[0]
        code, out, err = self.restore(file, first)
        self.assertEqual(code, 0, out + err)
        restored = json.loads(out)
        self.assertEqual((restored["revision"], restored["sha256"]), (told["revision"], told["sha256"]))
        self.assertIn("checking", err)
        first.start()
        self.cluster.leader(20)
        self.assertEqual(records(self.cluster, "app/", node=first), expected)  # K10, with revisions and versions.
        self.assertEqual(records(self.cluster, "load/", node=first), load)
        status = self.cluster.ask("cluster", "status", node=first)
        self.assertEqual((status["cluster-id"], status["voters"]), (restored["cluster-id"], 1))
        self.assertNotEqual(status["cluster-id"], old)
        self.assertGreater(self.cluster.ask("kv", "put", "app/new", "1", node=first)["revision"], told["revision"])
        self.grow(expected)

    def grow(self, expected):
        first, others = self.cluster.nodes[0], self.cluster.nodes[1:]
        for node in others:
            node.start()

        def joined():
            names = {m["node"] for m in self.cluster.ask("cluster", "members", node=first)["members"]}
            return names == {n.name for n in self.cluster.nodes}
        await_true("the others join", joined, 60)
        for node in others:
            self.cluster.ask("node", "promote", node.name, node=first)
        await_true("three voters", lambda: self.cluster.ask("cluster", "status", node=first)["voters"] == 3, 60)
        expected["app/new"] = records(self.cluster, "app/new", node=first)["app/new"]
        for node in others:
            self.assertEqual(records(self.cluster, "app/", node=node), expected)
        first.kill()  # The new cluster bears the loss of any of them.
        self.cluster.leader(30, other_than=first)
        self.assertEqual(records(self.cluster, "app/", node=others[0]), expected)

    def test_refusals_touch_nothing(self):
        self.cluster.ask("kv", "put", "app/1", "1")
        file = self.cluster.directory / "backup"
        self.cluster.ask("cluster", "backup", file)
        node = self.cluster.nodes[2]
        code, out, _ = self.restore(file, node, "--force")
        self.assertEqual((code, "running" in out), (CONFLICT, True), out)
        node.stop()
        before = sorted(str(p) for p in node.data.rglob("*"))
        code, out, _ = self.restore(file, node)
        self.assertEqual((code, "--force" in out), (CONFLICT, True), out)
        whole = file.read_bytes()
        damaged = self.cluster.directory / "damaged"
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for content in (whole[:-1], whole + b"x", b"", b"kv" * 100, bytes(flipped)):
            damaged.write_bytes(content)
            code, out, _ = self.restore(damaged, node, "--force")
            self.assertEqual((code, json.loads(out)["error"]["code"]), (FAILED, "CORRUPT"), out)
        code, out, _ = self.restore(self.cluster.directory / "none", node, "--force")
        self.assertEqual((code, json.loads(out)["error"]["code"]), (4, "NOT_FOUND"), out)
        self.assertEqual(sorted(str(p) for p in node.data.rglob("*")), before)
        node.start()  # It is what it was.
        await_true("the node is back", lambda: node.alive() and self.cluster.ask("kv", "get", "app/1", node=node)["value"] == 1,
                   30)

    def test_in_place(self):
        """Two of three disks are gone for good: the third's directory becomes a new cluster, and keeps the old one aside."""
        self.cluster.ask("kv", "put", "app/1", "1")
        file = self.cluster.directory / "backup"
        first = self.cluster.nodes[0]
        for node in self.cluster.nodes[1:]:
            node.kill()
        code, out, _ = self.cluster.run("cluster", "backup", file, "--timeout", "2s", node=first)
        self.assertNotEqual(code, 0, out)
        self.assertFalse(file.exists())
        self.assertFalse(file.with_name("backup.part").exists())
        self.cluster.ask("cluster", "backup", file, "--stale", node=first)  # T4: "or the best directory".
        first.stop()
        code, out, _ = self.restore(file, first, "--force")
        self.assertEqual(code, 0, out)
        aside = pathlib.Path(json.loads(out)["aside"])
        self.assertTrue((aside / "store").is_dir() and (aside / "member").is_file())
        first.start()
        self.cluster.leader(20)
        self.assertEqual(self.cluster.ask("kv", "get", "app/1", node=first)["value"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
