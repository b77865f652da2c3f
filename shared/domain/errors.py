"""What can go wrong, in the words of the domain. The edges map these once."""

from collections.abc import Mapping


class JikimiError(Exception):
    """A failure with a code a machine reads and parameters a sentence is made of.

    code: stable, kebab-case; also the key of the Korean and English sentence in `shared/i18n`.
    params: what the sentence needs; never a name, a phone number or a coordinate.
    """

    def __init__(self, code: str, **params: str | int | float) -> None:
        super().__init__(code)
        self.code = code
        self.params: Mapping[str, str | int | float] = params


class Rejected(JikimiError):
    """Input that never becomes valid: drop it, count it, keep the reason; do not retry."""


class NotFound(JikimiError):
    """Not there, or not there *for this tenant*: the two are told apart nowhere."""


class Conflict(JikimiError):
    """Somebody else was first, or the state no longer allows it."""


class Forbidden(JikimiError):
    """The actor is known and of this tenant, and the role does not allow it."""


class Unauthorized(JikimiError):
    """Nobody is signed in, or the sign-in failed; never says why."""


class TooMany(JikimiError):
    """Asked too often. params: wait_s, seconds until it may be asked again."""

    def __init__(self, code: str, wait_s: int) -> None:
        super().__init__(code, wait_s=wait_s)
