"""Signing in: a name and a password for a token that API Gateway trusts."""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from shared.adapters.tables import client
from shared.domain.errors import Unauthorized


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person. id_token: what the API wants as Bearer; refresh_token: "" when not renewed.

    claims: of the id token.
    """

    id_token: str
    refresh_token: str
    expires_in_s: int
    claims: Mapping[str, Any]


class Identity(Protocol):
    """Who may sign in. Unauthorized when not, without saying why."""

    def sign_in(self, username: str, password: str) -> Session: ...
    def refresh(self, refresh_token: str) -> Session: ...


class CognitoIdentity:
    """Sign-in at a Cognito app client."""

    def __init__(self, client_id: str, cognito: Any) -> None:
        self._client_id = client_id
        self._cognito = cognito

    def sign_in(self, username: str, password: str) -> Session:
        return self._ask("USER_PASSWORD_AUTH", {"USERNAME": username, "PASSWORD": password})

    def refresh(self, refresh_token: str) -> Session:
        return self._ask("REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": refresh_token})

    def _ask(self, flow: str, parameters: Mapping[str, str]) -> Session:
        refused = self._cognito.exceptions
        try:
            answer = self._cognito.initiate_auth(
                ClientId=self._client_id, AuthFlow=flow, AuthParameters=parameters
            )
        except (
            refused.NotAuthorizedException,
            refused.UserNotFoundException,
            refused.UserNotConfirmedException,
            refused.PasswordResetRequiredException,
            refused.InvalidParameterException,
        ) as error:
            raise Unauthorized("sign-in-failed") from error
        if "AuthenticationResult" not in answer:  # a challenge: a first password still to be changed
            raise Unauthorized("sign-in-incomplete")
        tokens = answer["AuthenticationResult"]
        return Session(
            tokens["IdToken"],
            tokens.get("RefreshToken", ""),
            tokens["ExpiresIn"],
            _claims(tokens["IdToken"]),
        )


class MemoryIdentity:
    """The twin: people by user name, each with a password and claims; tokens are not signed."""

    def __init__(self, people: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        self._people = people

    def sign_in(self, username: str, password: str) -> Session:
        secret, claims = self._people.get(username, ("", {}))
        if not secret or secret != password:
            raise Unauthorized("sign-in-failed")
        return self._session(username, claims)

    def refresh(self, refresh_token: str) -> Session:
        if refresh_token not in self._people:
            raise Unauthorized("sign-in-failed")
        return self._session(refresh_token, self._people[refresh_token][1])

    def _session(self, username: str, claims: Mapping[str, Any]) -> Session:
        parts = ({"alg": "none"}, dict(claims))
        token = ".".join(_base64url(json.dumps(part).encode()) for part in parts) + "."
        return Session(token, username, 3600, _claims(token))


@cache
def identity() -> Identity:
    """The deployment's sign-in."""
    return CognitoIdentity(os.environ.get("JIKIMI_USER_POOL_CLIENT_ID", ""), client("cognito-idp"))


def _claims(id_token: str) -> Mapping[str, Any]:
    """The claims of a token fresh from its issuer; whoever takes one from a stranger verifies it first."""
    try:
        payload = id_token.split(".")[1]
        claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError) as error:
        raise Unauthorized("sign-in-failed") from error
    return claims


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
