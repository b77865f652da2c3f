"""Taking a municipality in: every row is checked, the good ones are stored, the bad ones are named."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from shared.adapters.wiring import Adapters
from shared.domain.ephemeral_id import Tag
from shared.domain.errors import Conflict, JikimiError, Rejected
from shared.domain.escalation import validated
from shared.domain.geo import Area, distance_to_area_m
from shared.domain.places import (
    Agreement,
    Camera,
    Child,
    Contact,
    Facility,
    Phone,
    Scanner,
    SubjectClass,
    Tenant,
)
from shared.domain.streets import Street
from shared.i18n import sentence
from shared.schema.onboarding import ROWS, SECTIONS, Manifest, Onboarded, RejectedRow

Record = Tenant | Facility | Scanner | Camera | Street | Child | Contact | Phone | Agreement

_FIELD = re.compile(r"[a-z_]{1,30}")

PART = 100  # rows stored at once

OUTSIDE_M = 2_000.0
"""A place this far outside the district is a slip (latitude and longitude swapped, a wrong file)."""


def onboard(event: Mapping[str, Any], on: Callable[[str], Adapters]) -> Onboarded:
    """Store a manifest or a part of one; the same again changes nothing. What is wrong comes back by row."""
    try:
        manifest = Manifest.model_validate(event)
    except ValidationError as error:
        language = "en" if event.get("language") == "en" else "ko"
        faults = [_fault("manifest", 0, each, language) for each in error.errors(include_input=False)]
        return Onboarded(tenant_id="", rejected=faults)
    desk = _Intake(manifest, on(manifest.tenant_id))
    for section in SECTIONS:
        desk.take(section)
    if manifest.consents:
        desk.file(manifest.consents)
    return Onboarded(tenant_id=manifest.tenant_id, stored=desk.stored, rejected=desk.rejected)


@dataclass(slots=True)
class _Intake:
    """One manifest on its way in. facilities: known to exist; beacons: child by beacon, so far."""

    manifest: Manifest
    on: Adapters
    stored: dict[str, int] = field(default_factory=dict)
    rejected: list[RejectedRow] = field(default_factory=list)
    facilities: set[str] = field(default_factory=set)
    beacons: dict[str, str] = field(default_factory=dict)
    boundary: Area | None = None

    def take(self, section: str) -> None:
        """Check and store one section."""
        rows = self.manifest.rows(section)
        if not rows:
            return
        good: dict[str, tuple[int, Record | Tag]] = {}
        for number, row in enumerate(rows, 1):
            try:
                parsed = ROWS[section].model_validate(row)
                record = self._signed(parsed.record(self.manifest.tenant_id))
                self._check(record)
                if (own := _own_id(record)) in good:
                    raise Rejected("duplicate-id", first_row=good[own][0])
            except ValidationError as error:
                language = self.manifest.language
                first = error.errors(include_input=False)
                self.rejected += [_fault(section, number, each, language) for each in first]
            except JikimiError as error:
                self._reject(section, number, error)
            else:
                good[own] = number, record
        self._store(section, list(good.values()))

    def file(self, rows: list[Any]) -> None:
        """File consents, each with its form and proof: from now on these children may be listened for."""
        from shared.adapters.consents import file_consent  # noqa: PLC0415 - few manifests hold any
        from shared.schema.guardians import ConsentFiled  # noqa: PLC0415

        self.stored["consents"] = 0
        for number, row in enumerate(rows, 1):
            try:
                asked = ConsentFiled.model_validate(row)
                child = self.on.registry.child(asked.child_id)
                filed = asked.filed("onboarding", self.on.clock.now())
                file_consent(self.on, child, filed, **asked.form.ways())
            except ValidationError as error:
                faults = error.errors(include_input=False)
                self.rejected += [_fault("consents", number, each, self.manifest.language) for each in faults]
            except JikimiError as error:
                self._reject("consents", number, error)
            else:
                self.stored["consents"] += 1

    def _check(self, record: Record | Tag) -> None:
        """What one row alone cannot know. Rejected or NotFound with the reason."""
        match record:
            case Tenant():
                validated(record.policy)
            case Agreement():
                if record.neighbour_id == record.tenant_id:
                    raise Rejected("own-neighbour")
            case Scanner():
                self._own_name(record.scanner_id)
                self._inside(record)
            case Phone():
                self._own_name(record.phone_id)
                self._known_facility(record)
                if record.contact_id:
                    self.on.registry.contact(record.contact_id)
            case Child():
                self._known_facility(record)
                self._free_beacon(record)
            case Facility() | Camera():
                self._inside(record)

    def _signed(self, record: Record | Tag) -> Record | Tag:
        """An agreement keeps the signatures it was given before; on other terms they do not count."""
        if not isinstance(record, Agreement):
            return record
        known = next(
            (a for a in self.on.registry.agreements() if a.neighbour_id == record.neighbour_id), None
        )
        fresh = {each.tenant_id for each in record.signatures}
        kept = [each for each in known.signatures if each.tenant_id not in fresh] if known else []
        return replace(record, signatures=(*kept, *record.signatures))

    def _store(self, section: str, rows: list[tuple[int, Record | Tag]]) -> None:
        """Part by part; a part in which a beacon was taken already goes row by row, to name the row."""
        tags = [record for _, record in rows if isinstance(record, Tag)]
        if tags:
            self.on.tags.put(tags)
        self.stored[section] = len(tags)
        self._register(section, [(number, each) for number, each in rows if not isinstance(each, Tag)])

    def _register(self, section: str, rows: list[tuple[int, Record]]) -> None:
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART]
            try:
                self.on.registry.put(*(record for _, record in part))
                self.stored[section] += len(part)
            except Conflict:
                self.stored[section] += sum(self._store_one(section, *row) for row in part)

    def _store_one(self, section: str, number: int, record: Record) -> bool:
        try:
            self.on.registry.put(record)
        except Conflict as conflict:
            self._reject(section, number, conflict)
            return False
        return True

    def _reject(self, section: str, number: int, error: JikimiError) -> None:
        fix = sentence(f"onboarding.{error.code}", error.params, self.manifest.language)
        self.rejected.append(RejectedRow(section=section, row=number, where="", code=error.code, fix=fix))

    def _own_name(self, thing: str) -> None:
        if not thing.startswith(f"{self.manifest.tenant_id}-"):
            raise Rejected("foreign-name", prefix=f"{self.manifest.tenant_id}-")

    def _inside(self, placed: Facility | Scanner | Camera) -> None:
        if self.boundary is None:
            self.boundary = self.on.registry.tenant().boundary
        far_m = distance_to_area_m(self.boundary, placed.at)
        if far_m > OUTSIDE_M:
            raise Rejected("outside-district", distance_m=round(far_m))

    def _known_facility(self, record: Child | Phone) -> None:
        """A child belongs to a daycare; who is grown, and a citizen's phone, may belong to none."""
        facility_id = record.facility_id
        grown = isinstance(record, Phone) or record.subject_class is not SubjectClass.CHILD
        if facility_id not in self.facilities and (facility_id or not grown):
            self.on.registry.facility(facility_id)
            self.facilities.add(facility_id)

    def _free_beacon(self, child: Child) -> None:
        """Against this manifest; against what is stored the registry itself decides."""
        if child.beacon_id and self.beacons.setdefault(child.beacon_id, child.child_id) != child.child_id:
            raise Rejected("beacon-taken")


def _own_id(record: Record | Tag) -> str:
    match record:
        case Tenant():
            return record.tenant_id
        case Agreement():
            return record.neighbour_id
        case Tag():
            return record.beacon_id
        case _:
            return str(getattr(record, f"{type(record).__name__.lower()}_id"))


def _fault(section: str, number: int, error: Any, language: str) -> RejectedRow:
    """A fault of form, named by field and with what would be right; never what was written."""
    code = error["type"]
    path = [str(part) for part in error["loc"]]
    if code == "extra_forbidden" and not _FIELD.fullmatch(path[-1]):
        path.pop()  # not a slip in a field's name: somebody's name, a number
    params = {key: str(value) for key, value in error.get("ctx", {}).items() if key != "error"}
    fix = sentence(f"onboarding.{code}", params, language)
    if fix == f"onboarding.{code}":
        fix = sentence("onboarding.invalid", {}, language)
    return RejectedRow(section=section, row=number, where=".".join(path), code=code, fix=fix)
