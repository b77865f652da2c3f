"""Which adapter stands behind each port, for one tenant. The one place that reads the environment.

Everything is built on first use, so a function pays only for what it touches.
"""
# ruff: noqa: PLC0415 - imports wait for first use: that is what this file is for

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

from shared.adapters.clock import clock_from
from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import client
from shared.ports import (
    AccessLog,
    Answers,
    Cases,
    Channel,
    Clock,
    Devices,
    Live,
    Outings,
    Registry,
    Shares,
    Tracking,
    WatchList,
    Workflow,
)


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
        )


class Adapters(Protocol):
    """Every port, bound to one tenant."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def outings(self) -> Outings: ...
    @property
    def tracking(self) -> Tracking: ...
    @property
    def watch_list(self) -> WatchList: ...
    @property
    def cases(self) -> Cases: ...
    @property
    def shares(self) -> Shares: ...
    @property
    def workflow(self) -> Workflow: ...
    @property
    def push(self) -> Channel: ...
    @property
    def operators(self) -> Channel: ...
    @property
    def police(self) -> Channel: ...
    @property
    def live(self) -> Live: ...
    @property
    def access_log(self) -> AccessLog: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def devices(self) -> Devices: ...


class AwsAdapters:
    """The ports on AWS, or on whatever `AWS_ENDPOINT_URL` points at."""

    def __init__(self, tenant_id: str, environment: Environment) -> None:
        if not tenant_id:
            raise ValueError("adapters are born for a tenant")
        self.tenant_id = tenant_id
        self._environment = environment

    @cached_property
    def clock(self) -> Clock:
        return clock_from(self._environment.clock)

    @cached_property
    def registry(self) -> Registry:
        from shared.adapters.registry import DynamoRegistry

        return DynamoRegistry(self.tenant_id, self._environment.registry_table, client("dynamodb"))

    @cached_property
    def outings(self) -> Outings:
        from shared.adapters.outings import DynamoOutings

        return DynamoOutings(self.tenant_id, self._environment.registry_table, client("dynamodb"))

    @cached_property
    def tracking(self) -> Tracking:
        from shared.adapters.tracking import DynamoTracking

        return DynamoTracking(self.tenant_id, self._environment.tracking_table, client("dynamodb"))

    @cached_property
    def watch_list(self) -> WatchList:
        from shared.adapters.watch_list import DynamoWatchList

        table = self._environment.tracking_table
        return DynamoWatchList(self.tenant_id, table, client("dynamodb"), lambda: client("iot-data"))

    @cached_property
    def cases(self) -> Cases:
        from shared.adapters.cases import DynamoCases

        return DynamoCases(self.tenant_id, self._environment.cases_table, client("dynamodb"))

    @cached_property
    def shares(self) -> Shares:
        from shared.adapters.shares import DynamoShares

        return DynamoShares(self.tenant_id, self._environment.cases_table, client("dynamodb"))

    @cached_property
    def workflow(self) -> Workflow:
        from shared.adapters.workflow import StepFunctionsWorkflow

        return StepFunctionsWorkflow(
            self.tenant_id,
            self._environment.cases_table,
            client("dynamodb"),
            self._environment.state_machine_arn,
            client("stepfunctions"),
        )

    @cached_property
    def push(self) -> Channel:
        from shared.adapters.channels import SnsPush

        return SnsPush(self.tenant_id, client("sns"))

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

        return DynamoAccessLog(self.tenant_id, self._environment.cases_table, client("dynamodb"))

    @cached_property
    def answers(self) -> Answers:
        from shared.adapters.answers import DynamoAnswers

        return DynamoAnswers(self.tenant_id, self._environment.cases_table, client("dynamodb"))

    @cached_property
    def devices(self) -> Devices:
        from shared.adapters.devices import SnsDevices

        return SnsDevices(self._environment.push_application_arn, client("sns"))


class MemoryAdapters:
    """The ports' memory twins in one world."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self.tenant_id = tenant_id
        self.clock: Clock = world.clock
        self._world = world

    @cached_property
    def registry(self) -> Registry:
        from shared.adapters.registry import MemoryRegistry

        return MemoryRegistry(self.tenant_id, self._world)

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
    def shares(self) -> Shares:
        from shared.adapters.shares import MemoryShares

        return MemoryShares(self.tenant_id, self._world)

    @cached_property
    def workflow(self) -> Workflow:
        from shared.adapters.workflow import MemoryWorkflow

        return MemoryWorkflow(self.tenant_id, self._world)

    @cached_property
    def push(self) -> Channel:
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
    def answers(self) -> Answers:
        from shared.adapters.answers import MemoryAnswers

        return MemoryAnswers(self.tenant_id, self._world)

    @cached_property
    def devices(self) -> Devices:
        from shared.adapters.devices import MemoryDevices

        return MemoryDevices(self.tenant_id, self._world)


@cache
def _environment() -> Environment:
    return Environment.read()


@cache
def adapters_for(tenant_id: str) -> Adapters:
    """The tenant's adapters in this process, built once."""
    return AwsAdapters(tenant_id, _environment())


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
