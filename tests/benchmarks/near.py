"""Children about two teachers' phones, through the simulator's radio: is `beside` as near as it says?

A third of the groups keep close, a third are at play, a third are strung out along a walk. Phones know their
place as phones do: by 5 m (68 %), an error that lasts.
"""

from collections.abc import Iterator

import numpy as np

from events.simulator.radio import SCAN_S, Radio
from infra.local.calibrate import Array
from shared.domain.sighting import Sighting
from tests.benchmarks.grid import PLANE, START_MS

CHILDREN, SCANS, GPS_M = 6, 40, 5


def groups(count: int, seed: int) -> Iterator[tuple[Array, list[Sighting]]]:
    """(true place, what the phones heard of that child in one scan), for each child and every tenth scan."""
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        spread_m = (3.0, 7.0, 12.0)[k % 3]
        walk = np.cumsum(np.full((SCANS, 2), [0.9, 0.3]) * (k % 2) * SCAN_S, axis=0)
        spots = rng.normal(0, spread_m, (CHILDREN + 2, 1, 2)) * np.array([1.0, 0.5 if k % 2 else 1.0])
        paths = walk + spots + np.cumsum(rng.normal(0, 0.4, (CHILDREN + 2, SCANS, 2)), axis=1)
        facing = np.cumsum(rng.normal(0, 0.5, (CHILDREN, SCANS)), axis=1) + rng.uniform(0, 7, (CHILDREN, 1))
        radio = Radio(CHILDREN, 2, phones=(0, 1), heights_m=(1.2, 1.2), seed=seed * 1000 + k)
        off = rng.normal(0, GPS_M / 1.515, (2, 2))
        for scan in range(SCANS):
            heard = radio.scan(scan * SCAN_S, paths[:CHILDREN, scan], facing[:, scan], paths[CHILDREN:, scan])
            if scan % 10:
                continue
            said: dict[int, list[Sighting]] = {}
            for b, r, rssi_dbm, packets in zip(
                heard.beacon, heard.receiver, heard.rssi_dbm, heard.packets, strict=True
            ):
                where = PLANE.to_latlon(*(paths[CHILDREN + r, scan] + off[r]))
                sighting = Sighting(START_MS, f"p{r}", int(rssi_dbm), int(packets), where, GPS_M)
                said.setdefault(int(b), []).append(sighting)
            for b, sightings in said.items():
                yield paths[b, scan], sightings
