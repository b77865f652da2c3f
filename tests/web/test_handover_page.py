"""The hand-over's page in a real browser: one sheet of A4, whatever it has to say."""

import re
from datetime import timedelta

from playwright.sync_api import Browser

from shared.domain.places import Status
from shared.schema.handover import (
    ActionBlock,
    CameraBlock,
    DeliveryBlock,
    GuardianBlock,
    HandOver,
    Replaced,
    SubjectBlock,
)
from shared.schema.handover_page import page
from tests.casework import at
from tests.unit.shared.schema.test_handover import made

LONG = "가나다라마바사아자차" * 9
A4_MM = (210, 297)


def fullest() -> HandOver:
    """Every block filled to the brim, as an exercise, which has one more line."""
    record = made(status=Status.EXERCISE)
    words = {name: LONG for name in SubjectBlock.model_fields if name not in ("age_y", "outfit")}
    place = record.history[0].model_copy(update={"source": ",".join(f"garam-s-{n:03d}" for n in range(40))})
    late = at(9_000) + timedelta(days=200)
    return record.model_copy(
        update={
            "tenant_name": LONG,
            "created_by": LONG,
            "replaces": (Replaced(version=999, created_at=late, checksum="f" * 64),),
            "subject": SubjectBlock(**words, age_y=104, outfit=dict.fromkeys(("top", "bottom", "bag"), LONG)),
            "guardian": GuardianBlock(name=LONG, relation=LONG, phone=LONG, reached_at=late),
            "reporter": record.reporter.model_copy(update={"facility": LONG, "receipt_no": LONG}),
            "circumstances": record.circumstances.model_copy(
                update={"last_seen": place, "last_heard": place, "last_reported": place}
            ),
            "history": (place,) * 400,
            "cameras": (CameraBlock(camera_id=LONG, look="possible", by=LONG, since=late, at=late),) * 200,
            "area": record.area.model_copy(update={"neighbours": dict.fromkeys(map(str, range(20)), LONG)}),
            "actions": (ActionBlock(seq=1, at=late, actor=LONG, code="x", text=LONG),) * 900,
            "deliveries": (DeliveryBlock(to=LONG, at=late, channel="fax", version=999, purpose=LONG),) * 50,
        }
    )


def sheets(browser: Browser, record: HandOver) -> tuple[int, tuple[int, int]]:
    """How many sheets the page prints on, and their size in mm."""
    screen = browser.new_page()
    try:
        screen.set_content(page(record))
        pdf = screen.pdf(prefer_css_page_size=True)
    finally:
        screen.close()
    box = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert box is not None
    size = (round(float(box[1]) / 72 * 25.4), round(float(box[2]) / 72 * 25.4))
    return len(re.findall(rb"/Type\s*/Page\b", pdf)), size


def test_at_4_1_the_page_is_one_sheet_of_a4(browser: Browser):
    assert sheets(browser, made()) == (1, A4_MM)


def test_at_4_1_the_fullest_record_is_still_one_sheet(browser: Browser):
    assert sheets(browser, fullest()) == (1, A4_MM)
