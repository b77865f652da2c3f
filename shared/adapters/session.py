"""Credentials that open one tenant's rows and no other's: the second lock, held by IAM.

A function assumes its own role once more, tagged with the tenant. Its policies let only tagged sessions
near a table, and only under partition keys that begin with the tag (`infra/template.yaml`), so a key
built wrongly in our code is refused by AWS. Without a tag the function reaches no tenant's rows.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.adapters.tables import new_client

LIVES_S = 3600
"""A role assumed by a role lives no longer."""
USED_S = 2700
"""Whoever holds a session takes a new one after this long: well before the credentials end."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""No `#`, which would end the tenant in a key, and no wildcard, which would match another's."""


class Session:
    """One tagged session. Asked for on the first use of a client, then kept with its clients.

    tags: "tenant" for one tenant's rows; "owner" and "neighbour" for what the sharing desk writes for two.
    role_arn: "" outside a function, where whoever runs the code has credentials of their own.
    own: the process's own clients. ValueError for a value no tenant can have.
    """

    def __init__(self, role_arn: str, tags: Mapping[str, str], own: Callable[[str], Any]) -> None:
        for name, value in tags.items():
            if not _TENANT.fullmatch(value):
                raise ValueError(f"{name} is no tenant's id")
        self._role_arn = role_arn
        self._tags = tags
        self._own = own
        self._credentials: dict[str, str] = {}
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client that can do what this session may. AWS's AccessDenied when the role does not trust us."""
        if not self._role_arn:
            return self._own(service)
        if service not in self._clients:
            self._clients[service] = new_client(service, **self._assumed())
        return self._clients[service]

    def _assumed(self) -> dict[str, str]:
        if not self._credentials:
            given = self._own("sts").assume_role(
                RoleArn=self._role_arn,
                RoleSessionName="-".join(["for", *self._tags.values()])[:64],
                DurationSeconds=LIVES_S,
                Tags=[{"Key": name, "Value": value} for name, value in self._tags.items()],
            )["Credentials"]
            self._credentials = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
        return self._credentials
