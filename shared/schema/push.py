"""How a phone is reached by push, and what became of what people were told: the HTTP API's words for it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import ConfigDict, StringConstraints
from pydantic.config import JsonDict

from shared.domain.channels import Alert, Attempt, health
from shared.schema.http import Asked, Moment, Told

_SERVICES = r"(fcm\.googleapis\.com|push\.apple\.com|push\.services\.mozilla\.com|notify\.windows\.com)"
_PAGE: JsonDict = {
    "platform": "web",
    "subscription": {
        "endpoint": "https://fcm.googleapis.com/fcm/send/example",
        "p256dh": "B" + "A" * 86,
        "auth": "A" * 22,
    },
}


class Subscription(Asked):
    """A browser's `PushSubscription`: at one of the browsers' own push services, so that nothing of ours
    can be made to call anywhere else."""

    endpoint: Annotated[
        str, StringConstraints(max_length=1000, pattern=rf"^https://([a-z0-9-]+\.)*{_SERVICES}/[!-~]+$")
    ]
    p256dh: Annotated[str, StringConstraints(pattern=r"^B[A-Za-z0-9_-]{86}$")]
    auth: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$")]


class DeviceAsked(Asked):
    """How a teacher's phone is reached: an app by its provider's token, a page by its subscription."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PAGE]})

    platform: Literal["android", "ios", "web"]
    push_token: (
        Annotated[str, StringConstraints(min_length=8, max_length=4096, pattern=r"^[!-~]+$")] | None
    ) = None
    subscription: Subscription | None = None


class DeviceTold(Told):
    """A phone that push reaches; what it is reached by is not told back."""

    phone_id: str
    facility_id: str
    platform: str
    reachable: bool


class PushKey(Told):
    """What a browser subscribes with: `applicationServerKey`, base64url (RFC 8292)."""

    key: str


class AttemptTold(Told):
    """One way somebody was tried by, the newest of its kind."""

    channel: str
    outcome: str
    reason: str
    at: Moment

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptTold":
        return cls(channel=attempt.channel, outcome=attempt.outcome, reason=attempt.reason, at=attempt.at)


class AlertTold(Told):
    """What one person was told. reached: a provider took it; read_at: somebody opened it."""

    alert_id: str
    case_id: str
    code: str
    recipient_id: str
    since: Moment
    reached: bool
    read_at: Moment | None
    attempts: list[AttemptTold]

    @classmethod
    def of(cls, alert: Alert) -> "AlertTold":
        same = {name: getattr(alert, name) for name in cls.model_fields if name != "attempts"}
        return cls(**same, attempts=[AttemptTold.of(each) for each in alert.attempts])


class OneAlert(Told):
    alert: AlertTold


class CaseAlerts(Told):
    """Everybody who was told about a case, and how each channel does: its newest attempt."""

    channels: list[AttemptTold]
    alerts: list[AlertTold]

    @classmethod
    def of(cls, alerts: Sequence[Alert]) -> "CaseAlerts":
        newest = health(alerts)
        return cls(
            channels=[AttemptTold.of(newest[name]) for name in sorted(newest)],
            alerts=[AlertTold.of(alert) for alert in sorted(alerts, key=lambda a: (a.since, a.alert_id))],
        )
