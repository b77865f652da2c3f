"""Web push (RFC 8030): a browser or an installed page is told "look", encrypted for it alone (RFC 8291).

One secret in the account, one VAPID key pair (RFC 8292) for each tenant, derived: nothing has to be
made or stored when a tenant joins. What the provider abroad carries is encrypted, and holds an opaque
id even so. `webpush` does the cryptography (0.28 s to import: only whoever sends by web push pays).
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.adapters.channels import is_open_to, walled
from shared.ports import Delivery, Message

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

TTL_S = 120
"""A provider keeps a message for a phone that is offline this long: later it would be old news."""
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_GONE = {404, 410}  # RFC 8030 7.3: the subscription is over
_DOWN_FROM = 500
_THROTTLED = 429


class VapidKeys:
    """A tenant's VAPID key pair. The secret is fetched when it is first needed."""

    def __init__(self, tenant_id: str, secret_arn: str, secretsmanager: Callable[[], Any]) -> None:
        self._tenant_id = tenant_id
        self._secret_arn = secret_arn
        self._secretsmanager = secretsmanager
        self._key: EllipticCurvePrivateKey | None = None

    @property
    def are_configured(self) -> bool:
        return bool(self._secret_arn)

    def private(self) -> "EllipticCurvePrivateKey":
        """The key pair (FIPS 186-5 A.2.1: 384 derived bits, reduced; the bias is below 2⁻¹²⁸)."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - who never sends never loads it
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        if self._key is None:
            secret = self._secretsmanager().get_secret_value(SecretId=self._secret_arn)["SecretString"]
            info = f"web-push:{self._tenant_id}".encode()
            derived = HKDF(hashes.SHA256(), 48, None, info).derive(secret.encode())
            scalar = int.from_bytes(derived) % (_P256_ORDER - 1) + 1
            self._key = ec.derive_private_key(scalar, ec.SECP256R1())
        return self._key

    def public(self) -> str:
        """What a browser subscribes with: the uncompressed point, base64url without padding."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

        point = self.private().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return urlsafe_b64encode(point).rstrip(b"=").decode()


class WebPush:
    """Web push to one subscription: `to` is the browser's `PushSubscription` as JSON."""

    def __init__(self, keys: VapidKeys, contact: str) -> None:
        self._keys = keys
        self._contact = contact  # whom a push service may write to about our traffic (RFC 8292 2.1)
        self._sender: Any = None

    def send(self, message: Message) -> Delivery:
        import urllib3  # noqa: PLC0415 - botocore brings it

        if (wall := walled(message)) is not None:
            return wall
        if not self._keys.are_configured:
            return Delivery(message.key, message.kind, "withheld", reason="not-configured")
        subscription = json.loads(message.to)
        if not is_open_to(subscription["endpoint"]):
            return Delivery(message.key, message.kind, "endpoint-gone", reason="address-not-https")
        try:
            body, headers = self._sealed(message, subscription)
        except ValueError:  # keys that are no point on the curve: no browser made them
            return Delivery(message.key, message.kind, "endpoint-gone", reason="subscription-broken")
        try:
            answer = urllib3.request(
                "POST",
                subscription["endpoint"],
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=2, read=3),
            )
        except urllib3.exceptions.HTTPError as error:
            return Delivery(message.key, message.kind, "down", reason=type(error).__name__)
        return _told(message, answer.status, answer.headers.get("Location", ""))

    def _sealed(self, message: Message, subscription: Any) -> tuple[bytes, dict[str, str]]:
        from webpush import WebPushSubscription  # noqa: PLC0415 - 0.28 s

        topic = topic_of(message)
        told = {"id": message.body.get("alert", topic), "status": message.status}
        to = WebPushSubscription.model_validate(subscription)
        sealed = self._web_push().get(told, to, ttl=TTL_S)
        # It takes the place of one with its topic that was not yet delivered: a retry is no second alert.
        how = {"topic": topic, "urgency": "high", "content-type": "application/octet-stream"}
        return sealed.encrypted, {**sealed.headers, **how}

    def _web_push(self) -> Any:
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            Encoding,
            NoEncryption,
            PrivateFormat,
            PublicFormat,
        )
        from webpush import WebPush as Sender  # noqa: PLC0415

        if self._sender is None:
            own = self._keys.private()
            private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            public = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            self._sender = Sender(private, public, subscriber=self._contact)
        return self._sender


def topic_of(message: Message) -> str:
    """32 characters, as many as a topic may have, for each alert; without one, for each code and subject.

    So an alarm that repeats takes the place of the one before.
    """
    about = message.body.get("alert") or json.dumps(dict(message.body), sort_keys=True)
    return urlsafe_b64encode(sha256(str(about).encode()).digest())[:32].decode()


def _told(message: Message, status: int, receipt: str) -> Delivery:
    if status in _GONE:
        return Delivery(message.key, message.kind, "endpoint-gone", reason=f"http-{status}")
    if status >= _DOWN_FROM or status == _THROTTLED:
        return Delivery(message.key, message.kind, "down", reason=f"http-{status}")
    if not 200 <= status < 300:
        return Delivery(message.key, message.kind, "failed", reason=f"http-{status}")
    return Delivery(message.key, message.kind, "sent", receipt=urlsplit(receipt).path[-64:])
