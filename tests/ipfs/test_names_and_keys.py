"""Names and keys over a real bus: made, published, resolved, kept for others, found again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cidbus.actors import make_actor
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.schemas import ipfs, names, routing, subjects
from cidbus.schemas.errors import BadRequest, Conflict, InvalidContent, NotFound, NotSupported


@pytest.fixture
async def server():
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with nats_server() as running:
        yield running


@pytest.fixture
async def bus(server, tmp_path: Path) -> AsyncIterator[Bus]:
    async with hosted(server, make_actor("ipfs", tmp_path / "ipfs")), await connect(server) as connected:
        yield connected


async def add(bus: Bus, text: str) -> str:
    return (await bus.upload(subjects.ADD, ipfs.AddRequest(content=text))).cid


async def resolve(bus: Bus, name: str) -> str:
    return (await bus.request(subjects.NAME_RESOLVE, names.NameResolve(name=name))).path


async def key_names(bus: Bus) -> list[str]:
    return [key.name async for key in bus.items(subjects.KEYS, names.KeyList())]


# ---- keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_a_key_is_made_listed_renamed_and_removed(bus, kind):
    made = await bus.request(subjects.KEY_GEN, names.KeyGen(name="blog", type=kind))
    assert made.type == kind
    assert await key_names(bus) == ["self", "blog"]
    renamed = await bus.request(subjects.KEY_RENAME, names.KeyRename(name="blog", new_name="site"))
    assert (renamed.id, renamed.overwritten) == (made.id, False)
    removed = await bus.request(subjects.KEY_RM, names.KeyRemove(name="site"))
    assert removed.id == made.id
    assert await key_names(bus) == ["self"]


async def test_a_key_name_is_given_once(bus):
    await bus.request(subjects.KEY_GEN, names.KeyGen(name="blog"))
    with pytest.raises(Conflict):
        await bus.request(subjects.KEY_GEN, names.KeyGen(name="blog"))


async def test_the_own_key_cannot_be_removed_and_an_unknown_one_is_not_found(bus):
    with pytest.raises(BadRequest):
        await bus.request(subjects.KEY_RM, names.KeyRemove(name="self"))
    with pytest.raises(NotFound):
        await bus.request(subjects.KEY_RM, names.KeyRemove(name="nobody"))


async def test_only_rsa_keys_have_a_size(bus):
    with pytest.raises(BadRequest, match="size"):
        await bus.request(subjects.KEY_GEN, names.KeyGen(name="blog", size=2048))


# ---- names ----------------------------------------------------------------------------------------------


async def test_a_published_name_leads_to_its_content(bus):
    cid = await add(bus, "first")
    published = await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid))
    assert (published.value, published.sequence) == (f"/ipfs/{cid}", 0)
    assert await resolve(bus, published.name) == f"/ipfs/{cid}"


async def test_a_new_value_takes_the_next_sequence_number(bus):
    first, second = await add(bus, "first"), await add(bus, "second")
    await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=first))
    again = await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=f"/ipfs/{second}"))
    assert again.sequence == 1
    assert await resolve(bus, again.name) == f"/ipfs/{second}"


async def test_a_name_is_announced_with_its_record(bus):
    cid = await add(bus, "first")
    async with await bus.subscribe(subjects.NAMED) as events:
        published = await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid))
        _, body = await asyncio.wait_for(anext(aiter(events)), 10)
    event = names.NameChanged.from_wire(body)
    assert (event.name, event.path) == (published.name, f"/ipfs/{cid}")


async def test_a_path_that_leads_nowhere_is_not_published_unless_asked_to(bus):
    nowhere = "bafkreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi"
    with pytest.raises(NotFound):
        await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=nowhere))
    ask = names.NamePublish(path=nowhere, resolve=False)
    assert (await bus.request(subjects.NAME_PUBLISH, ask)).value == f"/ipfs/{nowhere}"


@pytest.mark.parametrize(("field", "value"), [("lifetime", "soon"), ("ttl", "-1h"), ("lifetime", -5)])
async def test_a_wrong_duration_is_named(bus, field, value):
    cid = await add(bus, "first")
    with pytest.raises(BadRequest) as refused:
        await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid, **{field: value}))
    assert refused.value.field == field


async def test_a_name_survives_a_restart(server, tmp_path):
    async with hosted(server, make_actor("ipfs", tmp_path / "ipfs")), await connect(server) as bus:
        cid = await add(bus, "first")
        name = (await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid))).name
    async with hosted(server, make_actor("ipfs", tmp_path / "ipfs")), await connect(server) as bus:
        assert await resolve(bus, name) == f"/ipfs/{cid}"


async def test_another_node_of_the_cluster_learns_a_name(server, tmp_path):
    one, two = make_actor("ipfs", tmp_path / "one"), make_actor("ipfs", tmp_path / "two")
    async with hosted(server, one), await connect(server) as bus:
        cid = await add(bus, "first")
        async with hosted(server, two), await bus.subscribe(subjects.NAMED) as events:
            name = (await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid, resolve=False))).name
            await asyncio.wait_for(anext(aiter(events)), 10)
            ask = names.NameGet(name=name, cluster_only=True)
            async with asyncio.timeout(10):
                for instance in (one.instance, two.instance):
                    await until_found(bus, ask, instance)


async def until_found(bus: Bus, ask: names.NameGet, instance: str) -> None:
    while True:
        try:
            await bus.request(subjects.NAME_GET, ask, at=instance)
            return
        except NotFound:
            await asyncio.sleep(0)


async def test_an_unknown_name_is_not_found(bus):
    with pytest.raises(NotFound):
        await resolve(bus, "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X")


async def test_a_domain_is_not_looked_up_while_dnslink_is_off(bus):
    with pytest.raises(NotSupported, match="DNSLINK"):
        await resolve(bus, "docs.example.org")


# ---- records --------------------------------------------------------------------------------------------


async def test_a_record_can_be_taken_inspected_and_given_to_another_node(server, tmp_path):
    async with hosted(server, make_actor("ipfs", tmp_path / "one")), await connect(server) as bus:
        cid = await add(bus, "first")
        name = (await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid))).name
        record = (await bus.request(subjects.NAME_GET, names.NameGet(name=name))).record
    async with hosted(server, make_actor("ipfs", tmp_path / "two")), await connect(server) as bus:
        seen = await bus.request(subjects.NAME_INSPECT, names.NameInspect(record=record, name=name))
        assert (seen.value, seen.valid, seen.problem) == (f"/ipfs/{cid}", True, None)
        await bus.request(subjects.NAME_PUT, names.NamePut(name=name, record=record))
        assert await resolve(bus, name) == f"/ipfs/{cid}"
        found = await bus.request(subjects.ROUTING_GET, routing.RoutingGet(key=f"/ipns/{name}"))
        assert found.value == record


async def test_a_record_of_another_name_is_refused(bus):
    cid = await add(bus, "first")
    name = (await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid))).name
    other = (await bus.request(subjects.KEY_GEN, names.KeyGen(name="other"))).id
    record = (await bus.request(subjects.NAME_GET, names.NameGet(name=name))).record
    with pytest.raises(InvalidContent):
        await bus.request(subjects.NAME_PUT, names.NamePut(name=other, record=record))
    with pytest.raises(InvalidContent):
        await bus.request(subjects.ROUTING_PUT, routing.RoutingPut(key=f"/ipns/{other}", value=record))
    seen = await bus.request(subjects.NAME_INSPECT, names.NameInspect(record=record, name=other))
    assert seen.valid is False
