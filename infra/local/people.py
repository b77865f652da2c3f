"""People with a login: they meet Jikimi as their console or phone does, over the HTTP API."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import urllib3

HTTP = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=False)


class Refused(Exception):
    """The API said no. status: HTTP status; problem: the RFC 9457 body."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code', '')} {problem.get('detail', '')}".strip())
        self.status = status
        self.problem = problem


class Person:
    """One signed-in user. token: returns a valid id token, fetched again when it grows old."""

    def __init__(self, name: str, api_url: str, token: Callable[[], str]) -> None:
        self.name = name
        self._api_url = api_url.rstrip("/")
        self._token = token

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at `/v1/<path>`. Refused for any status but 2xx."""
        return self._ask("GET", path, fields=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str = "") -> Any:
        """POST `body`; key: the Idempotency-Key, a fresh one unless given."""
        return self._ask("POST", path, body=body or {}, key=key or uuid.uuid4().hex)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """PUT `body`, idempotent by nature and by key."""
        return self._ask("PUT", path, body=body, key=uuid.uuid4().hex)

    def status_of(self, path: str) -> int:
        """The status a GET is answered with."""
        try:
            self.get(path)
        except Refused as refused:
            return refused.status
        return 200

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        fields: Mapping[str, str | int] | None = None,
        key: str = "",
    ) -> Any:
        headers = {"authorization": f"Bearer {self._token()}", "accept": "application/json"}
        if key:
            headers["idempotency-key"] = key
        answer = HTTP.request(
            method,
            f"{self._api_url}/v1/{path}",
            fields={name: str(value) for name, value in fields.items()} if fields else None,
            body=None if body is None else json.dumps(body).encode(),
            headers=headers | ({"content-type": "application/json"} if body is not None else {}),
        )
        content = json.loads(answer.data) if answer.data else {}
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, content if isinstance(content, dict) else {})
        return content
