"""What the gateway does not do: too much at once, for too long, too widely, and for what is on a denylist."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio

from cidbus.bus import Actor, handles
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.http_bridge import BridgeSettings, serve
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, InvalidContent, Unavailable

HELLO = b"Hello, IPFS!"


class Slow(Actor):
    """A node that takes its time: a CID of `never` is not answered, one of `stops` only begun."""

    name = "ipfs"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Semaphore(0)

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        self.asked.release()
        if ask.cid == GONE:
            raise Unavailable("no peer answers")
        if ask.cid == STOPS:
            yield ipfs.FileHead(cid=ask.cid, size_bytes=1 << 30, length=1 << 30)
            for _ in range(8):
                yield bytes(512 * 1024)
        await self.go.wait()
        yield HELLO


NEVER, STOPS, GONE = (str(CID.of(0x55, name)) for name in (b"never", b"stops", b"gone"))


@pytest.fixture
async def slow():
    """`await slow(gateway_max_requests=1)`: a gateway before a slow node: its URL and the node."""
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        actor = Slow()

        async def start(**fields):
            await stack.enter_async_context(hosted(server, actor))
            bus = await stack.enter_async_context(await connect(server, "bridge"))
            settings = BridgeSettings(shutdown_timeout_s=1.0, **fields)
            running = await stack.enter_async_context(await serve(bus, "127.0.0.1", 0, settings))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return actor, session, f"http://127.0.0.1:{running.port}/ipfs/"

        yield start
        actor.go.set()


# ---- requests at once -----------------------------------------------------------------------------------


async def test_one_request_too_many_is_429_with_retry_after(slow):
    actor, session, url = await slow(gateway_max_requests=2)
    running = [asyncio.create_task(session.get(url + NEVER)) for _ in range(2)]
    for _ in running:
        await actor.asked.acquire()
    async with session.get(url + NEVER) as found:
        assert found.status == 429
        assert int(found.headers["Retry-After"]) >= 1
        assert found.headers["Access-Control-Allow-Origin"] == "*"
    actor.go.set()
    assert [(await task).status for task in running] == [200, 200]
    async with session.get(url + NEVER) as found:
        assert found.status == 200


# ---- time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", "?filename=a.txt"])
async def test_content_that_does_not_come_is_504_with_retry_after(slow, suffix):
    _, session, url = await slow(gateway_retrieval_timeout_s=0.2)
    async with session.get(url + NEVER + suffix) as found:
        assert (found.status, "Retry-After" in found.headers) == (504, True)


@pytest.mark.parametrize("limit", ["gateway_retrieval_timeout_s", "gateway_total_timeout_s"])
async def test_content_that_stops_coming_breaks_the_answer_off(slow, limit):
    _, session, url = await slow(**{limit: 0.3})
    async with session.get(url + STOPS) as found:
        assert found.status == 200
        with pytest.raises((aiohttp.ClientPayloadError, ConnectionError)):
            await found.read()


async def test_a_node_that_cannot_have_the_content_is_502_with_retry_after(slow):
    _, session, url = await slow()
    async with session.get(url + GONE) as found:
        assert (found.status, "Retry-After" in found.headers) == (502, True)


# ---- listings -------------------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="module")
async def test_a_listing_ends_at_its_limit_and_says_so(gateway_with, node):
    web = await gateway_with(gateway_max_entries=10)
    root = await node.tree({f"file-{n:02}": b"x" for n in range(30)})
    found = await web.get(f"/ipfs/{root}/")
    assert found.body.count(b"/file-") == 10
    assert b"10" in found.body.partition(b"<footer>")[2]
    assert b"more" in found.body.partition(b"<footer>")[2]
    exactly = await node.tree({f"file-{n:02}": b"x" for n in range(10)})
    assert b"more" not in (await web.get(f"/ipfs/{exactly}/")).body.partition(b"<footer>")[2]


# ---- denylists ------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def denying(gateway_with, node, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("denylists")
    denied, legal = await node.add(b"denied"), await node.add(b"legally denied")
    root = await node.tree(
        {"a/denied.txt": b"denied", "a/fine.txt": b"fine", "index.html": b"legally denied"}
    )
    lines = f"/ipfs/{denied}\n/ipfs/{legal} gateway_status=451 reason=court\n/ipfs/{root}/a/fine.txt\n"
    (tmp_path / "bad.deny").write_text(f"version: 1\nname: bad\n---\n{lines}/ipns/bad.example\n")
    return await gateway_with(gateway_denylists=tmp_path), denied, legal, root


@pytest.mark.asyncio(loop_scope="module")
async def test_denied_content_is_gone_in_every_format(denying):
    web, denied, _, _ = denying
    for suffix in ("", "/", "?format=raw", "?format=car", "?filename=x"):
        found = await web.get(f"/ipfs/{denied}{suffix}")
        assert (found.status, b"bad" in found.body) == (410, True)
        assert (await web.head(f"/ipfs/{denied}{suffix}")).status == 410
    other = CID.parse(denied).to_base36()
    assert (await web.get(f"/ipfs/{other}")).status == 410


@pytest.mark.asyncio(loop_scope="module")
async def test_content_denied_for_legal_reasons_says_so(denying):
    web, _, legal, _ = denying
    found = await web.get(f"/ipfs/{legal}")
    assert (found.status, b"court" in found.body) == (451, True)


@pytest.mark.asyncio(loop_scope="module")
async def test_denied_content_is_not_served_by_another_path(denying):
    web, _, _, root = denying
    assert (await web.get(f"/ipfs/{root}/a/denied.txt")).status == 410
    assert (await web.get(f"/ipfs/{root}/a/denied.txt?format=raw")).status == 410
    assert (await web.get(f"/ipfs/{root}/a/denied.txt?format=car")).status == 410
    assert (await web.get(f"/ipfs/{root}/a/fine.txt")).status == 410
    assert (await web.get(f"/ipfs/{root}/")).status == 451


@pytest.mark.asyncio(loop_scope="module")
async def test_denied_content_is_not_confirmed_by_304(denying):
    web, denied, _, _ = denying
    assert (await web.get(f"/ipfs/{denied}", {"If-None-Match": f'"{denied}"'})).status == 410


@pytest.mark.asyncio(loop_scope="module")
async def test_a_denied_name_is_not_resolved(denying):
    web, *_ = denying
    assert (await web.get("/ipns/bad.example")).status == 410


@pytest.mark.asyncio(loop_scope="module")
async def test_a_changed_denylist_is_read_again(gateway_with, node, tmp_path):
    web = await gateway_with(gateway_denylists=tmp_path, gateway_denylist_every_s=0.02)
    cid = await node.add(b"denied later")
    assert (await web.get(f"/ipfs/{cid}")).status == 200
    (tmp_path / "later.deny").write_text(f"version: 1\nname: later\n---\n/ipfs/{cid}\n")
    async with asyncio.timeout(10):
        while (await web.get(f"/ipfs/{cid}")).status != 410:
            pass


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", ["missing", "broken"])
async def test_a_gateway_does_not_start_without_its_denylists(gateway_with, tmp_path, name):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.deny").write_text("version: 99\n---\n")
    with pytest.raises((BadRequest, InvalidContent)):
        await gateway_with(gateway_denylists=tmp_path / name)


@pytest.mark.asyncio(loop_scope="module")
async def test_other_content_is_served(denying, node):
    web, *_ = denying
    assert (await web.get(f"/ipfs/{await node.add(HELLO)}")).body == HELLO
