"""cluster: real aether-node processes on loopback, for the demo, the integration tests and the benches.

Every wait here is for an event (a process's end, an answer of the cluster), with a deadline; nothing sleeps for luck.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESTART_EXIT = 70  # "must be started again" (an invariant, a disk error)
POLL_S = 0.02
claimed = []


class Failure(Exception):
    """A step that did not happen, with its reason."""


def build_dir():
    return pathlib.Path(os.environ.get("AETHER_BUILD", ROOT / "build" / "release"))


def cpu_seconds(pid):
    """Of all its threads, by the scheduler's own nanoseconds: the ticks of `stat` are too coarse for who is nearly idle."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def claim(base):
    """Is this base ours until we end? Two test runs that look at the same moment would both find its ports free."""
    lock = open(pathlib.Path(tempfile.gettempdir()) / f"aether-ports-{base}.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    claimed.append(lock)  # Open, and so locked, for the life of this process.
    return True


def free_base_port(wanted=7400, step=100):
    """A base such that the ports of seven local nodes (7400, 7401, 7480 + 10 (k-1)) are free."""
    for base in range(wanted, 30000, step):
        if not claim(base):
            continue
        try:
            with contextlib.ExitStack() as stack:
                for k in range(7):
                    for offset in (0, 1, 80):
                        probe = stack.enter_context(socket.socket())
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind(("127.0.0.1", base + offset + 10 * k))
            return base
        except OSError:
            continue
    raise Failure("no free ports on loopback")


def await_true(what, condition, timeout):
    """Polls condition() until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    reason = ""
    while True:
        try:
            value = condition()
            if value:
                return value
        except Failure as failure:
            reason = f" ({failure})"
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {timeout:.0f} s{reason}")
        time.sleep(POLL_S)


class Node:
    def __init__(self, cluster, number):
        self.cluster, self.number, self.name = cluster, number, f"node-{number}"
        self.data = cluster.directory / self.name
        base = cluster.base_port + 10 * (number - 1)
        self.address = f"tcp://127.0.0.1:{base}"
        self.client = self.client_listen = f"tcp://127.0.0.1:{base + 1}"
        self.management = f"127.0.0.1:{base + 80}"
        self.log = cluster.directory / f"{self.name}.log"
        self.environment = {}  # Of this node's next starts, beside the cluster's.
        self.launcher = []  # What its command stands behind, such as nsenter: it becomes the node.
        self.process = None
        self.wanted = False

    def bootstrap(self):
        """The founders found; who comes later knows the others as peers, and joins."""
        founders = [n.name for n in self.cluster.nodes[:self.cluster.founders]]
        return founders if self.name in founders else []

    def write_config(self):
        known = self.cluster.nodes[:self.cluster.founders]  # The others make themselves known by joining.
        peers = {n.name: n.address for n in known if n is not self}
        config = {
            "node": {"id": self.name, "data": str(self.data), "labels": {"zone": f"zone-{self.number}"}},
            "cluster": {"listen": self.address, "name": self.cluster.name, "peers": peers,
                        "bootstrap": self.bootstrap()},
            "client": {"listen": self.client_listen},
            "management": {"listen": self.management},
            "repositories": self.cluster.repositories,
        }
        config.update(self.cluster.extra_config)
        path = self.cluster.directory / f"{self.name}.yaml"
        path.write_text(json.dumps(config, indent=2))  # JSON is YAML.
        return path

    def start(self):
        path = self.write_config()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AETHER_")}
        environment.update(self.cluster.environment)
        environment.update(self.environment)
        with open(self.log, "ab") as log:
            command = [*self.launcher, self.cluster.bin / "aether-node", "--config", path]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                            start_new_session=True)
        self.wanted = True

    def kill(self, sig=signal.SIGKILL):
        self.wanted = False
        self.process.send_signal(sig)
        if sig != signal.SIGSTOP:
            self.process.wait(timeout=30)

    def stop(self):
        """Ordered: SIGTERM; the exit code, or -9 when it had to be killed."""
        self.wanted = False
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -9

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def memory_kib(self):
        """Resident set, and its anonymous part."""
        fields = dict(line.split(":") for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
                      if ":" in line)
        return int(fields["VmRSS"].split()[0]), int(fields["RssAnon"].split()[0])

    def log_tail(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class Cluster:
    """`with Cluster(3) as cluster:`; leaving it ends every process that it started."""

    def __init__(self, size=3, name="local", repositories=(), directory=None, extra_config=None, environment=None,
                 keep=False, founders=None):
        self.founders = size if founders is None else founders
        self.bin = build_dir() / "bin"
        self.name, self.keep = name, keep
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="aether-"))
        self.repositories, self.extra_config = list(repositories), dict(extra_config or {})
        self.environment = dict(environment or {})
        self.base_port = free_base_port()
        self.nodes = []
        self.nodes.extend(Node(self, k) for k in range(1, size + 1))
        self.closing = threading.Event()
        self.watcher = threading.Thread(target=self._restart_failed, daemon=True)

    def __enter__(self):
        for node in self.nodes[:self.founders]:
            node.start()
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.watcher.join()
        if self.keep:
            return
        for node in self.nodes:
            node.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _restart_failed(self):
        """What a service manager does: a node that ended with 70 is started again."""
        while not self.closing.wait(0.05):
            for node in self.nodes:
                if node.wanted and node.process.poll() == RESTART_EXIT:
                    node.start()

    def node(self, name):
        return next(n for n in self.nodes if n.name == name)

    def run(self, *arguments, node=None, timeout=60, stdin=None, output="json"):
        """One aether command: (exit code, standard output, standard error)."""
        at = node or next((n for n in self.nodes if n.alive()), self.nodes[0])
        command = [str(self.bin / "aether"), "-e", at.client, "-o", output, *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AETHER_")}
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, env=environment)
        return done.returncode, done.stdout, done.stderr

    def ask(self, *arguments, node=None, timeout=60, stdin=None):
        """The JSON answer of a command that must succeed."""
        code, out, err = self.run(*arguments, node=node, timeout=timeout, stdin=stdin)
        if code != 0:
            raise Failure(f"aether {' '.join(map(str, arguments))}: exit {code}: {(out + err).strip()}")
        return json.loads(out)

    def leader(self, timeout=15, other_than=None):
        """The node that a majority's view names as leader."""
        def known():
            for node in self.nodes:
                if not node.alive():
                    continue
                code, out, _ = self.run("cluster", "status", "--timeout", "2s", node=node)
                name = json.loads(out).get("leader") if code == 0 else None
                if name and (other_than is None or name != other_than.name):
                    return self.node(name)
            return None
        return await_true("a leader", known, timeout)

    def instances(self, blueprint=None, node=None):
        arguments = ["slice", "list"] + (["--blueprint", blueprint] if blueprint else [])
        return self.ask(*arguments, node=node).get("instances", [])

    def await_active(self, wanted, timeout=30, node=None, off_node=None):
        """Until exactly `wanted` instances exist, each ACTIVE (and none on the node `off_node`)."""
        def active():
            instances = self.instances(node=node)
            good = [i for i in instances if i["state"] == "ACTIVE" and (off_node is None or i["node"] != off_node.name)]
            if len(good) == wanted and len(instances) == wanted:
                return instances
            raise Failure(", ".join(f"{i['artifact']}#{i['instance']}@{i.get('node', '-')} {i['state']}" for i in instances))
        return await_true(f"{wanted} instances ACTIVE", active, timeout)


class CallLoad:
    """Calls one entry point at a steady rate through each node, from outside, until stop(); then how they ended."""

    def __init__(self, cluster, target, payload, per_second, nodes=None):
        program = build_dir() / "tests" / "call_load"
        nodes = nodes or cluster.nodes
        rate = max(1, per_second // len(nodes)) if per_second else 0
        self.processes = [subprocess.Popen([program, n.client, n.name, target, payload, str(rate)], text=True,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE) for n in nodes]

    def stop(self):
        return [json.loads(p.communicate()[0]) for p in self.processes]


def publish_artifact(repository, source, coordinates, checksums=("sha512", "sha256"), classifier="linux-x86_64"):
    """Puts a shared object into a directory in Maven repository layout."""
    group, artifact, version = coordinates.split(":")
    folder = pathlib.Path(repository) / group.replace(".", "/") / artifact / version
    folder.mkdir(parents=True, exist_ok=True)
    suffix = f"-{classifier}" if classifier else ""
    target = folder / f"{artifact}-{version}{suffix}.so"
    shutil.copyfile(source, target)
    for name in checksums:
        digest = hashlib.new(name, target.read_bytes()).hexdigest()
        target.with_name(f"{target.name}.{name}").write_text(digest + "\n")
    return target


class HttpRepository:
    """A directory served over HTTP on loopback, by a process of its own."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(self.port),
                                         "--directory", str(self.directory)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

        def reachable():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        await_true("the repository's HTTP server", reachable, 10)
        return self

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def example_slice(name):
    """The shared object of an example slice in the build folder."""
    found = sorted(build_dir().glob(f"examples/{name}/*.so"))
    if not found:
        raise Failure(f"the example slice {name} is not built in {build_dir()}")
    return found[0]


def build_pricing(folder, version):
    """The example, as somebody would build the next version of it."""
    sources = folder / f"sources-{version}"
    shutil.copytree(ROOT / "examples" / "pricing", sources / "pricing")
    shutil.copytree(ROOT / "examples" / "json", sources / "json")
    source = sources / "pricing" / "pricing.c"
    text = source.read_text()
    if '"1.0.0"' not in text:
        raise Failure("the example's version can't be found in it")
    source.write_text(text.replace('"1.0.0"', f'"{version}"'))
    target = folder / f"pricing-{version}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-I", ROOT / "actors" / "slice" / "sdk", "-o", target, source,
                    sources / "json" / "json.c"], check=True)
    return target
