#!/usr/bin/env python3
"""bridge_test: `aether mcp` outlives its node: open requests end with an error, the next ones find the node that came
back; the end of stdin ends it once everything is answered; and the CLI's own behaviour around a node that isn't there,
a file that is too large, a watch that is interrupted."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, await_true  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))


def request(number, method, params=None):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}) + "\n"


def call(number, tool, arguments):
    return request(number, "tools/call", {"name": tool, "arguments": arguments})


class BridgeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-bridge-"))
        cls.cluster = Cluster(1, directory=cls.directory)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.node = cls.cluster.nodes[0]
        cls.await_node()

    @classmethod
    def await_node(cls):
        await_true("the node", lambda: cls.cluster.run("kv", "list")[0] == 0, 20)

    def start(self, *words, endpoint=None):
        return subprocess.Popen([str(self.cluster.bin / "aether"), "-e", endpoint or self.node.client, *words],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_end_of_input(self):
        """Everything asked before the end is answered; then exit 0."""
        lines = request(1, "ping") + call(2, "kv_list", {}) + "\n" + request(3, "tools/list").rstrip("\n")
        done = self.start("mcp")
        out, err = done.communicate(lines, timeout=30)
        self.assertEqual((done.returncode, err), (0, ""))
        self.assertEqual(sorted(json.loads(line)["id"] for line in out.splitlines()), [1, 2, 3])

    def test_no_node(self):
        done = self.start("mcp", endpoint="tcp://127.0.0.1:1")
        out, _ = done.communicate(request(7, "ping"), timeout=30)
        answer = json.loads(out)
        self.assertEqual((done.returncode, answer["id"], answer["error"]["code"]), (0, 7, -32603))
        self.assertEqual(answer["error"]["data"]["code"], "NO_LEADER")

    def test_node_restart(self):
        bridge = self.start("mcp", "--principal", "survivor")
        bridge.stdin.write(call(1, "kv_put", {"key": "config/bridge", "value": 1}))
        bridge.stdin.flush()
        self.assertFalse(json.loads(bridge.stdout.readline())["result"]["isError"])
        bridge.stdin.write(call(2, "kv_watch", {"prefix": "config/none", "wait-ms": 60000}) + request(3, "ping"))
        bridge.stdin.flush()
        self.assertEqual(json.loads(bridge.stdout.readline())["id"], 3)  # A slow call blocks no other.
        self.node.kill(signal.SIGKILL)
        lost = json.loads(bridge.stdout.readline())
        self.assertEqual((lost["id"], lost["error"]["data"]["code"]), (2, "NODE_LOST"))
        self.node.start()
        self.await_node()
        bridge.stdin.write(call(4, "kv_put", {"key": "config/bridge", "value": 2}))
        bridge.stdin.flush()
        answer = json.loads(bridge.stdout.readline())["result"]
        self.assertFalse(answer["isError"], answer)  # The same principal: its lease is still its own.
        bridge.stdin.close()
        self.assertEqual(bridge.wait(timeout=30), 0)
        bridge.stdout.close()
        bridge.stderr.close()

    def test_unreachable(self):
        begin = time.monotonic()
        done = self.start("-o", "json", "kv", "list", endpoint="tcp://127.0.0.1:1,/no/such.sock")
        out, _ = done.communicate(timeout=30)
        self.assertEqual((done.returncode, json.loads(out)["error"]["code"]), (3, "NO_LEADER"))
        self.assertLess(time.monotonic() - begin, 5)  # A dead one is skipped quickly.
        done = self.start("kv", "list", endpoint=f"tcp://127.0.0.1:1,{self.node.client}")
        done.communicate(timeout=30)
        self.assertEqual(done.returncode, 0)

    def test_large_file(self):
        """A sparse file of 100 GiB: read whole it would neither end nor fit."""
        path = self.directory / "huge"
        with open(path, "wb") as file:
            file.truncate(100 << 30)
        done = self.start("blueprint", "publish", str(path))
        _, err = done.communicate(timeout=30)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(err.splitlines()), 3)
        self.assertIn("larger than 1 MiB", err)

    def test_watch(self):
        first = self.cluster.ask("kv", "put", "config/watch", "1")["revision"]
        watch = self.start("kv", "watch", "config/watch", "--from", str(first))
        self.assertEqual(json.loads(watch.stdout.readline())["record"]["revision"], first)
        self.cluster.ask("kv", "put", "config/watch", "2")
        self.assertEqual(json.loads(watch.stdout.readline())["record"]["value"], 2)
        self.node.kill(signal.SIGKILL)  # It goes on where it was, once the node is back.
        self.node.start()
        self.await_node()
        self.cluster.ask("kv", "put", "config/watch", "3")
        event = json.loads(watch.stdout.readline())
        self.assertEqual((event["record"]["value"], event["previous"]["value"]), (3, 2))
        watch.send_signal(signal.SIGINT)
        _, err = watch.communicate(timeout=30)
        self.assertEqual((watch.returncode, err), (0, ""))

    def test_no_terminal_no_colour(self):
        for words in (["kv", "list"], ["kv", "get", "none"], ["help"]):
            code, out, err = self.cluster.run(*words, output="table")
            self.assertNotIn("\033", out + err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
