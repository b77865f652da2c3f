"""A municipality joins: good rows are stored, every bad one is named with what to do."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.onboard_tenant.handler import lambda_handler
from functions.onboard_tenant.manifest import onboard
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, memory_adapters
from shared.domain.ephemeral_id import window_of
from shared.i18n import sentence
from shared.schema.guardians import ConsentAsked
from shared.schema.onboarding import SECTIONS
from tests.unit.functions.api.town import Context

START = datetime(2026, 5, 5, 1, 0, tzinfo=UTC)
BOUNDARY = [[37.47, 126.94], [37.47, 126.96], [37.49, 126.96], [37.49, 126.94]]
KEYED = {"beacon_id": "b-1", "identity_key": "7c91330e61dfea4606b5b3ecb4457d76"}
CONSENT = {"given_at": "2026-03-02T09:00:00+09:00"}


def manifest(**changes: Any) -> dict[str, Any]:
    whole = {
        "tenant_id": "garam",
        "tenant": {"name": "가람구", "boundary": BOUNDARY, "policy": {"warn_s": 6}},
        "facilities": [{"facility_id": "sun", "name": "해님어린이집", "lat": 37.48, "lon": 126.95}],
        "scanners": [{"scanner_id": "garam-s-1", "lat": 37.48, "lon": 126.95}],
        "cameras": [{"camera_id": "cam-1", "name": "북문", "lat": 37.48, "lon": 126.95, "heading_deg": 90}],
        "streets": [{"street_id": "street-1", "points": [[37.48, 126.95], [37.481, 126.95]]}],
        "children": [child("c-1", "b-1"), child("c-2", "b-2")],
        "beacons": [{**KEYED, "counter_s": 0, "read_at": "2026-05-05T01:00:00Z"}],
        "contacts": [{"contact_id": "duty-1", "duty": "duty-officer", "mobile": "+821000000001"}],
        "phones": [
            {"phone_id": "garam-p-1", "facility_id": "sun", "teacher": "김선생", "contact_id": "duty-1"}
        ],
        "agreements": [
            {
                "neighbour_id": "nuri",
                "neighbour_boundary": BOUNDARY,
                "fields": ["position", "track"],
                "until": "2027-01-01T00:00:00+09:00",
            }
        ],
    }
    return whole | changes


def child(child_id: str, beacon_id: str, **changes: Any) -> dict[str, Any]:
    row = {
        "child_id": child_id,
        "facility_id": "sun",
        "name": "김하늘",
        "bag_no": "01",
        "beacon_id": beacon_id,
    }
    return row | {"age_y": 4, "consent": CONSENT} | changes


class Office:
    """The control plane over one world."""

    def __init__(self) -> None:
        self.on = memory_adapters(MemoryCloud(clock=ManualClock(START)))

    def __call__(self, event: Any) -> dict[str, Any]:
        answer = lambda_handler(event, Context(), on=self.on)  # type: ignore[arg-type]
        return dict(json.loads(json.dumps(answer)))

    @property
    def garam(self) -> Adapters:
        return self.on("garam")


@pytest.fixture
def office() -> Office:
    return Office()


def faults(told: dict[str, Any]) -> list[tuple[str, int, str, str]]:
    return [(each["section"], each["row"], each["where"], each["code"]) for each in told["rejected"]]


def test_a_whole_manifest_is_stored(office: Office):
    told = office(manifest())

    assert told == {
        "tenant_id": "garam",
        "stored": {
            "tenant": 1,
            "facilities": 1,
            "scanners": 1,
            "cameras": 1,
            "streets": 1,
            "children": 2,
            "beacons": 1,
            "contacts": 1,
            "phones": 1,
            "agreements": 1,
        },
        "rejected": [],
    }


def test_what_was_left_out_of_the_policy_is_the_default(office: Office):
    office(manifest())

    policy = office.garam.registry.tenant().policy
    assert (policy.warn_s, policy.alarm_s) == (6.0, 20.0)


def test_the_same_manifest_twice_changes_nothing(office: Office):
    first = office(manifest())
    before = office.garam.registry.children("sun")

    assert (office(manifest()), office.garam.registry.children("sun")) == (first, before)


def test_a_manifest_may_come_in_parts(office: Office):
    whole = manifest()
    parts = [{"tenant_id": "garam", section: whole[section]} for section in SECTIONS]

    told = [office(part) for part in parts]

    assert ([part["rejected"] for part in told], len(office.garam.registry.children("sun"))) == (
        [[]] * len(SECTIONS),
        2,
    )


@pytest.mark.parametrize(
    ("section", "rows", "fault"),
    [
        ("scanners", [{"scanner_id": "garam-s-1", "lon": 126.95}], ("scanners", 1, "lat", "missing")),
        (
            "scanners",
            [{"scanner_id": "nuri-s-1", "lat": 37.48, "lon": 126.95}],
            ("scanners", 1, "", "foreign-name"),
        ),
        (
            "scanners",
            [{"scanner_id": "garam-s-1", "lat": 35.1, "lon": 129.0}],
            ("scanners", 1, "", "outside-district"),
        ),
        (
            "cameras",
            [{"camera_id": "cam-1", "name": "x", "lat": 126.95, "lon": 37.48}],
            ("cameras", 1, "lat", "less_than_equal"),
        ),
        (
            "cameras",
            [{"camera_id": "cam-1", "name": "x", "lat": 37.48, "lon": 126.95, "zoom": 3}],
            ("cameras", 1, "zoom", "extra_forbidden"),
        ),
        (
            "cameras",
            [{"camera_id": "cam-1", "name": "x", "lat": 37.48, "lon": 126.95, "heading_deg": "north"}],
            ("cameras", 1, "heading_deg", "float_parsing"),
        ),
        ("children", [child("c-1", "b-1", facility_id="moon")], ("children", 1, "", "facility-not-found")),
        (
            "children",
            [child("c-1", "b-1", consent={"given_at": "2026-03-02T09:00:00"})],
            ("children", 1, "consent.given_at", "timezone_aware"),
        ),
        ("children", [child("c-1", "b-1"), child("c-2", "b-1")], ("children", 2, "", "beacon-taken")),
        ("children", [child("c-1", "b-1"), child("c-1", "b-2")], ("children", 2, "", "duplicate-id")),
        ("children", ["c-1"], ("children", 1, "", "model_type")),
        (
            "agreements",
            [
                {
                    "neighbour_id": "garam",
                    "neighbour_boundary": BOUNDARY,
                    "fields": [],
                    "until": "2027-01-01T00:00:00Z",
                }
            ],
            ("agreements", 1, "", "own-neighbour"),
        ),
        (
            "agreements",
            [
                {
                    "neighbour_id": "nuri",
                    "neighbour_boundary": BOUNDARY,
                    "fields": ["all"],
                    "until": "2027-01-01T00:00:00Z",
                }
            ],
            ("agreements", 1, "fields.0", "literal_error"),
        ),
        (
            "tenant",
            {"name": "가람구", "boundary": BOUNDARY, "policy": {"second_operator_s": 90}},
            ("tenant", 1, "", "policy-escalation-order"),
        ),
        (
            "tenant",
            {"name": "가람구", "boundary": BOUNDARY, "policy": {"channels": ["sms", "sms"]}},
            ("tenant", 1, "", "policy-channels"),
        ),
        (
            "tenant",
            {"name": "가람구", "boundary": BOUNDARY, "policy": {"police_ack_s": 601}},
            ("tenant", 1, "", "policy-police-ack"),
        ),
        (
            "contacts",
            [{"contact_id": "duty-1", "mobile": "010-1234-5678"}],
            ("contacts", 1, "mobile", "string_pattern_mismatch"),
        ),
        (
            "phones",
            [{"phone_id": "garam-p-1", "facility_id": "sun", "teacher": "김", "contact_id": "nobody"}],
            ("phones", 1, "", "contact-not-found"),
        ),
        ("tenant", {"name": "가람구", "boundary": BOUNDARY[:2]}, ("tenant", 1, "boundary", "too_short")),
    ],
)
def test_a_bad_row_is_named_by_section_row_and_fault(office: Office, section: str, rows: Any, fault: Any):
    office(manifest(children=[]))

    assert faults(office({"tenant_id": "garam", section: rows})) == [fault]


def test_a_bad_row_stops_nothing_but_itself(office: Office):
    rows = [child("c-1", "b-1"), {"child_id": "c-2"}, child("c-3", "b-3")]

    told = office(manifest(children=rows))

    stored = [each.child_id for each in office.garam.registry.children("sun")]
    assert (told["stored"]["children"], stored, {each["row"] for each in told["rejected"]}) == (
        2,
        ["c-1", "c-3"],
        {2},
    )


def test_a_beacon_of_another_stored_child_is_refused_by_its_row(office: Office):
    office(manifest())
    rows = [child("c-7", "b-7"), child("c-8", "b-2"), child("c-9", "b-9")]

    told = office({"tenant_id": "garam", "children": rows})

    assert (faults(told), told["stored"]) == ([("children", 2, "", "beacon-taken")], {"children": 2})


def test_rows_before_their_municipality_are_refused(office: Office):
    told = office({"tenant_id": "garam", "scanners": manifest()["scanners"]})

    assert faults(told) == [("scanners", 1, "", "tenant-not-found")]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"tenant_id": "Garam Gu"},
        {"tenant_id": "garam", "scaners": []},
        {"tenant_id": "garam", "cameras": "cam-1"},
        {"tenant_id": "ga-ram"},
    ],
)
def test_what_is_no_manifest_is_refused_as_a_whole(office: Office, event: dict[str, Any]):
    told = office(event)

    assert (told["stored"], {each["section"] for each in told["rejected"]}) == ({}, {"manifest"})


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_fault_says_in_words_what_to_do(office: Office, language: str):
    office(manifest())
    rows = [child("c-1", "b-1", facility_id="moon"), {}, child("c-8", "b-1"), child("x y", "b-1", age_y=-1)]

    told = office({"tenant_id": "garam", "language": language, "children": rows})

    fixes = {each["fix"] for each in told["rejected"]}
    general = sentence("onboarding.invalid", {}, language)
    assert [fix for fix in fixes if fix.startswith("onboarding.") or fix == general] == []


def test_a_fault_does_not_repeat_what_was_written(office: Office):
    office(manifest())
    row = child("c-5", "b-5", name="비밀이름" * 40, sex="비밀성별")

    assert "비밀" not in json.dumps(office({"tenant_id": "garam", "children": [row]}), ensure_ascii=False)


def test_many_rows_are_taken_in_at_once(office: Office):
    cameras = [
        {"camera_id": f"cam-{n}", "name": f"카메라 {n}", "lat": 37.48, "lon": 126.95} for n in range(450)
    ]

    told = office(manifest(cameras=cameras))

    assert (told["stored"]["cameras"], len(office.garam.registry.cameras())) == (450, 450)


SCALARS = st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.just("garam")
ROWS = st.lists(
    SCALARS | st.dictionaries(st.sampled_from(["lat", "lon", "child_id", "name", "x"]), SCALARS), max_size=3
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["tenant_id", "language", *SECTIONS]), SCALARS | ROWS, max_size=4))
def test_whatever_comes_in_is_answered_row_by_row(event: dict[str, Any]):
    office = Office()

    told = onboard({"tenant_id": "garam"} | event, office.on)

    assert len(told.rejected) > 0 or sum(told.stored.values()) == 0


def test_a_rotating_beacon_is_provisioned_and_set_right_by_reading_its_counter_again():
    office = Office()
    for counter_s, read_at in ((0, "2026-05-05T01:00:00Z"), (1000, "2026-05-05T01:20:00Z")):
        beacons = [KEYED | {"counter_s": counter_s, "read_at": read_at}]
        assert onboard({"tenant_id": "garam", "beacons": beacons}, office.on).rejected == []
    read_s = datetime(2026, 5, 5, 1, 20, tzinfo=UTC).timestamp()
    tags = office.on("garam").tags
    tags.issue([window_of(read_s - 1000 + 512)])

    begun = tags.ids(window_of(read_s - 1000 + 512)).values()
    assert [(each.beacon_id, each.begins_s) for each in begun] == [("b-1", read_s - 1000 + 512)]


def test_a_wrong_key_is_named_and_not_repeated():
    row = {
        "beacon_id": "b-1",
        "identity_key": "c0ffee" * 5,
        "counter_s": 0,
        "read_at": "2026-05-05T01:00:00Z",
    }
    told = onboard({"tenant_id": "garam", "beacons": [row]}, Office().on)

    assert [each.where for each in told.rejected] == ["identity_key"]
    assert "c0ffee" not in told.model_dump_json()


def filing(child_id: str, **form: str) -> dict[str, Any]:
    """A row of `consents`: the API's own example for a child."""
    body = ConsentAsked.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index, call-overload]
    return {**body, "child_id": child_id, "form": body["form"] | form}


def test_at_5_1_a_consent_is_filed_with_its_form_and_the_child_may_be_listened_for(office: Office) -> None:
    children = [child("c-1", "b-1", consent=None), child("c-2", "b-2", consent=None)]
    told = office(manifest(children=children, consents=[filing("c-1")]))
    allowed = [office.garam.registry.child(each).consent for each in ("c-1", "c-2")]

    assert (told["stored"]["consents"], told["rejected"], [each is not None for each in allowed]) == (
        1,
        [],
        [True, False],
    )


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (filing("c-404"), ("consents", 1, "", "child-not-found")),
        (filing("c-1", subject_born="2016-01-01"), ("consents", 1, "", "consent-verification-missing")),
        (
            filing("c-1", guardian_contact="-"),
            ("consents", 1, "form.guardian_contact", "string_pattern_mismatch"),
        ),
    ],
)
def test_at_5_1_a_consent_that_does_not_hold_is_named_by_its_row(
    office: Office, row: dict[str, Any], fault: tuple[str, int, str, str]
) -> None:
    assert faults(office(manifest(consents=[row]))) == [fault]


def test_a_citizen_belongs_to_no_daycare_and_a_child_to_one(office: Office) -> None:
    citizen = child("s-1", "garam-p-77", facility_id="", subject_class="citizen", age_y=34)
    stray = child("c-9", "b-9", facility_id="")
    phone = {"phone_id": "garam-p-77", "facility_id": "", "teacher": ""}

    assert faults(office(manifest(children=[citizen, stray], phones=[phone]))) == [
        ("children", 2, "", "facility-not-found")
    ]


def agreement(*signers: str, **changes: Any) -> dict[str, Any]:
    """A manifest of nothing but an agreement, signed by these."""
    row = {"neighbour_id": "nuri", "neighbour_boundary": BOUNDARY, "fields": ["position"]}
    row |= {"until": "2027-01-01T00:00:00+09:00"}
    row["signatures"] = [{"tenant_id": who, "by": "구청장", "at": CONSENT["given_at"]} for who in signers]
    return {"tenant_id": "garam", "agreements": [row | changes]}


def test_at_3_1_an_agreement_whose_paper_both_have_signed_is_in_force(office: Office):
    office(agreement("garam", "nuri"))

    assert [each.in_force(START) for each in office.garam.registry.agreements()] == [True]


def test_the_same_agreement_without_signatures_keeps_those_it_has_and_other_terms_do_not(office: Office):
    office(agreement("garam", "nuri"))
    office(agreement())
    same = office.garam.registry.agreements()[0].in_force(START)
    office(agreement(fields=["position", "photo"]))

    assert (same, office.garam.registry.agreements()[0].in_force(START)) == (True, False)


def test_only_the_two_parties_sign_an_agreement(office: Office):
    told = office(agreement("garam", "bora"))

    assert [(section, code) for section, _, _, code in faults(told)] == [
        ("agreements", "agreement-not-found")
    ]
