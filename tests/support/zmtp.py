"""zmtp: the client's half of ZMTP 3 and of our frames (wire/frame.h), byte by byte, so that every byte of it can be wrong."""
import socket
import struct
import time

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4
HEADER_SIZE = 88


def table():
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return rows


TABLE = table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def part(data, flags=0):
    """One frame of ZMTP: a part of a message, or a command."""
    if len(data) < 256:
        return bytes([flags, len(data)]) + data
    return bytes([flags | LONG]) + struct.pack(">Q", len(data)) + data


def ready(identity=b"", socket_type=b"DEALER"):
    def property_of(name, value):
        return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
    return part(b"\x05READY" + property_of(b"Socket-Type", socket_type) + property_of(b"Identity", identity), COMMAND)


def frame(kind, body=b"", protocol=1, flags=0, cluster=0, replica=0, correlation=1, budget_ms=1000, attachment=b""):
    """As wire/frame.h lays it out, with both checksums."""
    head = struct.pack("<4sHHQQQQQQQIIIII", b"AETH", protocol, flags, cluster, replica, 0, 0, correlation, 0, 0, budget_ms, kind,
                       len(body), len(attachment), crc32c(body + attachment))
    return head + struct.pack("<I", crc32c(head)) + body + attachment


def kind_of(data):
    return struct.unpack_from("<I", data, 68)[0]


def open_socket(address, timeout=10):
    """A raw connection to tcp://HOST:PORT."""
    host, port = address.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


class Peer:
    """A connection whose handshake was done; it answers no heartbeats unless it reads."""

    def __init__(self, address, identity=b"", timeout=10):
        self.socket, self.data = open_socket(address, timeout), b""
        self.socket.sendall(GREETING + ready(identity))
        self._take(len(GREETING))
        self.read()  # READY

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _take(self, size):
        while len(self.data) < size:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the node closed the connection")
            self.data += more
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def read(self):
        """The next frame of ZMTP: (flags, data)."""
        flags = self._take(1)[0]
        size = struct.unpack(">Q", self._take(8))[0] if flags & LONG else self._take(1)[0]
        return flags, self._take(size)

    def next_message(self, seconds=30):
        """The next message; heartbeats are answered on the way."""
        end = time.monotonic() + seconds
        while True:
            if time.monotonic() > end:
                raise TimeoutError("heartbeats, but no message")
            flags, data = self.read()
            if not flags & COMMAND:
                return data
            if data.startswith(b"\x04PING"):
                self.socket.sendall(part(b"\x04PONG" + data[7:], COMMAND))

    def send(self, *parts):
        for at, data in enumerate(parts):
            self.socket.sendall(part(data, MORE if at < len(parts) - 1 else 0))
