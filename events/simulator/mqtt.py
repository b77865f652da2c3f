"""Many things' MQTT connections in one thread: mutual TLS, QoS 1, one selector for all sockets.

A thread per connection (paho's own loop) costs a stack and a lock fight for each of a district's
scanners; here each connection costs a socket. Every paho object is touched by the one thread alone.
"""

import json
import logging
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from events.simulator.edge import Lane, encoded

logger = logging.getLogger(__name__)

KEEPALIVE_S = 60
CONNECT_S = 15.0
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # waits before reconnecting; then the thing is given up

OnWatch = Callable[[list[str]], None]


def sightings_topic(tenant_id: str, thing: str, lane: Lane, prefix: str = "jikimi") -> str:
    """Where a thing publishes: straight into the lane's IoT rule (Basic Ingest)."""
    return f"$aws/rules/{prefix}_{lane}/dt/jikimi/{tenant_id}/{thing}/sightings"


def watch_topic(tenant_id: str) -> str:
    """Where a tenant's things learn what to listen for (retained)."""
    return f"cmd/jikimi/{tenant_id}/watch"


@dataclass
class _Line:
    """One thing's connection. ready: CONNACK and SUBACK are in. waiting: mid → who waits for its PUBACK."""

    tenant_id: str
    thing: str
    client: paho.Client
    on_watch: OnWatch | None
    ready: "Future[None]" = field(default_factory=Future)
    waiting: "dict[int, Future[None]]" = field(default_factory=dict)
    sock: Any = None  # socket.socket or ssl.SSLSocket
    failures: int = 0
    retry_at: float | None = None


class Fleet:
    """Things connected to one broker. Use as a context manager; every method may be called from any thread.

    prefix: the stack's, it names the IoT rules. ca_file None: this machine's authorities.
    """

    def __init__(self, host: str, port: int, ca_file: Path | None, *, prefix: str = "jikimi") -> None:
        self._host, self._port, self._ca_file, self._prefix = host, port, ca_file, prefix
        self._lines: dict[str, _Line] = {}
        self._tasks: deque[Callable[[], None]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_out.settimeout(0)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="mqtt-fleet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._stop)
        self._thread.join(CONNECT_S)
        self._wake_in.close()

    def connect(
        self,
        tenant_id: str,
        thing: str,
        certificate_file: Path,
        key_file: Path,
        *,
        on_watch: OnWatch | None = None,
    ) -> "Future[None]":
        """Connect a thing as itself. Done when it may publish and listens for its watch list.

        on_watch: called in the fleet's thread with every watch list, the retained one first; keep it short.
        The future fails with ConnectionError when the broker does not take the thing.
        """
        context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
        context.load_cert_chain(certificate_file, key_file)
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=thing,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.tls_set_context(context)
        client.max_queued_messages_set(0)  # 0: as many as come
        line = _Line(tenant_id, thing, client, on_watch)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.user_data_set(line)
        self._do(lambda: self._open(line))
        return line.ready

    def publish(self, thing: str, lane: Lane, payload: Mapping[str, Any]) -> "Future[None]":
        """Publish a thing's message; done at its PUBACK. KeyError for a thing that was not connected."""
        topic = sightings_topic(self._lines[thing].tenant_id, thing, lane, self._prefix)
        return self.publish_raw(thing, topic, encoded(payload))

    def publish_raw(self, thing: str, topic: str, body: bytes) -> "Future[None]":
        """Publish any bytes anywhere, as a broken or hostile thing would."""
        line = self._lines[thing]
        acknowledged: Future[None] = Future()

        def send() -> None:
            if line.failures > len(RETRY_S):
                acknowledged.set_exception(ConnectionError(f"{thing} was given up by the broker"))
                return
            sent = line.client.publish(topic, body, qos=1)
            line.waiting[sent.mid] = acknowledged

        self._do(send)
        return acknowledged

    # --- the thread ------------------------------------------------------------------------

    def _do(self, task: Callable[[], None]) -> None:
        self._tasks.append(task)
        with suppress(OSError):  # already stopped
            self._wake_in.send(b"x")

    def _run(self) -> None:
        swept = 0.0
        while not self._stopping:
            for key, events in self._selector.select(self._pause_s()):
                if key.data is None:
                    self._wake_out.recv(4096)
                else:
                    self._serve(key.data, events)
            while self._tasks:
                self._tasks.popleft()()
            now = time.monotonic()
            for line in self._lines.values():
                if line.retry_at is not None and now >= line.retry_at:
                    self._open(line)
                elif line.sock is not None and now - swept > 1:
                    line.client.loop_misc()
                self._register(line)
            swept = now if now - swept > 1 else swept
        self._selector.close()
        self._wake_out.close()

    def _pause_s(self) -> float:
        retries = [line.retry_at for line in self._lines.values() if line.retry_at is not None]
        return max(0.0, min([1.0, *(at - time.monotonic() for at in retries)]))

    def _serve(self, line: _Line, events: int) -> None:
        if events & selectors.EVENT_READ:
            line.client.loop_read()
            while line.sock is not None and _pending(line.sock):
                line.client.loop_read()
        if events & selectors.EVENT_WRITE and line.sock is not None:
            line.client.loop_write()

    def _register(self, line: _Line) -> None:
        """Watch the line's socket for what it now needs."""
        if line.sock is None:
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.client.want_write() else 0)
        key = self._selector.get_map().get(line.sock)
        if key is None:
            self._selector.register(line.sock, wanted, line)
        elif key.events != wanted:
            self._selector.modify(line.sock, wanted, line)

    def _open(self, line: _Line) -> None:
        self._lines.setdefault(line.thing, line)
        line.retry_at = None
        try:
            line.client.connect(self._host, self._port, KEEPALIVE_S)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._lost(line, str(error))
            return
        line.sock = line.client.socket()

    def _lost(self, line: _Line, why: str) -> None:
        """The connection is gone: try again a little later, and give up after the last wait."""
        if line.sock is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(line.sock)
            line.sock = None
        if self._stopping:
            return
        if line.failures < len(RETRY_S):
            line.retry_at = time.monotonic() + RETRY_S[line.failures]
            line.failures += 1
            return
        line.failures = len(RETRY_S) + 1
        error = ConnectionError(f"{line.thing}: the broker does not take it ({why})")
        for future in (line.ready, *line.waiting.values()):
            if not future.done():
                future.set_exception(error)
        line.waiting.clear()

    def _stop(self) -> None:
        self._stopping = True
        for line in self._lines.values():
            if line.sock is not None:
                line.client.disconnect()
                self._lost(line, "stopped")
            for future in (line.ready, *line.waiting.values()):
                if not future.done():
                    future.set_exception(ConnectionError(f"{line.thing}: the fleet was stopped"))

    # --- what paho says --------------------------------------------------------------------

    def _on_connect(
        self, client: paho.Client, line: _Line, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            logger.info("connection refused: %s", reason)
            return
        client.subscribe(watch_topic(line.tenant_id), qos=1)

    def _on_subscribe(
        self, _client: paho.Client, line: _Line, _mid: int, reasons: list[Any], _properties: Any
    ) -> None:
        if not line.ready.done():
            if any(reason.is_failure for reason in reasons):
                line.ready.set_exception(ConnectionError(f"{line.thing} may not hear its watch list"))
            else:
                line.ready.set_result(None)

    def _on_message(self, _client: paho.Client, line: _Line, message: paho.MQTTMessage) -> None:
        if line.on_watch is not None:
            line.on_watch([str(beacon) for beacon in json.loads(message.payload)["beacons"]])

    def _on_publish(
        self, _client: paho.Client, line: _Line, mid: int, _reason: Any, _properties: Any
    ) -> None:
        line.failures = 0
        future = line.waiting.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(None)

    def _on_disconnect(
        self, _client: paho.Client, line: _Line, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self._lost(line, str(reason))


def _pending(sock: Any) -> bool:
    """Whether TLS has decrypted bytes that no selector will announce."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
