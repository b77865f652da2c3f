"""The figures of the screens, measured where a reader would feel them. Used by tests and by `criteria`."""

import math
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from playwright.sync_api import Page, expect

from infra.local.start import Server
from shared.domain.geo import LatLon
from shared.ports import Group
from shared.schema.live import encode_frame
from tests.web import stage
from tests.web.browser import Screens
from tests.web.world import PASSWORD, World

MOVING = 3100


class Broker:
    """A real MQTT broker beside a world: what the world's API tells its screens goes through it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = server.endpoint.rsplit(":", 1)[1]
        self._client = boto3.client(
            "iot-data",
            endpoint_url=server.endpoint,
            region_name="ap-northeast-2",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    @property
    def origin(self) -> str:
        return f"ws://data-ats.iot.ap-northeast-2.localhost:{self.port}"

    def join(self, world: World) -> "Heard":
        """Let this world's screens listen here."""
        table = world.cloud.table("live")
        heard = Heard(self)
        table["heard"] = heard
        table["url"] = f"{self.origin}/mqtt"
        return heard

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic=topic, qos=0, payload=payload)

    def freeze(self) -> None:
        os.killpg(self.server.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.server.process.pid, signal.SIGCONT)


class Heard(list[tuple[str, bytes]]):
    """What was told: published at once, with the moment it left."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self.left_ms: list[float] = []

    def append(self, told: tuple[str, bytes]) -> None:
        super().append(told)
        self.left_ms.append(time.time() * 1000)
        self._broker.publish(*told)


@contextmanager
def broker() -> Iterator[Broker]:
    with Server(sign=False) as server:
        yield Broker(server)


def live_console(screens: Screens, user: str = "operator-garam") -> Page:
    page = screens.open("/console", user)
    expect(page.locator("[data-link=live]")).to_be_visible()
    return page


def alerts_ms(screens: Screens, heard: Heard, alerts: int) -> list[float]:
    """Publish → painted, for so many alerts: until the frame after the case's row is in the page."""
    world, page = screens.world, live_console(screens)
    page.evaluate(
        """() => {
          window.painted = {}
          new MutationObserver(() => {
            for (const row of document.querySelectorAll('[data-case]')) {
              const id = row.dataset.case
              if (id in painted) continue
              painted[id] = 0
              requestAnimationFrame(() => setTimeout(() => (painted[id] = Date.now())))
            }
          }).observe(document.body, { childList: true, subtree: true })
        }"""
    )
    children = [child for child in world.city.children["garam"] if child.consent][:alerts]
    found = []
    for child in children:
        case = world.call("operator2-garam", "POST", "cases", {"child_id": child.child_id})["case"]
        left_ms = heard.left_ms[-1]
        expect(page.locator(f"[data-case={case['case_id']}]").first).to_be_attached()
        found.append(page.evaluate(_PAINTED, case["case_id"]) - left_ms)
        world.call(
            "operator2-garam",
            "POST",
            f"cases/{case['case_id']}/close",
            {"reason": "false-alarm", "note": "-"},
        )
    page.close()
    return found


_PAINTED = """async (id) => {
  while (!window.painted[id]) await new Promise(requestAnimationFrame)
  return window.painted[id]
}"""

_FPS = """async (ms) => {
  const gaps = []
  const start = performance.now()
  let last = start
  while (last - start < ms) {
    const now = await new Promise(requestAnimationFrame)
    gaps.push(now - last)
    last = now
  }
  return { fps: (1000 * gaps.length) / (last - start), gap_ms: Math.max(...gaps.slice(1)) }
}"""


def frames(screens: Screens, broker: Broker, seconds: float = 4.0) -> dict[str, dict[str, float]]:
    """Frames a second with 3,100 markers moving at 1 Hz, no WebGL: still, and while the map is dragged."""
    world = screens.world
    case = stage.outing(world).together(near=[0]).report(0)
    page = live_console(screens)
    expect(page.locator(f"[data-case={case['case_id']}]").first).to_be_visible()
    with moving(world, broker):
        page.wait_for_timeout(1500)  # the first frames are decoded before the clock starts
        still = page.evaluate(_FPS, seconds * 1000)
        page.evaluate(f"window.dragged = ({_FPS})({seconds * 1000})")
        until = time.monotonic() + seconds
        page.mouse.move(900, 600)
        page.mouse.down()
        step = 0
        while time.monotonic() < until:
            step += 1
            page.mouse.move(900 + 250 * math.sin(step / 8), 600 + 120 * math.cos(step / 8))
        page.mouse.up()
        dragged = page.evaluate("window.dragged")
    page.close()
    return {"still": still, "dragged": dragged}


@contextmanager
def moving(world: World, broker: Broker) -> Iterator[None]:
    """3,100 groups walk through the district, a frame every second, until the block ends."""
    tenant = world.city.tenant("garam")
    ring = tenant.boundary.ring
    south, north = min(c.lat_deg for c in ring), max(c.lat_deg for c in ring)
    west, east = min(c.lon_deg for c in ring), max(c.lon_deg for c in ring)
    over = threading.Event()

    def walk() -> None:
        for beat in range(10_000):
            groups = [
                Group(
                    f"o-{n}",
                    LatLon(
                        south + (north - south) * ((n * 0.618 + beat * 0.0005) % 1),
                        west + (east - west) * ((n * 0.414 + beat * 0.0007) % 1),
                    ),
                    1,
                    0 if n % 50 else 1,
                )
                for n in range(MOVING)
            ]
            frame = encode_frame(groups, boundary=tenant.boundary, at=world.clock.now())
            broker.publish("live/jikimi/garam/frame", frame)
            if over.wait(1):
                return

    thread = threading.Thread(target=walk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


def cold(screens: Screens, path: str, user: str, ready: str) -> dict[str, float]:
    """The first visit: kilobytes on the wire, requests, and milliseconds until `ready` is in the page."""
    page = screens.open("/static/icons/jikimi.svg", user, service_workers="block")
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    sizes: list[float] = []
    cdp.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"{screens.url}{path}", wait_until="commit")
    page.locator(ready).first.wait_for()
    ready_ms = page.evaluate("performance.now()")
    page.wait_for_load_state("networkidle") if not user else page.wait_for_timeout(400)
    page.close()
    return {"kb": sum(sizes) / 1024, "requests": len(sizes), "ready_ms": ready_ms}


def until_s(page: Page, selector: str, timeout_s: float) -> float:
    """Seconds until something is on the page."""
    start = time.monotonic()
    page.locator(selector).first.wait_for(timeout=timeout_s * 1000)
    return time.monotonic() - start


def acknowledged_ms(screens: Screens) -> float:
    """F2 → the owner stands on the screen."""
    stage.outing(screens.world).report(0)
    page = screens.open("/console", "operator-garam")
    expect(page.locator("[data-alert]")).to_be_visible()
    page.evaluate(
        """() => {
          const pressed = () => (window.pressed = performance.now())
          addEventListener('keydown', pressed, { once: true, capture: true })
          new MutationObserver(() => {
            if (document.querySelector('.owned')) window.owned ??= performance.now()
          }).observe(document.body, { childList: true, subtree: true })
        }"""
    )
    page.keyboard.press("F2")
    page.locator(".owned").wait_for()
    taken: float = page.evaluate("window.owned - window.pressed")
    return taken


def rings_after_ms(screens: Screens) -> float:
    """The banner is in the page → the alarm starts to sound. Signing in by hand lets the browser sound."""
    page = screens.open("/console")
    page.fill("[name=username]", "operator-garam")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.locator(".counts").wait_for()
    page.evaluate(
        """() => new MutationObserver(() => {
          if (document.querySelector('[data-alert]')) window.banner ??= performance.now()
        }).observe(document.body, { childList: true, subtree: true })"""
    )
    stage.outing(screens.world).report(0)
    page.locator("[data-alert]").wait_for()
    found: float = page.evaluate(
        """async () => {
          const rang = () => performance.getEntriesByName('ring')[0]?.startTime
          while (!rang()) await new Promise(requestAnimationFrame)
          return rang() - window.banner
        }"""
    )
    return found


def heap_growth_mb(screens: Screens, broker: Broker, seconds: float) -> float:
    """Heap after so long with 3,100 moving, less the heap at the start; garbage collected before each."""
    page = live_console(screens)
    cdp = page.context.new_cdp_session(page)

    def used() -> float:
        cdp.send("HeapProfiler.collectGarbage")
        return float(cdp.send("Runtime.getHeapUsage")["usedSize"])

    with moving(screens.world, broker):
        page.wait_for_timeout(3000)
        before = used()
        page.wait_for_timeout(seconds * 1000)
        grown = used() - before
    page.close()
    return grown / 1e6


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def spread(values: list[float]) -> dict[str, Any]:
    return {"p50": statistics.median(values), "p95": percentile(values, 0.95), "max": max(values)}
