#!/usr/bin/env python3
"""no_space_test: a node's disk runs out of room under real processes (F2, FLT14): the others agree on its alarm before it is full,
take deletes only while that stands, and go on by themselves when there is room again. The disk is a small tmpfs; skipped where
none may be mounted."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, await_true  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
MIB = 1024 * 1024
FAILED = 1
SIZE = 160 * MIB  # Less than 64 MiB free is low; from 80 MiB on it is ample; 32 MiB are the node's own reserve.
VALUE = json.dumps("x" * 100_000)


class NoSpaceTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(3, name="no-space")
        self.full = self.cluster.nodes[1]
        self.ballast = self.full.data / "ballast"
        self.full.data.mkdir()
        self.addCleanup(shutil.rmtree, self.cluster.directory, ignore_errors=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", self.full.data], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("may not mount a tmpfs here")
        self.addCleanup(subprocess.run, ["umount", self.full.data], check=True)
        self.addCleanup(self.cluster.__exit__)  # Runs first.
        self.cluster.__enter__()
        self.cluster.leader(20)

    def free(self):
        disk = os.statvfs(self.full.data)
        return disk.f_bavail * disk.f_frsize

    def leave(self, size):
        """Another's file takes all but so much of the disk."""
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free() - size)

    def put(self, key, value="1"):
        return self.cluster.run("kv", "put", key, value, node=self.cluster.nodes[0])

    def alarms(self):
        return self.cluster.ask("cluster", "status", node=self.cluster.nodes[0]).get("alarms", [])

    def fill(self):
        """Writes until the cluster refuses: with which words."""
        for i in range(1000):
            code, out, err = self.put(f"app/{i}", VALUE)
            if code != 0:
                self.assertEqual(code, FAILED, out + err)
                self.filled = i
                return json.loads(err or out)["error"]
        self.fail("nothing was ever refused")

    def test_a_disk_that_fills_up_stops_puts_until_there_is_room(self):
        self.assertGreater(self.free(), 64 * MIB)
        self.leave(66 * MIB)
        error = self.fill()
        self.assertEqual(error["code"], "OVERLOADED", error)
        self.assertEqual(error["message"], "node-2 has less than 64 MiB free on its disk: only deletes are taken")
        self.assertIn("aether node remove node-2", error["hint"])
        self.assertGreater(self.filled, 0)
        self.assertGreater(self.free(), 16 * MIB)  # In time.

        self.assertEqual(self.alarms(), ["node-2: less than 64 MiB free on its disk"])
        self.assertEqual(self.cluster.ask("cluster", "status")["health"], "degraded")
        self.assertEqual(self.cluster.ask("node", "show", "node-2")["alarm"], "less than 64 MiB free on its disk")
        self.assertNotIn("alarm", self.cluster.ask("node", "show", "node-1"))
        self.cluster.ask("kv", "delete", "app/0")
        self.assertEqual(self.cluster.run("kv", "get", "app/0")[0], 4)
        self.cluster.ask("lease", "grant", "backup", "--holder", "me", "--ttl", "30s")

        self.full.kill()  # A start makes no room.
        self.full.start()
        await_true("the alarm of the node that is back", lambda: self.alarms(), 30)
        self.assertEqual(self.put("app/0")[0], FAILED)

        self.ballast.unlink()
        await_true("puts again", lambda: self.put("app/0")[0] == 0, 30)
        self.assertEqual(self.alarms(), [])
        self.assertNotIn("alarm", self.cluster.ask("node", "show", "node-2"))

    def test_a_full_disk_holds_up_neither_deletes_nor_the_others(self):
        self.assertEqual(self.put("app/0", VALUE)[0], 0)
        self.leave(1 * MIB)
        await_true("the alarm", lambda: self.alarms(), 30)
        self.cluster.ask("kv", "delete", "app/0", timeout=30)  # By the two others, whoever led before (F3).
        self.ballast.unlink()
        await_true("puts again", lambda: self.put("app/0")[0] == 0, 60)
        revision = self.cluster.ask("kv", "put", "app/1", "1")["revision"]
        seen = self.cluster.ask("kv", "get", "app/1", "--stale", "--after", revision, "--timeout", "30s", node=self.full)
        self.assertEqual(seen["value"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
