"""A real Chromium, found or installed, and pages in it that are watched for every fault."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.web.world import PASSWORD, World

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-3d-apis",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=user-gesture-required",
)
AXE = Path(__file__).with_name("vendor") / "axe-4.14.1.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class NoBrowser(Exception):
    """There is no Chromium and none can be installed. The text says why."""


def chromium() -> str:
    """The path of a Chromium; where root and apt-get are there, installed with fonts for Korean."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return found
    apt = shutil.which("apt-get")
    if not apt or os.geteuid() != 0:
        raise NoBrowser(
            f"none of {', '.join(NAMES)} is on PATH, and only root with apt-get could install one"
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "chromium", "fonts-noto-cjk"]):
        done = subprocess.run([apt, *command], env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoBrowser(f"apt-get {command[0]} failed: {done.stderr.strip()[-200:]}")
    installed = shutil.which("chromium")
    if not installed:
        raise NoBrowser("apt-get installed chromium, and it is not on PATH")
    return installed


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Screens:
    """Opens pages of one world as its people. faults: what any of them complained of."""

    browser: Browser
    world: World
    url: str
    faults: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(
        self,
        path: str,
        user: str = "",
        *,
        size: tuple[int, int] = (1920, 1080),
        language: str = "ko",
        **options: Any,
    ) -> Page:
        """A page in a context of its own, signed in without typing when `user` is given."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale="ko-KR",
            timezone_id="Asia/Seoul",
            **options,
        )
        self.contexts.append(context)
        context.add_init_script(f"localStorage['jikimi.language'] ??= '{language}'")
        if user:
            session = json.dumps(json.dumps(self._session(user)))
            context.add_init_script(
                "for (const store of [localStorage, sessionStorage])"
                f" store.getItem('jikimi.session') || store.setItem('jikimi.session', {session})"
            )
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(self.url + path)
        return page

    def _session(self, user: str) -> dict[str, Any]:
        body = json.dumps({"username": user, "password": PASSWORD}).encode()
        status, _, answer = self.world.answer(
            "POST", "/v1/sign-in", {"content-type": "application/json"}, body
        )
        assert status == 200, answer
        return dict(json.loads(answer))

    def _said(self, message: ConsoleMessage) -> None:
        refused = (
            message.text.startswith("Failed to load resource") or "WebSocket connection to" in message.text
        )
        if message.type in ("error", "warning") and not refused:  # a refusal is shown to the reader instead
            self.faults.append(message.text)

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        self.contexts.clear()


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA on the page as it is: rule and the first node."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "tags => axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })",
        WCAG,
    )
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['failureSummary'][:200]}"
        for v in found["violations"]
    ]
