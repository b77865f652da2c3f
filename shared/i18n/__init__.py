"""Every sentence a person reads, Korean first: the server sends codes and parameters, this makes words."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("ko", "en")


@cache
def sentences(language: str) -> dict[str, Any]:
    """The dictionary of a language, by section. KeyError for a language there is none of."""
    if language not in LANGUAGES:
        raise KeyError(language)
    text = (files("shared") / "i18n" / f"{language}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def sentence(code: str, params: Mapping[str, Any], language: str = "ko") -> str:
    """The sentence of a code such as `timeline.opened`; the code itself where none is written.

    A parameter that is itself a word of ours ("found", "police") is said in the language
    (`common.value`); one that the sentence names and the sender left out shows as `…`.
    """
    known = sentences(language)
    found: Any = known
    for part in code.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, str):
        return code
    words = known.get("common", {}).get("value", {})
    said = {k: words.get(v, v) if isinstance(v, str) else v for k, v in params.items()}
    return found.format_map(_Known(said))


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"
