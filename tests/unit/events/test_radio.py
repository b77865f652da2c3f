import numpy as np
import pytest

from events.simulator.radio import Air, Radio, Scan

CALM = Air(
    offset_sd_db=0, gain_sd_db=0, shadow_sd_db=0, body_db=0, burst_in=0, decoded_at_best=1, fading_db=1
)


def scans(air: Air, distance_m: float, *, beacons: int = 200, facing: float = 0.0, n: int = 5) -> list[Scan]:
    """n scans of many beacons at one distance west of a pole at the origin."""
    radio = Radio(beacons, 1, phones=[], heights_m=[0.7], seed=3, air=air)
    bags = np.column_stack([np.full(beacons, -distance_m), np.zeros(beacons)])
    return [radio.scan(2.0 * k, bags, np.full(beacons, facing), np.zeros((1, 2))) for k in range(n)]


def mean_dbm(found: list[Scan]) -> float:
    return float(np.mean(np.concatenate([s.rssi_dbm for s in found])))


@pytest.mark.parametrize(("distance_m", "expected_dbm"), [(1, -59.0), (10, -86.0)])
def test_strength_falls_with_the_logarithm_of_distance(distance_m: float, expected_dbm: float) -> None:
    assert mean_dbm(scans(CALM, distance_m)) == pytest.approx(expected_dbm, abs=0.3)


def test_far_away_nothing_is_heard() -> None:
    assert sum(len(s.beacon) for s in scans(CALM, 100)) == 0


def test_a_child_facing_the_pole_stands_in_the_bags_way() -> None:
    air = Air(offset_sd_db=0, gain_sd_db=0, shadow_sd_db=0)

    assert mean_dbm(scans(air, 5, facing=np.pi)) - mean_dbm(scans(air, 5, facing=0.0)) > 8


def test_the_body_costs_nothing_on_average_over_all_directions() -> None:
    air = Air(offset_sd_db=0, gain_sd_db=0, shadow_sd_db=0, burst_in=0)
    turned = [mean_dbm(scans(air, 3, facing=f, n=1)) for f in np.linspace(0, 2 * np.pi, 24, endpoint=False)]

    assert np.mean(turned) == pytest.approx(-59 - 27 * np.log10(3), abs=0.6)


def test_a_bag_on_the_ground_is_weaker() -> None:
    on_ground = mean_dbm(scans(CALM, 5, facing=np.nan))

    assert mean_dbm(scans(CALM, 5)) - on_ground == pytest.approx(CALM.ground_db, abs=0.3)


def test_shadowing_has_its_spread_and_its_length() -> None:
    air = Air()
    radio = Radio(1, 400, phones=[], heights_m=[5.0] * 400, seed=5, air=air)
    r, here = np.arange(400), np.zeros((400, 2))
    shadow = [radio.shadow_db(0, r, here + np.array([step, 0.0])) for step in (0, air.decorrelation_m)]

    assert np.std(shadow[0]) == pytest.approx(air.shadow_sd_db, rel=0.15)
    assert np.corrcoef(shadow[0], shadow[1])[0, 1] == pytest.approx(np.exp(-1), abs=0.12)


def test_coming_back_finds_the_same_shadow() -> None:
    radio = Radio(1, 3, phones=[], heights_m=[5.0] * 3, seed=5)
    where = np.array([[12.0, 7.0]] * 3)

    assert (radio.shadow_db(4, np.arange(3), where) == radio.shadow_db(4, np.arange(3), where)).all()


def test_losses_come_in_bursts() -> None:
    air = Air(
        offset_sd_db=0, gain_sd_db=0, shadow_sd_db=0, body_db=0, fading_db=0.5, burst_in=0.05, burst_out=0.25
    )
    heard = np.zeros((400, 100), dtype=bool)
    for k, scan in enumerate(scans(air, 3, beacons=100, n=400)):
        heard[k, scan.beacon] = True
    lost = ~heard
    again = lost[1:][lost[:-1]].mean()

    assert again > 3 * lost.mean()


def test_even_a_strong_packet_is_lost_sometimes() -> None:
    packets = np.concatenate([s.packets for s in scans(Air(burst_in=0), 1)])

    assert packets.mean() == pytest.approx(10 * Air().decoded_at_best, rel=0.03)


def test_the_same_seed_hears_the_same() -> None:
    one, two = (scans(Air(), 12) for _ in range(2))

    assert [s.rssi_dbm.tolist() for s in one] == [s.rssi_dbm.tolist() for s in two]
