"""Things' own connections to the broker: who may say what, and what happens when it may not."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from events.simulator.edge import Lane
from events.simulator.mqtt import Fleet, sightings_topic, watch_topic
from infra.local.cloud import LocalCloud
from infra.local.provision import Identity
from tests.integration.conftest import fresh_tenant

WAIT_S = 20.0
ALIVE = {"v": 1, "sent": 1_778_722_200_000, "seq": 1, "s": []}


def fleet_of(cloud: LocalCloud) -> Fleet:
    broker = cloud.broker
    return Fleet(broker.host, broker.port, broker.ca_file, prefix=cloud.prefix)


def join(fleet: Fleet, cloud: LocalCloud, tenant_id: str, count: int = 1) -> list[Identity]:
    """Things of a tenant, connected."""
    papers = list(cloud.things({tenant_id: [f"{tenant_id}-s-{n:03d}" for n in range(count)]}).values())
    for connected in [fleet.connect(tenant_id, p.thing, p.certificate_file, p.key_file) for p in papers]:
        connected.result(WAIT_S)
    return papers


def self_signed(folder: Path, thing: str) -> Identity:
    """Papers that no authority of ours has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    made = Identity(thing, folder / "crt.pem", folder / "key.pem")
    made.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made


def test_many_things_share_one_thread(local_cloud: LocalCloud) -> None:
    before = threading.active_count()
    with fleet_of(local_cloud) as fleet:
        things = join(fleet, local_cloud, fresh_tenant(), 12)
        for acknowledged in [fleet.publish(t.thing, Lane.ORDINARY, ALIVE) for t in things]:
            acknowledged.result(WAIT_S)

        assert threading.active_count() - before <= 1


def test_a_thing_learns_the_watch_list_that_was_there_before_it(local_cloud: LocalCloud) -> None:
    tenant_id, heard, told = fresh_tenant(), list[list[str]](), threading.Event()
    local_cloud.client("iot-data").publish(
        topic=watch_topic(tenant_id), payload=json.dumps({"v": 1, "beacons": ["b1"]}), qos=1, retain=True
    )
    (papers,) = local_cloud.things({tenant_id: [f"{tenant_id}-s-001"]}).values()

    def learn(beacons: list[str]) -> None:
        heard.append(beacons)
        told.set()

    with fleet_of(local_cloud) as fleet:
        fleet.connect(
            tenant_id, papers.thing, papers.certificate_file, papers.key_file, on_watch=learn
        ).result(WAIT_S)

        assert told.wait(WAIT_S)
        assert heard == [["b1"]]


def test_a_thing_may_not_speak_for_another_tenant(local_cloud: LocalCloud) -> None:
    with fleet_of(local_cloud) as fleet:
        (mine,) = join(fleet, local_cloud, fresh_tenant())
        topic = sightings_topic("naru", "naru-s-001", Lane.ORDINARY, local_cloud.prefix)

        with pytest.raises(ConnectionError, match="does not take it"):
            fleet.publish_raw(mine.thing, topic, json.dumps(ALIVE).encode()).result(WAIT_S)


def test_a_thing_with_papers_of_its_own_making_is_not_let_in(local_cloud: LocalCloud, tmp_path: Path) -> None:
    forged = self_signed(tmp_path, "garam-s-001")
    with fleet_of(local_cloud) as fleet, pytest.raises(ConnectionError, match="does not take it"):
        fleet.connect("garam", forged.thing, forged.certificate_file, forged.key_file).result(WAIT_S)


def test_what_a_stopped_fleet_did_not_deliver_is_said(local_cloud: LocalCloud) -> None:
    with fleet_of(local_cloud) as fleet:
        (mine,) = join(fleet, local_cloud, fresh_tenant())
        topic = sightings_topic("naru", "naru-s-001", Lane.ORDINARY, local_cloud.prefix)
        refused = fleet.publish_raw(mine.thing, topic, b"{}")

    assert isinstance(refused.exception(WAIT_S), ConnectionError)
