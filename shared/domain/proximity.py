"""How probable it is that the child is within reach of the group's phones, and that it is leaving.

A filter over time. Hypotheses: how far the child is from the nearest phone, and whether it plays with the
group, walks off slowly or fast, or has stopped somewhere. Each carries what every phone's link owes to
shadow, body and beacon (a mean; the variance is common to a kind of movement), so that a change of strength
is told apart from a strength that is always low: what gives away a child that walks off is the trend of the
last minute and a half at every phone that hears it, and how many of its packets still arrive.
Silence counts only where a phone has reported on that moment; a phone that did not report says nothing.

Constants were fitted on simulated outings with seeds other than those `make bench-departure` reports on.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import mul
from typing import NamedTuple

from shared.domain.geo import LatLon
from shared.domain.radio import OUTDOOR, RadioModel
from shared.domain.sighting import Heard, Sighting

STEP_MS = 4000  # one slot of judgement: a phone's reporting interval
SLOTS, ALIGNED = 20, 4
"""How far back a judgement looks: 20 slots and up to three more, so that four in a row begin with the same
slot and share their work. 16 lost one timely alarm in twenty, more gained nothing."""
PHONE = replace(OUTDOOR, p0_dbm=-61.0, packets=20, interval_ms=STEP_MS)
"""A phone among people, near the ground: 2 dB deafer than a pole."""
SETTLED_MS = 8000
"""A slot is judged when every phone has told of it, or this much later: half the evidence cries twice as
often. A phone reports every 4 s, or every 8 s when nothing changed."""
BLANK_MS = 10_000  # a longer interval between two reports is time that nobody watched

BIN = 1 / 9  # of the reach
INSIDE, BINS = 9, 20
PLAYS, SLOW, FAST, STOPPED = range(4)


class _Kind(NamedTuple):
    """A kind of movement.

    speed_mps: outwards. shows_db: who walks off shows the phone its back, and the bag on it.
    keeps: share of a link's shadow that is left after a slot. jitter_db: what changes from slot to slot.
    wander_m: about one's spot; near a phone that is many dB.
    """

    speed_mps: float
    shows_db: float
    keeps: float
    jitter_db: float
    wander_m: float


@dataclass(frozen=True, slots=True)
class PhoneTrack:
    """A phone's recent life: when it reported, where it was and what it heard. Oldest first, unique by time.

    fixes: (at_ms, position, accuracy_m). told_ms: when the others were last told that it stopped, 0 never.
    heard: by beacon. A report and what it heard are one item, so that no report ever looks like silence.
    """

    phone_id: str
    reported_ms: tuple[int, ...] = ()
    fixes: tuple[tuple[int, LatLon, int], ...] = ()
    version: int = 0
    told_ms: int = 0
    heard: Heard = field(default_factory=dict)


KINDS = (
    _Kind(speed_mps=0.0, shows_db=0.0, keeps=0.952, jitter_db=3.3, wander_m=2.5),
    _Kind(speed_mps=0.58, shows_db=3.6, keeps=0.913, jitter_db=1.5, wander_m=0.0),
    _Kind(speed_mps=1.28, shows_db=3.6, keeps=0.749, jitter_db=2.0, wander_m=0.0),
    _Kind(speed_mps=0.0, shows_db=0.0, keeps=0.95, jitter_db=5.2, wander_m=0.8),
)
"""Playing with the group, walking off slowly (toddlers wander at 0.4 m/s), walking off fast, stopped."""
SPEEDS = ((0.55, 0.25), (1.0, 0.5), (1.45, 0.25))  # of a kind's speed, and how probable
LEAVES_S, SLOW_SHARE, ENDS_S, RESTS_S = 600.0, 0.6, 210.0, 250.0  # mean times in a kind of movement
SHADOW_DB = 6.6  # of a link: shadow, body, beacon and phone together
GROUP_M, WALKS_M = 8.3, 10.0  # children play within this sd of the phones, per axis; walk off, when begun
WALKING = 0.0053  # how probably a child already walks off when the window begins
AFAR = 3e-5  # and is anywhere
APPEARS = 5e-8  # it is anywhere else all of a sudden, a slot and place
SILENT_DBM, SILENT_SD_DB = -101.3, 2.8  # a link is silent when it is weaker than about this
STRANGE = 0.019  # a slot that the model does not explain
LEAD_S = 10.0  # whoever walks off counts as beyond reach this long before the crossing
SCORE = (0.932, 3.287)
"""Logit of what the filter says, to that of how often it was so: it is too ready to think a child gone."""
PLAIN_DB, PLAIN_MS, PLAIN_NEAR = 13.0, 5000, 0.999
"""Heard so much more strongly than usual at the reach, in each of the last two PLAIN_MS: plainly with the
group, as most children are most of the time, and nothing more is computed."""


class Judged(NamedTuple):
    """One slot. at_ms: its end. near: probability of being within reach; beyond: of leaving it in LEAD_S.

    heard: by any phone.
    """

    at_ms: int
    near: float
    beyond: float
    heard: bool


Had = tuple[int, int] | None
"""What a phone had in a slot: packets of PHONE.packets and their mean dBm; (0, 0) silence; None unwatched."""
Slot = tuple[int, tuple[Had, ...]]


def proximity(
    child: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    reach_m: float,
    now_ms: int,
    model: RadioModel = PHONE,
) -> float:
    """Probability, 0..1, that the child is within `reach_m` of one of the phones at `now_ms`.

    child: its sightings, any order; those by anything but these phones are ignored, as are later ones.
    Phones that never reported say nothing; with none that did, the answer is the prior.
    """
    history = near_by_slot(child, phones, reach_m=reach_m, now_ms=now_ms, model=model)
    return history[-1].near if history else _score(sum(_about(GROUP_M, reach_m)[:INSIDE]))


def near_by_slot(
    child: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    reach_m: float,
    now_ms: int,
    since_ms: int = 0,
    model: RadioModel = PHONE,
) -> tuple[Judged, ...]:
    """Each of the last settled slots that somebody reported on, oldest first.

    since_ms: evidence before it does not count (the outing had not begun).
    """
    mine = heard_by(phones, child, since_ms=since_ms, now_ms=now_ms)
    return judged(mine, phones, reach_m=reach_m, now_ms=now_ms, since_ms=since_ms, model=model)


def judged(
    mine: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    reach_m: float,
    now_ms: int,
    since_ms: int,
    model: RadioModel,
) -> tuple[Judged, ...]:
    """`near_by_slot` of what `heard_by` returned."""
    if _plain(mine, model.mean_dbm(reach_m) + PLAIN_DB, now_ms):
        return (Judged(now_ms, near=PLAIN_NEAR, beyond=0.0, heard=True),)
    return filtered(mine, phones, reach_m=reach_m, now_ms=now_ms, since_ms=since_ms, model=model)


def filtered(
    mine: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    reach_m: float,
    now_ms: int,
    since_ms: int,
    model: RadioModel,
) -> tuple[Judged, ...]:
    """`judged` by the filter, however plain the case."""
    begin = max((now_ms // STEP_MS - SLOTS) // ALIGNED * ALIGNED, since_ms // STEP_MS)
    begin_ms = begin * STEP_MS
    slots: dict[int, list[Had]] = {}
    for n, phone in enumerate(phones):
        heard = [s for s in mine if s.source_id == phone.phone_id and s.at_ms >= begin_ms]
        told = [t for t in phone.reported_ms if begin_ms - BLANK_MS <= t <= now_ms]
        for slot, had in _slots(heard, told, model).items():
            if slot >= begin:
                slots.setdefault(slot, [None] * len(phones))[n] = had
    settled = [
        (slot, tuple(slots[slot]))
        for slot in sorted(slots)
        if None not in slots[slot] or (slot + 1) * STEP_MS <= now_ms - SETTLED_MS
    ]
    return _after(tuple(settled), reach_m, model)[1] if settled else ()


def heard_by(
    phones: Sequence[PhoneTrack], child: Sequence[Sighting], *, since_ms: int, now_ms: int
) -> list[Sighting]:
    """Those of the child's sightings that these phones made in this time."""
    ids = {p.phone_id for p in phones}
    return [s for s in child if since_ms <= s[0] <= now_ms and s[1] in ids]


def _plain(heard: Sequence[Sighting], strong_dbm: float, now_ms: int) -> bool:
    """Whether some phone heard the child so strongly in each of the last two PLAIN_MS."""
    ago_ms = [now_ms - s[0] for s in heard if s[2] >= strong_dbm]
    return bool(ago_ms) and min(ago_ms) < PLAIN_MS and any(PLAIN_MS <= ago < 2 * PLAIN_MS for ago in ago_ms)


def _slots(heard: Sequence[Sighting], told: Sequence[int], model: RadioModel) -> dict[int, Had]:
    """What one phone had, by slot: packets as if they had been sent for a whole slot; silence where it told.

    A sighting speaks for the interval of its report, a slot at the most, about its own time.
    """
    times = sorted(set(told))
    sums: dict[int, tuple[int, int, float]] = {}
    spoken: set[int] = set()
    for at_ms, _, rssi_dbm, packets in {s[:4] for s in heard}:
        n = bisect_left(times, at_ms)
        lasted_ms = min(STEP_MS, times[n] - times[n - 1]) if 0 < n < len(times) else STEP_MS
        spoken.update(range((at_ms - lasted_ms // 2) // STEP_MS, -(-(at_ms + lasted_ms // 2) // STEP_MS)))
        k, total, sent_ms = sums.get(at_ms // STEP_MS, (0, 0, 0.0))
        sums[at_ms // STEP_MS] = (k + packets, total + packets * rssi_dbm, sent_ms + lasted_ms)
    found: dict[int, Had] = {}
    began_ms = before_ms = times[0] - STEP_MS if times else 0
    for at_ms in times:
        if at_ms - before_ms > BLANK_MS:
            began_ms = before_ms = at_ms - STEP_MS
        silent = range(max(-(-began_ms // STEP_MS), before_ms // STEP_MS), at_ms // STEP_MS)
        found.update((slot, (0, 0)) for slot in silent if slot not in spoken)
        before_ms = at_ms
    for slot, (k, total, sent_ms) in sums.items():
        part = min(1.0, k * STEP_MS / (max(sent_ms, STEP_MS) * model.packets))
        found[slot] = (max(1, round(part * model.packets)), round(total / k))
    return found


_Bins = list[list[float]]
_State = tuple[_Bins, list[_Bins], list[list[float]]]
"""Shares of belief by kind of movement and distance; what each link owes, by kind, phone and distance, in dB;
its variance by kind and phone."""


@lru_cache(maxsize=1024)  # some 10 kB each
def _after(slots: tuple[Slot, ...], reach_m: float, model: RadioModel) -> tuple[_State, tuple[Judged, ...]]:
    """The belief after these slots, and the judgement of each. Longer by a slot, it is a step more."""
    slot, had = slots[-1]
    history: tuple[Judged, ...] = ()
    if len(slots) == 1:
        shares, links, spreads = _start(reach_m, len(had))
    else:
        (shares, links, spreads), history = _after(slots[:-1], reach_m, model)
        for _ in range(min(5, slot - slots[-2][0])):
            shares, links, spreads = _moved(shares, links, spreads, reach_m)
    mean, noise = _mean_dbm(reach_m, model), _noise(reach_m)
    for n, each in enumerate(had):
        if each is None:
            continue
        for kind in _ALL:
            mine = links[kind][n]
            against = [(m + x, v) for m, x, v in zip(mean[kind], mine, noise[kind], strict=True)]
            if each[0]:
                heard = _strength(*each, model)
                spreads[kind][n] *= _hear(shares[kind], mine, spreads[kind][n], heard, against)
            else:
                _miss(shares[kind], mine, spreads[kind][n], against)
    total = sum(map(sum, shares))
    shares = [[w / total for w in kind] for kind in shares]
    near, beyond = _probabilities(shares, reach_m)
    judged = Judged((slot + 1) * STEP_MS, near, beyond, any(each and each[0] for each in had))
    return (shares, links, spreads), (*history, judged)


def _hear(
    shares: list[float],
    links: list[float],
    spread: float,
    heard: tuple[float, float],
    against: Sequence[tuple[float, float]],
) -> float:
    """One kind of movement after a phone heard the child, in place. Returns what is left of the variance.

    heard: as of `_strength`. against: (expected strength, noise), by distance.
    """
    strength_dbm, error = heard
    learned, total = 0.0, 1e-300
    for i, (wanted, noise) in enumerate(against):
        variance = spread + noise + error
        gain, off = spread / variance, strength_dbm - wanted
        shares[i] *= math.exp(-off * off / (2 * variance)) / math.sqrt(variance) + 0.03 * STRANGE
        links[i] += gain * off
        learned += gain * shares[i]
        total += shares[i]
    return 1 - learned / total


def _miss(
    shares: list[float], links: list[float], spread: float, against: Sequence[tuple[float, float]]
) -> None:
    """And after it listened and heard nothing."""
    for i, (wanted, noise) in enumerate(against):
        variance = spread + noise + SILENT_SD_DB**2
        off = SILENT_DBM - wanted
        silent = 0.5 * math.erfc(-off / math.sqrt(2 * variance))
        shares[i] *= 0.4 * (silent * (1 - STRANGE) + STRANGE)
        if off < 0:
            links[i] += spread / variance * off


def _moved(shares: _Bins, links: list[_Bins], spreads: list[list[float]], reach_m: float) -> _State:
    """One slot later: some change their kind of movement, who walks off gets further, shadows change."""
    phones = range(len(links[0]))
    owed = [[list(map(mul, shares[m], links[m][n])) for n in phones] for m in _ALL]
    whole = [sum(kind) for kind in shares]
    moved: _Bins = []
    new_links: list[_Bins] = []
    new_spreads: list[list[float]] = []
    for kind, (form, sources) in enumerate(zip(KINDS, _CHANGES, strict=True)):
        came = 1e-300 + sum(q * whole[m] for m, q in sources)
        steps = _steps(form.speed_mps, reach_m)
        kept = _further(_mixed([(q, shares[m]) for m, q in sources]), steps)
        moved.append([w + APPEARS for w in kept] if kind == STOPPED else kept)
        new_links.append([])
        new_spreads.append([])
        for n in phones:
            sums = _further(_mixed([(q, owed[m][n]) for m, q in sources]), steps)
            new_links[-1].append(
                [form.keeps * s / w if w > 0 else 0.0 for s, w in zip(sums, kept, strict=True)]
            )
            spread = sum(q * whole[m] * spreads[m][n] for m, q in sources) / came
            new_spreads[-1].append(form.keeps**2 * spread + (1 - form.keeps**2) * SHADOW_DB**2)
    return moved, new_links, new_spreads


def _mixed(parts: Sequence[tuple[float, Sequence[float]]]) -> list[float]:
    if len(parts) == 3:
        (a, x), (b, y), (c, z) = parts
        return [a * i + b * j + c * k for i, j, k in zip(x, y, z, strict=True)]
    (a, x), (b, y), (c, z), (d, u) = parts
    return [a * i + b * j + c * k + d * h for i, j, k, h in zip(x, y, z, u, strict=True)]


def _further(shares: list[float], steps: Sequence[tuple[int, float]]) -> list[float]:
    """Moved outwards by each of `steps` bins with its probability; the last bin holds all that is beyond."""
    if not steps:
        return shares
    moved = [0.0] * BINS
    for far, part in steps:
        moved[far:] = [m + part * w for m, w in zip(moved[far:], shares, strict=False)]
        moved[-1] += part * sum(shares[BINS - far :])
    return moved


@lru_cache(maxsize=64)
def _steps(speed_mps: float, reach_m: float) -> tuple[tuple[int, float], ...]:
    """(bins further, probability) in a slot; () when standing."""
    found: dict[int, float] = {}
    for factor, part in SPEEDS if speed_mps else ():
        bins = min(8.0, speed_mps * factor * STEP_MS / 1000 / (BIN * reach_m))
        whole = int(bins)
        found[whole] = found.get(whole, 0.0) + part * (1 - (bins - whole))
        found[whole + 1] = found.get(whole + 1, 0.0) + part * (bins - whole)
    return tuple(sorted((far, part) for far, part in found.items() if part > 0))


def _probabilities(shares: Sequence[Sequence[float]], reach_m: float) -> tuple[float, float]:
    """(within reach, beyond it in LEAD_S)."""
    near = sum(sum(kind[:INSIDE]) for kind in shares)
    beyond = 0.0
    for form, kind in zip(KINDS, shares, strict=True):
        edge = INSIDE - form.speed_mps * LEAD_S / (BIN * reach_m)
        whole = max(0, math.floor(edge))
        beyond += sum(kind[whole + 1 :]) + (1 - max(0.0, edge - whole)) * kind[whole]
    return _score(near), 1 - _score(1 - beyond)


def _score(believed: float) -> float:
    """The probability that something is so of which the filter believes so much."""
    a, b = SCORE
    odds = (believed + 1e-4) / (max(0.0, 1 - believed) + 1e-4)
    return 1 / (1 + math.exp(-b) * math.pow(odds, -a))


_ALL = range(len(KINDS))


def _changes() -> tuple[tuple[tuple[int, float], ...], ...]:
    """For each kind of movement: (from which kind, with what probability in a slot)."""
    leaves, ends, rests = (1 - math.exp(-STEP_MS / 1000 / s) for s in (LEAVES_S, ENDS_S, RESTS_S))
    slow = SLOW_SHARE
    to = {
        PLAYS: {PLAYS: 1 - leaves, SLOW: leaves * slow, FAST: leaves * (1 - slow)},
        SLOW: {PLAYS: 0.1 * ends, SLOW: 1 - ends, STOPPED: 0.9 * ends},
        FAST: {PLAYS: 0.1 * ends, FAST: 1 - ends, STOPPED: 0.9 * ends},
        STOPPED: {PLAYS: 0.6 * rests, SLOW: 0.25 * rests, FAST: 0.15 * rests, STOPPED: 1 - rests},
    }
    return tuple(tuple((m, to[m][kind]) for m in _ALL if kind in to[m]) for kind in _ALL)


_CHANGES = _changes()


def _middles(reach_m: float) -> list[float]:
    return [(i + 0.5) * BIN * reach_m for i in range(BINS)]


@lru_cache(maxsize=64)
def _mean_dbm(reach_m: float, model: RadioModel) -> tuple[tuple[float, ...], ...]:
    """Mean strength, by kind of movement and distance."""
    means = [model.mean_dbm(d) for d in _middles(reach_m)]
    return tuple(tuple(m + form.shows_db for m in means) for form in KINDS)


@lru_cache(maxsize=64)
def _noise(reach_m: float) -> tuple[tuple[float, ...], ...]:
    """Variance from slot to slot, by kind of movement and distance."""
    slope = 27 / math.log(10)  # dB per part of the distance
    return tuple(
        tuple(f.jitter_db**2 + min(8.0, slope * f.wander_m / max(1.0, d)) ** 2 for d in _middles(reach_m))
        for f in KINDS
    )


def _start(reach_m: float, phones: int) -> _State:
    """Where a window begins: most children play with the group; some already walk off, or have stopped."""
    play, walk = _about(GROUP_M, reach_m), _about(WALKS_M, reach_m)
    parts = (1 - 1.5 * WALKING, 0.7 * WALKING, 0.3 * WALKING, 0.5 * WALKING)
    shares = [[p * w for w in (play if kind == PLAYS else walk)] for kind, p in enumerate(parts)]
    links = [[[0.0] * BINS for _ in range(phones)] for _ in _ALL]
    return shares, links, [[SHADOW_DB**2] * phones for _ in _ALL]


@lru_cache(maxsize=64)
def _about(sd_m: float, reach_m: float) -> tuple[float, ...]:
    weights = [d * math.exp(-((d / sd_m) ** 2) / 2) + AFAR for d in _middles(reach_m)]
    return tuple(w / sum(weights) for w in weights)


@lru_cache(maxsize=8192)
def _strength(packets: int, rssi_dbm: int, model: RadioModel) -> tuple[float, float]:
    """A link's strength that gives so many packets of this mean: (dBm, variance).

    Few packets of −92 dBm come from a link of −98: only the strong ones are decoded.
    """
    logs = []
    for strength, chance, mean, variance in _decoded(model):
        spread = variance / packets + 1 / 12  # 1/12: the mean is rounded to whole dBm
        told = packets * math.log(chance) + (model.packets - packets) * math.log1p(-chance)
        told -= (rssi_dbm - mean) ** 2 / (2 * spread) + math.log(spread) / 2 + ((strength + 90) / 25) ** 2 / 2
        logs.append((told, strength))
    top = max(logs)[0]
    weights = [(math.exp(told - top), strength) for told, strength in logs]
    total = sum(w for w, _ in weights)
    middle = sum(w * s for w, s in weights) / total
    return middle, sum(w * (s - middle) ** 2 for w, s in weights) / total


@lru_cache(maxsize=8)
def _decoded(model: RadioModel) -> tuple[tuple[float, float, float, float], ...]:
    """By strength of a link, dBm: it, the chance of a packet, mean and variance of those decoded."""
    rows = []
    for step in range(220):
        strength = -130.0 + 0.5 * step
        short = (model.threshold_dbm - strength) / model.fading_db
        chance = max(1e-300, 0.5 * math.erfc(short / math.sqrt(2)))
        over = (
            math.exp(-short * short / 2) / math.sqrt(2 * math.pi) / chance if short < 7 else short + 1 / short
        )
        variance = max(0.3, model.fading_db**2 * (1 - over * (over - short)))
        decoded = max(1e-12, (1 - model.loss) * chance)
        rows.append((strength, decoded, strength + model.fading_db * over, variance))
    return tuple(rows)
