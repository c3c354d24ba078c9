#!/usr/bin/env python3
"""Goal: `aether dev` is a cluster in the foreground: a slice's project runs in it from the first build on, each build is
reloaded in place, what happens is shown, nodes are started again, and nothing is left at the end.

Method: the program itself, its events as JSON lines, a new project; a node is killed, so is the program.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Failure, await_true, build_dir, free_base_port  # noqa: E402

AETHER = build_dir() / "bin" / "aether"


def check(condition, message):
    if not condition:
        raise Failure(message)


def run(*arguments, expect=0, folder=None):
    done = subprocess.run([AETHER, "-o", "json", *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          cwd=folder, stdin=subprocess.DEVNULL)
    check(done.returncode == expect, f"aether {arguments}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout[max(0, done.stdout.find("\n{\n")):])  # Events of `dev` may stand before it.


def children_of(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Dev:
    """One `aether dev`, its events as they come, and what it says beside them."""

    def __init__(self, *arguments, base_port, temporary):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AETHER_")} | {"TMPDIR": str(temporary)}
        self.process = subprocess.Popen([AETHER, "dev", "-o", "json", "--base-port", str(base_port), *map(str, arguments)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
                                        stdin=subprocess.DEVNULL)
        self.events, self.said = [], []
        self.readers = [threading.Thread(target=self._read, args=a, daemon=True) for a in
                        ((self.process.stdout, self.events, json.loads), (self.process.stderr, self.said, str))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream, to, form):
        for line in stream:
            if form is str or line.startswith('{"'):  # The document of a failure has more lines.
                to.append(form(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()  # What it started goes with it.
            self.process.wait()

    def await_event(self, kind, part, count=1):
        await_true(f"{count} x {kind} {part}", lambda: sum(1 for e in list(self.events) if e["kind"] == kind and
                                                         part in e["text"]) >= count or self._alive(), 90)

    def await_said(self, part, count=1):
        await_true(f"{count} x \"{part}\"", lambda: "".join(list(self.said)).count(part) >= count or self._alive(), 90)

    def _alive(self):
        if self.process.poll() is not None:
            raise Failure(f"it ended with {self.process.returncode}: {''.join(self.said)}")
        return False

    def end(self, sig=signal.SIGINT):
        self.process.send_signal(sig)
        code = self.process.wait(timeout=60)
        for reader in self.readers:
            reader.join()
        return code


def change(project, before, after):
    source = project / "hello.c"
    text = source.read_text()
    check(before in text, f"{before} is not in {source}")
    source.write_text(text.replace(before, after))
    run("slice", "build", folder=project)


def a_project_is_reloaded(folder):
    run("slice", "new", "hello", folder=folder)
    project, base, temporary = folder / "hello", free_base_port(), folder / "tmp"
    temporary.mkdir()
    blueprint = project / "blueprint.yaml"
    blueprint.write_text(blueprint.read_text().replace("greeting: hello", "greeting: hi"))
    with Dev(project, "--nodes", 3, base_port=base, temporary=temporary) as dev:
        dev.await_event("state", "org.example:hello:1.0.0#1 ACTIVE")
        dev.await_said("the blueprint is carried out")
        endpoints = ",".join(f"tcp://127.0.0.1:{base + 1 + 10 * k}" for k in range(3))
        check(f"AETHER_ENDPOINT={endpoints}" in "".join(dev.said), dev.said)
        check(run("-e", endpoints, "call", "org.example:hello/greet", '"Ada"')["payload"] == "hi, Ada", "the first answer")
        dev.await_event("call", "org.example:hello/greet OK in")
        change(project, '"%s, %.*s"', '"%s and %.*s"')
        dev.await_said("the blueprint is carried out", 2)
        reply = run("-e", endpoints, "call", "org.example:hello/greet", '"Ada"')
        check(reply["payload"] == "hi and Ada", reply)
        check(run("-e", endpoints, "slice", "list")["instances"][0]["artifact"] == "org.example:hello:1.0.0", "coordinates")
        (project / "build" / "hello-1.0.0.so").write_text(1000 * "no object ")
        dev.await_said("invalid ELF header")
        reply = run("-e", endpoints, "call", "org.example:hello/greet", '"Ada"')
        check(reply["payload"] == "hi and Ada", f"what is no object took a slice away: {reply}")
        nodes = [p for p in children_of(dev.process.pid) if "aether-node" in pathlib.Path(f"/proc/{p}/cmdline").read_text()]
        check(len(nodes) == 3, nodes)
        os.kill(nodes[1], signal.SIGKILL)
        dev.await_said("ended with signal 9")
        await_true("another node in its place", lambda: nodes[1] not in children_of(dev.process.pid) and len(
            [p for p in children_of(dev.process.pid) if "aether-node" in pathlib.Path(f"/proc/{p}/cmdline").read_text()]) == 3, 30)
        check(dev.end() == 0, "".join(dev.said))
    check(not any(pathlib.Path(f"/proc/{p}").exists() for p in nodes), "a node is left")
    check(list(temporary.iterdir()) == [], "its data is left")


def data_is_kept_where_it_is_named(folder):
    base, data = free_base_port(), folder / "kept"
    for value in ("one", "two"):
        with Dev("--data", data, base_port=base, temporary=folder) as dev:  # Here is no project.
            dev.await_said("the cluster is ready")
            endpoint = f"tcp://127.0.0.1:{base + 1}"
            if value == "two":
                check(run("-e", endpoint, "kv", "get", "key")["value"] == "one", "it was not kept")
            run("-e", endpoint, "kv", "put", "key", value)
            check(dev.end(signal.SIGTERM) == 0, "".join(dev.said))
    code = run("dev", "--data", data, "--nodes", 3, "--base-port", base, expect=2)["error"]
    check(code["code"] == "INVALID" and "of 1 nodes" in code["message"], code)


def nothing_outlives_a_kill(folder):
    with Dev(base_port=free_base_port(), temporary=folder) as dev:
        dev.await_said("the cluster is ready")
        nodes = children_of(dev.process.pid)
        dev.process.kill()
        dev.process.wait()
    await_true("the end of its nodes", lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in nodes), 30)


def what_it_refuses(folder):
    check(run("dev", "--nodes", 2, expect=2)["error"]["code"] == "INVALID", "two nodes")
    check(run("dev", "--base-port", 70000, expect=2)["error"]["code"] == "INVALID", "port")
    error = run("dev", folder, expect=2)["error"]
    check("no slice's project" in error["message"] and "slice new" in error["hint"], error)
    check(run("dev", folder / "nowhere", expect=4)["error"]["code"] == "NOT_FOUND", "nowhere")
    base = free_base_port()
    with Dev(base_port=base, temporary=folder) as dev:
        dev.await_said("the cluster is ready")
        error = run("dev", "--base-port", base, expect=1)["error"]  # Its ports are taken.
        check("node-1 can't run" in error["message"] and "--base-port" in error["hint"], error)
        check(dev.end() == 0, "".join(dev.said))


def main():
    with tempfile.TemporaryDirectory(prefix="aether-dev-test-") as name:
        folder = pathlib.Path(name)
        for story in (a_project_is_reloaded, data_is_kept_where_it_is_named, nothing_outlives_a_kill, what_it_refuses):
            (folder / story.__name__).mkdir()
            os.chdir(folder / story.__name__)
            story(folder / story.__name__)
            print(f"{story.__name__.replace('_', ' ')}: done", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"dev_test: {failure}", file=sys.stderr)
        sys.exit(1)
