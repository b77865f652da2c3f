"""What the local cloud cannot do (infra/local/EMULATOR.md): each test asks for what AWS does and fails.

One that passes is good news: the emulator learned it, and the line in EMULATOR.md can go.
"""

import json
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.cloud import LocalCloud
from infra.local.start import REGION, wait_for
from tests.integration.conftest import fresh_tenant
from tests.integration.test_local_cloud import TRUST, Device, sightings

gap = pytest.mark.xfail(strict=True, reason="the emulator differs from AWS: infra/local/EMULATOR.md")


def role(cloud: LocalCloud, *statements: dict[str, Any]) -> str:
    """A new role with these rights."""
    iam, name = cloud.client("iam"), fresh_tenant()
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
    return str(arn)


def session(cloud: LocalCloud, *statements: dict[str, Any]) -> Any:
    """DynamoDB as somebody with these rights."""
    iam, name = cloud.client("iam"), fresh_tenant()
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        "dynamodb",
        region_name=REGION,
        endpoint_url=cloud.place.endpoint,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


@gap
def test_a_device_without_a_certificate_is_turned_away(local_cloud: LocalCloud) -> None:
    tenant = fresh_tenant()
    with Device(local_cloud, f"{tenant}-s-001", None) as nobody:
        assert nobody.publish(sightings(tenant, f"{tenant}-s-001")) != "Success"


@gap
def test_a_table_forgets_as_the_template_says(local_cloud: LocalCloud) -> None:
    table = local_cloud.outputs["TrackingTable"]
    told = local_cloud.client("dynamodb").describe_time_to_live(TableName=table)["TimeToLiveDescription"]

    assert told["TimeToLiveStatus"] == "ENABLED"


@gap
def test_a_table_can_be_restored_as_the_template_says(local_cloud: LocalCloud) -> None:
    table = local_cloud.outputs["CasesTable"]
    told = local_cloud.client("dynamodb").describe_continuous_backups(TableName=table)

    recovery = told["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


@gap
def test_a_session_stays_in_its_partition(local_cloud: LocalCloud) -> None:
    mine = session(
        local_cloud,
        {
            "Effect": "Allow",
            "Action": "dynamodb:GetItem",
            "Resource": "*",
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["mine#*"]}},
        },
    )

    with pytest.raises(ClientError, match="AccessDenied"):
        mine.get_item(
            TableName=local_cloud.outputs["CasesTable"],
            Key={"pk": {"S": "yours#case#1"}, "sk": {"S": "head"}},
        )


@gap
def test_a_batch_needs_the_partiql_actions(local_cloud: LocalCloud) -> None:
    rights = {"Effect": "Allow", "Action": ["dynamodb:PartiQLInsert"], "Resource": "*"}
    table = local_cloud.outputs["TrackingTable"]

    session(local_cloud, rights).batch_execute_statement(
        Statements=[{"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': '{fresh_tenant()}#x', 'sk': 'x'}}"}]
    )


@gap
def test_a_rule_cannot_write_to_a_queue_its_role_may_not(local_cloud: LocalCloud) -> None:
    sqs, name = local_cloud.client("sqs"), fresh_tenant()
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    nothing = role(local_cloud, {"Effect": "Deny", "Action": "*", "Resource": "*"})
    local_cloud.client("iot").create_topic_rule(
        ruleName=name,
        topicRulePayload={
            "sql": f"SELECT * FROM '{name}'",  # noqa: S608 -- a name of our own
            "actions": [{"sqs": {"roleArn": nothing, "queueUrl": queue, "useBase64": False}}],
        },
    )
    local_cloud.client("iot-data").publish(topic=name, qos=1, payload=b"{}")

    assert not wait_for(lambda: "Messages" in sqs.receive_message(QueueUrl=queue), 2)


@gap
def test_a_failure_is_caught_by_its_name(local_cloud: LocalCloud) -> None:
    archive = BytesIO()
    with ZipFile(archive, "w") as files:
        files.writestr(
            "fails.py", "class Wrong(Exception): ...\ndef always(event, context):\n    raise Wrong\n"
        )
    function = local_cloud.client("lambda").create_function(
        FunctionName=fresh_tenant(),
        Runtime="python3.13",
        Role=role(local_cloud, {"Effect": "Deny", "Action": "*", "Resource": "*"}),
        Handler="fails.always",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    step_functions = local_cloud.client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function},
        "Catch": [{"ErrorEquals": ["Wrong"], "Next": "Caught"}],
        "End": True,
    }
    machine = step_functions.create_state_machine(
        name=fresh_tenant(),
        roleArn=role(local_cloud, {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}),
        definition=json.dumps({"StartAt": "Fail", "States": {"Fail": task, "Caught": {"Type": "Succeed"}}}),
    )["stateMachineArn"]
    run = step_functions.start_execution(stateMachineArn=machine)["executionArn"]
    status = lambda: step_functions.describe_execution(executionArn=run)["status"]  # noqa: E731
    wait_for(lambda: status() != "RUNNING", 30)

    assert status() == "SUCCEEDED"


@gap
def test_a_stage_throttles(local_cloud: LocalCloud) -> None:
    gateway, api = local_cloud.client("apigatewayv2"), local_cloud.outputs["ApiId"]
    settings = gateway.get_stage(ApiId=api, StageName="$default")

    assert settings["DefaultRouteSettings"]["ThrottlingRateLimit"] == 100


@gap
def test_a_disabled_endpoint_refuses(local_cloud: LocalCloud) -> None:
    sns = local_cloud.client("sns")
    application = sns.list_platform_applications()["PlatformApplications"][0]["PlatformApplicationArn"]
    phone = sns.create_platform_endpoint(PlatformApplicationArn=application, Token=fresh_tenant())[
        "EndpointArn"
    ]
    sns.set_endpoint_attributes(EndpointArn=phone, Attributes={"Enabled": "false"})

    with pytest.raises(sns.exceptions.EndpointDisabledException):
        sns.publish(TargetArn=phone, Message="hello")
