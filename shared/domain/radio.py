"""What a receiver hears of a beacon: the likelihood of evidence, tabulated once.

    mu(d) = p0 + offset − 10 n log10(max(d, 1 m))      mean strength at a distance, dBm
    S = mu + X      X: shadowing of the link (body, trees, walls), sd 6–10 dB outdoors
    r = S + F       F: fast fading of one packet; decoded when r ≥ threshold, and even then not always

Given S, the packets of an interval depend on S only through how many were decoded and their mean, and
S depends on the place only through mu. So the likelihood of an interval is a row over mu, silence
(0 packets) included, and a fix is a product of table rows: POSITIONING.md section 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

MU_MIN_DBM = -140.0
MU_STEP_DB = 0.5
COLUMNS = 240
"""Columns of a row: mu from MU_MIN_DBM in steps of MU_STEP_DB, up to −20.5 dBm."""
SD_STEP_DB = 0.5


@dataclass(frozen=True, slots=True)
class RadioModel:
    """How strength falls with distance, and how much of it is chance.

    p0_dbm: mean at 1 m. exponent: n, 2 in free space. fading_db: sd of one packet about the link's strength.
    threshold_dbm: weaker packets are not decoded. loss: chance that a strong packet is lost all the same.
    packets: how many the beacon sends in one reporting interval of interval_ms.
    gain_sd_db: what beacons and bodies differ by; one gain for all receivers at a time.
    tail_nu: degrees of freedom of the shadowing (Student-t); 0 for Gaussian.
    floor: what any row is at least, of its maximum: reflections and faults the model does not know.
    temper_heard, temper_silent: powers that take back what correlated errors make over-confident.
    reach_sd: how many standard deviations of shadowing the lattice allows for.
    cells: lattice cells from the strongest receiver to the edge of the fine half of the lattice; even.
    max_heard: the strongest so many receivers are used; a beacon heard by 300 phones costs no more.
    span_ms: how far back from the newest sighting evidence counts as one moment.
    """

    p0_dbm: float = -59.0
    exponent: float = 2.7
    fading_db: float = 3.0
    threshold_dbm: float = -95.0
    loss: float = 0.1
    packets: int = 10
    interval_ms: int = 2000
    gain_sd_db: float = 3.0
    tail_nu: float = 0.0
    floor: float = 1e-4
    temper_heard: float = 1.0
    temper_silent: float = 0.7
    reach_sd: float = 3.7
    cells: int = 6
    max_heard: int = 20
    span_ms: int = 3000

    def mean_dbm(self, distance_m: float) -> float:
        """Mean strength at a distance, before the receiver's offset."""
        return self.p0_dbm - 10 * self.exponent * math.log10(max(distance_m, 1.0))

    def range_m(self, dbm: float) -> float:
        """The distance whose mean strength is `dbm`; at least 1 m."""
        return max(1.0, math.pow(10, min(6.0, (self.p0_dbm - dbm) / (10 * self.exponent))))


OUTDOOR = RadioModel()
"""Poles and phones in a Korean residential district, before any calibration."""


def column(mu_dbm: float) -> int:
    """The column of a row that holds `mu_dbm`; clipped at both ends."""
    return min(COLUMNS - 1, max(0, round((mu_dbm - MU_MIN_DBM) / MU_STEP_DB)))


def sd_class(sd_db: float) -> int:
    """`sd_db` in steps of SD_STEP_DB, at least one."""
    return max(1, round(sd_db / SD_STEP_DB))


def packet_class(model: RadioModel, packets: int) -> int:
    """The number of decoded packets that stands for `packets`: 1, 2, 3, 5, 7 of `model.packets`, or all."""
    classes = packet_classes(model)
    return classes[min(max(packets, 0), len(classes) - 1)]


@lru_cache(maxsize=64)
def packet_classes(model: RadioModel) -> tuple[int, ...]:
    """`packet_class` of 0, 1, … `model.packets`; of more than that it is the last one's."""
    classes = [k for k in sorted({1, 2, 3, 5, 7, model.packets}) if k <= model.packets]
    return tuple(min(classes, key=lambda k: (abs(k - n), k)) for n in range(model.packets + 1))


@lru_cache(maxsize=16384)
def heard_row(model: RadioModel, sd: int, packets: int, rssi_dbm: int) -> tuple[float, ...]:
    """Likelihood over mu of `packets` decoded (0 < packets ≤ model.packets) with this mean; largest value 1.

    sd: shadowing, in classes of SD_STEP_DB. (COLUMNS,).
    """
    variance = model.fading_db**2 / packets + 1 / 12  # 1/12: the mean is rounded to whole dBm
    missed = model.packets - packets
    given_s = []
    for s in _strengths():
        miss = 1 - (1 - model.loss) * _decoded(s, model)
        given_s.append(math.exp(-((rssi_dbm - s) ** 2) / (2 * variance)) * miss**missed)
    return _tempered(_over_mu(given_s, sd, model.tail_nu), model.floor, model.temper_heard)


@lru_cache(maxsize=256)
def silent_row(model: RadioModel, sd: int) -> tuple[float, ...]:
    """Likelihood over mu of an interval with no packet at a receiver that was alive; largest value 1."""
    given_s = [(1 - (1 - model.loss) * _decoded(s, model)) ** model.packets for s in _strengths()]
    return _tempered(_over_mu(given_s, sd, model.tail_nu), model.floor, model.temper_silent)


_MARGIN = 80  # columns of S on either side of mu: 40 dB holds every shadowing kernel


@lru_cache(maxsize=1)
def _strengths() -> tuple[float, ...]:
    return tuple(MU_MIN_DBM + MU_STEP_DB * (i - _MARGIN) for i in range(COLUMNS + 2 * _MARGIN))


def _decoded(s_dbm: float, model: RadioModel) -> float:
    """Probability that one packet fades to no less than the threshold."""
    return 0.5 * math.erfc((model.threshold_dbm - s_dbm) / (model.fading_db * math.sqrt(2)))


def _over_mu(given_s: Sequence[float], sd: int, tail_nu: float) -> list[float]:
    kernel = _kernel(sd, tail_nu)
    half = len(kernel) // 2
    return [
        sum(k * g for k, g in zip(kernel, given_s[i + _MARGIN - half :], strict=False))
        for i in range(COLUMNS)
    ]


@lru_cache(maxsize=128)
def _kernel(sd: int, tail_nu: float) -> tuple[float, ...]:
    sd_db = sd * SD_STEP_DB
    half = min(_MARGIN, math.ceil((4.0 if tail_nu == 0 else 6.0) * sd_db / MU_STEP_DB))
    density = []
    for i in range(-half, half + 1):
        z2 = (i * MU_STEP_DB / sd_db) ** 2
        density.append(math.exp(-z2 / 2) if tail_nu == 0 else (1 + z2 / tail_nu) ** (-(tail_nu + 1) / 2))
    total = sum(density)
    return tuple(d / total for d in density)


def _tempered(row: Sequence[float], floor: float, power: float) -> tuple[float, ...]:
    top = max(row)
    return tuple(((value / top if top > 0 else 1.0) * (1 - floor) + floor) ** power for value in row)
