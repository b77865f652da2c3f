"""What the console function serves: the policy, the budgets, the vendored files, the colours. No browser."""

import base64
import gzip
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from functions.console.handler import lambda_handler
from tests.web import ground
from tests.web.conftest import MUTANT

ROOT = Path(__file__).parents[2]
STATIC = Path(os.environ.get(MUTANT, ROOT / "functions/console/static")).resolve()
PAGES = ("/", "/console", "/wall", "/phone", "/admin", "/police")
TEXT, SHAPE, ALARM = 4.5, 3.0, 7.0


def get(path: str, **headers: str) -> dict[str, Any]:
    """A GET of the console function."""
    event = {"rawPath": path, "headers": headers, "requestContext": {"stage": "$default"}}
    return lambda_handler(event, None)


def body(answer: dict[str, Any]) -> bytes:
    return base64.b64decode(answer["body"])


@pytest.mark.parametrize("path", PAGES)
def test_every_page_forbids_inline_code_and_foreign_origins(path: str) -> None:
    policy = get(path)["headers"]["content-security-policy"]

    assert "script-src 'self';" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_inline_code_or_style(path: str) -> None:
    page = body(get(path)).decode()

    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize("path", PAGES)
def test_every_file_a_page_names_is_served(path: str) -> None:
    page = body(get(path)).decode()
    named = re.findall(r'(?:src|href)="(static/[^"]+)"', page)

    assert [name for name in named if get(f"/{name}")["statusCode"] != 200] == []


def test_every_import_of_a_module_is_served() -> None:
    missing = [
        (module.name, name)
        for module in (STATIC / "js").glob("*.js")
        for name in re.findall(r"from '(\.[^']+)'", module.read_text(encoding="utf-8"))
        if not (module.parent / name).resolve().is_file()
    ]

    assert missing == []


@pytest.mark.parametrize(
    "path", ["/static/../handler.py", "/static/%2e%2e/handler.py", "/static/", "/nowhere", "/js/api.js"]
)
def test_nothing_outside_the_static_folder_is_served(path: str) -> None:
    assert get(path)["statusCode"] == 404


def test_a_known_file_is_not_sent_again() -> None:
    tag = get("/console")["headers"]["etag"]

    assert get("/console", **{"if-none-match": tag})["statusCode"] == 304


def test_a_packed_answer_is_the_same_file() -> None:
    packed = get("/static/js/phone.js", **{"accept-encoding": "gzip, br"})

    assert gzip.decompress(body(packed)) == (STATIC / "js/phone.js").read_bytes()


@pytest.mark.parametrize(
    "folder", [STATIC / "vendor", Path(__file__).with_name("vendor")], ids=["shown", "tests"]
)
def test_vendored_files_are_the_published_ones(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    found = {
        entry["file"]: hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() for entry in manifest
    }

    assert found == {entry["file"]: entry["sha256"] for entry in manifest}


@pytest.mark.parametrize(
    "folder", [STATIC / "vendor", Path(__file__).with_name("vendor")], ids=["shown", "tests"]
)
def test_no_vendored_file_is_without_name_version_licence(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    named = {
        entry["file"] for entry in manifest if entry["package"] and entry["version"] and entry["licence"]
    }

    assert {f.name for f in folder.iterdir() if f.suffix in (".js", ".css")} == named


def test_both_languages_say_the_same_things() -> None:
    def paths(node: Any, at: str = "") -> set[str]:
        if isinstance(node, str):
            return {at + " " + ",".join(sorted(set(re.findall(r"\{(\w+)\}", node))))}
        return {path for name, child in node.items() for path in paths(child, f"{at}.{name}")}

    korean, english = (json.loads(body(get(f"/static/i18n/{language}.json"))) for language in ("ko", "en"))

    assert paths(korean) == paths(english)


@pytest.mark.parametrize(
    ("dictionary", "modules"),
    [("ko", "[!a]*.js"), ("ko", "api.js"), ("admin.ko", "admin.js"), ("admin.ko", "page.js")],
)
def test_every_sentence_a_page_asks_for_exists(dictionary: str, modules: str) -> None:
    words = json.loads(body(get(f"/static/i18n/{dictionary}.json")))
    asked = {
        path
        for module in (STATIC / "js").glob(modules)
        for path in re.findall(r"\bt\('([a-z_]+(?:\.[a-z0-9_-]+)+)'", module.read_text(encoding="utf-8"))
    }

    def found(path: str) -> bool:
        node: Any = words
        for name in path.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        return isinstance(node, str)

    assert sorted(path for path in asked if not found(path)) == []


def test_the_basemap_is_the_demo_city() -> None:
    assert {
        name: (STATIC / "map" / name).read_text(encoding="utf-8") for name in ground.files()
    } == ground.files()


def weight_kb(page: str) -> float:
    """What a first visit loads, packed: the page, what it names, and what its modules import."""
    waiting, seen = [page, "/static/i18n/ko.json"], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = gzip.decompress(body(get(path, **{"accept-encoding": "gzip"}))).decode(errors="ignore")
        if path in PAGES:
            waiting += [
                f"/{name}" for name in re.findall(r'(?:src|href)="(static/[^"]+\.(?:js|css|svg))"', text)
            ]
        elif path.startswith("/static/js/"):
            base = STATIC / path.removeprefix("/static/")
            for name in re.findall(r"from '(\.[^']+)'", text):
                waiting.append(f"/static/{(base.parent / name).resolve().relative_to(STATIC)}")
    return sum(len(body(get(path, **{"accept-encoding": "gzip"}))) for path in seen) / 1024


@pytest.mark.parametrize(("page", "budget_kb"), [("/console", 300), ("/wall", 300), ("/phone", 60)])
def test_a_first_visit_keeps_to_its_budget(page: str, budget_kb: int) -> None:
    assert weight_kb(page) <= budget_kb


def tokens(*files: str) -> dict[str, str]:
    """Colour tokens, later files over earlier ones."""
    found: dict[str, str] = {}
    for file in files:
        text = (STATIC / "css" / file).read_text(encoding="utf-8")
        root = re.search(r":root\s*\{(.*?)\n\}", text, re.DOTALL)
        found |= dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", root[1] if root else ""))
    return found


def contrast(a: str, b: str) -> float:
    """WCAG 2.2 contrast ratio of two colours."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


DARK = tokens("tokens.css")
LIGHT = tokens("tokens.css", "phone.css")
GROUNDS = ("ground", "panel", "raised")
DRAWN = (
    *("scanner", "dark-scanner", "group", "case", "heard", "seen", "reported", "reach"),
    *("map-border", "badge", "red", "amber"),
)
PAIRS = [
    *((DARK, ink, on, TEXT) for ink in ("ink", "muted", "accent", "red", "amber", "green") for on in GROUNDS),
    *((DARK, "purple", on, TEXT) for on in GROUNDS),
    *((LIGHT, ink, on, TEXT) for ink in ("ink", "muted", "red", "green", "amber") for on in GROUNDS),
    (DARK, "on-alarm", "alarm", ALARM),
    (LIGHT, "on-alarm", "alarm", ALARM),
    (DARK, "ink", "drill", ALARM),
    (DARK, "on-ack", "ack", ALARM),
    (DARK, "on-accent", "accent", TEXT),
    (DARK, "on-badge", "badge", ALARM),
    (LIGHT, "on-accent", "accent", TEXT),
    *((DARK, ink, "map-ground", SHAPE) for ink in DRAWN),
    *((DARK, "line", on, SHAPE) for on in GROUNDS),
    (DARK, "alarm-line", "ground", SHAPE),
    (DARK, "drill-line", "ground", SHAPE),
    (LIGHT, "line", "panel", SHAPE),
    (LIGHT, "focus", "panel", SHAPE),
    (DARK, "focus", "panel", SHAPE),
]


@pytest.mark.parametrize(
    ("theme", "ink", "ground", "least"), PAIRS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_colours_can_be_told_apart(theme: dict[str, str], ink: str, ground: str, least: float) -> None:
    assert contrast(theme[ink], theme[ground]) >= least


def test_white_on_the_phones_red_fills_is_alarm_text() -> None:
    fills = re.findall(
        r"(?:background|\.alarm-screen \{ background): (#[0-9a-f]{6})", (STATIC / "css/phone.css").read_text()
    )
    red = [fill for fill in fills if int(fill[1:3], 16) > 0x60 and int(fill[3:5], 16) < 0x30]

    assert red
    assert [fill for fill in red if contrast("#ffffff", fill) < ALARM] == []
