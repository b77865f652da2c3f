"""The hand-over's CAP 1.2 twin (OASIS Standard, 1 July 2010): one restricted alert per version.

The first version is an Alert, each later one an Update that refers to the one before, by sender, identifier
and time. Blocks of the record are parameters `jikimi:<block>.<field>`; places are areas with a circle.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree as ET

from shared.schema.handover import RESTRICTION, UNKNOWN, HandOver, Place, Replaced

CONTENT_TYPE = "application/cap+xml"
NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SEOUL = timezone(timedelta(hours=9))

_UNWRITABLE = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML 1.0 cannot hold, escaped or not."""


def cap(record: HandOver) -> str:
    """The record as a CAP message, with its XML declaration."""
    ET.register_namespace("", NAMESPACE)
    alert = _Element("alert")
    alert.add("identifier", _identifier(record, record.version))
    alert.add("sender", _sender(record))
    alert.add("sent", _time(record.created_at))
    alert.add("status", record.status)
    alert.add("msgType", "Update" if record.replaces else "Alert")
    alert.add("scope", "Restricted")
    alert.add("restriction", RESTRICTION)
    if record.exercise_notice:
        alert.add("note", record.exercise_notice)
    if record.replaces:
        alert.add("references", " ".join(_reference(record, each) for each in record.replaces))
    alert.add("incidents", record.case_id)
    _info(alert.child("info"), record)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(alert.node, encoding="unicode")


def _info(info: "_Element", record: HandOver) -> None:
    over = record.closing.reason != UNKNOWN or isinstance(record.closing.secured_at, datetime)
    there = record.circumstances
    known = any(isinstance(each, Place) for each in (there.last_seen, there.last_heard))
    prefix = f"{record.exercise_notice} " if record.exercise_notice else ""
    info.add("language", "ko-KR")
    info.add("category", "Rescue")
    info.add("event", f"{prefix}실종자 수색")
    info.add("responseType", "AllClear" if over else "Assess")
    info.add("urgency", "Past" if over else "Immediate")
    info.add("severity", "Severe")
    info.add("certainty", "Observed" if known else "Possible")
    info.add("audience", "경찰")
    info.add("effective", _time(record.created_at))
    info.add("senderName", f"{record.tenant_name} 관제센터")
    info.add("headline", f"{prefix}{record.tenant_name} 실종자 수색 공조 · 제{record.version}판")
    info.add("description", _description(record))
    info.add("instruction", f"{RESTRICTION}. 접수하면 접수 확인(T10)을 눌러 주세요.")
    for name, value in _parameters(record):
        parameter = info.child("parameter")
        parameter.add("valueName", f"jikimi:{name}")
        parameter.add("value", value)
    for what, circle in _areas(record):
        area = info.child("area")
        area.add("areaDesc", what)
        area.add("circle", circle)


def _description(record: HandOver) -> str:
    subject = record.subject
    worn = subject.outfit if isinstance(subject.outfit, str) else _pairs(subject.outfit)
    return f"{subject.name}, {subject.sex}, {subject.age_y}세. 옷차림: {worn}. 가방 번호: {subject.bag_no}."


def _parameters(record: HandOver) -> Iterator[tuple[str, str]]:
    yield "record_id", record.record_id
    yield "version", str(record.version)
    yield "checksum", record.checksum
    yield "legal_basis", record.legal_basis
    for block in ("subject", "guardian", "reporter", "closing"):
        for name, value in getattr(record, block).model_dump(mode="json").items():
            yield f"{block}.{name}", _pairs(value) if isinstance(value, dict) else str(value)
    yield "area.neighbours", _pairs(record.area.neighbours) or "-"


def _areas(record: HandOver) -> Iterator[tuple[str, str]]:
    """The newest place of each kind, apart, and the reach ring. A CAP circle's radius is in kilometres."""
    there = record.circumstances
    for place in (there.last_seen, there.last_heard, there.last_reported):
        if isinstance(place, Place):
            what = f"{place.what} {_time(place.at)} ({place.confidence_percent} %)"
            yield what, f"{place.lat:.6f},{place.lon:.6f} {place.radius_m / 1000:.3f}"
    area = record.area
    if not isinstance(area.reach_radius_m, str):
        yield (
            "도달 범위 (95 %)",
            f"{area.reach_lat:.6f},{area.reach_lon:.6f} {area.reach_radius_m / 1000:.3f}",
        )


def _pairs(values: object) -> str:
    return ", ".join(f"{name}: {value}" for name, value in dict(values).items())  # type: ignore[call-overload]


def _sender(record: HandOver) -> str:
    return f"urn:jikimi:{record.tenant_id}"


def _identifier(record: HandOver, version: int) -> str:
    return f"{record.record_id}/v{version}"


def _reference(record: HandOver, earlier: Replaced) -> str:
    identifier = _identifier(record, earlier.version)
    return f"{_sender(record)},{identifier},{_time(earlier.created_at)}"


def _time(at: datetime) -> str:
    """CAP's form: whole seconds and a numeric offset, never Z."""
    return at.astimezone(SEOUL).isoformat(timespec="seconds")


class _Element:
    """An element of the CAP namespace; every text goes through here, and so through the escaper."""

    def __init__(self, name: str, parent: "_Element | None" = None) -> None:
        tag = f"{{{NAMESPACE}}}{name}"
        self.node: ET.Element = ET.Element(tag) if parent is None else ET.SubElement(parent.node, tag)

    def child(self, name: str) -> "_Element":
        return _Element(name, self)

    def add(self, name: str, text: str) -> None:
        self.child(name).node.text = _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
