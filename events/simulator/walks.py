"""Where everybody of a scenario is at every moment: playing, walking along streets, walking up to somebody.

People are simulated once, in steps of a second, and looked up afterwards; in between they move
straight. Speeds: children walking straight 1.0–1.2 m/s at 3–6 years, adults 1.35 m/s.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from events.simulator.city import City
from events.simulator.scenario import Move, Scenario, Spot

Floats = NDArray[np.float64]

ADULT_MPS = 1.35
GROUP_MPS = 0.8
BESIDE_M = 1.5  # as near as one walks up to somebody


def child_mps(age_y: int) -> float:
    """Walking straight, metres per second: 1.00 at 3–4 years, 1.20 at 6–7 (POSITIONING.md section 5)."""
    return float(np.interp(age_y, [3.5, 6.5], [1.0, 1.2]))


@dataclass(frozen=True)
class Path:
    """Somebody's way. xy: (t, 2) metres at 0, 1, 2 … s; facing: (t,) radians, counter-clockwise from east.

    arrived_s: when the last walk ended; None without one.
    """

    xy: Floats
    facing: Floats
    arrived_s: float | None = None

    def at(self, at_s: float) -> tuple[float, float]:
        """Position in local metres; the first or last one outside the path's time."""
        i, part = self._index(at_s)
        x, y = self.xy[i] + part * (self.xy[min(i + 1, len(self.xy) - 1)] - self.xy[i])
        return float(x), float(y)

    def facing_at(self, at_s: float) -> float:
        """Direction of the face, radians counter-clockwise from east."""
        return float(self.facing[self._index(at_s)[0]])

    def dropped(self, at_s: float) -> "Path":
        """What lies where this path was at `at_s`, from then on; it has no face (nan)."""
        i = self._index(at_s)[0]
        xy, facing = self.xy.copy(), self.facing.copy()
        xy[i:], facing[i:] = self.at(at_s), math.nan
        return Path(xy, facing, at_s)

    def _index(self, at_s: float) -> tuple[int, float]:
        t = min(max(at_s, 0.0), len(self.xy) - 1.0)
        return int(t), t - int(t)


def walk(
    scenario: Scenario, city: City, ages: Mapping[str, int], teachers: Sequence[str], seed: int
) -> dict[str, Path]:
    """Everybody's path: "group" (its middle), and each child (ages: who → years) and teacher by `who`.

    ValueError when a move names nobody here, or people wait for each other in a ring.
    """
    return _Walks(scenario, city, ages, teachers, seed).all()


class _Walks:
    def __init__(
        self, scenario: Scenario, city: City, ages: Mapping[str, int], teachers: Sequence[str], seed: int
    ) -> None:
        self.scenario, self.city, self.ages = scenario, city, ages
        self.people = [*ages, *teachers]
        self.seconds = math.ceil(scenario.lasts_s) + 1
        self.seed = seed
        self.done: dict[str, Path] = {}
        self.moves: dict[str, list[Move]] = {who: [] for who in ("group", *self.people)}
        for move in sorted(scenario.moves, key=lambda m: m.at_s):
            if move.who not in self.moves or (move.to.who is not None and move.to.who not in self.moves):
                raise ValueError(f"{scenario.name}: nobody called {move.who!r} or {move.to.who!r} takes part")
            self.moves[move.who].append(move)

    def all(self) -> dict[str, Path]:
        place = self.city.place(self.scenario.party.place)
        middle = np.tile([place.x_m, place.y_m], (self.seconds, 1))
        self.done["group"] = self._follow("group", middle, np.random.default_rng([self.seed, 0]))
        waiting = list(self.people)
        while waiting:
            ready = [w for w in waiting if all(m.to.who in (None, *self.done) for m in self.moves[w])]
            if not ready:
                raise ValueError(f"{self.scenario.name}: {', '.join(waiting)} wait for each other")
            for who in ready:
                rng = np.random.default_rng([self.seed, 1 + self.people.index(who)])
                self.done[who] = self._follow(who, self._with_group(who, rng), rng)
                waiting.remove(who)
        return self.done

    def _with_group(self, who: str, rng: np.random.Generator) -> Floats:
        """(t, 2): near the group's middle, wandering about a spot of its own (Ornstein–Uhlenbeck)."""
        is_child = who in self.ages
        spread = self.scenario.party.spread_m
        radius = spread * math.sqrt(rng.random()) if is_child else spread / 2
        turn = rng.uniform(0, 2 * math.pi)
        own = np.array([math.cos(turn), math.sin(turn)]) * radius
        sd_m, tau_s = (2.0, 15.0) if is_child else (1.2, 30.0)
        keep = math.exp(-1 / tau_s)
        off = np.empty((self.seconds, 2))
        off[0] = rng.normal(0, sd_m, 2)
        for t in range(1, self.seconds):
            off[t] = keep * off[t - 1] + rng.normal(0, sd_m * math.sqrt(1 - keep**2), 2)
        return self.done["group"].xy + own + off

    def _follow(self, who: str, base: Floats, rng: np.random.Generator) -> Path:
        """`base` until the first move; from then on the moves, one after the other."""
        xy, arrived = base.copy(), None
        moves = self.moves[who]
        ends = [math.ceil(m.at_s) for m in moves[1:]] + [self.seconds - 1]
        for move, last in zip(moves, ends, strict=False):
            first = math.ceil(move.at_s)
            speed = move.speed_mps or self._usual_mps(who)
            if move.to.who is None:
                arrived = self._walk_to(xy, first, last, way=self._way(xy[first], move), speed=speed, rng=rng)
            else:
                arrived = self._walk_up_to(xy, first, last, self.done[move.to.who].xy, speed)
        return Path(xy, _facing(xy, rng), arrived)

    def _usual_mps(self, who: str) -> float:
        if who == "group":
            return GROUP_MPS
        return child_mps(self.ages[who]) if who in self.ages else ADULT_MPS

    def _way(self, start: Floats, move: Move) -> list[tuple[float, float]]:
        here, there = (float(start[0]), float(start[1])), self._target(move.to)
        return self.city.streets.route(here, there) if move.along == "streets" else [here, there]

    def _target(self, spot: Spot) -> tuple[float, float]:
        place = self.city.place(str(spot.place))
        return place.x_m + spot.east_m, place.y_m + spot.north_m

    def _walk_to(
        self,
        xy: Floats,
        first: int,
        last: int,
        *,
        way: Sequence[tuple[float, float]],
        speed: float,
        rng: np.random.Generator,
    ) -> float:
        """Fill xy[first:] with the way, then with standing at its end. Returns the arrival, seconds."""
        corners = np.asarray(way)
        length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
        pace = np.clip(speed * (1 + rng.normal(0, 0.08, self.seconds)), 0.3 * speed, None)
        gone = np.concatenate([[0.0], np.cumsum(pace)])[: self.seconds - first]
        ideal = np.stack([np.interp(gone, length, corners[:, i]) for i in (0, 1)], axis=1)
        sway = np.cumsum(rng.normal(0, 0.12, ideal.shape), axis=0)
        sway -= np.linspace(0, 1, len(sway))[:, None] * sway[-1]
        xy[first:] = ideal + np.clip(sway, -0.8, 0.8)
        xy[first] = corners[0]
        still = int(np.searchsorted(gone, length[-1]))
        if first + still < self.seconds:
            xy[first + still :] = xy[first + still]
        return float(min(first + still, last))

    def _walk_up_to(self, xy: Floats, first: int, last: int, target: Floats, speed: float) -> float | None:
        """Straight towards somebody who may be moving, and stay beside them. Returns the first meeting."""
        met: float | None = None
        for t in range(first + 1, self.seconds):
            way = target[t] - xy[t - 1]
            far = float(np.hypot(*way))
            step = min(speed, max(0.0, far - BESIDE_M))
            xy[t] = xy[t - 1] + (way / far * step if far > 0 else 0.0)
            if met is None and far - step <= BESIDE_M + 0.1 and t <= last:
                met = float(t)
        return met


def _facing(xy: Floats, rng: np.random.Generator) -> Floats:
    """(t,) where one looks: along the walk, and turning about at random when (nearly) standing."""
    step = np.diff(xy, axis=0, prepend=xy[:1])
    facing = np.empty(len(xy))
    now = rng.uniform(-math.pi, math.pi)
    for t, (dx, dy) in enumerate(step):
        moving = math.hypot(dx, dy) > 0.5
        now = math.atan2(dy, dx) if moving else now + rng.normal(0, 0.5)
        facing[t] = now
    return facing
