"""Which adapter stands behind each port, for one tenant. The one place that reads the environment.

Everything is built on first use, so a function pays only for what it touches.
"""
# ruff: noqa: PLC0415 - imports wait for first use: that is what this file is for

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Protocol

from shared.adapters.clock import clock_from
from shared.adapters.memory import MemoryCloud
from shared.adapters.session import USED_S, Session
from shared.adapters.tables import client
from shared.domain.errors import NotFound
from shared.domain.places import Contact
from shared.ports import (
    AccessLog,
    Alerts,
    Anchors,
    Answers,
    Cases,
    Channel,
    Clock,
    Devices,
    Drills,
    Guardians,
    Live,
    Outings,
    PoliceDesk,
    Records,
    Registry,
    Shares,
    Tags,
    Tracking,
    Vault,
    WatchList,
    Workflow,
)

if TYPE_CHECKING:
    from shared.adapters.web_push import VapidKeys


@dataclass(frozen=True, slots=True)
class Environment:
    """What the template tells a function."""

    registry_table: str
    tracking_table: str
    cases_table: str
    state_machine_arn: str
    operators_topic_arn: str
    push_application_arn: str
    police_secret_arn: str
    clock: str
    own_role_arn: str = ""
    keys_table: str = ""
    key_arn: str = ""
    audit_bucket: str = ""
    push_secret_arn: str = ""
    mail_from: str = ""
    voice_number: str = ""

    @classmethod
    def read(cls) -> "Environment":
        """From the process's environment; what a function is not given is empty, and failing to use it."""
        get = os.environ.get
        return cls(
            registry_table=get("JIKIMI_REGISTRY_TABLE", ""),
            tracking_table=get("JIKIMI_TRACKING_TABLE", ""),
            cases_table=get("JIKIMI_CASES_TABLE", ""),
            state_machine_arn=get("JIKIMI_STATE_MACHINE_ARN", ""),
            operators_topic_arn=get("JIKIMI_OPERATORS_TOPIC_ARN", ""),
            push_application_arn=get("JIKIMI_PUSH_APPLICATION_ARN", ""),
            police_secret_arn=get("JIKIMI_POLICE_SECRET_ARN", ""),
            clock=get("JIKIMI_CLOCK", ""),
            own_role_arn=get("JIKIMI_OWN_ROLE_ARN", ""),
            keys_table=get("JIKIMI_KEYS_TABLE", ""),
            key_arn=get("JIKIMI_KEY_ARN", ""),
            audit_bucket=get("JIKIMI_AUDIT_BUCKET", ""),
            push_secret_arn=get("JIKIMI_PUSH_SECRET_ARN", ""),
            mail_from=get("JIKIMI_MAIL_FROM", ""),
            voice_number=get("JIKIMI_VOICE_NUMBER", ""),
        )


class Adapters(Protocol):
    """Every port, bound to one tenant."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def tags(self) -> Tags: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def guardians(self) -> Guardians: ...
    @property
    def outings(self) -> Outings: ...
    @property
    def tracking(self) -> Tracking: ...
    @property
    def watch_list(self) -> WatchList: ...
    @property
    def cases(self) -> Cases: ...
    @property
    def drills(self) -> Drills: ...
    @property
    def shares(self) -> Shares: ...
    @property
    def workflow(self) -> Workflow: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def push(self) -> Channel: ...
    @property
    def web_push(self) -> Channel: ...
    @property
    def sms(self) -> Channel: ...
    @property
    def voice(self) -> Channel: ...
    @property
    def email(self) -> Channel: ...
    @property
    def operators(self) -> Channel: ...
    @property
    def police(self) -> Channel: ...
    @property
    def live(self) -> Live: ...
    @property
    def access_log(self) -> AccessLog: ...
    @property
    def anchors(self) -> Anchors: ...
    @property
    def records(self) -> Records: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def devices(self) -> Devices: ...
    @property
    def police_desk(self) -> PoliceDesk: ...


class AwsAdapters:
    """The ports on AWS, or on whatever `AWS_ENDPOINT_URL` points at."""

    def __init__(self, tenant_id: str, environment: Environment) -> None:
        if not tenant_id:
            raise ValueError("adapters are born for a tenant")
        self.tenant_id = tenant_id
        self._environment = environment
        self._session = Session(environment.own_role_arn, {"tenant": tenant_id}, client)

    @cached_property
    def _dynamodb(self) -> Any:
        return self._session.client("dynamodb")

    @cached_property
    def clock(self) -> Clock:
        return clock_from(self._environment.clock)

    @cached_property
    def vault(self) -> Vault:
        from shared.adapters.crypto import DynamoKeys, SealingVault

        kms, table = self._session.client("kms"), self._environment.keys_table
        return SealingVault(
            self.tenant_id,
            DynamoKeys(self.tenant_id, table, self._dynamodb, self._environment.key_arn, kms),
        )

    @cached_property
    def tags(self) -> Tags:
        from shared.adapters.tags import DynamoTags

        tables = self._environment.registry_table, self._environment.tracking_table
        vault = self.vault if self._environment.keys_table else None
        return DynamoTags(self.tenant_id, *tables, self._dynamodb, vault)

    @cached_property
    def registry(self) -> Registry:
        from shared.adapters.registry import DynamoRegistry

        vault = self.vault if self._environment.keys_table else None
        return DynamoRegistry(self.tenant_id, self._environment.registry_table, self._dynamodb, vault)

    @cached_property
    def guardians(self) -> Guardians:
        from shared.adapters.guardians import DynamoGuardians

        vault = self.vault if self._environment.keys_table else None
        return DynamoGuardians(self.tenant_id, self._environment.registry_table, self._dynamodb, vault)

    @cached_property
    def outings(self) -> Outings:
        from shared.adapters.outings import DynamoOutings

        return DynamoOutings(self.tenant_id, self._environment.registry_table, self._dynamodb)

    @cached_property
    def tracking(self) -> Tracking:
        from shared.adapters.tracking import DynamoTracking

        return DynamoTracking(self.tenant_id, self._environment.tracking_table, self._dynamodb)

    @cached_property
    def watch_list(self) -> WatchList:
        from shared.adapters.watch_list import DynamoWatchList

        table = self._environment.tracking_table
        return DynamoWatchList(self.tenant_id, table, self._dynamodb, lambda: client("iot-data"))

    @cached_property
    def cases(self) -> Cases:
        from shared.adapters.cases import DynamoCases

        return DynamoCases(self.tenant_id, self._environment.cases_table, self._dynamodb)

    @cached_property
    def drills(self) -> Drills:
        from shared.adapters.drills import DynamoDrills

        return DynamoDrills(self.tenant_id, self._environment.cases_table, self._dynamodb)

    @cached_property
    def shares(self) -> Shares:
        from shared.adapters.shares import DynamoShares

        return DynamoShares(self.tenant_id, self._environment.cases_table, self._dynamodb, self._desk)

    def _desk(self, owner_id: str, neighbour_id: str) -> Any:
        """DynamoDB for what two tenants share, and nothing else of either."""
        tags = {"owner": owner_id, "neighbour": neighbour_id}
        return Session(self._environment.own_role_arn, tags, client).client("dynamodb")

    @cached_property
    def workflow(self) -> Workflow:
        from shared.adapters.workflow import StepFunctionsWorkflow

        return StepFunctionsWorkflow(
            self.tenant_id,
            self._environment.cases_table,
            self._dynamodb,
            self._environment.state_machine_arn,
            client("stepfunctions"),
        )

    @cached_property
    def alerts(self) -> Alerts:
        from shared.adapters.alert_log import DynamoAlerts

        return DynamoAlerts(self.tenant_id, self._environment.cases_table, self._dynamodb)

    @cached_property
    def push(self) -> Channel:
        from shared.adapters.channels import SnsPush

        return SnsPush(self.tenant_id, client("sns"))

    @cached_property
    def web_push(self) -> Channel:
        from shared.adapters.web_push import WebPush

        return WebPush(self._push_keys, self._environment.mail_from)

    @cached_property
    def sms(self) -> Channel:
        from shared.adapters.channels import Sms

        return Sms(self._contact, client("sns"))

    @cached_property
    def voice(self) -> Channel:
        from shared.adapters.channels import Voice

        number = self._environment.voice_number
        return Voice(self._contact, number, lambda: client("pinpoint-sms-voice-v2"))

    @cached_property
    def email(self) -> Channel:
        from shared.adapters.channels import Mail

        return Mail(self._contact, self._environment.mail_from, lambda: client("sesv2"))

    @cached_property
    def _push_keys(self) -> "VapidKeys":
        from shared.adapters.web_push import VapidKeys

        secret_arn = self._environment.push_secret_arn
        return VapidKeys(self.tenant_id, secret_arn, lambda: client("secretsmanager"))

    def _contact(self, contact_id: str) -> Contact:
        try:
            return self.registry.contact(contact_id)
        except NotFound:
            return Contact(contact_id, "")

    @cached_property
    def operators(self) -> Channel:
        from shared.adapters.channels import SnsOperators

        return SnsOperators(self.tenant_id, self._environment.operators_topic_arn, client("sns"))

    @cached_property
    def police(self) -> Channel:
        from shared.adapters.channels import PoliceWebhook

        secrets = client("secretsmanager")
        return PoliceWebhook(self.tenant_id, self._environment.police_secret_arn, secrets)

    @cached_property
    def live(self) -> Live:
        from shared.adapters.live import LiveFeed

        return LiveFeed(self.tenant_id)

    @cached_property
    def access_log(self) -> AccessLog:
        from shared.adapters.access_log import DynamoAccessLog

        return DynamoAccessLog(self.tenant_id, self._environment.cases_table, self._dynamodb)

    @cached_property
    def records(self) -> Records:
        from shared.adapters.records import DynamoRecords

        return DynamoRecords(self.tenant_id, self._environment.cases_table, self._dynamodb)

    @cached_property
    def anchors(self) -> Anchors:
        from shared.adapters.access_log import S3Anchors

        return S3Anchors(self.tenant_id, self._environment.audit_bucket, self._session.client("s3"))

    @cached_property
    def answers(self) -> Answers:
        from shared.adapters.answers import DynamoAnswers

        return DynamoAnswers(self.tenant_id, self._environment.cases_table, self._dynamodb, self.vault)

    @cached_property
    def police_desk(self) -> PoliceDesk:
        from shared.adapters.handovers import DynamoPoliceDesk

        return DynamoPoliceDesk(self.tenant_id, self._environment.cases_table, self._dynamodb, self.vault)

    @cached_property
    def devices(self) -> Devices:
        from shared.adapters.devices import SnsDevices

        return SnsDevices(self._environment.push_application_arn, client("sns"), self._push_keys)


class MemoryAdapters:
    """The ports' memory twins in one world."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self.tenant_id = tenant_id
        self.clock: Clock = world.clock
        self._world = world

    @cached_property
    def vault(self) -> Vault:
        from shared.adapters.crypto import MemoryKeys, SealingVault

        return SealingVault(self.tenant_id, MemoryKeys(self.tenant_id, self._world))

    @cached_property
    def tags(self) -> Tags:
        from shared.adapters.tags import MemoryTags

        return MemoryTags(self.tenant_id, self._world)

    @cached_property
    def registry(self) -> Registry:
        from shared.adapters.registry import MemoryRegistry

        return MemoryRegistry(self.tenant_id, self._world)

    @cached_property
    def guardians(self) -> Guardians:
        from shared.adapters.guardians import MemoryGuardians

        return MemoryGuardians(self.tenant_id, self._world)

    @cached_property
    def outings(self) -> Outings:
        from shared.adapters.outings import MemoryOutings

        return MemoryOutings(self.tenant_id, self._world)

    @cached_property
    def tracking(self) -> Tracking:
        from shared.adapters.tracking import MemoryTracking

        return MemoryTracking(self.tenant_id, self._world)

    @cached_property
    def watch_list(self) -> WatchList:
        from shared.adapters.watch_list import MemoryWatchList

        return MemoryWatchList(self.tenant_id, self._world)

    @cached_property
    def cases(self) -> Cases:
        from shared.adapters.cases import MemoryCases

        return MemoryCases(self.tenant_id, self._world)

    @cached_property
    def drills(self) -> Drills:
        from shared.adapters.drills import MemoryDrills

        return MemoryDrills(self.tenant_id, self._world)

    @cached_property
    def shares(self) -> Shares:
        from shared.adapters.shares import MemoryShares

        return MemoryShares(self.tenant_id, self._world)

    @cached_property
    def workflow(self) -> Workflow:
        from shared.adapters.workflow import MemoryWorkflow

        return MemoryWorkflow(self.tenant_id, self._world)

    @cached_property
    def alerts(self) -> Alerts:
        from shared.adapters.alert_log import MemoryAlerts

        return MemoryAlerts(self.tenant_id, self._world)

    @cached_property
    def push(self) -> Channel:
        from shared.adapters.channels import MemoryChannel

        return MemoryChannel(self.tenant_id, self._world)

    @cached_property
    def web_push(self) -> Channel:
        from shared.adapters.channels import MemoryChannel

        return MemoryChannel(self.tenant_id, self._world)

    @cached_property
    def sms(self) -> Channel:
        from shared.adapters.channels import MemoryChannel

        return MemoryChannel(self.tenant_id, self._world)

    @cached_property
    def voice(self) -> Channel:
        from shared.adapters.channels import MemoryChannel

        return MemoryChannel(self.tenant_id, self._world)

    @cached_property
    def email(self) -> Channel:
        from shared.adapters.channels import MemoryChannel

        return MemoryChannel(self.tenant_id, self._world)

    @cached_property
    def operators(self) -> Channel:
        from shared.adapters.channels import MemoryChannel

        return MemoryChannel(self.tenant_id, self._world)

    @cached_property
    def police(self) -> Channel:
        from shared.adapters.channels import MemoryChannel

        return MemoryChannel(self.tenant_id, self._world)

    @cached_property
    def live(self) -> Live:
        from shared.adapters.live import MemoryLive

        return MemoryLive(self.tenant_id, self._world)

    @cached_property
    def access_log(self) -> AccessLog:
        from shared.adapters.access_log import MemoryAccessLog

        return MemoryAccessLog(self.tenant_id, self._world)

    @cached_property
    def records(self) -> Records:
        from shared.adapters.records import MemoryRecords

        return MemoryRecords(self.tenant_id, self._world)

    @cached_property
    def anchors(self) -> Anchors:
        from shared.adapters.access_log import MemoryAnchors

        return MemoryAnchors(self.tenant_id, self._world)

    @cached_property
    def answers(self) -> Answers:
        from shared.adapters.answers import MemoryAnswers

        return MemoryAnswers(self.tenant_id, self._world)

    @cached_property
    def police_desk(self) -> PoliceDesk:
        from shared.adapters.handovers import MemoryPoliceDesk

        return MemoryPoliceDesk(self.tenant_id, self._world)

    @cached_property
    def devices(self) -> Devices:
        from shared.adapters.devices import MemoryDevices

        return MemoryDevices(self.tenant_id, self._world)


@cache
def _environment() -> Environment:
    return Environment.read()


_adapters: dict[str, tuple[float, Adapters]] = {}


def adapters_for(tenant_id: str) -> Adapters:
    """The tenant's adapters in this process, renewed every 45 minutes: no session of theirs ends in use."""
    now_s = time.time()  # of the wall, on which credentials end; a frozen process's other clocks stand still
    born_s, found = _adapters.get(tenant_id, (0.0, None))
    if found is None or not 0 <= now_s - born_s < USED_S:
        found = AwsAdapters(tenant_id, _environment())
        _adapters[tenant_id] = now_s, found
    return found


def prepare() -> None:
    """Make a function's clients while Lambda starts it, when it has a whole processor and nobody waits."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for service in ("sts", "dynamodb", "sns"):
            client(service)


def tenant_ids() -> Sequence[str]:
    """Every tenant there is, for what sweeps over all of them."""
    from shared.adapters.tenants import stored_tenants

    return stored_tenants(_environment().registry_table, client("dynamodb"))


def memory_adapters(world: MemoryCloud) -> Callable[[str], Adapters]:
    """The twin of `adapters_for`: each tenant's memory adapters in one world, built once."""

    @cache
    def of(tenant_id: str) -> Adapters:
        return MemoryAdapters(tenant_id, world)

    return of
