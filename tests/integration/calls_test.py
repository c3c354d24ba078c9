#!/usr/bin/env python3
"""calls_test: how calls end, with real processes (product.md sections 6 and 10): outcomes and what is said of them, deadlines
handed down, withdrawals by an interrupt, by a client that is killed and by MCP, idempotency keys, traces, circles, payloads,
and a change of version under load that fails no call.

The slice is tests/slices/relay.c. Nothing here is decided by how long something took, but for deadlines that must have ended.
"""
import concurrent.futures
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import CallLoad, Cluster, await_true, build_dir, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

RELAY = "org.test:relay"
LONG = '"60000"'  # Milliseconds: longer than any test waits.
MIB = 1024 * 1024


def blueprint(version, instances):
    return (f"name: calls\nslices:\n  - artifact: {RELAY}:{version}\n    instances: {instances}\n"
            "    update: {strategy: rolling, max-surge: 1}\n")


class CallsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-calls-"))
        repository = cls.directory / "repository"
        slices = build_dir() / "tests" / "slices"
        publish_artifact(repository, slices / "relay.so", f"{RELAY}:1.0.0")
        publish_artifact(repository, slices / "relay2.so", f"{RELAY}:2.0.0")
        cls.cluster = Cluster(3, repositories=[{"id": "local", "url": f"file://{repository}"}], directory=cls.directory,
                              extra_config={"logging": {"format": "json"}})
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.cluster.leader(30)
        cls.publish("1.0.0", 1)
        endpoint = cls.cluster.ask("endpoint", "list", RELAY)["endpoints"][0]
        cls.home = cls.cluster.node(endpoint["node"])  # Where its one instance is, and a node where it isn't.
        cls.away = next(n for n in cls.cluster.nodes if n is not cls.home)

    @classmethod
    def publish(cls, version, instances):
        cls.cluster.ask("blueprint", "publish", "-", stdin=blueprint(version, instances), timeout=120)
        cls.cluster.await_active(instances, 60)

    def call(self, entry, payload=None, *options, node=None, **rest):
        """Exit code and JSON document."""
        words = ["call", f"{RELAY}/{entry}", *([payload] if payload is not None else []), *options]
        code, out, err = self.cluster.run(*words, node=node or self.away, **rest)
        return code, json.loads(out), err

    def answer(self, entry, payload=None, *options, node=None):
        code, document, err = self.call(entry, payload, *options, node=node)
        self.assertEqual(0, code, (document, err))
        return document["payload"]

    def seen(self):
        return collections.Counter(self.answer("seen"))

    def start(self, entry, payload, *options, node=None):
        """aether call, as a process of its own."""
        node = node or self.away
        return subprocess.Popen([str(build_dir() / "bin" / "aether"), "-e", node.client, "-o", "json", "call",
                                 f"{RELAY}/{entry}", payload, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def await_waiting(self, more_than):
        await_true("the slice has the call", lambda: self.seen()["waits"] > more_than, 20)

    # --- outcomes -------------------------------------------------------------------------------------------

    def test_01_failures_are_three_lines_and_a_word(self):
        code, _, err = self.cluster.run("call", "org.test:nobody/entry", output="table")
        self.assertEqual(4, code)
        lines = err.strip().splitlines()
        self.assertEqual(3, len(lines), err)
        self.assertTrue(lines[0].startswith("error: call: NO_ENDPOINT, ") and lines[0].endswith("; it did not run"), err)
        self.assertIn("org.test:nobody/entry", lines[1])
        self.assertTrue(lines[2].startswith("try: ") and "endpoint list" in lines[2], err)
        code, _, err = self.cluster.run("call", f"{RELAY}/say", '"1"', output="table")
        self.assertEqual((1, "error: call: APP_ERROR, the slice answered with an error of its own", "as you asked"),
                         (code, *err.splitlines()[:2]))

    def test_02_what_a_slice_may_say(self):
        """Its own words; what only the cluster can know arrives as its error."""
        said = {1: "APP_ERROR", 2: "INVALID", 4: "DENIED", 13: "APP_ERROR", 14: "APP_ERROR", 10: "APP_ERROR", 11: "APP_ERROR"}
        for number, word in said.items():
            _, document, _ = self.call("say", f'"{number}"')
            self.assertEqual(word, document["error"]["code"], document)
        self.assertIn("NOT_FOUND: as you asked", self.call("say", '"13"')[1]["error"]["message"])

    def test_03_explained(self):
        code, document, _ = self.call("count", None, "--explain")
        said = document["explanation"]
        self.assertEqual((0, "OK", False, 1), (code, said["outcome"], said["retried"], len(said["attempts"])))
        self.assertEqual(self.home.name, said["attempts"][0]["node"])
        # OVERLOADED is the slice's word that it did nothing: it is tried again, as often as is right.
        code, document, _ = self.call("say", '"7"', "--explain")
        details = document["error"]["details"]
        self.assertEqual((1, "OVERLOADED", "always", False, True, 5),
                         (code, details["outcome"], details["retry-class"], details["may-have-run"], details["retried"],
                          len(details["attempts"])))
        self.assertIn("five attempts", details["why"])
        self.assertTrue(document["error"]["hint"])
        code, _, err = self.cluster.run("call", f"{RELAY}/say", '"7"', "--explain", output="table")
        self.assertEqual(5, sum(line.startswith("attempt") for line in err.splitlines()), err)

    def test_04_the_retry_budget_runs_out(self):
        """Of one caller for one target: told at once, in that word."""
        def why(_):
            return self.call("say", '"7"', "--explain")[1]["error"]["details"]["why"]
        await_true("the budget is exhausted", lambda: "budget is exhausted" in why(0), 30)

    def test_05_content(self):
        """JSON is checked before anything is sent; it comes from a word, a file or standard input; 1 MiB is the most."""
        code, out, err = self.cluster.run("-e", "tcp://127.0.0.1:1", "call", f"{RELAY}/echo", '{"a":\n  b}')
        self.assertEqual(2, code, out + err)  # And not 3: nobody was asked.
        self.assertRegex(out, r"line 2")
        self.assertRegex(out, r"column \d")
        content = self.directory / "content.json"
        content.write_text(json.dumps({"from": "a file"}))
        self.assertEqual({"from": "a file"}, self.answer("echo", f"@{content}"))
        done = self.cluster.run("call", f"{RELAY}/echo", "-", stdin='["from standard input"]')
        self.assertEqual(["from standard input"], json.loads(done[1])["payload"])
        large = json.dumps("x" * (MIB - 2))
        self.assertEqual(MIB, len(large))
        content.write_text(large)
        self.assertEqual(MIB - 2, len(self.answer("echo", f"@{content}")))
        content.write_text(json.dumps("x" * (MIB - 1)))
        code, document, _ = self.call("echo", f"@{content}")
        self.assertEqual((2, "INVALID"), (code, document["error"]["code"]))
        self.assertIn("1 MiB", document["error"]["message"])

    def test_06_traces(self):
        trace = "0af7651916cd43dd8448eb211c80319c"
        code, document, _ = self.call("relay", f'"{RELAY}/who"', "--traceparent", f"00-{trace}-b7ad6b7169203331-01")
        self.assertEqual((0, trace, trace), (code, document["request-id"], document["payload"]["request"]))  # Nested, too.
        logged = next(line for line in self.home.log_tail(400).splitlines() if "who asks" in line)
        self.assertEqual(trace, json.loads(logged)["request-id"])
        for bad in ("xyz", trace, f"ff-{trace}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01"):
            self.assertEqual(2, self.call("who", None, "--traceparent", bad)[0], bad)
        first, second = (self.call("who")[1]["request-id"] for _ in range(2))
        self.assertLess(first, second)  # Time-ordered.

    def test_07_a_circle_ends(self):
        code, document, _ = self.call("circle", None, "--timeout", "20s")
        self.assertEqual((2, "INVALID"), (code, document["error"]["code"]), document)
        self.assertIn("deep", document["error"]["message"])

    # --- time, and the end of interest ------------------------------------------------------------------------

    def test_10_a_deadline_is_handed_down(self):
        """Through a node, a slice and a call that it makes; nobody works on after it."""
        before = self.seen()
        code, document, _ = self.call("relay", f'"{RELAY}/wait 60000"', "--timeout", "1s")
        self.assertEqual((7, "DEADLINE"), (code, document["error"]["code"]))
        await_true("the innermost call has ended", lambda: self.seen()["cancelled"] > before["cancelled"], 20)
        code, document, _ = self.call("brief")  # Its own deadline, where the caller names none.
        self.assertEqual((7, "DEADLINE"), (code, document["error"]["code"]))
        code, document, _ = self.call("brief", None, "--timeout", "400ms", "--explain")
        self.assertEqual((7, "DEADLINE", "never"), (code, document["error"]["code"], document["error"]["details"]["retry-class"]))

    def withdrawn_by(self, entry, payload, end, node=None):
        before = self.seen()
        process = self.start(entry, payload, node=node)
        self.await_waiting(before["waits"])
        end(process)
        out, err = process.communicate(timeout=20)
        await_true("the slice learned it", lambda: self.seen()["cancelled"] > before["cancelled"], 20)
        self.assertEqual(0, self.seen()["waiting"])
        return process.returncode, out, err

    def test_11_an_interrupt_withdraws(self):
        for node in (self.home, self.away):
            code, out, err = self.withdrawn_by("wait", LONG, lambda p: p.send_signal(signal.SIGINT), node)
            self.assertEqual((1, "CANCELLED"), (code, json.loads(out)["error"]["code"]), out + err)
            self.assertIn("may have run", json.loads(out)["error"]["message"])

    def test_12_and_what_was_called_on_its_behalf(self):
        before = self.seen()
        code, out, err = self.withdrawn_by("relay", f'"{RELAY}/wait 60000"', lambda p: p.send_signal(signal.SIGINT))
        self.assertEqual((1, "CANCELLED"), (code, json.loads(out)["error"]["code"]), out + err)
        await_true("the caller between them heard it", lambda: self.seen()["nested-cancelled"] > before["nested-cancelled"], 20)

    def test_13_a_client_that_is_killed_withdraws(self):
        for node in (self.home, self.away):
            self.withdrawn_by("wait", LONG, lambda p: p.kill(), node)

    def test_14_mcp_cancels(self):
        bridge = subprocess.Popen([str(build_dir() / "bin" / "aether"), "-e", self.away.client, "mcp"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            def say(document):
                bridge.stdin.write(json.dumps({"jsonrpc": "2.0", **document}) + "\n")
                bridge.stdin.flush()
            say({"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                                                             "clientInfo": {"name": "test", "version": "1"}}})
            self.assertEqual(1, json.loads(bridge.stdout.readline())["id"])
            before = self.seen()
            say({"id": 2, "method": "tools/call", "params": {"name": "call", "arguments": {
                "target": f"{RELAY}/wait", "payload": "60000"}}})
            self.await_waiting(before["waits"])
            say({"method": "notifications/cancelled", "params": {"requestId": 2}})
            await_true("the slice learned it", lambda: self.seen()["cancelled"] > before["cancelled"], 20)
        finally:
            bridge.stdin.close()
            bridge.wait(timeout=20)
            bridge.stdout.close()

    # --- idempotency keys ---------------------------------------------------------------------------------------

    def test_20_a_key_runs_once(self):
        before = self.seen()["waits"]
        with concurrent.futures.ThreadPoolExecutor() as pool:  # From every node at once.
            calls = [pool.submit(self.answer, "wait", '"500"', "--idempotency-key", "order-1", node=node)
                     for node in self.cluster.nodes for _ in range(2)]
            self.assertEqual({before + 1}, {call.result()["count"] for call in calls})
        self.assertEqual(before + 1, self.answer("wait", '"500"', "--idempotency-key", "order-1")["count"])  # Kept.
        self.assertEqual(before + 1, self.seen()["waits"])
        code, document, _ = self.call("wait", '"600"', "--idempotency-key", "order-1")
        self.assertEqual((2, "INVALID"), (code, document["error"]["code"]))
        self.assertIn("another payload", document["error"]["message"])
        self.assertEqual(before + 2, self.answer("wait", '"500"', "--idempotency-key", "order-2")["count"])

    def test_21_a_callers_deadline_is_not_its_keys(self):
        before = self.seen()["waits"]
        code, document, _ = self.call("wait", '"1500"', "--idempotency-key", "late-1", "--timeout", "300ms")
        self.assertEqual((7, "DEADLINE"), (code, document["error"]["code"]))
        self.assertEqual(before + 1, self.answer("wait", '"1500"', "--idempotency-key", "late-1")["count"])
        self.assertEqual(before + 1, self.seen()["waits"])

    # --- versions -------------------------------------------------------------------------------------------------

    def test_30_a_change_of_version_drops_no_call(self):
        """Three instances, calls through every node at once, short ones and ones that last; version 2 and back again."""
        self.publish("1.0.0", 3)
        loads = [CallLoad(self.cluster, f"{RELAY}/count", "null", 300), CallLoad(self.cluster, f"{RELAY}/wait", '"100"', 30),
                 CallLoad(self.cluster, f"{RELAY}/wait", '"30"', 60)]
        try:
            for version in ("2.0.0", "1.0.0") * 4:
                self.publish(version, 3)
                await_true(f"{version} is what answers", lambda: self.answer("who")["version"] == version, 20)
        finally:
            results = [result for load in loads for result in load.stop()]
        outcomes = sum((collections.Counter(r["outcomes"]) for r in results), collections.Counter())
        print(f"calls: {dict(outcomes)}", file=sys.stderr)
        self.assertEqual({"OK"}, set(outcomes), [r["texts"] for r in results])
        self.assertGreater(outcomes["OK"], 100)


if __name__ == "__main__":
    unittest.main(verbosity=2)
