"""A loopback proxy in front of an AWS endpoint that answers badly, by a seed.

What it does to a request: pass it; slow it down; answer 500 or a throttling error instead; pass it and drop
the answer (the caller cannot know that it took effect).
"""

import http.client
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from urllib.parse import urlsplit

SLOW_S = 0.15
THROTTLED = json.dumps(
    {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "Rate exceeded"}
).encode()


class Proxy:
    """Serves until the `with` ends. odds: what happens → its chance. done: what happened, counted."""

    def __init__(self, target: str, seed: int, **odds: float) -> None:
        self.odds = odds
        self.done: Counter[str] = Counter()
        self._target = urlsplit(target).netloc
        self._rng = Random(seed)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _draw(self) -> str:
        with self._lock:
            left = self._rng.random()
            for what, chance in self.odds.items():
                left -= chance
                if left < 0:
                    self.done[what] += 1
                    return what
            self.done["passed"] += 1
            return "passed"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                what = proxy._draw()
                if what == "error":
                    self._reply(500, b"{}")
                elif what == "throttle":
                    self._reply(400, THROTTLED)
                else:
                    if what == "slow":
                        time.sleep(SLOW_S)  # the fault itself
                    status, answer = proxy._pass(self.path, dict(self.headers), body)
                    if what == "drop":
                        self.close_connection = True
                        self.connection.close()
                        return
                    self._reply(status, answer)

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: the counts say it."""

        return Handler

    def _pass(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=20)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
