"""`make sfn-localstack`: the state machine on LocalStack's own Step Functions engine, without Docker.

LocalStack lives in a virtual environment of its own (its pins and ours do not agree). Where it cannot
be installed, says why and succeeds: it is a cross-check, moto's copy of the engine is the reference.
"""
# ruff: noqa: S603, T201 - a command for a terminal, starting commands of our own making

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.start import REGION, ROOT, CloudFailed, free_ports, wait_for

RELEASE = "localstack-core[runtime]==4.14.0"
AS_OF = "2026-03-10"  # what it was released with; later versions of its dependencies break it
PYTHON = "3.13"
VENV = ROOT / ".build/localstack"
TESTS = "tests/integration/test_localstack_engine.py"
BOOT_DEADLINE_S = 180.0


def main() -> int:
    """The tests' exit code; 0 with a sentence when LocalStack cannot be installed."""
    try:
        install()
    except CloudFailed as reason:
        print(f"Skipped: {reason}")
        return 0
    with engine(ROOT / "tests/integration/localstack_engine.json") as endpoint:
        return subprocess.run(
            [sys.executable, "-m", "pytest", TESTS, *sys.argv[1:]],
            cwd=ROOT,
            env=os.environ | {"JIKIMI_LOCALSTACK_ENGINE": endpoint},
            check=False,
        ).returncode


def install() -> None:
    """LocalStack in its own environment. CloudFailed when Python or the packages cannot be had."""
    if (VENV / ".ready").exists():
        return
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise CloudFailed("it takes uv to resolve LocalStack as of its release. Install it: pip install uv")
    print(f"Installing {RELEASE} (350 MB, a minute or two)")
    for step in (
        [uv, "venv", "--quiet", "--clear", "--python", _python(), str(VENV)],
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            f"{VENV}/bin/python",
            "--exclude-newer",
            AS_OF,
            RELEASE,
        ],
    ):
        done = subprocess.run(step, capture_output=True, text=True, check=False, timeout=900)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:]
            raise CloudFailed(f"{RELEASE} with Python {PYTHON} cannot be installed. {''.join(why).strip()}")
    (VENV / ".ready").touch()


def _python() -> str:
    """A Python that LocalStack runs on: one on the path or of pyenv's; else uv looks, and may fetch one."""
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{PYTHON}*/bin/python"))
    for candidate in (f"python{PYTHON}", *map(str, of_pyenv)):
        try:
            subprocess.run([candidate, "-c", ""], check=True, capture_output=True, timeout=30)
        except (FileNotFoundError, subprocess.SubprocessError):
            continue
        return shutil.which(candidate) or candidate
    return PYTHON


@contextmanager
def engine(mocks: Path) -> Iterator[str]:
    """LocalStack's Step Functions with mocked task results; its endpoint. Gone afterwards."""
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory(prefix="jikimi-localstack-") as folder,
        Path(folder, "log").open("w+") as log,
    ):
        process = subprocess.Popen(
            [VENV / "bin/python", "-m", "localstack.runtime.main"],
            cwd=folder,
            env=_environment(folder, port, mocks),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            if not wait_for(lambda: process.poll() is not None or _answers(endpoint), BOOT_DEADLINE_S, 0.2):
                process.kill()
            if process.poll() is not None:
                log.seek(0)
                raise CloudFailed(f"LocalStack did not start:\n{log.read()[-1500:]}")
            yield endpoint
        finally:
            process.kill()  # nothing in it is worth a graceful end
            process.wait()


def _environment(folder: str, port: int, mocks: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "XDG_CACHE_HOME": f"{folder}/cache",
        "FILESYSTEM_ROOT": f"{folder}/files",
        "TMPDIR": folder,
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "SERVICES": "stepfunctions,sts",
        "SFN_MOCK_CONFIG": str(mocks),
        "AWS_DEFAULT_REGION": REGION,
        "DISABLE_EVENTS": "1",  # no telemetry
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
    }


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=2) as answer:  # noqa: S310  # nosec B310 - loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


if __name__ == "__main__":
    sys.exit(main())
