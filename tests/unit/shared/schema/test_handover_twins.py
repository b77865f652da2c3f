"""The hand-over's twins: the printable page, CAP 1.2 and GeoJSON say what the record says."""

import json
import re
import time
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from pydantic import BaseModel

from shared.domain.geo import LatLon, distance_m
from shared.domain.places import Status
from shared.schema.handover import UNKNOWN, HandOver
from shared.schema.handover_cap import NAMESPACE, cap
from shared.schema.handover_geojson import geojson
from shared.schema.handover_page import page
from tests.unit.shared.schema.test_handover import made

HOSTILE = "</td></style><script>alert('x')</script><img src=x onerror=\"y\">&amp;&<!--]]>"
HOSTILE += "\x00\x0b\u202e\ud800 끝"


def hostile(value: Any) -> Any:
    """The record with every free text replaced by what an attacker would write into it."""
    match value:
        case BaseModel():
            fields = {name: hostile(getattr(value, name)) for name in type(value).model_fields}
            return value.model_copy(update=fields)
        case tuple():
            return tuple(hostile(each) for each in value)
        case dict():
            return {key: hostile(each) for key, each in value.items()}
        case str():
            return HOSTILE
    return value


def attacked() -> HandOver:
    record: HandOver = hostile(made())
    return record.model_copy(update={"status": "Actual", "checksum": "0" * 64})


class Tags(HTMLParser):
    """Which tags a page has, and the text of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.texts: list[str] = []
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in ("td", "dd"):
            self.cells.append("")
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.inside in ("td", "dd"):
            self.cells[-1] += data


# One record


def test_at_4_1_every_twin_carries_the_records_version_and_checksum() -> None:
    record = made()
    said = [page(record), cap(record), json.dumps(geojson(record))]

    assert [record.checksum in text for text in said] == [True, True, True]
    assert ("제3판" in said[0], "v3" in said[1], '"version": 3' in said[2]) == (True, True, True)


def test_at_4_1_a_page_made_again_from_the_stored_record_is_the_same_page() -> None:
    record = made()
    again = HandOver.model_validate_json(record.model_dump_json())

    assert [page(again), cap(again), geojson(again)] == [page(record), cap(record), geojson(record)]


def test_at_10_2_an_exercise_says_so_in_every_twin() -> None:
    record = made(status=Status.EXERCISE)
    said = [page(record), cap(record), json.dumps(geojson(record), ensure_ascii=False)]

    assert ["[훈련]" in text for text in said] == [True, True, True]
    assert "<status>Exercise</status>" in said[1]


def test_at_4_1_the_hand_over_of_a_long_case_is_rendered_within_5_s() -> None:
    one = made()
    long = one.model_copy(update={"history": one.history * 250, "actions": one.actions * 250})
    started = time.process_time()  # of this process: others on the machine do not count
    said = [page(long), cap(long), json.dumps(geojson(long)), long.sealed().model_dump_json()]

    assert time.process_time() - started < 5
    assert all(said)


# The page


def test_at_4_1_no_cell_of_the_page_is_blank_and_what_is_missing_reads_unknown() -> None:
    seen = Tags(page(made(child=None, found=None)))

    assert [cell for cell in seen.cells if not cell.strip()] == []
    assert seen.cells.count(UNKNOWN) > 15


def test_the_page_holds_nothing_but_text_whatever_the_record_says() -> None:
    plain, attacked_page = Tags(page(made())), Tags(page(attacked()))

    assert attacked_page.tags <= plain.tags | {"p"}
    assert attacked_page.attributes <= plain.attributes
    assert {"script", "img", "link", "iframe"} & attacked_page.tags == set()


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    html = page(made())

    assert re.findall(r"(?:src|href|url|@import)\s*[=(]", html) == []
    assert "default-src 'none'" in html


def test_heard_seen_and_reported_stand_apart_on_the_page() -> None:
    text = " ".join(Tags(page(made())).texts)

    assert text.index("목격") < text.index("비콘(가방) 위치") < text.index("신고된 위치")


def test_todays_clothes_stand_in_korean_on_the_page() -> None:
    assert "가방 빨강 · 상의 노랑" in page(made())


def test_the_time_on_the_page_is_korean_time() -> None:
    assert "2026-05-12 10:01:00" in page(made())


# CAP 1.2: the structure of the OASIS schema, as (element, least, most, what its text must be or its children)

TEXT = r"[\s\S]+"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d"
VALUE = (("valueName", 1, 1, TEXT), ("value", 1, 1, TEXT))
MANY = 10**6
CATEGORY = "Geo|Met|Safety|Security|Rescue|Fire|Health|Env|Transport|Infra|CBRNE|Other"
RESPONSE = "Shelter|Evacuate|Prepare|Execute|Avoid|Monitor|Assess|AllClear|None"
AREA = (
    ("areaDesc", 1, 1, TEXT),
    ("polygon", 0, MANY, TEXT),
    ("circle", 0, MANY, r"-?\d+(\.\d+)?,-?\d+(\.\d+)? \d+(\.\d+)?"),
    ("geocode", 0, MANY, VALUE),
    ("altitude", 0, 1, r"-?\d+(\.\d+)?"),
    ("ceiling", 0, 1, r"-?\d+(\.\d+)?"),
)
RESOURCE = (
    ("resourceDesc", 1, 1, TEXT),
    ("mimeType", 1, 1, TEXT),
    ("size", 0, 1, r"\d+"),
    ("uri", 0, 1, TEXT),
    ("derefUri", 0, 1, TEXT),
    ("digest", 0, 1, TEXT),
)
INFO = (
    ("language", 0, 1, r"[a-z]{2,3}(-[A-Za-z]{2,8})*"),
    ("category", 1, MANY, CATEGORY),
    ("event", 1, 1, TEXT),
    ("responseType", 0, MANY, RESPONSE),
    ("urgency", 1, 1, "Immediate|Expected|Future|Past|Unknown"),
    ("severity", 1, 1, "Extreme|Severe|Moderate|Minor|Unknown"),
    ("certainty", 1, 1, "Observed|Likely|Possible|Unlikely|Unknown"),
    ("audience", 0, 1, TEXT),
    ("eventCode", 0, MANY, VALUE),
    ("effective", 0, 1, TIME),
    ("onset", 0, 1, TIME),
    ("expires", 0, 1, TIME),
    ("senderName", 0, 1, TEXT),
    ("headline", 0, 1, TEXT),
    ("description", 0, 1, TEXT),
    ("instruction", 0, 1, TEXT),
    ("web", 0, 1, TEXT),
    ("contact", 0, 1, TEXT),
    ("parameter", 0, MANY, VALUE),
    ("resource", 0, MANY, RESOURCE),
    ("area", 0, MANY, AREA),
)
ALERT = (
    ("identifier", 1, 1, r"[^\s,<&]+"),
    ("sender", 1, 1, r"[^\s,<&]+"),
    ("sent", 1, 1, TIME),
    ("status", 1, 1, "Actual|Exercise|System|Test|Draft"),
    ("msgType", 1, 1, "Alert|Update|Cancel|Ack|Error"),
    ("source", 0, 1, TEXT),
    ("scope", 1, 1, "Public|Restricted|Private"),
    ("restriction", 0, 1, TEXT),
    ("addresses", 0, 1, TEXT),
    ("code", 0, MANY, TEXT),
    ("note", 0, 1, TEXT),
    ("references", 0, 1, r"[^\s,]+,[^\s,]+," + TIME),
    ("incidents", 0, 1, TEXT),
    ("info", 0, MANY, INFO),
)


def wrong_with(element: Element, structure: Any, path: str = "alert") -> list[str]:
    """What the structure of CAP 1.2 does not allow: names, order, how often, and each text."""
    names = [name for name, *_ in structure]
    children = [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]
    faults = [f"{path}/{name}: not known" for name in children if name not in names]
    known = [name for name in children if name in names]
    faults += [f"{path}/{b}: out of order" for a, b in pairwise(known) if names.index(a) > names.index(b)]
    for name, least, most, what in structure:
        found = [child for child in element if child.tag == f"{{{NAMESPACE}}}{name}"]
        if not least <= len(found) <= most:
            faults.append(f"{path}/{name}: {len(found)} of them")
        for child in found:
            if isinstance(what, tuple):
                faults += wrong_with(child, what, f"{path}/{name}")
            elif not re.fullmatch(what, child.text or "") or len(child):
                faults.append(f"{path}/{name}: {child.text!r}")
    return faults


def test_at_4_1_the_cap_twin_has_the_structure_of_cap_1_2() -> None:
    root = fromstring(cap(made()))

    assert (root.tag, wrong_with(root, ALERT)) == (f"{{{NAMESPACE}}}alert", [])


def test_the_cap_twin_is_well_formed_whatever_the_record_says() -> None:
    broken = attacked().model_copy(update={"record_id": "garam/case-1", "tenant_id": "garam"})

    assert wrong_with(fromstring(cap(broken)), ALERT) == []


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("<status>Actual</status>", "<status>Real</status>"),
        ("<scope>Restricted</scope>", ""),
        ("+09:00</sent>", "Z</sent>"),
        ("<category>Rescue</category>", ""),
        ("<urgency>Immediate</urgency><severity>Severe</severity>", "<severity>Severe</severity>"),
        ("<info>", "<extra>x</extra><info>"),
    ],
)
def test_a_message_that_is_not_cap_1_2_is_told_apart(was: str, becomes: str) -> None:
    text = cap(made())
    assert was in text

    assert wrong_with(fromstring(text.replace(was, becomes)), ALERT) != []


def test_at_4_1_a_later_version_is_a_cap_update_that_names_the_one_before() -> None:
    first = made()
    second = made(before=first, version=4)
    root = fromstring(cap(second))
    text = {child.tag.rpartition("}")[2]: child.text for child in root}

    assert (text["msgType"], text["references"]) == (
        "Update",
        "urn:jikimi:garam,garam/case-1/v3,2026-05-12T10:01:00+09:00",
    )


def test_the_cap_twin_keeps_heard_and_seen_apart() -> None:
    areas = [e.text for e in fromstring(cap(made())).iter(f"{{{NAMESPACE}}}areaDesc")]

    assert [str(text).split()[0] for text in areas] == ["목격", "비콘(가방)", "도달"]


# GeoJSON (RFC 7946)


def test_at_4_1_the_geojson_twin_is_a_feature_collection_with_closed_rings_counter_clockwise() -> None:
    told = geojson(made())
    rings = [f["geometry"]["coordinates"][0] for f in told["features"] if f["geometry"]["type"] == "Polygon"]

    assert (told["type"], {f["type"] for f in told["features"]}) == ("FeatureCollection", {"Feature"})
    assert len(rings) == 3
    assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in rings)
    assert all(sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in pairwise(ring)) < 0 for ring in rings)


def test_a_geojson_position_is_longitude_first() -> None:
    points = [f["geometry"]["coordinates"] for f in geojson(made())["features"]][:1]

    assert [(126 < lon < 128, 37 < lat < 38) for lon, lat in points] == [(True, True)]


def test_a_geojson_circle_is_as_wide_as_the_record_says() -> None:
    told = {f["id"]: f for f in geojson(made())["features"]}
    lon, lat = told["evidence-1"]["geometry"]["coordinates"]
    ring = told["evidence-area-1"]["geometry"]["coordinates"][0]

    wide = [distance_m(LatLon(lat, lon), LatLon(y, x)) for x, y in ring]
    assert (min(wide), max(wide)) == pytest.approx((30, 30), abs=0.2)


def test_geojson_features_have_ids_of_their_own() -> None:
    ids = [f["id"] for f in geojson(made())["features"]]

    assert len(set(ids)) == len(ids)
