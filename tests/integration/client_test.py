#!/usr/bin/env python3
"""client_test: the client library (cli/connection.c) with real nodes that die, stop and go on: a change is made once, on
whichever node answers; what nobody can know is UNKNOWN, exit 7."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
from cluster import Cluster, await_true  # noqa: E402


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__)

    def setUp(self):
        self.leader = self.cluster.leader()
        self.followers = [n for n in self.cluster.nodes if n is not self.leader]

    def aether(self, nodes, *words, timeout=60):
        """(exit code, document, seconds) of a command that knows these nodes, in this order."""
        began = time.monotonic()
        done = subprocess.run([str(self.cluster.bin / "aether"), "-e", ",".join(n.client for n in nodes), "-o", "json",
                               *map(str, words)], capture_output=True, text=True, timeout=timeout)
        return done.returncode, json.loads(done.stdout), time.monotonic() - began

    def stopped(self, node):
        node.process.send_signal(signal.SIGSTOP)
        self.addCleanup(node.process.send_signal, signal.SIGCONT)

    def test_dead_node_is_skipped(self):
        dead = self.followers[0]
        dead.kill()
        code, document, _ = self.aether([dead, self.followers[1]], "kv", "put", "client/a", "1")
        self.assertEqual(code, 0, document)
        dead.start()
        await_true("it answers", lambda: self.cluster.run("cluster", "status", node=dead)[0] == 0, 30)

    def test_silent_node_is_left(self):
        silent, other = self.followers
        self.stopped(silent)
        code, document, seconds = self.aether([silent, other], "kv", "put", "client/b", "1")
        self.assertEqual(code, 0, document)
        code, read, _ = self.aether([silent, other], "kv", "get", "client/b")
        self.assertEqual((code, read["revision"], read["version"]), (0, document["revision"], 1))
        # 200 ms and the rest of a command: a node's own patience would be 30 s.
        self.assertLess(seconds, 5)

    def test_silent_in_the_midst(self):
        """The node that has the write stops before it answers: the write goes to another, and is made once (A4)."""
        node, other = self.followers
        _, first, _ = self.aether([other], "kv", "put", "client/first", "1")
        command = [str(self.cluster.bin / "aether"), "-e", f"{node.client},{other.client}", "-o", "json", "kv", "watch",
                   "client/c", "--from", str(first["revision"]), "--limit", "12"]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        writers = []
        for i in range(12):
            if i == 6:
                self.stopped(node)
            writers.append(subprocess.Popen([str(self.cluster.bin / "aether"), "-e", f"{node.client},{other.client}", "-o",
                                             "json", "kv", "put", "client/c", str(i)], stdout=subprocess.PIPE, text=True))
        revisions = []
        for writer in writers:
            out, _ = writer.communicate(timeout=60)
            self.assertEqual(writer.returncode, 0, out)
            revisions.append(json.loads(out)["revision"])
        code, record, _ = self.aether([other], "kv", "get", "client/c")
        self.assertEqual((code, record["version"]), (0, 12))  # Each once.
        self.assertEqual(len(set(revisions)), 12)
        out, _ = watch.communicate(timeout=60)
        events = [json.loads(line) for line in out.splitlines()]  # The watch went on at the other node, with no gap.
        self.assertEqual([e["record"]["revision"] for e in events], sorted(revisions))
        self.assertEqual(watch.returncode, 0)

    def test_leader_dies(self):
        leader = self.leader
        leader.process.send_signal(signal.SIGKILL)
        code, document, _ = self.aether([leader, *self.followers], "kv", "put", "client/d", "1")
        self.assertEqual(code, 0, document)
        leader.kill()
        leader.start()
        await_true("it answers", lambda: self.cluster.run("cluster", "status", node=leader)[0] == 0, 30)

    def test_outcome_nobody_knows(self):
        """Alone in a minority that has the write and can't commit it: UNKNOWN, never "failed"."""
        for node in self.followers:
            self.stopped(node)
        code, document, _ = self.aether([self.leader], "kv", "put", "client/e", "1", "--timeout", "2s")
        self.assertEqual(code, 7 if document["error"]["code"] == "UNKNOWN" else 3, document)
        self.assertIn(document["error"]["code"], ("UNKNOWN", "NO_LEADER"))

    def test_a_change_waits_for_a_leader(self):
        """As long as its --timeout says (it gave up after 5 s), and without a session it surely changed nothing: exit 3."""
        for node in self.followers:
            self.stopped(node)
        code, document, seconds = self.aether([self.leader], "kv", "put", "client/f", "1", "--timeout", "7s")
        self.assertEqual((code, document["error"]["code"]), (3, "NO_LEADER"), document)
        self.assertGreater(seconds, 6)  # An eighth of the time is left for the answer's way.
        put = subprocess.Popen([str(self.cluster.bin / "aether"), "-e", self.leader.client, "-o", "json", "kv", "put",
                                "client/f", "1"], stdout=subprocess.PIPE, text=True)
        with self.assertRaises(subprocess.TimeoutExpired):
            put.wait(timeout=6)
        for node in self.followers:
            node.process.send_signal(signal.SIGCONT)
        out, _ = put.communicate(timeout=60)
        self.assertEqual(put.returncode, 0, out)

    def test_a_named_node_is_away(self):
        """NODE_LOST of the node that the command names is the answer; it was repeated for 26 s."""
        gone, other = self.followers
        gone.kill()
        for words in (("metric", "list", "--node", gone.name), ("node", "show", gone.name, "--tree")):
            code, document, seconds = self.aether([other], *words)
            self.assertEqual((code, document["error"]["code"]), (7, "NODE_LOST"), document)
            self.assertLess(seconds, 5)
        gone.start()
        await_true("it answers", lambda: self.cluster.run("cluster", "status", node=gone)[0] == 0, 30)

    def test_other_nodes_are_learned(self):
        """A client that was given one node goes to another when that one stands still, and misses nothing."""
        given, other = self.followers
        _, first, _ = self.aether([other], "kv", "put", "client/learn", "0")
        watch = subprocess.Popen([str(self.cluster.bin / "aether"), "-e", given.client, "-o", "json", "kv", "watch",
                                  "client/learn", "--from", str(first["revision"]), "--limit", "4"],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.stdout.close)
        self.assertEqual(json.loads(watch.stdout.readline())["record"]["value"], 0)  # Its first answer.
        self.aether([other], "kv", "put", "client/learn", "1")
        watch.stdout.readline()  # The answer to its second question, before which it learned.
        self.stopped(given)
        _, second, _ = self.aether([other], "kv", "put", "client/learn", "2")
        self.assertEqual(json.loads(watch.stdout.readline())["record"]["revision"], second["revision"])
        self.aether([other], "kv", "put", "client/learn", "3")
        self.assertEqual(json.loads(watch.stdout.readline())["record"]["value"], 3)
        self.assertEqual(watch.wait(timeout=30), 0)

    def test_nobody_there(self):
        done = subprocess.run([str(self.cluster.bin / "aether"), "-e", "tcp://127.0.0.1:1,tcp://127.0.0.1:2", "-o", "json",
                               "kv", "get", "a"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 3)
        message = json.loads(done.stdout)["error"]["message"]
        self.assertIn("127.0.0.1:1", message)
        self.assertIn("127.0.0.1:2", message)


if __name__ == "__main__":
    unittest.main(verbosity=2)
