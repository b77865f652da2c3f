"""The local cloud as a guest on a machine: loopback only, and nothing left behind, however it ends."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import paho.mqtt.client as mqtt
import pytest
import urllib3

from infra.local.build import build
from infra.local.cloud import LocalCloud
from infra.local.deploy import Place, deploy
from infra.local.provision import Account, Identity
from infra.local.start import ROOT, Running, Server, _lives, end, remember, running, sweep, wait_for
from tests.integration.conftest import fresh_tenant

GONE_S = 15.0
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
PARENT = """
import sys, time
from infra.local.start import Server
server = Server()
print(server.process.pid, server.directory, server.endpoint, flush=True)
time.sleep(600)
"""


def exists(pid: int) -> bool:
    """Whether a process lives; a dead one nobody has collected yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def worker_of(endpoint: str) -> int:
    """Make a function and call it: the process that ran it."""
    archive = BytesIO()
    with ZipFile(archive, "w") as files:
        files.writestr(
            "where.py", "import os\ndef am_i(event, context):\n    print()\n    return os.getpid()\n"
        )
    place = Place(endpoint)
    functions = place.client("lambda")
    functions.create_function(
        FunctionName="where",
        Runtime="python3.13",
        Role=place.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"],
        Handler="where.am_i",
        Code={"ZipFile": archive.getvalue()},
    )
    return int(json.load(functions.invoke(FunctionName="where")["Payload"]))


@pytest.fixture
def parent() -> Iterator[tuple[subprocess.Popen[str], int, Path, str]]:
    """A process that holds a local cloud: itself, the server's pid, its directory, its endpoint."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid, directory, endpoint = process.stdout.readline().split()
        yield process, int(pid), Path(directory), endpoint
        process.kill()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_it_listens_on_the_loopback_interface_only(local_cloud: LocalCloud) -> None:
    ports = {local_cloud.mqtt_port, int(str(local_cloud.place.endpoint).rpartition(":")[2])}
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [fields[1].split(":") for fields in sockets if fields[3] == "0A"]

    assert {address for address, port in listening if int(port, 16) in ports} == {"0100007F"}


def test_it_leaves_no_process_and_no_file() -> None:
    with Server() as server:
        pids = [server.process.pid, worker_of(server.endpoint)]
        directory = server.directory

    assert (wait_for(lambda: not any(map(exists, pids)), GONE_S), directory.exists()) == (True, False)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_dies_with_the_process_that_started_it(
    parent: tuple[subprocess.Popen[str], int, Path, str], how: signal.Signals
) -> None:
    process, pid, directory, endpoint = parent
    pids = [pid, worker_of(endpoint)]

    process.send_signal(how)

    assert wait_for(lambda: not any(map(exists, pids)) and not directory.exists(), GONE_S)


def test_a_kept_cloud_outlives_its_parent_until_it_is_ended(tmp_path: Path) -> None:
    code = PARENT.replace("time.sleep(600)", "server.keep()").replace(
        "\nprint", "\nprint(server.mqtt_port, end=' ');print"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    port, pid, directory, endpoint = told.stdout.split()
    remember(Running(int(pid), directory, endpoint, int(port), {}), tmp_path)
    known = running(tmp_path)
    assert known is not None

    end(known, tmp_path)

    assert (exists(int(pid)), Path(directory).exists(), running(tmp_path)) == (False, False, None)


def test_what_a_killed_cloud_left_is_swept_and_what_lives_is_not() -> None:
    with Server() as alive, Server() as victim:
        victim.process.kill()
        victim.process.wait()
        for directory in (alive.directory, victim.directory):
            os.utime(directory, (0, 0))

        sweep()

        assert (_lives(alive.directory), victim.directory.exists()) == (True, False)


def test_the_same_sources_build_the_same_bytes() -> None:
    assert build("local").prefix == build("local").prefix


def test_deploying_what_stands_changes_nothing(local_cloud: LocalCloud) -> None:
    again = deploy(local_cloud.place, build("local"), {"SimulatedClock": ""})

    assert again == local_cloud.outputs


def answer(url: str, token: str = "") -> int:
    """The status a GET is answered with."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return int(urllib3.request("GET", url, headers=headers, retries=False, timeout=30).status)


def test_the_api_describes_itself_to_everybody(local_cloud: LocalCloud) -> None:
    assert answer(f"{local_cloud.api_url}/v1/openapi.json") == 200


@pytest.mark.parametrize("token", ["", "not.a.token"])
def test_the_api_knows_nobody_without_a_token(local_cloud: LocalCloud, token: str) -> None:
    assert answer(f"{local_cloud.api_url}/v1/cases", token) == 401


def test_a_person_signs_in_with_tenant_role_and_facility(local_cloud: LocalCloud) -> None:
    tenant_id = fresh_tenant()
    local_cloud.people([Account(f"kim-{tenant_id}", tenant_id, "teacher", "haetsal")])
    user = local_cloud.client("cognito-idp").admin_get_user(
        UserPoolId=local_cloud.outputs["UserPoolId"], Username=f"kim-{tenant_id}"
    )
    claims = {each["Name"]: each["Value"] for each in user["UserAttributes"]}

    assert (claims["custom:tenant"], claims["custom:facility"]) == (tenant_id, "haetsal")
    assert local_cloud.token(f"kim-{tenant_id}").count(".") == 2


class Device:
    """A thing at the MQTT door."""

    def __init__(self, cloud: LocalCloud, client_id: str, identity: Identity | None) -> None:
        self.heard: list[bytes] = []
        self.answered = threading.Event()
        self.reasons: list[str] = []
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
        )
        context = ssl.create_default_context(cafile=str(cloud.broker.ca_file))
        if identity is not None:
            context.load_cert_chain(identity.certificate_file, identity.key_file)
        self._client.tls_set_context(context)
        self._client.on_connect = lambda _c, _u, _f, reason, _p: self._note(str(reason))
        self._client.on_publish = lambda _c, _u, _m, reason, _p: self._note(str(reason))
        self._client.on_subscribe = lambda _c, _u, _m, reasons, _p: self._note(str(reasons[0]))
        self._client.on_message = lambda _c, _u, message: self.heard.append(message.payload)
        self._client.connect(cloud.broker.host, cloud.broker.port)
        self._client.loop_start()
        self.connected = self._reason()

    def publish(self, topic: str, payload: bytes = b"{}") -> str:
        """What the broker says to a message."""
        self._client.publish(topic, payload, qos=1)
        return self._reason()

    def subscribe(self, topic: str) -> str:
        """What the broker says to a wish to listen."""
        self._client.subscribe(topic, qos=1)
        return self._reason()

    def _note(self, reason: str) -> None:
        self.reasons.append(reason)
        self.answered.set()

    def _reason(self) -> str:
        assert self.answered.wait(10), "the broker does not answer"
        self.answered.clear()
        return self.reasons[-1]

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def tenant() -> str:
    return fresh_tenant()


@pytest.fixture
def scanner(local_cloud: LocalCloud, tenant: str) -> Iterator[Device]:
    """A scanner of the tenant, connected."""
    name = f"{tenant}-s-001"
    identity = local_cloud.things({tenant: [name]})[name]
    with Device(local_cloud, name, identity) as device:
        yield device


def sightings(tenant: str, thing: str, lane: str = "ordinary") -> str:
    return f"$aws/rules/jikimi_{lane}/dt/jikimi/{tenant}/{thing}/sightings"


def test_a_scanner_reports_under_its_own_name_on_both_lanes(scanner: Device, tenant: str) -> None:
    said = [scanner.publish(sightings(tenant, f"{tenant}-s-001", lane)) for lane in ("ordinary", "urgent")]

    assert said == ["Success", "Success"]


@pytest.mark.parametrize(
    "topic",
    [
        "$aws/rules/jikimi_ordinary/dt/jikimi/{tenant}/{tenant}-s-002/sightings",
        "$aws/rules/jikimi_ordinary/dt/jikimi/another/{tenant}-s-001/sightings",
        "$aws/rules/jikimi_ordinary/dt/jikimi/{tenant}/{tenant}-s-001/other",
        "dt/jikimi/{tenant}/{tenant}-s-001/sightings",
        "cmd/jikimi/{tenant}/watch",
    ],
)
def test_a_scanner_may_not_publish_anything_else(scanner: Device, tenant: str, topic: str) -> None:
    assert scanner.publish(topic.format(tenant=tenant)) == "Not authorized"


def test_a_scanner_hears_its_own_tenants_watch_list(
    local_cloud: LocalCloud, scanner: Device, tenant: str
) -> None:
    topic = f"cmd/jikimi/{tenant}/watch"
    local_cloud.client("iot-data").publish(topic=topic, qos=1, retain=True, payload=b'{"v":1,"beacons":[]}')

    scanner.subscribe(topic)

    assert wait_for(lambda: scanner.heard == [b'{"v":1,"beacons":[]}'], 10)


def test_a_scanner_may_not_hear_another_tenants_watch_list(scanner: Device) -> None:
    assert scanner.subscribe("cmd/jikimi/another/watch") == "Not authorized"


def test_a_thing_may_not_connect_under_another_name(local_cloud: LocalCloud, tenant: str) -> None:
    identity = local_cloud.things({tenant: [f"{tenant}-s-003"]})[f"{tenant}-s-003"]

    with Device(local_cloud, f"{tenant}-s-004", identity) as impostor:
        assert impostor.connected == "Not authorized"
