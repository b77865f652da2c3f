"""The worlds adapters are tried in: memory, moto in this process, the local cloud with the real stack.

Tests share the local cloud and stay apart by tenant: every test takes a tenant nobody else has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from infra.local.cloud import LocalCloud
from infra.local.cloud import local_cloud as start_local_cloud
from shared.adapters import wiring
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.session import Session
from shared.adapters.wiring import Adapters, AwsAdapters, Environment, memory_adapters
from tests.iam import Guarded
from tests.template import table_definition

START = datetime(2026, 5, 5, 10, 0, tzinfo=UTC)
TABLES = ("RegistryTable", "TrackingTable", "CasesTable")
ALL_TABLES = (*TABLES, "KeysTable")


def fresh_tenant() -> str:
    """A tenant nobody else has."""
    return f"t{uuid4().hex[:12]}"


@dataclass
class World:
    """One place adapters live in. adapters_for: as `shared.adapters.wiring.adapters_for`."""

    name: str
    adapters_for: Callable[[str], Adapters]
    tenant: Callable[[], str] = fresh_tenant


@dataclass
class MotoCloud:
    """moto in this process, with the template's tables. environment: what the template tells a function."""

    environment: Environment
    client: Callable[[str], Any]


class GuardedSession(Session):
    """A tenant's session as AWS would hold it: requests that no function's role allows are refused."""

    def client(self, service: str) -> Any:
        found = super().client(service)
        return Guarded(found, self._tags) if service == "dynamodb" else found


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[LocalCloud]:
    """The stack on one local cloud for all tests."""
    with start_local_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def _moto_clients() -> Callable[[str], Any]:
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(service, region_name="ap-northeast-2")
        return made[service]

    return client


@pytest.fixture
def moto_cloud(_moto_clients: Callable[[str], Any]) -> Iterator[MotoCloud]:
    """Empty tables under moto, for one test."""
    with mock_aws():
        for name in ALL_TABLES:
            _moto_clients("dynamodb").create_table(TableName=name, **table_definition(name))
        topic = _moto_clients("sns").create_topic(Name="operators")["TopicArn"]
        secret = _moto_clients("secretsmanager").create_secret(Name="police", SecretString="not-secret")
        application = _moto_clients("sns").create_platform_application(
            Name="push", Platform="GCM", Attributes={"PlatformCredential": "none"}
        )
        environment = Environment(
            *TABLES,
            state_machine_arn="",
            operators_topic_arn=topic,
            push_application_arn=application["PlatformApplicationArn"],
            police_secret_arn=secret["ARN"],
            clock="",
            keys_table="KeysTable",
            key_arn=_moto_clients("kms").create_key()["KeyMetadata"]["Arn"],
            audit_bucket="audit",
        )
        _moto_clients("s3").create_bucket(
            Bucket="audit",
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"},
        )
        yield MotoCloud(environment, _moto_clients)


@pytest.fixture(params=["memory", "moto", "emulator"])
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """Each world in turn: one contract suite over every adapter and its twin."""
    if request.param == "memory":
        return World("memory", memory_adapters(MemoryCloud(clock=ManualClock(START))))
    if request.param == "moto":
        moto: MotoCloud = request.getfixturevalue("moto_cloud")
        environment, client = moto.environment, moto.client
        monkeypatch.setattr(wiring, "Session", GuardedSession)
    else:
        local: LocalCloud = request.getfixturevalue("local_cloud")
        environment, client = environment_of(local), local.client
    monkeypatch.setattr(wiring, "client", client)
    return World(request.param, lambda tenant_id: AwsAdapters(tenant_id, environment))


def environment_of(cloud: LocalCloud) -> Environment:
    """What the template tells a function, read back from one."""
    function = cloud.client("lambda").get_function_configuration(FunctionName=cloud.outputs["ApiFunction"])
    told = function["Environment"]["Variables"]
    return Environment(
        registry_table=told["JIKIMI_REGISTRY_TABLE"],
        tracking_table=told["JIKIMI_TRACKING_TABLE"],
        cases_table=told["JIKIMI_CASES_TABLE"],
        state_machine_arn=told["JIKIMI_STATE_MACHINE_ARN"],
        operators_topic_arn=told["JIKIMI_OPERATORS_TOPIC_ARN"],
        push_application_arn=told["JIKIMI_PUSH_APPLICATION_ARN"],
        police_secret_arn=told["JIKIMI_POLICE_SECRET_ARN"],
        clock=told["JIKIMI_CLOCK"],
        keys_table=told["JIKIMI_KEYS_TABLE"],
        key_arn=told["JIKIMI_KEY_ARN"],
        audit_bucket=cloud.outputs["AuditBucketName"],
    )
