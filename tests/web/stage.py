"""Scenes for the screens, each made through the API and the radio as people and things would make it."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from shared.domain.geo import distance_m
from tests.web.world import World

COLOURS = ("yellow", "pink", "green", "blue", "red", "navy", "white", "purple")


@dataclass
class Scene:
    """A world with a running outing of its first daycare."""

    world: World
    teacher: str
    outing: dict[str, Any]
    beacons: dict[str, str] = field(default_factory=dict)
    seq: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def tenant_id(self) -> str:
        return self.teacher.rsplit("-", 1)[1]

    @property
    def outing_id(self) -> str:
        return str(self.outing["outing_id"])

    def child(self, nth: int) -> dict[str, Any]:
        """The nth child of the outing, from 0."""
        return dict(self.outing["members"][nth])

    def report(self, nth: int = 0, **more: Any) -> dict[str, Any]:
        """The teacher reports the nth child; the case."""
        body = {"child_id": self.child(nth)["child_id"], **more}
        return dict(self.world.call(self.teacher, "POST", "cases", body)["case"])

    def together(
        self,
        *,
        but: Container[int] = (),
        near: Container[int] = (),
        east_m: float = 0.0,
        north_m: float = 0.0,
    ) -> "Scene":
        """Every phone hears everybody `but` some; every pole lives, three next to a point hear `near`.

        east_m, north_m: of that point, from the group.
        """
        self.world.clock.forward(4)
        city, now_ms = self.world.city, round(self.world.clock.now().timestamp() * 1000)
        place = next(place for place in city.places if place.tenant_id == self.tenant_id)
        at = city.plane.to_latlon(place.x_m, place.y_m)
        ids = [self.beacons[member["child_id"]] for member in self.outing["members"]]
        for phone in self.outing["phones"]:
            heard = [[b, ago_ms, -58, 3] for n, b in enumerate(ids) if n not in but for ago_ms in (2500, 500)]
            fix = [at.lat_deg, at.lon_deg, 6, 400]
            self._says(phone["phone_id"], now_ms, heard, fix=fix)
        there = city.plane.to_latlon(place.x_m + east_m, place.y_m + north_m)
        scanners = sorted(city.scanners[self.tenant_id], key=lambda s: distance_m(s.at, there))
        for rank, scanner in enumerate(scanners):
            poles = [
                [beacon, 300, -70 - 4 * rank, 2] for n, beacon in enumerate(ids) if n in near and rank < 3
            ]
            self._says(scanner.scanner_id, now_ms, poles)
        return self

    def leaves(self, *nth: int) -> "Scene":
        """Those children go: no phone hears them, poles do, until the outing says that they departed."""
        for _ in range(25):
            self.together(but=nth, near=nth)
            told = self.world.call(self.teacher, "GET", f"outings/{self.outing_id}")["outing"]["members"]
            if all(told[n]["state"] == "departed" for n in nth):
                return self
        raise AssertionError([told[n] for n in nth])

    def wanders(self, nth: int, from_m: float, to_m: float, steps: int) -> "Scene":
        """The nth child walks off to the north-east and is heard every 4 s. from_m, to_m: from the group."""
        for step in range(steps):
            away_m = from_m + (to_m - from_m) * step / max(1, steps - 1)
            self.together(but=[nth], near=[nth], east_m=0.9 * away_m, north_m=0.44 * away_m)
        return self

    def _says(self, thing: str, sent: int, heard: list[list[Any]], **more: Any) -> None:
        payload = {"v": 1, "sent": sent, "seq": next(self.seq), "s": heard, **more}
        self.world.hear(self.tenant_id, thing, payload)


def outing(
    world: World, *, children: int = 4, status: str = "Actual", tenant_id: str = "garam", daycare: int = 0
) -> Scene:
    """A teacher of a daycare starts an outing; nothing has been heard yet."""
    teacher = f"teacher-{daycare + 1}-{tenant_id}"
    roster = world.call(teacher, "GET", "children")["children"]
    coming = [child for child in roster if child["consent"]][:children]
    members = [
        {
            "child_id": child["child_id"],
            "outfit": {
                "top": COLOURS[n % 8],
                "bottom": "black",
                "shoes": "white",
                "bag": COLOURS[(n + 3) % 8],
            },
        }
        for n, child in enumerate(coming)
    ]
    told = world.call(teacher, "POST", "outings", {"members": members, "status": status})
    beacons = {child.child_id: child.beacon_id for child in world.city.children[tenant_id]}
    return Scene(world, teacher, told["outing"], beacons)
