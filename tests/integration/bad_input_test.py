#!/usr/bin/env python3
"""bad_input_test: what is wrong is refused with a clear error and the matching exit code; nothing is written, no node stops."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, build_dir, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

PRICING = "org.example:pricing:1.0.0"


def blueprint(artifact=PRICING, instances=1, extra=""):
    return f"name: bad\nslices:\n  - artifact: {artifact}\n    instances: {instances}\n{extra}"


class BadInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-bad-"))
        cls.repository = cls.directory / "repository"
        cls.repository.mkdir()
        publish_artifact(cls.repository, example_slice("pricing"), PRICING)
        cls.cluster = Cluster(1, repositories=[{"id": "local", "url": f"file://{cls.repository}"}], directory=cls.directory)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.cluster.leader(20)
        cls.pid = cls.cluster.nodes[0].process.pid

    def tearDown(self):
        self.assertTrue(self.cluster.nodes[0].alive(), self.cluster.nodes[0].log_tail())
        self.assertEqual(self.pid, self.cluster.nodes[0].process.pid)
        self.assertEqual([], self.cluster.ask("blueprint", "list").get("blueprints", []))
        self.assertEqual([], self.cluster.ask("kv", "list", "allocations/").get("records", []))

    def refused(self, code, word, *arguments, stdin=None, says=""):
        got, out, err = self.cluster.run(*arguments, stdin=stdin, timeout=120)
        self.assertEqual(code, got, out + err)
        error = json.loads(out)["error"]
        self.assertEqual(word, error["code"], error)
        self.assertIn(says, error["message"] + " " + str(error.get("hint", "")))
        self.assertTrue(error["message"])

    def publish_refused(self, code, word, document, says=""):
        self.refused(code, word, "blueprint", "publish", "-", stdin=document, says=says)

    def test_a_result_that_nobody_can_read_is_a_failure_and_says_so(self):
        for command in (["help"], ["help", "--markdown"], ["version"], ["kv", "list"], ["cluster", "status", "-o", "json"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([self.cluster.bin / "aether", "-e", self.cluster.nodes[0].client, *command], stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(1, done.returncode, (command, done.stderr))
            self.assertEqual(3, len(done.stderr.splitlines()), done.stderr)
            self.assertIn("No space left on device", done.stderr)

    def test_blueprints(self):
        self.publish_refused(2, "INVALID", "name: bad\nslices:\n  - artifact: a.b:c:1\n    instnaces: 3\n", "instances")
        self.publish_refused(2, "INVALID", blueprint("not-coordinates"), "not-coordinates")
        self.publish_refused(2, "INVALID", blueprint("a.b:../../etc:1"))
        self.publish_refused(2, "INVALID", blueprint(instances=-1), "instances")
        self.publish_refused(2, "INVALID", blueprint(instances=2 ** 31), "instances")
        self.publish_refused(2, "INVALID", "{{{")
        self.publish_refused(2, "INVALID", "")

    def test_names(self):
        seed = json.dumps({"slices": [{"artifact": PRICING, "instances": 1}], "timestamp": 1234567890})
        for name, flags in (("default", []), ("shop", ["--name", "shop"])):  # A document without a name.
            code, out, err = self.cluster.run("blueprint", "publish", "-", *flags, stdin=seed)
            self.assertEqual(0, code, out + err)
            self.assertEqual(name, json.loads(out)["name"])
            printed = self.cluster.run("blueprint", "get", name, output="yaml")[1]
            code, out, err = self.cluster.run("blueprint", "publish", "-", stdin=printed)
            self.assertEqual(0, code, out + err)
            self.assertEqual((name, False), (json.loads(out)["name"], json.loads(out)["changed"]))
            self.cluster.ask("blueprint", "delete", name)
        self.refused(2, "INVALID", "blueprint", "publish", "-", "--name", "shop", stdin=blueprint(), says="named bad")
        self.refused(2, "INVALID", "blueprint", "publish", "-", "--name", "no good", stdin=seed, says="name")
        self.refused(4, "NOT_FOUND", "blueprint", "delete", "nobody", says="nobody")

    def test_large_document(self):
        large = self.directory / "large.yaml"
        with open(large, "wb") as out:
            out.truncate(100 * 1024 * 1024)
        self.refused(2, "INVALID", "blueprint", "publish", large, says="1 MiB")

    def test_artifacts(self):
        self.publish_refused(4, "NOT_FOUND", blueprint("org.example:absent:1.0.0"), "org.example:absent:1.0.0")
        wrong = publish_artifact(self.repository, example_slice("pricing"), "org.example:wronghash:1.0.0")
        wrong.with_name(wrong.name + ".sha512").write_text("0" * 128 + "\n")
        self.publish_refused(1, "CORRUPT", blueprint("org.example:wronghash:1.0.0"))
        cut = publish_artifact(self.repository, example_slice("pricing"), "org.example:cut:1.0.0")
        cut.write_bytes(cut.read_bytes()[:1000])
        self.publish_refused(1, "CORRUPT", blueprint("org.example:cut:1.0.0"))
        text = self.directory / "text.so"
        text.write_text("this is no shared object\n" * 50)
        publish_artifact(self.repository, text, "org.example:text:1.0.0")
        self.publish_refused(2, "INVALID", blueprint("org.example:text:1.0.0"))

    def test_other_coordinates_than_the_descriptor_says(self):
        publish_artifact(self.repository, example_slice("pricing"), "org.example:other:1.0.0")
        self.publish_refused(5, "VERSION_MISMATCH", blueprint("org.example:other:1.0.0"),
                             "slices[0] org.example:other:1.0.0: it calls itself org.example:pricing:1.0.0")

    def test_objects_that_cannot_be_loaded(self):
        for name, code, word, says in (("other_abi", 5, "VERSION_MISMATCH", "slice ABI 2.0"),
                                       ("no_descriptor", 2, "INVALID", "no AETHER_SLICE_DESCRIPTOR"),
                                       ("constructor", 7, "CRASHED", "exit code 9")):
            coordinates = f"org.test:{name.replace('_', '-')}:1.0.0"
            publish_artifact(self.repository, build_dir() / "tests" / "slices" / f"{name}.so", coordinates)
            for isolation in ("process", "inline"):
                document = blueprint(PRICING) + f"  - artifact: {coordinates}\n    isolation: {isolation}\n"
                with self.subTest(coordinates, isolation=isolation):
                    self.publish_refused(code, word, document, f"slices[1] {coordinates}: ")
                    self.publish_refused(code, word, document, says)

    def test_calls(self):
        self.refused(4, "NO_ENDPOINT", "call", "org.example:nobody/quote", "{}")
        self.refused(2, "INVALID", "call", "no-slash", "{}")

    def test_keys(self):
        for verb, *value in (("get",), ("put", "1"), ("delete",)):
            self.refused(2, "INVALID", "kv", verb, "", *value, says="empty")
        self.refused(2, "INVALID", "kv", "put", "a\nb", "1", says="control characters")
        self.refused(2, "INVALID", "kv", "put", "k" * 600, "1")
        self.refused(5, "CONFLICT", "kv", "put", "absent", "1", "--if-rev", "1", says="read it again")
        self.refused(6, "DENIED", "kv", "put", "nodes/node-1", "{}")

    def test_a_list_says_that_there_is_more(self):
        for key in ("more/1", "more/2"):
            self.assertEqual(0, self.cluster.run("kv", "put", key, "1")[0])
        code, out, err = self.cluster.run("kv", "list", "more/", "--limit", "1", output="name")
        self.assertEqual((0, "more/1"), (code, out.strip()), err)
        self.assertIn("there is more", err)

    def test_usage(self):
        for arguments in (["blueprnt", "list"], ["kv", "gte", "x"], ["kv", "get"], ["kv", "get", "x", "--nope"]):
            code, _, err = self.cluster.run(*arguments, output="table")
            self.assertEqual(2, code, err)
            self.assertIn("try:", err)

    def test_garbage_on_each_port(self):
        node = self.cluster.nodes[0]
        for address in (node.address, node.client):
            host, port = address.removeprefix("tcp://").split(":")
            for junk in (b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 64, bytes(range(256)) * 64,
                         b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f" + b"\x03\x00NULL" + b"\x00" * 48 + b"\xff" * 32):
                with socket.create_connection((host, int(port)), timeout=5) as connection:
                    connection.sendall(junk)
        self.assertEqual("node-1", self.cluster.ask("cluster", "status")["leader"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
