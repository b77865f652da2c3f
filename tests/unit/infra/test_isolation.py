"""Tenants are kept apart by IAM as well: the template's policies under more than 10,000 requests (D2)."""

import copy
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.adapters.session import Session
from shared.adapters.tracking import DynamoTracking
from shared.domain.sighting import Window
from shared.ports import Track
from tests.iam import Guarded, Request, Statement, allowed, is_about_tables, role_names, statements, tables_of
from tests.template import ROOT, resources

FUNCTION_ROLES = [name for name in role_names() if name != "MissingChildRole"]
TENANTS = ("garam", "nuri", "bora", "garamx", "gara")
TABLES = ("RegistryTable", "TrackingTable", "CasesTable", "KeysTable")
KINDS = ("tenant", "child", "beacon#b-1", "case#c-1", "share#c-1", "inbox", "open", "answer", "heartbeat")
ACTIONS = sorted(
    {action for role in role_names() for each in statements(role) if is_about_tables(each)
     for action in each["Action"]} | {"dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:PartiQLDelete"}
)  # fmt: skip
EACH = 9
"""Requests of each kind for every role, table and action."""


def foreign_keys(tenant: str, rng: random.Random) -> list[str]:
    """Keys that are not this tenant's, near misses among them."""
    other = rng.choice([each for each in TENANTS if each != tenant])
    kind = rng.choice(KINDS)
    near = (
        *(
            f"{wrong}#{kind}"
            for wrong in (other, tenant.upper(), f"#{tenant}", f"x{tenant}", f"{tenant}*", "*")
        ),
        tenant,
        "",
    )
    return [rng.choice(near) for _ in range(rng.randint(1, 3))]


def generated(table: str, action: str, rng: random.Random) -> Iterator[tuple[str, Request]]:
    """(kind, request): what belongs to the session's tenant, and what does not."""
    for _ in range(EACH):
        tenant = rng.choice(TENANTS)
        tags = {"tenant": tenant}
        own = [f"{tenant}#{rng.choice(KINDS)}" for _ in range(rng.randint(1, 25))]
        foreign = foreign_keys(tenant, rng)
        mixed = own + foreign
        rng.shuffle(mixed)
        yield "own", Request(action, table, tuple(own), tags)
        yield "foreign", Request(action, table, tuple(foreign), tags)
        yield "mixed", Request(action, table, tuple(mixed), tags)
        yield "keyless", Request(action, table, None, tags)
        yield "untagged", Request(action, table, tuple(own), {})
        yield "untagged and keyless", Request(action, table, None, {})


def leaks(
    policy: Sequence[Statement], tables: Sequence[str] = TABLES, actions: Sequence[str] = ACTIONS
) -> tuple[int, list[tuple[str, Request]]]:
    """(requests asked, those let through that must not be)."""
    rng, asked, through = random.Random(1), 0, []
    for table in tables:
        for action in actions:
            for kind, request in generated(table, action, rng):
                asked += 1
                if kind != "own" and allowed(policy, request):
                    through.append((kind, request))
    return asked, through


def test_more_than_ten_thousand_foreign_and_keyless_requests_get_nothing(capsys: pytest.CaptureFixture[str]):
    asked, through = 0, []
    for role in FUNCTION_ROLES:
        more, leaked = leaks(statements(role))
        asked += more
        through += [(role, *each) for each in leaked]
    with capsys.disabled():
        sys.stdout.write(f" {asked} requests, {len(through)} foreign or keyless allowed ")

    assert (asked > 10_000, through) == (True, [])


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_a_session_reaches_its_own_rows_with_the_roles_actions_and_no_others(role: str):
    policy = [each for each in statements(role) if is_about_tables(each)]
    tags = {"tenant": "garam"}
    granted = {
        (table, action)
        for each in policy
        if "owner" not in str(each.get("Condition")) and "${aws:PrincipalTag/tenant}" in str(each)
        for table in tables_of(each)
        for action in each["Action"]
    }
    reached = {
        (table, action)
        for table in TABLES
        for action in ACTIONS
        if allowed(policy, Request(action, table, ("garam#case#c-1",), tags))
    }

    assert reached == granted


def weakened(policy: list[dict[str, Any]], number: int, how: str) -> list[dict[str, Any]]:
    """The policy with one statement's lock loosened."""
    changed = copy.deepcopy(policy)
    condition = changed[number]["Condition"]
    if how == "no Null guard":
        del condition["Null"]
    elif how == "a wider key":
        ((operator, test),) = ((name, test) for name, test in condition.items() if name != "Null")
        wider = [re.sub(r"\$\{aws:PrincipalTag/\w+\}", "*", key) for key in test["dynamodb:LeadingKeys"]]
        condition[operator]["dynamodb:LeadingKeys"] = wider
    elif how == "half a tenant":
        condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] = ["${aws:PrincipalTag/tenant}*"]
    else:
        del changed[number]["Condition"]
    return changed


@pytest.mark.parametrize("how", ["no Null guard", "a wider key", "half a tenant", "no condition"])
@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_a_lock_that_is_loosened_anywhere_is_noticed(role: str, how: str):
    policy = statements(role)
    locks = [
        number
        for number, each in enumerate(policy)
        if is_about_tables(each) and each["Effect"] == "Allow" and "PrincipalTag/tenant}" in str(each)
    ]

    unnoticed = [
        number
        for number in locks
        if not leaks(weakened(policy, number, how), tables_of(policy[number]), policy[number]["Action"])[1]
    ]
    assert (len(locks) > 0, unnoticed) == (True, [])


@pytest.mark.parametrize("role", role_names())
def test_every_right_to_a_table_asks_for_its_keys(role: str):
    bare = [
        each
        for each in statements(role)
        if is_about_tables(each)
        and each["Effect"] == "Allow"
        and not (
            each.get("Condition", {}).get("Null") == {"dynamodb:LeadingKeys": "false"}
            and any(name.startswith("ForAllValues:String") for name in each["Condition"])
        )
    ]

    assert bare == []


@pytest.mark.parametrize("role", ["ApiRole", "AssessCaseRole"])
def test_the_sharing_desk_writes_what_two_tenants_share_and_nothing_else_of_either(role: str):
    tags = {"owner": "garam", "neighbour": "nuri"}
    policy, written = statements(role), set()
    for action in ACTIONS:
        for tenant in TENANTS:
            for kind in KINDS:
                if allowed(policy, Request(action, "CasesTable", (f"{tenant}#{kind}",), tags)):
                    written.add((action, f"{tenant}#{kind}"))

    assert written == {("dynamodb:PutItem", "garam#share#c-1"), ("dynamodb:PutItem", "nuri#inbox")}


def test_the_list_of_tenants_is_read_by_what_goes_over_all_and_written_by_onboarding():
    reached = {
        (role, action)
        for role in role_names()
        for action in ACTIONS
        for tags in ({}, {"tenant": "garam"})
        if allowed(statements(role), Request(action, "RegistryTable", ("#tenants",), tags))
    }

    readers = {"WatchSilenceRole", "KeepRecordsRole"}
    assert {role for role, _ in reached} == {*readers, "OnboardTenantRole"}
    assert {action for role, action in reached if role in readers} == {"dynamodb:Query"}


def test_the_state_machine_reaches_cases_only():
    policy = statements("MissingChildRole")
    reached = [
        (action, table, key)
        for action in ACTIONS
        for table in TABLES
        for key in ("garam#case#c-1", "garam#child", "garam#inbox", None)
        if allowed(policy, Request(action, table, None if key is None else (key,)))
    ]

    assert reached == [("dynamodb:UpdateItem", "CasesTable", "garam#case#c-1")]


class Written:
    """DynamoDB that holds nothing and takes every statement."""

    def batch_get_item(self, **_: Any) -> Any:
        return {"Responses": {}}

    def batch_execute_statement(self, **params: Any) -> Any:
        return {"Responses": [{} for _ in params["Statements"]]}


@pytest.mark.parametrize(("tag", "is_let"), [("garam", True), ("nuri", False)])
def test_the_hot_paths_statements_open_their_own_tenants_rows_only(tag: str, is_let: bool):
    tracking = DynamoTracking("garam", "TrackingTable", Guarded(Written(), {"tenant": tag}))
    track, now = Track("b-1", Window()), datetime(2026, 5, 5, tzinfo=UTC)
    writes = [
        lambda: tracking.save([track], now=now),
        lambda: tracking.save([replace(track, version=3)], now=now),
        lambda: tracking.heartbeat({"garam-s-001": 1}),
    ]
    let = []
    for write in writes:
        try:
            write()
            let.append(True)
        except PermissionError:
            let.append(False)

    assert let == [is_let] * len(writes)


GUARDIANS = [f"garam#{kind}" for kind in ("guardian", "link")]


@pytest.mark.parametrize("role", ["IngestSightingsRole", "AssessCaseRole"])
def test_guardians_papers_are_closed_to_what_need_not_read_them(role: str):
    tags = {"tenant": "garam"}
    read = [
        (action, key)
        for action in ACTIONS
        for key in GUARDIANS
        if allowed(statements(role), Request(action, "RegistryTable", ("garam#child", key), tags))
    ]

    assert read == []


def test_nobody_scans():
    code = "\n".join(
        path.read_text() for room in ("functions", "shared") for path in (ROOT / room).rglob("*.py")
    )

    assert re.findall(r'\.scan\(|paginator\("scan"\)|dynamodb:\*|SELECT .* FROM', code) == []


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_a_role_trusts_its_service_and_itself(role: str):
    trust = resources("AWS::IAM::Role")[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    service, itself = trust

    assert service["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert itself["Condition"]["ArnLike"]["aws:PrincipalArn"]["Fn::Sub"].endswith(f"-{role}-*")


@pytest.mark.parametrize(
    "tenant", ["*", "a*", "garam#case", "", "Garam", "a/b", "${aws:x}", "x" * 41, "garam\n"]
)
def test_no_session_is_asked_for_what_cannot_be_a_tenant(tenant: str):
    with pytest.raises(ValueError, match="no tenant"):
        Session("arn:aws:iam::000000000000:role/r", {"tenant": tenant}, lambda _: None)
