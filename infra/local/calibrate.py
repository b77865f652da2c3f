"""`jikimi calibrate`: learn how scanners hear from a walk test, with the uncertainty of what was learned.

A walk test is a log of what each scanner heard of a beacon whose true place is known: a teacher's phone
that advertises while it has GPS, or a tag on a surveyed path. Three things are learned, each from the one
before: the path loss with an offset per scanner (silence included, or the slope comes out too flat), how
strength departs from it from place to place (kriging), and how far to trust all that (temper, out of fold).
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from events.simulator.recorded import Row, Unreadable, read
from infra.local.people import Person
from shared.domain.geo import Ellipse, LatLon, Plane
from shared.domain.position import Ground, RadioMap, Receiver, locate
from shared.domain.radio import OUTDOOR, RadioModel
from shared.domain.sighting import Sighting

Array = NDArray[np.float64]

OFFSET_SD_DB = 4.0  # what scanners differ by before anybody walked: POSITIONING, "measured facts"
MAP_POINTS = 900  # labelled points a scanner's map is made of; kriging costs their cube
MAP_MIN = 30  # fewer say nothing beyond an offset


@dataclass(frozen=True)
class Survey:
    """What m receivers heard at n known places.

    at: (n, 2) metres east and north of origin. rssi: (n, m) dBm, NaN where nothing was heard.
    silent: (n, m) whether a receiver was alive and heard nothing. receivers: (m, 2) metres.
    fold: (n,) which places to hold out together when asking how good it is: a date, a square, a walk.
    """

    origin: LatLon
    ids: tuple[str, ...]
    receivers: Array
    at: Array
    rssi: Array
    silent: NDArray[np.bool_]
    fold: NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """A model and receivers to locate with. offset_se_db: standard error of each receiver's offset."""

    model: RadioModel
    receivers: dict[str, Receiver]
    offset_se_db: dict[str, float]
    exponent_se: float
    heard: dict[str, int]


@dataclass(frozen=True)
class Kernel:
    """Covariance of the residual between places: two scales of sd_db² exp(−d / length_m), noise_db² at each.

    The wide one is what a hill or a row of houses takes away, the other what a corner or a tree does.
    """

    sd_db: float
    length_m: float
    noise_db: float
    wide_sd_db: float = 0.0
    wide_length_m: float = math.inf


def learn_path_loss(survey: Survey, model: RadioModel = OUTDOOR, *, path_known: bool = False) -> Learned:
    """Path loss, offsets and spreads. Silence is a strength somewhere below the threshold (Tobit, by EM).

    path_known: the model's path loss is kept, and offsets are those from it, as the registry holds them.
    """
    m = len(survey.ids)
    log_d = 10 * np.log10(np.maximum(_distances(survey.at, survey.receivers), 1.0))
    heard = ~np.isnan(survey.rssi)
    used = heard | survey.silent
    y = np.where(heard, survey.rssi, model.threshold_dbm - 3.0)
    extra = np.zeros_like(y)  # variance of what silence left open
    theta = np.array([model.p0_dbm, model.exponent, *np.zeros(m)])
    path_sd = (1e-4, 1e-5) if path_known else (10.0, 1.0)
    prior_sd = np.array([*path_sd, *np.full(m, OFFSET_SD_DB)])
    start, sd = theta.copy(), 6.0
    residual = np.zeros_like(y)
    covariance = np.diag(prior_sd**2)
    for _ in range(1000):
        before = theta
        normal, right = _normal_equations(used, log_d, y)
        covariance = np.linalg.inv(normal / sd**2 + np.diag(prior_sd**-2))
        theta = covariance @ (right / sd**2 + start / prior_sd**2)
        mean = theta[0] - theta[1] * log_d + theta[2:]
        residual = np.where(used, y - mean, 0.0)
        sd = math.sqrt(float(((residual**2 + extra) * used).sum() / used.sum()))
        z = (model.threshold_dbm - mean) / sd
        hazard = _hazard(z)
        y = np.where(heard, survey.rssi, mean - sd * hazard)
        extra = np.where(heard, 0.0, sd**2 * np.clip(1 - z * hazard - hazard**2, 0.01, 1.0))
        if float(np.abs(theta - before).max()) < 1e-4:
            break
    plane = Plane(survey.origin)
    receivers, errors = {}, {}
    for j, name in enumerate(survey.ids):
        own = used[:, j]
        # 20 links' worth of the common spread, so that a scanner heard twice keeps a sane one
        spread = (residual[own, j] ** 2 + extra[own, j]).sum() + 20 * sd**2
        receivers[name] = Receiver(
            name,
            plane.to_latlon(*survey.receivers[j]),
            offset_db=float(theta[2 + j]),
            sd_db=math.sqrt(float(spread) / (own.sum() + 20)),
        )
        errors[name] = math.sqrt(float(covariance[2 + j, 2 + j]))
    return Learned(
        replace(model, p0_dbm=float(theta[0]), exponent=float(theta[1])),
        receivers,
        errors,
        math.sqrt(float(covariance[1, 1])),
        {name: int(heard[:, j].sum()) for j, name in enumerate(survey.ids)},
    )


def learn_maps(survey: Survey, learned: Learned, *, cell_m: float, margin_m: float, seed: int = 0) -> Learned:
    """The same receivers, each with its map where it was heard often enough."""
    kernel = choose_kernel(survey, seed=seed)
    noise_db = max(kernel.noise_db, _noise_out_of_fold(survey, kernel, seed))
    grid, columns, south_west = _grid(survey, cell_m, margin_m)
    receivers = dict(learned.receivers)
    origin = Plane(survey.origin).to_latlon(*south_west)
    for j, name in enumerate(survey.ids):
        places, values = _sample(survey, j, seed)
        if len(values) < MAP_MIN:
            continue
        mean, sd = _krige(survey.receivers[j], places, values, kernel, grid)
        r = receivers[name]
        path = (
            learned.model.p0_dbm
            + r.offset_db
            - 10
            * learned.model.exponent
            * np.log10(np.maximum(_distances(grid, survey.receivers[j : j + 1])[:, 0], 1.0))
        )
        spread = np.hypot(sd, noise_db)
        receivers[name] = replace(
            r, learned=RadioMap(origin, cell_m, columns, tuple(mean - path), tuple(spread))
        )
    return replace(learned, receivers=receivers)


def learn_ground(survey: Survey, *, cell_m: float, margin_m: float, blur_m: float) -> Ground:
    """Cells near where people walked weigh most; none of the grid is impossible."""
    grid, columns, south_west = _grid(survey, cell_m, margin_m)
    weight = np.zeros(len(grid))
    for start in range(0, len(survey.at), 500):
        near = _distances(grid, survey.at[start : start + 500])
        weight += np.exp(-((near / blur_m) ** 2) / 2).sum(1)
    weight = weight / weight.max() + 1e-3
    return Ground(Plane(survey.origin).to_latlon(*south_west), cell_m, columns, tuple(weight))


def choose_kernel(survey: Survey, *, seed: int = 0) -> Kernel:
    """The kernel of the highest marginal likelihood over a small grid, common to all receivers."""
    size_m = float(np.hypot(*(survey.at.max(0) - survey.at.min(0))))
    samples = []
    for j in range(len(survey.ids)):
        places, values = _sample(survey, j, seed)
        if len(values) < MAP_MIN:
            continue
        residual = values - _trend(survey.receivers[j], places, values)(places)
        # half of them anywhere, half beside one another: long and short scales both show
        beside = np.argsort(_distances(places[:1], places)[0])[:120]
        chosen = np.unique(np.r_[np.arange(min(120, len(values))), beside])
        samples.append((places[chosen], residual[chosen]))
    samples = samples[:12]
    choices: dict[str, Sequence[float]] = {
        "sd_db": (2.0, 3.0, 4.0, 5.0, 6.5),
        "length_m": (size_m / 160, size_m / 80, size_m / 40, size_m / 20, size_m / 10),
        "noise_db": (1.0, 1.5, 2.0, 3.0, 4.0, 5.0),
        "wide_sd_db": (0.0, 2.0, 3.0, 4.0, 5.0, 6.5),
        "wide_length_m": (size_m / 20, size_m / 10, size_m / 5, size_m / 2),
    }
    kernel = Kernel(3.0, size_m / 40, 3.0, 3.0, size_m / 5)
    best = sum(_evidence(x, y, kernel) for x, y in samples)
    for _ in range(3):  # one after the other, each best given the rest
        for name, tried in choices.items():
            for choice in tried:
                other = replace(kernel, **{name: choice})
                found = sum(_evidence(x, y, other) for x, y in samples)
                best, kernel = max((best, kernel), (found, other), key=lambda each: each[0])
    return kernel


@dataclass(frozen=True)
class Site:
    """A walked site, ready to locate on."""

    learned: Learned
    ground: Ground


def learn_site(survey: Survey, model: RadioModel, *, cell_m: float, margin_m: float, blur_m: float) -> Site:
    """Path loss, maps, ground and temper of a site whose every corner was walked."""
    path = learn_path_loss(survey, model)
    temper = _choose_temper(survey, path, cell_m=2 * cell_m, margin_m=margin_m, blur_m=blur_m)
    learned = learn_maps(survey, path, cell_m=cell_m, margin_m=margin_m)
    learned = replace(learned, model=replace(learned.model, temper_heard=temper, temper_silent=temper))
    return Site(learned, learn_ground(survey, cell_m=cell_m, margin_m=margin_m, blur_m=blur_m))


TEMPERS = (0.35, 0.42, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2)
COVERAGE = 0.94  # held-out places are fewer than the map was made without: a little less than 95 %


def _choose_temper(
    survey: Survey, path: Learned, *, cell_m: float, margin_m: float, blur_m: float, places: int = 100
) -> float:
    """The power at which the 95 % ellipse holds 95 % of held-out places: three folds, made without them."""
    held_out = []
    for fold in np.unique(survey.fold)[:3]:
        out = survey.fold == fold
        rest = replace(
            survey,
            at=survey.at[~out],
            rssi=survey.rssi[~out],
            silent=survey.silent[~out],
            fold=survey.fold[~out],
        )
        learned = learn_maps(rest, path, cell_m=cell_m, margin_m=margin_m)
        ground = learn_ground(rest, cell_m=cell_m, margin_m=margin_m, blur_m=blur_m)
        chosen = np.random.default_rng(1).permutation(np.flatnonzero(out))[:places]
        held_out.append((Site(learned, ground), chosen))
    low, high = 0, len(TEMPERS) - 1  # coverage falls as the temper rises
    while low < high:
        middle = (low + high + 1) // 2
        if _coverage(survey, held_out, TEMPERS[middle]) >= COVERAGE:
            low = middle
        else:
            high = middle - 1
    return TEMPERS[low]


def _coverage(survey: Survey, held_out: Sequence[tuple[Site, NDArray[np.int64]]], temper: float) -> float:
    """Share of held-out places that lie in their 95 % ellipse."""
    plane, inside = Plane(survey.origin), []
    for site, places in held_out:
        model = replace(site.learned.model, temper_heard=temper, temper_silent=temper)
        for i in places:
            heard = [
                Sighting(0, name, round(r), model.packets)
                for name, r in zip(survey.ids, survey.rssi[i], strict=True)
                if not math.isnan(r)
            ]
            fix = locate(heard, site.learned.receivers, model=model, ground=site.ground)
            if fix is not None:
                inside.append(holds(fix.ellipse95, plane.to_latlon(*survey.at[i])))
    return float(np.mean(inside or [False]))


def holds(ellipse: Ellipse, at: LatLon) -> bool:
    """Whether `at` lies in the ellipse."""
    x, y = Plane(ellipse.center).to_xy(at)
    bearing = math.radians(ellipse.bearing_deg)
    along = x * math.sin(bearing) + y * math.cos(bearing)
    across = x * math.cos(bearing) - y * math.sin(bearing)
    return (along / ellipse.semi_major_m) ** 2 + (across / ellipse.semi_minor_m) ** 2 <= 1


def _evidence(places: Array, residual: Array, kernel: Kernel) -> float:
    covariance = _covariance(places, places, kernel) + kernel.noise_db**2 * np.eye(len(places))
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, residual)
    return float(-0.5 * white @ white - np.log(np.diag(factor)).sum())


def _noise_out_of_fold(survey: Survey, kernel: Kernel, seed: int) -> float:
    """Spread of what a map made of the other folds does not explain, beyond what it says itself."""
    excess: list[float] = []
    for fold in np.unique(survey.fold):
        out = survey.fold == fold
        for j in range(len(survey.ids)):
            places, values = _sample(survey, j, seed, ~out, 400)
            test = np.flatnonzero(out & ~np.isnan(survey.rssi[:, j]))[:200]
            if len(values) < MAP_MIN or len(test) == 0:
                continue
            mean, sd = _krige(survey.receivers[j], places, values, kernel, survey.at[test])
            excess += list((survey.rssi[test, j] - mean) ** 2 - sd**2)
    return math.sqrt(max(1.0, float(np.mean(excess)))) if excess else kernel.noise_db


def _krige(receiver: Array, places: Array, values: Array, kernel: Kernel, at: Array) -> tuple[Array, Array]:
    """Mean strength and its sd at `at`, (k, 2), from labelled places: trend and Gaussian process."""
    trend = _trend(receiver, places, values)
    factor = np.linalg.cholesky(
        _covariance(places, places, kernel) + kernel.noise_db**2 * np.eye(len(places))
    )
    inverse = np.linalg.inv(factor)
    weights = inverse.T @ (inverse @ (values - trend(places)))
    mean, variance = np.empty(len(at)), np.empty(len(at))
    for start in range(0, len(at), 1000):
        part = slice(start, start + 1000)
        cross = _covariance(at[part], places, kernel)
        mean[part] = cross @ weights
        variance[part] = kernel.sd_db**2 + kernel.wide_sd_db**2 - ((cross @ inverse.T) ** 2).sum(1)
    return mean + trend(at), np.sqrt(np.maximum(variance, 0.0))


def _trend(receiver: Array, places: Array, values: Array) -> Callable[[Array], Array]:
    """max(floor, a − 10 n log10 d): receivers without a decoder report their noise when out of reach."""
    log_d = 10 * np.log10(np.maximum(_distances(places, receiver[None])[:, 0], 1.0))
    best: tuple[float, float, float, float] = (math.inf, 0.0, 0.0, 0.0)
    for floor in (-math.inf, float(np.percentile(values, 5))):
        for n in np.arange(1.0, 5.0, 0.25):
            above = values > floor + 5
            line = values + n * log_d
            a = float(np.median(line[above] if above.sum() > 5 else line))
            error = float(np.abs(values - np.maximum(floor, a - n * log_d)).mean())
            best = min(best, (error, float(n), a, floor))
    _, n_best, a_best, floor_best = best

    def trend(at: Array) -> Array:
        far = 10 * np.log10(np.maximum(_distances(at, receiver[None])[:, 0], 1.0))
        return np.asarray(np.maximum(floor_best, a_best - n_best * far))

    return trend


def _sample(
    survey: Survey, j: int, seed: int, among: NDArray[np.bool_] | None = None, limit: int = MAP_POINTS
) -> tuple[Array, Array]:
    heard = ~np.isnan(survey.rssi[:, j])
    rows = np.flatnonzero(heard if among is None else heard & among)
    rows = np.random.default_rng(seed).permutation(rows)[:limit]
    return survey.at[rows], survey.rssi[rows, j]


def _grid(survey: Survey, cell_m: float, margin_m: float) -> tuple[Array, int, Array]:
    south_west = survey.at.min(0) - margin_m
    columns, rows = (np.ceil((survey.at.max(0) + margin_m - south_west) / cell_m) + 1).astype(int)
    x, y = np.meshgrid(np.arange(columns) * cell_m, np.arange(rows) * cell_m)
    return np.c_[x.ravel(), y.ravel()] + south_west, int(columns), south_west


def _normal_equations(used: NDArray[np.bool_], log_d: Array, y: Array) -> tuple[Array, Array]:
    """XᵀX and Xᵀy of [1, −10 log10 d, one-hot receiver], without writing X out."""
    count = used.sum(0).astype(float)
    slope, value = np.where(used, -log_d, 0.0), np.where(used, y, 0.0)
    m = used.shape[1]
    normal = np.zeros((m + 2, m + 2))
    normal[0, 0], normal[1, 1], normal[0, 1] = count.sum(), (slope**2).sum(), slope.sum()
    normal[0, 2:], normal[1, 2:] = count, slope.sum(0)
    normal[np.arange(2, m + 2), np.arange(2, m + 2)] = count
    normal = np.triu(normal) + np.triu(normal, 1).T
    return normal, np.array([value.sum(), (slope * value).sum(), *value.sum(0)])


_erfc = np.vectorize(math.erfc)


def _hazard(z: Array) -> Array:
    """φ(z) / Φ(z): how far below its mean a Gaussian lies, in sd, when it lies below z."""
    low = np.maximum(z, -8.0)
    return np.asarray(np.exp(-(low**2) / 2) / math.sqrt(2 * math.pi) / (0.5 * _erfc(-low / math.sqrt(2))))


def _distances(a: Array, b: Array) -> Array:
    return np.asarray(np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]))


def _covariance(a: Array, b: Array, kernel: Kernel) -> Array:
    d = _distances(a, b)
    near = kernel.sd_db**2 * np.exp(-d / kernel.length_m)
    return np.asarray(near + kernel.wide_sd_db**2 * np.exp(-d / kernel.wide_length_m))


def survey_of(rows: Sequence[Row], *, interval_s: float = 2.0) -> Survey:
    """The rows with a true place, one moment per beacon and interval. ValueError when there are none."""
    known = [r for r in rows if r.truth is not None]
    if not known:
        raise ValueError("no row has a true place: true_lat and true_lon, or true_x_m and true_y_m")
    places = {r.receiver: r.place for r in known}
    ids = tuple(sorted(places))
    column_of = {name: j for j, name in enumerate(ids)}
    plane = Plane(places[ids[0]])
    moments: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for r in known:
        moments[r.beacon, int(r.at_s // interval_s)].append(r)
    rssi = np.full((len(moments), len(ids)), math.nan)
    silent = np.zeros(rssi.shape, bool)
    at = np.empty((len(moments), 2))
    for i, (_, found) in enumerate(sorted(moments.items())):
        at[i] = np.mean([plane.to_xy(r.truth) for r in found if r.truth is not None], axis=0)
        readings = defaultdict(list)
        for r in found:
            readings[column_of[r.receiver]].append(r.rssi_dbm)
        for j, values in readings.items():
            heard = [v for v in values if v is not None]
            silent[i, j] = not heard
            rssi[i, j] = np.mean(heard) if heard else math.nan
    fold = np.arange(len(moments)) * 5 // max(1, len(moments))  # fifths of the walk, in time
    receivers = np.array([plane.to_xy(places[name]) for name in ids])
    return Survey(plane.origin, ids, receivers, at, rssi, silent, fold.astype(np.int64))


app = typer.Typer(add_completion=False)


@app.command()
def calibrate(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The log of a walk test, as for `jikimi replay`.", exists=True),
    ],
    out: Annotated[Path | None, typer.Option(help="Write what was learned to this JSON.")] = None,
    interval: Annotated[float, typer.Option(help="Seconds that one moment sums up.")] = 2.0,
    put: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Put it in the registry, by the HTTP API at URL. JIKIMI_TOKEN: an administrator's.",
        ),
    ] = "",
) -> None:
    """Learn how scanners hear from a walk test: the path loss, and each scanner's offset and spread."""
    console = Console()
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows, complaints = read(lines)
        survey = survey_of(rows, interval_s=interval)
    except (Unreadable, ValueError) as error:
        console.print(f"{path}: {error}")
        raise typer.Exit(1) from error
    for complaint in complaints[:20]:
        console.print(f"{path}:{complaint.line}: {complaint.reason}")
    learned = learn_path_loss(survey)
    table = Table(
        title=f"{len(survey.at)} moments; {learned.model.p0_dbm:.1f} dBm at 1 m, "
        f"exponent {learned.model.exponent:.2f} ± {learned.exponent_se:.2f}"
    )
    for head in ("scanner", "heard", "offset dB", "± (1 sd)", "spread dB"):
        table.add_column(head, justify="left" if head == "scanner" else "right")
    for name, r in learned.receivers.items():
        table.add_row(
            name,
            str(learned.heard[name]),
            f"{r.offset_db:+.1f}",
            f"{learned.offset_se_db[name]:.1f}",
            f"{r.sd_db:.1f}",
        )
    console.print(table)
    if out is not None:
        scanners = {
            name: {
                "offset_db": round(r.offset_db, 2),
                "offset_se_db": round(learned.offset_se_db[name], 2),
                "sd_db": round(r.sd_db, 2),
            }
            for name, r in learned.receivers.items()
        }
        model = {"p0_dbm": round(learned.model.p0_dbm, 2), "exponent": round(learned.model.exponent, 3)}
        out.write_text(json.dumps({"model": model, "scanners": scanners}, indent=2) + "\n", encoding="utf-8")
        console.print(f"written: {out}")
    if put:
        admin = Person("administrator", put, lambda: os.environ["JIKIMI_TOKEN"])
        console.print(
            f"in the registry: {', '.join(put_scanners(admin, survey)) or 'none of these scanners'}"
        )


def put_scanners(admin: Person, survey: Survey) -> list[str]:
    """Give the district's scanners the offset and spread that the survey taught; the names of those.

    Positions are computed with `radio.OUTDOOR`, so that is what offsets are from. A scanner that heard
    nothing keeps what it has. people.Refused when the API says no.
    """
    learned = learn_path_loss(survey, path_known=True)
    found = []
    for known in admin.get("scanners")["scanners"]:
        name = known["scanner_id"]
        if learned.heard.get(name):
            r = learned.receivers[name]
            place = {key: known[key] for key in ("lat", "lon", "height_m")}
            taught = {"offset_db": round(r.offset_db, 2), "sd_db": round(r.sd_db, 2)}
            admin.put(f"scanners/{name}", place | taught)
            found.append(name)
    return found


def main(arguments: list[str]) -> int:
    """`jikimi calibrate …`; the exit code."""
    return int(app(arguments, prog_name="jikimi calibrate", standalone_mode=False) or 0)
