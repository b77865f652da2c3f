"""Who is asking, in which role, and what of it is logged."""

import pytest

from functions.api.access import ALLOWED, LINKED, PUBLIC, Role, admitted, roles
from functions.api.app import app
from shared.domain.errors import Unauthorized
from shared.observability import logger
from tests.unit.functions.api.routes import CALLS
from tests.unit.functions.api.town import MOON_TEACHER, STRANGER, Town


def test_the_table_of_roles_names_every_route_and_no_other():
    served = {f"{route.method} {route.openapi_path}" for route in app._static_routes + app._dynamic_routes}

    assert served == set(ALLOWED) | set(LINKED) | PUBLIC


def test_every_write_shows_an_example_of_its_body():
    assert [call.route for call in CALLS if call.is_write and call.example is None] == []


def test_a_teacher_sees_the_cases_of_the_own_daycare_only(town: Town):
    town.case("c-1")

    assert town.ask(MOON_TEACHER, "GET /v1/cases").body["cases"] == []


def test_groups_are_read_as_the_token_has_them_and_as_api_gateway_passes_them_on():
    forms = ["[teacher director]", "teacher,director", ["teacher", "director"], "[teacher unknown director]"]

    assert {roles({"cognito:groups": form}) for form in forms} == {frozenset({Role.TEACHER, Role.DIRECTOR})}


def test_of_several_roles_the_strongest_that_the_route_allows_acts():
    claims = {"sub": "a", "custom:tenant": "garam", "cognito:groups": "[teacher police]"}

    assert admitted("POST /v1/cases/{case_id}/secured", claims).role is Role.POLICE


def test_a_token_without_a_district_is_nobody():
    with pytest.raises(Unauthorized):
        admitted("GET /v1/cases", {"sub": "a", "cognito:groups": "[operator]"})


def test_a_refused_attempt_is_logged_with_who_and_where(town: Town, caplog: pytest.LogCaptureFixture):
    caplog.set_level("WARNING", logger.name)
    town.ask(STRANGER, f"GET /v1/cases/{town.case()}")

    said = vars(caplog.records[-1])
    assert (said["actor_id"], said["route"], said["code"]) == (
        "operator-b",
        "GET /v1/cases/{case_id}",
        "case-not-found",
    )
