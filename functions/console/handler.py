"""Serve the operator console, the wall display, the teacher's phone and the admin pages.

Static files of this folder and the sentences of `shared/i18n`, under a strict content security policy.
Nothing here knows a child: every fact comes from the HTTP API, with the reader's own token.
"""

import base64
import gzip
import hashlib
import json
import mimetypes
import os
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import shared

_STATIC = Path(__file__).with_name("static")
_PAGES = {"/": "console.html", "/console": "console.html", "/wall": "wall.html", "/phone": "phone.html"}
_PAGES |= {"/police": "police.html", "/admin": "admin.html", "/sw.js": "sw.js"}
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json"}
_FOREVER = "public, max-age=31536000, immutable"  # a vendored file's name holds its version
_SECTIONS = (
    *("camera", "common", "console", "departure", "error", "fix", "phone", "police", "timeline", "wall"),
)
_ADMIN_SECTIONS = ("admin", "common", "drill", "error", "quarantine", "report")  # no phone carries these


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """An HTTP API (payload 2.0) request for a page, a file or a dictionary."""
    del context
    path = event["rawPath"].removeprefix(f"/{event['requestContext'].get('stage', '$default')}")
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    found = _file(path)
    if found is None:
        return {"statusCode": 404, "headers": {"content-type": "text/plain"}, "body": "not found"}
    body, kind, tag = found
    out = {"content-type": kind, "etag": tag, "vary": "accept-encoding", **_security()}
    out["cache-control"] = _FOREVER if path.startswith("/static/vendor/") else "no-cache"
    if headers.get("if-none-match") == tag:
        return {"statusCode": 304, "headers": out}
    if "gzip" in headers.get("accept-encoding", ""):
        body, out["content-encoding"] = _packed(path), "gzip"
    return {
        "statusCode": 200,
        "headers": out,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


@cache
def _file(path: str) -> tuple[bytes, str, str] | None:
    """Content, content type and entity tag; None when there is no such file."""
    name = _PAGES.get(path) or path.removeprefix("/static/")
    if name.startswith("i18n/"):
        body = _dictionary(PurePosixPath(name).stem)
    else:
        file = (_STATIC / name).resolve()
        body = file.read_bytes() if file.is_relative_to(_STATIC.resolve()) and file.is_file() else None
    if body is None or (path not in _PAGES and not path.startswith("/static/")):
        return None
    suffix = PurePosixPath(name).suffix
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind.endswith("json"):
        kind += "; charset=utf-8"
    return body, kind, f'"{hashlib.sha256(body).hexdigest()[:16]}"'


@cache
def _packed(path: str) -> bytes:
    found = _file(path)
    return gzip.compress(found[0], 9, mtime=0) if found else b""


def _dictionary(name: str) -> bytes | None:
    """The sentences that screens ("ko") or the administrator's page ("admin.ko") show; None for others."""
    page, _, language = name.rpartition(".")
    wanted = {"": _SECTIONS, "admin": _ADMIN_SECTIONS}.get(page)
    if wanted is None:
        return None
    file = Path(str(shared.__file__)).with_name("i18n") / f"{language}.json"
    if not file.is_file():
        return None
    sections = json.loads(file.read_text(encoding="utf-8"))
    shown = {name: sections[name] for name in wanted if name in sections}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def _security() -> dict[str, str]:
    live = os.environ.get("JIKIMI_LIVE_ORIGIN", "")
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {live}".strip(),
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "permissions-policy": "camera=(), microphone=(), payment=()",
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=31536000",
        "x-content-type-options": "nosniff",
    }
