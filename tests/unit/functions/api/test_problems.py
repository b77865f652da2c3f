"""Every error is problem details, says what is wrong, and says nothing back of what was sent."""

import base64
import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from functions.api.handler import lambda_handler
from shared.domain.errors import Conflict, Forbidden, NotFound, Rejected, Unauthorized
from shared.i18n import LANGUAGES, sentences
from tests.unit.functions.api.town import AUDITOR, OPERATOR, TEACHER, Context, Town, http_event

ROOT = Path(__file__).parents[4]
CANARY = "canary-010-1234-5678"


def raised_codes() -> set[str]:
    """Every code an error of ours is raised with, and those the API answers by itself."""
    kinds = "|".join(kind.__name__ for kind in (Conflict, Forbidden, NotFound, Rejected, Unauthorized))
    pattern = re.compile(rf"(?:{kinds})\(\s*\"([a-z0-9-]+)\"|HTTPStatus\.\w+, \"([a-z0-9-]+)\"")
    files = [*(ROOT / "functions" / "api").glob("*.py"), *(ROOT / "shared" / "adapters").glob("*.py")]
    files += [ROOT / "shared" / "domain" / name for name in ("case.py", "sharing.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return {first or second for first, second in pattern.findall(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_that_is_raised_has_its_sentence(language: str):
    assert raised_codes() - sentences(language)["error"].keys() == set()


@pytest.mark.parametrize("section", ["error", "api", "onboarding"])
def test_both_languages_say_the_same_things(section: str):
    keys = [set(sentences(language)[section]) for language in LANGUAGES]
    blanks = [
        {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in sentences(language)[section].items()}
        for language in LANGUAGES
    ]

    assert (keys[0], blanks[0]) == (keys[1], blanks[1])


def test_a_problem_has_the_members_of_rfc_9457_and_a_stable_code(town: Town):
    told = town.ask(OPERATOR, "GET /v1/cases/c-404")

    assert (told.headers["content-type"], {k: told.body[k] for k in ("type", "title", "status", "code")}) == (
        "application/problem+json",
        {
            "type": "urn:jikimi:problem:case-not-found",
            "title": "Not Found",
            "status": 404,
            "code": "case-not-found",
        },
    )


@pytest.mark.parametrize(
    ("language", "detail"),
    [
        ("", "사건을 찾을 수 없습니다."),
        ("ko-KR,ko;q=0.9,en;q=0.8", "사건을 찾을 수 없습니다."),
        ("en-GB", "There is no such case."),
    ],
)
def test_a_problem_speaks_korean_unless_asked_for_english(town: Town, language: str, detail: str):
    told = town.ask(OPERATOR, "GET /v1/cases/c-404", headers={"accept-language": language})

    assert told.body["detail"] == detail


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("{", 400),
        ("", 422),
        ("[]", 422),
        ("null", 422),
        ("NaN", 422),
        ('"text"', 422),
        ("[" * 100_000, 400),
        ('{"child_id": "c-1", "child_id": 7}', 422),
        ('{"child_id": "\\ud800"}', 422),
        ('{"child_id": "c-1", "pressed_at": "yesterday"}', 422),
        ('{"child_id": "c-1", "pressed_at": "2026-05-05T01:00:00"}', 422),
        ('{"child_id": "c-1", "pressed_at": 1e400}', 422),
        ('{"child_id": "c-1", "pressed_at": "0001-01-01T00:00:00+14:00"}', 422),
        ('{"child_id": "../../secret"}', 422),
        ('{"child_id": "c-1", "' + CANARY + '": 1}', 422),
        ('{"child_id": "' + CANARY + ' "}', 422),
    ],
)
def test_a_body_that_is_not_a_report_is_refused_without_repeating_it(town: Town, raw: str, status: int):
    told = town.ask(TEACHER, "POST /v1/cases", raw=raw)

    assert (told.status, told.headers["content-type"], CANARY in json.dumps(told.body)) == (
        status,
        "application/problem+json",
        False,
    )


@pytest.mark.parametrize(
    "body",
    [{"lat": float("nan")}, {"lat": float("inf")}, {"lat": 91}, {"radius_m": 0}, {"source": "x" * 200}],
)
def test_evidence_from_nowhere_is_refused(town: Town, body: dict[str, object]):
    seen = {"kind": "seen", "lat": 37.48, "lon": 126.95, "radius_m": 9, "source": "cam-1"} | body

    assert town.ask(OPERATOR, f"POST /v1/cases/{town.case()}/evidence", seen).status == 422


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday", ""])
def test_a_time_outside_any_calendar_is_refused(town: Town, since: str):
    town.ask(OPERATOR, f"GET /v1/cases/{town.case()}")

    assert town.ask(AUDITOR, "GET /v1/access", query={"since": since}).status == 422


def test_a_body_that_is_no_text_is_refused(town: Town):
    event = http_event(
        "POST",
        "/v1/cases",
        TEACHER,
        base64.b64encode(b"\xff\xfe{}").decode(),
        query={},
        headers={"idempotency-key": "key-00000000"},
        request_id="r",
    )

    answer = lambda_handler(event | {"isBase64Encoded": True}, Context(), on=town.on)  # type: ignore[arg-type]

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "unreadable-body")


def test_what_is_not_json_is_refused(town: Town):
    told = town.ask(TEACHER, "POST /v1/cases", raw="<x/>", headers={"content-type": "text/xml"})

    assert (told.status, told.code) == (415, "not-json")


def test_a_wrong_field_is_named_by_its_place_and_its_fault(town: Town):
    told = town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": "c-1"}, {}]})

    assert told.body["errors"] == [{"where": "body.members.1.child_id", "code": "missing"}]


def test_an_address_that_is_not_there_is_a_problem_too(town: Town):
    told = town.ask(OPERATOR, "GET /v1/nothing")

    assert (told.status, told.code) == (404, "route-not-found")


def test_a_fault_of_ours_is_a_problem_and_its_message_reaches_neither_caller_nor_log(
    town: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(_: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr(town.on("garam").cases, "recent", broken)
    told = town.ask(OPERATOR, "GET /v1/cases")

    said = json.dumps(told.body) + capsys.readouterr().out
    assert (told.status, told.code, CANARY in said) == (500, "internal", False)


def test_a_fault_of_the_cloud_asks_to_try_again(town: Town, monkeypatch: pytest.MonkeyPatch):
    def throttled(_: object) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": CANARY}}, "Query")

    monkeypatch.setattr(town.on("garam").cases, "recent", throttled)

    told = town.ask(OPERATOR, "GET /v1/cases")

    assert (told.status, told.code) == (503, "unavailable")


def test_no_answer_is_kept_by_a_cache(town: Town):
    town.case()

    answers = [town.ask(OPERATOR, "GET /v1/cases"), town.ask(OPERATOR, "GET /v1/nothing")]

    assert [answer.headers["cache-control"] for answer in answers] == ["no-store", "no-store"]
