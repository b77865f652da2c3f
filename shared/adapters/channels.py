"""Ways to tell somebody: an app, a text message, a call, a mail, the operators' topic, the police.

A channel says what became of a message and does not raise for a receiver that is dead, slow or
wrong: a channel's failure never fails a case. What leaves the region is an opaque id and a code.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.adapters.memory import MemoryCloud
from shared.domain.places import Contact
from shared.i18n import sentence
from shared.ports import Delivery, Message

ContactOf = Callable[[str], Contact]
"""The contact behind an id, as it is now; one without number or mail when it was removed."""

REAL_ONLY = frozenset({"police", "guardian"})
"""Kinds that reach people who would take an exercise for real: only `Actual` passes."""

OPAQUE = frozenset(
    {"alert", "code", "case", "outing", "child", "phone", "owner", "tenant", "status", "level"}
)
"""What a message that leaves the region may hold: codes and opaque ids, fetched after sign-in."""

_GONE = {"EndpointDisabled", "EndpointDisabledException", "NotFound", "NotFoundException"}
_DOWN = {
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "Throttled",
    "Throttling",
    "ThrottlingException",
}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def walled(message: Message) -> Delivery | None:
    """The wall between drills and the world: a delivery that says "withheld", or None to go on."""
    if message.kind in REAL_ONLY and message.status != "Actual":
        return Delivery(message.key, message.kind, "withheld", reason="exercise-wall")
    return None


def opaque(body: Mapping[str, Any]) -> dict[str, str | int]:
    """The body, if it holds nothing but codes and opaque ids. ValueError otherwise: a fault of ours."""
    if extra := set(body) - OPAQUE:
        raise ValueError(f"a push may not carry {sorted(extra)}")
    return dict(body)


def is_open_to(url: str) -> bool:
    """Whether we send there: over https, or over http on the loopback in a trial."""
    to = urlsplit(url)
    return to.scheme == "https" or (to.scheme == "http" and to.hostname in _LOOPBACK)


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 hex over `timestamp.body`: what the receiver recomputes."""
    return "v1=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def police_key(secret: bytes, tenant_id: str) -> bytes:
    """A tenant's webhook key: one secret in the account, one key for each tenant's police."""
    return hmac.new(secret, f"police-webhook:{tenant_id}".encode(), hashlib.sha256).hexdigest().encode()


class SnsPush:
    """Mobile push to one platform endpoint (FCM or APNs)."""

    def __init__(self, tenant_id: str, sns: Any) -> None:
        self._tenant_id = tenant_id
        self._sns = sns

    def send(self, message: Message) -> Delivery:
        if (wall := walled(message)) is not None:
            return wall
        data = json.dumps(opaque({**message.body, "status": message.status}))
        apns = json.dumps({"aps": {"content-available": 1, "sound": "default"}, "jikimi": json.loads(data)})
        fcm = json.dumps(
            {"fcmV1Message": {"message": {"data": {"jikimi": data}, "android": {"priority": "high"}}}}
        )
        payload = {"default": data, "GCM": fcm, "APNS": apns, "APNS_SANDBOX": apns}
        # What a phone has not shown yet is replaced: a retry is no second alert.
        collapse = {"DataType": "String", "StringValue": hashlib.sha256(message.key.encode()).hexdigest()}
        return _published(
            message,
            lambda: self._sns.publish(
                TargetArn=message.to,
                MessageStructure="json",
                Message=json.dumps(payload),
                MessageAttributes={"AWS.SNS.MOBILE.APNS.COLLAPSE_ID": collapse},
            ),
        )


class SnsOperators:
    """The topic every console, duty phone and mailbox subscribes to, filtered by tenant, level and status.

    A duty officer's SMS, voice or e-mail is a subscription with the filter {"tenant": […], "level": ["2"]}.
    """

    def __init__(self, tenant_id: str, topic_arn: str, sns: Any) -> None:
        self._tenant_id = tenant_id
        self._topic = topic_arn
        self._sns = sns

    def send(self, message: Message) -> Delivery:
        if (wall := walled(message)) is not None:
            return wall
        body = opaque({**message.body, "tenant": self._tenant_id, "status": message.status})
        attributes = {
            name: {"DataType": "String", "StringValue": str(body.get(name, ""))}
            for name in ("tenant", "status", "code", "level")
            if name in body
        }
        return _published(
            message,
            lambda: self._sns.publish(
                TopicArn=self._topic, Message=json.dumps(body), MessageAttributes=attributes
            ),
        )


@dataclass(frozen=True, slots=True)
class Words:
    """What a text message, a call or a mail says: a sentence of ours, never who, where or which child."""

    title: str
    text: str

    @classmethod
    def of(cls, message: Message) -> "Words":
        drill = "" if message.status == "Actual" else sentence("push.drill", {})
        code = str(message.body.get("code", ""))
        return cls(drill + sentence("push.title", {}), drill + sentence(f"push.{code}", {}))


class Sms:
    """A text message to a contact: SNS straight to the number, fetched now and kept nowhere."""

    def __init__(self, contact: ContactOf, sns: Any) -> None:
        self._contact = contact
        self._sns = sns

    def send(self, message: Message) -> Delivery:
        if (wall := walled(message)) is not None:
            return wall
        if not (number := self._contact(message.to).mobile):
            return _no_way(message)
        transactional = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}}
        text = Words.of(message).text
        return _published(
            message,
            lambda: self._sns.publish(PhoneNumber=number, Message=text, MessageAttributes=transactional),
        )


class Voice:
    """A phone call to a contact that reads the sentence out. number: ours, that calls; "" for none."""

    def __init__(self, contact: ContactOf, number: str, voice: Callable[[], Any]) -> None:
        self._contact = contact
        self._number = number
        self._voice = voice

    def send(self, message: Message) -> Delivery:
        if (wall := walled(message)) is not None:
            return wall
        if not self._number or not (number := self._contact(message.to).mobile):
            return _no_way(message)
        text = Words.of(message).text
        return _published(
            message,
            lambda: self._voice().send_voice_message(
                DestinationPhoneNumber=number,
                OriginationIdentity=self._number,
                MessageBody=text,
                MessageBodyTextType="TEXT",
                VoiceId="SEOYEON",
            ),
        )


class Mail:
    """An e-mail to a contact. sender: a verified address of ours; "" for none."""

    def __init__(self, contact: ContactOf, sender: str, ses: Callable[[], Any]) -> None:
        self._contact = contact
        self._sender = sender
        self._ses = ses

    def send(self, message: Message) -> Delivery:
        if (wall := walled(message)) is not None:
            return wall
        if not self._sender or not (address := self._contact(message.to).email):
            return _no_way(message)
        words = Words.of(message)
        said = {"Subject": {"Data": words.title}, "Body": {"Text": {"Data": words.text}}}
        return _published(
            message,
            lambda: self._ses().send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [address]},
                Content={"Simple": said},
            ),
        )


class PoliceWebhook:
    """The signed hand-over to the tenant's police: POST over https, or http on the loopback in a trial.

    Headers: `X-Jikimi-Timestamp` (epoch s), `X-Jikimi-Signature` (`signature`), `Idempotency-Key`. The
    receiver should refuse a timestamp more than 300 s off and answer a repeated key with its first answer.
    """

    def __init__(self, tenant_id: str, secret_arn: str, secretsmanager: Any) -> None:
        self._tenant_id = tenant_id
        self._secret_arn = secret_arn
        self._secretsmanager = secretsmanager
        self._key = b""

    def send(self, message: Message) -> Delivery:
        import urllib3  # noqa: PLC0415 - botocore brings it; only this channel needs it

        if (wall := walled(message)) is not None:
            return wall
        if not is_open_to(message.to):
            return Delivery(message.key, message.kind, "failed", reason="address-not-https")
        body = json.dumps(message.body, ensure_ascii=False, sort_keys=True).encode()
        timestamp = str(int(time.time()))  # the receiver compares it with its own wall clock
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.key,
            "X-Jikimi-Timestamp": timestamp,
            "X-Jikimi-Signature": signature(self._own_key(), timestamp, body),
        }
        try:
            answer = urllib3.request(
                "POST",
                message.to,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=2, read=5),
            )
        except urllib3.exceptions.HTTPError as error:
            return Delivery(message.key, message.kind, "failed", reason=type(error).__name__)
        if not 200 <= answer.status < 300:
            return Delivery(message.key, message.kind, "failed", reason=f"http-{answer.status}")
        return Delivery(message.key, message.kind, "sent", receipt=_receipt(answer.data))

    def _own_key(self) -> bytes:
        if not self._key:
            secret = self._secretsmanager.get_secret_value(SecretId=self._secret_arn)["SecretString"]
            self._key = police_key(secret.encode(), self._tenant_id)
        return self._key


class MemoryChannel:
    """The twin keeps what was sent. "channels.dead" in the world says what fails, and how.

    Its keys are addresses, and names of channels for a whole provider.
    """

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._sent = world.sent
        self._dead: dict[str, str] = world.table("channels.dead")

    def send(self, message: Message) -> Delivery:
        if (wall := walled(message)) is not None:
            return wall
        for cause in (message.via, message.to):
            if cause in self._dead:
                return Delivery(message.key, message.kind, self._dead[cause], reason="dead")
        if message.kind != "police":
            opaque(message.body)
        self._sent.append(message)
        return Delivery(message.key, message.kind, "sent", receipt=f"memory-{len(self._sent)}")


def _no_way(message: Message) -> Delivery:
    return Delivery(message.key, message.kind, "withheld", reason="not-configured")


def _published(message: Message, publish: Any) -> Delivery:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the twin needs no boto3

    try:
        return Delivery(message.key, message.kind, "sent", receipt=publish()["MessageId"])
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        outcome = "endpoint-gone" if code in _GONE else "down" if code in _DOWN else "failed"
        return Delivery(message.key, message.kind, outcome, reason=code)
    except BotoCoreError as error:
        return Delivery(message.key, message.kind, "down", reason=type(error).__name__)


def _receipt(data: bytes) -> str:
    """The receiver's `receipt_no`, if it answered with JSON that has one."""
    try:
        answer = json.loads(data)
    except ValueError:
        return ""
    return str(answer.get("receipt_no", ""))[:64] if isinstance(answer, dict) else ""
