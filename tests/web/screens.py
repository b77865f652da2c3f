"""Take the pictures of played scenes: `python -m tests.web.screens [folder]` (default .build/screens)."""

import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from shared.observability import logger
from tests.web import stage
from tests.web.browser import Screens, launched
from tests.web.stage import Scene
from tests.web.world import World, serving

FOLDER = Path(__file__).parents[2] / ".build/screens"
PHONE = (390, 844)


def shoot(page: Page, folder: Path, name: str) -> None:
    page.evaluate("document.fonts.ready.then(() => true)")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=folder / f"{name}.png")
    print(folder / f"{name}.png")  # noqa: T201 - it is what the command says


def phone(screens: Screens, user: str = "teacher-1-garam") -> Page:
    page = screens.open("/phone", user, size=PHONE, device_scale_factor=2)
    expect(page.locator(".members li").first).to_be_visible()
    return page


def console(screens: Screens, user: str = "operator-garam", language: str = "ko") -> Page:
    page = screens.open("/console", user, language=language)
    expect(page.locator(".cases")).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    page.locator(".mute").click()  # a press lets the browser sound
    return page


def calm(screens: Screens, folder: Path) -> tuple[Scene, Scene]:
    """Nobody is missing: the start of an outing, the group together, the quiet desk."""
    world = screens.world
    start = phone(screens)
    start.locator(".dress").first.click()
    for part, colour in enumerate(("노랑", "남색", "흰색", "빨강")):
        start.locator("dialog fieldset").nth(part).get_by_label(colour).click()
    shoot(start, folder, "phone-outfit")
    start.get_by_role("button", name="확인").click()
    shoot(start, folder, "phone-start")
    start.close()
    park = stage.outing(world, children=16)
    other = stage.outing(world, children=12, daycare=1)
    other.together()
    park.together()
    other.together()
    with world.clock.standing():
        page = phone(screens)
        expect(page.locator(".count.all")).to_be_visible()
        shoot(page, folder, "phone-list")
        page.close()
        desk = console(screens)
        expect(desk.locator(".outings .fine").first).to_be_visible()
        shoot(desk, folder, "console-desk")
        desk.close()
    return park, other


def missing(screens: Screens, folder: Path, park: Scene, other: Scene) -> None:
    """A child walks off: alarm, report, alert, search, share, wall."""
    world = screens.world
    park.wanders(6, 10, 90, 10)
    other.together()
    park.together(but=[6], near=[6], east_m=81, north_m=40)
    with world.clock.standing():
        teacher, desk = phone(screens), console(screens)
        expect(teacher.locator("[data-alarm]")).to_be_visible()
        shoot(teacher, folder, "phone-alarm")
        teacher.locator("[data-alarm]").get_by_role("button", name="실종 신고").click()
        expect(teacher.locator("[data-sent^='c-']")).to_be_visible()
        case_id = str(teacher.locator("[data-sent]").get_attribute("data-sent"))
        expect(desk.locator("[data-alert]")).to_be_visible()
        expect(desk.locator("[data-camera]").first).to_be_visible()
        shoot(desk, folder, "console-alert")
        desk.keyboard.press("F2")
        expect(desk.locator(".owned")).to_be_visible()
    for step in range(3):
        park.wanders(6, 90 + 14 * step, 104 + 14 * step, 2)
        position = world.call("operator-garam", "GET", f"cases/{case_id}/position")["position"]
        told = {
            "kind": "seen",
            "lat": position["lat"],
            "lon": position["lon"],
            "radius_m": 15,
            "source": "cctv",
        }
        world.call("operator-garam", "POST", f"cases/{case_id}/evidence", told)
    other.together()
    park.wanders(6, 132, 136, 2)
    with world.clock.standing():
        world.call("operator-garam", "POST", f"cases/{case_id}/shares", {"neighbour_id": "naru"})
        neighbour = console(screens, "operator-naru")
        expect(neighbour.locator(".offer")).to_be_visible()
        shoot(neighbour, folder, "console-offer")
        neighbour.get_by_role("button", name="수락").click()
        expect(neighbour.locator("[data-camera]").first).to_be_visible()
        shoot(neighbour, folder, "console-neighbour")
        world.call("teacher-1-garam", "POST", f"cases/{case_id}/police", {"receipt_no": "112-0514-1031"})
        desk.locator("[data-camera] button").first.click()
        expect(desk.locator("[data-camera] .mark")).to_be_visible()
        expect(desk.locator(".shares")).to_be_visible()
        shoot(desk, folder, "console-search")
        shoot(teacher, folder, "phone-received")
        wall = screens.open("/wall", "wall-garam")
        expect(wall.locator(".case")).to_be_visible()
        expect(wall.locator(".outings p").first).to_be_visible()
        shoot(wall, folder, "wall")
        english = console(screens, language="en")
        english.locator("[data-camera]").first.wait_for()
        expect(english.locator("[data-camera]").first).to_be_visible()
        shoot(english, folder, "console-english")
        desk.set_viewport_size({"width": 960, "height": 1080})
        shoot(desk, folder, "console-200-percent")


def drill(screens: Screens, folder: Path) -> None:
    """An exercise, and a phone that lost its server."""
    world = screens.world
    scene = stage.outing(world, children=8, status="Exercise").together(near=[3])
    scene.leaves(3)
    scene.report(3)
    with world.clock.standing():
        page = console(screens)
        expect(page.locator("[data-camera]").first).to_be_visible()
        shoot(page, folder, "console-drill")
        teacher = phone(screens)
        world.down = True
        expect(teacher.locator(".count.stale")).to_be_visible(timeout=30_000)
        shoot(teacher, folder, "phone-stale")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    logger.setLevel("CRITICAL")
    expect.set_options(timeout=30_000)
    with launched() as browser:
        for scene in ("search", "drill"):
            world = World()
            with serving(world) as url:
                screens = Screens(browser, world, url)
                if scene == "drill":
                    drill(screens, folder)
                else:
                    missing(screens, folder, *calm(screens, folder))
                screens.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
