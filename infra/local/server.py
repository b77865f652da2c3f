"""The process the embedded local cloud lives in: MiniStack, held on a leash.

Started by `infra.local.start`, never by hand. It serves on the loopback interface only, owns its
directory (temporary files of functions included), and ends, taking both with it, when

* it is told to (SIGTERM, SIGINT), or
* the pipe on its standard input closes, which the system does however the parent died,
  unless the parent said `keep` first.

A lock on `<directory>/alive` is held for life, so that anybody can tell a living directory from a left one.
"""

import asyncio
import fcntl
import os
import resource
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

ALIVE = "alive"
KEEP = "keep"


class LoopbackLoop(asyncio.SelectorEventLoop):
    """An event loop that listens on 127.0.0.1 only: MiniStack binds its MQTT port to every interface."""

    async def create_server(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        loopback = None if host is None else "127.0.0.1"
        return await super().create_server(factory, loopback, port, **options)


def main() -> None:
    """Serve until told to stop or left alone. Arguments: the directory to own, the HTTP port."""
    directory, port = Path(sys.argv[1]), int(sys.argv[2])
    alive = (directory / ALIVE).open("w")
    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # every device and every function worker is a file
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=LoopbackLoop) as runner:
        try:
            runner.run(_serve(port))
        finally:
            _leave_nothing(directory)


async def _serve(port: int) -> None:
    # MiniStack reads its settings when imported, and costs half a second.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threading.Thread(target=_watch_parent, args=(loop, stop), daemon=True).start()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=_never))
    stopping = asyncio.create_task(stop.wait())
    # Nothing is saved, so nothing is worth a graceful end: devices and workers would only delay it.
    done, _ = await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if serving in done:
        serving.result()


async def _never() -> None:
    await asyncio.Event().wait()


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Blocks on the pipe; its end without `keep` means the parent is gone."""
    if sys.stdin.readline().strip() != KEEP:
        loop.call_soon_threadsafe(stop.set)


def _leave_nothing(directory: Path) -> None:
    """End the functions' workers, which are in our process group; remove the directory. Never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)
    sys.stdout.flush()
    sys.stderr.flush()
    shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
