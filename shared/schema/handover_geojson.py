"""The hand-over's GeoJSON twin (RFC 7946): every place with its error, each circle also as a polygon.

Longitude first, WGS 84, outer rings counter-clockwise. `jikimi` on the collection is a foreign member
(RFC 7946 section 6.1) with the record's id, version and checksum.
"""

import math
from typing import Any

from shared.domain.geo import LatLon, Plane
from shared.schema.handover import UNKNOWN, HandOver, Place

CONTENT_TYPE = "application/geo+json"
CORNERS = 64
DIGITS = 7  # of a degree: a centimetre


def geojson(record: HandOver) -> dict[str, Any]:
    """The record's places as a FeatureCollection, oldest first; the reach ring and the facility if known."""
    features: list[dict[str, Any]] = []
    for number, place in enumerate(record.history, 1):
        properties = {
            "role": "evidence",
            "number": number,
            "kind": place.kind,
            "what": place.what,
            "at": place.at.isoformat(),
            "age_s": place.age_s,
            "radius_m": place.radius_m,
            "confidence_percent": place.confidence_percent,
            "source": place.source,
            "confirmed": place.confirmed,
        }
        features.append(_feature(f"evidence-{number}", _point(place.lat, place.lon), properties))
        area = {**properties, "role": "evidence-area"}
        features.append(_feature(f"evidence-area-{number}", _circle(place), area))
    features += _reach(record) + _facility(record)
    return {
        "type": "FeatureCollection",
        "features": features,
        "jikimi": {
            "record_id": record.record_id,
            "version": record.version,
            "status": record.status,
            "created_at": record.created_at.isoformat(),
            "exercise_notice": record.exercise_notice,
            "checksum": record.checksum,
        },
    }


def circle(lat: float, lon: float, radius_m: float) -> list[list[float]]:
    """A closed ring around a place, counter-clockwise from east."""
    plane = Plane(LatLon(lat, lon))
    turns = [2 * math.pi * corner / CORNERS for corner in range(CORNERS)]
    places = [plane.to_latlon(radius_m * math.cos(turn), radius_m * math.sin(turn)) for turn in turns]
    ring = [_position(at.lat_deg, at.lon_deg) for at in places]
    return [*ring, ring[0]]


def _reach(record: HandOver) -> list[dict[str, Any]]:
    area = record.area
    lat, lon, radius_m = area.reach_lat, area.reach_lon, area.reach_radius_m
    if isinstance(lat, str) or isinstance(lon, str) or isinstance(radius_m, str):
        return []
    ring = {"type": "Polygon", "coordinates": [circle(lat, lon, radius_m)]}
    properties = {"role": "reach", "what": "도달 범위", "radius_m": radius_m, "confidence_percent": 95}
    return [_feature("reach", ring, properties)]


def _facility(record: HandOver) -> list[dict[str, Any]]:
    lat, lon = record.reporter.facility_lat, record.reporter.facility_lon
    if isinstance(lat, str) or isinstance(lon, str):
        return []
    name = record.reporter.facility or UNKNOWN
    return [_feature("facility", _point(lat, lon), {"role": "facility", "what": name})]


def _circle(place: Place) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [circle(place.lat, place.lon, max(place.radius_m, 1.0))]}


def _point(lat: float, lon: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": _position(lat, lon)}


def _position(lat: float, lon: float) -> list[float]:
    return [round(lon, DIGITS), round(lat, DIGITS)]


def _feature(identity: str, geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": identity, "geometry": geometry, "properties": properties}
