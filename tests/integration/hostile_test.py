#!/usr/bin/env python3
"""Goal (FLT27, FLT28, issue 5): whatever an isolated slice does, in a hook or in a call, the node lives, the slice beside
it answers, and what happened is told. What a slice's process must not do is refused by the kernel.

Method: a node of one with an honest slice and many copies of the hostile one, each with a quarter of a core; every deed
in a call of its own copy, all at once, then in each hook by configuration, all at once. Each wait is for an answer or a
state of the cluster.

    hostile_test.py --each      one deed in a call after the other, and how the neighbour's calls fared meanwhile

is a measurement and decides nothing: all at once the copies take two cores, one alone has a quarter of one.
"""
import concurrent.futures
import errno
import json
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import CallLoad, Cluster, Failure, await_true, build_dir, example_slice, publish_artifact  # noqa: E402

PRICING = "org.example:pricing:1.0.0"
QUOTE = '{"net-cents": 100, "quantity": 1}'
RESOURCES = "{cpu: 0.25, memory: 256Mi}"
BROKEN, SIGNAL, NO_MEMORY = "broke the shared memory", "killed by signal", "memory than its limit"
# Deed in a call -> what its caller is told, and what the event says that ends the instance (None: it lives on).
IN_A_CALL = {
    "crash": ("CRASHED", SIGNAL), "exit": ("CRASHED", "exit code 0"), "overflow": ("CRASHED", SIGNAL),
    "leak": ("CRASHED", NO_MEMORY), "loop": ("DEADLINE", "not answered for 15 s"), "never": ("DEADLINE", None),
    "late": ("DEADLINE", None), "twice": ('"payload": 1', None), "huge": ("larger than 1 MiB", None),
    "thread": ('"payload": 0', None), "close-all": ("", "exit code 1"), "fork-bomb": (f'"payload": {errno.EPERM}', None),
    "ring-written": ("CRASHED", BROKEN), "ring-back": ("CRASHED", BROKEN), "ring-length": ("CRASHED", BROKEN),
    "ring-taken": ("", BROKEN), "ring-noise": ("", BROKEN), "ring-race": ("", None),
}
HOOKS = ("create", "start", "stop", "destroy", "health")
KILLED_IN_A_HOOK = {"crash": SIGNAL, "exit": "exit code 0", "leak": NO_MEMORY, "overflow": SIGNAL}


def check(condition, message):
    if not condition:
        raise Failure(message)


def copy_name(number):
    return f"hosti{number:02}"  # As long as "hostile": the copies differ in nothing else.


def publish_copies(folder, count):
    original = (build_dir() / "tests" / "slices" / "hostile.so").read_bytes()
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "copy.so"
        for number in range(count):
            path.write_bytes(original.replace(b"hostile", copy_name(number).encode()))
            publish_artifact(folder, path, f"org.test:{copy_name(number)}:1.0.0", checksums=("sha256",))


class Copies:
    """Copies of the hostile slice, each with a blueprint of its own; a copy is used once."""

    def __init__(self, cluster):
        self.cluster, self.used = cluster, 0

    def take(self, count):
        first, self.used = self.used, self.used + count
        return [copy_name(number) for number in range(first, self.used)]

    def publish(self, name, config, detach=False, place=f"resources: {RESOURCES}"):
        document = f"""name: {name}
slices:
  - artifact: org.test:{name}:1.0.0
    instances: 1
    {place}
    config: {json.dumps(config)}
    update: {{strategy: rolling, auto-rollback: false}}
"""
        options = ["--detach"] if detach else ["--timeout", "60s"]
        return self.cluster.run("blueprint", "publish", "-", *options, stdin=document, timeout=90)

    def call(self, name, entry, payload, timeout="2s"):
        return self.cluster.run("call", f"org.test:{name}/{entry}", json.dumps(payload), "--timeout", timeout)

    def events(self, name):
        """The texts of the events that ended its instance."""
        events = self.cluster.ask("event", "list", "--limit", "1000")["events"]
        return [e["fields"].get("text", "") for e in events
                if name in e["fields"].get("instance", "") and e["type"].startswith("instance.")]


def all_at_once(function, items):
    """Runs them side by side; the first failure is everybody's."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda item: function(*item), items))


def neighbour_answers(cluster):
    answer = cluster.ask("call", "org.example:pricing/quote", QUOTE)
    check("119" in str(answer), f"the neighbour answers {answer}")


def p99_while(cluster, what):
    """The neighbour's p99 as the node measured it, in microseconds, while something is done."""
    load = CallLoad(cluster, "org.example:pricing/quote", QUOTE, 200)
    try:
        what()
    finally:
        results = load.stop()
    outcomes = {word: count for r in results for word, count in r.get("outcomes", {}).items() if word != "OK" and count}
    check(not outcomes, f"the neighbour's calls: {outcomes}")
    return max(r["local"]["p99-us"] for r in results)


def what_the_kernel_refuses(cluster, copies):
    refused = {"fork": errno.EPERM, "exec": errno.EPERM, "ptrace": errno.EPERM, "unshare": errno.EPERM,
               "write-etc": errno.EACCES, "write-tmp": errno.EACCES, "read-root": errno.EACCES}
    if os.geteuid() == 0:  # Then it has become somebody else.
        refused.update({"root-again": errno.EPERM, "kill-parent": errno.EPERM, "read-shadow": errno.EACCES})
    (name,) = copies.take(1)
    code, out, err = copies.publish(name, {})
    check(code == 0, f"publishing {name}: {out}{err}")
    for deed, number in refused.items():
        code, out, _ = copies.call(name, "try", deed)
        got = json.loads(out).get("payload", out)
        check(code == 0 and int(str(got).strip('"')) == number, f"{deed}: exit {code}, {out}, not errno {number}")
    neighbour_answers(cluster)
    return [name]


def do_in_a_call(cluster, copies, name, deed):
    told, ended = IN_A_CALL[deed]
    code, out, err = copies.publish(name, {})
    check(code == 0, f"publishing {name} for {deed}: {out}{err}")
    code, out, err = copies.call(name, "try", deed, timeout="2s" if told == "DEADLINE" else "20s")
    check(told in out, f"{deed}: exit {code}: {out}{err}")

    def is_told():
        if ended is None:
            return True
        copies.call(name, "echo", "still there?")  # Some of it shows with the next word to the process only.
        texts = copies.events(name)
        check(any(ended in text for text in texts), f"the events say {texts}")
        return True

    def answers():
        return copies.call(name, "echo", "here")[0] == 0
    await_true(f"what ended {deed}", is_told, 40)
    if deed != "ring-race":  # Whose answers it spoils for as long as it lives.
        await_true(f"{name} again after {deed}", answers, 40)


def deeds_in_a_call(cluster, copies):
    names = copies.take(len(IN_A_CALL))
    all_at_once(do_in_a_call, [(cluster, copies, *pair) for pair in zip(names, IN_A_CALL)])
    return names


def do_in_a_hook(cluster, copies, name, hook, deed):
    """In create and start the instance never gets ACTIVE; in the others it does, and the deed is done later."""
    expected = KILLED_IN_A_HOOK.get(deed, "")
    begins = hook in ("create", "start")
    code, out, err = copies.publish(name, {hook: deed}, detach=deed == "loop" and begins)
    if begins and deed != "loop":
        check(code == 1 and expected in out + err, f"{hook} {deed}: exit {code}: {out}{err}")
        return
    check(code == 0, f"publishing {hook} {deed}: exit {code}: {out}{err}")
    if begins or hook == "health":
        def is_told():
            texts = copies.events(name)
            check(any(expected in text for text in texts), f"{hook} {deed}: the events say {texts}")
            return bool(texts)
        await_true(f"what came of {hook} {deed}", is_told, 40)


def deeds_in_hooks(cluster, copies):
    deeds = [(hook, deed) for hook in HOOKS for deed in ("crash", "loop")]
    deeds += [("create", "exit"), ("start", "leak"), ("start", "overflow"), ("destroy", "exit")]
    names = copies.take(len(deeds))
    all_at_once(do_in_a_hook, [(cluster, copies, name, *pair) for name, pair in zip(names, deeds)])
    return names


def delete_all(cluster, names):
    """What misbehaves at its end is killed, and gone all the same."""
    def delete(name):
        code, out, err = cluster.run("blueprint", "delete", name, timeout=90)
        check(code == 0 or "NOT_FOUND" in out, f"deleting {name}: exit {code}: {out}{err}")
    all_at_once(delete, [(name,) for name in names])
    await_true("nothing hostile is left", lambda: len(cluster.instances()) == 1, 40)


def an_inline_one_is_watched(cluster, copies):
    """In the node nothing can end it; what holds its thread beyond the deadline is named, told as an event, and is its
    last error."""
    (name,) = copies.take(1)
    code, out, err = copies.publish(name, {}, place="isolation: inline")
    check(code == 0, f"publishing {name} inline: {out}{err}")
    code, out, _ = copies.call(name, "try", "slow", timeout="300ms")
    check(code == 7 and "DEADLINE" in out, f"slow: exit {code}: {out}")

    def is_reported():
        log = cluster.nodes[0].log.read_text(errors="replace")
        check(any("actor.long_turn" in line and f"slice_inline[org.test:{name}" in line for line in log.splitlines()),
              "the log names no slice")
        events = cluster.ask("event", "list", "--limit", "1000")["events"]
        check(any(e["type"] == "call.failed" and e["fields"]["outcome"] == "DEADLINE" and name in e["fields"]["target"]
                  for e in events), "no event")
        check(any(e["type"] == "instance.late" and e["fields"]["instance"] == f"org.test:{name}:1.0.0#1" for e in events),
              "no event of the watchdog")
        (shown,) = cluster.ask("slice", "show", f"org.test:{name}")["instances"]
        check(shown["last-error"].startswith("DEADLINE: try had not answered"), f"last error: {shown['last-error']}")
        return True
    await_true("the long turn is reported", is_reported, 20)
    await_true(f"{name} again", lambda: copies.call(name, "echo", "here")[0] == 0, 20)
    return [name]


def each_alone(cluster, copies):
    alone_us = p99_while(cluster, lambda: time.sleep(5))
    print(f"the neighbour alone: p99 {alone_us} us")
    for name, deed in zip(copies.take(len(IN_A_CALL)), IN_A_CALL):
        code, out, err = copies.publish(name, {})
        check(code == 0, f"publishing {name} for {deed}: {out}{err}")

        def do():
            began = time.monotonic()
            copies.call(name, "try", deed, timeout="4s")
            time.sleep(max(0, began + 4 - time.monotonic()))
        us = p99_while(cluster, do)
        print(f"{deed:13} the neighbour's p99 {us:6} us, {us / max(1, alone_us):5.2f} of what it is alone", flush=True)
        delete_all(cluster, [name])


def run_tests(cluster, copies):
    pid = cluster.nodes[0].process.pid
    for test in (what_the_kernel_refuses, an_inline_one_is_watched, deeds_in_a_call, deeds_in_hooks):
        delete_all(cluster, test(cluster, copies))
        check(cluster.nodes[0].process.pid == pid and cluster.nodes[0].alive(), f"{test.__name__}: the node died")
        neighbour_answers(cluster)
        print(f"ok {test.__name__}", flush=True)
    log = cluster.nodes[0].log.read_text(errors="replace")
    held = "cgroup" if os.access("/sys/fs/cgroup/cpu", os.W_OK) else "rlimits"
    check(f"limits held by {held}" in log, "the log doesn't say what holds the limits")


def main():
    deadlines = {f"{state}-deadline": "5s" for state in ("loading", "activating", "deactivating", "unloading")}
    with tempfile.TemporaryDirectory(prefix="aether-hostile-") as folder:
        publish_copies(folder, 40)
        publish_artifact(folder, example_slice("pricing"), PRICING)
        repository = {"id": "here", "url": f"file://{folder}"}
        with Cluster(1, repositories=[repository], extra_config={"slices": deadlines}) as cluster:
            cluster.leader()
            honest = f"name: honest\nslices:\n  - {{artifact: '{PRICING}', instances: 1}}\n"
            cluster.ask("blueprint", "publish", "-", "--timeout", "60s", stdin=honest, timeout=90)
            (each_alone if sys.argv[1:] == ["--each"] else run_tests)(cluster, Copies(cluster))
    return 0


if __name__ == "__main__":
    sys.exit(main())
