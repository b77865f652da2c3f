"""The live feed: what is published to the screens, and the short-lived address they listen at."""

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

from shared.adapters.memory import MemoryCloud
from shared.domain.errors import NotFound
from shared.domain.geo import Area
from shared.ports import Group, LiveAddress
from shared.schema.live import LiveEvent, encode_frame

URL_TTL_S = 900
"""AWS's shortest session. The signature is checked when the socket opens; screens renew before it ends."""


def topics(tenant_id: str) -> dict[str, str]:
    """The two topics a tenant's screens may hear."""
    return {kind: f"live/jikimi/{tenant_id}/{kind}" for kind in ("frame", "events")}


class LiveFeed:
    """Publishes through AWS IoT and signs addresses that can only listen to one tenant."""

    def __init__(self, tenant_id: str) -> None:
        self._topics = topics(tenant_id)
        self._tenant_id = tenant_id

    def tell(self, kind: str, id: str, version: int) -> None:  # noqa: A002
        """Say that something changed. Losing it costs a screen at most one polling interval."""
        self._publish(
            "events",
            LiveEvent.model_validate({"kind": kind, "id": id, "version": version}).model_dump_json().encode(),
        )

    def frame(self, groups: Sequence[Group], *, boundary: Area, at: datetime) -> None:
        """Show where the outing groups are."""
        self._publish("frame", encode_frame(groups, boundary=boundary, at=at))

    def address(self, actor_id: str) -> LiveAddress:
        """A signed address for one screen. NotFound when no listener's role is configured."""
        role = os.environ.get("JIKIMI_LIVE_ROLE_ARN", "")
        if not role:
            raise NotFound("live-unavailable")
        client_id = f"live-{self._tenant_id}-{hashlib.sha256(actor_id.encode()).hexdigest()[:8]}-{_nonce()}"
        import boto3  # noqa: PLC0415 - only this route needs it

        session = boto3.client("sts").assume_role(
            RoleArn=role,
            RoleSessionName=client_id[:64],
            DurationSeconds=URL_TTL_S,
            Policy=json.dumps(listener_policy(role, self._topics, client_id)),
        )
        url = _signed_url(session["Credentials"])
        return LiveAddress(url, client_id, self._topics, URL_TTL_S)

    def _publish(self, kind: str, payload: bytes) -> None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            _iot_data().publish(topic=self._topics[kind], qos=0, payload=payload)
        except (BotoCoreError, ClientError):
            # The feed only hastens: every screen also asks the API every 2 s, so a case must not fail here.
            from shared.observability import logger  # noqa: PLC0415

            logger.warning("live feed not published", kind=kind)


class MemoryLive:
    """The twin: what is published is appended to `world.table("live")["heard"]` as (topic, payload).

    Screens get the address in `world.table("live")["url"]`, and NotFound without one.
    """

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._topics = topics(tenant_id)
        self._tenant_id = tenant_id
        self._table = world.table("live")
        self._heard = self._table.setdefault("heard", [])

    def tell(self, kind: str, id: str, version: int) -> None:  # noqa: A002
        self._heard.append((self._topics["events"], _event(kind, id, version)))

    def frame(self, groups: Sequence[Group], *, boundary: Area, at: datetime) -> None:
        self._heard.append((self._topics["frame"], encode_frame(groups, boundary=boundary, at=at)))

    def address(self, actor_id: str) -> LiveAddress:
        if "url" not in self._table:
            raise NotFound("live-unavailable")
        return LiveAddress(self._table["url"], f"live-{actor_id}-{_nonce()}", self._topics, URL_TTL_S)


def _event(kind: str, id: str, version: int) -> bytes:  # noqa: A002
    return LiveEvent.model_validate({"kind": kind, "id": id, "version": version}).model_dump_json().encode()


def listener_policy(role_arn: str, listen: dict[str, str], client_id: str) -> dict[str, Any]:
    """The session policy: this client id, these topics, listening only."""
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    region = os.environ.get("AWS_REGION", "ap-northeast-2")
    iot = f"arn:{partition}:iot:{region}:{account}:"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{iot}client/{client_id}"},
            {
                "Effect": "Allow",
                "Action": "iot:Subscribe",
                "Resource": [f"{iot}topicfilter/{topic}" for topic in listen.values()],
            },
            {
                "Effect": "Allow",
                "Action": "iot:Receive",
                "Resource": [f"{iot}topic/{topic}" for topic in listen.values()],
            },
        ],
    }


def _signed_url(credentials: Any) -> str:
    """A SigV4-presigned MQTT-over-WebSocket address (service `iotdevicegateway`).

    AWS IoT wants the session token outside the signature, so it is added after signing.
    """
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    region = os.environ.get("AWS_REGION", "ap-northeast-2")
    keys = Credentials(credentials["AccessKeyId"], credentials["SecretAccessKey"])
    base = _endpoint()
    request = AWSRequest("GET", f"{base.replace('ws', 'http', 1)}/mqtt")
    SigV4QueryAuth(keys, "iotdevicegateway", region, expires=URL_TTL_S).add_auth(request)
    signed = urlsplit(str(request.url))
    token = quote(credentials["SessionToken"], safe="")
    return f"{base}/mqtt?{signed.query}&X-Amz-Security-Token={token}"


@cache
def _endpoint() -> str:
    """`wss://…` of the account, or `ws://…:port` when a local cloud serves it."""
    import boto3  # noqa: PLC0415

    address: str = boto3.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    local = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    if not local.port:
        return f"wss://{address}"
    return f"ws://{address.split(':', maxsplit=1)[0]}:{local.port}"


@cache
def _iot_data() -> Any:
    import boto3  # noqa: PLC0415

    return boto3.client("iot-data")


def _nonce() -> str:
    import secrets  # noqa: PLC0415

    return secrets.token_hex(4)
