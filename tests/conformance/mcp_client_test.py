#!/usr/bin/env python3
"""mcp_client_test: what the official MCP clients (TypeScript SDK 1.32 and 2.4) demand of a server and taught us, without
them: every request is answered by its id, whatever is wrong with it; no response has an id that the schemas refuse; a
cancelled request holds up nobody; two agents and one lease; and a REQ socket that speaks JSON-RPC, written here from the
specification of ZMTP, is served as `aether mcp` is. (docs/decisions/0007-mcp-eras.md)"""
import json
import os
import pathlib
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster  # noqa: E402

os.environ.setdefault("AETHER_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, OVERLOADED = -32700, -32600, -32601, -32602, -31055
TIMEOUT_S = 30
TOOL_KEYS = {"name", "title", "description", "inputSchema", "outputSchema", "annotations"}


def document(method, params=None, **more):
    return {"jsonrpc": "2.0", "method": method, "params": params or {}, **more}


def check_response(message):
    """As the schemas of MCP have it; the official clients drop anything else, and wait."""
    assert message["jsonrpc"] == "2.0", message
    assert ("result" in message) != ("error" in message), message
    assert set(message) <= {"jsonrpc", "id", "result", "error"}, message
    if "id" in message or "result" in message:
        assert isinstance(message["id"], (str, int)) and not isinstance(message["id"], bool), message
    if "error" in message:
        assert isinstance(message["error"]["code"], int) and isinstance(message["error"]["message"], str), message
    return message


class Client:
    """`aether mcp` as a child: answers are found by their ids, as clients do, and each of them is checked."""

    def __init__(self, cluster, name=None, version="2025-11-25"):
        self.process = subprocess.Popen([str(cluster.bin / "aether"), "-e", cluster.nodes[0].client, "mcp"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.arrived, self.early, self.last = queue.Queue(), {}, 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if name is not None:
            self.hello = self.ask("initialize", {"protocolVersion": version, "capabilities": {},
                                                 "clientInfo": {"name": name, "version": "1"}})["result"]
            self.send(document("notifications/initialized"))

    def _read(self):
        for line in self.process.stdout:
            self.arrived.put(json.loads(line))

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def answer(self, number):
        """The answer to that id; None: the next one without any."""
        while number not in self.early:
            message = check_response(self.arrived.get(timeout=TIMEOUT_S))
            self.early[message.get("id")] = message
        return self.early.pop(number)

    def begin(self, method, params=None):
        self.last += 1
        self.send(document(method, params, id=self.last))
        return self.last

    def ask(self, method, params=None):
        return self.answer(self.begin(method, params))

    def begin_call(self, tool, arguments):
        return self.begin("tools/call", {"name": tool, "arguments": arguments})

    def call(self, tool, arguments=None):
        return self.answer(self.begin_call(tool, arguments or {}))["result"]

    def close(self):
        """The seconds that it took to end."""
        begin = time.monotonic()
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        self.reader.join()
        self.process.stdout.close()
        assert code == 0, code
        return time.monotonic() - begin


class Req:
    """A ZeroMQ REQ socket, from the specification (ZMTP 3.0, mechanism NULL)."""

    LONG, COMMAND, MORE = 2, 4, 1

    def __init__(self, endpoint):
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        self.read(64)
        kind = b"\x0bSocket-Type" + (3).to_bytes(4, "big") + b"REQ"
        self.send_frame(b"\x05READY" + kind, self.COMMAND)
        assert self.receive_frame()[1].startswith(b"\x05READY")

    def read(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the node hung up"
            data += part
        return data

    def send_frame(self, body, flags):
        long = len(body) > 255
        head = bytes([flags | (self.LONG if long else 0)]) + len(body).to_bytes(8 if long else 1, "big")
        self.socket.sendall(head + body)

    def receive_frame(self):
        flags = self.read(1)[0]
        size = int.from_bytes(self.read(8 if flags & self.LONG else 1), "big")
        return flags, self.read(size)

    def ask(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.send_frame(b"", self.MORE)
        self.send_frame(data, 0)
        frames = [self.receive_frame()]
        while frames[-1][0] & self.MORE:
            frames.append(self.receive_frame())
        assert [body for _, body in frames[:-1]] == [b""], frames
        return frames[-1][1]


class McpClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(1, directory=pathlib.Path(tempfile.mkdtemp(prefix="aether-mcp-")))
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.cluster.leader()

    def setUp(self):
        self.cluster.ask("agent", "release")  # Whatever a test before has left.

    def client(self, name="tester", **more):
        client = Client(self.cluster, name, **more)
        self.addCleanup(lambda: client.process.poll() is None and client.close())
        return client

    def failure(self, client, number):
        return client.answer(number)["error"]["code"]

    def test_versions(self):
        """An unknown version is answered with the newest that opens with `initialize`; a known one with itself."""
        for wanted in ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2099-01-01"):
            hello = self.client(version=wanted).hello
            known = wanted in ("2025-11-25", "2025-06-18")
            self.assertEqual(hello["protocolVersion"], wanted if known else "2025-11-25")
            self.assertEqual(set(hello["capabilities"]), {"tools"})

    def test_what_is_not_offered(self):
        client = self.client()
        for method in ("logging/setLevel", "completion/complete", "resources/list", "prompts/list", "tasks/list",
                       "subscriptions/listen", "roots/list", "rpc.discover"):
            self.assertEqual(client.ask(method)["error"]["code"], METHOD_NOT_FOUND, method)

    def test_tools(self):
        """Clients compile the output schemas and refuse a tool whose schemas are no objects."""
        for tool in self.client().ask("tools/list")["result"]["tools"]:
            self.assertEqual(set(tool), TOOL_KEYS)
            self.assertRegex(tool["name"], r"^[a-z_]{1,64}$")
            for key in ("inputSchema", "outputSchema"):
                self.assertEqual(tool[key]["type"], "object")
                self.assertLessEqual(set(tool[key].get("required", [])), set(tool[key]["properties"]))

    def test_unreadable_messages_keep_their_ids(self):
        client = self.client()
        body = b'{"method":"tools/call","params":{"name":"kv_get","arguments":{"id":0,"key":%s}},"jsonrpc":"2.0","id":%s}'
        wrong = [rb'"\u0000"', rb'"\ud800"', b"1" * 30, b"1e999", b"[" * 100 + b"]" * 100, b'"\xff"', b'{"a":1,"a":2}',
                 b"01", b"'x'", b'"' + b"v" * (5 << 20) + b'"']
        for i, value in enumerate(wrong):
            client.send(body % (value, b'"w\\"%d"' % i))
            self.assertEqual(self.failure(client, f'w"{i}'), PARSE_ERROR, value[:40])
        for i, value in enumerate((b'"' + b"v" * (1 << 20) + b'"', b'"' + b"v" * ((4 << 20) - 120) + b'"')):
            client.send(body % (value, b"%d" % (1000 + i)))  # Just below the limits, and what the bridge adds is above.
            client.answer(1000 + i)
        self.assertEqual(client.ask("ping")["result"], {})

    def test_messages_without_an_id_that_serves(self):
        """Refused, and the answer has no id: null would be refused by the client's own schema."""
        client = self.client()
        for text, code in ((b"{", PARSE_ERROR), (b"GET / HTTP/1.1", PARSE_ERROR), (b"\xff\xfe", PARSE_ERROR),
                           (b'{"jsonrpc":"2.0","method":"ping","id":12', PARSE_ERROR), (b"[]", INVALID_REQUEST),
                           (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID_REQUEST), (b"7", INVALID_REQUEST),
                           (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID_REQUEST),
                           (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID_REQUEST),
                           (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', INVALID_REQUEST)):
            client.send(text)
            self.assertEqual(self.failure(client, None), code, text)
        for text, code in ((b'{"id":"a","method":"ping"}', INVALID_REQUEST), (b'{"jsonrpc":"2.0","id":"a"}', INVALID_REQUEST),
                           (b'{"jsonrpc":"2.0","id":"a","method":"ping","params":[]}', INVALID_PARAMS)):
            client.send(text)
            self.assertEqual(self.failure(client, "a"), code, text)
        client.send(b"\r")
        client.send(b'{"jsonrpc":"2.0","id":"z","method":"ping"}\r')
        self.assertEqual(client.answer("z")["result"], {})
        self.assertEqual(client.early, {})

    def test_a_cancelled_request_holds_up_nothing(self):
        client = self.client()
        watch = client.begin_call("kv_watch", {"prefix": "config/never", "wait-ms": 25000})
        self.assertFalse(client.call("kv_list", {"prefix": "config/"})["isError"])
        client.send(document("notifications/cancelled", {"requestId": watch, "reason": "bored"}))
        self.assertEqual(client.ask("ping")["result"], {})
        self.assertNotIn(watch, client.early)
        self.assertLess(client.close(), 10)  # Not after the watch's 25 seconds, nor the bridge's 30.

    def test_a_burst(self):
        """Each request is answered by its id: with its result, or at once with OVERLOADED."""
        client = self.client()
        watch = client.begin_call("kv_watch", {"prefix": "config/burst", "wait-ms": 25000})
        burst = [client.begin_call("kv_list", {"prefix": "config/", "limit": 1}) for _ in range(400)]
        codes = {(answer.get("error") or answer["result"].get("structuredContent").get("error") or {}).get("code", "ok")
                 for answer in map(client.answer, burst)}
        self.assertIn("ok", codes)
        self.assertLessEqual(codes, {"ok", OVERLOADED, -32603, "OVERLOADED"})
        self.cluster.ask("kv", "put", "config/burst", "1")
        self.assertEqual(len(client.answer(watch)["result"]["structuredContent"]["events"]), 1)
        self.assertLess(client.close(), 10)

    def test_two_agents(self):
        alice, bob = self.client("alice"), self.client("bob")
        self.assertFalse(alice.call("kv_put", {"key": "config/two", "value": 1})["isError"])
        refused = [bob.call("kv_put", {"key": "config/two", "value": 2}), bob.call("kv_delete", {"key": "config/two"}),
                   bob.call("blueprint_publish", {"document": {"name": "two", "slices": []}})]
        for result in refused:
            self.assertTrue(result["isError"])
            error = result["structuredContent"]["error"]
            self.assertEqual(error["code"], "DENIED")
            self.assertRegex(error["message"], r"held by alice for another \d+ s")
        self.cluster.ask("kv", "put", "config/two", "3")  # People go on.
        self.assertEqual(bob.call("kv_get", {"key": "config/two"})["structuredContent"]["value"], 3)
        self.assertTrue(alice.call("agent_release")["structuredContent"]["released"])
        race = [client.begin_call("kv_put", {"key": "config/two", "value": 4}) for client in (alice, bob)]
        ends = sorted(client.answer(number)["result"]["isError"] for client, number in zip((alice, bob), race))
        self.assertEqual(ends, [False, True])
        self.cluster.ask("agent", "release")
        self.assertFalse(bob.call("kv_put", {"key": "config/two", "value": 5})["isError"])
        self.assertTrue(bob.call("agent_release")["structuredContent"]["released"])

    def test_a_req_socket(self):
        req = Req(self.cluster.nodes[0].client)
        hello = json.loads(req.ask(document("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                                           "clientInfo": {"name": "req", "version": "1"}}, id="i")))
        self.assertEqual((hello["id"], hello["result"]["protocolVersion"]), ("i", "2025-06-18"))
        self.assertEqual(req.ask(document("notifications/initialized")), b"")  # A REQ waits for something.
        put = json.loads(req.ask(document("tools/call", {"name": "kv_put", "arguments": {"key": "config/req", "value": 1}},
                                          id=1)))
        self.assertFalse(put["result"]["isError"])
        status = json.loads(req.ask(document("tools/call", {"name": "agent_status"}, id=2)))
        self.assertEqual(status["result"]["structuredContent"]["holder"], "req")
        self.assertEqual(json.loads(req.ask(b'{"id":3,"a":"\\u0000"}'))["id"], 3)
        self.assertNotIn("id", json.loads(req.ask(b"{nonsense")))
        released = json.loads(req.ask(document("tools/call", {"name": "agent_release"}, id=4)))
        self.assertTrue(released["result"]["structuredContent"]["released"])
        req.socket.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
