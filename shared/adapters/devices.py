"""Where phones are reached: endpoints at the push provider."""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from shared.adapters.memory import MemoryCloud
from shared.adapters.web_push import VapidKeys
from shared.domain.errors import NotFound, Rejected

_EXISTING = re.compile(r"Endpoint (arn:\S+) already exists")


class SnsDevices:
    """Endpoints of one SNS platform application, and the key that browsers subscribe with."""

    def __init__(self, application_arn: str, sns: Any, keys: VapidKeys) -> None:
        self._application_arn = application_arn
        self._sns = sns
        self._keys = keys

    def endpoint(self, phone_id: str, push_token: str) -> str:
        try:
            arn: str = self._sns.create_platform_endpoint(
                PlatformApplicationArn=self._application_arn, Token=push_token, CustomUserData=phone_id
            )["EndpointArn"]
        except self._sns.exceptions.InvalidParameterException as error:
            # SNS refuses a known token with other user data: the phone was somebody else's before.
            existing = _EXISTING.search(error.response["Error"]["Message"])
            if existing is None:
                raise Rejected("push-token-refused") from error
            arn = existing.group(1)
        # A provider's refusal disables an endpoint; a phone that registers again is there again.
        self._sns.set_endpoint_attributes(
            EndpointArn=arn, Attributes={"Enabled": "true", "Token": push_token, "CustomUserData": phone_id}
        )
        return arn

    def push_key(self) -> str:
        if not self._keys.are_configured:
            raise NotFound("push-not-configured")
        return self._keys.public()


class MemoryDevices:
    """The endpoints' twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._endpoints: dict[str, str] = world.table("endpoints")

    def endpoint(self, phone_id: str, push_token: str) -> str:
        arn = f"arn:memory:endpoint/{push_token}"
        self._endpoints[arn] = phone_id
        return arn

    def push_key(self) -> str:
        return urlsafe_b64encode(b"\x04" + sha256(self._tenant_id.encode()).digest() * 2).decode().rstrip("=")
