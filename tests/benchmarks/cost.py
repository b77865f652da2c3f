"""`make cost`: what a child costs a month, from counters of the recorded trace times `prices.json`.

    python -m tests.benchmarks.cost [--counters .build/bench/ingest.json]

The counters are measured (`tests.benchmarks.ingest`); the load is assumed and printed. Not in it: free
tiers and volume discounts, SIM cards, hardware, map tiles, support, VAT, backups, a second region.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from functions.ingest_sightings.ingest import HEARTBEAT_MS
from shared.adapters.tracking import SHARDS
from tests.benchmarks.ingest import in_process_of_its_own

PRICES = Path(__file__).with_name("prices.json")
HOURS = 730.0  # of a month
LAMBDA_GB_PER_CORE = 1.769  # memory that comes with one whole core
WAIT_S = 0.08  # of one ingest invocation, for two reads and a write, whatever the CPU


@dataclass(frozen=True)
class Load:
    """Assumed. outdoor_h: child-hours outdoors with a group a month (33 on weekdays, 17 at weekends).

    scanners: poles. facilities: daycares, each with two phones. heartbeat_s: of a pole with nothing to
    say. known_pair_h: hours a month that some pole hears a child when nobody asked: at the daycare, and at
    home; sharing: children heard in one such message. cases: a month, per child. screens: operators', day
    and night. api_s: a read of the API by a screen or an outing's phone every so many seconds.
    """

    children: int = 3100
    facilities: int = 68
    scanners: int = 340
    outdoor_h: float = 50.0
    heartbeat_s: float = 30.0
    idle_scanners: float = 0.8
    known_messages: float = 0.0
    cases: float = 0.01
    case_transitions: float = 60.0
    screens: int = 2
    api_s: float = 2.0
    phones_out: float = 2.0
    group: float = 15.0
    tenants: int = 1


@dataclass(frozen=True)
class Counters:
    """Measured: per child-outdoor-hour, and CPU per sighting. heartbeats: of the messages, those that heard
    nothing, of idle poles.
    """

    messages: float
    heartbeats: float
    write_units: float
    read_units: float
    invocations: float
    sightings: float
    cpu_s_per_sighting: float

    @classmethod
    def read(cls, found: Mapping[str, Any], child_hours: float) -> "Counters":
        return cls(
            messages=found["messages / child-hour"],
            heartbeats=found["of them heartbeats"],
            write_units=found["write units / child-hour"],
            read_units=found["read units / child-hour"],
            invocations=found["invocations / child-hour"],
            sightings=found["sightings"] / child_hours,
            cpu_s_per_sighting=found["CPU ms / 1,000 sightings"] / 1e6,
        )


Parts = Counter[str]
Prices = Mapping[str, float]


def prices() -> dict[str, float]:
    """US dollars by what they are for."""
    return {name: row["usd"] for name, row in json.loads(PRICES.read_text(encoding="utf-8")).items()}


def _message(usd: Prices) -> float:
    """One message up: rule, action, and the queue's send, a tenth of a receive and of a delete."""
    return usd["iot_rule"] + usd["iot_action"] + 1.2 * usd["sqs_req"]


def _cpu_s(usd: Prices) -> float:
    return LAMBDA_GB_PER_CORE * usd["lambda_gbs_arm"]


def ours(load: Load, counted: Counters, usd: Prices) -> Parts:
    """Dollars a month by part, for all tenants together."""
    child_h = load.children * load.outdoor_h
    parts: Parts = Counter()
    # Those of idle poles come day and night, whether anybody is out or not: they are counted below.
    spoken = counted.messages - counted.heartbeats
    parts["messages (rule, action, queue)"] = child_h * spoken * _message(usd)
    idle = load.scanners * load.idle_scanners * 3600 / load.heartbeat_s * HOURS
    shards = min(idle, load.tenants * SHARDS * 3_600_000 / HEARTBEAT_MS * HOURS)  # read, and written anew
    parts["heartbeats day and night"] = idle * _message(usd) + shards * (usd["ddb_wru"] + usd["ddb_rru"])
    parts["heard when nobody asked"] = load.children * load.known_messages * _message(usd)
    parts["tracking writes"] = child_h * counted.write_units * usd["ddb_wru"]
    parts["tracking reads"] = child_h * counted.read_units * usd["ddb_rru"]
    busy_s = counted.sightings * counted.cpu_s_per_sighting
    waiting_gb_s = counted.invocations * WAIT_S
    parts["ingest function"] = child_h * (
        busy_s * _cpu_s(usd)
        + waiting_gb_s * usd["lambda_gbs_arm"]
        + counted.invocations * (usd["lambda_req"] + 2e-6 * usd["logs_gb"])  # about 2 kB of log each
    )
    outing_h = child_h / load.group
    minutes = load.scanners * HOURS * 60 + outing_h * load.phones_out * 60
    parts["connections"] = minutes * usd["iot_conn_min"]
    reads = (load.screens * load.tenants * HOURS + outing_h * load.phones_out) * 3600 / load.api_s
    parts["HTTP API, its function and reads"] = reads * (
        usd["httpapi"] + usd["lambda_req"] + 0.03 * usd["lambda_gbs_arm"] + load.group / 2 * usd["ddb_rru"]
    )
    parts["live map"] = load.tenants * 8 * 22 * 3600 * (1 + load.screens) * usd["iot_msg"]
    parts["cases"] = (
        load.children * load.cases * (load.case_transitions * usd["sfn_std"] + 40 * usd["sns_push"])
    )
    parts["alarms, metrics, keys, secrets"] = max(1, load.tenants / 25) * (
        25 * usd["alarm"] + 30 * usd["metric"] + 3 * usd["kms_key"] + 2 * usd["secret"]
    )
    return parts


def naive(load: Load, usd: Prices, pair_h: float, cpu_s: float) -> float:
    """A message, an invocation, a read and two writes for every sighting of every 2 s; dollars a month."""
    sightings = load.children * pair_h * 1800
    each = usd["iot_msg"] + usd["iot_rule"] + usd["lambda_req"] + 0.035 * 0.25 * usd["lambda_gbs_arm"]
    return sightings * (each + cpu_s * _cpu_s(usd) + 2 * usd["ddb_wru"] + usd["ddb_rru"])


def amazon_location(load: Load, usd: Prices, hours: float) -> float:
    """A tracker that stores one position every 30 s, all its services included; dollars a month."""
    return load.children * hours * 120 * usd["loc_update_all"]


DISTRICT = Load()
SCALES = {
    "district": DISTRICT,
    "25 districts": replace(DISTRICT, children=25 * 3100, facilities=25 * 68, scanners=25 * 340, tenants=25),
    "nation": replace(DISTRICT, children=1_200_000, facilities=26_000, scanners=131_600, tenants=228),
}
KNOWN_MESSAGES = 8 * 22 * 1.5 * 360 / 45 + 14.5 * 30 * 0.3 * 360 / 1.5
"""Messages a month per child if poles reported whatever they know at the daycare and at home."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--counters", type=Path, help="ingest.json of an earlier `make bench-ingest`")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--warm", type=float, default=60)
    asked = parser.parse_args()
    if asked.counters:
        found = json.loads(asked.counters.read_text())["side by side"]
        measured, simple = found["ours"], found["get + 2×update"]
    else:
        measured = in_process_of_its_own("ours", asked.seconds, asked.warm, 1)
        simple = in_process_of_its_own("get + 2×update", asked.seconds, 0, 1)
    child_hours = measured["child-hours"]
    counted, usd = Counters.read(measured, child_hours), prices()
    cpu_s = simple["CPU ms / 1,000 sightings"] / 1e6
    _print_assumptions(counted)
    _print_parts(counted, usd)
    _print_others(counted, usd, cpu_s)
    _print_sensitivity(counted, usd)


def per_child(parts: Mapping[str, float], load: Load) -> float:
    """Dollars a child-month."""
    return sum(parts.values()) / load.children


def _print_assumptions(counted: Counters) -> None:
    print("measured per child-outdoor-hour: ", end="")
    print(
        f"{counted.messages:.0f} messages ({counted.heartbeats:.0f} of them heartbeats of idle poles), "
        f"{counted.write_units:.0f} write units, "
        f"{counted.read_units:.0f} read units, {counted.invocations:.1f} invocations, "
        f"{counted.sightings:,.0f} sightings at {counted.cpu_s_per_sighting * 1e6:.0f} µs"
    )
    print(f"assumed: {DISTRICT}\n")


def _print_parts(counted: Counters, usd: Prices) -> None:
    found = {name: ours(load, counted, usd) for name, load in SCALES.items()}
    print(f"{'$ per child-month':36}" + "".join(f"{name:>14}" for name in SCALES))
    for part in found["district"]:
        cells = (found[name][part] / load.children for name, load in SCALES.items())
        print(f"{part:36}" + "".join(f"{cell:>14.4f}" for cell in cells))
    totals = (per_child(found[name], load) for name, load in SCALES.items())
    print(f"{'total':36}" + "".join(f"{cell:>14.4f}" for cell in totals))
    print(f"{'$ a month':36}" + "".join(f"{sum(p.values()):>14,.0f}" for p in found.values()) + "\n")


def _print_others(counted: Counters, usd: Prices, cpu_s: float) -> None:
    load = DISTRICT
    mine = per_child(ours(load, counted, usd), load)
    rows = {
        "naive, all 540 pair-hours a month": naive(load, usd, 540, cpu_s) / load.children,
        "naive, outdoors only": naive(load, usd, 2.5 * load.outdoor_h, cpu_s) / load.children,
        "Amazon Location style, all visible time": amazon_location(load, usd, 370) / load.children,
        "Amazon Location style, outdoors only": amazon_location(load, usd, load.outdoor_h) / load.children,
    }
    for name, value in rows.items():
        print(f"{name:44}{value:>8.3f}  {value / mine:>6.1f} × ours")
    print()


def _print_sensitivity(counted: Counters, usd: Prices) -> None:
    base = per_child(ours(DISTRICT, counted, usd), DISTRICT)

    def group(of: float) -> tuple[Load, Counters]:
        """Messages and phones' writes are a group's; children's writes are their own."""
        more = DISTRICT.group / of
        return replace(DISTRICT, group=of), replace(
            counted,
            messages=counted.messages * more,
            heartbeats=counted.heartbeats * more,
            invocations=counted.invocations,
            cpu_s_per_sighting=counted.cpu_s_per_sighting,
        )

    cases = {
        "outdoors twice as long": (replace(DISTRICT, outdoor_h=100), counted),
        "groups of 6": group(6),
        "groups of 10": group(10),
        "groups of 20": group(20),
        "twice the write units": (DISTRICT, replace(counted, write_units=2 * counted.write_units)),
        "half the write units": (DISTRICT, replace(counted, write_units=counted.write_units / 2)),
        "twice the messages": (DISTRICT, replace(counted, messages=2 * counted.messages)),
        "twice the CPU": (DISTRICT, replace(counted, cpu_s_per_sighting=2 * counted.cpu_s_per_sighting)),
        "heartbeats every 120 s": (replace(DISTRICT, heartbeat_s=120), counted),
        "poles report all they know, always": (replace(DISTRICT, known_messages=KNOWN_MESSAGES), counted),
        "screens read every 10 s": (replace(DISTRICT, api_s=10), counted),
        "ten times the cases": (replace(DISTRICT, cases=0.1), counted),
    }
    print(f"sensitivity, district ({base:.4f})")
    for name, (load, other) in cases.items():
        value = per_child(ours(load, other, usd), load)
        print(f"  {name:38}{value:>8.4f}  {value - base:>+8.4f}")


if __name__ == "__main__":
    main()
