"""Who may say and hear what: the server refuses whatever the table does not give."""

from __future__ import annotations

import asyncio

import nats
import pytest
from nats.aio.client import Client as NATS
from nats.errors import Error as NatsError

from cidbus.bus import Credentials
from cidbus.bus.link import Link
from cidbus.bus.permissions import USERS, permissions_of
from cidbus.bus.testing import connect
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import Forbidden


class Watched:
    """A connection as one user that collects what the server forbids it."""

    def __init__(self, server, user):
        self.server, self.user, self.violations = server, user, asyncio.Queue()

    async def __aenter__(self):
        credentials = self.server.keyring.credentials(self.user)

        async def collect(error):
            self.violations.put_nowait(str(error).lower())

        self.nc = await nats.connect(
            self.server.url,
            nkeys_seed=str(credentials.seed),
            inbox_prefix=credentials.inbox_prefix,
            error_cb=collect,
        )
        return self

    async def __aexit__(self, *_):
        await self.nc.close()

    async def forbidden(self) -> str:
        async with asyncio.timeout(2):
            return await self.violations.get()


async def test_an_anonymous_client_is_refused(server):
    nc = NATS()
    with pytest.raises(NatsError, match=r"(?i)authorization violation"):
        await nc.connect(server.url, allow_reconnect=False, error_cb=quiet)
    await nc.close()
    with pytest.raises(Forbidden):
        await Link.connect(server.url, Credentials())


async def quiet(_error):
    pass


@pytest.mark.parametrize(
    "subject",
    [
        ">",
        "cidbus.>",
        "cidbus.ipfs.>",
        "cidbus.at.*.ipfs.>",
        "_INBOX_client.>",
        "_INBOX_bridge.>",
        "_INBOX.>",
        "$SYS.>",
        "$SRV.>",
        "$SRV.*",
    ],
)
async def test_an_actor_cannot_subscribe_to_what_is_not_its_own(server, subject):
    async with Watched(server, "cache") as cache:
        await cache.nc.subscribe(subject)
        assert "permissions violation for subscription" in await cache.forbidden()


@pytest.mark.parametrize(
    "subject",
    [
        "cidbus.event.ipfs.added",
        "cidbus.ipfs.pin.add",
        "cidbus.ipfs.repo.gc",
        "cidbus.journal.write",
        "_INBOX_client.abc.1",
        "$JS.API.STREAM.CREATE.X",
    ],
)
async def test_an_actor_cannot_publish_what_is_not_its_own(server, subject):
    async with Watched(server, "cache") as cache:
        await cache.nc.publish(subject, b"{}")
        assert "permissions violation for publish" in await cache.forbidden()


async def test_an_actor_may_call_the_rows_it_is_declared_to_call(server, host):
    async with await connect(server, "cache") as cache:
        stream = await cache.open(subjects.CAT, ipfs.CatRequest(cid="abc", length=3_000_000))
        assert sum([len(chunk) async for chunk in stream]) == 3_000_000


@pytest.mark.parametrize("user", ["client", "bridge"])
async def test_a_caller_cannot_announce_events(server, user):
    async with Watched(server, user) as caller:
        await caller.nc.publish("cidbus.event.ipfs.added", b"{}")
        assert "permissions violation for publish" in await caller.forbidden()


async def test_a_caller_cannot_make_an_actor_announce_a_forged_event(server, host):
    real = ipfs.ContentAdded(cid="real", size_bytes=1, pinned=True, at=1.0)
    async with (
        await connect(server, "bridge") as listener,
        await connect(server, "client") as caller,
        await listener.subscribe() as events,
    ):
        for subject in ("cidbus.ipfs.pin.add", "$SRV.PING"):
            await caller.link.control.publish(subject, b'{"cid":"abc"}', reply="cidbus.event.ipfs.pinned")
        await caller.request(subjects.PIN, ipfs.PinRequest(cid="barrier"))
        await host.bus.publish(subjects.ADDED, real)
        assert await anext(aiter(events)) == ("ipfs.added", real.to_wire())


async def test_events_reach_callers_and_actors(server, host, actor):
    async with await connect(server, "client") as client, await client.subscribe(subjects.ADDED) as events:
        event = ipfs.ContentAdded(cid="abc", size_bytes=1, pinned=True, at=1.0)
        await host.bus.publish(subjects.ADDED, event)
        assert await anext(aiter(events)) == ("ipfs.added", event.to_wire())
        assert await actor.heard.get() == event


def test_only_the_admin_may_publish_everywhere():
    assert [user for user in USERS if ">" in permissions_of(user).publish] == ["admin"]


def test_no_actor_may_write_to_an_inbox_unasked():
    written = {subject for user in USERS if user != "admin" for subject in permissions_of(user).publish}
    assert not [subject for subject in written if subject.startswith("_")]


def test_seeds_are_private(server):
    folder = server.keyring.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_configuration_has_no_seed(server):
    text = (server.data_dir / "nats" / "nats.conf").read_text()
    for path in server.keyring.folder.iterdir():
        assert path.read_text().strip() not in text
