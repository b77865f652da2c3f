"""An officer opens a personal link: the newest version, when it was made, and that it was received."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web import stage
from tests.web.browser import Screens, violations
from tests.web.world import World


@pytest.fixture
def link(world: World) -> str:
    """The address of a personal link to a child's case."""
    case_id = stage.outing(world).report(0)["case_id"]
    made = world.call("operator-garam", "POST", f"cases/{case_id}/links", {"to": "officer-garam"})
    return str(made["link"]["path"])


def opened(screens: Screens, link: str, user: str = "officer-garam") -> Page:
    return screens.open(link, user, size=(412, 915))


def test_at_4_3_the_link_shows_the_page_and_its_last_update_and_prints_the_page_alone(
    screens: Screens, link: str
) -> None:
    page = opened(screens, link)

    expect(page.locator("header [role=status]")).to_have_text(re.compile(r"마지막 갱신 \d\d:\d\d:\d\d"))
    expect(page.locator(".sheet h1")).to_have_text("실종자 수색 인계서")
    assert violations(page) == []
    page.emulate_media(media="print")
    expect(page.locator("header", has_text="마지막 갱신")).to_be_hidden()
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) == 1


def test_at_4_2_the_officer_says_that_they_have_it_and_the_operator_sees_it(
    screens: Screens, world: World, link: str
) -> None:
    page = opened(screens, link)
    page.get_by_role("button", name="접수 확인").click()

    expect(page.locator("header").first).to_contain_text(re.compile(r"● \d\d:\d\d:\d\d 접수 확인"))
    case_id = link.partition("#")[2].partition(".")[0]
    told = world.call("operator-garam", "GET", f"cases/{case_id}/deliveries")
    assert told["acknowledged_at"] is not None


def test_at_4_3_the_link_shows_nothing_to_anybody_else(screens: Screens, link: str) -> None:
    page = opened(screens, link, "officer2-garam")

    expect(page.locator("[role=status]")).to_have_text("이 링크는 없거나 끝났거나 본인의 것이 아닙니다.")
