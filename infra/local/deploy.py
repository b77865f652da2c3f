"""Put the stack on AWS or on an emulator: upload, create or update, wait, read the outputs."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.build import Artifacts
from infra.local.start import REGION, CloudFailed, wait_for

STACK = "jikimi"
DEPLOY_DEADLINE_S = 1800.0
Say = Callable[[str], None]


@dataclass(slots=True)
class Place:
    """Where to deploy: AWS with this machine's credentials, or an endpoint with none worth keeping."""

    endpoint: str | None = None
    region: str = REGION
    _clients: dict[str, Any] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str) -> Any:
        """The one client of a service; safe in threads."""
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        attempts = 5 if self.is_aws else 2
        config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, max_pool_connections=16)
        if self.endpoint is None:
            return boto3.client(service, region_name=self.region, config=config)  # type: ignore[call-overload]
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self.region,
            config=config,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 -- the emulator's, which anybody may know
        )

    @property
    def is_aws(self) -> bool:
        return self.endpoint is None

    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])


def deploy(
    place: Place,
    artifacts: Artifacts,
    parameters: Mapping[str, str],
    *,
    stack: str = STACK,
    say: Say = lambda _: None,
) -> dict[str, str]:
    """The stack's outputs once it stands. CloudFailed with the first reasons when it does not."""
    bucket = _upload(place, artifacts, say)
    given = {
        "ArtifactBucket": bucket,
        "ArtifactPrefix": artifacts.prefix,
        "IsAws": str(place.is_aws).lower(),
        "LiveOrigin": _live_origin(place),
        **parameters,
    }
    if not place.is_aws:
        given.setdefault("PushApplicationArn", _push_application(place, given.get("Prefix", "jikimi")))
        given.setdefault("DeletionProtection", "false")
    where = place.endpoint or f"https://s3.{place.region}.amazonaws.com"
    request = {
        "StackName": stack,
        "TemplateURL": f"{where}/{bucket}/{artifacts.prefix}/template.yaml",  # a body may have 51,200 bytes
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    if _create_or_update(place, request):
        _wait(place, stack, say)
    return outputs(place, stack)


def outputs(place: Place, stack: str = STACK) -> dict[str, str]:
    """The outputs of a stack that stands."""
    try:
        found = place.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        raise CloudFailed(f"There is no stack {stack}. Deploy it first: jikimi deploy.") from error
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def _upload(place: Place, artifacts: Artifacts, say: Say) -> str:
    """The bucket that now holds the artifacts; made if it was not there."""
    s3 = place.client("s3")
    bucket = f"jikimi-artifacts-{place.account()}-{place.region}"
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": place.region})
        if place.is_aws:
            s3.put_public_access_block(
                Bucket=bucket,
                PublicAccessBlockConfiguration=dict.fromkeys(
                    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
                    True,
                ),
            )
    for name, content in artifacts.files.items():
        say(f"upload {name} ({len(content) / 1024:.0f} KB)")
        s3.put_object(Bucket=bucket, Key=f"{artifacts.prefix}/{name}", Body=content)
    return bucket


def _live_origin(place: Place) -> str:
    """Where a browser hears the live feed: AWS's own address, or an emulator's name and port."""
    address = place.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    if place.endpoint is None:
        return f"wss://{address}"
    return f"ws://{address.partition(':')[0]}:{urlsplit(place.endpoint).port}"


def _push_application(place: Place, prefix: str) -> str:
    """A platform application that reaches nobody. On AWS it holds a real credential and is made by hand."""
    answer = place.client("sns").create_platform_application(
        Name=prefix, Platform="GCM", Attributes={"PlatformCredential": "none"}
    )
    return str(answer["PlatformApplicationArn"])


def _create_or_update(place: Place, request: dict[str, Any]) -> bool:
    """Whether there is something to wait for."""
    cloudformation = place.client("cloudformation")
    try:
        cloudformation.create_stack(**request, OnFailure="DELETE" if not place.is_aws else "ROLLBACK")
    except cloudformation.exceptions.AlreadyExistsException:
        try:
            cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates" in str(error):
                return False
            raise CloudFailed(f"CloudFormation refuses the update: {error}") from error
    except ClientError as error:
        raise CloudFailed(f"CloudFormation refuses the template: {error}") from error
    return True


def _wait(place: Place, stack: str, say: Say) -> None:
    cloudformation = place.client("cloudformation")
    status, told = "", set[str]()

    def settled() -> bool:
        nonlocal status
        try:
            status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except ClientError:  # a stack that could not be made is deleted
            status = "DELETE_COMPLETE"
        if place.is_aws:
            for event in reversed(cloudformation.describe_stack_events(StackName=stack)["StackEvents"]):
                if event["EventId"] not in told:
                    told.add(event["EventId"])
                    say(f"{event['LogicalResourceId']} {event['ResourceStatus']}")
        return not status.endswith("_IN_PROGRESS")

    every_s = 5.0 if place.is_aws else 0.05
    if not wait_for(settled, DEPLOY_DEADLINE_S, every_s):
        raise CloudFailed(f"The stack {stack} is still {status} after {DEPLOY_DEADLINE_S / 60:.0f} minutes.")
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise CloudFailed(f"The stack {stack} ended as {status}:\n{_reasons(place, stack)}")


def _reasons(place: Place, stack: str) -> str:
    try:
        events = place.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError as error:
        return str(error)
    failed = [each for each in reversed(events) if each["ResourceStatus"].endswith("FAILED")]
    lines = [f"  {each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}" for each in failed[:5]]
    return "\n".join(lines) or "  CloudFormation gives no reason."
