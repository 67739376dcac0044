"""A finished upload takes the place in the file tree that its client has given it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from cidbus.actors import make_actor
from cidbus.bus import Bus, Host
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import hosted
from cidbus.schemas import tree
from cidbus.schemas.journal import MakeDirectory, RemoveEntry, StatPath
from cidbus.schemas.subjects import FS_MKDIR, FS_RM, FS_STAT, ROOTS

from .conftest import TUS, Web, plain_cid

PLACE = "/photos/2026/x.bin"
METADATA = {"Upload-Metadata": f"path {base64.b64encode(PLACE.encode()).decode()}"}


@pytest.fixture
async def journal(server: EmbeddedServer, host: Host, tmp_path: Path) -> AsyncIterator[Host]:
    async with hosted(server, make_actor("journal", tmp_path / "journal")) as running:
        yield running


async def roots(bus: Bus, prefix: str) -> list[str]:
    return [root.name async for root in bus.items(ROOTS, tree.RootList(prefix=prefix))]


async def test_by_tus_once_and_not_again_after_it_was_removed(journal: Host, bus: Bus, web: Web):
    path = await web.begin(6, **METADATA)
    await web.patch(path, 0, b"abc")
    assert len(await roots(bus, "upload/")) == 1
    assert (await web.patch(path, 3, b"def")).status == 204
    found = await bus.request(FS_STAT, StatPath(path=PLACE))
    assert (found.cid, found.size_bytes) == (await plain_cid(b"abcdef"), 6)
    assert await roots(bus, "upload/") == []
    await bus.request(FS_RM, RemoveEntry(path=PLACE))
    head = await web.ask("HEAD", path, headers=TUS)
    assert head.headers["Cidbus-Cid"] == found.cid
    assert (await web.ask("GET", f"/journal/stat?path={PLACE}")).status == 404


async def test_over_a_web_socket(journal: Host, bus: Bus, web: Web):
    async with web.session.ws_connect(f"{web.base}/uploads/ws") as socket:
        begin = {"type": "begin", "size_bytes": 3, "path": PLACE}
        await socket.send_str(orjson.dumps(begin).decode())
        await socket.send_bytes(b"abc")
        said = {"type": ""}
        while said["type"] != "complete":
            said = orjson.loads(await socket.receive_str())
    assert (await bus.request(FS_STAT, StatPath(path=PLACE))).cid == await plain_cid(b"abc")


async def test_later_if_the_journal_is_away_when_the_last_byte_comes(
    server: EmbeddedServer, bus: Bus, web: Web, tmp_path: Path
):
    path = await web.begin(3, **METADATA)
    assert (await web.patch(path, 0, b"abc")).status == 503
    assert len(await roots(bus, "upload/")) == 1  # kept, though it is not pinned
    async with hosted(server, make_actor("journal", tmp_path / "journal")):
        head = await web.ask("HEAD", path, headers=TUS)  # what a client does that was told 503
        assert head.headers["Upload-Offset"] == "3"
        assert (await bus.request(FS_STAT, StatPath(path=PLACE))).cid == await plain_cid(b"abc")


async def test_an_upload_cannot_become_the_root(web: Web, journal: Host):
    root = {"Upload-Metadata": f"path {base64.b64encode(b'/').decode()}"}
    answer = await web.ask("POST", "/uploads", headers=TUS | {"Upload-Length": "3"} | root)
    assert (answer.status, b"the root is a directory" in answer.body) == (400, True)


async def test_an_upload_that_cannot_be_placed_says_so_and_what_it_is(bus: Bus, web: Web, journal: Host):
    await bus.request(FS_MKDIR, MakeDirectory(path=f"{PLACE}/folder", parents=True))
    path = await web.begin(3, **METADATA)
    for answer in (await web.patch(path, 0, b"abc"), await web.ask("GET", path, headers=TUS)):
        told = orjson.loads(answer.body)
        assert (answer.status, told["cid"]) == (422, await plain_cid(b"abc"))
        assert "is a directory" in told["detail"]
