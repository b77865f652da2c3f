"""The air between beacons and receivers, richer than any estimator's model of it.

    strength = p0 − 10 n log10(d) + receiver offset + beacon gain + shadowing − body + fading

- shadowing: a random field per receiver over the beacon's place, exponential correlation with
  `decorrelation_m`, drifting slowly in time; drawn as a sum of cosines (random Fourier features), so
  it is a fixed function of place and time: coming back finds the same shadow.
- body: the bag is on the back; a child that faces the receiver stands in its own way. A bag that lies
  on the ground has no body and loses `ground_db` to everybody.
- fading: Student-t per packet. Decoding: a soft threshold, never certain, and bursts of loss (a
  two-state Markov chain per link).

An estimator that assumes independent Gaussian shadowing therefore never meets its own model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCAN_S = 2.0  # one scan: a beacon sends `Air.packets` in it


@dataclass(frozen=True, slots=True)
class Air:
    """The truth of the radio. dB, dBm, metres, seconds.

    p0_dbm: mean at 1 m over all directions of the body. n: path-loss exponent to a pole;
    n_phone: between a bag and a phone in a hand, both near the ground. offset_sd_db: poles differ by this;
    a phone in a hand or a pocket hears phone_offset_db less, and phones differ by phone_offset_sd_db.
    burst_in, burst_out: chance per scan that a link falls into a burst of loss, and gets out.
    """

    p0_dbm: float = -59.0
    n: float = 2.7
    n_phone: float = 2.7
    offset_sd_db: float = 3.0
    phone_offset_db: float = -2.0
    phone_offset_sd_db: float = 2.0
    gain_sd_db: float = 2.0
    shadow_sd_db: float = 5.0
    decorrelation_m: float = 10.0
    drift_s: float = 120.0
    body_db: float = 12.0
    ground_db: float = 6.0
    fading_db: float = 3.0
    fading_nu: float = 5.0
    threshold_dbm: float = -95.0
    threshold_soft_db: float = 1.0
    decoded_at_best: float = 0.92
    burst_in: float = 0.01
    burst_out: float = 0.35
    packets: int = 10
    reach_m: float = 150.0


@dataclass(frozen=True)
class Scan:
    """What was heard in one scan, one row per link that decoded at least one packet.

    beacon, receiver: indices; rssi_dbm: mean over the decoded packets, whole dBm; packets: how many.
    """

    beacon: Ints
    receiver: Ints
    rssi_dbm: Ints
    packets: Ints


class Radio:
    """The air of one scenario. Calls must go forward in time: bursts have a memory."""

    _WAVES = 24

    def __init__(
        self,
        beacons: int,
        receivers: int,
        *,
        phones: Sequence[int],
        heights_m: Sequence[float],
        seed: int,
        air: Air | None = None,
    ) -> None:
        """phones: which receivers are phones. heights_m: (receivers,) above the ground."""
        self.air = air = air or Air()
        rng = np.random.default_rng([seed, 77])
        self._rng = rng
        self._height = np.asarray(heights_m) - 0.7  # above a bag
        self._is_phone = np.zeros(receivers, dtype=bool)
        self._is_phone[list(phones)] = True
        self._offset = rng.normal(0, 1, receivers) * np.where(
            self._is_phone, air.phone_offset_sd_db, air.offset_sd_db
        )
        self._offset += np.where(self._is_phone, air.phone_offset_db, 0.0)
        self._gain = rng.normal(0, air.gain_sd_db, beacons)
        self._body = np.clip(rng.normal(air.body_db, air.body_db / 4, beacons), 0, None)
        # Wave vectors of an exponential covariance in the plane: Gaussian over the root of chi-square(1).
        waves = rng.normal(size=(receivers, self._WAVES, 2))
        waves /= np.abs(rng.normal(size=(receivers, self._WAVES, 1))) * air.decorrelation_m
        self._waves = waves
        self._phase = rng.uniform(0, 2 * math.pi, (receivers, self._WAVES))
        self._drift = rng.standard_cauchy((receivers, self._WAVES)) / air.drift_s
        self._lost = np.zeros((beacons, receivers), dtype=bool)

    def scan(self, at_s: float, bags: Floats, facing: Floats, receivers: Floats) -> Scan:
        """One scan. bags: (b, 2) metres; facing: (b,) radians, nan on the ground; receivers: (r, 2)."""
        air, rng = self.air, self._rng
        self._lost = rng.random(self._lost.shape) < np.where(self._lost, 1 - air.burst_out, air.burst_in)
        way = receivers[None, :, :] - bags[:, None, :]
        flat_m = np.hypot(way[..., 0], way[..., 1])
        b, r = np.nonzero((flat_m < air.reach_m) & ~self._lost)
        # A phone's shadows move with it: what counts is where the bag is, seen from the phone.
        where = bags[b] - np.where(self._is_phone[r][:, None], receivers[r], 0.0)
        shadow = self.shadow_db(at_s, r, where)
        mean = self._path_dbm(b, r, flat_m[b, r]) + shadow + self._body_db(b, facing, way[b, r])
        packet = mean[:, None] + self._fading((len(b), air.packets))
        decodes = air.decoded_at_best / (
            1 + np.exp(np.clip((air.threshold_dbm - packet) / air.threshold_soft_db, -40, 40))
        )
        decoded = rng.random(packet.shape) < decodes
        n = decoded.sum(axis=1)
        keep = n > 0
        strength = (packet * decoded).sum(axis=1)[keep] / n[keep]
        rounded = np.clip(np.rint(strength), -127, 20).astype(np.int64)
        return Scan(b[keep], r[keep], rounded, n[keep].astype(np.int64))

    def shadow_db(self, at_s: float, r: Ints, where: Floats) -> Floats:
        """(n,) shadowing of receivers `r` (n,) for bags at `where` (n, 2)."""
        turn = np.einsum("pwk,pk->pw", self._waves[r], where) + self._phase[r] + self._drift[r] * at_s
        scale = self.air.shadow_sd_db * math.sqrt(2 / self._WAVES)
        return np.asarray(scale * np.cos(turn).sum(axis=1), dtype=np.float64)

    def _path_dbm(self, b: Ints, r: Ints, flat_m: Floats) -> Floats:
        far_m = np.maximum(np.hypot(flat_m, self._height[r]), 1.0)
        n = np.where(self._is_phone[r], self.air.n_phone, self.air.n)
        mean = self.air.p0_dbm - 10 * n * np.log10(far_m) + self._offset[r] + self._gain[b]
        return np.asarray(mean, dtype=np.float64)

    def _body_db(self, b: Ints, facing: Floats, way: Floats) -> Floats:
        """What the body takes or, facing away from the receiver, gives; 0 on average over all directions."""
        front = np.cos(facing[b] - np.arctan2(way[:, 1], way[:, 0]))
        body = self._body[b] * (_MEAN_BODY - ((1 + front) / 2) ** 1.5)
        return np.where(np.isnan(front), -self.air.ground_db, body)

    def _fading(self, shape: tuple[int, int]) -> Floats:
        air = self.air
        scale = air.fading_db / math.sqrt(air.fading_nu / (air.fading_nu - 2))
        return np.asarray(scale * self._rng.standard_t(air.fading_nu, shape), dtype=np.float64)


_MEAN_BODY = float(np.mean(((1 + np.cos(np.linspace(0, 2 * np.pi, 3600, endpoint=False))) / 2) ** 1.5))
