#!/usr/bin/env python3
"""hostile_bytes_test: whoever reaches a node's listeners may send anything: the node lives, its memory stays bounded, others
are served meanwhile, and its log says what is the matter without being flooded (FLT26, FLT30; proof.md section 6, 9)."""
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import select
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
from cluster import ROOT, Cluster, await_true  # noqa: E402
from zmtp import COMMAND, GREETING, LONG, Peer, frame, kind_of, open_socket, part, ready  # noqa: E402

SEED = int(os.environ.get("AETHER_SEED", "1"))
SLACK = 3  # Sanitizers on two busy cores.
LOG_LINES_MAX = 60  # That one attack may add.
GROWTH_MAX_KIB = 400 * 1024  # A sanitizer keeps what was freed for a while (256 MiB).
CONNECTIONS = 1000
KINDS = {name: int(number) for number, name in re.findall(r"\b(?:PB|LOCAL)\((\d+), (\w+),", (ROOT / "wire/kinds.h").read_text())}
LETHAL = {"CLUSTER_BACKUP_REQUEST", "NODE_STOP_REQUEST", "NODE_RESTART_REQUEST"}  # They do what they say.


def varint(number):
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def text_field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def hello(node, channel=0, session=7, cluster=0, replica=99, low=1, high=1):
    return (varint(1 << 3) + varint(low) + varint(2 << 3) + varint(high) + varint(3 << 3 | 1) + struct.pack("<Q", cluster)
            + varint(4 << 3 | 1) + struct.pack("<Q", replica) + text_field(5, node) + varint(6 << 3) + varint(channel)
            + varint(8 << 3 | 1) + struct.pack("<Q", session))


class HostileBytesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.cluster = Cluster(4, founders=3)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.__enter__()
        cls.cluster.leader(20)
        cls.chance = random.Random(SEED)

    def setUp(self):
        self.victim = self.cluster.nodes[0]
        self.pids = [n.process.pid for n in self.cluster.nodes[:3]]
        self.lines = len(self.log_lines())
        self.memory = self.victim.memory_kib()[0]

    def tearDown(self):
        self.assertEqual(self.pids, [n.process.pid for n in self.cluster.nodes[:3]])
        for node in self.cluster.nodes[:3]:
            self.assertTrue(node.alive(), node.log_tail())
        self.served()
        new = self.log_lines()[self.lines:]
        self.assertLess(len(new), LOG_LINES_MAX, "\n".join(new[:200]))
        self.assertLess(self.victim.memory_kib()[0] - self.memory, GROWTH_MAX_KIB)

    def log_lines(self):
        return self.victim.log.read_text(errors="replace").splitlines()

    def served(self, seconds=5 * SLACK):
        """Through the node that is under attack, and through another."""
        for node in (self.victim, self.cluster.nodes[1]):
            began = time.monotonic()
            code, out, err = self.cluster.run("kv", "put", "hostile/served", "1", "--timeout", "20s", node=node)
            self.assertEqual(code, 0, out + err)
            self.assertLess(time.monotonic() - began, seconds)

    def ports(self):
        return (self.victim.address, self.victim.client)

    def other_listener(self):
        """Where other nodes make their streams: a port that only a hello tells (wire/zmq/node_streams.h)."""
        folder = pathlib.Path(f"/proc/{self.victim.process.pid}")
        ours = {os.readlink(path) for path in (folder / "fd").iterdir() if path.exists() or path.is_symlink()}
        known = {int(address.rsplit(":", 1)[1]) for address in self.ports()}
        for row in (folder / "net" / "tcp").read_text().splitlines()[1:]:
            fields = row.split()
            port = int(fields[1].split(":")[1], 16)
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in ours and port not in known:
                return f"tcp://127.0.0.1:{port}"
        self.fail("no third listener")

    def ends(self, connections, seconds):
        """The node closes each of these, in time."""
        left, end = {c.fileno(): c for c in connections}, time.monotonic() + seconds
        poll = select.poll()
        for number in left:
            poll.register(number, select.POLLIN | select.POLLHUP)
        while left and time.monotonic() < end:
            for number, _ in poll.poll(1000 * (end - time.monotonic())):
                with contextlib.suppress(OSError):
                    if left[number].recv(65536):
                        continue  # Its greeting.
                poll.unregister(number)
                del left[number]
        self.assertFalse(left, f"{len(left)} of {len(connections)} connections are open still")

    # --- ZMTP ----------------------------------------------------------------------------------------------------------------

    def test_junk_and_half_greetings(self):
        whole = GREETING + ready(b"x/c")
        pieces = [whole[:size] for size in range(0, len(whole), 3)]
        pieces += [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + bytes(200), b"\xff" * 300, bytes(300)]
        pieces += [GREETING[:10] + bytes([major, minor]) + GREETING[12:] + ready() for major in range(6) for minor in (0, 1, 255)]
        pieces += [GREETING[:12] + mechanism.ljust(20, b"\0") + GREETING[32:] + ready() for mechanism in
                   (b"CURVE", b"PLAIN", b"GSSAPI", b"", b"\xff" * 20)]
        pieces += [GREETING + part(b"\x05READY" + bytes(n), COMMAND) for n in range(1, 12)]
        pieces += [GREETING + part(b"\x05READY\xff" + bytes(300), COMMAND), GREETING + part(b"\xff" * 40, COMMAND),
                   GREETING + part(b"data before the handshake"), GREETING + bytes([LONG]) + b"\xff" * 8,
                   GREETING + bytes([COMMAND | LONG]) + b"\x7f" + b"\xff" * 7, GREETING + ready(b"i" * 300)]
        for _ in range(100):
            changed = bytearray(whole)
            for _ in range(self.chance.randint(1, 6)):
                changed[self.chance.randrange(len(changed))] = self.chance.randrange(256)
            pieces.append(bytes(changed) + self.chance.randbytes(40))
        for address in self.ports():
            opened = []
            for piece in pieces:
                connection = open_socket(address)
                with contextlib.suppress(OSError):  # It may be closed before the end of it.
                    connection.sendall(piece)
                opened.append(connection)
            self.served()
            self.ends(opened, 10 * SLACK)  # 3 s for a handshake, 5 s of silence after one.
            for connection in opened:
                connection.close()

    def test_junk_where_streams_are_made(self):
        address = self.other_listener()
        pieces = [b"", b"\xff" * 16, bytes(300), frame(KINDS["HELLO"], hello(b"node-2")), frame(KINDS["APPEND"], bytes(60)),
                  struct.pack("<I", 0xFFFFFFFF) + bytes(100), struct.pack(">Q", 1 << 62) + bytes(100), GREETING]
        pieces += [self.chance.randbytes(self.chance.randint(1, 400)) for _ in range(60)]
        for large in (False, True):
            opened = []
            for piece in pieces:
                connection = open_socket(address)
                with contextlib.suppress(OSError):
                    connection.sendall(piece + (bytes(1 << 20) if large else b""))
                opened.append(connection)
            self.served()
            self.ends(opened, 10 * SLACK)
            for connection in opened:
                connection.close()
        slow = [open_socket(address) for _ in range(CONNECTIONS)]
        self.served()
        self.ends(slow[:100], 20 * SLACK)  # The others wait at the kernel's door.
        for connection in slow:
            connection.close()

    def test_too_large(self):
        """A part that says it is larger than a frame may be ends its connection at once; nothing of that size is held."""
        for address in self.ports():
            peers = [Peer(address, b"large%d/c" % k) for k in range(20)]
            for k, peer in enumerate(peers):
                peer.socket.sendall(bytes([LONG]) + struct.pack(">Q", (64 << 20) + (1 << (3 * k))))
                with contextlib.suppress(OSError):
                    peer.socket.sendall(bytes(1 << 16))
            self.ends([p.socket for p in peers], 5 * SLACK)
            for peer in peers:
                peer.socket.close()

    def test_a_thousand_slow_ones(self):
        """Half greetings, and whole ones without a word after: they go, and nobody waits for them."""
        for address in self.ports():
            slow = [open_socket(address) for _ in range(CONNECTIONS)]
            for connection in slow:
                connection.sendall(GREETING[:11])
            silent = [Peer(address, b"silent%d/c" % k) for k in range(CONNECTIONS // 4)]
            self.served()
            self.ends(slow + [p.socket for p in silent], 15 * SLACK)
            for connection in slow + [p.socket for p in silent]:
                connection.close()

        def closed():
            return len(os.listdir(f"/proc/{self.victim.process.pid}/fd")) < CONNECTIONS // 4
        await_true("their descriptors are free", closed, 10 * SLACK)

    def test_descriptors_run_out(self):
        """It serves who is connected, and takes others again when there is room (FLT26)."""
        pid = self.victim.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        room = len(os.listdir(f"/proc/{pid}/fd")) + 30
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (room, before[1]))
        try:
            greedy = [open_socket(self.victim.client) for _ in range(100)]  # The kernel accepts for the node, up to its backlog.
            code, _, _ = self.cluster.run("kv", "put", "hostile/other", "1", node=self.cluster.nodes[1])
            self.assertEqual(code, 0)
            for connection in greedy:
                connection.close()
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        self.served()

    # --- frames --------------------------------------------------------------------------------------------------------------

    def test_random_bodies(self):
        """Every kind there is, at both ports, with nothing, noise and half a body in it: clients' are answered."""
        rows = (ROOT / "wire/kinds.h").read_text()
        asked = {name for name in KINDS if re.search(rf"\b{name}, \w+, \w+, [^)]*KIND_FROM_CLIENT", rows)} - LETHAL
        self.assertGreater(len(asked), 40)
        with Peer(self.victim.client, timeout=20 * SLACK) as client:
            for name in sorted(KINDS):
                for body in (b"", self.chance.randbytes(40), text_field(1, b"x") + self.chance.randbytes(3), b"\x0a\xff\xff\xff\xff\x0f"):
                    if name in LETHAL or (name in asked and body == b"" and name.endswith(("WAIT_REQUEST", "FOLLOW_REQUEST"))):
                        continue
                    client.send(frame(KINDS[name], body, budget_ms=300))
                    if name != "CALL_WITHDRAW" or body != b"":  # That one has no answer.
                        client.next_message()
        with Peer(self.victim.address, b"stranger/c") as node:
            for name in sorted(KINDS):
                node.send(frame(KINDS[name], self.chance.randbytes(40)))
            node.send(self.chance.randbytes(200))
            node.send(b"")
            node.send(frame(KINDS["HELLO"], hello(b"stranger"))[:-1])
            self.served()

    def test_other_versions(self):
        with Peer(self.victim.client, timeout=10 * SLACK) as client:
            for protocol in (0, 2, 7, 65535):
                client.send(frame(KINDS["PING"], protocol=protocol))
                answer = client.next_message()
                self.assertEqual(kind_of(answer), KINDS["REFUSAL"])
                self.assertIn(b"this node speaks 1 to 1", answer)
        for low, high in ((0, 0), (2, 9), (9, 2), (2**32 - 1, 2**32 - 1)):
            with Peer(self.victim.address, b"future/c", timeout=10 * SLACK) as node:
                node.send(frame(KINDS["HELLO"], hello(b"future", low=low, high=high)))
                self.assertEqual(kind_of(node.next_message()), KINDS["REFUSAL"])

    def test_hellos_that_lie(self):
        """Of another name, another cluster, no session, of the node itself, each with a new reason: the log does not fill."""
        lies = [hello(b"node-2"), hello(b"liar", channel=1), hello(b"liar", session=0), hello(b"liar", cluster=1), hello(b""),
                hello(b"\n2026 error forged line"), hello(b"\xff\xfe"), hello(b"n" * 5000)]
        with Peer(self.victim.address, b"liar/c") as node:
            for lie in lies + [hello(b"liar-%d" % k) for k in range(2000)]:
                node.send(frame(KINDS["HELLO"], lie))
        with Peer(self.victim.address, b"node-1/c") as node:  # The victim's own name.
            node.send(frame(KINDS["HELLO"], hello(b"node-1")))
        self.served()
        self.assertFalse([line for line in self.log_lines() if line.startswith("2026 error forged")])

    def test_a_thousand_names(self):
        """Strangers come under ever new names; who joins afterwards still finds room."""
        for k in range(300):
            with Peer(self.victim.address, b"stranger-%d/c" % k, timeout=10 * SLACK) as node:
                node.send(frame(KINDS["HELLO"], hello(b"stranger-%d" % k)))
                self.assertEqual(kind_of(node.next_message()), KINDS["HELLO"])
        joins = self.cluster.nodes[3]
        joins.start()
        await_true("a node can join", lambda: any(
            m["node"] == joins.name for m in self.cluster.ask("cluster", "members")["members"]), 20 * SLACK)

    def test_anothers_place(self):
        """Who connects under the name of a node takes its connection; the node takes it back."""
        for _ in range(5):
            with Peer(self.victim.address, b"node-2/c", timeout=10 * SLACK) as thief:
                thief.send(frame(KINDS["HELLO"], hello(b"node-2", session=1234)))
                thief.next_message()
                thief.send(frame(KINDS["APPEND"], self.chance.randbytes(60)))
        self.served()

        def whole():
            status = self.cluster.ask("cluster", "status", node=self.victim)
            return status["health"] == "ok" and status["leader"]
        await_true("the cluster is whole", whole, 20 * SLACK)

    # --- JSON-RPC ------------------------------------------------------------------------------------------------------------

    def test_json(self):
        deep = b"[" * 1_000_000
        texts = [b"{", b"[]", b"{}", b"[1,2", b"{\"jsonrpc\":\"2.0\"}", deep, deep + b"]" * 1_000_000, b"{\"a\":" * 300_000,
                 b"{\"id\":1e999,\"method\":\"x\"}", b"{\"id\":\"" + b"x" * 3_000_000 + b"\",\"method\":\"tools/list\"}",
                 b"{" + b",".join(b"\"k%d\":1" % k for k in range(200_000)) + b"}", b"{\"id\":1,\"id\":2}",
                 b"{\"id\":\"\\ud800\"}", b"{\"id\":\"\xff\xfe\"}", b"{\"id\":1,\"method\":\"\x00\"}",
                 b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":" + b"[" * 5000 + b"]" * 5000 + b"}"]
        with Peer(self.victim.client, timeout=20 * SLACK) as client:
            for text in texts:
                client.send(text)
            client.send(b'{"jsonrpc":"2.0","id":"end","method":"ping"}')
            while True:
                answer = json.loads(client.next_message())
                if answer.get("id") == "end":
                    break
                self.assertIn("error", answer, str(answer)[:200])

    def test_who_never_reads(self):
        """Asks for much, and takes nothing of it: its answers are dropped, the node's memory is not its store."""
        self.cluster.ask("kv", "put", "hostile/large", "-", stdin=json.dumps("x" * 200_000))
        peers = [Peer(self.victim.client) for _ in range(4)]
        ask = part(frame(KINDS["KV_GET_REQUEST"], text_field(1, b"hostile/large"), budget_ms=30_000))
        for peer in peers:
            peer.socket.settimeout(1)
            with contextlib.suppress(OSError):  # It takes no more at some time.
                for _ in range(2000):
                    peer.socket.sendall(ask)
        self.served()
        for peer in peers:
            peer.socket.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
