"""What the screens hear over MQTT: a binary frame of outing groups, and small JSON events.

Frame (little endian): version u8, zero u8, count u16, at f64 (epoch ms, scenario time), zero u16; then
per group: key u24 (first three bytes of SHA-256 of the outing id), children u8, x u16, y u16, state u8.
x and y run 0..65535 over the bounding box of the district with a quarter of its size added on each side.
Groups, not children: a screen that many can see needs no child's dot (an open case has its own route).
An event says that something changed, never what: the screen then asks the API, which knows its rights.
"""

import hashlib
import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.domain.geo import Area
from shared.ports import Group

FRAME_VERSION = 1
_HEAD = struct.Struct("<BBHdH")
_GROUP = struct.Struct("<3sBHHB")

LiveKind = Literal["case", "outing", "offer", "scanner", "drill", "request"]


class LiveEvent(BaseModel):
    """`id` changed and is now at `version`; no field of the thing itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = 1
    kind: LiveKind
    id: str
    version: int


def encode_frame(groups: Sequence[Group], *, boundary: Area, at: datetime) -> bytes:
    """The frame. Groups outside the box are drawn on its edge. ValueError above 65,535 groups."""
    if len(groups) > 0xFFFF:
        raise ValueError("a frame holds at most 65,535 groups")
    south, west, north, east = box(boundary)
    head = _HEAD.pack(FRAME_VERSION, 0, len(groups), at.timestamp() * 1000, 0)
    return head + b"".join(
        _GROUP.pack(
            hashlib.sha256(group.outing_id.encode()).digest()[:3],
            min(group.children, 255),
            _scaled(group.where.lon_deg, west, east),
            _scaled(group.where.lat_deg, south, north),
            group.state,
        )
        for group in groups
    )


def box(boundary: Area) -> tuple[float, float, float, float]:
    """South, west, north, east in degrees: the district and a quarter of its size around it."""
    lats = [corner.lat_deg for corner in boundary.ring]
    lons = [corner.lon_deg for corner in boundary.ring]
    dy, dx = (max(lats) - min(lats)) / 4, (max(lons) - min(lons)) / 4
    return min(lats) - dy, min(lons) - dx, max(lats) + dy, max(lons) + dx


def _scaled(value: float, low: float, high: float) -> int:
    share = (value - low) / (high - low) if high > low else 0.0
    return round(min(1.0, max(0.0, share)) * 0xFFFF)
