"""The administrator's tables: each role sees its own, and a drill is planned, run and learnt from there."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.browser import Screens, violations
from tests.web.world import World

TABS = {
    "admin": ["수신기", "비콘", "CCTV", "사용자", "공유 협약", "훈련", "지표", "격리된 메시지"],
    "official": ["수신기", "CCTV", "공유 협약", "훈련", "지표", "경찰 요청", "제공 통지"],
    "auditor": ["사용자", "공유 협약", "훈련", "지표", "경찰 요청", "제공 통지", "열람 기록"],
}


def admin(screens: Screens, role: str) -> Page:
    page = screens.open("/admin", f"{role}-garam")
    expect(page.locator(".admin h1")).to_be_visible()
    return page


@pytest.mark.parametrize("role", TABS)
def test_every_table_of_a_role_opens_without_a_fault(screens: Screens, role: str) -> None:
    page = admin(screens, role)
    tabs = page.locator("nav button")

    assert tabs.all_inner_texts() == TABS[role]
    for tab in tabs.all():
        tab.click()
        expect(page.locator("main h2")).to_have_text(tab.inner_text())
        expect(
            page.locator("main [role=alert], main p", has_text=re.compile("처리하지 못했습니다"))
        ).to_have_count(0)
        assert violations(page) == []


def test_the_beacons_are_those_of_the_daycare_chosen(screens: Screens, world: World) -> None:
    page = admin(screens, "admin")
    page.get_by_role("button", name="비콘", exact=True).click()
    second = world.city.facilities["garam"][1]
    page.get_by_label("시설").select_option(label=second.name)

    mine = [c for c in world.city.children["garam"] if c.facility_id == second.facility_id]
    expect(page.locator("tbody tr")).to_have_count(len(mine))


def test_a_drill_is_planned_started_stopped_and_learnt_from(screens: Screens, world: World) -> None:
    page = admin(screens, "official")
    page.get_by_role("button", name="훈련", exact=True).click()
    page.locator("summary").click()
    page.get_by_label("예정").fill("2026-05-20T10:30")
    page.locator("form.plan button.primary").click()
    row = page.locator("tbody tr")
    expect(row).to_contain_text("[훈련] 예정")

    row.get_by_role("button", name="시작").click()
    expect(row).to_contain_text("[훈련] 진행 중")
    page.get_by_label("돌발 상황 넣기").select_option("wrong-clothing")
    expect(row).to_contain_text("틀린 인상착의")
    row.get_by_role("button", name="종료").click()
    expect(row).to_contain_text("[훈련] 끝남")
    row.get_by_role("button", name="보고서").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("T4")
    assert violations(page) == []
    dialog.get_by_role("button", name="교훈으로").first.click()

    drill = world.call("official-garam", "GET", "drills")["drills"][0]
    assert (
        drill["status"],
        len(drill["lessons"]),
        world.call("official-garam", "GET", "cases")["cases"][0]["status"],
    ) == (
        "Exercise",
        1,
        "Exercise",
    )


def test_an_official_signs_an_agreement(screens: Screens, world: World) -> None:
    neighbour = world.city.agreements[0]
    agreed = world.on("garam").registry.agreements()
    world.on("garam").registry.put(
        *(type(a)(a.tenant_id, a.neighbour_id, a.neighbour_boundary, ("position",), a.until) for a in agreed)
    )
    page = admin(screens, "official")
    page.get_by_role("button", name="공유 협약").click()
    row = page.locator("tbody tr", has_text=f"garam → {neighbour.neighbour_id}")
    expect(row).to_contain_text("효력 없음")
    row.get_by_role("button", name="서명").click()

    expect(row).to_contain_text("garam")
    expect(row.get_by_role("button", name="서명")).to_have_count(0)
