"""Every sentence a person reads exists in both languages, and says what it is given."""

from collections.abc import Iterator
from string import Formatter
from typing import Any

from shared.i18n import sentence, sentences


def leaves(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, below in node.items():
        if isinstance(below, dict):
            yield from leaves(below, f"{path}{name}.")
        else:
            yield f"{path}{name}", below


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    assert dict(leaves(sentences("ko"))).keys() == dict(leaves(sentences("en"))).keys()


def test_both_languages_name_the_same_parameters() -> None:
    english = dict(leaves(sentences("en")))

    assert [
        code for code, text in leaves(sentences("ko")) if fields(text) != fields(english.get(code, text))
    ] == []


def test_a_parameter_that_is_a_word_of_ours_is_said_in_the_language() -> None:
    assert sentence("timeline.closed", {"reason": "found"}, "ko") == "사건을 종결했습니다 (찾음)"


def test_a_missing_parameter_shows_as_missing() -> None:
    assert "…" in sentence("timeline.closed", {}, "en")


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert sentence("timeline.nothing-such", {}) == "timeline.nothing-such"
