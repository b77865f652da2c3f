"""A seeded city behind the real handlers: what the browser tests, the figures and the screenshots look at.

No fake API: requests become API Gateway events for `functions.api` and `functions.console`, and sightings
go through `functions.ingest_sightings`, all over the memory adapters.
"""

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from events.simulator.city import City, CitySpec
from functions.api.handler import lambda_handler as api
from functions.console.handler import lambda_handler as console
from functions.ingest_sightings.handler import lambda_handler as ingest
from shared.adapters.identity import MemoryIdentity
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, memory_adapters

PASSWORD = "look-after-them"
PUBLIC = ("/v1/sign-in", "/v1/sign-in/refresh", "/v1/openapi.json")


class RunningClock:
    """A clock that runs with the wall and can be put forward."""

    def __init__(self, start: datetime) -> None:
        self._ahead = start - datetime.now(UTC)
        self.stopped: datetime | None = None

    def now(self) -> datetime:
        return self.stopped or datetime.now(UTC) + self._ahead

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Time stands still: a slow machine must not age a picture."""
        self.stopped = self.now()
        yield
        stopped, self.stopped = self.stopped, None
        self.set(stopped)

    def from_wall_ms(self, wall_ms: int) -> int:
        return wall_ms + round(self._ahead.total_seconds() * 1000)

    def set(self, at: datetime) -> None:
        self._ahead = at - datetime.now(UTC)

    def forward(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@cache
def _city(spec: CitySpec, seed: int) -> City:
    return City.build(spec, seed)


class World:
    """One city, its people, and everything that was asked of it."""

    def __init__(self, spec: CitySpec | None = None, seed: int = 7) -> None:
        self.city = _city(spec or CitySpec.demo(), seed)
        self.clock = RunningClock(datetime(2026, 5, 14, 1, 30, tzinfo=UTC))
        self.cloud = MemoryCloud(self.clock)
        self.on: Callable[[str], Adapters] = memory_adapters(self.cloud)
        for tenant in self.city.tenants:
            self.on(tenant.tenant_id).registry.put(*self.city.records(tenant.tenant_id))
        self.people = MemoryIdentity(dict(self._people()))
        self.asked: list[tuple[str, str, Mapping[str, str], Any]] = []
        self.down = False  # every connection is closed unanswered
        self.thawed = threading.Event()
        self.frozen = threading.Event()  # set: requests hang
        self.lose = 0  # so many writes are done and their answers lost
        self.lock = threading.Lock()
        self._context: Any = SimpleNamespace(
            function_name="web",
            memory_limit_in_mb=256,
            invoked_function_arn="arn:aws:lambda:ap-northeast-2:123456789012:function:web",
            aws_request_id="web",
        )

    def _people(self) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
        """operator-garam, operator2-garam, wall-garam, admin-garam, …; teacher-N-garam of the Nth daycare."""
        names = {"operator": "박관제", "operator2": "최관제", "wall": "상황판", "admin": "관리자"}
        names |= {"official": "담당자", "auditor": "감사자", "officer": "경찰관", "officer2": "경찰관"}
        for tenant in self.city.tenants:
            slug = tenant.tenant_id
            for who, name in names.items():
                yield f"{who}-{slug}", self._person(f"{who}-{slug}", name, slug, who.rstrip("2"), "")
            for n, facility in enumerate(self.city.facilities[slug], start=1):
                user = f"teacher-{n}-{slug}"
                yield user, self._person(user, f"선생님 {n}", slug, "teacher", facility.facility_id)

    def _person(
        self, user: str, name: str, tenant_id: str, group: str, facility: str
    ) -> tuple[str, dict[str, Any]]:
        claims = {
            "sub": user,
            "name": name,
            "cognito:username": user,
            "cognito:groups": f"[{group}]",
            "custom:tenant": tenant_id,
            "custom:facility": facility,
        }
        return PASSWORD, claims

    def call(self, user: str, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """Ask the API as somebody, past the network. AssertionError when refused."""
        token = self.people.sign_in(user, PASSWORD).id_token
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        if method == "POST":
            headers["idempotency-key"] = key or f"{user}-{time.monotonic_ns()}"
        status, _, answer = self.answer(method, f"/v1/{path}", headers, json.dumps(body or {}).encode())
        assert status < 400, (path, status, answer)
        return json.loads(answer)

    def hear(self, tenant_id: str, thing: str, payload: Mapping[str, Any]) -> None:
        """A scanner's or phone's message arrives, as IoT and SQS would bring it."""
        now_ms = round(time.time() * 1000)
        body = {
            "payload": base64.b64encode(json.dumps(payload).encode()).decode(),
            "tenant": tenant_id,
            "thing": thing,
            "client": thing,
            "received_ms": now_ms,
        }
        record = {"messageId": f"{thing}-{time.monotonic_ns()}", "body": json.dumps(body)}
        with self.lock:
            ingest({"Records": [record]}, self._context, self.on)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """What API Gateway would do with a request: find the function, check the token, pass it on."""
        url = urlsplit(target)
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": url.path,
            "rawQueryString": url.query,
            "queryStringParameters": dict(parse_qsl(url.query)) or None,
            "headers": dict(headers),
            "body": body.decode() if body and method != "GET" else None,
            "isBase64Encoded": False,
            "requestContext": {
                "stage": "$default",
                "requestId": f"r-{time.monotonic_ns()}",
                "http": {"method": method, "path": url.path, "sourceIp": "127.0.0.1"},
            },
        }
        if not url.path.startswith("/v1/"):
            return _unpacked(console(event, self._context))
        if url.path not in PUBLIC:
            claims = self._claims(headers.get("authorization", ""))
            if claims is None:
                return 401, {"content-type": "application/json"}, b'{"message":"Unauthorized"}'
            event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        with self.lock:
            return _unpacked(api(event, self._context, self.on, lambda: self.people))

    def _claims(self, authorization: str) -> dict[str, Any] | None:
        try:
            payload = authorization.removeprefix("Bearer ").split(".")[1]
            return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
        except (IndexError, ValueError):
            return None


def _unpacked(answer: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
    body = answer.get("body") or ""
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    headers = dict(answer.get("headers") or {})
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name] = ", ".join(values)
    return answer["statusCode"], headers, content


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    world: World


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        world = self.server.world
        while world.frozen.is_set() and not world.down:
            world.thawed.wait(0.05)
        if world.down:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path.startswith("/v1/"):
            world.asked.append((self.command, self.path, headers, json.loads(body) if body else None))
        status, out, content = world.answer(self.command, self.path, headers, body)
        if self.command == "POST" and world.lose:
            world.lose -= 1
            self.send_response(status)  # and then nothing: Chromium itself repeats what got no byte at all
            self.send_header("content-length", str(len(content) + 1))
            self.end_headers()
            self.close_connection = True
            return
        if self.path.startswith("/v1/") and "gzip" in headers.get("accept-encoding", ""):
            content, out = gzip.compress(content, 5), {**out, "content-encoding": "gzip"}
        self.send_response(status)
        for name, value in out.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The tests read `world.asked` instead."""


@contextmanager
def serving(world: World, port: int = 0) -> Iterator[str]:
    """Serve a world on loopback; yields the address without a slash at its end."""
    server = _Server(("127.0.0.1", port), _Requests)
    server.world = world
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
