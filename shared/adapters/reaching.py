"""Reach people: each is told once, by the first way that works, in the order their tenant wants.

A way that fails is never the case's failure: the next one is tried, the timeline says which channel
does not work, and what was tried for whom is kept beside the case (`alert_log.py`).
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from shared.adapters.cases import change
from shared.adapters.wiring import Adapters
from shared.domain import channels
from shared.domain.case import Case, Change, Entry, done, note, system, undone
from shared.domain.channels import Address, Alert, Attempt, Recipient
from shared.domain.errors import NotFound
from shared.ports import Channel, Message


def reach(
    on: Adapters,
    case: Case,
    code: str,
    recipients: Sequence[Recipient],
    *,
    kind: str,
    level: int = 0,
    every_way: bool = False,
) -> list[Alert]:
    """Tell each recipient `code` about the case. Returns an alert for each, told now or before.

    Who was reached before is not told again, so the task may run as often as it likes. kind: for whom, as in
    `Message`; it decides what the exercise wall lets through. every_way: by all of a recipient's ways at
    once, where waiting for one to fail would be too late.
    """
    policy, now = on.registry.tenant().policy, on.clock.now()
    known = {alert.alert_id: alert for alert in on.alerts.of_case(case.case_id)}
    body = {"code": code, "case": case.case_id} | ({"level": level} if kind == "operators" else {})
    broken: set[str] = set()
    alerts, tried = [], []
    for recipient in recipients:
        alert = _alert(case, code, recipient, now)
        alert = known.get(alert.alert_id, alert)
        if not alert.is_settled(now):
            attempts = []
            for address in channels.in_order(recipient, policy):
                message = Message(
                    kind,
                    address.to,
                    alert.alert_id,
                    case.status.value,
                    {**body, "alert": alert.alert_id},
                    address.channel,
                )
                attempts.append(_attempt(on, recipient, message, broken, now))
                if attempts[-1].outcome == "sent" and not every_way:
                    break
            alert = channels.attempted(alert, attempts)
            tried.append(alert)
        alerts.append(alert)
    on.alerts.save(tried)
    _say_health(on, case, [each for alert in tried for each in alert.attempts if each.at == now], now)
    return alerts


def channel(on: Adapters, name: str) -> Channel:
    """The channel behind an address."""
    return {
        channels.PUSH: lambda: on.push,
        channels.WEB_PUSH: lambda: on.web_push,
        channels.SMS: lambda: on.sms,
        channels.VOICE: lambda: on.voice,
        channels.EMAIL: lambda: on.email,
        channels.TOPIC: lambda: on.operators,
    }[name]()


def forget(on: Adapters, phone_id: str, endpoint: str) -> None:
    """Take an endpoint that is gone off its phone, unless the phone has a new one by now."""
    try:
        phone = on.registry.phone(phone_id)
    except NotFound:
        return
    if phone.endpoint == endpoint:
        on.registry.put(replace(phone, endpoint="", push_token=""))


def _alert(case: Case, code: str, recipient: Recipient, now: datetime) -> Alert:
    reopened = sum(1 for point in case.clock if point.startswith("T14."))
    own = channels.alert_id(case.case_id, f"{code}.{reopened}", recipient.recipient_id)
    return Alert(own, case.case_id, code, recipient.recipient_id, now)


def _attempt(
    on: Adapters, recipient: Recipient, message: Message, broken: set[str], now: datetime
) -> Attempt:
    """One try; a provider that did not answer a moment ago is not waited for again."""
    provider = _provider(Address(message.via, message.to))
    if provider in broken:
        return Attempt(message.via, "down", now, reason="down")
    delivery = channel(on, message.via).send(message)
    if delivery.outcome == "down":
        broken.add(provider)
    elif delivery.outcome == "endpoint-gone":
        forget(on, recipient.recipient_id, message.to)
    return Attempt(message.via, delivery.outcome, now, delivery.receipt, delivery.reason)


def _provider(address: Address) -> str:
    """Who carries it: of web push, each browser's maker has a service of its own."""
    if address.channel != channels.WEB_PUSH:
        return address.channel
    return f"{address.channel}:{urlsplit(json.loads(address.to)['endpoint']).hostname}"


def _say_health(on: Adapters, case: Case, attempts: Sequence[Attempt], now: datetime) -> None:
    """A line when a channel stops working for this case, and one when it works again."""
    working = {each.channel for each in attempts if each.outcome == "sent"}
    failing = {e.channel: e for e in attempts if e.outcome in ("down", "failed") and e.channel not in working}
    before = {step.removeprefix("down:") for step in case.steps if step.startswith("down:")}
    by = system(case.tenant_id)

    def said(case: Case) -> Change:
        lines: list[Entry] = []
        for name in sorted(failing.keys() - before):
            params = {"channel": name, "reason": failing[name].reason}
            case, entries = note(done(case, f"down:{name}"), "channel-down", params, by, now)
            lines += entries
        for name in sorted(working & before):
            case, entries = note(undone(case, f"down:{name}"), "channel-restored", {"channel": name}, by, now)
            lines += entries
        return case, tuple(lines)

    if failing.keys() - before or working & before:
        after, _ = change(on.cases, case.case_id, said)
        on.live.tell("case", case.case_id, after.version)
