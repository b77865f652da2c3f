"""A whole local cloud in one `with`: started, deployed, and gone afterwards.

    with local_cloud(clock="1763700000:1763700000:6") as cloud:
        cloud.outputs["TrackingTable"], cloud.client("dynamodb"), cloud.api_url, cloud.broker

`target_cloud` gives the same object for a stack that stands elsewhere.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.local.build import build
from infra.local.deploy import STACK, Place, Say, deploy, outputs
from infra.local.provision import (
    Account,
    Broker,
    Identity,
    broker,
    provision_people,
    provision_things,
    sign_in,
)
from infra.local.start import Running, Server, remember


@dataclass
class LocalCloud:
    """A deployed stack and how to reach it. folder: for papers; private to this cloud."""

    place: Place
    outputs: dict[str, str]
    folder: Path
    mqtt_port: int = 8883
    server: Server | None = None
    prefix: str = "jikimi"
    _passwords: dict[str, str] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud."""
        return self.place.client(service)

    @property
    def api_url(self) -> str:
        """What `/v1/…` is appended to."""
        if self.place.is_aws:
            return self.outputs["ApiUrl"]
        return f"{self.place.endpoint}/_aws/execute-api/{self.outputs['ApiId']}/$default"

    @cached_property
    def broker(self) -> Broker:
        """Where things connect."""
        return broker(self.place, self.folder, self.mqtt_port)

    def things(self, things: Mapping[str, Iterable[str]]) -> dict[str, Identity]:
        """Papers for things; tenant id → thing names."""
        return provision_things(self.place, things, self.folder / "things", prefix=self.prefix)

    def people(self, people: Iterable[Account]) -> dict[str, str]:
        """Sign-ins; user name → password."""
        made = provision_people(self.place, self.outputs["UserPoolId"], people)
        self._passwords |= made
        return made

    @property
    def passwords(self) -> Mapping[str, str]:
        """Of everybody who was given a sign-in here."""
        return self._passwords

    def token(self, username: str) -> str:
        """The id token of a person this cloud made, good for an hour."""
        if username not in self._tokens:
            pool, client = self.outputs["UserPoolId"], self.outputs["UserPoolClientId"]
            password = self._passwords[username]
            self._tokens[username] = sign_in(self.place, pool, client, username, password)
        return self._tokens[username]

    def keep(self) -> Running:
        """Let it go on after this process; `jikimi down` ends it."""
        if self.server is None:
            raise ValueError("only a cloud that was started here can be kept")
        self.server.keep()
        directory = str(self.server.directory)
        kept = Running(self.server.process.pid, directory, self.server.endpoint, self.mqtt_port, self.outputs)
        remember(kept)
        return kept


@contextmanager
def local_cloud(
    *,
    clock: str = "",
    things: Mapping[str, Iterable[str]] | None = None,
    people: Iterable[Account] = (),
    sign: bool = True,
    say: Say = lambda _: None,
) -> Iterator[LocalCloud]:
    """A fresh local cloud with the stack on it; nothing is left behind unless it was kept.

    clock: what the functions call now (template parameter SimulatedClock). sign: whether the emulator
    enforces policies (its AUTH=true).
    """
    say("start the local cloud")
    server = Server(sign=sign)
    kept = False
    try:
        place = Place(server.endpoint)
        made = deploy(place, build("local"), {"SimulatedClock": clock}, say=say)
        cloud = LocalCloud(place, made, server.directory, server.mqtt_port, server)
        if things:
            say("provision things")
            cloud.things(things)
        if people:
            say("provision people")
            cloud.people(people)
        yield cloud
        kept = server.kept
    finally:
        if not kept:
            server.stop()


@contextmanager
def target_cloud(
    endpoint: str | None, *, stack: str = STACK, mqtt_port: int = 8883, prefix: str = "jikimi"
) -> Iterator[LocalCloud]:
    """A stack that stands already: on AWS (None), or behind an endpoint."""
    place = Place(endpoint)
    folder = Path(tempfile.mkdtemp(prefix="jikimi-papers-"))
    try:
        yield LocalCloud(place, outputs(place, stack), folder, mqtt_port, prefix=prefix)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
