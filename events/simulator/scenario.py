"""What happens in a scenario: who walks where and when, what fails, and how people react.

A scenario is a JSON file in `events/scenarios`. Its schema is `Scenario` below; an unknown field
is an error. Times are virtual seconds from the start. Who:

    "child-07"       the seventh child of the outing's roster (bag number 07)
    "teacher-1"      the first teacher of the outing, with the first phone
    "group"          everybody of the outing who has not walked off
    "operator-naru"  a role and a tenant; also official-, police-, admin-, director-

People's reactions are rules. A rule waits for a word: `on` is something the system says (the
driver that plays a scenario against a running system reports those words as they happen), `at`
is something that truly happens in the streets, known from the walks. `due` decides purely which
reactions are due; how "report" or "accept" is done (an HTTP request, say) is the driver's.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

FOLDER = Path(__file__).parents[1] / "scenarios"

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Who = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z0-9]+)*$")]


class Heard(StrEnum):
    """What the system says, as a driver sees it. `{tenant}` events end in a tenant's slug."""

    STARTED = "outing-started"
    WARNING = "warning"
    ALARM = "alarm"
    CASE_ALERT = "case-alert"  # the operators' consoles ring
    ACKNOWLEDGED = "acknowledged"
    POLICE_TOLD = "police-told"
    POSITION = "position"  # the case has a position to show
    OFFER = "offer"  # a neighbour is offered the case
    ACCEPTED = "accepted"
    SEEN = "seen"
    SECURED = "secured"
    CLOSED = "closed"


class Truth(StrEnum):
    """What truly happens: instants of the child the scenario is about."""

    STARTS = "scenario starts"
    LEAVES = "child leaves"
    CROSSES = "child crosses"  # into another district
    STOPS = "child stops"  # at the end of its last walk
    REACHED = "child is reached"  # somebody who walks towards the child stands beside it
    BAG_DROPPED = "bag dropped"
    ENDS = "scenario ends"


class Do(StrEnum):
    """What a person can do."""

    START_OUTING = "start-outing"
    ANSWER = "answer"  # with {"answer": "with-me" | "searching" | "left-behind" | "bag-only"}
    REPORT = "report"  # a missing child
    ACKNOWLEDGE = "acknowledge"
    CALL_POLICE = "call-police"  # the 112 call, with its receipt number
    ACCEPT = "accept"
    DECLINE = "decline"
    SEEN = "seen"  # confirmed on a camera, or by a person, where the child truly is
    SECURED = "secured"
    TELL_GUARDIAN = "tell-guardian"
    CLOSE = "close"  # with {"reason": …}
    END_OUTING = "end-outing"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spot(_Strict):
    """A place, or metres east and north of it; or a person to walk up to."""

    place: str | None = None
    who: Who | None = None
    east_m: float = 0.0
    north_m: float = 0.0

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.place is None) == (self.who is None):
            raise ValueError("a spot is a place or a person")
        return self


class Move(_Strict):
    """From `at_s` on, `who` walks to a spot and stays. speed_mps None: as usual for the age.

    along: "streets" keeps to the street grid; "straight" cuts across.
    """

    who: Who
    at_s: Seconds
    to: Spot
    speed_mps: Annotated[float, Field(gt=0, le=8)] | None = None
    along: Literal["streets", "straight"] = "streets"


class Fault(_Strict):
    """Something stops working from `at_s` for `for_s` seconds.

    dark-scanners: no power, nothing is heard or sent. offline-scanners: no uplink; what they hear
    is kept and sent afterwards. Both: the `count` nearest to `near`. deaf-phone: `who` hears
    nothing but still reports. silent-phone: `who`'s phone is off. dropped-bag: `who` loses the bag
    (for_s does not matter: it stays).
    """

    kind: Literal["dark-scanners", "offline-scanners", "deaf-phone", "silent-phone", "dropped-bag"]
    at_s: Seconds
    for_s: Seconds = 86_400
    near: Spot | None = None
    count: int = Field(default=0, ge=0)
    who: Who | None = None

    @model_validator(mode="after")
    def _has_subject(self) -> Self:
        if self.kind.endswith("scanners"):
            if self.near is None or self.near.place is None or self.count == 0:
                raise ValueError(f"{self.kind} needs `near` a place and a `count`")
        elif self.who is None:
            raise ValueError(f"{self.kind} needs `who`")
        return self


class Rule(_Strict):
    """How somebody reacts: `after_s` seconds after the word, once.

    on: what the system said (`Heard`, or with a tenant: "offer-naru"). at: what truly happened.
    """

    on: str | None = None
    at: Truth | None = None
    after_s: Seconds = 0.0
    who: Who
    do: Do
    params: Mapping[str, Any] = Field(default_factory=dict, alias="with")

    @model_validator(mode="after")
    def _one_trigger(self) -> Self:
        if (self.on is None) == (self.at is None):
            raise ValueError("a rule waits for one word: `on` or `at`")
        if self.on is not None and not any(self.on == w or self.on.startswith(f"{w}-") for w in Heard):
            raise ValueError(f"nothing says {self.on!r}; words are {', '.join(Heard)}")
        return self

    @property
    def trigger(self) -> str:
        """The word this rule waits for."""
        return self.on or str(self.at)


class Party(_Strict):
    """The outing: the first `children` of a facility's consented roster, at a place."""

    facility: str
    place: str
    children: int = Field(ge=1, le=60)
    teachers: int = Field(ge=1, le=8)
    spread_m: float = Field(default=8.0, gt=0, le=40)


class Scenario(_Strict):
    """One scenario. subject: the child it is about, None when nobody goes missing.

    start: wall time of virtual second 0 when it is played in scenario time. city: where (`CitySpec.of`).
    title: what happens, by language.
    """

    v: Literal[1]
    name: str
    title: Mapping[Literal["ko", "en"], str]
    status: Literal["Exercise", "Test"]
    start: AwareDatetime
    lasts_s: Seconds
    city: Literal["demo", "row"] = "demo"
    party: Party
    subject: Who | None = None
    outfit: Mapping[str, str] = Field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    faults: tuple[Fault, ...] = ()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _within_its_time(self) -> Self:
        late = [f"{m.who} at {m.at_s:g} s" for m in self.moves if m.at_s >= self.lasts_s]
        if late:
            raise ValueError(f"after the end at {self.lasts_s:g} s nobody walks: {', '.join(late)}")
        return self

    @property
    def tenant_id(self) -> str:
        """The tenant whose daycare goes out."""
        return self.party.facility.split("-f-")[0]


class Reaction(_Strict):
    """A person's reaction whose time has come. rule: its number in the scenario; at_s: when it was due."""

    rule: int
    at_s: float
    who: str
    do: Do
    params: Mapping[str, Any]


def load(name: str) -> Scenario:
    """A scenario by name or path. FileNotFoundError, or pydantic's ValidationError with the field."""
    path = Path(name) if name.endswith(".json") else FOLDER / f"{name}.json"
    return Scenario.model_validate(json.loads(path.read_text(encoding="utf-8")))


def names() -> list[str]:
    """Every scenario there is."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def due(
    rules: Sequence[Rule], happened: Mapping[str, float], now_s: float, done: Collection[int] = ()
) -> list[Reaction]:
    """Reactions that are due and not done, in the order of their time.

    happened: word → virtual second it first happened: what the system said (`Heard`, with or
    without a tenant) and what is true (`Play.marks`). done: numbers of rules already carried out.
    """
    ready = [
        Reaction(
            rule=n, at_s=happened[rule.trigger] + rule.after_s, who=rule.who, do=rule.do, params=rule.params
        )
        for n, rule in enumerate(rules)
        if n not in done and rule.trigger in happened and happened[rule.trigger] + rule.after_s <= now_s
    ]
    return sorted(ready, key=lambda r: (r.at_s, r.rule))
