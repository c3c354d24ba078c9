#!/usr/bin/env python3
"""The demo: three nodes on this machine run a blueprint, lose their leader, and carry on.

Started by `./dev demo`. Each step must really happen: one that doesn't ends the demo with exit 1 and the reason.
`--keep` leaves the cluster running and says how to talk to it and how to stop it.
"""
import argparse
import json
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "support"))
from cluster import Cluster, Failure, HttpRepository, await_true, example_slice, publish_artifact  # noqa: E402

PRICING, ORDERS = "org.example:pricing:1.0.0", "org.example:orders:1.0.0"
BLUEPRINT = f"""\
name: shop
slices:
  - artifact: {PRICING}
    instances: 3
    config: {{currency: EUR, tax-percent: 19}}
  - artifact: {ORDERS}
    instances: 2
    depends: [org.example:pricing]
"""
ORDER = json.dumps({"item": "keyboard", "net-cents": 4999, "quantity": 2})


class Steps:
    """Times each step and prints the summary."""

    def __init__(self):
        self.done = []
        self.started = time.monotonic()

    def run(self, title, action):
        begin = time.monotonic()
        print(f"==> {title}", flush=True)
        try:
            result = action()
        except Failure as failure:
            raise Failure(f"{title}: {failure}") from failure
        self.done.append((title, time.monotonic() - begin))
        return result

    def summary(self):
        print("\nWhat happened:")
        for title, seconds in self.done:
            print(f"  {seconds:6.2f} s  {title}")
        print(f"  {time.monotonic() - self.started:6.2f} s  in all")


def show(instances):
    for instance in sorted(instances, key=lambda i: (i["artifact"], i["instance"])):
        print(f"    {instance['artifact']} #{instance['instance']}  {instance['state']:8}  {instance['node']}")


def place_order(cluster, node):
    def answered():
        reply = cluster.ask("call", "org.example:orders/place", ORDER, node=node, timeout=30)
        return reply
    reply = await_true("an answer from orders/place", answered, 10)
    print(f"    orders/place answered by {reply['node']}: {json.dumps(reply['payload'])}")


def kill_leader(cluster):
    leader = cluster.leader()
    print(f"    {leader.name} leads (pid {leader.process.pid}); SIGKILL")
    leader.kill()
    return leader


def node_is_back(cluster, node, key, revision):
    """It is UP again, and its own copy of the state holds what was written while it was dead."""
    def back():
        nodes = {n["node"]: n for n in cluster.ask("node", "list", node=node)["nodes"]}
        record = cluster.ask("kv", "get", key, "--stale", "--after", revision, node=node)
        return nodes.get(node.name, {}).get("presence") == "UP" and record["value"] == "written"
    return await_true(f"{node.name} UP again", back, 20)


def run_steps(steps, cluster, repository):
    steps.run("two slices go into a Maven repository, served at " + repository.url, lambda: (
        publish_artifact(repository.directory, example_slice("pricing"), PRICING),
        publish_artifact(repository.directory, example_slice("orders"), ORDERS)))
    leader = steps.run("three nodes found a cluster and elect a leader", cluster.leader)
    print(f"    {leader.name} leads")
    blueprint = cluster.directory / "shop.yaml"
    blueprint.write_text(BLUEPRINT)
    steps.run("publish a blueprint: three instances of pricing, two of orders",
              lambda: cluster.ask("blueprint", "publish", blueprint, timeout=60))
    show(steps.run("every instance is ACTIVE", lambda: cluster.await_active(5)))
    steps.run("call an entry point (orders calls pricing)", lambda: place_order(cluster, cluster.nodes[0]))
    dead = steps.run("kill the leader", lambda: kill_leader(cluster))
    survivor = next(n for n in cluster.nodes if n is not dead)
    steps.run("call it again, while the cluster heals", lambda: place_order(cluster, survivor))
    successor = steps.run("another node leads", lambda: cluster.leader(other_than=dead))
    print(f"    {successor.name} leads")
    show(steps.run("the lost instances are replaced",
                   lambda: cluster.await_active(5, node=survivor, off_node=dead)))
    key = "demo/while-one-was-dead"
    revision = steps.run("write to the state meanwhile",
                         lambda: cluster.ask("kv", "put", key, "written", node=survivor)["revision"])
    steps.run("start the dead node again", dead.start)
    steps.run("it is back, with all of the data", lambda: node_is_back(cluster, dead, key, revision))
    show(steps.run("the blueprint holds", lambda: cluster.await_active(5)))


def explain_keep(cluster, repository):
    pids = " ".join(str(p.pid) for p in [repository.process, *(n.process for n in cluster.nodes)])
    print(f"\nThe cluster is still running. Talk to it:\n"
          f"    export AETHER_ENDPOINT={cluster.nodes[0].client}\n"
          f"    export PATH={cluster.bin}:$PATH\n"
          f"    aether cluster status\n    aether slice list\n    aether call org.example:orders/place '{ORDER}'\n"
          f"Stop it:\n    kill {pids} && rm -r {cluster.directory}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    options = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="aether-demo-"))
    repository = HttpRepository(directory / "repository")
    steps = Steps()
    keep = False
    try:
        repository.start()
        cluster = Cluster(3, name="demo", repositories=[{"id": "demo", "url": repository.url}], directory=directory)
        with cluster:
            try:
                run_steps(steps, cluster, repository)
                keep = cluster.keep = options.keep
            except Failure:
                for node in cluster.nodes:
                    print(f"--- {node.name}: end of its log\n{node.log_tail()}", file=sys.stderr)
                raise
        steps.summary()
        if keep:
            explain_keep(cluster, repository)
        return 0
    except Failure as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    finally:
        if not keep:
            repository.stop()


if __name__ == "__main__":
    sys.exit(main())
