"""The teacher's phone in a real browser, over the real handlers."""

import re
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from tests.web import stage
from tests.web.browser import Screens, violations
from tests.web.world import World

SIZE = (390, 844)
TEACHER = "teacher-1-garam"


def phone(screens: Screens, **options: object) -> Page:
    """The phone, past its first answer."""
    page = screens.open("/phone", TEACHER, size=SIZE, **options)  # type: ignore[arg-type]
    expect(page.locator(".members li").first).to_be_visible()
    return page


def reports(world: World) -> list[tuple[str, dict[str, str]]]:
    """Key and body of every report that reached the API."""
    return [
        (headers["idempotency-key"], body)
        for method, path, headers, body in world.asked
        if (method, path) == ("POST", "/v1/cases")
    ]


def test_an_outing_starts_with_roster_bag_check_and_outfit_card(screens: Screens, world: World) -> None:
    page = phone(screens)
    page.locator(".dress").first.click()
    page.locator("dialog fieldset").first.get_by_label("노랑").click()
    page.get_by_role("button", name="확인").click()

    page.get_by_role("button", name=re.compile("나들이 시작")).click()

    expect(page.locator("[data-count]")).to_be_visible()
    outing_id = world.call(TEACHER, "GET", "outings")["outings"][0]["outing_id"]
    members = world.call(TEACHER, "GET", f"outings/{outing_id}")["outing"]["members"]
    assert members[0]["outfit"] == {"top": "yellow"}


def test_everybody_is_with_the_group_when_the_server_just_said_so(screens: Screens, world: World) -> None:
    stage.outing(world).together()

    page = phone(screens)

    expect(page.locator(".count.all .chip")).to_have_text("✔ 모두 함께")


def test_a_departure_fills_the_screen_with_who_when_and_why(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together()
    page = phone(screens)

    scene.leaves(1)

    expect(page.locator("[data-alarm]")).to_have_text(
        re.compile(
            r"일행에서 멀어졌어요.*02번 가방.*(마지막 신호|길가 수신기가 들음 ·) \d+초 전.*\d+초째", re.DOTALL
        )
    )


def test_one_tap_on_the_alarm_reports_that_child_once(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together()
    scene.leaves(1)
    page = phone(screens)
    world.lose = 2  # the report arrives, and its answer is lost twice

    page.locator("[data-alarm]").get_by_role("button", name="실종 신고").click()

    expect(page.locator("[data-sent^='c-']")).to_be_visible()
    sent = reports(world)
    cases = world.call("operator-garam", "GET", "cases")["cases"]
    timeline = world.call("operator-garam", "GET", f"cases/{cases[0]['case_id']}/timeline")["entries"]
    assert (len(sent), len({key for key, _ in sent}), len(cases), sent[0][1]["child_id"]) == (
        3,
        1,
        1,
        scene.child(1)["child_id"],
    )
    assert [entry["code"] for entry in timeline].count("report-joined") == 0


def test_the_report_button_never_guesses_who_is_missing(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together()
    page = phone(screens)

    page.locator("footer button").click()
    page.locator("dialog").get_by_role("button", name=re.compile(scene.child(2)["name"])).click()

    expect(page.locator("[data-sent^='c-']")).to_be_visible()
    assert [body["child_id"] for _, body in reports(world)] == [scene.child(2)["child_id"]]


def test_a_press_without_network_is_sent_later_with_its_own_time(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together()
    page = phone(screens)
    world.down = True
    page.locator("footer button").click()
    page.locator("dialog").get_by_role("button", name=re.compile(scene.child(0)["name"])).click()
    expect(page.locator("[data-sent=waiting] .waiting")).to_have_text(re.compile(r"전송 대기 [2-9]초"))

    world.down = False

    expect(page.locator("[data-sent^='c-']")).to_be_visible()
    case = world.call("operator-garam", "GET", "cases")["cases"][0]
    pressed, opened = (datetime.fromisoformat(case[name]) for name in ("opened_at", "opened_at"))
    pressed = datetime.fromisoformat(case["clock"]["T4"])
    assert (opened - pressed).total_seconds() >= 2


def test_a_waiting_report_survives_a_restart_of_the_page(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together()
    page = phone(screens)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    world.down = True
    page.locator("footer button").click()
    page.locator("dialog").get_by_role("button", name=re.compile(scene.child(0)["name"])).click()
    expect(page.locator("[data-sent=waiting]")).to_be_visible()
    page.reload()
    expect(page.locator(".trouble").first).to_have_text(re.compile("보내지 못한 신고 1건"))

    world.down = False

    expect(page.locator(".trouble")).to_have_count(0)
    assert [body["child_id"] for _, body in reports(world)] == [scene.child(0)["child_id"]]


def test_a_count_without_a_fresh_word_turns_grey_within_ten_seconds(screens: Screens, world: World) -> None:
    stage.outing(world).together()
    page = phone(screens)
    expect(page.locator(".count.all")).to_be_visible()

    world.down = True

    expect(page.locator(".count.stale")).to_be_visible(timeout=11_500)
    expect(page.locator(".count .chip")).to_have_text(re.compile(r"알 수 없음 · \d+초 전"))
    assert page.locator("[data-state=with]").count() == 0


def test_a_page_started_without_a_server_shows_nobody_as_safe(screens: Screens, world: World) -> None:
    stage.outing(world).together()
    page = phone(screens)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    world.down = True

    page.reload()

    expect(page.locator(".count.stale")).to_be_visible()
    assert page.locator("[data-state=with], .count.all").count() == 0


def test_silent_phones_are_said_aloud(screens: Screens, world: World) -> None:
    stage.outing(world).together()
    page = phone(screens)

    world.clock.forward(30)

    expect(page.locator(".trouble")).to_have_text(re.compile("감시가 멈췄어요"))


@pytest.mark.parametrize(("button", "answer"), [("찾는 중이에요", "searching"), ("곁에 있어요", "with-me")])
def test_an_answer_quiets_the_alarm(screens: Screens, world: World, button: str, answer: str) -> None:
    scene = stage.outing(world).together()
    scene.leaves(1)
    page = phone(screens)

    page.get_by_role("button", name=button).click()

    expect(page.locator("[data-alarm]")).to_have_count(0)
    told = world.call(TEACHER, "GET", f"outings/{scene.outing_id}")["outing"]["members"][1]
    assert told["answer"] == answer


def test_the_operators_acknowledgement_and_the_112_call_show_as_steps(screens: Screens, world: World) -> None:
    scene = stage.outing(world).together()
    scene.leaves(0)
    page = phone(screens)
    page.locator("[data-alarm]").get_by_role("button", name="실종 신고").click()
    expect(page.locator("[data-sent^='c-']")).to_be_visible()
    case_id = page.locator("[data-sent]").get_attribute("data-sent")
    world.call("operator-garam", "POST", f"cases/{case_id}/acknowledge")
    expect(page.locator(".steps")).to_have_text(re.compile(r"관제요원 확인 \d\d:\d\d:\d\d"))
    page.evaluate("document.querySelector('a[href^=tel]').addEventListener('click', e => e.preventDefault())")

    page.get_by_role("link", name=re.compile("112 전화")).click()

    expect(page.locator(".steps")).to_have_text(re.compile(r"112 신고 \d\d:\d\d:\d\d"))
    assert "T9" in world.call("operator-garam", "GET", f"cases/{case_id}")["case"]["clock"]


def test_a_report_can_be_taken_back_in_its_first_seconds(screens: Screens, world: World) -> None:
    stage.outing(world).together().leaves(0)
    page = phone(screens)
    page.locator("[data-alarm]").get_by_role("button", name="실종 신고").click()

    page.get_by_role("button", name=re.compile("신고 취소")).click()

    expect(page.locator("[data-sent]")).to_have_count(0)
    assert world.call("operator-garam", "GET", "cases")["cases"][0]["close_reason"] == "false-alarm"


def test_an_outing_does_not_end_over_an_unheard_bag_without_a_word(screens: Screens, world: World) -> None:
    stage.outing(world).together().leaves(1)
    page = phone(screens)
    page.get_by_role("button", name="찾는 중이에요").click()
    page.get_by_role("button", name="나들이 끝내기").click()
    expect(page.locator("dialog button.primary")).to_be_disabled()

    page.get_by_label("남겨둠").check()
    page.locator("dialog button.primary").click()

    expect(page.get_by_role("heading", name="나들이 준비")).to_be_visible()


def test_a_drill_is_a_drill_on_the_phone(screens: Screens, world: World) -> None:
    stage.outing(world, status="Exercise").together().leaves(1)

    page = phone(screens)

    expect(page.locator("[data-alarm] h1")).to_have_text(re.compile(r"^\[훈련\]"))


def test_the_page_is_installable(screens: Screens, world: World) -> None:
    page = phone(screens)
    manifest = page.context.new_cdp_session(page).send("Page.getAppManifest")

    assert (manifest["errors"], '"display": "standalone"' in manifest["data"]) == ([], True)


def test_a_push_says_look_and_names_nobody(screens: Screens, world: World) -> None:
    page = phone(screens, permissions=["notifications"])
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    cdp = page.context.new_cdp_session(page)
    found: list[dict[str, str]] = []
    cdp.on("ServiceWorker.workerRegistrationUpdated", lambda event: found.extend(event["registrations"]))
    cdp.send("ServiceWorker.enable")
    for _ in range(100):
        if found:
            break
        page.wait_for_timeout(50)

    cdp.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": screens.url, "registrationId": found[0]["registrationId"], "data": '{"id": "x"}'},
    )

    shown = """async () => {
      const registration = await navigator.serviceWorker.ready
      for (let n = 0; n < 50; n += 1) {
        const notes = await registration.getNotifications()
        if (notes.length) return notes.map((note) => note.title + '|' + note.body)
        await new Promise((done) => setTimeout(done, 50))
      }
      return []
    }"""
    assert page.evaluate(shown) == ["지킴이: 확인이 필요해요|눌러서 확인하세요"]


def test_a_page_subscribes_to_push_for_the_phone_it_says_it_is(screens: Screens, world: World) -> None:
    scene = stage.outing(world)
    scene.together()
    mine = scene.outing["phones"][0]["phone_id"]
    page = screens.open("/phone", TEACHER, size=SIZE, permissions=["notifications"])
    page.evaluate("""() => {
      const keys = { p256dh: 'B' + 'A'.repeat(86), auth: 'A'.repeat(22) }
      const endpoint = 'https://fcm.googleapis.com/fcm/send/example'
      PushManager.prototype.subscribe = async () => ({ toJSON: () => ({ endpoint, keys }) })
      Notification.requestPermission = async () => 'granted'
      Object.defineProperty(Notification, 'permission', { value: 'default' })
    }""")
    page.get_by_role("button", name="알림 켜기").click()
    page.get_by_role("dialog").get_by_role("button").first.click()

    expect(page.get_by_text("알림 켜짐")).to_be_visible()
    assert world.on("garam").registry.phone(mine).platform == "web"


def test_every_target_is_large_enough_and_nothing_scrolls_sideways_at_320_px(
    screens: Screens, world: World
) -> None:
    stage.outing(world).together().leaves(1)
    page = screens.open("/phone", TEACHER, size=(320, 568))
    expect(page.locator("[data-alarm]")).to_be_visible()
    small = """() => [...document.querySelectorAll('button, a')]
      .filter((target) => target.offsetHeight && target.offsetHeight < 44).length"""
    alarm = page.evaluate(small)
    page.get_by_role("button", name="찾는 중이에요").click()
    expect(page.locator("[data-alarm]")).to_have_count(0)

    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert (alarm, page.evaluate(small), max(0, wide)) == (0, 0, 0)


def test_axe_finds_nothing_on_any_state_of_the_phone(screens: Screens, world: World) -> None:
    found: dict[str, list[str]] = {}
    start = phone(screens)
    found["start"] = violations(start)
    start.locator(".dress").first.click()
    found["outfit"] = violations(start)
    start.close()
    scene = stage.outing(world).together()
    page = phone(screens)
    expect(page.locator(".count.all")).to_be_visible()
    found["together"] = violations(page)
    page.locator("footer button").click()
    found["who"] = violations(page)
    page.keyboard.press("Escape")
    scene.leaves(1)
    expect(page.locator("[data-alarm]")).to_be_visible()
    found["alarm"] = violations(page)
    page.locator("[data-alarm]").get_by_role("button", name="실종 신고").click()
    expect(page.locator("[data-sent^='c-']")).to_be_visible()
    found["sent"] = violations(page)
    page.get_by_role("button", name="목록으로").click()
    found["list"] = violations(page)
    world.down = True
    expect(page.locator(".count.stale")).to_be_visible(timeout=11_500)
    found["stale"] = violations(page)

    assert {name: faults for name, faults in found.items() if faults} == {}
