"""A walk test ends in the registry: offsets are from the path loss that positions are computed with."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from infra.local.calibrate import Survey, choose_kernel, learn_path_loss, put_scanners
from infra.local.people import Person
from shared.domain.geo import LatLon
from shared.domain.radio import OUTDOOR

LOUD_DB = 6.0
NAMES = ("garam-s-1", "garam-s-2", "garam-s-3")
AT = np.array([[0.0, 0.0], [60.0, 0.0], [0.0, 60.0]])


def walked(exponent: float = OUTDOOR.exponent) -> Survey:
    """Two hundred places among three scanners, of which the second is loud and the third was not heard."""
    rng = np.random.default_rng(3)
    places = rng.uniform(-10, 70, (200, 2))
    far = np.maximum(np.hypot(places[:, None, 0] - AT[:, 0], places[:, None, 1] - AT[:, 1]), 1.0)
    rssi = OUTDOOR.p0_dbm - 10 * exponent * np.log10(far) + rng.normal(0, 4, far.shape)
    rssi[:, 1] += LOUD_DB
    rssi[rssi < OUTDOOR.threshold_dbm] = np.nan
    rssi[:, 2] = np.nan
    heard = ~np.isnan(rssi)
    silent = ~heard
    silent[:, 2] = False
    return Survey(LatLon(37.5, 127.0), NAMES, AT, places, rssi, silent, np.zeros(len(places), np.int64))


class Admin(Person):
    """The API as an administrator meets it: three scanners."""

    def __init__(self) -> None:
        super().__init__("administrator", "", lambda: "")
        self.asked: dict[str, Mapping[str, Any]] = {}

    def get(self, path: str, **query: str | int) -> Any:
        assert path == "scanners"
        return {
            "scanners": [
                {"scanner_id": n, "lat": 37.5, "lon": 127.0, "height_m": 4.0, "dark": False} for n in NAMES
            ]
        }

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        self.asked[path] = body


def test_what_a_walk_taught_reaches_the_registry() -> None:
    admin = Admin()

    found = put_scanners(admin, walked())

    assert found == ["garam-s-1", "garam-s-2"]  # the third heard nothing and keeps what it has
    loud = admin.asked["scanners/garam-s-2"]
    assert (loud["lat"], loud["height_m"]) == (37.5, 4.0)
    assert loud["offset_db"] == pytest.approx(LOUD_DB, abs=1)
    assert loud["sd_db"] == pytest.approx(4, abs=1)


def test_offsets_take_up_what_a_kept_path_loss_does_not_explain() -> None:
    steeper = walked(exponent=3.2)

    kept, free = learn_path_loss(steeper, path_known=True), learn_path_loss(steeper)

    assert kept.model.exponent == pytest.approx(OUTDOOR.exponent, abs=1e-3)
    assert free.model.exponent > 2.9
    assert kept.receivers[NAMES[0]].offset_db < free.receivers[NAMES[0]].offset_db - 1.5


def test_what_a_hill_takes_away_is_learned_beside_what_a_corner_does() -> None:
    rng = np.random.default_rng(5)
    at = rng.uniform(0, 400, (140, 2))
    d = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    covariance = 9 * np.exp(-d / 15) + 25 * np.exp(-d / 150) + 1.0 * np.eye(len(at))
    shadow = np.linalg.cholesky(covariance) @ rng.normal(size=len(at))
    rssi = (-59 - 27 * np.log10(np.maximum(np.hypot(*(at - 200).T), 1.0)) + shadow)[:, None]
    survey = Survey(
        LatLon(37.5, 127.0),
        ("s",),
        np.array([[200.0, 200.0]]),
        at,
        rssi,
        np.zeros(rssi.shape, bool),
        np.zeros(len(at), np.int64),
    )

    kernel = choose_kernel(survey)

    assert kernel.wide_sd_db >= 3
    assert kernel.wide_length_m >= 100
