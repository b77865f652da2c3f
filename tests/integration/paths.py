"""The table of the state machine's paths and faults in its README: `python -m tests.integration.paths`."""

from collections.abc import Mapping

from infra.statemachine.draw import README, written

TABLE = ("<!-- paths -->\n", "<!-- /paths -->\n")
"""What stands around the table in the README."""


def table(paths: Mapping[str, tuple[tuple[str, str], ...]], faults: Mapping[str, str]) -> str:
    """Every path with its test, then every fault with its test, as Markdown."""
    lines = ["", "| path | test |", "|---|---|"]
    for test, arrows in paths.items():
        lines.append(f"| {', '.join(f'{a} → {b}' for a, b in arrows)} | `{test}` |")
    lines += ["", "| what goes wrong | test |", "|---|---|"]
    lines += [f"| {what} | `{test}` |" for test, what in faults.items()]
    return "\n".join([*lines, "", ""])


def main() -> None:
    """Write the table into the README."""
    from tests.integration.test_statemachine import FAULTS, PATHS  # noqa: PLC0415 - it needs this module

    text = README.read_text(encoding="utf-8")
    README.write_text(written(text, table(PATHS, FAULTS), TABLE), encoding="utf-8")


if __name__ == "__main__":
    main()
