"""The wall display: read-only, masked, and alive after a fault."""

import json
import re

from playwright.sync_api import Page, Route, expect

from tests.web import stage
from tests.web.browser import Screens, violations
from tests.web.world import World


def wall(screens: Screens) -> Page:
    page = screens.open("/wall", "wall-garam")
    expect(page.locator(".wall h1")).to_have_text(re.compile("가람구"))
    return page


def test_the_oldest_real_case_stands_large_and_drills_apart(screens: Screens, world: World) -> None:
    stage.outing(world, status="Exercise").report(0)
    real = stage.outing(world, daycare=1).report(0)

    page = wall(screens)

    expect(page.locator(".case")).to_have_attribute("data-case", real["case_id"])
    expect(page.locator(".drills li")).to_have_text(re.compile(r"^\[훈련\]"))


def test_no_full_name_is_on_the_wall_whatever_the_server_sends(screens: Screens, world: World) -> None:
    scene = stage.outing(world)
    name = scene.child(0)["name"]
    scene.report(0)

    def unmask(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        for case in told["cases"]:
            case["subject"]["name"] = name
        route.fulfill(response=answer, body=json.dumps(told))

    page = screens.open("/wall", "wall-garam")
    page.route("**/v1/cases*", unmask)
    with page.expect_response("**/v1/cases*"):
        expect(page.locator(".case h2")).to_have_text(re.compile("○"))

    expect(page.locator(".case h2")).to_have_text(re.compile("○"))
    assert name not in page.locator("body").inner_text()


def test_there_is_nothing_to_press_and_no_picture(screens: Screens, world: World) -> None:
    stage.outing(world).report(0)

    page = wall(screens)

    expect(page.locator(".case")).to_be_visible()
    assert page.locator("button, a, input, img").count() == 0


def test_a_dead_link_is_shown_and_heals_by_itself(screens: Screens, world: World) -> None:
    page = wall(screens)
    world.down = True
    expect(page.locator("[data-link=late]")).to_be_visible(timeout=5500)

    world.down = False

    expect(page.locator("[data-link=polling]")).to_be_visible()


def test_axe_finds_nothing_on_the_wall(screens: Screens, world: World) -> None:
    quiet = wall(screens)
    found = {"quiet": violations(quiet)}
    stage.outing(world).together().report(0)
    stage.outing(world, daycare=1, status="Exercise").report(0)
    expect(quiet.locator(".drills")).to_be_visible()
    found["case"] = violations(quiet)

    assert {name: faults for name, faults in found.items() if faults} == {}
