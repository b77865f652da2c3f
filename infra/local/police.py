"""A police desk on the loopback: what the receiving end of the signed webhook has to do.

It checks the signature, the time and the record's checksum, answers a repeated idempotency key with its
first answer, and gives a receipt number. Real receivers can be held against it.
"""

import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from shared.adapters.channels import police_key, signature
from shared.schema.handover import checksum

TOLERANCE_S = 300


class PoliceDesk:
    """Listens until closed. secret: the webhook secret, asked for at the first hand-over.

    handovers: accepted bodies, by idempotency key. refused: why others were not.
    """

    def __init__(self, secret: Callable[[], bytes], port: int = 0) -> None:
        self._secret = secret
        self.handovers: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._door())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="police-desk", daemon=True)
        self._thread.start()

    def url(self, tenant_id: str) -> str:
        """Where the tenant's hand-overs go."""
        return f"http://127.0.0.1:{self._server.server_port}/{tenant_id}"

    def accept(self, tenant_id: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """The status and answer for one hand-over."""
        timestamp, key = headers.get("x-jikimi-timestamp", ""), headers.get("idempotency-key", "")
        if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
            return self._refuse(401, "stale-timestamp")
        expected = signature(police_key(self._secret(), tenant_id), timestamp, body)
        if not hmac.compare_digest(expected, headers.get("x-jikimi-signature", "")):
            return self._refuse(401, "wrong-signature")
        if not key:
            return self._refuse(400, "no-idempotency-key")
        record = json.loads(body)
        if checksum(record) != record.get("checksum"):
            return self._refuse(422, "wrong-checksum")
        self.handovers.setdefault(key, record)
        return 200, {"receipt_no": f"112-{list(self.handovers).index(key) + 1:04d}"}

    def newest(self, record_id: str) -> dict[str, Any] | None:
        """The highest version of a record that arrived, in whatever order they came."""
        mine = [each for each in self.handovers.values() if each["record_id"] == record_id]
        return max(mine, key=lambda each: int(each["version"]), default=None)

    def _refuse(self, status: int, reason: str) -> tuple[int, dict[str, str]]:
        self.refused.append(reason)
        return status, {"reason": reason}

    def _door(self) -> type[BaseHTTPRequestHandler]:
        desk = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, answer = desk.accept(self.path.strip("/"), headers, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Quiet: the desk remembers what matters."""

        return Door

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
