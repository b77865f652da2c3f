"""Break the screens on purpose and see the suite notice: `python -m tests.web.mutants [name]`.

Each defect is one edit of a copy of the static files; the tests named beside it must pass without it and
fail with it. Exits 1 when one is not noticed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.web.conftest import MUTANT

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STATIC = ROOT / "functions/console/static"
DEADLINE_S = 300


@dataclass(frozen=True)
class Defect:
    """One edit: `old` becomes `new` in `file`; `test` is what must notice."""

    name: str
    file: str
    old: str
    new: str
    test: str


DEFECTS = (
    Defect(
        "drill sorted first",
        "js/desk.js",
        "[isDrill(item), ",
        "[!isDrill(item), ",
        "test_console.py::test_real_cases_stand_before_drills_and_are_counted_alone",
    ),
    Defect(
        "low contrast",
        "css/tokens.css",
        "--muted: #aebbc8",
        "--muted: #55616d",
        "test_files.py::test_colours_can_be_told_apart",
    ),
    Defect(
        "no F2",
        "js/console.js",
        "F2: () => it.waiting[0] && it.ack(it.waiting[0]),",
        "",
        "test_console.py::test_f2_acknowledges_and_the_owner_is_shown",
    ),
    Defect(
        "inline style",
        "console.html",
        '<div id="app">',
        '<div id="app" style="color: red">',
        "test_console.py::test_a_report_raises_the_banner_with_who_where_and_how_long_is_left",
    ),
    Defect(
        "slow paint",
        "js/desk.js",
        "queueMicrotask(() => {\n      pending = false\n      readers.forEach((read) => read())\n    })",
        "setTimeout(() => {\n      pending = false\n      readers.forEach((read) => read())\n    }, 900)",
        "test_live.py::test_an_alert_is_painted_at_once",
    ),
    Defect(
        "report sent twice",
        "js/teacher.js",
        "method: 'POST', body, key })\n        heard",
        "method: 'POST', body, key: newKey() })\n        heard",
        "test_phone.py::test_one_tap_on_the_alarm_reports_that_child_once",
    ),
    Defect(
        "press time dropped",
        "js/teacher.js",
        "{ child_id, pressed_at, ...",
        "{ child_id, ...",
        "test_phone.py::test_a_press_without_network_is_sent_later_with_its_own_time",
    ),
    Defect(
        "name on the wall",
        "js/wall.js",
        "masked(subject.name)",
        "subject.name",
        "test_wall.py::test_no_full_name_is_on_the_wall_whatever_the_server_sends",
    ),
    Defect(
        "stale green",
        "js/link.js",
        "STALE_S = 10",
        "STALE_S = 1e9",
        "test_phone.py::test_a_count_without_a_fresh_word_turns_grey_within_ten_seconds",
    ),
    Defect(
        "report guesses",
        "js/phone.js",
        "gone.length === 1 ?",
        "true ?",
        "test_phone.py::test_the_report_button_never_guesses_who_is_missing",
    ),
    Defect(
        "language not switched",
        "js/page.js",
        "await speak(other)",
        "",
        "test_console.py::test_switching_the_language_needs_no_reload",
    ),
    Defect(
        "frozen broker unnoticed",
        "js/mqtt.js",
        "silence_ms = 3500",
        "silence_ms = 1e9",
        "test_live.py::test_a_frozen_broker_is_noticed_and_its_return_too",
    ),
    Defect(
        "revoked case kept",
        "js/desk.js",
        "!shared(item) || now.has(id)",
        "true",
        "test_console.py::test_a_neighbour_sees_the_case_only_between_accept_and_revoke",
    ),
    Defect(
        "heavy library",
        "js/teacher.js",
        "const QUIET_MS",
        f"export const heavy = '{os.urandom(60_000).hex()}'\nconst QUIET_MS",
        "test_files.py::test_a_first_visit_keeps_to_its_budget",
    ),
    Defect(
        "name in the push",
        "sw.js",
        "body: '눌러서 확인하세요'",
        "body: told.id",
        "test_phone.py::test_a_push_says_look_and_names_nobody",
    ),
)


def broken(defect: Defect, folder: Path) -> Path:
    """A copy of the static files with the defect in it. ValueError when the edit no longer fits."""
    copy = folder / "static"
    shutil.copytree(STATIC, copy)
    file = copy / defect.file
    text = file.read_text(encoding="utf-8")
    if text.count(defect.old) != 1:
        raise ValueError(f"{defect.name}: the edit fits {text.count(defect.old)} places of {defect.file}")
    file.write_text(text.replace(defect.old, defect.new), encoding="utf-8")
    return copy


def passes(tests: list[str], static: Path) -> bool:
    """Whether the tests pass on these static files. RuntimeError when they do not even run."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *(str(HERE / test) for test in tests)],
        cwd=ROOT,
        env={**os.environ, MUTANT: str(static)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    if run.returncode not in (0, 1) or "skipped" in run.stdout.splitlines()[-1]:
        raise RuntimeError(run.stdout[-2000:] + run.stderr[-500:])
    return run.returncode == 0


def main(wanted: list[str]) -> int:
    chosen = [defect for defect in DEFECTS if not wanted or defect.name in wanted]
    missed = []
    for defect in chosen:
        with tempfile.TemporaryDirectory() as folder:
            sound = passes([defect.test], STATIC)
            noticed = sound and not passes([defect.test], broken(defect, Path(folder)))
        word = "noticed" if noticed else "MISSED" if sound else "ALREADY FAILING"
        print(f"{word:16} {defect.name:28} {defect.test}", flush=True)  # noqa: T201 - the command's answer
        missed += [] if noticed else [defect.name]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} deliberate defects noticed")  # noqa: T201
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
