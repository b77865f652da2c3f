"""`jikimi replay FILE`: a recorded radio log through the same door as live sightings.

FILE is a CSV with one reading of one receiver per row:

    time                      seconds of any origin, or ISO 8601
    receiver                  its name; receiver_lat, receiver_lon (degrees) or receiver_x_m, receiver_y_m
    beacon                    letters, digits and . _ : - (at most 64)
    rssi                      dBm; empty: the receiver listened and heard nothing
    true_lat, true_lon, or true_x_m, true_y_m    where the beacon truly was (optional)

A local cloud is started with a tenant whose scanners are the log's receivers. Each receiver becomes a
thing with a certificate; its readings are published interval by interval over mutual TLS MQTT, pass the
IoT rule, the queue and the ingest function, and each fix is read back from DynamoDB as soon as it is
stored. Silence is not used: a log seldom says which receivers were switched on. Rows that cannot be used
are named by line; the others run. Long pauses in the log are shortened.

The functions' radio model is that of pole scanners outdoors. `--calibrate LOG`, another such file with
the truth in it, learns what each receiver hears more or less than that model says (offset and spread).
"""

import csv
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from events.simulator.edge import Heard, Lane, Message
from events.simulator.mqtt import Fleet
from events.simulator.recorded import SETS, Complaint, Log, Row, Unreadable, read
from infra.local.calibrate import holds
from infra.local.cloud import LocalCloud, local_cloud
from infra.local.stage import wall_clock
from infra.local.start import CloudFailed, wait_for
from shared.adapters.clock import epoch_ms
from shared.adapters.hearing import places_of
from shared.adapters.registry import DynamoRegistry
from shared.adapters.tracking import DynamoTracking
from shared.domain.geo import Area, LatLon, Plane, distance_m
from shared.domain.places import Child, Consent, Facility, Policy, Scanner, Tenant
from shared.domain.position import Fix, track
from shared.domain.radio import OUTDOOR
from shared.domain.sighting import Window, merge

TENANT = "replay"
STORED_S = 300.0  # of the wall: longer than the queue keeps a failed message back (120 s), twice
WAKE_S = 300.0  # starting functions on a busy machine, with a redelivery
STEP_WALL_S = 0.12  # what one interval takes on the local cloud, about: the clock is set accordingly
RATE_MAX = 20.0
MARGIN_M = 500.0  # the tenant's district reaches so far past the outermost receivers
SD_MIN_DB = 3.0
BEAT_S = 1.0
POLL_S = 0.02
SHOWN = 20  # bad rows named one by one

Offsets = dict[str, tuple[float, float]]


@dataclass
class Moment:
    """One interval. at_s: its end, in replayed time. heard: receiver → readings (an empty one listened)."""

    at_s: float
    heard: dict[str, list[tuple[str, float, float, int]]] = field(default_factory=dict)
    truth: dict[str, LatLon] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """One fix that was read back, beside the truth if there is one. fix None: stored, but no fix."""

    at_s: float
    beacon: str
    fix: Fix | None
    truth: LatLon | None


def moments(rows: Sequence[Row], *, interval_s: float, gap_s: float) -> list[Moment]:
    """The log cut into intervals; a pause longer than `gap_s` becomes `gap_s`.

    A reading: (beacon, seconds before the interval's end, mean dBm, packets). Logs send at many rates,
    the functions expect about ten packets an interval: packets are scaled by what the best receiver got.
    """
    slots: dict[int, list[Row]] = {}
    first_s = rows[0].at_s
    for row in rows:
        slots.setdefault(int((row.at_s - first_s) // interval_s), []).append(row)
    counts = [_counts(slot) for slot in slots.values()]
    usual = {
        beacon: _ninth_decile([max(n for (_, b), n in count.items() if b == beacon) for count in mine])
        for beacon in {row.beacon for row in rows if row.rssi_dbm is not None}
        if (mine := [count for count in counts if any(b == beacon for _, b in count)])
    }
    found: list[Moment] = []
    at_s, before = 0.0, min(slots)
    for slot, readings in sorted(slots.items()):
        at_s += min((slot - before) * interval_s, gap_s)
        before = slot
        end_s = first_s + (slot + 1) * interval_s
        found.append(_moment(at_s, end_s, readings, usual))
    return found


def learn(training: Iterable[Row]) -> Offsets:
    """Per receiver: what it hears above the functions' model, and the spread about that, dB.

    The spread is one for all receivers: they share the tables of the radio model then.
    """
    over: dict[str, list[float]] = {}
    for row in training:
        if row.rssi_dbm is not None and row.truth is not None:
            expected = OUTDOOR.mean_dbm(distance_m(row.place, row.truth))
            over.setdefault(row.receiver, []).append(row.rssi_dbm - expected)
    if not over:
        return {}
    pooled = statistics.fmean(statistics.pvariance(values) for values in over.values())
    sd_db = max(SD_MIN_DB, math.sqrt(pooled))
    return {receiver: (statistics.fmean(values), sd_db) for receiver, values in over.items()}


def run(
    cloud: LocalCloud,
    rows: Sequence[Row],
    found: Sequence[Moment],
    *,
    clock: Callable[[], datetime],
    offsets: Offsets,
) -> Iterator[Point]:
    """Publish each moment and give back the fixes as they are stored. CloudFailed when nothing arrives.

    clock: the functions' now.
    """
    scanners = _plant(cloud, rows, offsets)
    things = {receiver: each.scanner_id for receiver, each in scanners.items()}
    papers = cloud.things({TENANT: things.values()})
    tracking = DynamoTracking(TENANT, cloud.outputs["TrackingTable"], cloud.client("dynamodb"))
    broker = cloud.broker
    with Fleet(broker.host, broker.port, broker.ca_file, prefix=cloud.prefix) as fleet:
        for connected in [
            fleet.connect(TENANT, name, each.certificate_file, each.key_file) for name, each in papers.items()
        ]:
            connected.result(STORED_S)
        first = _wake(fleet, tracking, next(iter(things.values())), clock)
        start_ms = epoch_ms(clock())
        for seq, moment in enumerate(found, start=first):
            end_ms = start_ms + round(moment.at_s * 1000)
            _until(clock, end_ms)
            now_ms = epoch_ms(clock())
            start_ms += now_ms - end_ms  # whatever we are slower than the log is a pause in it
            newest_ms = _publish(fleet, things, moment, seq, now_ms)
            yield from _stored(tracking, list(scanners.values()), moment, newest_ms)


def _wake(fleet: Fleet, tracking: DynamoTracking, name: str, clock: Callable[[], datetime]) -> int:
    """One receiver says that it is alive until that is stored: the functions are started. The next number."""
    numbers = count(1)

    def heard() -> bool:
        now_ms = epoch_ms(clock())
        alive = Message(next(numbers), Lane.ORDINARY, now_ms, ()).payload(now_ms)
        fleet.publish(name, Lane.ORDINARY, alive).result(STORED_S)
        return name in tracking.heartbeats()

    if not wait_for(heard, WAKE_S, BEAT_S):
        raise CloudFailed(f"The ingest function did not answer within {WAKE_S:g} s.")
    return next(numbers)


def _until(clock: Callable[[], datetime], at_ms: int) -> None:
    """Wait for the clock: the log's own pace."""
    wait_for(lambda: epoch_ms(clock()) >= at_ms, math.inf, 0.005)


def _publish(fleet: Fleet, things: dict[str, str], moment: Moment, seq: int, now_ms: int) -> dict[str, int]:
    """Send a moment that ends at `now_ms`. Beacon → the event time of its newest reading."""
    newest_ms: dict[str, int] = {}
    sent = []
    for receiver, readings in moment.heard.items():
        heard = tuple(
            Heard(beacon, now_ms - round(before_s * 1000), round(rssi), packets)
            for beacon, before_s, rssi, packets in readings
        )
        for each in heard:
            newest_ms[each.beacon_id] = max(each.at_ms, newest_ms.get(each.beacon_id, 0))
        message = Message(seq, Lane.ORDINARY, now_ms, heard)
        sent.append(fleet.publish(things[receiver], message.lane, message.payload(now_ms)))
    for acknowledged in sent:
        acknowledged.result(STORED_S)
    return newest_ms


def _stored(
    tracking: DynamoTracking, scanners: Sequence[Scanner], moment: Moment, newest_ms: dict[str, int]
) -> Iterator[Point]:
    """The fixes of a moment, once every one of its readings is in the table."""
    windows: dict[str, Window] = {}
    places = places_of(tuple(scanners))

    def all_in() -> bool:
        known = tracking.read(scanners=places.receivers).scanners.values()
        for beacon in newest_ms:
            windows[beacon] = merge(Window(), [s for each in known for s in each.heard.get(beacon, ())])
        return all(windows[beacon].newest_ms >= ms for beacon, ms in newest_ms.items())

    if not wait_for(all_in, STORED_S, POLL_S):
        reasons = {each.reason for each in tracking.quarantined()} or {"none in quarantine"}
        raise CloudFailed(f"Sightings were not stored within {STORED_S:g} s: {', '.join(sorted(reasons))}")
    for beacon in newest_ms:
        fix = track(windows[beacon], places.receivers, places.alive)
        yield Point(moment.at_s, beacon, fix, moment.truth.get(beacon))


def _plant(cloud: LocalCloud, rows: Sequence[Row], offsets: Offsets) -> dict[str, Scanner]:
    """A tenant with the log's receivers as scanners and a child for each beacon. Scanners by receiver.

    The scanners are dark, and stay so without the sweeps: a log seldom says when a receiver was switched
    on, so that its silence is no evidence. Taking it for some put the campus set 1,600 m off, not 420.
    """
    cloud.client("scheduler").delete_schedule(Name=f"{cloud.prefix}-sweeps")
    places = {row.receiver: row.place for row in rows}
    middle = next(iter(places.values()))
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    facility = Facility(f"{TENANT}-f-01", TENANT, middle)
    scanners = {
        receiver: Scanner(
            f"{TENANT}-s-{n:03d}", places[receiver], 1.5, *(offsets.get(receiver) or (0.0, 6.0)), dark=True
        )
        for n, receiver in enumerate(sorted(places), start=1)
    }
    beacons = sorted({row.beacon for row in rows if row.rssi_dbm is not None})
    children = [
        Child(f"{TENANT}-c-{n:04d}", facility.facility_id, "", f"{n:02d}", beacon, 5, "", Consent(long_ago))
        for n, beacon in enumerate(beacons, start=1)
    ]
    # No outing runs: the tenant keeps the last known position of consented beacons.
    tenant = Tenant(TENANT, TENANT, _around(places.values()), Policy(keep_last_known=True))
    registry = DynamoRegistry(TENANT, cloud.outputs["RegistryTable"], cloud.client("dynamodb"))
    registry.put(tenant, facility, *scanners.values(), *children)
    return scanners


def _around(places: Iterable[LatLon]) -> Area:
    """A box that holds the receivers and a margin."""
    known = list(places)
    plane = Plane(known[0])
    xy = [plane.to_xy(at) for at in known]
    xs, ys = sorted(x for x, _ in xy), sorted(y for _, y in xy)
    west, east, south, north = xs[0] - MARGIN_M, xs[-1] + MARGIN_M, ys[0] - MARGIN_M, ys[-1] + MARGIN_M
    corners = ((west, south), (east, south), (east, north), (west, north))
    return Area(tuple(plane.to_latlon(x, y) for x, y in corners))


def _counts(slot: Sequence[Row]) -> Counter[tuple[str, str]]:
    """How many packets each (receiver, beacon) got in an interval."""
    return Counter((row.receiver, row.beacon) for row in slot if row.rssi_dbm is not None)


def _ninth_decile(values: Sequence[int]) -> int:
    return sorted(values)[min(len(values) - 1, round(0.9 * (len(values) - 1)))]


def _moment(at_s: float, end_s: float, slot: Sequence[Row], usual: dict[str, int]) -> Moment:
    moment = Moment(at_s, {row.receiver: [] for row in slot})
    links: dict[tuple[str, str], list[tuple[float, float]]] = {}
    places: dict[str, list[LatLon]] = {}
    for row in slot:
        if row.truth is not None:
            places.setdefault(row.beacon, []).append(row.truth)
        if row.rssi_dbm is not None:
            links.setdefault((row.receiver, row.beacon), []).append((row.at_s, row.rssi_dbm))
    for (receiver, beacon), packets in links.items():
        before_s = end_s - statistics.mean(t for t, _ in packets)
        rssi_dbm = statistics.mean(r for _, r in packets)
        scaled = max(1, min(OUTDOOR.packets, round(OUTDOOR.packets * len(packets) / usual[beacon])))
        moment.heard[receiver].append((beacon, max(0.0, before_s), rssi_dbm, scaled))
    moment.truth = {
        beacon: LatLon(
            statistics.mean(at.lat_deg for at in known), statistics.mean(at.lon_deg for at in known)
        )
        for beacon, known in places.items()
    }
    return moment


# --- the command -------------------------------------------------------------------------------------

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def replay(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The log; a folder with --as.", exists=True)],
    *,
    kind: Annotated[
        str, typer.Option("--as", help=f"A data set's own files instead: {', '.join(SETS)}.")
    ] = "",
    calibrate: Annotated[Path | None, typer.Option(help="A log with the truth, to learn from.")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="With --as: do not learn from its training.")
    ] = False,
    interval: Annotated[float, typer.Option(help="Seconds that one message of a receiver sums up.")] = 2.0,
    gap: Annotated[float, typer.Option(help="Longer pauses in the log are shortened to this, s.")] = 10.0,
    limit: Annotated[int, typer.Option(help="Only the first so many intervals.")] = 0,
    fixes: Annotated[Path | None, typer.Option(help="Write every fix to this CSV.")] = None,
) -> int:
    """See the module's text."""
    console = Console(highlight=False)
    try:
        log, complaints = _load(path, kind)
        training = [] if plain else _training(log, calibrate)
    except Unreadable as error:
        console.print(f"{path}: {error}", markup=False, soft_wrap=True)
        return 2
    _name_bad_rows(console, path, complaints)
    if not any(row.rssi_dbm is not None for row in log.test):
        console.print(f"{path}: no row to replay", markup=False, soft_wrap=True)
        return 2
    found = moments(log.test, interval_s=interval, gap_s=gap)[: limit or None]
    rate = _rate(found)
    setting, clock = wall_clock(rate)
    with ExitStack() as stack:
        with console.status("starting the local cloud") as spinner:
            cloud = stack.enter_context(local_cloud(clock=setting, say=spinner.update))
        points = list(
            progress(
                run(cloud, log.test, found, clock=clock, offsets=learn(training)),
                f"replaying, {rate:.0f} times faster than life",
                total=sum(len({b for r in m.heard.values() for b, *_ in r}) for m in found),
                console=console,
                transient=True,
            )
        )
    console.print(_report(found, points, learned=bool(training)))
    if fixes is not None:
        _write(fixes, points)
    return 0


def _load(path: Path, kind: str) -> tuple[Log, list[Complaint]]:
    if kind:
        if kind not in SETS:
            raise Unreadable(f"--as knows {', '.join(SETS)}, not {kind}")
        return SETS[kind](path), []
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows, complaints = read(file)
    return Log(rows, []), complaints


def _training(log: Log, calibrate: Path | None) -> Sequence[Row]:
    if calibrate is None:
        return log.training
    with calibrate.open(newline="", encoding="utf-8-sig") as file:
        rows, _ = read(file)
    return rows


def _rate(found: Sequence[Moment]) -> float:
    """How many times faster than life: an interval shall take as long as the local cloud needs for one."""
    steps = [b.at_s - a.at_s for a, b in pairwise(found)] or [1.0]
    return max(1.0, min(RATE_MAX, statistics.median(steps) / STEP_WALL_S))


def _name_bad_rows(console: Console, path: Path, complaints: Sequence[Complaint]) -> None:
    for each in complaints[:SHOWN]:
        console.print(f"{path.name}, line {each.line}: {each.reason}", markup=False, soft_wrap=True)
    if len(complaints) > SHOWN:
        console.print(f"… and {len(complaints) - SHOWN} more rows that cannot be used")


def _report(found: Sequence[Moment], points: Sequence[Point], *, learned: bool) -> Table:
    table = Table(title="replay", title_justify="left", show_header=False)
    messages = sum(len(moment.heard) for moment in found)
    sightings = sum(len(readings) for moment in found for readings in moment.heard.values())
    located = [point for point in points if point.fix is not None]
    table.add_row("messages over MQTT", f"{messages:,} ({sightings:,} sightings)")
    table.add_row("receivers' offsets", "learned from the training log" if learned else "none")
    table.add_row("fixes read back", f"{len(located):,} of {len(points):,} moments")
    errors, radii, inside = [], [], []
    for point in located:
        if point.fix is not None and point.truth is not None:
            errors.append(distance_m(point.fix.center, point.truth))
            radii.append(point.fix.ellipse95.semi_major_m)
            inside.append(holds(point.fix.ellipse95, point.truth))
    if errors:
        ordered = sorted(errors)
        table.add_row("error, median", f"{statistics.median(ordered):.2f} m")
        table.add_row("error, RMSE", f"{math.sqrt(statistics.fmean(e * e for e in ordered)):.2f} m")
        table.add_row("error, 90 %", f"{ordered[min(len(ordered) - 1, round(0.9 * len(ordered)))]:.2f} m")
        table.add_row("95 % ellipse holds", f"{statistics.mean(inside):.0%}")
        table.add_row("… its half length, median", f"{statistics.median(radii):.1f} m")
    else:
        table.add_row("error", "the log does not say where the beacon was")
    return table


def _write(path: Path, points: Sequence[Point]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["at_s", "beacon", "lat", "lon", "semi_major95_m", "method", "true_lat", "true_lon"])
        for point in points:
            fix, truth = point.fix, point.truth
            where = (
                [fix.center.lat_deg, fix.center.lon_deg, fix.ellipse95.semi_major_m, fix.method]
                if fix
                else ["", "", "", ""]
            )
            true = [truth.lat_deg, truth.lon_deg] if truth else ["", ""]
            out.writerow([point.at_s, point.beacon, *where, *true])


def main(arguments: list[str]) -> int:
    """`jikimi replay …`; the exit code."""
    return int(app(arguments, prog_name="jikimi replay", standalone_mode=False) or 0)
