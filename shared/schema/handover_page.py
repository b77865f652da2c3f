"""The hand-over's printable twin: one self-contained page that is one sheet of A4.

Built as a tree, so that nothing of the record can become markup. It loads nothing and runs nothing, and its
own policy forbids both. Long tables are cut to their newest rows and say so: the JSON has everything.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TypeVar
from xml.etree import ElementTree as ET

from shared.i18n import sentence
from shared.schema.handover import RESTRICTION, UNKNOWN, HandOver, Place

CONTENT_TYPE = "text/html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SEOUL = timezone(timedelta(hours=9))
TRACK_ROWS, CAMERA_ROWS, ACTION_ROWS, DELIVERY_ROWS = 5, 4, 6, 3
LETTERS = 200
"""Of one value. A line shows what fits and then …; the whole stands in the JSON."""

_UNPRINTABLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""Control characters, and those that turn the direction of a line."""

Row = TypeVar("Row")

_STYLE = """
@page { size: A4 portrait; margin: 8mm 9mm }
* { box-sizing: border-box }
html { font: 7.6pt/1.28 "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic", sans-serif;
  color: #000; background: #fff }
body { margin: 0 auto; max-width: 192mm }
h1 { font-size: 15pt; margin: 0 }
h2 { font-size: 8.4pt; margin: 1.3mm 0 0.4mm; border-left: 1.4mm solid #000; padding-left: 1.4mm }
header { display: flex; justify-content: space-between; align-items: flex-end;
  border-bottom: 0.6mm solid #000 }
header > div { min-width: 0 }
header p { margin: 0 0 1mm }
.status { font-size: 13pt; font-weight: 700; border: 0.6mm solid #000; padding: 0 3mm; margin: 0 0 1mm;
  flex: none }
.drill { text-align: center; font-size: 12pt; font-weight: 700; border: 0.8mm dashed #000; margin: 1mm 0 0 }
dl { display: grid; grid-template-columns: repeat(4, 24mm minmax(0, 1fr)); margin: 0;
  border-top: 0.2mm solid #666 }
dt, dd { margin: 0; padding: 0.35mm 1mm; border-bottom: 0.2mm solid #999 }
dt { background: #eee; font-weight: 600 }
dd.wide { grid-column: span 3 }
dd.full { grid-column: span 7 }
table { width: 100%; border-collapse: collapse; table-layout: fixed }
th, td { border: 0.2mm solid #999; padding: 0.25mm 1mm; text-align: left }
th { background: #eee; font-weight: 600 }
th.kind { width: 27mm }
th.at { width: 44mm }
th.place { width: 40mm }
th.radius, th.confirmed, th.version, th.look { width: 21mm }
th.what { width: 108mm }
dt, dd, th, td, header p { white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
dd, td { unicode-bidi: isolate }
.unknown { color: #555; font-style: italic }
footer { margin-top: 1.6mm; border-top: 0.6mm solid #000; padding-top: 0.8mm }
footer p { margin: 0 0 0.7mm }
code { font: 7pt "Noto Sans Mono", "DejaVu Sans Mono", Consolas, monospace; overflow-wrap: anywhere }
.sign { margin: 1.4mm 0; white-space: pre-wrap; font-size: 8.4pt }
tr, dl, header, footer { break-inside: avoid }
"""


def page(record: HandOver) -> str:
    """The record as an HTML document."""
    html = ET.Element("html", {"lang": "ko"})
    head = ET.SubElement(html, "head")
    ET.SubElement(head, "meta", {"charset": "utf-8"})
    ET.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    ET.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    ET.SubElement(head, "meta", {"name": "robots", "content": "noindex"})
    title = f"{_t('title')} {_t('nth', version=record.version)}"
    ET.SubElement(head, "title").text = _clean(f"{record.exercise_notice} {title}".strip())
    ET.SubElement(head, "style").text = _STYLE
    body = ET.SubElement(html, "body")
    _header(body, record)
    _subject(body, record)
    _people(body, record)
    _places(body, record)
    _search(body, record)
    _closing(body, record)
    _footer(body, record)
    return "<!doctype html>\n" + ET.tostring(html, encoding="unicode", method="html")


def _header(body: ET.Element, record: HandOver) -> None:
    header = ET.SubElement(body, "header")
    left = ET.SubElement(header, "div")
    _text(left, "h1", _t("title"))
    _text(left, "p", _t("from_to", tenant=record.tenant_name))
    _text(header, "p", f"{_word(record.status)} · {_t('nth', version=record.version)}", "status")
    if record.exercise_notice:
        _text(body, "p", record.exercise_notice, "drill")
    earlier = ", ".join(f"{_t('nth', version=r.version)} {_time(r.created_at)}" for r in record.replaces)
    _pairs(
        body,
        [
            ("record", record.record_id, "wide"),
            ("made", _time(record.created_at, date=True), "wide"),
            ("maker", record.created_by, "wide"),
            ("replaces", earlier or _t("none"), "wide"),
            ("basis", record.legal_basis, "full"),
        ],
    )


def _subject(body: ET.Element, record: HandOver) -> None:
    who = record.subject
    worn = who.outfit
    if not isinstance(worn, str):
        worn = " · ".join(f"{_word(piece)} {_colour(colour)}" for piece, colour in worn.items())
    years = who.age_y if isinstance(who.age_y, str) else _t("years", n=who.age_y)
    _text(body, "h2", _t("subject"))
    _pairs(
        body,
        [
            ("name", who.name, ""),
            ("sex", _word(who.sex), ""),
            ("age", years, ""),
            ("class", _word(who.subject_class), ""),
            ("outfit", worn, "full"),
            ("bag", who.bag_no, ""),
            ("photo", who.photo, ""),
            ("height", who.height, ""),
            ("build", who.build, ""),
            ("face", who.face, ""),
            ("hair", who.hair, ""),
            ("marks", who.marks, "wide"),
            ("communication", who.communication, "full"),
        ],
    )


def _people(body: ET.Element, record: HandOver) -> None:
    guardian, reporter = record.guardian, record.reporter
    _text(body, "h2", _t("guardian"))
    _pairs(
        body,
        [
            ("name", guardian.name, ""),
            ("relation", guardian.relation, ""),
            ("phone", guardian.phone, ""),
            ("reached", _time(guardian.reached_at), ""),
            ("consent_collection", _yes(guardian.consent_collection), ""),
            ("consent_police", _yes(guardian.consent_police_location), ""),
            ("consent_alert", _yes(guardian.consent_alert), "wide"),
        ],
    )
    _text(body, "h2", _t("reporter"))
    _pairs(
        body,
        [
            ("who", reporter.reporter, ""),
            ("role", _word(reporter.role), ""),
            ("facility", reporter.facility, "wide"),
            ("reported_at", _time(reporter.reported_at), ""),
            ("told_at", _time(reporter.police_told_at), ""),
            ("receipt", reporter.receipt_no, "wide"),
        ],
    )


def _places(body: ET.Element, record: HandOver) -> None:
    there, area = record.circumstances, record.area
    columns = ("kind", "at", "place", "radius", "source", "confirmed")
    _text(body, "h2", _t("last"))
    last = [("seen", there.last_seen), ("heard", there.last_heard), ("reported", there.last_reported)]
    _table(
        body,
        columns,
        [
            _place(place) if isinstance(place, Place) else [_t(kind), *[place] * (len(columns) - 1)]
            for kind, place in last
        ],
    )
    _listed(body, "history", columns, record.history, shown=TRACK_ROWS, cells=_place)
    _text(body, "h2", _t("area"))
    ring = area.reach_radius_m
    if not isinstance(ring, str):
        ring = _t("around", place=f"{area.reach_lat:.6f}, {area.reach_lon:.6f}", radius=ring)
    told = ", ".join(f"{name} ({_word(state)})" for name, state in area.neighbours.items())
    _pairs(body, [("reach", ring, "wide"), ("neighbours", told or _t("none"), "wide")])


def _search(body: ET.Element, record: HandOver) -> None:
    _listed(
        body,
        "cameras",
        ("camera", "look", "by", "since", "until"),
        record.cameras,
        shown=CAMERA_ROWS,
        cells=lambda c: [c.camera_id, _word(c.look), c.by, _time(c.since), _time(c.at)],
    )
    _listed(
        body,
        "actions",
        ("at", "what", "by"),
        record.actions,
        shown=ACTION_ROWS,
        cells=lambda a: [_time(a.at), a.text, a.actor],
    )
    _listed(
        body,
        "given",
        ("at", "to", "version", "channel", "purpose"),
        record.deliveries,
        shown=DELIVERY_ROWS,
        cells=lambda d: [_time(d.at), _word(d.to), str(d.version), _word(d.channel), _word(d.purpose)],
    )


def _closing(body: ET.Element, record: HandOver) -> None:
    end = record.closing
    _text(body, "h2", _t("closing"))
    _pairs(
        body,
        [
            ("secured_at", _time(end.secured_at), ""),
            ("secured_by", _word(end.secured_by), ""),
            ("with_guardian", _time(end.with_guardian_at), ""),
            ("reason", _word(end.reason), ""),
            ("destroy_by", _time(end.destroy_by, date=True), "full"),
        ],
    )


def _footer(body: ET.Element, record: HandOver) -> None:
    footer = ET.SubElement(body, "footer")
    _text(footer, "p", _t("receipt_line"), "sign")
    _text(footer, "p", _t("restriction", restriction=RESTRICTION))
    line = ET.SubElement(footer, "p")
    line.text = f"{_t('checksum')}: "
    _text(line, "code", record.checksum)
    _text(footer, "p", _t("checksum_how"))


def _listed(
    body: ET.Element,
    what: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    shown: int,
    cells: Callable[[Row], list[str]],
) -> None:
    """The newest rows, newest first, and how many there are."""
    newest = list(rows[-shown:])[::-1]
    _text(body, "h2", _t(what, shown=len(newest), all=len(rows)))
    _table(body, columns, [cells(row) for row in newest] or [[_t("none")]])


def _table(body: ET.Element, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = ET.SubElement(body, "table")
    top = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    for name in columns:
        _text(top, "th", _t(name), name)
    inner = ET.SubElement(table, "tbody")
    for row in rows:
        line = ET.SubElement(inner, "tr")
        for value in row:
            _text(line, "td", _short(value), "unknown" if value == UNKNOWN else "")
        if len(row) == 1:
            line[0].set("colspan", str(len(columns)))


def _pairs(body: ET.Element, pairs: Iterable[tuple[str, str, str]]) -> None:
    """Label, value and how wide the value is."""
    listed = ET.SubElement(body, "dl")
    for label, value, width in pairs:
        _text(listed, "dt", _t(label))
        kinds = " ".join(kind for kind in (width, "unknown" if value == UNKNOWN else "") if kind)
        _text(listed, "dd", _short(value), kinds)


def _text(parent: ET.Element, tag: str, text: str, kind: str = "") -> None:
    ET.SubElement(parent, tag, {"class": kind} if kind else {}).text = _clean(text)


def _place(place: Place) -> list[str]:
    return [
        _t(place.kind),
        f"{_time(place.at)} ({_age(place.age_s)})",
        f"{place.lat:.6f}, {place.lon:.6f}",
        f"{place.radius_m:g} m",
        place.source,
        _yes(place.confirmed),
    ]


def _t(code: str, **params: str | int) -> str:
    return sentence(f"handover.{code}", params)


def _word(value: str) -> str:
    """A word of ours in Korean; anything else as it is."""
    said = sentence(f"handover.word.{value}", {}) if re.fullmatch(r"[A-Za-z0-9-]+", value) else value
    return value if said.startswith("handover.word.") else said


def _colour(value: str) -> str:
    said = sentence(f"common.colours.{value}", {}) if value.isalpha() else value
    return value if said.startswith("common.colours.") else said


def _yes(value: bool | str) -> str:  # noqa: FBT001 - a field of the record
    return value if isinstance(value, str) else _t("yes" if value else "no")


def _time(at: datetime | str, *, date: bool = False) -> str:
    if isinstance(at, str):
        return at
    return at.astimezone(SEOUL).strftime("%Y-%m-%d %H:%M:%S" if date else "%m-%d %H:%M:%S")


def _age(seconds: int) -> str:
    if seconds < 120:
        return _t("age_s", n=seconds)
    return _t("age_min", n=seconds // 60) if seconds < 7200 else _t("age_h", n=seconds // 3600)


def _short(value: str) -> str:
    return value if len(value) <= LETTERS else value[: LETTERS - 1] + "…"


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
