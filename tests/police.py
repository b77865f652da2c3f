"""A police desk on the loopback: it checks signatures, answers receipts, and can be out of reach."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shared.adapters.channels import police_key, signature

SECRET = b"not-secret"


@dataclass
class PoliceDesk:
    """What arrived. answer: the status every request gets; seen: Idempotency-Key → record, first one kept."""

    url: str = ""
    answer: int = 200
    tenant_id: str = "garam"
    arrived: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    forged: int = 0

    def take(self, headers: Any, body: bytes) -> tuple[int, dict[str, str]]:
        """One request: refused when the signature is not ours, answered again when the key is known."""
        own = signature(police_key(SECRET, self.tenant_id), headers["X-Jikimi-Timestamp"], body)
        if headers["X-Jikimi-Signature"] != own:
            self.forged += 1
            return 401, {}
        if self.answer != 200:
            return self.answer, {}
        key, record = headers["Idempotency-Key"], json.loads(body)
        self.arrived.append((key, record))
        self.seen.setdefault(key, record)
        return 200, {"receipt_no": f"112-{len(self.seen):04d}"}


@contextmanager
def police_desk() -> Iterator[PoliceDesk]:
    """A desk on a free port, for as long as the block."""
    desk = PoliceDesk()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = desk.take(self.headers, body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    desk.url = f"http://127.0.0.1:{server.server_address[1]}/hand-over"
    try:
        yield desk
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
