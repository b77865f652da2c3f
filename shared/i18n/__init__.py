"""Every sentence a person reads, Korean first. The server sends codes and parameters; this makes them words."""

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

    A parameter that the sentence names and the sender left out shows as `…`.
    """
    found: Any = sentences(language)
    for part in code.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return str(found).format_map(_Known(params)) if isinstance(found, str) else code


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"
