"""The operator console in a real browser, over the real handlers."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web import stage
from tests.web.browser import Screens, violations
from tests.web.world import PASSWORD, World

REPORTED = re.compile("실종 신고 접수")


def desk(screens: Screens, user: str = "operator-garam", **options: object) -> Page:
    """The console, ready."""
    page = screens.open("/console", user, **options)  # type: ignore[arg-type]
    expect(page.locator(".cases")).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)
    return page


def test_an_operator_signs_in_with_the_keyboard(screens: Screens) -> None:
    page = screens.open("/console")
    expect(page.locator("form")).to_be_visible()

    page.keyboard.press("Tab")
    page.keyboard.type("operator-garam")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("가람구 통합관제센터")


def test_a_wrong_password_is_refused_in_words(screens: Screens) -> None:
    page = screens.open("/console")

    page.fill("[name=username]", "operator-garam")
    page.fill("[name=password]", "wrong")
    page.keyboard.press("Enter")

    expect(page.locator("[role=alert]")).to_have_text(re.compile(r"[가-힣]{2}"))


def test_a_report_raises_the_banner_with_who_where_and_how_long_is_left(
    screens: Screens, world: World
) -> None:
    scene = stage.outing(world).together(near=[0])
    page = desk(screens)

    scene.report(0)

    expect(page.locator("[data-alert]")).to_have_text(
        re.compile(
            r"실종 신고 접수.*가람 햇살어린이집.*만 \d세.*반경 \d+ m.*초 뒤 자동 상급 보고.*확인", re.DOTALL
        )
    )


def test_f2_acknowledges_and_the_owner_is_shown(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together(near=[0])
    scene.report(0)
    page = desk(screens)
    expect(page.locator("[data-alert]")).to_be_visible()

    page.keyboard.press("F2")

    expect(page.locator(".owned")).to_have_text(re.compile("operator-garam 확인함"))


def test_the_banner_stays_until_somebody_acknowledges(screens: Screens, world: World) -> None:
    stage.outing(world).report(0)
    page = desk(screens)
    expect(page.locator("[data-alert]")).to_be_visible()

    world.clock.forward(3600)

    expect(page.locator("[data-alert]")).to_have_text(re.compile("상급 보고됨"))


def test_every_operator_sees_who_took_the_case(screens: Screens, world: World) -> None:
    stage.outing(world).report(0)
    first, second = desk(screens), desk(screens, "operator2-garam")
    expect(second.locator("[data-alert]")).to_be_visible()

    first.locator(".banner .ack").click()

    expect(second.locator(".case")).to_have_text(re.compile("operator-garam"))


def test_a_second_operator_is_told_who_has_the_case(screens: Screens, world: World) -> None:
    case = stage.outing(world).report(0)
    page = desk(screens)
    expect(page.locator("[data-alert]")).to_be_visible()
    page.route("**/v1/cases*", lambda route: route.abort())  # this screen has not heard yet
    world.call("operator2-garam", "POST", f"cases/{case['case_id']}/acknowledge")

    page.locator(".banner .ack").click()

    expect(page.locator(".toast")).to_be_visible()


def test_real_cases_stand_before_drills_and_are_counted_alone(screens: Screens, world: World) -> None:
    drill = stage.outing(world, status="Exercise").report(0)
    real = stage.outing(world, daycare=1).report(0)

    page = desk(screens)

    expect(page.locator(".case").nth(1)).to_have_attribute("data-case", drill["case_id"])
    shown = [
        page.locator(".case").nth(0).get_attribute("data-case"),
        page.locator(".counts dd").nth(0).inner_text(),
    ]
    assert shown == [real["case_id"], "1"]


def test_a_drill_says_so_in_words_shape_and_title(screens: Screens, world: World) -> None:
    stage.outing(world, status="Exercise").together(near=[0]).report(0)

    page = desk(screens)

    expect(page.locator("[data-alert] h2")).to_have_text("[훈련] 실종 신고 접수")
    expect(page.locator(".case.drill .case-state")).to_have_text(re.compile("▲ 훈련 · 미확인"))
    expect(page.locator(".drill-tape")).to_be_visible()


def test_a_real_case_ends_the_drill_on_every_screen(screens: Screens, world: World) -> None:
    stage.outing(world, status="Exercise").report(0)
    page = desk(screens)
    expect(page.locator(".drill-tape")).to_be_visible()

    stage.outing(world, daycare=1).report(0)

    expect(page.locator(".drill-tape")).to_have_count(0)
    expect(page.locator(".pill.drill")).to_have_text(re.compile("실제 상황"))


def test_a_new_alarm_moves_neither_selection_nor_focus(screens: Screens, world: World) -> None:
    first = stage.outing(world).together(near=[0]).report(0)
    page = desk(screens)
    page.keyboard.press("F2")
    expect(page.locator(".owned")).to_be_visible()
    page.locator("[data-camera] button").first.focus()
    focused = "document.activeElement.getAttribute('aria-label')"
    before = page.evaluate(focused)

    stage.outing(world, daycare=1).report(0)
    expect(page.locator("[data-alert]")).to_be_visible()

    chosen = page.locator(".case[aria-current]").get_attribute("data-case")
    assert (chosen, page.evaluate(focused)) == (first["case_id"], before)


def test_at_most_eight_cameras_are_offered_with_reason_bearing_and_time(
    screens: Screens, world: World
) -> None:
    stage.outing(world).together(near=[0]).report(0)

    page = desk(screens)

    expect(page.locator("[data-camera]").first).to_have_text(
        re.compile(r"\d+%.*\d+ m · (북|동|남|서).*\d\d:\d\d–\d\d:\d\d 지나갈 가능성", re.DOTALL)
    )
    assert page.locator("[data-camera]").count() <= 8


def test_a_key_on_a_camera_row_writes_the_search_log(screens: Screens, world: World) -> None:
    case = stage.outing(world).together(near=[0]).report(0)
    page = desk(screens)
    page.keyboard.press("F2")
    row = page.locator("[data-camera]").first
    row.locator("button").first.focus()

    page.keyboard.press("1")

    expect(row.locator(".mark")).to_have_text(re.compile("보는 중"))
    codes = [
        e["code"] for e in world.call("operator-garam", "GET", f"cases/{case['case_id']}/timeline")["entries"]
    ]
    assert "camera-watching" in codes


def test_a_camera_a_colleague_watches_is_not_offered(screens: Screens, world: World) -> None:
    stage.outing(world).together(near=[0]).report(0)
    page = desk(screens)
    name = page.locator("[data-camera]").first.get_attribute("data-camera")
    page.locator("[data-camera] button").first.click()
    expect(page.locator("[data-camera] .mark")).to_be_visible()

    other = desk(screens, "operator2-garam")

    expect(other.locator(".timeline li").first).to_be_visible()
    assert name not in [row.get_attribute("data-camera") for row in other.locator("[data-camera]").all()]


def test_the_keyboard_alone_goes_from_alert_to_hand_over(screens: Screens, world: World) -> None:
    case = stage.outing(world).together(near=[0]).report(0)
    page = desk(screens)
    expect(page.locator("[data-alert]")).to_be_visible()

    page.keyboard.press("F2")
    expect(page.locator(".owned")).to_be_visible()
    page.keyboard.press("F4")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.type("112-4711")
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="아이 확보").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="보호자 인계").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("F10")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("공원에서 찾음")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator(".actions")).to_have_text(re.compile("종결: 찾음"))
    clock = world.call("operator-garam", "GET", f"cases/{case['case_id']}")["case"]["clock"]
    assert {"T5", "T9", "T12", "T13", "T14"} <= set(clock)


def test_closing_needs_a_reason_and_a_note(screens: Screens, world: World) -> None:
    stage.outing(world).report(0)
    page = desk(screens)
    page.keyboard.press("F10")
    page.get_by_label("오인 신고").check()

    page.locator("dialog button.danger").click()

    expect(page.locator("dialog textarea:invalid")).to_have_count(1)


def test_a_neighbour_sees_the_case_only_between_accept_and_revoke(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together(near=[0])
    case = scene.report(0)
    owner, neighbour = desk(screens), desk(screens, "operator-naru")
    world.call("operator-garam", "POST", f"cases/{case['case_id']}/shares", {"neighbour_id": "naru"})
    expect(neighbour.locator(".offer")).to_be_visible()
    assert neighbour.locator(".case").count() == 0

    neighbour.get_by_role("button", name="수락").click()
    expect(neighbour.locator(".case")).to_have_text(re.compile("공유받음"))
    owner.get_by_role("button", name="회수").click()

    expect(neighbour.locator(".case")).to_have_count(0)


def test_replay_goes_back_along_the_track(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together(near=[0])
    case = scene.report(0)
    seen = {"kind": "seen", "lat": 37.4999, "lon": 126.9984, "radius_m": 20, "source": "operator"}
    world.clock.forward(5)
    world.call("operator-garam", "POST", f"cases/{case['case_id']}/evidence", seen)
    page = desk(screens)

    page.locator("#replay").focus()
    page.keyboard.press("ArrowLeft")

    expect(page.locator(".replay output")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))


def test_english_leaves_no_korean_sentence_behind(screens: Screens, world: World) -> None:
    stage.outing(world).together(near=[0]).report(0)
    page = desk(screens, language="en")
    expect(page.locator("[data-camera]").first).to_be_visible()

    data = re.compile(r"김|○|가람|새벽|시냇|한마음|나루|은행|솔숲|언덕|햇살|어린이집|박관제|한국어")
    texts = page.locator("h2, h3, button, dt, label, summary, .pill, .steps").all_inner_texts()
    assert [text for text in texts if re.search("[가-힣]", text) and not data.search(text)] == []


def test_korean_leaves_no_stray_english_behind(screens: Screens, world: World) -> None:
    stage.outing(world).together(near=[0]).report(0)
    page = desk(screens)
    expect(page.locator("[data-camera]").first).to_be_visible()

    texts = " ".join(
        page.locator("h1, h2, h3, dt, label, summary, .pill, .steps, .timeline").all_inner_texts()
    )
    assert set(re.findall(r"[A-Za-z]{3,}", texts)) <= {"CCTV"}


def test_switching_the_language_needs_no_reload(screens: Screens) -> None:
    page = desk(screens)

    page.get_by_role("button", name="English").click()

    expect(page.locator("h1")).to_have_text("가람구 control centre")
    assert page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("size", [(960, 540), (640, 512), (320, 568)], ids=["200%", "300%", "phone"])
def test_no_sideways_scroll_at_any_zoom(screens: Screens, world: World, size: tuple[int, int]) -> None:
    stage.outing(world).together(near=[0]).report(0)
    page = desk(screens, size=size)
    expect(page.locator("[data-camera]").first).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_without_webgl_the_map_is_drawn(screens: Screens, world: World) -> None:
    stage.outing(world).together(near=[0]).report(0)
    page = desk(screens)
    expect(page.locator("[data-camera]").first).to_be_visible()

    inked = """() => [...document.querySelectorAll('.map canvas')].map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      return data.some((value, i) => i % 4 === 3 && value > 0)
    })"""
    assert page.evaluate(inked) == [True, True]


def test_axe_finds_nothing_on_any_state(screens: Screens, world: World) -> None:
    found: dict[str, list[str]] = {}
    out = screens.open("/console")
    expect(out.locator("form")).to_be_visible()
    found["sign-in"] = violations(out)
    page = desk(screens)
    found["quiet"] = violations(page)
    scene = stage.outing(world).together(near=[0])
    case = scene.report(0)
    expect(page.locator("[data-camera]").first).to_be_visible()
    found["alert"] = violations(page)
    page.keyboard.press("F2")
    expect(page.locator(".owned")).to_be_visible()
    found["search"] = violations(page)
    for key, name in (("F4", "police"), ("F8", "share"), ("F7", "escalate"), ("F10", "close")):
        page.keyboard.press(key)
        expect(page.locator("dialog[open]")).to_be_visible()
        found[name] = violations(page)
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
    world.call("operator-garam", "POST", f"cases/{case['case_id']}/shares", {"neighbour_id": "naru"})
    neighbour = desk(screens, "operator-naru")
    expect(neighbour.locator(".offer")).to_be_visible()
    found["offer"] = violations(neighbour)
    stage.outing(world, status="Exercise", daycare=1).report(0)
    expect(page.locator("[data-alert].drill")).to_be_visible()
    found["drill"] = violations(page)

    assert {name: faults for name, faults in found.items() if faults} == {}


def test_the_hand_over_is_saved_to_print_and_a_personal_link_is_made(screens: Screens, world: World) -> None:
    stage.outing(world).report(0)
    page = desk(screens)
    page.locator(".cases button").first.click()
    page.keyboard.press("F2")
    page.keyboard.press("F4")
    dialog = page.get_by_role("dialog")
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="A4 인쇄용").click()
    dialog.get_by_label("받을 경찰관 아이디").fill("police-1")
    dialog.get_by_role("button", name="개인 링크 만들기").click()

    expect(dialog.get_by_role("status")).to_have_text(re.compile(r"/police#"))
    assert "실종" in saved.value.path().read_text(encoding="utf-8")
    assert violations(page) == []


def test_a_closed_case_is_searched_for_again(screens: Screens, world: World) -> None:
    case_id = stage.outing(world).report(0)["case_id"]
    world.call("operator-garam", "POST", f"cases/{case_id}/close", {"reason": "false-alarm", "note": "오인"})
    page = desk(screens)
    page.locator(".cases button").first.click()
    page.get_by_role("button", name="다시 수색").click()
    page.get_by_role("dialog").get_by_role("button", name="다시 수색").click()

    expect(page.locator(".ack.wide")).to_be_visible()
