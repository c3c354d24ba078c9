#!/usr/bin/env python3
"""Goal: what a slice's author does works as the documentation says, from an empty folder to a repository that a cluster
reads; and a slice that misbehaves is told as such, whatever it does, by a program that goes on.

Method: the program itself, in temporary folders; the odd slice of tests/slices; a node of one for the end.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failure, build_dir, example_slice  # noqa: E402

AETHER = build_dir() / "bin" / "aether"
ODD = build_dir() / "tests" / "slices" / "odd.so"


def check(condition, message):
    if not condition:
        raise Failure(message)


def run(*arguments, folder=None, expect=0):
    """The JSON document of a command, and what it said beside it."""
    done = subprocess.run([AETHER, "-o", "json", *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL)
    check(done.returncode == expect, f"aether {' '.join(map(str, arguments))}: exit {done.returncode}, not {expect}: "
                                     f"{done.stdout}{done.stderr}")
    return json.loads(done.stdout), done.stderr


def error_of(document):
    return document["error"]["code"], document["error"]["message"]


def from_nothing_to_a_cluster(folder):
    made, said = run("slice", "new", "org.try:hello:0.1.0", folder=folder)
    check(made["artifact"] == "org.try:hello:0.1.0" and "hello.c" in made["files"], made)
    check("aether slice build" in said, "it doesn't say what comes next")
    project, repository = folder / "hello", folder / "repository"
    repository.mkdir()
    code, _ = error_of(run("slice", "check", folder=project, expect=4)[0])
    check(code == "NOT_FOUND", code)
    built, _ = run("slice", "build", folder=project)
    check(built["file"].endswith("/build/hello-0.1.0.so"), built)
    checked, _ = run("slice", "check", folder=project)
    check(checked["artifact"] == "org.try:hello:0.1.0", checked)
    check([s["step"] for s in checked["steps"]] == ["create", "start", "health", "stop", "destroy", "unload"], checked)
    check(not checked.get("hindrances") and not checked.get("exported"), checked)
    tested, _ = run("slice", "test", folder=project)
    check(tested["passed"] == 2 and tested["failed"] == 0, tested)
    pushed, _ = run("slice", "push", "--to", repository, folder=project)
    check(pushed["changed"], pushed)
    check(not run("slice", "push", "--to", repository, folder=project)[0]["changed"], "the same bytes are new twice")
    with Cluster(1, repositories=[{"id": "here", "url": f"file://{repository}"}]) as cluster:
        cluster.leader()
        cluster.ask("blueprint", "publish", project / "blueprint.yaml")
        check(cluster.ask("call", "org.try:hello/greet", '"Ada"') is not None, "no answer")
        code, out, _ = cluster.run("call", "org.try:hello/greet", '"Ada"', output="table")
        check(code == 0 and out.strip() == '"hello, Ada"', out)
    a_release_never_changes(project, repository)


def any_name_that_is_taken_builds(folder):
    """Words of C, targets of CMake, a folder that reads like a pattern: the project builds all the same."""
    for name in ("int", "all", "Order-book.v2"):
        made, _ = run("slice", "new", name, "--folder", f"[{name}] *", folder=folder)
        project = folder / f"[{name}] *"
        check(run("slice", "build", project, folder=folder)[0]["file"].endswith(f"/build/{name}-1.0.0.so"), made)
        check(run("slice", "test", folder=project)[0]["failed"] == 0, name)
    failed, said = run("slice", "build", folder, folder=folder, expect=4)
    check(failed["error"]["hint"].startswith("aether slice new"), failed)


def a_release_never_changes(project, repository):
    source = project / "hello.c"
    source.write_text(source.read_text().replace('size, "hello"', 'size, "good day"'))
    run("slice", "build", folder=project)
    code, message = error_of(run("slice", "push", "--to", repository, folder=project, expect=5)[0])
    check(code == "CONFLICT" and "never changes" in message, message)
    failed, _ = run("slice", "test", folder=project)  # The cases configure their own greeting.
    check(failed["failed"] == 0, failed)
    tests = project / "hello-test.yaml"
    tests.write_text(tests.read_text().replace("hi, Ada", "hi, Eva"))
    document, _ = run("slice", "test", folder=project, expect=1)
    check(error_of(document)[1] == "1 of 2 cases failed", document)
    check('it answered "hi, Ada", not "hi, Eva"' in str(document), document)
    tests.write_text("cases:\n  - call: greet\n    replay: 1\n")
    code, message = error_of(run("slice", "test", folder=project, expect=2)[0])
    check("line 3: unknown field replay" in message, message)


def snapshots_get_dates(folder):
    run("slice", "new", "org.try:dated:1-SNAPSHOT", folder=folder)
    project, repository = folder / "dated", folder / "dates"
    repository.mkdir()
    run("slice", "build", folder=project)
    key = folder / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    public = folder / "key.pub"
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    first, _ = run("slice", "push", "--to", repository, "--sign", key, folder=project)
    second, _ = run("slice", "push", "--to", repository, "--sign", key, folder=project)
    check(first["path"] != second["path"] and "-2-linux" in second["path"], f"{first} {second}")
    with Cluster(1, repositories=[{"id": "here", "url": f"file://{repository}"}],
                 extra_config={"security": {"artifact-keys": [str(public)]}}) as cluster:
        cluster.leader()
        cluster.ask("blueprint", "publish", project / "blueprint.yaml")
        artifact = cluster.await_active(1)[0]["artifact"]
        check(artifact.startswith("org.try:dated:1-2") and artifact.endswith("-2"), artifact)
    code, message = error_of(run("slice", "push", "--to", repository, "--sign", public, folder=project, expect=2)[0])
    check("holds no Ed25519 private key" in message, message)


def what_misbehaves_is_told(folder):
    cases = [('{"create-exit": 1}', "create", "CRASHED", "exit code 3"),
             ('{"create-no": 1}', "create", "APP_ERROR", "not on this node"),
             ('{"create-hang": 1}', "create", "DEADLINE", "did not return within 300 ms"),
             ('{"start-no": 1}', "start", "APP_ERROR", "start said IO"),
             ('{"unhealthy": 1}', "health", "APP_ERROR", "health said IO")]
    for config, step, status, text in cases:
        document, _ = run("slice", "check", ODD, "--config", config, "--timeout", "300ms", expect=1)
        rows = {s["step"]: s for s in document["error"]["details"]["steps"]}
        check(rows[step]["status"] == status and text in rows[step]["text"], f"{config}: {rows}")
    for name, status, expect in (("constructor", "CRASHED", 1), ("no_descriptor", "INVALID", 1),
                                 ("other_abi", "VERSION_MISMATCH", 1)):
        document, _ = run("slice", "check", ODD.with_name(f"{name}.so"), expect=expect)
        check(document["error"]["details"]["steps"][0]["status"] == status, f"{name}: {document}")
    text = folder / "text.so"
    text.write_text("no object")
    check("is not a shared object" in error_of(run("slice", "check", text, expect=2)[0])[1], "text is taken")
    tests = folder / "odd.yaml"
    tests.write_text("""
invoke: [{target: "org.test:other/thing", reply: {stock: 3}}]
cases:
  - {call: echo, payload: [1, 2.5, null], reply: [1, 2.5, null]}
  - {call: ask, payload: {sku: A1}, reply: {stock: 3}}
  - {call: keep, payload: {n: 1}, reply: {n: 1}}
  - {name: never answers, call: never, error: DEADLINE, timeout: 1h}
  - {call: nowhere, error: NO_ENDPOINT}
  - {name: dies, call: crash}
  - {name: not reached, call: echo}
""")
    document, said = run("slice", "test", ODD, "--tests", tests, expect=7)
    cases = document["error"]["details"]["cases"]
    check([c["passed"] for c in cases] == [True] * 5 + [False], cases)
    caught = "AddressSanitizer" in said and "exit code 1" in cases[-1]["text"]  # Which catches the signal first.
    check(caught or "killed by signal 11 (SIGSEGV)" in cases[-1]["text"], cases[-1])


def wrong_use_is_explained(folder):
    for words, expect, said in ((["new", "no good"], 2, "is no name for a slice"),
                                (["new", "../up"], 2, "is no name for a slice"),
                                (["new", "a:b:LATEST"], 2, "whatever a repository's newest version is"),
                                (["new", "a:b:" + "1" * 64], 2, "at most 63"),
                                (["build", "/nowhere"], 4, "No such file"),
                                (["check", "/nowhere.so"], 4, "No such file"),
                                (["push", str(ODD), "--endpoint", "tcp://127.0.0.1:1"], 3, "no node answers"),
                                (["test", str(ODD), "--tests", "/nowhere"], 2, "can't be opened"),
                                (["check", str(ODD), "--config", "[1]"], 2, "no JSON object"),
                                (["tset"], 2, "has no verb")):
        document, _ = run("slice", *words, folder=folder, expect=expect)
        check(said in document["error"]["message"], f"{words}: {document}")
    crowded = folder / "crowded.yaml"
    crowded.write_text("invoke:\n" + "".join(f"  - {{target: 'a:b/{n}'}}\n" for n in range(257)) + "cases: [{call: echo}]\n")
    check("more than 256" in error_of(run("slice", "test", ODD, "--tests", crowded, expect=2)[0])[1], "too many targets are taken")
    (folder / "taken").mkdir()
    check(error_of(run("slice", "new", "taken", folder=folder, expect=5)[0])[0] == "CONFLICT", "a folder is overwritten")


def the_examples_pass(_):
    for name in ("pricing", "orders"):
        checked, _ = run("slice", "check", example_slice(name))
        check(checked["artifact"] == f"org.example:{name}:1.0.0", checked)


def main():
    os.environ.pop("AETHER_ENDPOINT", None)
    for test in (from_nothing_to_a_cluster, any_name_that_is_taken_builds, snapshots_get_dates, what_misbehaves_is_told, wrong_use_is_explained,
                 the_examples_pass):
        with tempfile.TemporaryDirectory(prefix="aether-author-") as folder:
            test(pathlib.Path(folder))
        print(f"ok {test.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
