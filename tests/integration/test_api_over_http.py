"""The API behind the real gateway: sign-in, tokens, roles, tenants, and a case across the border."""

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3

from infra.local.cloud import LocalCloud
from infra.local.provision import Account
from shared.schema.guardians import ConsentAsked
from tests.integration.conftest import fresh_tenant

HTTP = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=60), retries=False)
BOUNDARY = [[37.47, 126.94], [37.47, 126.96], [37.49, 126.96], [37.49, 126.94]]
BEYOND = [[37.47, 126.96], [37.47, 126.98], [37.49, 126.98], [37.49, 126.96]]


@dataclass(frozen=True)
class Site:
    """Two districts on the local cloud, with people who signed in by password."""

    cloud: LocalCloud
    owner: str
    neighbour: str
    tokens: Mapping[str, str]

    def ask(self, who: str, call: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """call: "GET /v1/cases"; who: a key of `tokens`, or "" for nobody."""
        method, path = call.split(" ", 1)
        headers = {"content-type": "application/json", "idempotency-key": secrets.token_hex(8)}
        if who or token:
            headers["authorization"] = f"Bearer {token or self.tokens[who]}"
        answer = HTTP.request(
            method,
            self.cloud.api_url + path,
            body=None if body is None else json.dumps(body).encode(),
            headers=headers,
        )
        kind = answer.headers.get("content-type", "")
        return answer.status, json.loads(answer.data) if "json" in kind else answer.data.decode()


@pytest.fixture(scope="module")
def site(local_cloud: LocalCloud) -> Site:
    owner, neighbour = fresh_tenant(), fresh_tenant()
    for tenant, boundary, other, beyond in (
        (owner, BOUNDARY, neighbour, BEYOND),
        (neighbour, BEYOND, owner, BOUNDARY),
    ):
        told = local_cloud.client("lambda").invoke(
            FunctionName=local_cloud.outputs["OnboardTenantFunction"],
            Payload=json.dumps(manifest(tenant, boundary, other, beyond)).encode(),
        )
        assert json.loads(told["Payload"].read())["rejected"] == []
    accounts = [
        Account(f"{tenant}-{role}", tenant, role, "sun" if role == "teacher" else "")
        for tenant in (owner, neighbour)
        for role in ("teacher", "operator", "admin", "official")
    ]
    passwords = local_cloud.people(accounts)
    nobody = Site(local_cloud, owner, neighbour, {})
    tokens = {}
    for username, password in passwords.items():
        status, session = nobody.ask("", "POST /v1/sign-in", {"username": username, "password": password})
        assert status == 200, session
        tokens[username] = session["id_token"]
    return Site(local_cloud, owner, neighbour, tokens)


def manifest(tenant: str, boundary: Any, other: str, beyond: Any) -> dict[str, Any]:
    lon = sum(corner[1] for corner in boundary) / 4
    agreement = {
        "neighbour_id": other,
        "neighbour_boundary": beyond,
        "until": "2099-01-01T00:00:00Z",
        "signatures": [
            {"tenant_id": party, "by": "mayor", "at": "2026-03-02T00:00:00Z"} for party in (tenant, other)
        ],
    }
    return {
        "tenant_id": tenant,
        "tenant": {"name": f"{tenant} 구", "boundary": boundary},
        "facilities": [{"facility_id": "sun", "name": "해님", "lat": 37.48, "lon": lon}],
        "cameras": [{"camera_id": "cam-1", "name": "북문", "lat": 37.48, "lon": lon}],
        "children": [
            {
                "child_id": "c-1",
                "facility_id": "sun",
                "name": "김하늘",
                "bag_no": "01",
                "beacon_id": f"{tenant}-b-1",
                "age_y": 4,
                "consent": {"given_at": "2026-03-02T00:00:00Z"},
            },
            {
                "child_id": "s-1",
                "facility_id": "",
                "name": "한시민",
                "bag_no": "-",
                "beacon_id": f"{tenant}-p-77",
                "age_y": 34,
                "subject_class": "citizen",
                "consent": {"given_at": "2026-03-02T00:00:00Z"},
            },
        ],
        "phones": [
            {"phone_id": f"{tenant}-p-1", "facility_id": "sun", "teacher": "김선생"},
            {"phone_id": f"{tenant}-p-77", "facility_id": "", "teacher": ""},
        ],
        "agreements": [agreement | {"fields": ["position", "track", "name"]}],
    }


def test_the_document_is_public_and_the_rest_is_not(site: Site):
    statuses = [site.ask("", f"GET /v1/{path}")[0] for path in ("openapi.json", "cases", "district")]

    assert statuses == [200, 401, 401]


def test_a_tampered_token_is_refused_at_the_gate(site: Site):
    token = site.tokens[f"{site.owner}-operator"]

    assert site.ask("", "GET /v1/cases", token=token[:-8] + "AAAAAAAA")[0] == 401


def test_a_wrong_password_is_refused_as_a_problem(site: Site):
    status, told = site.ask("", "POST /v1/sign-in", {"username": f"{site.owner}-operator", "password": "no"})

    assert (status, told["code"]) == (401, "sign-in-failed")


def test_the_token_decides_the_role(site: Site):
    status, told = site.ask(f"{site.owner}-operator", "GET /v1/quarantine")

    assert (status, told["code"]) == (403, "role-not-allowed")


def test_a_phone_registers_for_push(site: Site):
    body = {"platform": "android", "push_token": f"token-{secrets.token_hex(8)}"}
    status, told = site.ask(f"{site.owner}-teacher", f"PUT /v1/devices/{site.owner}-p-1", body)

    assert (status, told["reachable"]) == (200, True)


def test_a_case_is_the_neighbours_only_between_accepting_and_revoking(site: Site):
    teacher, operator, beyond = (
        f"{site.owner}-teacher",
        f"{site.owner}-operator",
        f"{site.neighbour}-operator",
    )
    members = {"members": [{"child_id": "c-1", "outfit": {"top": "노랑"}}]}
    outing_status, _ = site.ask(teacher, "POST /v1/outings", members)
    _, reported = site.ask(teacher, "POST /v1/cases", {"child_id": "c-1"})
    case_id = reported["case"]["case_id"]
    shared = f"GET /v1/shared/{site.owner}/{case_id}"
    seen = [site.ask(beyond, shared)[0], site.ask(beyond, f"GET /v1/cases/{case_id}")[0]]
    site.ask(operator, f"POST /v1/cases/{case_id}/shares", {"neighbour_id": site.neighbour})
    seen.append(site.ask(beyond, shared)[0])
    site.ask(beyond, f"POST /v1/offers/{site.owner}/{case_id}/accept", {})
    seen.append(site.ask(beyond, shared)[0])
    site.ask(operator, f"POST /v1/cases/{case_id}/shares/{site.neighbour}/revoke", {})
    seen.append(site.ask(beyond, shared)[0])
    closed, _ = site.ask(operator, f"POST /v1/cases/{case_id}/close", {"reason": "false-alarm"})

    assert (outing_status, seen, closed) == (201, [404, 404, 404, 200, 404], 200)


def test_at_5_6_a_guardian_withdraws_by_a_link_through_the_gateway_and_what_was_sealed_is_gone(site: Site):
    official = f"{site.owner}-official"
    body = ConsentAsked.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index, call-overload]
    filed, told = site.ask(official, "PUT /v1/children/c-1/consent", body)
    _, link = site.ask(official, "PUT /v1/children/c-1/link", {"use": "guardian"})
    mine = f"/v1/guardians/{link['secret']}"
    paused, _ = site.ask("", f"POST {mine}/pause", {"paused": True, "confirmed": True})
    withdrawn, certificate = site.ask("", f"POST {mine}/withdraw", {"confirmed": True})
    _, after = site.ask("", f"GET {mine}")

    assert (filed, told["form"]["guardian_name"], paused, withdrawn) == (200, "김보호", 200, 200)
    assert (certificate["complete"] or "contacts" in str(certificate["held"]), after["state"]) == (
        True,
        "withdrawn",
    )


def test_a_call_for_help_needs_no_token_and_leads_a_case_whose_guardians_page_is_html(site: Site):
    official, operator = f"{site.owner}-official", f"{site.owner}-operator"
    _, link = site.ask(official, "PUT /v1/children/s-1/link", {"use": "device"})
    now = datetime.now(UTC).isoformat()
    fix = {"at": now, "lat": 37.48, "lon": 126.95, "accuracy_m": 12}
    called, told = site.ask("", f"POST /v1/sos/{link['secret']}", {"fix": fix})
    _, where = site.ask(operator, f"GET /v1/cases/{told['case_id']}/position")
    _, status = site.ask(operator, f"PUT /v1/cases/{told['case_id']}/guardian/link", {})
    shown, page = site.ask("", f"GET {status['path']}")
    unknown, _ = site.ask("", f"POST /v1/sos/{site.owner}.{'A' * 43}", {})

    assert (called, where["position"]["label"], unknown) == (200, "phone-position", 404)
    assert (shown, page.startswith("<!doctype html>")) == (200, True)


def test_at_10_3_a_real_report_stops_a_drill_within_two_seconds(site: Site):
    official, teacher = f"{site.neighbour}-official", f"{site.neighbour}-teacher"
    planned = {"planned_at": "2099-01-01T01:00:00Z", "facility_id": "sun", "child_id": "c-1"}
    status, told = site.ask(official, "POST /v1/drills", planned)
    assert status == 201, told
    drill = f"/v1/drills/{told['drill']['drill_id']}"
    started = site.ask(official, f"POST {drill}/start", {})
    assert (started[0], started[1]["drill"]["state"]) == (200, "running"), started
    pressed = time.monotonic()
    status, real = site.ask(teacher, "POST /v1/cases", {"child_id": "c-1"})

    seen = site.ask(official, f"GET {drill}")[1]["drill"]
    took_s = time.monotonic() - pressed

    assert (status, real["case"]["status"], seen["paused_for"]) == (201, "Actual", "real-case")
    assert took_s < 2 or os.getloadavg()[0] > (os.cpu_count() or 1), f"{took_s:.1f} s"
    site.ask(official, f"POST /v1/cases/{real['case']['case_id']}/close", {"reason": "false-alarm"})
    assert site.ask(official, f"POST {drill}/stop", {})[1]["drill"]["state"] == "stopped"
    assert site.ask(official, f"GET {drill}/report")[0] == 200
