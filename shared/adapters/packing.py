"""What was heard, in few bytes: a write unit is 1 KB, and an item is rewritten every few seconds.

Positions are kept to the millionth of a degree (see `micro`), times to the millisecond.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial

from shared.domain.geo import LatLon
from shared.domain.sighting import WINDOW_MAX, Heard, Sighting, Window
from shared.domain.watching import Fix

_FORMAT = 1
_FORMAT_NEAR = 2  # the same, with places told from the first one: a phone does not walk far in two minutes
_PLACE = struct.Struct("<iiH")  # micro-degrees, accuracy m
_PLACE_NEAR = struct.Struct("<hhB")  # micro-degrees from the first, accuracy m
_MICRO = 1_000_000
_Place = tuple[int, int, int]
_Moment = tuple[int, int, int, int]
_NOWHERE = (0, 0, -1)
_sighting = tuple.__new__  # a third of the time of the constructor, which only names the six values


def micro(at: LatLon) -> LatLon:
    """The position on the grid that is stored: a millionth of a degree, 0.11 m."""
    return LatLon(round(at.lat_deg, 6), round(at.lon_deg, 6))


# --- a beacon's window: many sources, one beacon -------------------------------------------------

_HEAD = struct.Struct("<BQBBB")  # format, newest ms, number of sources, of places, of sightings
_SIGHTING = struct.Struct("<IbB")  # age ms (17 bits) | source (7 bits) | place (8 bits); rssi; packets
_NO_PLACE = 255


def pack_window(window: Window) -> bytes:
    """The window in bytes: 6 a sighting, 5 a place (10 if they lie far apart), the source ids once each.

    ValueError beyond WINDOW_MAX sightings.
    """
    sightings = window.sightings
    if len(sightings) > WINDOW_MAX:
        raise ValueError(f"a window holds at most {WINDOW_MAX} sightings")
    sources = {source: n for n, source in enumerate(sorted({s.source_id for s in sightings}))}
    where = [_place(s.where, s.accuracy_m) if s.where else None for s in sightings]
    places = {place: n for n, place in enumerate(sorted({place for place in where if place}))}
    form, packed_places = _pack_places(list(places))
    parts = [_HEAD.pack(form, window.newest_ms, len(sources), len(places), len(sightings))]
    parts += [_pack_text(source) for source in sources]
    parts.append(packed_places)
    newest_ms = window.newest_ms
    for s, place in zip(sightings, where, strict=True):
        place_no = places[place] if place else _NO_PLACE
        bits = (newest_ms - s.at_ms) | sources[s.source_id] << 17 | place_no << 24
        parts.append(_SIGHTING.pack(bits, s.rssi_dbm, s.packets))
    return b"".join(parts)


def unpack_window(packed: bytes) -> Window:
    """The window again. ValueError for a format this code does not know."""
    form, newest_ms, source_count, place_count, sighting_count = _HEAD.unpack_from(packed)
    sources, at = _unpack_texts(packed, _HEAD.size, source_count)
    places, end = _unpack_places(form, packed, at, place_count)
    sightings: list[Sighting] = []
    for bits, rssi_dbm, packets in _SIGHTING.iter_unpack(packed[end : end + sighting_count * _SIGHTING.size]):
        place_no = bits >> 24
        where, accuracy_m = (None, 0) if place_no == _NO_PLACE else places[place_no]
        source = sources[bits >> 17 & 0x7F]
        sightings.append(Sighting(newest_ms - (bits & 0x1FFFF), source, rssi_dbm, packets, where, accuracy_m))
    return Window(tuple(sightings))


# --- what one source said: one source, many beacons ----------------------------------------------

_SAID = struct.Struct("<BQHBHHH")  # format, newest ms, number of reports, fixes, beacons, moments, places
_AGE = 3  # bytes of an age: milliseconds before the newest, up to 4.6 h (LAST_MS is less)
_NARROW = 0x10  # marks the format when a sighting takes 12 bits: 7 of strength, 5 of packets
_FEW = 255  # places up to which a byte tells which; two bytes beyond. All ones: nowhere


def pack_said(reported_ms: Sequence[int], fixes: Sequence[Fix], heard: Heard) -> bytes:
    """A source's reports, fixes and sightings in bytes.

    Sightings of one instant share its time and place, and take 12 bits each and a bit for every beacon;
    15 children heard for 90 s by a phone that reports every 4 s make about 900 bytes. A moment is its
    age, its place, and either a 0 and a bit for each beacon or, if few were heard, how many and which.
    """
    beacons = sorted(heard)
    moments: dict[_Moment, list[int]] = {}
    strengths: dict[_Moment, list[Sighting]] = {}
    for n, beacon_id in enumerate(beacons):
        for s in heard[beacon_id]:
            key = (s[0], *_place(s[4], s[5])) if s[4] else (s[0], *_NOWHERE)
            if key not in moments:
                moments[key], strengths[key] = [], []
            moments[key].append(n)
            strengths[key].append(s)
    ordered = sorted(moments)
    fixed = [_place(at, accuracy_m) for _, at, accuracy_m in fixes]
    told = {key[1:] for key in ordered} - {_NOWHERE}
    places = {place: n for n, place in enumerate(sorted(told.union(fixed)))}
    form, packed_places = _pack_places(list(places))
    newest_ms = max(
        [*reported_ms[-1:], *(fix[0] for fix in fixes), *(key[0] for key in ordered[-1:])], default=0
    )
    every = [s for key in ordered for s in strengths[key]]
    rssi, packets = [s[2] for s in every], [s[3] for s in every]
    narrow = max(packets, default=0) < 32 and max(rssi, default=0) <= 0
    form |= _NARROW if narrow else 0
    counts = len(reported_ms), len(fixes), len(beacons), len(moments), len(places)
    parts = [_SAID.pack(form, newest_ms, *counts), packed_places]
    width = 1 if len(places) < _FEW else 2
    places[_NOWHERE] = 256**width - 1
    parts += [(newest_ms - at_ms).to_bytes(_AGE, "little") for at_ms in reported_ms]
    for fix, where in zip(fixes, fixed, strict=True):
        parts += [(newest_ms - fix[0]).to_bytes(_AGE, "little"), places[where].to_bytes(width, "little")]
    parts += [_pack_text(beacon_id) for beacon_id in beacons]
    bits_size = (len(beacons) + 7) // 8
    for key in ordered:
        members = moments[key]
        parts += [(newest_ms - key[0]).to_bytes(_AGE, "little"), places[key[1:]].to_bytes(width, "little")]
        if 2 * len(members) < bits_size and len(members) < 256:
            parts += [bytes([len(members)]), *(n.to_bytes(2, "little") for n in members)]
        else:
            parts += [b"\0", _bits(tuple(members), bits_size)]
    if narrow:
        parts.append(bytes([r + 127 << 1 | p & 1 for r, p in zip(rssi, packets, strict=True)]))
        halves = [*[p >> 1 for p in packets], 0]
        parts.append(bytes([a | b << 4 for a, b in zip(halves[::2], halves[1::2], strict=False)]))
    else:
        parts += [bytes([r & 0xFF for r in rssi]), bytes(packets)]
    return b"".join(parts)


@lru_cache(maxsize=512)
def unpack_said(packed: bytes, source_id: str) -> tuple[tuple[int, ...], tuple[Fix, ...], Heard]:
    """(reported_ms, fixes, heard) again. ValueError for a format this code does not know.

    Remembered: an item is often read again as it was. Nobody changes what comes back.
    """
    form, newest_ms, report_count, fix_count, beacon_count, moment_count, place_count = _SAID.unpack_from(
        packed
    )
    places, at = _unpack_places(form & ~_NARROW, packed, _SAID.size, place_count)
    width = 1 if place_count < _FEW else 2
    nowhere = 256**width - 1
    number = partial(int.from_bytes, byteorder="little")
    end = at + report_count * _AGE
    reported_ms = tuple([newest_ms - number(packed[n : n + _AGE]) for n in range(at, end, _AGE)])
    at = end
    fixes = []
    for _ in range(fix_count):
        middle, end = at + _AGE, at + _AGE + width
        fixes.append((newest_ms - number(packed[at:middle]), *places[number(packed[middle:end])]))
        at = end
    beacons, at = _unpack_texts(packed, at, beacon_count)
    members: list[int] = []
    moments: list[tuple[int, LatLon | None, int]] = []
    bits_size = (beacon_count + 7) // 8
    for _ in range(moment_count):
        middle, end = at + _AGE, at + _AGE + width
        age, place, count = number(packed[at:middle]), number(packed[middle:end]), packed[end]
        at = end + 1
        size = 2 * count if count else bits_size
        numbers = packed[at : at + size]
        at += size
        these = struct.unpack(f"<{count}H", numbers) if count else _ones(numbers)
        where, accuracy_m = (None, 0) if place == nowhere else places[place]
        moments += [(newest_ms - age, where, accuracy_m)] * len(these)
        members += these
    rssi, packets = _strengths(packed[at:], len(members), narrow=bool(form & _NARROW))
    heard: list[list[Sighting]] = [[] for _ in beacons]
    for n, (at_ms, where, accuracy_m), r, p in zip(members, moments, rssi, packets, strict=False):
        heard[n].append(_sighting(Sighting, (at_ms, source_id, r, p, where, accuracy_m)))
    return (
        reported_ms,
        tuple(fixes),
        {beacon: tuple(each) for beacon, each in zip(beacons, heard, strict=True)},
    )


def _strengths(packed: bytes, count: int, *, narrow: bool) -> tuple[Sequence[int], Sequence[int]]:
    """(rssi_dbm, packets) of so many sightings."""
    if not narrow:
        return memoryview(packed)[:count].cast("b"), packed[count : 2 * count]
    strong, halves = packed[:count], packed[count:]
    high = [half for pair in halves for half in (pair & 0xF, pair >> 4)]
    return [(s >> 1) - 127 for s in strong], [s & 1 | h << 1 for s, h in zip(strong, high, strict=False)]


@lru_cache(maxsize=1024)
def _ones(bits: bytes) -> tuple[int, ...]:
    """Which bits are set, the lowest first."""
    number = int.from_bytes(bits, "little")
    return tuple([n for n in range(number.bit_length()) if number >> n & 1])


@lru_cache(maxsize=1024)
def _bits(numbers: tuple[int, ...], size: int) -> bytes:
    """A bit for each number."""
    return sum([1 << n for n in numbers]).to_bytes(size, "little")


# --- parts ---------------------------------------------------------------------------------------


def pack_seen(seen_ms: Mapping[str, int]) -> bytes:
    """When each scanner was heard of last."""
    newest_ms = max(seen_ms.values(), default=0)
    parts = [newest_ms.to_bytes(8, "little")]
    for name, at_ms in sorted(seen_ms.items()):
        parts += [_pack_text(name), min(newest_ms - at_ms, 2**32 - 1).to_bytes(4, "little")]
    return b"".join(parts)


def unpack_seen(packed: bytes) -> dict[str, int]:
    """`pack_seen` undone; an age beyond 49 days comes back as that."""
    newest_ms, at, seen_ms = int.from_bytes(packed[:8], "little"), 8, {}
    while at < len(packed):
        (name,), at = _unpack_texts(packed, at, 1)
        seen_ms[name] = newest_ms - int.from_bytes(packed[at : at + 4], "little")
        at += 4
    return seen_ms


def _pack_text(text: str) -> bytes:
    """Its length and its bytes; half as many, marked, for an even number of hexadecimal digits."""
    encoded = text.encode()
    if len(text) % 2 == 0 and not text.strip("0123456789abcdef"):
        encoded = bytes.fromhex(text)
        return bytes([len(encoded) | _HEX]) + encoded
    if len(encoded) >= _HEX:
        raise ValueError(f"an id of {len(encoded)} bytes")
    return bytes([len(encoded)]) + encoded


_HEX = 0x80


def _unpack_texts(packed: bytes, at: int, count: int) -> tuple[list[str], int]:
    """(so many texts, where they end)."""
    texts = []
    for _ in range(count):
        size = packed[at]
        at += 1
        end = at + (size & ~_HEX)
        texts.append(packed[at:end].hex() if size & _HEX else packed[at:end].decode())
        at = end
    return texts, at


def _pack_places(places: Sequence[_Place]) -> tuple[int, bytes]:
    """(the format, the places)."""
    if not places:
        return _FORMAT_NEAR, b""
    lat, lon, _ = first = places[0]
    away = [(a - lat, b - lon, accuracy_m) for a, b, accuracy_m in places]
    if all(abs(a) < 2**15 and abs(b) < 2**15 and accuracy_m < 2**8 for a, b, accuracy_m in away):
        return _FORMAT_NEAR, _PLACE.pack(*first) + b"".join([_PLACE_NEAR.pack(*each) for each in away])
    return _FORMAT, b"".join([_PLACE.pack(*each) for each in places])


def _unpack_places(form: int, packed: bytes, at: int, count: int) -> tuple[list[tuple[LatLon, int]], int]:
    """(the places and their accuracy, where they end)."""
    if form == _FORMAT:
        end = at + count * _PLACE.size
        told: Iterable[_Place] = _PLACE.iter_unpack(packed[at:end])
    elif form == _FORMAT_NEAR:
        start = at + _PLACE.size
        end = start + count * _PLACE_NEAR.size if count else at
        lat, lon, _ = _PLACE.unpack_from(packed, at) if count else (0, 0, 0)
        told = ((lat + a, lon + b, acc) for a, b, acc in _PLACE_NEAR.iter_unpack(packed[start:end]))
    else:
        raise ValueError(f"unknown window format {form}")
    return [(LatLon(lat / _MICRO, lon / _MICRO), accuracy_m) for lat, lon, accuracy_m in told], end


def _place(at: LatLon | None, accuracy_m: int) -> _Place:
    at = at or LatLon(0, 0)
    return round(at.lat_deg * _MICRO), round(at.lon_deg * _MICRO), min(accuracy_m, 65_535)
