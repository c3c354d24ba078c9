#!/usr/bin/env python3
"""Goal (FLT27, issue 5): whatever an isolated slice does, in a hook or in a call, the node lives, the slice beside it
answers, and what happened is told. What a slice's process must not do is refused by the kernel.

Method: a node of one with the hostile slice and an honest one; every deed in a call, then in each hook by configuration.
Each wait is for an answer or a state of the cluster.
"""
import errno
import json
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failure, await_true, build_dir, example_slice, publish_artifact  # noqa: E402

HOSTILE = "org.test:hostile:1.0.0"


def check(condition, message):
    if not condition:
        raise Failure(message)


def blueprint(config, expect=0, cluster=None, resources="{cpu: 0.25, memory: 256Mi}"):
    document = f"""name: test
slices:
  - artifact: {HOSTILE}
    instances: 1
    resources: {resources}
    config: {json.dumps(config)}
    update: {{strategy: rolling, auto-rollback: false}}
  - {{artifact: "org.example:pricing:1.0.0", instances: 1}}
"""
    code, out, err = cluster.run("blueprint", "publish", "-", "--timeout", "60s", stdin=document, timeout=90)
    check(code == expect, f"publishing {config}: exit {code}: {out}{err}")
    return out + err


def neighbour_answers(cluster):
    answer = cluster.ask("call", "org.example:pricing/quote", '{"net-cents": 100, "quantity": 1}')
    check("119" in str(answer), f"the neighbour answers {answer}")


def attempt(cluster, deed):
    """Exit code and JSON document of a call that tries something."""
    code, out, _ = cluster.run("call", f"{HOSTILE}/try", json.dumps(deed), "--timeout", "6s")
    return code, json.loads(out)


def await_again(cluster):
    """The instance is back: its process was started again."""
    def echoes():
        code, _, _ = cluster.run("call", f"{HOSTILE}/echo", '"here"', "--timeout", "5s")
        return code == 0
    await_true("the hostile slice, started again", echoes, 60)


def what_the_kernel_refuses(cluster):
    refused = {"fork": errno.EPERM, "fork-bomb": errno.EPERM, "exec": errno.EPERM, "ptrace": errno.EPERM,
               "unshare": errno.EPERM, "write-etc": errno.EACCES, "write-tmp": errno.EACCES, "read-root": errno.EACCES}
    if os.geteuid() == 0:  # Then it has become somebody else.
        refused.update({"root-again": errno.EPERM, "kill-parent": errno.EPERM, "read-shadow": errno.EACCES})
    for deed, number in refused.items():
        code, answer = attempt(cluster, deed)
        got = answer.get("payload", answer)
        check(code == 0 and int(str(got).strip('"')) == number, f"{deed}: exit {code}, {answer}, not errno {number}")
    neighbour_answers(cluster)


def deeds_in_a_call(cluster):
    for number, (deed, words) in enumerate((("crash", "CRASHED"), ("exit", "CRASHED"), ("overflow", "CRASHED"),
                                            ("leak", "memory than its limit"), ("loop", "DEADLINE"),
                                            ("never", "DEADLINE"))):
        if number % 4 == 0:  # Five failures are too many for a node; a new revision is another attempt.
            blueprint({"revision": number}, cluster=cluster)
        code, answer = attempt(cluster, deed)
        check(code == 7 and words in json.dumps(answer), f"{deed}: exit {code}: {answer}")
        neighbour_answers(cluster)
        await_again(cluster)
    attempt(cluster, "close-all")  # Whatever it answers without descriptors: it is seen, and started again.
    await_again(cluster)
    code, answer = attempt(cluster, "twice")
    check(code == 0 and "1" in json.dumps(answer), f"twice: {answer}")
    code, answer = attempt(cluster, "huge")
    check(code != 0, f"huge: {answer}")
    code, answer = attempt(cluster, "thread")
    check(code == 0, f"thread: {answer}")
    await_again(cluster)


def deeds_in_hooks(cluster):
    for hook, deed, words in (("create", "crash", "CRASHED"), ("start", "leak", "memory than its limit")):
        said = blueprint({hook: deed}, expect=1, cluster=cluster)
        check(words in said, f"{hook} {deed}: {said}")
        neighbour_answers(cluster)
        cluster.ask("blueprint", "delete", "test", timeout=90)
    # What misbehaves at its end is killed, and gone all the same.
    for hook, deed in (("stop", "crash"), ("destroy", "crash"), ("destroy", "exit")):
        blueprint({hook: deed}, cluster=cluster)
        cluster.ask("blueprint", "delete", "test", timeout=90)
        check(cluster.instances() == [], "something is left")


def main():
    with tempfile.TemporaryDirectory(prefix="aether-hostile-") as folder:
        publish_artifact(folder, build_dir() / "tests" / "slices" / "hostile.so", HOSTILE)
        publish_artifact(folder, example_slice("pricing"), "org.example:pricing:1.0.0")
        with Cluster(1, repositories=[{"id": "here", "url": f"file://{folder}"}]) as cluster:
            cluster.leader()
            blueprint({}, cluster=cluster)
            pid = cluster.nodes[0].process.pid
            for test in (what_the_kernel_refuses, deeds_in_a_call, deeds_in_hooks):
                test(cluster)
                check(cluster.nodes[0].process.pid == pid and cluster.nodes[0].alive(), f"{test.__name__}: the node died")
                print(f"ok {test.__name__}")
            log = cluster.nodes[0].log.read_text(errors="replace")
            held = "cgroup" if os.access("/sys/fs/cgroup/cpu", os.W_OK) else "rlimits"
            check(f"limits held by {held}" in log, "the log doesn't say what holds the limits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
