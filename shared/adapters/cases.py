"""A tenant's cases and their timelines.

One DynamoDB item is a case's head, one is each line of its timeline; what belongs together is
written in one transaction. `news` and `callback` on the head belong to the workflow
(`workflow.py`) and are never written by saving a case.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.domain.case import Case, CaseState, Change, Entry, Evidence, broken_at
from shared.domain.errors import Conflict, NotFound
from shared.ports import Cases

_TRIES = 10


def change(cases: Cases, case_id: str, how: Callable[[Case], Change]) -> Change:
    """Read, apply a domain function, save; again from the newest when overtaken. No change, no write.

    Conflict from `how` passes through; "case-overtaken" only after ten lost races.
    """
    for tried in range(1, _TRIES + 1):
        before = cases.get(case_id)
        after, entries = how(before)
        if after == before:
            return after, ()
        try:
            return cases.save(after, entries), entries
        except Conflict as conflict:
            if conflict.code != "case-overtaken" or tried == _TRIES:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def audit(cases: Cases, since: datetime) -> dict[str, int]:
    """Case id → the first line of its timeline that was edited, dropped or added; 0 when the case is gone.

    {} when every chain holds. Looks at open cases and those closed since; `since` at the beginning of time
    looks at all.
    """
    broken: dict[str, int | None] = {}
    for case_id in cases.listed(since):
        try:
            broken[case_id] = broken_at(cases.get(case_id), cases.timeline(case_id))
        except NotFound:
            broken[case_id] = 0
    return {case_id: line for case_id, line in broken.items() if line is not None}


def opened_in(cases: Cases, start_at: datetime, end_at: datetime) -> list[Case]:
    """Cases opened from `start_at` to `end_at`, as they stand now: what figures are made of."""
    return [case for case in cases.recent(start_at) if start_at <= case.opened_at <= end_at]


class DynamoCases:
    """Cases in the `cases` table; see the keys beside each method."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb

    def get(self, case_id: str) -> Case:
        found = self._dynamodb.get_item(TableName=self._table, Key=self._head(case_id), ConsistentRead=True)
        if "Item" not in found:
            raise NotFound("case-not-found")
        return _case(from_item(found["Item"]))

    def open_cases(self) -> Sequence[Case]:
        return self._heads([item["sk"] for item in self._query(f"{self._tenant_id}#open")])

    def recent(self, since: datetime) -> Sequence[Case]:
        return sorted(self._heads(self.listed(since)), key=lambda case: case.opened_at)

    def listed(self, since: datetime) -> Sequence[str]:
        closed = self._query(f"{self._tenant_id}#closed", after=since.isoformat())
        ids = [item["sk"] for item in self._query(f"{self._tenant_id}#open")]
        return ids + [item["sk"].rpartition("#")[2] for item in closed]

    def open_case_of(self, subject_id: str) -> Case | None:
        found = self._dynamodb.get_item(
            TableName=self._table, Key=self._subject(subject_id), ConsistentRead=True
        )
        return self.get(from_item(found["Item"])["case_id"]) if "Item" in found else None

    def of_subject(self, subject_id: str) -> Sequence[Case]:
        found = self._query(f"{self._tenant_id}#subject#{subject_id}", after="case#", prefix="case#")
        return self._heads([item["case_id"] for item in found])

    def create(self, case: Case, entries: Sequence[Entry]) -> Case:
        stored = replace(case, version=1, news=0)
        head = {
            "Put": self._put(
                {**self._plain_head(case.case_id), "body": _dump(stored), "version": 1, "news": 0},
                "attribute_not_exists(pk)",
            )
        }
        pk = f"{self._tenant_id}#subject#{case.subject.subject_id}"
        listed = {"Put": self._put({"pk": pk, "sk": f"case#{case.case_id}", "case_id": case.case_id})}
        self._write([head, listed, *self._opening(case), *self._lines(case.case_id, entries)], case)
        return stored

    def save(self, case: Case, entries: Sequence[Entry]) -> Case:
        stored = replace(case, version=case.version + 1)
        head = {
            "Update": {
                "TableName": self._table,
                "Key": self._head(case.case_id),
                "UpdateExpression": "SET body = :body, version = :new",
                "ConditionExpression": "version = :old",
                "ExpressionAttributeValues": to_item(
                    {":body": _dump(stored), ":new": stored.version, ":old": case.version}
                ),
            }
        }
        codes = {entry.code for entry in entries}
        moved: list[dict[str, Any]] = []
        if "closed" in codes and not case.is_open:
            moved = self._closing(case)
        elif "reopened" in codes and case.is_open:
            moved = [*self._opening(case), {"Delete": self._delete(self._closed(case))}]
        self._write([head, *moved, *self._lines(case.case_id, entries)], case)
        return stored

    def timeline(self, case_id: str, after_seq: int = 0) -> Sequence[Entry]:
        items = self._query(f"{self._tenant_id}#case#{case_id}", after=f"t#{after_seq + 1:06d}", prefix="t#")
        return [_entry(item) for item in items]

    def forget_places(self, case_id: str) -> int:
        pk, lines = f"{self._tenant_id}#case#{case_id}", 0
        for item in self._query(pk, after="t#", prefix="t#"):
            if "evidence" in item:
                key = to_item({"pk": pk, "sk": item["sk"]})
                self._dynamodb.update_item(TableName=self._table, Key=key, UpdateExpression="REMOVE evidence")
                lines += 1
        return lines

    def forget(self, case: Case) -> int:
        pk, subject = f"{self._tenant_id}#case#{case.case_id}", case.subject.subject_id
        keys = [{"pk": pk, "sk": item["sk"]} for item in self._query(pk)]
        keys.append({"pk": f"{self._tenant_id}#subject#{subject}", "sk": f"case#{case.case_id}"})
        keys.append(self._closed(case))  # the last: while it is there, a purge that broke off goes on
        for key in keys:
            self._dynamodb.delete_item(TableName=self._table, Key=to_item(key))
        return len(keys)

    def remember(self, case_id: str, key: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
        at = {"pk": f"{self._tenant_id}#case#{case_id}", "sk": f"idem#{key}"}
        try:
            self._dynamodb.put_item(**self._put({**at, "answer": answer}, "attribute_not_exists(pk)"))
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            found = self._dynamodb.get_item(TableName=self._table, Key=to_item(at), ConsistentRead=True)
            stored: Mapping[str, Any] = from_item(found["Item"])["answer"]
            return stored
        return None

    def _plain_head(self, case_id: str) -> dict[str, Any]:
        return {"pk": f"{self._tenant_id}#case#{case_id}", "sk": "head"}

    def _head(self, case_id: str) -> dict[str, Any]:
        return to_item(self._plain_head(case_id))

    def _subject(self, subject_id: str) -> dict[str, Any]:
        return to_item({"pk": f"{self._tenant_id}#subject#{subject_id}", "sk": "open"})

    def _open(self, case: Case) -> dict[str, Any]:
        return {"pk": f"{self._tenant_id}#open", "sk": case.case_id}

    def _closed(self, case: Case) -> dict[str, Any]:
        """The closed pointer's key; for a case just re-opened, that of its last closing."""
        closings = [t for key, t in case.clock.items() if key.startswith("T14.")]
        closed_at = case.clock.get("T14") or max(closings)
        return {"pk": f"{self._tenant_id}#closed", "sk": f"{closed_at.isoformat()}#{case.case_id}"}

    def _opening(self, case: Case) -> list[dict[str, Any]]:
        """The subject's lock and the pointer among the open ones."""
        lock = {"pk": f"{self._tenant_id}#subject#{case.subject.subject_id}", "sk": "open"}
        return [
            {"Put": self._put({**lock, "case_id": case.case_id}, "attribute_not_exists(pk)")},
            {"Put": self._put(self._open(case))},
        ]

    def _closing(self, case: Case) -> list[dict[str, Any]]:
        return [
            {"Delete": self._delete(from_item(self._subject(case.subject.subject_id)))},
            {"Delete": self._delete(self._open(case))},
            {"Put": self._put(self._closed(case))},
        ]

    def _lines(self, case_id: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        pk = f"{self._tenant_id}#case#{case_id}"
        lines = ({"pk": pk, "sk": f"t#{entry.seq:06d}", **_line(entry)} for entry in entries)
        return [{"Put": self._put(line, "attribute_not_exists(pk)")} for line in lines]

    def _put(self, item: Mapping[str, Any], condition: str = "") -> dict[str, Any]:
        put = {"TableName": self._table, "Item": to_item(item)}
        return {**put, "ConditionExpression": condition} if condition else put

    def _delete(self, key: Mapping[str, Any]) -> dict[str, Any]:
        return {"TableName": self._table, "Key": to_item(key)}

    def _write(self, items: list[dict[str, Any]], case: Case) -> None:
        try:
            self._dynamodb.transact_write_items(TransactItems=items)
        except self._dynamodb.exceptions.TransactionCanceledException as cancelled:
            codes = {reason.get("Code") for reason in cancelled.response.get("CancellationReasons", [])}
            if not codes & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise
            self._refuse(case)
        except self._dynamodb.exceptions.TransactionInProgressException:
            raise Conflict("case-overtaken", case_id=case.case_id) from None

    def _refuse(self, case: Case) -> None:
        """Say which of the two it was: another open case of the subject, or somebody was faster."""
        found = self._dynamodb.get_item(
            TableName=self._table, Key=self._subject(case.subject.subject_id), ConsistentRead=True
        )
        other = from_item(found["Item"])["case_id"] if "Item" in found else case.case_id
        if other != case.case_id and case.is_open:
            raise Conflict("subject-has-open-case", case_id=other)
        raise Conflict("case-overtaken", case_id=case.case_id)

    def _query(self, pk: str, after: str = "", prefix: str = "") -> list[dict[str, Any]]:
        """Every item of a partition from sort key `after` on, while it begins with `prefix`."""
        condition, values = "pk = :pk", {":pk": pk}
        if prefix:
            condition, values = (
                f"{condition} AND sk BETWEEN :a AND :b",
                {**values, ":a": after, ":b": f"{prefix}~"},
            )
        elif after:
            condition, values = f"{condition} AND sk >= :a", {**values, ":a": after}
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            ConsistentRead=True,
        )
        return [from_item(item) for page in pages for item in page["Items"]]

    def _heads(self, case_ids: Sequence[str]) -> list[Case]:
        cases: list[Case] = []
        unique = list(dict.fromkeys(case_ids))
        for start in range(0, len(unique), 100):
            wanted = {
                self._table: {
                    "Keys": [self._head(i) for i in unique[start : start + 100]],
                    "ConsistentRead": True,
                }
            }
            while wanted:
                answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                cases += [_case(from_item(item)) for item in answer["Responses"].get(self._table, [])]
                wanted = answer.get("UnprocessedKeys") or {}
        return sorted(cases, key=lambda case: (case.opened_at, case.case_id))


class MemoryCases:
    """The twin: heads, lines and locks in one world's dictionaries."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._cases: dict[tuple[str, str], Case] = world.table("cases")
        self._news: dict[tuple[str, str], int] = world.table("cases.news")
        self._lines: dict[tuple[str, str], list[Entry]] = world.table("cases.timeline")
        self._locks: dict[tuple[str, str], str] = world.table("cases.subjects")
        self._answers: dict[tuple[str, str, str], Mapping[str, Any]] = world.table("cases.answers")

    def get(self, case_id: str) -> Case:
        key = (self._tenant_id, case_id)
        if key not in self._cases:
            raise NotFound("case-not-found")
        return replace(self._cases[key], news=self._news.get(key, 0))

    def open_cases(self) -> Sequence[Case]:
        return [case for case in self._all() if case.is_open]

    def recent(self, since: datetime) -> Sequence[Case]:
        return [case for case in self._all() if case.is_open or case.clock["T14"] >= since]

    def listed(self, since: datetime) -> Sequence[str]:
        gone = [c for tenant_id, c in self._lines.keys() - self._cases.keys() if tenant_id == self._tenant_id]
        return [case.case_id for case in self.recent(since)] + sorted(gone)

    def open_case_of(self, subject_id: str) -> Case | None:
        case_id = self._locks.get((self._tenant_id, subject_id))
        return None if case_id is None else self.get(case_id)

    def of_subject(self, subject_id: str) -> Sequence[Case]:
        return [case for case in self._all() if case.subject.subject_id == subject_id]

    def create(self, case: Case, entries: Sequence[Entry]) -> Case:
        key = (self._tenant_id, case.case_id)
        if key in self._cases:
            raise Conflict("case-overtaken", case_id=case.case_id)
        self._lock(case)
        self._cases[key] = replace(case, version=1, news=0)
        self._lines[key] = list(entries)
        return self.get(case.case_id)

    def save(self, case: Case, entries: Sequence[Entry]) -> Case:
        key = (self._tenant_id, case.case_id)
        known = self._cases.get(key)
        if known is None or known.version != case.version:
            raise Conflict("case-overtaken", case_id=case.case_id)
        codes = {entry.code for entry in entries}
        if "closed" in codes and case.state is CaseState.CLOSED:
            self._locks.pop((self._tenant_id, case.subject.subject_id), None)
        elif "reopened" in codes and case.is_open:
            self._lock(case)
        self._cases[key] = replace(case, version=case.version + 1)
        self._lines[key].extend(entries)
        return self.get(case.case_id)

    def timeline(self, case_id: str, after_seq: int = 0) -> Sequence[Entry]:
        lines = self._lines.get((self._tenant_id, case_id), [])
        return [entry for entry in lines if entry.seq > after_seq]

    def forget_places(self, case_id: str) -> int:
        lines = self._lines.get((self._tenant_id, case_id), [])
        self._lines[(self._tenant_id, case_id)] = [replace(entry, evidence=None) for entry in lines]
        return sum(entry.evidence is not None for entry in lines)

    def forget(self, case: Case) -> int:
        self._cases.pop((self._tenant_id, case.case_id), None)
        return len(self._lines.pop((self._tenant_id, case.case_id), [])) + 1

    def remember(self, case_id: str, key: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
        known = self._answers.setdefault((self._tenant_id, case_id, key), answer)
        return None if known is answer else known

    def _all(self) -> list[Case]:
        mine = [self.get(case_id) for tenant_id, case_id in self._cases if tenant_id == self._tenant_id]
        return sorted(mine, key=lambda case: (case.opened_at, case.case_id))

    def _lock(self, case: Case) -> None:
        other = self._locks.setdefault((self._tenant_id, case.subject.subject_id), case.case_id)
        if other != case.case_id:
            raise Conflict("subject-has-open-case", case_id=other)


_CASE = TypeAdapter(Case)
_ENTRY = TypeAdapter(Entry)
_EVIDENCE = TypeAdapter(Evidence)


def _dump(case: Case) -> str:
    return _CASE.dump_json(case).decode()


def _case(item: Mapping[str, Any]) -> Case:
    """The body, with `news` and `version` from the attributes that conditions look at."""
    case = _CASE.validate_json(item["body"])
    return replace(case, version=item["version"], news=item["news"])


def _line(entry: Entry) -> dict[str, Any]:
    """An entry's attributes. Evidence stands apart so that its coordinates can be removed alone."""
    body = _ENTRY.dump_json(replace(entry, evidence=None)).decode()
    if entry.evidence is None:
        return {"body": body}
    return {"body": body, "evidence": _EVIDENCE.dump_json(entry.evidence).decode()}


def _entry(item: Mapping[str, Any]) -> Entry:
    entry = _ENTRY.validate_json(item["body"])
    if "evidence" not in item:
        return entry
    return replace(entry, evidence=_EVIDENCE.validate_json(item["evidence"]))
