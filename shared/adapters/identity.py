"""Signing in: a name and a password for a token that API Gateway trusts."""

import base64
import binascii
import json
import os
from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Login:
    """An account. facility_id: "" for who works for the whole tenant. enabled: it may sign in."""

    username: str
    roles: tuple[str, ...]
    facility_id: str
    enabled: bool


class Identity(Protocol):
    """Who may sign in. Unauthorized when not, without saying why."""

    def sign_in(self, username: str, password: str) -> Session: ...
    def refresh(self, refresh_token: str) -> Session: ...
    def logins(self, tenant_id: str, groups: Collection[str]) -> Sequence[Login]:
        """Accounts of one tenant that are in any of the groups, by name."""
        ...


class CognitoIdentity:
    """Sign-in at a Cognito app client."""

    def __init__(self, client_id: str, pool_id: str, cognito: Any) -> None:
        self._client_id = client_id
        self._pool_id = pool_id
        self._cognito = cognito

    def sign_in(self, username: str, password: str) -> Session:
        return self._ask("USER_PASSWORD_AUTH", {"USERNAME": username, "PASSWORD": password})

    def refresh(self, refresh_token: str) -> Session:
        return self._ask("REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": refresh_token})

    def logins(self, tenant_id: str, groups: Collection[str]) -> Sequence[Login]:
        found: dict[str, Login] = {}
        for group in sorted(groups):
            pages = self._cognito.get_paginator("list_users_in_group").paginate(
                UserPoolId=self._pool_id, GroupName=group
            )
            for user in (user for page in pages for user in page["Users"]):
                attributes = {each["Name"]: each["Value"] for each in user.get("Attributes", ())}
                if attributes.get("custom:tenant") == tenant_id:
                    before = found.get(user["Username"])
                    held = (*(before.roles if before else ()), group)
                    facility_id = attributes.get("custom:facility", "")
                    found[user["Username"]] = Login(user["Username"], held, facility_id, user["Enabled"])
        return [found[name] for name in sorted(found)]

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

    def logins(self, tenant_id: str, groups: Collection[str]) -> Sequence[Login]:
        found = []
        for username, (_, claims) in sorted(self._people.items()):
            held = str(claims.get("cognito:groups", "")).strip("[]").split()
            mine = tuple(sorted(set(held) & set(groups)))
            if mine and claims.get("custom:tenant") == tenant_id:
                found.append(Login(username, mine, str(claims.get("custom:facility", "")), enabled=True))
        return found

    def _session(self, username: str, claims: Mapping[str, Any]) -> Session:
        parts = ({"alg": "none"}, dict(claims))
        token = ".".join(_base64url(json.dumps(part).encode()) for part in parts) + "."
        return Session(token, username, 3600, _claims(token))


@cache
def identity() -> Identity:
    """The deployment's sign-in."""
    environment = os.environ
    return CognitoIdentity(
        environment.get("JIKIMI_USER_POOL_CLIENT_ID", ""),
        environment.get("JIKIMI_USER_POOL_ID", ""),
        client("cognito-idp"),
    )


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
