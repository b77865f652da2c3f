"""Start and stop the embedded local cloud: MiniStack in a child process on free loopback ports."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from infra.local.server import ALIVE, KEEP

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("JIKIMI_HOME", ROOT / ".jikimi"))  # what outlives a command
REGION = "ap-northeast-2"
PREFIX = "jikimi-cloud-"
BOOT_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0


class CloudFailed(Exception):
    """The local cloud cannot be started, reached or stopped. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """A local cloud that runs, as `.jikimi/cloud.json` keeps it between commands."""

    pid: int
    directory: str
    endpoint: str
    mqtt_port: int
    outputs: dict[str, str]


class Server:
    """One MiniStack, bound to the life of this process until `keep`.

    endpoint: http://127.0.0.1:<port>. mqtt_port: mutual TLS.
    """

    def __init__(self, *, sign: bool = True) -> None:
        """Boot and wait until it answers. CloudFailed with its log's end when it does not."""
        self.kept = False
        sweep()
        for _ in range(3):  # somebody may take a free port between our look and its use
            self._start(sign=sign)
            if self._answers():
                return
            end = self._log()
            self.stop()
            if "in use" not in end:
                break
        raise CloudFailed(f"The local cloud did not start. Its last words:\n{end}")

    def _start(self, *, sign: bool) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        http_port, self.mqtt_port = free_ports(2)
        self.endpoint = f"http://127.0.0.1:{http_port}"
        with (self.directory / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.server", str(self.directory), str(http_port)],
                cwd=ROOT,
                env=self._environment(http_port, sign=sign),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us, and we stop it
            )

    def _environment(self, http_port: int, *, sign: bool) -> dict[str, str]:
        """What the server, and so every function, sees: nothing of this machine's accounts or settings."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        return kept | {
            "AUTH": "true" if sign else "false",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "BIND_HOST": "127.0.0.1",
            "DOCKER_HOST": f"unix://{self.directory}/no-docker",
            "GATEWAY_PORT": str(http_port),
            "IOT_MTLS_PORT": str(self.mqtt_port),
            "LOG_LEVEL": "WARNING",
            "MINISTACK_REGION": REGION,
            "S3_DATA_DIR": str(self.directory / "s3"),
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(self.directory / "state"),
            "TMPDIR": str(self.directory),
        }

    def _answers(self) -> bool:
        """Whether it became ready, HTTP and MQTT, before the deadline."""

        def ready() -> bool:
            if self.process.poll() is not None:
                raise ChildProcessError
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_ministack/ready", timeout=2) as answer:  # noqa: S310  # nosec B310 - our own loopback address
                    return bool(json.load(answer)["iot_mtls"] != "starting")
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False

        try:
            return wait_for(ready, BOOT_DEADLINE_S) and _listens(self.mqtt_port)
        except ChildProcessError:
            return False

    def _log(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")[-2000:]

    def keep(self) -> None:
        """Let it outlive this process: `jikimi down` will end it."""
        assert self.process.stdin is not None  # noqa: S101 -- Popen was asked for a pipe
        self.process.stdin.write(f"{KEEP}\n".encode())
        self.process.stdin.close()
        self.kept = True

    def stop(self) -> None:
        """End it and everything it started, and remove its directory. Safe to call twice."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def remember(running: Running, home: Path = HOME) -> None:
    """Write down a cloud that was kept, for the next command."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "cloud.json").write_text(json.dumps(asdict(running), indent=2))


def running(home: Path = HOME) -> Running | None:
    """The cloud that was kept, if it still lives."""
    try:
        known = Running(**json.loads((home / "cloud.json").read_text()))
    except FileNotFoundError:
        return None
    if not _lives(Path(known.directory)):
        (home / "cloud.json").unlink(missing_ok=True)
        return None
    return known


def end(known: Running, home: Path = HOME) -> None:
    """End a cloud that was kept. CloudFailed when it will not go."""
    os.kill(known.pid, signal.SIGTERM)
    if not wait_for(lambda: not _lives(Path(known.directory)), STOP_DEADLINE_S):
        raise CloudFailed(f"The local cloud does not stop. End process {known.pid} yourself.")
    shutil.rmtree(known.directory, ignore_errors=True)
    (home / "cloud.json").unlink(missing_ok=True)


def sweep() -> None:
    """Remove the directories of clouds that were killed so hard that they could not clean up."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            settled = time.time() - directory.stat().st_mtime > BOOT_DEADLINE_S
            if settled and directory.stat().st_uid == os.getuid() and not _lives(directory):
                shutil.rmtree(directory, ignore_errors=True)
        except FileNotFoundError:  # its owner was faster
            continue


def wait_for(condition: Callable[[], Any], deadline_s: float, every_s: float = 0.02) -> bool:
    """Whether the condition came true before the deadline."""
    until = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
    return True


def _lives(directory: Path) -> bool:
    """Whether a server still holds the directory's lock."""
    try:
        with (directory / ALIVE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
