"""Web push, text messages, calls and mails: what arrives, and what becomes of what does not."""

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import jwt
import pytest
from botocore.stub import Stubber
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.adapters.channels import Mail, Sms, Voice
from shared.adapters.web_push import VapidKeys, WebPush
from shared.domain.places import Contact
from shared.i18n import sentence
from shared.ports import Message
from tests.integration.conftest import MotoCloud

OFFICER = Contact("contact-1", "duty-officer", mobile="+821012345678", email="duty@garam.example")
BODY = {"code": "duty-officer", "case": "case-1", "alert": "case-1.0123456789abcdef"}


def officer(_: str) -> Contact:
    return OFFICER


def nobody(contact_id: str) -> Contact:
    return Contact(contact_id, "")


def message(to: str = "contact-1", status: str = "Actual", kind: str = "operators") -> Message:
    return Message(kind, to, BODY["alert"], status, BODY)


@dataclass
class Browser:
    """A browser and its push service on the loopback. answer: the status every push gets."""

    url: str = ""
    answer: int = 201
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = bytes(range(16))
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def point(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def subscription(self) -> str:
        keys = {"p256dh": _b64(self.point), "auth": _b64(self.auth)}
        return json.dumps({"endpoint": self.url, "keys": keys})

    def opened(self, body: bytes) -> Any:
        """What a browser makes of it: RFC 8291 section 4, RFC 8188 section 2."""
        salt, length = body[:16], body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self.key.exchange(ec.ECDH(), point)
        ikm = _hkdf(self.auth, 32, b"WebPush: info\x00" + self.point + sender, shared)
        cek = _hkdf(salt, 16, b"Content-Encoding: aes128gcm\x00", ikm)
        nonce = _hkdf(salt, 12, b"Content-Encoding: nonce\x00", ikm)
        plain = AESGCM(cek).decrypt(nonce, sealed, None).rstrip(b"\x00")
        assert plain.endswith(b"\x02")  # the last record
        return json.loads(plain[:-1])


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser for as long as the block."""
    here = Browser()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(here.answer)
            self.send_header("Location", "https://push.example/m/receipt-1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    here.url = f"http://127.0.0.1:{server.server_port}/push/1"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def web_push(moto: MotoCloud, tenant_id: str = "garam") -> tuple[WebPush, VapidKeys]:
    secrets = moto.client("secretsmanager")
    made = secrets.create_secret(Name=f"push-{tenant_id}", SecretString="x" * 64)
    keys = VapidKeys(tenant_id, made["ARN"], lambda: secrets)
    return WebPush(keys, "ops@garam.example"), keys


def test_a_browser_opens_what_was_sealed_for_it_and_finds_an_opaque_id(moto_cloud: MotoCloud) -> None:
    with browser() as here:
        delivery = web_push(moto_cloud)[0].send(message(here.subscription()))
        opened = here.opened(here.got[0][1])

    assert (delivery.outcome, delivery.receipt) == ("sent", "/m/receipt-1")
    assert opened == {"id": BODY["alert"], "status": "Actual"}


def test_a_push_service_can_tell_who_sent_it_and_what_it_replaces(moto_cloud: MotoCloud) -> None:
    push, keys = web_push(moto_cloud)
    with browser() as here:
        for _ in range(2):
            push.send(message(here.subscription()))
        first, second = (headers for headers, _ in here.got)
    token = first["authorization"].removeprefix("vapid t=").split(",")[0]
    claims = jwt.decode(token, keys.private().public_key(), ["ES256"], audience="http://127.0.0.1")

    assert claims["sub"] == "mailto:ops@garam.example"
    assert first["authorization"].endswith(f"k={keys.public()}")
    assert (first["content-encoding"], first["urgency"], len(first["topic"])) == ("aes128gcm", "high", 32)
    assert first["topic"] == second["topic"]


def test_each_district_has_a_key_of_its_own_and_the_same_one_tomorrow(moto_cloud: MotoCloud) -> None:
    secrets = moto_cloud.client("secretsmanager")
    arn = secrets.create_secret(Name="push", SecretString="x" * 64)["ARN"]
    keys = [VapidKeys(tenant, arn, lambda: secrets).public() for tenant in ("garam", "garam", "haneul")]

    assert (keys[0] == keys[1], keys[0] == keys[2]) == (True, False)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(404, "endpoint-gone"), (410, "endpoint-gone"), (400, "failed"), (429, "down"), (503, "down")],
)
def test_what_a_push_service_answers_is_what_became_of_it(
    moto_cloud: MotoCloud, answer: int, outcome: str
) -> None:
    with browser() as here:
        here.answer = answer
        delivery = web_push(moto_cloud)[0].send(message(here.subscription()))

    assert (delivery.outcome, delivery.reason) == (outcome, f"http-{answer}")


def test_a_push_service_that_is_not_there_is_down(moto_cloud: MotoCloud) -> None:
    with browser() as here:
        subscription = here.subscription()
    delivery = web_push(moto_cloud)[0].send(message(subscription))

    assert delivery.outcome == "down"


@pytest.mark.parametrize("p256dh", ["B" + "A" * 86, ""])
def test_a_subscription_no_browser_made_is_gone(moto_cloud: MotoCloud, p256dh: str) -> None:
    with browser() as here:
        broken = {"endpoint": here.url, "keys": {"p256dh": p256dh, "auth": "A" * 22}}
        delivery = web_push(moto_cloud)[0].send(message(json.dumps(broken)))

    assert (delivery.outcome, here.got) == ("endpoint-gone", [])


def test_web_push_that_is_not_set_up_is_left_out() -> None:
    keys = VapidKeys("garam", "", lambda: None)

    assert WebPush(keys, "").send(message("{}")).reason == "not-configured"


def test_at_2_1_the_duty_officer_gets_a_text_message_at_the_number_of_now(moto_cloud: MotoCloud) -> None:
    from moto.sns.models import sns_backends  # noqa: PLC0415

    delivery = Sms(officer, moto_cloud.client("sns")).send(message())
    ((number, text),) = sns_backends["123456789012"]["ap-northeast-2"].sms_messages.values()

    assert (delivery.outcome, number, text) == ("sent", OFFICER.mobile, sentence("push.duty-officer", {}))


def test_at_10_2_a_drills_text_message_says_so_first(moto_cloud: MotoCloud) -> None:
    from moto.sns.models import sns_backends  # noqa: PLC0415

    Sms(officer, moto_cloud.client("sns")).send(message(status="Exercise"))
    ((_, text),) = sns_backends["123456789012"]["ap-northeast-2"].sms_messages.values()

    assert text.startswith("[훈련] ")


def test_a_mail_is_sent_from_our_address_and_says_nothing_of_a_child(moto_cloud: MotoCloud) -> None:
    from moto.ses.models import ses_backends  # noqa: PLC0415

    ses = boto3.client("sesv2", region_name="ap-northeast-2")
    ses.create_email_identity(EmailIdentity="case@garam.example")
    delivery = Mail(officer, "case@garam.example", lambda: ses).send(message())
    (sent,) = ses_backends["123456789012"]["ap-northeast-2"].sent_messages

    assert (delivery.outcome, sent.source, sent.destinations["ToAddresses"]) == (
        "sent",
        "case@garam.example",
        [OFFICER.email],
    )


def test_at_2_1_a_call_reads_the_sentence_out_in_korean() -> None:
    client = boto3.client(
        "pinpoint-sms-voice-v2",
        region_name="ap-northeast-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    expected = {
        "DestinationPhoneNumber": OFFICER.mobile,
        "OriginationIdentity": "phone-1",
        "MessageBody": sentence("push.duty-officer", {}),
        "MessageBodyTextType": "TEXT",
        "VoiceId": "SEOYEON",
    }
    with Stubber(client) as service:  # no emulator has it: the request is held against AWS's own model
        service.add_response("send_voice_message", {"MessageId": "call-1"}, expected)
        delivery = Voice(officer, "phone-1", lambda: client).send(message())

    assert (delivery.outcome, delivery.receipt) == ("sent", "call-1")


def test_a_contact_that_was_removed_or_has_no_such_way_is_left_out(moto_cloud: MotoCloud) -> None:
    channels = (
        Sms(nobody, moto_cloud.client("sns")),
        Mail(nobody, "case@garam.example", lambda: None),
        Mail(officer, "", lambda: None),
        Voice(officer, "", lambda: None),
        Voice(nobody, "phone-1", lambda: None),
    )

    assert {channel.send(message()).outcome for channel in channels} == {"withheld"}


def test_at_4_5_no_drill_reaches_a_guardian_by_number_mail_or_browser(moto_cloud: MotoCloud) -> None:
    drill = message(status="Exercise", kind="guardian")
    channels = (
        Sms(officer, moto_cloud.client("sns")),
        Mail(officer, "case@garam.example", lambda: None),
        Voice(officer, "phone-1", lambda: None),
        web_push(moto_cloud)[0],
    )

    assert {channel.send(drill).reason for channel in channels} == {"exercise-wall"}


def _hkdf(salt: bytes, length: int, info: bytes, secret: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
