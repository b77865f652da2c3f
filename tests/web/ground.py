"""Write the demo city's streets and parks as the console's basemap: `python -m tests.web.ground`.

A deployer puts a file of the same shape beside it and names it in `static/map/index.json`.
"""

import json
import math
from pathlib import Path

from events.simulator.city import City, CitySpec

FOLDER = Path(__file__).parents[2] / "functions/console/static/map"
SEED = 7
PARK_M = 55.0


def ground(city: City) -> dict[str, object]:
    """Streets as lines (every fourth one wide) and parks as areas, [lat, lon] to five digits (1 m)."""
    streets = [
        {"line": [_corner(a.lat_deg, a.lon_deg), _corner(b.lat_deg, b.lon_deg)], "wide": n % 4 == 0}
        for n, (a, b) in enumerate(city.street_lines())
    ]
    parks = [
        [_around(city, place.x_m, place.y_m, turn) for turn in range(8)]
        for place in city.places
        if "-park-" in place.place_id
    ]
    return {"streets": streets, "parks": parks}


def _around(city: City, x_m: float, y_m: float, turn: int) -> list[float]:
    angle = math.tau * (turn + 0.5) / 8
    at = city.plane.to_latlon(x_m + PARK_M * math.cos(angle), y_m + PARK_M * math.sin(angle))
    return _corner(at.lat_deg, at.lon_deg)


def _corner(lat_deg: float, lon_deg: float) -> list[float]:
    return [round(lat_deg, 5), round(lon_deg, 5)]


def files() -> dict[str, str]:
    """File name → content."""
    city = City.build(CitySpec.demo(), SEED)
    drawn = json.dumps(ground(city), separators=(",", ":"))
    index = {tenant.tenant_id: "demo-city.json" for tenant in city.tenants}
    return {"demo-city.json": drawn + "\n", "index.json": json.dumps(index, indent=2) + "\n"}


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
