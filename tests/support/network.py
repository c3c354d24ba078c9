"""network: a network of its own for the nodes of a cluster, where links can be cut one way and made slow: a namespace a node
and one that routes between them. What is cut is dropped without a word, as by a firewall; TCP finds out by itself.

Without keys nodes listen on loopback only, so the addresses are loopback's: 127.0.1.K, routed (route_localnet). Needs root."""
import itertools
import os
import subprocess

FREE = 16  # Networks of one process that may stand at once.
counter = itertools.count()


class Unavailable(Exception):
    """This machine lets us make no namespaces."""


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")


def inside(space, *words):
    done = subprocess.run(["nsenter", f"--net=/run/netns/{space}", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


class Network:
    """`with Network(3) as network: network.carry(cluster)`, before the cluster starts. Nodes count from 1."""

    def __init__(self, size):
        self.size = size
        self.name = f"ae{os.getpid()}n{next(counter) % FREE}"
        self.hub = f"{self.name}h"
        self.cuts = set()   # (from, to)
        self.slowed = set()

    def space(self, number):
        return f"{self.name}s{number}"

    def address(self, number):
        return f"127.0.1.{number}"

    def __enter__(self):
        try:
            ip("netns", "add", self.hub)
            inside(self.hub, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1", "net.ipv4.ip_forward=1")
            for number in range(1, self.size + 1):
                self._add(number)
        except (Unavailable, FileNotFoundError) as failure:
            self.__exit__()
            raise Unavailable(str(failure)) from failure
        return self

    def _add(self, number):
        space, address, link = self.space(number), self.address(number), f"v{number}"
        ip("netns", "add", space)
        ip("-n", self.hub, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        inside(space, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
        for words in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"),
                      ("route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local"),
                      ("address", "add", f"10.77.{number}.2/24", "dev", "eth0"), ("address", "add", f"{address}/32", "dev", "eth0")):
            ip("-n", space, *words)
        ip("-n", self.hub, "link", "set", link, "up")
        ip("-n", self.hub, "address", "add", f"10.77.{number}.1/24", "dev", link)
        ip("-n", space, "route", "add", "127.0.1.0/24", "via", f"10.77.{number}.1", "dev", "eth0", "src", address)
        ip("-n", self.hub, "route", "add", f"{address}/32", "via", f"10.77.{number}.2", "dev", link)

    def __exit__(self, *_):
        for space in [self.hub, *map(self.space, range(1, self.size + 1))]:
            subprocess.run(["ip", "netns", "del", space], capture_output=True)

    def carry(self, cluster):
        """The cluster's nodes listen here. We and our clients reach each by its local socket, whatever is cut."""
        for node in cluster.nodes:
            node.launcher = ["nsenter", f"--net=/run/netns/{self.space(node.number)}"]
            node.address = f"tcp://{self.address(node.number)}:7400"
            node.client_listen = f"tcp://{self.address(node.number)}:7401"
            node.client = f"ipc://{node.data}/client.sock"

    def cut(self, pairs):
        """From now on exactly these directed pairs (from, to) are cut."""
        wanted, lines = set(pairs), []
        for word, changed in (("add", wanted - self.cuts), ("del", self.cuts - wanted)):
            lines += [f"rule {word} from {self.address(a)} to {self.address(b)} blackhole" for a, b in sorted(changed)]
        done = subprocess.run(["ip", "-n", self.hub, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(done.stderr)
        self.cuts = wanted

    def slow(self, number, rate):
        """What goes to this node queues up behind so many bits a second, for up to 0.4 s; then it is lost."""
        inside(self.hub, "tc", "qdisc", "replace", "dev", f"v{number}", "root", "tbf", "rate", rate, "burst", "16kb",
               "latency", "400ms")
        self.slowed.add(number)

    def heal(self):
        self.cut(())
        for number in sorted(self.slowed):
            inside(self.hub, "tc", "qdisc", "del", "dev", f"v{number}", "root")
        self.slowed.clear()
