"""`jikimi replay` from a file to the printed error, over MQTT, IoT rule, SQS, Lambda and DynamoDB."""

import csv
import os
import re
from pathlib import Path

import pytest

from infra.local.replay import main
from shared.domain.radio import OUTDOOR

DATA = Path(os.environ.get("JIKIMI_DATA", "/nowhere"))
SETS = [("tetam", "tetam_ble"), ("kolakowski", "kolakowski_flat"), ("frs", "frs_campus")]
POLES = {"a": (0.0, 0.0), "b": (20.0, 0.0), "c": (0.0, 20.0)}


def walk(path: Path, *, bad: tuple[str, ...] = ()) -> Path:
    """A beacon that walks 8 m past three poles, heard by each every second just as the model says."""
    lines = ["time,receiver,receiver_x_m,receiver_y_m,beacon,rssi,true_x_m,true_y_m"]
    for t in range(8):
        x, y = 4.0 + t, 8.0
        for name, (px, py) in POLES.items():
            rssi = round(OUTDOOR.mean_dbm(((x - px) ** 2 + (y - py) ** 2) ** 0.5))
            lines.append(f"{t},{name},{px},{py},tag,{rssi},{x},{y}")
    path.write_text("\n".join([*lines, *bad]) + "\n")
    return path


def printed(capsys: pytest.CaptureFixture[str], row: str) -> float:
    """The figure of a row of the report."""
    found = re.search(rf"{re.escape(row)} +│ *([\d,.]+)", capsys.readouterr().out)
    assert found is not None, row
    return float(found.group(1).replace(",", ""))


def test_a_log_runs_through_the_door_and_its_bad_rows_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = walk(tmp_path / "walk.csv", bad=("9,a,0,0,tag,loud,4,8",))
    code = main([str(log), "--fixes", str(tmp_path / "fixes.csv")])
    out = capsys.readouterr().out
    with (tmp_path / "fixes.csv").open(newline="") as file:
        fixes = list(csv.DictReader(file))

    assert code == 0
    assert "walk.csv, line 26: rssi is not a number: 'loud'" in out
    assert len(fixes) == 4
    assert all(row["lat"] for row in fixes)
    assert float(re.findall(r"error, median +│ *([\d.]+) m", out)[0]) < 8


def test_a_file_that_is_no_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.csv").write_text("when,what\n1,2\n")

    assert main([str(tmp_path / "notes.csv")]) == 2
    assert "no column" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "folder"), SETS)
def test_a_recorded_data_set_runs_end_to_end(
    kind: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (DATA / folder).is_dir():
        pytest.skip(f"JIKIMI_DATA does not name a folder with {folder} in it")

    assert main([str(DATA / folder), "--as", kind, "--limit", "6"]) == 0
    assert printed(capsys, "error, median") > 0
