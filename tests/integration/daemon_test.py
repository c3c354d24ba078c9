#!/usr/bin/env python3
"""daemon_test: how aether-node starts and ends: 78 for a wrong configuration, 75 for what an operator must settle, 0 when it
is asked to stop; what was written is there at the next start; and whoever asks at a start or a stop gets an honest answer."""
import os
import pathlib
import signal
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
CONFIGURATION, OPERATOR = 78, 75
HONEST = {0, 1, 3, 7}  # Done; not now; nobody there, or no leader; unknown. Never "there is no such thing" for a write.


class DaemonTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(1, name="daemon")
        self.node = self.cluster.nodes[0]
        self.cluster.__enter__()
        self.cluster.leader(20)

    def tearDown(self):
        self.cluster.__exit__()

    def second(self, *flags, environment=None):
        """What another aether-node with the same configuration ends with, and what it says."""
        config = self.cluster.directory / f"{self.node.name}.yaml"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AETHER_")}
        done = subprocess.run([self.cluster.bin / "aether-node", "--config", config, *flags], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=30, env={**inherited, **(environment or {})})
        return done.returncode, done.stderr

    def test_wrong_configuration(self):
        for flags, says in ((["--loging-level", "warn"], "--logging-level"), (["--node-role", "worker"], "node.role"),
                            (["--client-listen", "nonsense"], "no address"), (["--config"], "name of a file"),
                            (["--repositories", "x=ftp://y"], "ftp://y")):
            code, told = self.second(*flags)
            self.assertEqual(CONFIGURATION, code, told)
            self.assertIn(says, told)
            self.assertEqual(3, len(told.splitlines()), told)
        code, told = self.second(environment={"AETHER_LOGGING_LEVEL": "loud"})
        self.assertEqual(CONFIGURATION, code, told)
        self.assertIn("AETHER_LOGGING_LEVEL", told)

    def test_what_an_operator_must_settle(self):
        code, told = self.second()
        self.assertEqual(OPERATOR, code, told)
        self.assertIn("in use by another process", told)
        elsewhere = self.cluster.directory / "elsewhere"
        code, told = self.second("--node-data", elsewhere)
        self.assertEqual(OPERATOR, code, told)
        self.assertIn("Address already in use", told)

    def test_data_of_another_node(self):
        self.assertEqual(0, self.node.stop())
        code, told = self.second("--node-id", "node-9", "--cluster-bootstrap", "node-9")
        self.assertEqual(OPERATOR, code, told)
        self.assertIn("belongs to node node-1", told)
        self.node.start()
        self.cluster.leader(20)

    def test_stop_and_start_again(self):
        self.cluster.ask("kv", "put", "colour", '"blue"')
        self.assertEqual(0, self.node.stop())
        self.node.start()
        self.cluster.leader(20)
        self.assertEqual("blue", self.cluster.ask("kv", "get", "colour")["value"])

    def test_answers_at_start_and_stop(self):
        ended, codes, texts = threading.Event(), set(), []

        def write():
            while not ended.is_set():
                code, out, err = self.cluster.run("kv", "put", "colour", '"red"', "--timeout", "2s", node=self.node)
                codes.add(code)
                if code not in HONEST:
                    texts.append(out + err)
        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        try:
            for number in range(6):
                self.node.kill(signal.SIGTERM if number % 2 == 0 else signal.SIGKILL)
                self.node.start()
                self.cluster.leader(20)
        finally:
            ended.set()
            for writer in writers:
                writer.join()
        self.assertEqual([], texts)
        self.assertIn(0, codes)


if __name__ == "__main__":
    unittest.main(verbosity=2)
