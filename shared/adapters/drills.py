"""A tenant's drills, and what the rest of the system asks of them: who stands still, and what is deaf."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.cases import change as change_case
from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.adapters.wiring import Adapters
from shared.domain import case as cases
from shared.domain import drill as rules
from shared.domain.case import Case
from shared.domain.drill import Drill
from shared.domain.errors import Conflict, NotFound
from shared.domain.places import Status
from shared.ports import Drills, Watched

_TRIES = 10


def change(drills: Drills, drill_id: str, how: Callable[[Drill], Drill]) -> Drill:
    """Read, apply a domain function, save; again from the newest when overtaken. No change, no write."""
    for tried in range(1, _TRIES + 1):
        before = drills.get(drill_id)
        after = how(before)
        if after == before:
            return before
        try:
            return drills.save(after)
        except Conflict as conflict:
            if conflict.code != "drill-overtaken" or tried == _TRIES:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def watched(on: Adapters, case: Case) -> Watched:
    """The case's beacon for the watch list; in a drill, without the sources that an inject silenced."""
    drill = on.drills.under_way() if case.status is Status.EXERCISE else None
    deaf = rules.deaf(drill) if drill and case.case_id in drill.cases else ()
    return Watched(case.subject.beacon_id, case.case_id, case.tenant_id, None, deaf)


def interrupted(on: Adapters, case: Case) -> None:
    """Something real happens: the drill that is under way stands still, and the screens are told at once.

    Harmless for an exercise, without a drill, and twice. Called where a case is opened (AT-10.3).
    """
    drill = on.drills.under_way() if case.status is Status.ACTUAL else None
    if drill is not None:
        stand_still(on, drill.drill_id, "real-case", cases.system(on.tenant_id))


def joined(on: Adapters, case: Case) -> None:
    """A drill that waits for a report of this child takes the case, with the observer's T0."""
    drill = on.drills.under_way() if case.status is Status.EXERCISE else None
    if drill is None or rules.reported(drill, case) == drill:
        return
    drill = change(on.drills, drill.drill_id, lambda each: rules.reported(each, case))
    if drill.separated_at is not None and drill.separated_at <= case.clock["T4"]:
        _left(on, case.case_id, drill.separated_at)
    on.live.tell("drill", drill.drill_id, drill.version)


def observe(on: Adapters, drill_id: str, at: datetime) -> Drill:
    """The observer saw the child leave; once said it stays. Conflict for a time after the report."""
    drill = on.drills.get(drill_id)
    if drill.cases:
        _left(on, drill.cases[0], drill.separated_at or at)
    return change(on.drills, drill_id, lambda each: rules.observed(each, at))


def stand_still(on: Adapters, drill_id: str, reason: str, by: cases.Actor) -> Drill:
    """The drill and each of its cases pause; everybody hears the drill's beacons again."""
    drill = change(on.drills, drill_id, lambda each: rules.paused(each, reason) if each.under_way else each)
    return _spread(on, drill, lambda case: cases.pause(case, reason, by, on.clock.now()))


def go_on(on: Adapters, drill_id: str, by: cases.Actor) -> Drill:
    """The drill and its cases go on where they stood. Conflict unless it stands still."""
    drill = change(on.drills, drill_id, rules.resumed)
    return _spread(on, drill, lambda case: cases.resume(case, by, on.clock.now()))


def end(on: Adapters, drill_id: str, by: cases.Actor) -> Drill:
    """The drill is over: its open cases close, as found or as incomplete, and its clock is kept."""
    now = on.clock.now()

    def closed(case: Case) -> cases.Change:
        if not case.is_open:
            return case, ()
        if "T12" in case.clock:
            return cases.close(case, cases.CloseReason.FOUND, "", by, now)
        return cases.close(case, cases.CloseReason.INCOMPLETE, "drill-stopped", by, now)

    drill = _spread(on, on.drills.get(drill_id), closed)
    first = on.cases.get(drill.cases[0]) if drill.cases else None
    after = change(on.drills, drill_id, lambda each: rules.stopped(each, first, now))
    on.live.tell("drill", drill_id, after.version)
    return after


def listen(on: Adapters, drill: Drill) -> None:
    """Scanners hear of each open case of the drill what its injects leave them."""
    for case in _cases(on, drill):
        if case.is_open:
            on.watch_list.add(watched(on, case))


def _spread(on: Adapters, drill: Drill, how: Callable[[Case], cases.Change]) -> Drill:
    """Change each of the drill's cases, and tell the screens and the workflow of what changed."""
    on.live.tell("drill", drill.drill_id, drill.version)
    for before in _cases(on, drill):
        case, entries = change_case(on.cases, before.case_id, how)
        if entries:
            on.live.tell("case", case.case_id, case.version)
            on.workflow.wake(case.case_id)
    listen(on, drill)
    return drill


def _left(on: Adapters, case_id: str, at: datetime) -> None:
    by = cases.system(on.tenant_id)
    case, entries = change_case(on.cases, case_id, lambda each: cases.separated(each, at, by, on.clock.now()))
    if entries:
        on.live.tell("case", case.case_id, case.version)


def _cases(on: Adapters, drill: Drill) -> list[Case]:
    found = []
    for case_id in drill.cases:
        try:
            found.append(on.cases.get(case_id))
        except NotFound:  # destroyed since: the drill outlives it
            continue
    return found


class DynamoDrills:
    """Drills in the `cases` table, each one item; a second item names the newest one that was started."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self._newest = {"pk": f"{tenant_id}#drill-started", "sk": "newest"}

    def get(self, drill_id: str) -> Drill:
        item = self._item({"pk": f"{self._tenant_id}#drills", "sk": drill_id})
        if item is None:
            raise NotFound("drill-not-found")
        return _drill(item)

    def several(self) -> Sequence[Drill]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": f"{self._tenant_id}#drills"}),
            ConsistentRead=True,
        )
        return _ordered([_drill(from_item(item)) for page in pages for item in page["Items"]])

    def under_way(self) -> Drill | None:
        newest = self._item(self._newest)
        drill = None if newest is None else self.get(newest["drill_id"])
        return drill if drill is not None and drill.under_way else None

    def save(self, drill: Drill) -> Drill:
        _refuse_strangers(self._tenant_id, drill)
        stored = replace(drill, version=drill.version + 1)
        item = {
            "pk": f"{self._tenant_id}#drills",
            "sk": drill.drill_id,
            "body": _adapter().dump_json(stored).decode(),
            "version": stored.version,
        }
        writes = [self._put(item, "version", drill.version)]
        if drill.under_way:
            writes.append(self._named(drill))
        try:
            self._dynamodb.transact_write_items(TransactItems=writes)
        except self._dynamodb.exceptions.TransactionCanceledException as cancelled:
            codes = {reason.get("Code") for reason in cancelled.response.get("CancellationReasons", [])}
            if not codes & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise
            raise Conflict("drill-overtaken") from None
        return stored

    def _named(self, drill: Drill) -> dict[str, Any]:
        """Name it the newest started, in place of one that is over. Conflict while another is under way."""
        current = self.under_way()
        if current is not None and current.drill_id != drill.drill_id:
            raise Conflict("drill-under-way")
        before = self._item(self._newest)
        return self._put(
            self._newest | {"drill_id": drill.drill_id}, "drill_id", before["drill_id"] if before else None
        )

    def _put(self, item: dict[str, Any], name: str, old: str | int | None) -> dict[str, Any]:
        """A put in place of an item whose attribute is `old`, or of none for nothing."""
        put: dict[str, Any] = {"TableName": self._table, "Item": to_item(item)}
        if not old:
            return {"Put": put | {"ConditionExpression": "attribute_not_exists(pk)"}}
        values = {"ExpressionAttributeValues": to_item({":old": old})}
        return {"Put": put | values | {"ConditionExpression": f"{name} = :old"}}

    def _item(self, key: dict[str, str]) -> dict[str, Any] | None:
        found = self._dynamodb.get_item(TableName=self._table, Key=to_item(key), ConsistentRead=True)
        return from_item(found["Item"]) if "Item" in found else None


class MemoryDrills:
    """The twin: one dictionary of drills, and one that names each tenant's drill under way."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._drills: dict[tuple[str, str], Drill] = world.table("drills")
        self._under_way: dict[str, str] = world.table("drills.under-way")

    def get(self, drill_id: str) -> Drill:
        drill = self._drills.get((self._tenant_id, drill_id))
        if drill is None:
            raise NotFound("drill-not-found")
        return drill

    def several(self) -> Sequence[Drill]:
        return _ordered(
            [each for (tenant_id, _), each in self._drills.items() if tenant_id == self._tenant_id]
        )

    def under_way(self) -> Drill | None:
        drill_id = self._under_way.get(self._tenant_id)
        return None if drill_id is None else self.get(drill_id)

    def save(self, drill: Drill) -> Drill:
        _refuse_strangers(self._tenant_id, drill)
        key = (self._tenant_id, drill.drill_id)
        known = self._drills.get(key)
        if drill.version != (known.version if known else 0):
            raise Conflict("drill-overtaken")
        if drill.under_way:
            if self._under_way.setdefault(self._tenant_id, drill.drill_id) != drill.drill_id:
                raise Conflict("drill-under-way")
        elif self._under_way.get(self._tenant_id) == drill.drill_id:
            del self._under_way[self._tenant_id]
        self._drills[key] = replace(drill, version=drill.version + 1)
        return self._drills[key]


def _refuse_strangers(tenant_id: str, drill: Drill) -> None:
    if drill.tenant_id != tenant_id:
        raise NotFound("drill-not-found")


def _ordered(drills: list[Drill]) -> list[Drill]:
    return sorted(drills, key=lambda drill: (drill.planned_at, drill.drill_id))


@cache
def _adapter() -> TypeAdapter[Drill]:
    return TypeAdapter(Drill)


def _drill(item: dict[str, Any]) -> Drill:
    return _adapter().validate_json(item["body"])
