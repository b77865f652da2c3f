"""Who may do what: every route of the OpenAPI document × every role × own, foreign, offered and revoked."""

import pytest

from shared.domain.guardian import Use
from tests.unit.functions.api.routes import CALLS, Call, Prepared, prepared, send
from tests.unit.functions.api.town import (
    MOON_TEACHER,
    NEIGHBOUR,
    ONE_OF_EACH,
    OPERATOR,
    Town,
    Who,
)

guarded = pytest.mark.parametrize(
    "call", [call for call in CALLS if not (call.is_public or call.link)], ids=lambda call: call.route
)
with_ids = pytest.mark.parametrize(
    "call", [call for call in CALLS if call.has_ids and not call.link], ids=lambda call: call.route
)
linked = pytest.mark.parametrize("call", [call for call in CALLS if call.link], ids=lambda call: call.route)


@pytest.fixture(scope="module")
def quiet() -> Prepared:
    """One town for every request that must change nothing."""
    return prepared()


@pytest.fixture(scope="module")
def shared() -> Prepared:
    """… in which nuri has accepted the case."""
    made = prepared()
    made.town.share(made.ids["case_id"])
    return made


@guarded
def test_a_route_serves_the_roles_it_names_and_refuses_the_others(call: Call):
    town, ids = prepared()
    served = set()
    for role, who in ONE_OF_EACH.items():
        if role in call.roles and call.is_write:
            town, ids = prepared()  # what one role did must not stand in the next one's way
        told = send(town, call, who, ids)
        assert told.status < 500
        if told.status != 403 or told.code != "role-not-allowed":
            served.add(role)

    assert served == call.roles


@guarded
def test_nobody_is_served_without_signing_in(call: Call, quiet: Prepared):
    assert send(quiet.town, call, None, quiet.ids).status == 401


@linked
def test_a_link_opens_its_own_use_and_no_other(call: Call):
    town, ids = prepared()
    statuses = {}
    for use in Use:
        secret = town.link(use, case_id=ids["case_id"])
        statuses[use] = send(town, call, None, {**ids, "token": secret}).status

    assert {use for use, status in statuses.items() if status != 404} == {call.link}


@linked
def test_a_secret_nobody_was_given_opens_nothing(call: Call, quiet: Prepared):
    made_up = [f"{tenant}.{'A' * 43}" for tenant in ("garam", "nuri", "nowhere")]

    assert {send(quiet.town, call, None, {**quiet.ids, "token": each}).status for each in made_up} == {404}


@with_ids
def test_what_belongs_to_another_district_is_not_there(call: Call, quiet: Prepared):
    statuses = {
        (role, tenant): send(quiet.town, call, foreigner(role, tenant), foreign_ids(call, quiet)).status
        for role in ONE_OF_EACH
        for tenant in ("nuri", "bora")
    }

    assert statuses == {key: 404 if key[0] in call.roles else 403 for key in statuses}


@with_ids
def test_what_one_neighbour_accepted_is_not_there_for_another(call: Call, shared: Prepared):
    statuses = {
        role: send(shared.town, call, foreigner(role, "bora"), foreign_ids(call, shared)).status
        for role in ONE_OF_EACH
    }

    assert statuses == {role: 404 if role in call.roles else 403 for role in statuses}


@pytest.mark.parametrize(
    "call", [c for c in CALLS if c.route.startswith("GET /v1/shared/")], ids=lambda call: call.route
)
@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("before", 404),
        ("offered", 404),
        ("accepted", 200),
        ("revoked", 404),
        ("expired", 404),
        ("closed", 404),
    ],
)
def test_a_shared_case_is_there_only_between_accepting_and_the_end(call: Call, moment: str, status: int):
    town, ids = prepared()
    bring_to(town, ids["case_id"], moment)

    told = send(town, call, NEIGHBOUR, ids)

    assert told.status == status


@pytest.mark.parametrize(
    "call", [c for c in CALLS if c.has_ids and "teacher" in c.roles], ids=lambda call: call.route
)
def test_what_belongs_to_another_daycare_is_not_there_for_a_teacher(call: Call, quiet: Prepared):
    assert send(quiet.town, call, MOON_TEACHER, quiet.ids).status == 404


def bring_to(town: Town, case_id: str, moment: str) -> None:
    """The case offered, accepted … as far as `moment`."""
    if moment == "before":
        return
    town.share(case_id, accept=moment != "offered")
    if moment == "revoked":
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/shares/nuri/revoke", {})
    if moment == "expired":
        town.later(2 * 3600)
    if moment == "closed":
        closed = {"reason": "false-alarm", "note": ""}
        assert town.ask(OPERATOR, f"POST /v1/cases/{case_id}/close", closed).status == 200


def foreigner(role: str, tenant: str) -> Who:
    return Who(f"{role}-x", tenant, role, ONE_OF_EACH[role].facility)


def foreign_ids(call: Call, of: Prepared) -> dict[str, str]:
    """The owner's ids; where every district has one of that name, an id only the owner could have."""
    named = {part[1:-1] for part in call.route.split("/") if part.startswith("{")}
    everywhere = {"child_id": "c-404", "facility_id": "f-404"}
    return of.ids | (everywhere if named <= set(everywhere) else {})
