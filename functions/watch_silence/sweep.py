"""One sweep over a tenant: what fell silent, and what is past its time."""

from dataclasses import dataclass, replace
from datetime import timedelta

from shared.adapters.alerts import tell_stopped
from shared.adapters.clock import epoch_ms
from shared.adapters.consents import PURGE, purge
from shared.adapters.drills import end as end_drill
from shared.adapters.notices import NOTICE, send_due
from shared.adapters.wiring import Adapters
from shared.domain.case import system
from shared.domain.drill import overdue
from shared.domain.ephemeral_id import PERIOD_S, windows_at
from shared.domain.notices import unnoticed
from shared.domain.outing import Outing
from shared.domain.watching import stopped

CLOSING = timedelta(hours=1)
"""A closed case's workflow has its last things to do this long."""
DARK_AFTER_MS = 60_000
"""Without a heartbeat this long a scanner's silence is no evidence (FIELD AT-2.6)."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found. dark: scanners that are dark now; turned: that went dark or came back.

    revived: cases whose workflow had ended too early and runs again. notices_late: notices to guardians that
    nobody told by their date; purged: withdrawals whose rest was destroyed or is still held.
    """

    phones_stopped: int
    dark: int
    scanners: int
    turned: int
    expired: int
    revived: int
    notices_late: int
    purged: int


def sweep(on: Adapters) -> Swept:
    """Tell of phones that stopped, mark scanners dark or back, end what is past its time."""
    _issue_ids(on)
    phones_stopped = sum(_tell_stopped(on, outing) for outing in on.outings.running())
    dark, scanners, turned = _mark_dark(on)
    expired, revived = _end_overdue(on), _revive(on)
    return Swept(phones_stopped, dark, scanners, turned, expired, revived, *_serve_guardians(on))


def _issue_ids(on: Adapters) -> None:
    """Work out what rotating beacons send now and a window ahead, before they do."""
    if on.registry.tenant().policy.rotating_ids:
        now_s = on.clock.now().timestamp()
        on.tags.issue([*windows_at(now_s), *windows_at(now_s + PERIOD_S)])


def _tell_stopped(on: Adapters, outing: Outing) -> int:
    """Mark the outing's silent phones as told, then tell: of two sweeps at once only one tells."""
    now = on.clock.now()
    phones = on.tracking.read(phones=outing.phones).phones
    found = stopped(outing, phones, on.registry.tenant().policy, now_ms=epoch_ms(now))
    lost = on.tracking.save(found, now=now) if found else []
    mine = [phone for phone in found if phone not in lost]
    for phone in mine:
        tell_stopped(on, outing, phone)
    if mine:
        on.live.tell("outing", outing.outing_id, outing.version)
    return len(mine)


def _mark_dark(on: Adapters) -> tuple[int, int, int]:
    """The registry's flag by the heartbeats. Returns (dark, all, turned)."""
    now_ms, seen_ms = epoch_ms(on.clock.now()), on.tracking.heartbeats()
    scanners = on.registry.scanners()
    judged = [
        replace(each, dark=now_ms - seen_ms.get(each.scanner_id, 0) >= DARK_AFTER_MS) for each in scanners
    ]
    turned = [after for before, after in zip(scanners, judged, strict=True) if before != after]
    if turned:
        on.registry.put(*turned)
    for each in turned:
        on.live.tell("scanner", each.scanner_id, 0)
    return sum(each.dark for each in judged), len(judged), len(turned)


def _end_overdue(on: Adapters) -> int:
    """Stop listening for what is over, end a forgotten drill, wake cases with late shares or notices.

    A share past `until` grants nothing from that second on; the case's workflow only writes it down.
    """
    now = on.clock.now()
    over = [each for each in on.watch_list.entries() if each.until and each.until <= now]
    for each in over:
        on.watch_list.remove(each.beacon_id)
    late = [c.case_id for c in on.cases.open_cases() if unnoticed(c) or _has_late_share(on, c.case_id)]
    for case_id in late:
        on.workflow.wake(case_id)
    drill = on.drills.under_way()
    forgotten = drill is not None and overdue(drill, now)
    if drill is not None and forgotten:
        end_drill(on, drill.drill_id, system(on.tenant_id))
    return len(over) + len(late) + forgotten


def _serve_guardians(on: Adapters) -> tuple[int, int]:
    """What is owed to guardians by now: notices are sent, or operators hear of them; data is destroyed."""
    due = on.guardians.due(on.clock.now())
    late = send_due(on, [each for each in due if each.what == NOTICE])
    purges = [each for each in due if each.what == PURGE]
    for each in purges:
        purge(on, each.subject_id)
    return late, len(purges)


def _revive(on: Adapters) -> int:
    """No case is lost with its execution, whoever stopped that: it goes on in a fresh one."""
    return sum(on.workflow.revive(case) for case in on.cases.recent(on.clock.now() - CLOSING))


def _has_late_share(on: Adapters, case_id: str) -> bool:
    return any(share.is_open and share.until <= on.clock.now() for share in on.shares.of_case(case_id))
