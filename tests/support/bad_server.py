#!/usr/bin/env python3
"""bad_server: a folder over HTTP, with everything that can go wrong. The first part of a path is the mode; it counts for
shared objects only, so that checksums arrive. `/MODE/count` answers how many object requests came with each status,
and how many bytes of objects were sent."""
import collections
import http.server
import pathlib
import socketserver
import sys
import threading

CUT = 60 * 1024  # Bytes after which a connection breaks.
ROOT = pathlib.Path(sys.argv[1])
counts = collections.defaultdict(collections.Counter)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def headers_of(self, status, length, **more):
        counts[self.mode][f"status-{status}"] += 1
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def send_bytes(self, data):
        counts[self.mode]["bytes"] += len(data)
        self.wfile.write(data)

    def whole(self, data, etag='"one"'):
        self.headers_of(200, len(data), ETag=etag)
        self.send_bytes(data)

    def ranged(self, data, cut, etag='"one"'):
        """As a good server, whose connections break after `cut` bytes."""
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if condition is not None:
            counts[self.mode]["if-range"] += 1
        if asked is None or (condition is not None and condition != etag):
            self.headers_of(200, len(data), ETag=etag)
            self.send_bytes(data[:cut])
            return
        start = int(asked.removeprefix("bytes=").split("-")[0])
        if start >= len(data):
            self.headers_of(416, 0)
            return
        self.headers_of(206, len(data) - start, ETag=etag, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_bytes(data[start:start + cut])

    def trickle(self, data, pause):
        self.headers_of(200, len(data))
        for byte in data:
            self.send_bytes(bytes([byte]))
            if stopping.wait(pause):
                return

    def authorized(self, data, wanted):
        if self.headers.get("Authorization") == wanted:
            self.whole(data)
        else:
            self.headers_of(401, 0)

    def bad(self, data):
        mode, first = self.mode, counts[self.mode]["objects"] == 1
        if mode == "cut":
            self.ranged(data, CUT)
        elif mode == "changed":  # Another file by the second time: what was taken is worth nothing.
            self.ranged(data, CUT if first else len(data), etag='"one"' if first else '"two"')
        elif mode == "no-ranges":
            self.headers_of(200, len(data))
            self.send_bytes(data[:CUT] if first else data)
        elif mode == "refused-ranges":
            if self.headers.get("Range"):
                self.headers_of(416, 0)
            else:
                self.headers_of(200, len(data))
                self.send_bytes(data[:CUT] if first else data)
        elif mode == "short":
            self.whole(data[:len(data) // 2])
        elif mode == "longer":
            self.headers_of(200, len(data) + 1000)
            self.send_bytes(data)
        elif mode == "stall":
            self.headers_of(200, len(data))
            self.send_bytes(data[:CUT])
            stopping.wait()
        elif mode == "silent":
            stopping.wait()
        elif mode == "drip":
            self.trickle(data, 0.05)
        elif mode == "slow":
            self.headers_of(200, len(data))
            for at in range(0, len(data), len(data) // 6):
                self.send_bytes(data[at:at + len(data) // 6])
                stopping.wait(0.5)
        elif mode == "500":
            self.headers_of(500, 0)
        elif mode == "redirect":
            self.headers_of(302, 0, Location=self.path.replace("/redirect/", "/plain/"))
        elif mode == "loop":
            self.headers_of(302, 0, Location=self.path)
        elif mode == "to-file":
            self.headers_of(302, 0, Location="file:///etc/hostname")
        elif mode == "huge":
            self.headers_of(200, 10 * 1024 ** 4)
            self.send_bytes(data)
        elif mode == "endless":
            self.headers_of(200, None)
            while True:
                self.send_bytes(bytes(64 * 1024))
        elif mode == "wrong":
            self.whole(data[:-1] + bytes([data[-1] ^ 1]))
        elif mode == "basic":
            self.authorized(data, "Basic dXNlcjpzZWNyZXQ=")  # user:secret
        elif mode == "bearer":
            self.authorized(data, "Bearer token-7")
        elif mode == "away":  # To another host: what was meant for this one must not go there.
            self.headers_of(302, 0, Location=f"http://localhost:{self.server.server_address[1]}"
                            + self.path.replace("/away/", "/curious/"))
        elif mode == "curious":
            if self.headers.get("Authorization"):
                self.headers_of(418, 0)
            else:
                self.whole(data)
        else:
            self.ranged(data, len(data))

    def do_GET(self):
        _, self.mode, rest = self.path.split("/", 2)
        if rest == "count":
            text = " ".join(f"{name}={number}" for name, number in sorted(counts[self.mode].items()))
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            return
        path = ROOT / rest
        if not path.is_file():
            self.headers_of(404, 0)
        elif path.suffix == ".so":
            counts[self.mode]["objects"] += 1
            self.bad(path.read_bytes())
        else:
            self.headers_of(200, path.stat().st_size)
            self.wfile.write(path.read_bytes())

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass  # The other end had enough.


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


stopping = threading.Event()
server = Server(("127.0.0.1", 0), Handler)
print(f"Serving HTTP on 127.0.0.1 port {server.server_address[1]}", flush=True)
server.serve_forever()
