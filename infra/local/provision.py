"""Give things and people their identity: certificates bound to a tenant's policy, sign-ins with claims.

A thing's private key is made here and never travels: the cloud signs a request. It may connect only as
itself and publish only under its own tenant and name (`infra/policies/thing.json`).
"""

import json
import secrets
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.local.deploy import Place
from infra.local.start import ROOT

PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Broker:
    """Where things connect. ca_file: None trusts this machine's authorities, which know Amazon's."""

    host: str
    port: int
    ca_file: Path | None


@dataclass(frozen=True, slots=True)
class Identity:
    """A thing's papers, as files that an MQTT client takes."""

    thing: str
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signs in. role: a group of the template. facility_id: "" for who belongs to none."""

    username: str
    tenant_id: str
    role: str
    facility_id: str = ""


def broker(place: Place, folder: Path, mqtt_port: int = 8883) -> Broker:
    """The MQTT door of a place. On an emulator its own authority's certificate is put into the folder."""
    if place.is_aws:
        answer = place.client("iot").describe_endpoint(endpointType="iot:Data-ATS")
        return Broker(answer["endpointAddress"], mqtt_port, None)
    ca_file = folder / "ca.pem"
    with urllib.request.urlopen(f"{place.endpoint}/_ministack/iot/ca.pem", timeout=5) as answer:  # noqa: S310  # nosec B310 - the endpoint we deploy to
        ca_file.write_bytes(answer.read())
    return Broker("127.0.0.1", mqtt_port, ca_file)


def provision_things(
    place: Place, things: Mapping[str, Iterable[str]], folder: Path, *, prefix: str = "jikimi"
) -> dict[str, Identity]:
    """Papers for every thing of every tenant, by thing name. Files are readable by their owner only.

    things: tenant id → thing names. A thing that exists gets further papers; its old ones stay valid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    policies = {tenant_id: _policy(place, prefix, tenant_id) for tenant_id in things}
    work = [(thing, policies[tenant_id]) for tenant_id, names in things.items() for thing in names]
    with ThreadPoolExecutor(PARALLEL) as pool:
        made = list(pool.map(lambda each: _thing(place, each[0], each[1], folder), work))
    return {identity.thing: identity for identity in made}


def provision_people(place: Place, user_pool_id: str, people: Iterable[Account]) -> dict[str, str]:
    """A password for every person, by user name; whoever exists gets a new one."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return dict(pool.map(lambda person: _person(place, user_pool_id, person), people))


def sign_in(place: Place, user_pool_id: str, client_id: str, username: str, password: str) -> str:
    """An id token for the HTTP API."""
    answer = place.client("cognito-idp").admin_initiate_auth(
        UserPoolId=user_pool_id,
        ClientId=client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": username, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


def thing_policy(tenant_id: str, *, prefix: str, region: str, account: str) -> str:
    """The policy document of a tenant's things."""
    text = (ROOT / "infra/policies/thing.json").read_text()
    words = {"<tenant>": tenant_id, "<prefix>": prefix, "<region>": region, "<account>": account}
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return json.dumps(json.loads(text), separators=(",", ":"))  # AWS takes 2,048 characters


def _policy(place: Place, prefix: str, tenant_id: str) -> str:
    """The tenant's policy, made if it is not there."""
    iot = place.client("iot")
    name = f"{prefix}-thing-{tenant_id}"
    document = thing_policy(tenant_id, prefix=prefix, region=place.region, account=place.account())
    with suppress(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_policy(policyName=name, policyDocument=document)
    return name


def _thing(place: Place, thing: str, policy: str, folder: Path) -> Identity:
    iot = place.client("iot")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM).decode()
    signed = iot.create_certificate_from_csr(certificateSigningRequest=pem, setAsActive=True)
    iot.create_thing(thingName=thing)
    iot.attach_thing_principal(thingName=thing, principal=signed["certificateArn"])
    iot.attach_policy(policyName=policy, target=signed["certificateArn"])
    identity = Identity(thing, folder / f"{thing}.crt.pem", folder / f"{thing}.key.pem")
    identity.certificate_file.write_text(signed["certificatePem"])
    identity.key_file.touch(mode=0o600)
    identity.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return identity


def _person(place: Place, user_pool_id: str, person: Account) -> tuple[str, str]:
    cognito = place.client("cognito-idp")
    who = {"UserPoolId": user_pool_id, "Username": person.username}
    claims = {"custom:tenant": person.tenant_id, "custom:facility": person.facility_id}
    attributes = [{"Name": name, "Value": value} for name, value in claims.items() if value]
    try:
        cognito.admin_create_user(**who, UserAttributes=attributes, MessageAction="SUPPRESS")
    except cognito.exceptions.UsernameExistsException:
        cognito.admin_update_user_attributes(**who, UserAttributes=attributes)
    password = f"Aa1{secrets.token_urlsafe(15)}"
    cognito.admin_set_user_password(**who, Password=password, Permanent=True)
    cognito.admin_add_user_to_group(**who, GroupName=person.role)
    return person.username, password
