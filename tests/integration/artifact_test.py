#!/usr/bin/env python3
"""artifact_test: the cluster's own artifact store on real nodes. What was pushed to one node outlives that node; others
get it over the bulk connection; nothing is ever half visible; lost copies come back.

Method: three founders and a fourth node that joins; no repository is configured. Nodes die by SIGKILL.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, await_true, build_pricing, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
PRICING = "org.example:pricing:1.0.0"
LARGE = 24 * 1024 * 1024
CONFLICT, INVALID, NOT_FOUND = 5, 2, 4


class ArtifactTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-artifact-"))
        self.cluster = Cluster(4, founders=3, name="artifact", directory=self.directory)
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__)
        self.cluster.leader()
        self.slice = example_slice("pricing")

    def copy_of(self, name, more=b""):
        """The example with bytes behind its end: other content, and a loader that doesn't mind."""
        path = self.directory / name
        path.write_bytes(self.slice.read_bytes() + more)
        return path

    def publish(self, **more):
        document = {"name": "shop", "slices": [{"artifact": PRICING, "instances": 3, **more}]}
        return self.cluster.ask("blueprint", "publish", "-", stdin=json.dumps(document), timeout=120)

    def artifacts(self):
        return {a["artifact"]: a for a in self.cluster.ask("artifact", "list")["artifacts"]}

    def cached(self, node, sha256):
        return node.data / "artifacts" / sha256

    def everywhere_on_duty(self):
        def there():
            nodes = self.cluster.ask("node", "list")["nodes"]
            return all(n["presence"] == "UP" and n["state"] == "ON_DUTY" for n in nodes) and len(nodes) >= 3
        await_true("three nodes are on duty", there, 30)

    def test_pushed_to_one_node_and_run_without_it(self):
        self.everywhere_on_duty()
        first = self.cluster.node("node-2")
        pushed = self.cluster.ask("artifact", "push", self.slice, node=first)
        sha256 = hashlib.sha256(self.slice.read_bytes()).hexdigest()
        self.assertEqual((pushed["artifact"], pushed["sha256"], pushed["complete"], pushed["changed"]),
                         (PRICING, sha256, True, True))
        self.assertEqual(sorted(pushed["holders"]), ["node-1", "node-2", "node-3"])
        for node in self.cluster.nodes[:3]:  # Before the push was acknowledged.
            self.assertEqual(hashlib.sha256(self.cached(node, sha256).read_bytes()).hexdigest(), sha256)
        self.refusals(first)
        first.kill()
        self.publish()
        placed = self.cluster.await_active(3, off_node=first)
        self.assertEqual({i["node"] for i in placed} - {"node-1", "node-3"}, set())
        answer = self.cluster.ask("call", "org.example:pricing/quote", '{"net-cents": 100, "quantity": 1}')
        self.assertIn("gross-cents", str(answer))
        first.start()
        self.everywhere_on_duty()
        self.cluster.await_active(3)
        self.a_fourth_node_fetches_it(sha256)
        self.a_lost_copy_comes_back(sha256)
        self.used_ones_stay()

    def refusals(self, node):
        again = self.cluster.ask("artifact", "push", self.slice, node=self.cluster.node("node-3"))
        self.assertEqual((again["changed"], again["complete"]), (False, True))
        code, out, _ = self.cluster.run("artifact", "push", self.copy_of("other.so", b"other"), node=node)
        self.assertEqual((code, json.loads(out)["error"]["code"]), (CONFLICT, "CONFLICT"), out)
        code, out, _ = self.cluster.run("artifact", "push", self.slice, "--artifact", "org.example:pricing:2.0.0", node=node)
        self.assertEqual((code, json.loads(out)["error"]["code"]), (CONFLICT, "VERSION_MISMATCH"), out)
        text = self.directory / "text.so"
        text.write_text("this is no object")
        code, out, _ = self.cluster.run("artifact", "push", text, "--artifact", "org.example:text:1.0.0", node=node)
        self.assertEqual((code, json.loads(out)["error"]["code"]), (INVALID, "INVALID"), out)
        self.assertEqual(list(self.artifacts()), [PRICING])

    def a_fourth_node_fetches_it(self, sha256):
        fourth = self.cluster.nodes[3]
        fourth.start()
        await_true("node-4 is on duty", lambda: any(
            n["node"] == fourth.name and n["presence"] == "UP" for n in self.cluster.ask("node", "list")["nodes"]), 30)
        self.publish(constraints={"zone": "zone-4"})
        self.assertEqual({i["node"] for i in self.cluster.await_active(3)}, {fourth.name})
        self.assertTrue(self.cached(fourth, sha256).exists())
        self.assertIn("artifact.copied", fourth.log.read_text())

    def a_lost_copy_comes_back(self, sha256):
        holder = self.cluster.nodes[0]
        self.cached(holder, sha256).unlink()
        await_true("the lost copy is there again", self.cached(holder, sha256).exists, 30)

    def used_ones_stay(self):
        code, out, _ = self.cluster.run("artifact", "delete", PRICING)
        self.assertEqual((code, json.loads(out)["error"]["code"]), (CONFLICT, "CONFLICT"), out)
        shown = self.cluster.ask("artifact", "show", PRICING)
        self.assertEqual((shown["blueprints"], shown["copies"], shown["wanted"]), (["shop"], 3, 3))
        self.cluster.ask("blueprint", "delete", "shop", timeout=120)
        self.cluster.ask("artifact", "delete", PRICING)
        self.assertEqual(self.artifacts(), {})
        self.assertEqual(self.cluster.run("artifact", "show", PRICING)[0], NOT_FOUND)

    def push_process(self, file, nodes):
        endpoints = ",".join(n.client for n in nodes)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AETHER_")}
        return subprocess.Popen([str(self.cluster.bin / "aether"), "-e", endpoints, "-o", "json", "artifact", "push", str(file)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def test_a_node_that_dies_in_between_leaves_nothing_visible(self):
        self.everywhere_on_duty()
        large = self.copy_of("large.so", bytes(LARGE))
        sha256 = hashlib.sha256(large.read_bytes()).hexdigest()
        first, other = self.cluster.nodes[0], self.cluster.nodes[2]
        part = first.data / "artifacts" / "tmp" / f"{sha256}.upload"
        with self.push_process(large, [first]) as push:
            await_true("some of it has arrived", lambda: part.exists() and part.stat().st_size > 0, 30)
            first.kill()
            push.kill()
        self.assertTrue(0 < part.stat().st_size < large.stat().st_size)
        self.cluster.leader(other_than=None)
        self.assertEqual(self.cluster.ask("artifact", "list", node=other)["artifacts"], [])
        first.start()
        self.everywhere_on_duty()
        self.assertEqual(self.artifacts(), {})
        # It goes on where it was; and when that node dies for good, at another one.
        with self.push_process(large, [first, other]) as push:
            push.stderr.readline()
            first.kill()
            out, err = push.communicate(timeout=120)
        self.assertEqual(push.returncode, 0, out + err)
        self.assertTrue(json.loads(out)["complete"])
        self.assertGreaterEqual(len(json.loads(out)["holders"]), 2)
        self.assertEqual(self.artifacts()[PRICING]["sha256"], sha256)


class SignedTest(unittest.TestCase):
    """A node with keys and a repository: the cluster's store is searched first, versions of both are compared."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-signed-"))
        self.key, public = self.directory / "key.pem", self.directory / "key.pub"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.key], check=True)
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out", public], check=True)
        self.repository = self.directory / "repository"
        self.cluster = Cluster(1, name="signed", directory=self.directory,
                               repositories=[{"id": "here", "url": f"file://{self.repository}"}],
                               extra_config={"security": {"artifact-keys": [str(public)]},
                                             "limits": {"artifact-size": "1Mi", "artifact-cache": "2Mi"}})
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__)
        self.cluster.leader()

    def sign(self, file):
        signature = file.with_name(f"{file.name}.sig")
        subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", file, "-out", signature], check=True)
        return signature

    def refused(self, code, *words):
        exit_code, out, _ = self.cluster.run("artifact", "push", *words)
        self.assertEqual(json.loads(out)["error"]["code"], code, out)
        return exit_code

    def runs(self, version):
        document = {"name": "shop", "slices": [{"artifact": f"org.example:pricing:{version}", "instances": 1}]}
        self.cluster.ask("blueprint", "publish", "-", stdin=json.dumps(document), timeout=120)
        return self.cluster.await_active(1)[0]["artifact"].split(":")[2]

    def test_signatures_and_versions(self):
        first = build_pricing(self.directory, "1.0.0")
        self.refused("CORRUPT", first)  # No signature.
        self.refused("CORRUPT", first, "--signature", self.sign(build_pricing(self.directory, "9.0.0")))
        pushed = self.cluster.ask("artifact", "push", first, "--signature", self.sign(first))
        self.assertIn("1 of 1 node", pushed["note"])
        self.assertTrue(self.cluster.ask("artifact", "show", PRICING)["signature"])
        self.assertEqual(self.runs("LATEST"), "1.0.0")
        there = publish_artifact(self.repository, build_pricing(self.directory, "1.1.0"), "org.example:pricing:1.1.0")
        self.sign(there)
        (there.parents[1] / "maven-metadata.xml").write_text(
            "<metadata><versioning><release>1.1.0</release><versions><version>1.1.0</version></versions></versioning></metadata>")
        self.assertEqual(self.runs("RELEASE"), "1.1.0")  # The repository's is higher.
        second = build_pricing(self.directory, "1.2.0")
        document = self.slice_push(second)
        self.assertEqual((document["artifact"], document["is-signed"]), ("org.example:pricing:1.2.0", True))
        self.assertEqual(self.runs("[1.0,2.0)"), "1.2.0")  # Now the cluster's.
        self.assertEqual(self.runs("[1.0,1.2.0)"), "1.1.0")
        self.snapshots()
        self.bounds(second)

    def slice_push(self, file):
        code, out, err = self.cluster.run("slice", "push", file, "--sign", self.key)
        self.assertEqual(code, 0, out + err)
        return json.loads(out)

    def snapshots(self):
        """What runs goes on with its bytes; what is published anew gets the new ones."""
        dated = build_pricing(self.directory, "1.3.0-SNAPSHOT")
        self.slice_push(dated)
        self.assertEqual(self.runs("1.3.0-SNAPSHOT"), "1.3.0-SNAPSHOT")
        before = self.cluster.ask("slice", "show", "org.example:pricing")["sha256"]
        dated.write_bytes(dated.read_bytes() + b"newer")
        changed = self.slice_push(dated)
        self.assertTrue(changed["changed"])
        self.assertEqual(self.cluster.ask("slice", "show", "org.example:pricing")["sha256"], before)
        self.assertEqual(self.runs("1.3.0-SNAPSHOT"), "1.3.0-SNAPSHOT")
        self.assertEqual(self.cluster.ask("slice", "show", "org.example:pricing")["sha256"], changed["sha256"])

    def bounds(self, file):
        """The cache holds 2 MiB: pushes go on until all of it is pinned, and then say so."""
        too_large = self.directory / "large.so"
        too_large.write_bytes(file.read_bytes() + bytes(1024 * 1024))
        self.assertEqual(self.refused("INVALID", too_large, "--sign", self.key, "--artifact", "org.example:pricing:2.0.0"), INVALID)
        kept = 0
        for k in range(20):
            padded = build_pricing(self.directory, f"3.{k}.0")
            padded.write_bytes(padded.read_bytes() + bytes(300 * 1024))
            code, out, _ = self.cluster.run("artifact", "push", padded, "--sign", self.key)
            if code != 0:
                break
            kept += 1
        error = json.loads(out)["error"]
        self.assertEqual((error["code"], "limits.artifact-cache" in error["hint"]), ("OVERLOADED", True), error)
        self.assertGreaterEqual(kept, 3)
        held = sum(f.stat().st_size for f in (self.cluster.nodes[0].data / "artifacts").glob("*") if len(f.name) == 64)
        self.assertLessEqual(held, 2 * 1024 * 1024)
        self.cluster.ask("artifact", "delete", "org.example:pricing:3.0.0")
        self.assertTrue(self.cluster.ask("artifact", "push", padded, "--sign", self.key)["complete"])
        self.assertEqual(self.runs("1.2.0"), "1.2.0")  # Kept for the cluster all the time.

    def test_nobody_there(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AETHER_")}
        done = subprocess.run([str(self.cluster.bin / "aether"), "-e", "tcp://127.0.0.1:9", "slice", "push", example_slice("pricing"),
                               "--timeout", "1s"], capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("--to FOLDER", done.stderr)


if __name__ == "__main__":
    unittest.main()
