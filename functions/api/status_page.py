"""A guardian's status page: plain HTML that any phone shows, with no script and nothing from elsewhere."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from html import escape

from shared.domain.guardian import SEOUL
from shared.i18n import sentence
from shared.schema.guardians import StatusTold

REFRESH_S = 30

_STYLE = (
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:0 auto;padding:1.5rem;color:#111;"
    "background:#fff}h1{font-size:1.4rem}p{margin:.6rem 0}.at{color:#444}"
    "a{color:#0b4f9e;font-weight:700}@media(prefers-color-scheme:dark){body{color:#eee;background:#111}"
    ".at{color:#bbb}a{color:#8ec5ff}}"
)
_ALLOWED = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_ALLOWED}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address is the secret
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Refresh": str(REFRESH_S),
}


def page(told: StatusTold) -> str:
    """The page, in Korean. Every word from outside is escaped."""
    say = "".join(f"<p>{escape(text)}</p>" for text in told.text)
    phone = escape(told.phone)
    call = f'<p><a href="tel:{phone}">{phone}</a></p>' if told.phone else ""
    title = escape(sentence("guardian.status.title", {}))
    at = escape(sentence("guardian.status.updated", {"at": _clock(told.updated_at)}))
    until = escape(sentence("guardian.status.until", {"at": _clock(told.until)}))
    return (
        '<!doctype html><html lang="ko"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{title}</h1>{say}{call}<p class="at">{at}</p><p class="at">{until}</p></main></body></html>'
    )


def _clock(at: datetime) -> str:
    return at.astimezone(SEOUL).strftime("%m-%d %H:%M:%S")
