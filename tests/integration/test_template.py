"""The template against the code: what one names, the other has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from functions.api.access import LINKED, PUBLIC, Role
from infra.local.build import function_names
from infra.local.provision import thing_policy
from tests.template import ROOT, resources, template

FUNCTIONS = resources("AWS::Lambda::Function")
QUEUES = resources("AWS::SQS::Queue")
ALARMS = resources("AWS::CloudWatch::Alarm")
ANY_RESOURCE = {  # actions that know no resource, by AWS's service authorization reference
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "iot:DescribeEndpoint",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}


def statements() -> list[tuple[str, dict[str, Any]]]:
    """(role, statement), of every role."""
    return [
        (name, statement)
        for name, role in resources("AWS::IAM::Role").items()
        for policy in role["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def sources() -> str:
    """All the code that runs in functions."""
    return "\n".join(
        path.read_text() for room in ("functions", "shared") for path in (ROOT / room).rglob("*.py")
    )


def test_cfn_lint_finds_neither_error_nor_warning() -> None:
    found = lint((ROOT / "infra/template.yaml").read_text(), config=ManualArgs(regions=["ap-northeast-2"]))

    assert [f"{each.rule.id} {each.message}" for each in found] == []


def test_every_function_folder_is_deployed_and_nothing_else_is() -> None:
    handlers = {each["Properties"]["Handler"] for each in FUNCTIONS.values()}

    assert handlers == {f"functions.{name}.handler.lambda_handler" for name in function_names()}


@pytest.mark.parametrize("name", function_names())
def test_a_functions_handler_is_where_the_template_looks(name: str) -> None:
    handler = (ROOT / "functions" / name / "handler.py").read_text()

    assert re.search(r"^(def )?lambda_handler\b", handler, re.MULTILINE)


def test_every_variable_the_code_reads_is_set_and_every_one_set_is_read() -> None:
    told = {name for each in FUNCTIONS.values() for name in each["Properties"]["Environment"]["Variables"]}
    read = set(re.findall(r"\bJIKIMI_[A-Z_]+\b", sources()))

    assert {name for name in told if name.startswith("JIKIMI_")} == read


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_role_of_its_own_and_a_log_that_ends(function: str) -> None:
    properties = FUNCTIONS[function]["Properties"]

    assert (properties["Role"], properties["LoggingConfig"]["LogGroup"]) == (
        {"Fn::GetAtt": [f"{function}Role", "Arn"]},
        {"Ref": f"{function}Log"},
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_on_arm_with_the_layer_and_has_an_alarm_for_its_errors(function: str) -> None:
    properties = FUNCTIONS[function]["Properties"]
    watched = ALARMS[f"{function}Errors"]["Properties"]["Dimensions"][0]["Value"]

    assert (properties["Runtime"], properties["Architectures"], properties["Layers"], watched) == (
        "python3.13",
        ["arm64"],
        [{"Ref": "Layer"}],
        {"Ref": function},
    )


@pytest.mark.parametrize("log", resources("AWS::Logs::LogGroup"))
def test_a_log_group_ends_what_it_keeps(log: str) -> None:
    assert "RetentionInDays" in template()["Resources"][log]["Properties"]


def test_the_keys_have_no_backup_so_that_what_is_shredded_stays_shredded() -> None:
    keys = template()["Resources"]["KeysTable"]["Properties"]

    assert keys["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}
    assert keys["SSESpecification"]["KMSMasterKeyId"] == {"Ref": "Key"}
    assert keys["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}


@pytest.mark.parametrize("name", sorted(set(resources("AWS::DynamoDB::Table")) - {"KeysTable"}))
def test_a_table_can_be_restored_is_encrypted_forgets_and_refuses_to_be_deleted(name: str) -> None:
    table = template()["Resources"][name]
    properties = table["Properties"]

    assert (
        properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        properties["SSESpecification"]["KMSMasterKeyId"],
        properties["TimeToLiveSpecification"],
        properties["DeletionProtectionEnabled"],
        properties["BillingMode"],
        table["DeletionPolicy"],
    ) == (
        True,
        {"Ref": "Key"},
        {"AttributeName": "ttl", "Enabled": True},
        {"Ref": "DeletionProtection"},
        "PAY_PER_REQUEST",
        "Retain",
    )


def dead_letters() -> set[str]:
    """Queues where something ends: what a queue gives up on, and what a rule cannot hand over."""
    ends = {
        each["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for each in QUEUES.values()
        if "RedrivePolicy" in each["Properties"]
    }
    rules = resources("AWS::IoT::TopicRule").values()
    return ends | {
        each["Properties"]["TopicRulePayload"]["ErrorAction"]["Sqs"]["QueueUrl"]["Ref"] for each in rules
    }


def test_every_queue_gives_up_into_another_or_is_where_things_end() -> None:
    assert {
        name for name, each in QUEUES.items() if "RedrivePolicy" not in each["Properties"]
    } == dead_letters()


@pytest.mark.parametrize("name", sorted(dead_letters()))
def test_a_queue_where_things_end_has_an_alarm_and_keeps_them_two_weeks(name: str) -> None:
    watched = ALARMS[f"{name}Depth"]["Properties"]["Dimensions"][0]["Value"]

    assert (watched, QUEUES[name]["Properties"]["MessageRetentionPeriod"]) == (
        {"Fn::GetAtt": [name, "QueueName"]},
        14 * 24 * 3600,
    )


@pytest.mark.parametrize("mapping", resources("AWS::Lambda::EventSourceMapping"))
def test_a_mapping_reports_single_failures_and_its_queue_waits_six_timeouts(mapping: str) -> None:
    properties = template()["Resources"][mapping]["Properties"]
    queue = QUEUES[properties["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
    function = FUNCTIONS[properties["FunctionName"]["Ref"]]["Properties"]

    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]


def test_both_lanes_say_the_same_and_tell_where_errors_go() -> None:
    ordinary, urgent = (
        template()["Resources"][name]["Properties"]["TopicRulePayload"]
        for name in ("OrdinaryRule", "UrgentRule")
    )

    assert (ordinary["Sql"], ordinary["ErrorAction"]) == (urgent["Sql"], urgent["ErrorAction"])


def test_no_role_may_do_whatever_it_likes() -> None:
    wild = [(role, action) for role, each in statements() for action in each["Action"] if "*" in action]

    assert wild == []


def test_a_role_names_its_resources_except_where_none_can_be_named() -> None:
    broad = {action for _, each in statements() if each.get("Resource") == "*" for action in each["Action"]}

    assert broad == ANY_RESOURCE


def test_every_alarm_tells_somebody() -> None:
    silent = [
        name
        for name, each in ALARMS.items()
        if each["Properties"]["AlarmActions"] != [{"Ref": "AlarmsTopic"}]
    ]

    assert silent == []


def test_every_alarm_has_its_entry_in_the_runbook_and_no_entry_is_left_over() -> None:
    runbook = (ROOT / "infra/runbook.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^## (\w+)$", runbook, re.M)) == {*ALARMS, "Unwell"}


def test_one_alarm_stands_for_all() -> None:
    rule = template()["Resources"]["Unwell"]["Properties"]["AlarmRule"]["Fn::Sub"]

    assert set(re.findall(r"\$\{(\w+)\}", rule)) == set(ALARMS)


def test_nobody_gets_in_without_a_token_except_where_the_code_says_so() -> None:
    routes = [each["Properties"] for each in resources("AWS::ApiGatewayV2::Route").values()]
    public = {each["RouteKey"] for each in routes if each["AuthorizationType"] == "NONE"}

    by_link = {f"ANY /{route.split('/')[1]}/{route.split('/')[2]}/{{proxy+}}" for route in LINKED}
    assert {route for route in public if " /v1/" in route} == PUBLIC | by_link


def test_there_is_a_group_for_every_role() -> None:
    groups = {each["Properties"]["GroupName"] for each in resources("AWS::Cognito::UserPoolGroup").values()}

    assert groups == {role.value for role in Role}


def test_nobody_can_move_themselves_to_another_tenant() -> None:
    client = template()["Resources"]["PeopleClient"]["Properties"]

    assert [name for name in client["WriteAttributes"] if name.startswith("custom:")] == []


def test_the_state_machine_is_told_every_name_it_uses_and_no_other() -> None:
    definition = (ROOT / "infra/statemachine/missing_child.asl.json").read_text()
    told = template()["Resources"]["MissingChild"]["Properties"]["DefinitionSubstitutions"]

    assert set(re.findall(r"\$\{(\w+)\}", definition)) == set(told)


def test_a_thing_speaks_only_as_itself_in_its_own_tenant() -> None:
    policy = json.loads(
        thing_policy("garam", prefix="jikimi", region="ap-northeast-2", account="000000000000")
    )
    me = "${iot:Connection.Thing.ThingName}"
    allowed = {(each["Action"], name) for each in policy["Statement"] for name in _listed(each["Resource"])}
    iot = "arn:aws:iot:ap-northeast-2:000000000000:"

    assert allowed == {
        ("iot:Connect", f"{iot}client/{me}"),
        ("iot:Publish", f"{iot}topic/$aws/rules/jikimi_ordinary/dt/jikimi/garam/{me}/sightings"),
        ("iot:Publish", f"{iot}topic/$aws/rules/jikimi_urgent/dt/jikimi/garam/{me}/sightings"),
        ("iot:Subscribe", f"{iot}topicfilter/cmd/jikimi/garam/watch"),
        ("iot:Receive", f"{iot}topic/cmd/jikimi/garam/watch"),
    }


def test_a_thing_policy_is_as_short_as_aws_wants_it() -> None:
    longest = thing_policy("x" * 40, prefix="y" * 21, region="ap-northeast-2", account="000000000000")

    assert len(longest) <= 2048


def test_the_lock_file_names_no_registry() -> None:
    lock = Path(ROOT / "requirements.lock").read_text()

    assert re.findall(r"(?i)https?://|--index|--find-links|file:", lock) == []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
