"""Channels on moto and on a loopback desk: what arrives, and what becomes of what does not."""

import json

import pytest

from shared.adapters.channels import PoliceWebhook, SnsOperators, SnsPush
from shared.ports import Message
from tests.integration.conftest import MotoCloud
from tests.police import SECRET, police_desk

PUSH = {"code": "case-opened", "case": "case-1"}


def endpoint(moto: MotoCloud, token: str) -> str:
    sns = moto.client("sns")
    application = moto.environment.push_application_arn
    arn: str = sns.create_platform_endpoint(PlatformApplicationArn=application, Token=token)["EndpointArn"]
    return arn


def test_a_push_reaches_its_endpoint_as_an_opaque_id(moto_cloud: MotoCloud) -> None:
    arn = endpoint(moto_cloud, "token-1")
    delivery = SnsPush("garam", moto_cloud.client("sns")).send(Message("push", arn, "k", "Actual", PUSH))
    from moto.sns.models import sns_backends  # noqa: PLC0415

    stored = sns_backends["123456789012"]["ap-northeast-2"].platform_endpoints[arn].messages
    (sent,) = stored.values()
    apns = json.loads(json.loads(sent)["APNS"])["jikimi"]

    assert (delivery.outcome, apns) == ("sent", {**PUSH, "status": "Actual"})


def test_a_disabled_endpoint_is_gone(moto_cloud: MotoCloud) -> None:
    arn = endpoint(moto_cloud, "token-1")
    moto_cloud.client("sns").set_endpoint_attributes(EndpointArn=arn, Attributes={"Enabled": "false"})
    delivery = SnsPush("garam", moto_cloud.client("sns")).send(Message("push", arn, "k", "Actual", PUSH))

    assert delivery.outcome == "endpoint-gone"


def test_an_endpoint_that_never_was_is_gone(moto_cloud: MotoCloud) -> None:
    arn = endpoint(moto_cloud, "token-1")
    moto_cloud.client("sns").delete_endpoint(EndpointArn=arn)
    delivery = SnsPush("garam", moto_cloud.client("sns")).send(Message("push", arn, "k", "Actual", PUSH))

    assert delivery.outcome == "endpoint-gone"


def test_a_topic_that_is_missing_is_a_failure_and_no_error(moto_cloud: MotoCloud) -> None:
    topic = moto_cloud.environment.operators_topic_arn + "-gone"
    message = Message("operators", "garam", "k", "Actual", PUSH)

    assert SnsOperators("garam", topic, moto_cloud.client("sns")).send(message).outcome != "sent"


def webhook(moto: MotoCloud, tenant_id: str = "garam") -> PoliceWebhook:
    secrets = moto.client("secretsmanager")
    secrets.put_secret_value(SecretId=moto.environment.police_secret_arn, SecretString=SECRET.decode())
    return PoliceWebhook(tenant_id, moto.environment.police_secret_arn, secrets)


def test_the_police_get_a_signed_record_and_give_a_receipt(moto_cloud: MotoCloud) -> None:
    with police_desk() as desk:
        message = Message("police", desk.url, "case-1:v1", "Actual", {"subject": {"name": "김하나"}})
        delivery = webhook(moto_cloud).send(message)

    assert (delivery.outcome, delivery.receipt, desk.seen) == (
        "sent",
        "112-0001",
        {"case-1:v1": {"subject": {"name": "김하나"}}},
    )


def test_another_tenants_signature_does_not_open_the_desk(moto_cloud: MotoCloud) -> None:
    with police_desk() as desk:
        delivery = webhook(moto_cloud, "haneul").send(Message("police", desk.url, "k", "Actual", {}))

    assert (delivery.reason, desk.forged) == ("http-401", 1)


def test_at_4_5_an_exercise_never_opens_a_connection_to_the_police(moto_cloud: MotoCloud) -> None:
    with police_desk() as desk:
        delivery = webhook(moto_cloud).send(Message("police", desk.url, "k", "Exercise", {}))

    assert (delivery.outcome, desk.arrived) == ("withheld", [])


@pytest.mark.parametrize("answer", [500, 503, 302, 404])
def test_a_desk_that_does_not_take_the_record_is_a_failure(moto_cloud: MotoCloud, answer: int) -> None:
    with police_desk() as desk:
        desk.answer = answer
        delivery = webhook(moto_cloud).send(Message("police", desk.url, "k", "Actual", {}))

    assert (delivery.outcome, delivery.reason) == ("failed", f"http-{answer}")


def test_a_desk_that_is_not_there_is_a_failure(moto_cloud: MotoCloud) -> None:
    with police_desk() as desk:
        url = desk.url
    delivery = webhook(moto_cloud).send(Message("police", url, "k", "Actual", {}))

    assert delivery.outcome == "failed"


@pytest.mark.parametrize("url", ["http://police.example/", "ftp://police.example/", "file:///etc/hosts", ""])
def test_nothing_is_handed_over_in_the_clear(moto_cloud: MotoCloud, url: str) -> None:
    delivery = webhook(moto_cloud).send(Message("police", url, "k", "Actual", {}))

    assert delivery.reason == "address-not-https"
