#!/usr/bin/env python3
"""Goal: the examples build by themselves as a stranger would build them, hold their own test cases, and run confined in a
node; the header alone is good C11 and C++17 for both compilers.

Method: cmake on each example's folder, aether slice check and test, a node of one.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import ROOT, Cluster, Failure, build_dir  # noqa: E402

AETHER = build_dir() / "bin" / "aether"
EXAMPLES = ("pricing", "orders", "visits", "tables")
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")


def check(condition, message):
    if not condition:
        raise Failure(message)


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL, **more)
    check(done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def header_stands_alone(folder):
    sdk = ROOT / "actors" / "slice" / "sdk"
    for language, standard, compilers in (("c", "c11", ("gcc", "clang")), ("c++", "c++17", ("g++", "clang++"))):
        source = folder / f"alone.{'c' if language == 'c' else 'cpp'}"
        source.write_text("#include <aether/slice.h>\n")
        for compiler in compilers:
            run(compiler, f"-std={standard}", *STRICT, f"-I{sdk}", source)


def build(name, folder, repository):
    """Built alone, checked, its own cases run, pushed."""
    run("cmake", "-S", ROOT / "examples" / name, "-B", folder / name)
    run("cmake", "--build", folder / name)
    objects = list((folder / name).glob("*.so"))
    check(len(objects) == 1, objects)
    described = json.loads(run(AETHER, "slice", "check", objects[0], "-o", "json"))
    check(described["artifact"] == f"org.example:{name}:1.0.0", described)
    check(not described.get("exported") and not described.get("hindrances"), described)
    cases = ROOT / "examples" / name / f"{name}-test.yaml"
    if cases.exists():
        result = json.loads(run(AETHER, "slice", "test", objects[0], "--tests", cases, "-o", "json"))
        check(result["failed"] == 0 and result["passed"] > 5, result)
    run(AETHER, "slice", "push", objects[0], "--to", repository)


def run_in_a_node(folder, repository):
    with Cluster(1, repositories=[{"id": "here", "url": f"file://{repository}"}]) as cluster:
        cluster.leader()
        blueprint = folder / "all.yaml"
        blueprint.write_text("name: all\nslices:\n" + "".join(
            f"  - {{artifact: \"org.example:{name}:1.0.0\", instances: {2 if name == 'visits' else 1}}}\n" for name in EXAMPLES))
        cluster.ask("blueprint", "publish", blueprint)

        def call(target, payload):
            return cluster.ask("call", f"org.example:{target}", json.dumps(payload))["payload"]
        check([call("visits/visit", "home") for _ in range(6)] == [1, 2, 3, 4, 5, 6], "two instances count as one")
        check(call("visits/count", "home") == 6, "count")
        check(call("tables/change", {"sql": "create table t (a, b)"}) == {"changes": 0}, "create table")
        check(call("tables/change", {"sql": "insert into t values (?1, ?2)", "arguments": [1, "x"]}) == {"changes": 1}, "insert")
        check(call("tables/query", {"sql": "select a, b from t"}) == {"columns": ["a", "b"], "rows": [[1, "x"]]}, "select")
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
        code, out, _ = cluster.run("call", "org.example:tables/query", json.dumps({"sql": endless}), "--timeout", "1s")
        check(code == 7 and json.loads(out)["error"]["code"] == "DEADLINE", f"{code} {out}")
        check(call("tables/query", {"sql": "select count(*) from t"})["rows"] == [[1]], "the thread is not free again")
        check("price" in call("orders/place", {"item": "lamp", "net-cents": 100, "quantity": 1}), "orders")


def main():
    with tempfile.TemporaryDirectory(prefix="aether-examples-") as name:
        folder = pathlib.Path(name)
        repository = folder / "repository"
        repository.mkdir()
        header_stands_alone(folder)
        for example in EXAMPLES:
            build(example, folder, repository)
            print(f"{example}: builds alone, its cases hold", flush=True)
        run_in_a_node(folder, repository)
        print("all of them run in a node")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"examples_test: {failure}", file=sys.stderr)
        sys.exit(1)
