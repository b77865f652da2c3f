"""Streets as people walk them: where the nearest one is, and which way they go on.

Centre lines in pieces that end at crossings, as road authorities publish them. Whoever is lost in a town
is nearly always on one of them, and cameras look along them.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from shared.domain.geo import LatLon, Plane

Line = tuple[LatLon, LatLon]
CELL_DEG = 0.005
"""Streets are kept by square, so that a neighbourhood is a handful of reads: some 500 m."""
_CELL_M = 40.0
_JOINED_M = 2.0  # ends this near each other are one crossing
_STRAIGHT_ON = 1.0  # how much going on outweighs turning off: von Mises concentration
_TURN_ROUND = 0.05  # chance of going back at a crossing; certain at a dead end


@dataclass(frozen=True, slots=True)
class Street:
    """A piece of a street's middle, from one crossing to the next: two points or more."""

    street_id: str
    points: tuple[LatLon, ...]

    @property
    def cell(self) -> str:
        """The square it is kept in: that of its middle point."""
        return cell_of(self.points[len(self.points) // 2])

    def lines(self) -> Iterable[Line]:
        """Straight pieces."""
        return pairwise(self.points)


def cell_of(at: LatLon) -> str:
    """The square of a place."""
    north, east = _numbers(at)
    return f"{north},{east}"


def middle_of(at: LatLon) -> LatLon:
    """The middle of a place's square."""
    north, east = _numbers(at)
    return LatLon((north + 0.5) * CELL_DEG, (east + 0.5) * CELL_DEG)


def cells_about(at: LatLon) -> tuple[str, ...]:
    """The square of a place and the eight around it: every street within some 450 m."""
    north, east = _numbers(at)
    return tuple(f"{i},{j}" for i in range(north - 1, north + 2) for j in range(east - 1, east + 2))


def _numbers(at: LatLon) -> tuple[int, int]:
    return math.floor(at.lat_deg / CELL_DEG), math.floor(at.lon_deg / CELL_DEG)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on a street. piece: its number; along_m: from the piece's first end."""

    piece: int
    along_m: float


@dataclass(frozen=True, slots=True)
class _Piece:
    x: float
    y: float
    ux: float
    uy: float
    length_m: float
    ends: tuple[int, int]


class Streets:
    """The streets about a place, in metres on `plane`."""

    def __init__(self, plane: Plane, lines: Iterable[Line]) -> None:
        self.plane = plane
        self._pieces: list[_Piece] = []
        self._at: dict[int, list[int]] = {}
        self._cells: dict[tuple[int, int], list[int]] = {}
        crossings: dict[tuple[int, int], int] = {}
        for a, b in lines:
            (ax, ay), (bx, by) = plane.to_xy(a), plane.to_xy(b)
            length_m = math.hypot(bx - ax, by - ay)
            if length_m < _JOINED_M:
                continue
            ends = tuple(
                crossings.setdefault((round(x / _JOINED_M), round(y / _JOINED_M)), len(crossings))
                for x, y in ((ax, ay), (bx, by))
            )
            number = len(self._pieces)
            piece = _Piece(ax, ay, (bx - ax) / length_m, (by - ay) / length_m, length_m, (ends[0], ends[1]))
            self._pieces.append(piece)
            for end in ends:
                self._at.setdefault(end, []).append(number)
            for k in range(int(length_m / _CELL_M) + 2):
                along_m = min(k * _CELL_M, length_m)
                cell = self._cell(ax + along_m * piece.ux, ay + along_m * piece.uy)
                if number not in self._cells.setdefault(cell, []):
                    self._cells[cell].append(number)
        self._near = cache(self._pieces_about)
        self._onward = cache(self._ways_on)

    def nearest(self, x: float, y: float) -> tuple[Spot, float] | None:
        """The nearest place on a street and how far off it is, metres; None with none within 60 m or so."""
        best: tuple[float, Spot] | None = None
        for number in self._near(self._cell(x, y)):
            along_m, off_m = self._off_m(self._pieces[number], x, y)
            if best is None or off_m < best[0]:
                best = off_m, Spot(number, along_m)
        return None if best is None else (best[1], best[0])

    def away_m(self, plane: Plane) -> Callable[[float, float], float]:
        """Metres from a place on `plane` to the nearest street; 60 m stand for further."""
        dx, dy = self.plane.to_xy(plane.origin)

        def away(x: float, y: float) -> float:
            found = self.nearest(x + dx, y + dy)
            return 60.0 if found is None else min(found[1], 60.0)

        return away

    def ways_at(self, x: float, y: float, within_m: float) -> list[tuple[float, float]]:
        """Directions (east, north; unit vectors) of the streets that pass within a distance of a place."""
        return [
            (piece.ux, piece.uy)
            for piece in (self._pieces[number] for number in self._near(self._cell(x, y)))
            if self._off_m(piece, x, y)[1] <= within_m
        ]

    def at(self, spot: Spot) -> tuple[float, float]:
        """Metres on the plane."""
        piece = self._pieces[spot.piece]
        return piece.x + spot.along_m * piece.ux, piece.y + spot.along_m * piece.uy

    def speed_along(self, spot: Spot, vx: float, vy: float) -> float:
        """How much of a velocity is along the piece, towards its second end, m/s."""
        piece = self._pieces[spot.piece]
        return vx * piece.ux + vy * piece.uy

    def walked(
        self,
        spot: Spot,
        forward: bool,  # noqa: FBT001
        step_m: float,
        chance: Callable[[], float],
    ) -> tuple[Spot, bool]:
        """Where a walk of `step_m` ends and which way it then goes (forward: to the piece's second end).

        chance: numbers from 0 to 1, one for each crossing passed.
        """
        number, along_m = spot.piece, spot.along_m
        while True:
            piece = self._pieces[number]
            left_m = piece.length_m - along_m if forward else along_m
            if step_m <= left_m:
                return Spot(number, along_m + (step_m if forward else -step_m)), forward
            step_m -= left_m
            number, forward = self._turned(number, forward, chance())
            along_m = 0.0 if forward else self._pieces[number].length_m

    def _turned(self, number: int, forward: bool, drawn: float) -> tuple[int, bool]:  # noqa: FBT001
        for share, onward, heading in self._onward(number, forward):
            drawn -= share
            if drawn < 0:
                return onward, heading
        return number, not forward

    def _ways_on(self, number: int, forward: bool) -> tuple[tuple[float, int, bool], ...]:  # noqa: FBT001
        """What may follow at a piece's end: (chance, piece, direction); what is left turns round."""
        came, sign = self._pieces[number], 1 if forward else -1
        crossing = came.ends[1] if forward else came.ends[0]
        ways = []
        for other in self._at[crossing]:
            piece = self._pieces[other]
            if other != number:
                onward = piece.ends[0] == crossing
                cosine = sign * (1 if onward else -1) * (came.ux * piece.ux + came.uy * piece.uy)
                ways.append((math.exp(_STRAIGHT_ON * cosine), other, onward))
        total = sum(weight for weight, _, _ in ways)
        return tuple((weight / total * (1 - _TURN_ROUND), other, onward) for weight, other, onward in ways)

    def _pieces_about(self, cell: tuple[int, int]) -> tuple[int, ...]:
        column, row = cell
        found: dict[int, None] = {}
        for i in (column - 1, column, column + 1):
            for j in (row - 1, row, row + 1):
                found.update(dict.fromkeys(self._cells.get((i, j), ())))
        return tuple(found)

    @staticmethod
    def _off_m(piece: _Piece, x: float, y: float) -> tuple[float, float]:
        """How far along a piece a place is, and how far off it."""
        along_m = (x - piece.x) * piece.ux + (y - piece.y) * piece.uy
        along_m = min(max(along_m, 0.0), piece.length_m)
        return along_m, math.hypot(x - piece.x - along_m * piece.ux, y - piece.y - along_m * piece.uy)

    @staticmethod
    def _cell(x: float, y: float) -> tuple[int, int]:
        return int(x // _CELL_M), int(y // _CELL_M)
