#!/usr/bin/env python3
"""Goal (issue 5, Artifacts): while a node downloads an artifact, how far it is stands in the instance's record, in `slice
show`, in `slice list`, and on the screen of whoever waits for `blueprint publish`; it goes with the state LOADING.

Method: three nodes and a repository that gives the artifact to the first who asks (the leader, which probes it) at once and to
the second in small pieces, until the test has seen what it wanted and says go.
"""
import functools
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failure, await_true, example_slice, publish_artifact  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

PRICING = "org.example:pricing:1.0.0"
SIZE = 8 * 1024 * 1024
PIECE, PAUSE = 4096, 0.02  # What a slow server sends at a time; at this pace the whole would take 40 s.


def check(condition, message):
    if not condition:
        raise Failure(message)


class SlowRepository(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock, self.asked, self.go = threading.Lock(), 0, threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def is_slow(self):
        with self.lock:
            self.asked += 1
            return self.asked > 1


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        slow = self.path.endswith(".so") and self.command == "GET" and self.server.is_slow()
        while slow and not self.server.go.is_set():
            piece = source.read(PIECE)
            if not piece:
                return
            outputfile.write(piece)
            outputfile.flush()
            self.server.go.wait(PAUSE)
        super().copyfile(source, outputfile)


def padded(folder, source):
    """The example, large: what follows the end of an object is nobody's."""
    path = folder / "padded.so"
    data = source.read_bytes()
    path.write_bytes(data + bytes(max(0, SIZE - len(data))))
    return path


def begin_publish(cluster, folder):
    """On another node than the leader, who has the artifact by then: it tried whether it can be loaded."""
    path, leader = folder / "slow.json", cluster.leader(30)
    other = next(node for node in cluster.nodes if node is not leader)
    path.write_text(json.dumps({"name": "slow", "slices": [
        {"artifact": PRICING, "instances": 1, "constraints": {"zone": f"zone-{other.number}"}}]}))
    command = [cluster.bin / "aether", "-e", leader.client, "blueprint", "publish", path, "--timeout", "100s"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def loading(instances):
    """The one that is downloading, and tells how far it is."""
    found = [i for i in instances if i["state"] == "LOADING" and i["download-bytes"] > 0]
    check(len(found) == 1, f"nobody is LOADING and tells how far: {instances}")
    check(found[0]["download-total-bytes"] == SIZE and found[0]["download-bytes"] < SIZE, f"{found[0]}")
    return found[0]


def record_of(cluster, node):
    value = cluster.ask("kv", "get", f"slices/{node}/{PRICING}")["value"]
    return loading([{**i, "node": node} for i in value["instances"]])


def progress_is_told(cluster, repository, folder):
    command = begin_publish(cluster, folder)
    first = await_true("a download tells how far it is", lambda: loading(cluster.instances()), 60)
    check(record_of(cluster, first["node"])["download-bytes"] >= first["download-bytes"], "the record says less")
    loading(cluster.ask("slice", "show", PRICING)["instances"])
    line = next((line for line in command.stderr if " LOADING " in line and line.rstrip().endswith("KiB")), None)
    check(line is not None and f" of {SIZE // 1024} KiB" in line, f"the publish shows no progress: {line!r}")
    await_true("it goes on", lambda: loading(cluster.instances())["download-bytes"] > first["download-bytes"], 30)
    repository.go.set()
    out, err = command.communicate(timeout=100)
    check(command.returncode == 0, f"publishing: exit {command.returncode}: {out}{err}")
    for instance in cluster.await_active(1):
        check(instance["download-bytes"] == 0, f"an ACTIVE one still tells of a download: {instance}")


def main():
    with tempfile.TemporaryDirectory(prefix="aether-download-") as place:
        folder = pathlib.Path(place)
        publish_artifact(folder / "repository", padded(folder, example_slice("pricing")), PRICING, checksums=("sha256",))
        repository = SlowRepository(folder / "repository")
        with Cluster(3, repositories=[{"id": "slow", "url": repository.url}]) as cluster:
            progress_is_told(cluster, repository, folder)
        repository.shutdown()
    print("ok progress_is_told")


if __name__ == "__main__":
    main()
