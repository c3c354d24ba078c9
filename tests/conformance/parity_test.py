#!/usr/bin/env python3
"""parity_test: every row of the table of commands, over the CLI and over MCP, against a running node: the same
document, the same error, the same effect. What both print is checked against the tool's own schemas; a row that no
case drives fails the test. (DEP11)"""
import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failure, await_true, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

PRICING = "org.example:pricing:1.0.0"
BLUEPRINT = {"name": "shop", "slices": [{"artifact": PRICING, "instances": 1, "config": {"tax-percent": 7}}]}
QUOTE = {"net-cents": 1000, "quantity": 2}
# What two requests one after the other rightly say differently.
VOLATILE = {"revision", "create-revision", "next-revision", "index", "next-index", "commit-index", "applied-index",
            "timestamp", "since", "left-ms", "elapsed-us", "request-id", "lag", "match-index", "instance", "fence",
            "handled", "mailbox", "busy-us", "memory-bytes", "pid"}
EXITS = {"INVALID": 2, "NOT_READY": 1, "NO_LEADER": 3, "NOT_FOUND": 4, "NO_ENDPOINT": 4, "CONFLICT": 5, "DENIED": 6, "DEADLINE": 7,
         "NODE_LOST": 7}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "parity", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}}


def masked(value):
    if isinstance(value, dict):
        return {k: "*" if k in VOLATILE else masked(v) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(v) for v in value]
    return value


def check(schema, value, path="$"):
    """As much of JSON Schema 2020-12 as our schemas use; anything else in a schema is a failure of its own."""
    known = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "minimum",
             "description"}
    assert set(schema) <= known, f"{path}: unknown keywords {set(schema) - known}"
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    wanted = schema.get("type")
    if wanted is not None:
        names = wanted if isinstance(wanted, list) else [wanted]
        fits = [n for n in names if isinstance(value, types[n]) and not (n != "boolean" and isinstance(value, bool))]
        assert fits, f"{path}: {value!r} is no {wanted}"
    if "minimum" in schema:
        assert value >= schema["minimum"], f"{path}: {value} < {schema['minimum']}"
    if "enum" in schema:
        assert value in schema["enum"], f"{path}: {value!r} is not in {schema['enum']}"
    if isinstance(value, dict):
        for name in schema.get("required", []):
            assert name in value, f"{path}: {name} is missing"
        for name, member in value.items():
            if name in schema.get("properties", {}):
                check(schema["properties"][name], member, f"{path}.{name}")
            else:
                assert schema.get("additionalProperties", True), f"{path}: {name} is not allowed"
    if isinstance(value, list):
        for i, element in enumerate(value):
            check(schema.get("items", {}), element, f"{path}[{i}]")
    if "anyOf" in schema:
        def passes(option):
            try:
                check(option, value, path)
                return True
            except AssertionError:
                return False
        assert any(passes(option) for option in schema["anyOf"]), f"{path}: fits none of {schema['anyOf']}"


class Mcp:
    """`aether mcp`, spoken to as an agent would; era 2026-07-28 unless `meta` is None."""

    def __init__(self, cluster, name="parity"):
        self.process = subprocess.Popen([str(cluster.bin / "aether"), "-e", cluster.nodes[0].client, "mcp",
                                         "--principal", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last = 0

    def ask(self, method, params=None, meta=META):
        self.last += 1
        params = dict(params or {})
        if meta is not None:
            params["_meta"] = meta
        self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        answer = json.loads(self.process.stdout.readline())
        assert answer["id"] == self.last, answer
        return answer

    def send(self, message):
        self.process.stdin.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
        self.process.stdin.flush()

    def call(self, tool, arguments, meta=META):
        return self.ask("tools/call", {"name": tool, "arguments": arguments}, meta)["result"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        return self.process.returncode


class ParityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-parity-"))
        repository = cls.directory / "repository"
        repository.mkdir()
        publish_artifact(repository, example_slice("pricing"), PRICING)
        cls.cluster = Cluster(1, repositories=[{"id": "local", "url": f"file://{repository}"}], directory=cls.directory)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.leader()
        cls.mcp = Mcp(cls.cluster)
        cls.addClassCleanup(cls.mcp.close)
        cls.tools = {tool["name"]: tool for tool in cls.mcp.ask("tools/list")["result"]["tools"]}
        cls.driven = set()

    # --- how one row is driven ------------------------------------------------------------------------------
    def cli(self, *words, stdin=None):
        code, out, err = self.cluster.run(*words, stdin=stdin)
        self.assertTrue(out, f"aether {words}: exit {code}: {err}")
        return code, json.loads(out)

    def tool(self, name, arguments):
        self.driven.add(name)
        tool = self.tools[name]
        result = self.mcp.call(name, arguments)
        content = result["structuredContent"]
        self.assertEqual(json.loads(result["content"][0]["text"]), content)
        self.assertEqual(result["resultType"], "complete")
        check(tool["outputSchema"], content)
        self.assertEqual(result["isError"], "error" in content)
        if not result["isError"]:
            check(tool["inputSchema"], arguments)
        return content

    def same(self, words, name, arguments, stdin=None):
        """Both ways, the same document; returned is the CLI's."""
        code, document = self.cli(*words, stdin=stdin)
        self.assertEqual(code, 0, document)
        check(self.tools[name]["outputSchema"], document)
        self.assertEqual(masked(document), masked(self.tool(name, arguments)))
        return document

    def same_failure(self, words, name, arguments, code):
        exit_code, document = self.cli(*words)
        error = document["error"]
        self.assertEqual((exit_code, error["code"]), (EXITS[code], code), error)
        told = self.tool(name, arguments)
        self.assertEqual(*(re.sub(r"another \d+ s", "another N s", json.dumps(d)) for d in (document, told)))

    # --- rows ---------------------------------------------------------------------------------------------------
    def test_cluster_and_nodes(self):
        status = self.same(["cluster", "status"], "cluster_status", {})
        self.assertEqual((status["leader"], status["health"], status["voters"]), ("node-1", "ok", 1))
        members = self.same(["cluster", "members"], "cluster_members", {})
        self.assertEqual([m["node"] for m in members["members"]], ["node-1"])
        nodes = self.same(["node", "list"], "node_list", {})
        self.assertEqual([n["node"] for n in nodes["nodes"]], ["node-1"])
        self.same(["node", "list", "--stale"], "node_list", {"stale": True})
        self.same(["node", "show", "node-1"], "node_show", {"node": "node-1"})
        self.same_failure(["node", "show", "node-9"], "node_show", {"node": "node-9"}, "NOT_FOUND")

        shown = self.same(["node", "show", "node-1", "--tree"], "node_show", {"node": "node-1", "tree": True})
        trees = [a["tree"] for a in shown["actors"]]
        self.assertEqual(trees[0], "supervisor[node]")
        self.assertIn("|- leader", trees)
        self.assertEqual([a["state"] for a in shown["actors"] if a["name"] == "state"], ["running"])

    def test_changes_of_nodes(self):
        one = {"node": "node-1"}
        same_labels = ["node", "label", "node-1", "gpu=a100", "zone-"]
        labelled = self.same(same_labels, "node_label", {"node": "node-1", "labels": ["gpu=a100", "zone-"]})
        self.assertEqual((labelled["labels"], labelled["complete"]), ({"gpu": "a100"}, True))
        self.same_failure(["node", "label", "node-1", "gpu"], "node_label", {"node": "node-1", "labels": ["gpu"]}, "INVALID")
        self.assertEqual(self.same(["node", "drain", "node-1", "--detach"], "node_drain", {**one, "detach": True})["state"],
                         "DRAINING")
        self.assertEqual(self.same(["node", "resume", "node-1"], "node_resume", one)["state"], "ON_DUTY")
        promoted = self.same(["node", "promote", "node-1"], "node_promote", one)
        self.assertEqual((promoted["role"], promoted["complete"]), ("voter", True))
        for verb in ("demote", "remove"):
            self.same_failure(["node", verb, "node-1"], f"node_{verb}", one, "CONFLICT")  # The last voter.
        for verb in ("promote", "demote", "remove", "drain", "resume", "stop", "restart"):
            self.same_failure(["node", verb, "node-9"], f"node_{verb}", {"node": "node-9"}, "NOT_FOUND")
        self.same(["cluster", "transfer-leadership", "node-1"], "cluster_transfer_leadership", one)  # It leads already.
        self.same_failure(["cluster", "transfer-leadership"], "cluster_transfer_leadership", {}, "CONFLICT")

    def test_metrics(self):
        listed = self.same(["metric", "list", "aether_d"], "metric_list", {"prefix": "aether_d"})
        self.assertEqual([(m["metric"], m["value"]) for m in listed["metrics"]],
                         [("aether_dead_letters_total", 0), ("aether_degraded", 0)])
        self.same(["metric", "list", "aether_degraded", "--node", "node-1"], "metric_list",
                  {"prefix": "aether_degraded", "node": "node-1"})
        self.same_failure(["metric", "list", "--node", "node-9"], "metric_list", {"node": "node-9"}, "NOT_FOUND")

    def test_kv(self):
        for put, key in ((self.cli_put, "config/cli"), (self.tool_put, "config/mcp")):
            first = put(key, {"a": [1, None, True, "é"]}, 0)
            self.assertEqual(set(first), {"revision"})
            second = put(key, "red", first["revision"])
            self.assertGreater(second["revision"], first["revision"])
        self.same_failure(["kv", "put", "config/cli", "1", "--if-rev", "0"], "kv_put",
                          {"key": "config/cli", "value": 1, "if-rev": 0}, "CONFLICT")
        self.same_failure(["kv", "put", "slices/x/y", "1"], "kv_put", {"key": "slices/x/y", "value": 1}, "DENIED")
        for key in ("config/cli", "config/mcp"):
            record = self.same(["kv", "get", key], "kv_get", {"key": key})
            self.assertEqual((record["value"], record["version"]), ("red", 2))
            self.assertEqual(set(record), {"key", "value", "create-revision", "revision", "version", "term"})
        self.same(["kv", "get", "config/cli", "--stale"], "kv_get", {"key": "config/cli", "stale": True})
        self.same_failure(["kv", "get", "config/none"], "kv_get", {"key": "config/none"}, "NOT_FOUND")
        listed = self.same(["kv", "list", "config/", "--limit", "1"], "kv_list", {"prefix": "config/", "limit": 1})
        self.assertTrue(listed["more"])
        self.same(["kv", "list", "config/", "--start-after", "config/cli"], "kv_list",
                  {"prefix": "config/", "start-after": "config/cli"})
        code, deleted = self.cli("kv", "delete", "config/cli")
        self.assertEqual((code, masked(deleted)), (0, masked(self.tool("kv_delete", {"key": "config/mcp"}))))
        self.assertEqual(deleted["deleted"], 1)

    def test_kv_transactions(self):
        absent = {"compare": [{"key": "txn/a", "absent": True}],
                  "success": [{"put": "txn/a", "value": {"by": "me"}}, {"put": "txn/b", "value": 1}],
                  "failure": [{"delete": "txn/a"}, {"delete-prefix": "txn/"}]}
        for drive in (self.cli_txn, self.tool_txn):
            first = drive(absent)
            self.assertEqual((first["succeeded"], [r["key"] for r in first["results"]]), (True, ["txn/a", "txn/b"]))
            record = self.cluster.ask("kv", "get", "txn/b")
            self.assertEqual((record["value"], record["revision"]), (1, first["revision"]))  # One revision for both.
            second = drive(absent)
            self.assertEqual((second["succeeded"], [r["deleted"] for r in second["results"]]), (False, [1, 1]))
        held = {"compare": [{"key": "txn/a", "revision": 7}], "success": [{"put": "txn/a", "value": 2}]}
        self.same_failure(["kv", "txn", json.dumps(held)], "kv_txn", {"document": held}, "CONFLICT")
        managed = {"success": [{"put": "slices/x/y", "value": 2}]}
        self.same_failure(["kv", "txn", json.dumps(managed)], "kv_txn", {"document": managed}, "DENIED")
        for broken, where in (({"success": [{"putt": "a", "value": 1}]}, "success[0]"), ({}, "does nothing"),
                              ({"compare": [{"key": "a"}], "success": []}, "compare[0]"),
                              ({"success": [{"renew": "x", "holder": "y"}]}, "fence"), ({"then": []}, "then"),
                              ({"success": [{"delete": "a"}] * 129}, "128")):
            self.same_failure(["kv", "txn", json.dumps(broken)], "kv_txn", {"document": broken}, "INVALID")
            _, document = self.cli("kv", "txn", json.dumps(broken))
            self.assertIn(where, document["error"]["message"])
        path = self.directory / "txn.yaml"
        path.write_text("success:\n  - put: txn/c\n    value: [1, two]\n")
        self.assertEqual(self.cli("kv", "txn", f"@{path}")[0], 0)
        self.assertEqual(self.cli("kv", "txn", "-", stdin=path.read_text())[0], 0)
        self.assertEqual(self.cluster.ask("kv", "get", "txn/c")["value"], [1, "two"])

    def cli_txn(self, document):
        code, answer = self.cli("kv", "txn", json.dumps(document))
        self.assertEqual(code, 0, answer)
        return answer

    def tool_txn(self, document):
        return self.tool("kv_txn", {"document": document})

    def test_leases(self):
        mine = ["--holder", "host-7"]
        first = self.same(["lease", "grant", "backup", *mine, "--ttl", "30s"], "lease_grant",
                          {"name": "backup", "holder": "host-7", "ttl": "30s"})
        fence = first["fence"]
        self.same(["lease", "renew", "backup", *mine, "--fence", fence], "lease_renew",
                  {"name": "backup", "holder": "host-7", "fence": fence})
        self.same_failure(["lease", "renew", "backup", *mine, "--fence", fence + 1], "lease_renew",
                          {"name": "backup", "holder": "host-7", "fence": fence + 1}, "CONFLICT")
        self.same_failure(["lease", "grant", "backup", "--holder", "other", "--ttl", "30s"], "lease_grant",
                          {"name": "backup", "holder": "other", "ttl": "30s"}, "CONFLICT")
        self.same_failure(["lease", "grant", "backup", *mine, "--ttl", "soon"], "lease_grant",
                          {"name": "backup", "holder": "host-7", "ttl": "soon"}, "INVALID")
        held = self.cluster.ask("kv", "get", "leases/backup")
        self.assertEqual((held["value"]["holder"], held["value"]["fence"]), ("host-7", fence))
        # Who acts under a lease is fenced by its number, and what it wrote goes with the lease (A3).
        self.cluster.ask("kv", "put", "backup/at", "1", "--lease", "backup", "--fence", fence)
        self.same_failure(["kv", "put", "backup/at", "2", "--lease", "backup", "--fence", str(fence - 1)], "kv_put",
                          {"key": "backup/at", "value": 2, "lease": "backup", "fence": fence - 1}, "CONFLICT")
        fenced = {"compare": [{"key": "leases/backup", "created": fence}], "success": [{"put": "backup/at", "value": 3}]}
        self.assertTrue(self.cli_txn(fenced)["succeeded"])
        self.assertEqual(self.cli("lease", "revoke", "backup", *mine)[0], 0)
        code, _ = self.cli("kv", "get", "leases/backup")
        self.assertEqual(code, EXITS["NOT_FOUND"])
        again = self.tool("lease_grant", {"name": "backup", "holder": "other", "ttl": "10m"})
        self.assertGreater(again["fence"], fence)
        self.assertEqual(self.cli("kv", "txn", json.dumps(fenced))[0], EXITS["CONFLICT"])
        self.tool("kv_put", {"key": "backup/at", "value": 4, "lease": "backup", "fence": again["fence"]})
        self.tool("lease_revoke", {"name": "backup"})
        code, _ = self.cli("kv", "get", "backup/at")
        self.assertEqual(code, EXITS["NOT_FOUND"])
        self.same_failure(["lease", "revoke", "backup"], "lease_revoke", {"name": "backup"}, "NOT_FOUND")

    def test_kv_reads_in_time(self):
        first = self.cluster.ask("kv", "put", "config/t", "1")["revision"]
        second = self.cluster.ask("kv", "put", "config/t", "2")["revision"]
        past = self.same(["kv", "get", "config/t", "--at", first], "kv_get", {"key": "config/t", "at": first})
        self.assertEqual((past["value"], past["revision"]), (1, first))
        now = self.same(["kv", "get", "config/t", "--after", second], "kv_get", {"key": "config/t", "after": second})
        self.assertEqual(now["value"], 2)
        listed = self.same(["kv", "list", "config/t", "--at", first], "kv_list", {"prefix": "config/t", "at": first})
        self.assertEqual([r["value"] for r in listed["records"]], [1])
        code, document = self.cli("kv", "get", "config/t", "--after", second + 10**6, "--timeout", "3s")
        self.assertEqual((code, document["error"]["code"]), (7, "DEADLINE"), document)
        self.assertIn("not visible", document["error"]["message"])
        self.same_failure(["kv", "get", "config/t", "--at", second + 10**6], "kv_get",
                          {"key": "config/t", "at": second + 10**6}, "INVALID")  # The future is told, not waited for.
        stale = self.same(["kv", "list", "config/t", "--stale"], "kv_list", {"prefix": "config/t", "stale": True})
        self.assertTrue(stale["stale"] and stale["index"] >= second and "lag" in stale)

    def test_every_read_takes_after(self):
        revision = self.cluster.ask("kv", "put", "config/t", "1")["revision"]
        reads = (["cluster", "status"], ["cluster", "members"], ["node", "list"], ["node", "show", "node-1"], ["event", "list"],
                 ["blueprint", "list"], ["slice", "list"], ["endpoint", "list"])
        for words in reads:
            self.assertEqual(self.cli(*words, "--after", revision)[0], 0, words)
            self.assertEqual(self.cli(*words, "--after", revision, "--stale")[0], 0, words)
            code, document = self.cli(*words, "--after", revision + 10**6, "--timeout", "600ms")
            self.assertEqual((code, document["error"]["code"]), (7, "DEADLINE"), (words, document))
        # What only the leader answers has no --stale; of what isn't there the word is NOT_FOUND, but not before then.
        for words, found in ((["agent", "status"], 0), (["slice", "explain", "org.example:nothing"], EXITS["NOT_FOUND"]),
                             (["blueprint", "history", "nothing"], EXITS["NOT_FOUND"])):
            self.assertEqual(self.cli(*words, "--after", revision)[0], found, words)
            code, document = self.cli(*words, "--after", revision + 10**6, "--timeout", "600ms")
            self.assertEqual((code, document["error"]["code"]), (7, "DEADLINE"), (words, document))

    def test_a_value_may_stand_in_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write('{"colour": "red"}')
            file.flush()
            self.assertEqual(self.cli("kv", "put", "config/f", f"@{file.name}")[0], 0)
        self.assertEqual(self.cli("kv", "get", "config/f")[1]["value"], {"colour": "red"})
        self.assertEqual(self.cli("kv", "put", "config/f", "-", stdin="[1]")[0], 0)
        self.assertEqual(self.cli("kv", "get", "config/f")[1]["value"], [1])
        self.assertEqual(self.cli("kv", "put", "config/f", '"@x"')[0], 0)
        self.assertEqual(self.cli("kv", "get", "config/f")[1]["value"], "@x")
        code, document = self.cli("kv", "put", "config/f", "@/nowhere")
        self.assertEqual((code, document["error"]["code"]), (EXITS["INVALID"], "INVALID"))

    def test_backup(self):
        """The CLI writes what an agent gets page by page: the same stream (N5)."""
        self.cluster.ask("kv", "put", "config/b", "1")
        path = self.directory / "backup"
        code, document = self.cli("cluster", "backup", path, "--quiet")
        self.assertEqual((code, document["size"]), (0, path.stat().st_size), document)
        self.assertEqual({"data", "more", "offset", "backup-id"} & set(document), set())  # Those are of pages.
        pages, page = b"", {"backup-id": 0, "more": True}
        while page["more"]:
            page = self.tool("cluster_backup", {"file": "mine", "backup-id": page["backup-id"], "offset": len(pages)})
            self.assertEqual(page["offset"], len(pages))
            pages += base64.b64decode(page["data"])
        self.assertEqual((page["size"], page["file"], len(page["sha256"])), (len(pages), "mine", 64))
        self.assertEqual(pages[:4], path.read_bytes()[:4])
        again = {"file": "mine", "backup-id": page["backup-id"], "offset": page["offset"]}
        self.assertEqual(self.tool("cluster_backup", again), page)  # A page may be asked for again.
        error = self.tool("cluster_backup", {"file": "mine", "backup-id": 77})["error"]
        self.assertEqual(error["code"], "NOT_FOUND")

    def pieces(self, content, artifact, **more):
        """An upload as an agent sends it: each piece where the last answer said."""
        whole = {"file": "mine.so", "artifact": artifact, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content), **more}
        answer = self.tool("artifact_push", whole)
        while "error" not in answer and not answer["complete"]:
            at = answer["offset"]
            piece = base64.b64encode(content[at:at + 100000]).decode()
            answer = self.tool("artifact_push", {**whole, "offset": at, "base64": piece})
        return answer

    def test_artifacts(self):
        """The CLI sends the same pieces that an agent sends."""
        orders, content = "org.example:orders:1.0.0", example_slice("orders").read_bytes()
        self.same(["artifact", "list"], "artifact_list", {})
        pushed = self.pieces(content, orders)
        self.assertEqual((pushed["complete"], pushed["changed"], pushed["holders"]), (True, True, ["node-1"]), pushed)
        code, again = self.cli("artifact", "push", example_slice("orders"))
        self.assertEqual((code, again["changed"], again["sha256"], again["revision"]),
                         (0, False, pushed["sha256"], pushed["revision"]), again)
        self.assertEqual(masked(again), masked(self.pieces(content, orders)))
        shown = self.same(["artifact", "show", orders], "artifact_show", {"artifact": orders})
        self.assertEqual((shown["copies"], shown["wanted"], shown["blueprints"]), (1, 1, []))
        listed = self.same(["artifact", "list", "org.example:orders"], "artifact_list", {"prefix": "org.example:orders"})
        self.assertEqual([a["artifact"] for a in listed["artifacts"]], [orders])
        self.assertEqual(self.same(["artifact", "list", "org.none"], "artifact_list", {"prefix": "org.none"})["artifacts"], [])
        self.hostile_pieces(content, orders)
        self.same_failure(["artifact", "show", "org.example:none:1"], "artifact_show", {"artifact": "org.example:none:1"}, "NOT_FOUND")
        self.same_failure(["artifact", "delete", "org.example:none:1"], "artifact_delete", {"artifact": "org.example:none:1"}, "NOT_FOUND")
        self.same_failure(["kv", "put", f"artifacts/{orders}", "{}"], "kv_put", {"key": f"artifacts/{orders}", "value": {}}, "DENIED")
        self.assertEqual(self.tool("artifact_delete", {"artifact": orders})["sha256"], pushed["sha256"])
        self.assertEqual(self.cli("artifact", "push", example_slice("orders"))[1]["changed"], True)
        self.assertEqual(self.cli("artifact", "delete", orders, "--force")[0], 0)

    def hostile_pieces(self, content, orders):
        other = content + b"more"
        whole = {"file": "x", "artifact": "org.example:orders:3.0.0", "sha256": hashlib.sha256(other).hexdigest(), "size": len(other)}
        piece = {"base64": base64.b64encode(other[:1000]).decode()}
        for wrong, words in (({"offset": 500, **piece}, "leaves a gap"), ({"offset": len(other), **piece}, "goes beyond"),
                             ({"size": 2**40}, "limits.artifact-size"), ({"size": 0}, "limits.artifact-size"),
                             ({"base64": "%%%"}, "base64"), ({"sha256": "abc"}, "64 lower-case hex"),
                             ({"signature": "abc"}, "128 lower-case hex"), ({"sign": "/etc/key"}, "private key stays"),
                             ({"artifact": "org.example:orders:LATEST"}, ""), ({"artifact": "../../x"}, ""),
                             ({**piece, "size": 10**6}, "were announced before"),
                             ({"base64": base64.b64encode(bytes(256 * 1024 + 1)).decode(), "size": 10**6,
                               "sha256": hashlib.sha256(b"large").hexdigest()}, "at most 262144")):
            error = self.tool("artifact_push", {**whole, **wrong})["error"]
            self.assertEqual(error["code"], "INVALID", (wrong, error))
            self.assertIn(words, error["message"])
        # A wrong whole is forgotten, and another one may come.
        lies = {**whole, "sha256": hashlib.sha256(b"something else").hexdigest()}
        for at in range(0, len(other), 200000):
            answer = self.tool("artifact_push", {**lies, "offset": at, "base64": base64.b64encode(other[at:at + 200000]).decode()})
        self.assertEqual(answer["error"]["code"], "CORRUPT", answer)
        self.assertEqual(self.tool("artifact_push", lies)["offset"], 0)
        conflict = self.pieces(other, orders)
        self.assertEqual(conflict["error"]["code"], "CONFLICT", conflict)
        mismatch = self.pieces(other, "org.example:orders:3.0.0")
        self.assertEqual(mismatch["error"]["code"], "VERSION_MISMATCH", mismatch)

    def cli_put(self, key, value, rev):
        code, document = self.cli("kv", "put", key, json.dumps(value), "--if-rev", rev)
        self.assertEqual(code, 0, document)
        return document

    def tool_put(self, key, value, rev):
        return self.tool("kv_put", {"key": key, "value": value, "if-rev": rev})

    def test_kv_watch(self):
        first = self.cluster.ask("kv", "put", "config/w/1", "1")["revision"]
        self.cluster.ask("kv", "put", "config/w/2", '{"b":2}')
        self.cluster.ask("kv", "delete", "config/w/1")
        code, out, err = self.cluster.run("kv", "watch", "config/w/", "--from", first, "--limit", 3)
        self.assertEqual(code, 0, err)
        lines = [json.loads(line) for line in out.splitlines()]
        watched = self.tool("kv_watch", {"prefix": "config/w/", "from": first, "limit": 3})
        self.assertEqual(lines, watched["events"])
        self.assertEqual([e["deleted"] for e in lines], [False, False, True])

    def test_events_and_agent(self):
        self.tool("kv_put", {"key": "config/e", "value": 1})  # So there is an agent, and an event of its lease.
        events = self.same(["event", "list", "--from", "0", "--limit", "3"], "event_list", {"from": 0, "limit": 3})
        self.assertTrue(events["events"])
        status = self.same(["agent", "status"], "agent_status", {})
        self.assertEqual((status["held"], status["holder"]), (True, "parity"))
        # People's changes go on beside the agent's; another agent is told who holds the lease.
        self.cluster.ask("kv", "put", "config/e", "2")
        other = Mcp(self.cluster, "other")
        refusal = other.call("kv_put", {"key": "config/e", "value": 3}, meta=None)
        self.assertTrue(refusal["isError"])
        error = refusal["structuredContent"]["error"]
        self.assertEqual(error["code"], "DENIED")
        self.assertRegex(error["message"], r"parity.*\d+ s")
        self.assertEqual(other.call("kv_get", {"key": "config/e"}, meta=None)["structuredContent"]["value"], 2)
        self.assertEqual(other.call("agent_release", {}, meta=None)["structuredContent"]["error"]["code"], "CONFLICT")
        self.assertEqual(self.cluster.ask("agent", "release")["released"], True)
        self.assertFalse(other.call("kv_put", {"key": "config/e", "value": 3}, meta=None)["isError"])
        self.assertEqual(other.call("agent_release", {}, meta=None)["structuredContent"]["released"], True)
        self.assertEqual(other.close(), 0)
        self.tool("kv_put", {"key": "config/e", "value": 4})
        self.assertEqual(self.tool("agent_release", {})["released"], True)
        code, again = self.cli("agent", "release")
        self.assertEqual((code, masked(again)), (0, masked(self.tool("agent_release", {}))))
        self.assertEqual(again["released"], False)

    def test_slices(self):
        path = self.directory / "shop.json"
        path.write_text(json.dumps(BLUEPRINT))
        code, published = self.cli("blueprint", "publish", path)
        self.assertEqual((code, published["complete"], published["changed"]), (0, True, True), published)
        self.same(["blueprint", "publish", "-"], "blueprint_publish", {"document": BLUEPRINT}, stdin=path.read_text())
        self.same(["blueprint", "publish", path, "--detach"], "blueprint_publish",
                  {"document": path.read_text(), "detach": True})
        listed = self.same(["blueprint", "list"], "blueprint_list", {})
        self.assertEqual([b["name"] for b in listed["blueprints"]], ["shop"])
        self.same(["blueprint", "get", "shop"], "blueprint_get", {"name": "shop"})
        self.same_failure(["blueprint", "get", "none"], "blueprint_get", {"name": "none"}, "NOT_FOUND")
        for words, arguments in ((["--blueprint", "shop"], {"blueprint": "shop"}), (["--stale"], {"stale": True})):
            instances = self.same(["slice", "list", *words], "slice_list", arguments)["instances"]
            self.assertEqual([i["state"] for i in instances], ["ACTIVE"])
        shown = self.same(["slice", "show", PRICING], "slice_show", {"artifact": PRICING})["instances"][0]
        self.assertEqual((shown["heard"], shown["isolation"], shown["limits"]), ("OK", "process", "none"), shown)
        self.assertGreater(shown["memory-bytes"], 0)
        self.same(["slice", "explain", PRICING], "slice_explain", {"artifact": PRICING})
        self.same_failure(["slice", "explain", "org.example:none"], "slice_explain", {"artifact": "org.example:none"},
                          "NOT_FOUND")
        restarted = self.same(["slice", "restart", "org.example:pricing"], "slice_restart",
                              {"artifact": "org.example:pricing"})
        self.assertEqual((restarted["restarted"], restarted["complete"]), (1, True))
        self.same_failure(["slice", "restart", PRICING, "--instance", "77"], "slice_restart",
                          {"artifact": PRICING, "instance": 77}, "NOT_FOUND")
        logs = self.same(["slice", "logs", PRICING, "--tail", "3"], "slice_logs", {"artifact": PRICING, "tail": 3})
        self.assertEqual(logs["lines"][-1]["text"], "started")
        self.same_failure(["slice", "logs", "org.example:none"], "slice_logs", {"artifact": "org.example:none"},
                          "NOT_FOUND")
        self.same_failure(["slice", "logs", PRICING, "--since", "soon"], "slice_logs",
                          {"artifact": PRICING, "since": "soon"}, "INVALID")
        self.same_failure(["slice", "show", "org.example:none"], "slice_show", {"artifact": "org.example:none"},
                          "NOT_FOUND")
        endpoints = self.same(["endpoint", "list", "org.example:pricing"], "endpoint_list",
                              {"artifact": "org.example:pricing"})["endpoints"]
        self.assertEqual([e["entry"] for e in endpoints], ["quote"])
        called = self.same(["call", "org.example:pricing/quote", json.dumps(QUOTE)], "call",
                           {"target": "org.example:pricing/quote", "payload": QUOTE})
        self.assertEqual(called["payload"]["gross-cents"], 2140)
        self.same_failure(["call", "org.example:none/quote", "{}"], "call",
                          {"target": "org.example:none/quote", "payload": {}}, "NO_ENDPOINT")
        revision = self.same(["blueprint", "history", "shop"], "blueprint_history", {"name": "shop"})["revisions"][0]
        self.assertEqual((revision["current"], revision["artifacts"]), (True, [PRICING]))
        self.assertTrue(self.same(["blueprint", "wait", "shop"], "blueprint_wait", {"name": "shop"})["complete"])
        rolled = self.same(["blueprint", "rollback", "shop", revision["revision"]], "blueprint_rollback",
                           {"name": "shop", "revision": revision["revision"]})
        self.assertEqual((rolled["complete"], rolled["changed"]), (True, False))
        for verb in ("history", "wait", "rollback"):
            self.same_failure(["blueprint", verb, "none"], f"blueprint_{verb}", {"name": "none"}, "NOT_FOUND")
        more = {**BLUEPRINT, "slices": [{**BLUEPRINT["slices"][0], "instances": 2}]}
        planned = self.same(["blueprint", "plan", "-"], "blueprint_plan", {"document": more}, stdin=json.dumps(more))
        self.assertEqual([c["action"] for c in planned["changes"]], ["start"])
        planned = self.same(["blueprint", "plan"], "blueprint_plan", {})
        self.assertEqual(planned["summary"], "nothing would change")
        node = self.cluster.nodes[0].name
        self.same(["blueprint", "plan", "--without", node, "--name", "shop"], "blueprint_plan",
                  {"without": node, "name": "shop"})
        self.same_failure(["blueprint", "plan", "--without", "none"], "blueprint_plan", {"without": "none"}, "NOT_FOUND")
        broken = self.directory / "broken.json"
        broken.write_text('{"name":"shop","slicez":[]}')
        self.same_failure(["blueprint", "publish", broken], "blueprint_publish", {"document": broken.read_text()},
                          "INVALID")
        code, deleted = self.cli("blueprint", "delete", "shop")
        self.assertEqual((code, deleted["complete"]), (0, True), deleted)
        self.assertTrue(self.tool("blueprint_publish", {"document": BLUEPRINT})["complete"])
        self.assertEqual(masked(deleted), masked(self.tool("blueprint_delete", {"name": "shop"})))
        self.assertEqual(self.cluster.ask("slice", "list")["instances"], [])

    # --- the protocol itself ------------------------------------------------------------------------------------
    def test_both_eras(self):
        mcp = Mcp(self.cluster)
        hello = mcp.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                       "clientInfo": {"name": "old", "version": "1"}}, meta=None)["result"]
        self.assertEqual(hello["protocolVersion"], "2025-11-25")
        mcp.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.assertEqual(mcp.ask("ping", meta=None)["result"], {})
        old = mcp.ask("tools/list", meta=None)["result"]
        new = mcp.ask("server/discover")["result"]
        self.assertIn("2026-07-28", new["supportedVersions"])
        self.assertEqual(old["tools"], mcp.ask("tools/list")["result"]["tools"])
        for text, code in (("{", -32700), ("[]", -32600), ('{"id":1}', -32600)):
            mcp.send(text)
            self.assertEqual(json.loads(mcp.process.stdout.readline())["error"]["code"], code)
        self.assertEqual(mcp.ask("no/such", meta=None)["error"]["code"], -32601)
        self.assertEqual(mcp.ask("tools/call", {"name": "no_such"})["error"]["code"], -32602)
        wrong = mcp.call("kv_get", {"key": 7})
        self.assertEqual(wrong["structuredContent"]["error"]["code"], "INVALID")
        self.assertEqual(mcp.close(), 0)

    def test_tools_are_the_rows(self):
        code, out, _ = self.cluster.run("help", "--markdown")
        rows = re.findall(r"MCP tool: `([a-z_]+)`", out)
        self.assertEqual(code, 0)
        self.assertEqual(sorted(rows), sorted(self.tools))

    def test_zz_every_row_was_driven(self):  # Methods run in the order of their names.
        self.assertEqual(sorted(set(self.tools) - self.driven), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
