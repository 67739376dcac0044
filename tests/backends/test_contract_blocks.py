"""The contract: single blocks and pins, the same at every back end."""

from __future__ import annotations

import asyncio

import pytest

from cidbus.schemas import ipfs, subjects
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.errors import (
    BadRequest,
    BusError,
    Conflict,
    InvalidContent,
    NotFound,
    TooLarge,
)

from .places import absent

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_CID = "zz-no-cid"
EMPTY_NODE = b"\x0a\x02\x08\x01"  # a UnixFS directory without entries


async def block_of(place, cid: str) -> bytes:
    return (await place.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=cid)))[1]


async def put(place, **fields) -> ipfs.BlockStat:
    return await place.bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(**fields))


# ---- blocks ---------------------------------------------------------------------------------------------


async def test_a_block_comes_back_as_it_was_put(reader, fresh):
    cid = await reader.put_block(fresh())
    head, block = await reader.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=cid))
    assert (block, head.cid, head.size_bytes) == (fresh(), cid, len(fresh()))
    stat = await reader.ask(subjects.BLOCK_STAT, ipfs.BlockRequest(cid=cid))
    assert (stat.cid, stat.size_bytes, stat.format) == (cid, len(fresh()), "raw")


async def test_a_block_may_come_as_a_stream(place, fresh):
    async def content():
        for start in range(0, 1 << 20, 1 << 16):
            yield fresh(size=1 << 20)[start : start + (1 << 16)]

    stat = await place.bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(), content())
    assert await block_of(place, stat.cid) == fresh(size=1 << 20)


@pytest.mark.parametrize("codec", ["raw", "dag-pb", "dag-cbor", "dag-json"])
async def test_a_block_has_the_codec_that_it_was_put_with(place, codec):
    data = {"dag-pb": EMPTY_NODE, "dag-cbor": b"\xa0", "dag-json": b"{}"}.get(codec, b"raw")
    stat = await put(place, data=data, format=codec)
    assert stat.format == codec
    assert CID.parse(stat.cid).codec_name == codec
    assert await block_of(place, stat.cid) == data


@pytest.mark.parametrize("hash_name", ["sha2-512", "blake2b-256", "blake3", "sha3-256", "sha1"])
async def test_a_block_can_be_hashed_otherwise(place, fresh, hash_name):
    stat = await put(place, data=fresh(), hash=hash_name)
    assert CID.parse(stat.cid) == CID.of(RAW, fresh(), hash_name=hash_name)
    assert await block_of(place, stat.cid) == fresh()


async def test_a_block_of_another_version_of_the_cid_is_the_same_block(reader):
    cid = CID.parse(await reader.put_block(EMPTY_NODE, format="dag-pb"))
    old = str(CID.of(DAG_PB, EMPTY_NODE, version=0))
    assert old.startswith("Qm")
    assert await block_of(reader, old) == EMPTY_NODE
    assert cid.multihash == CID.parse(old).multihash


async def test_a_block_is_kept_under_the_cid_that_it_came_with(place, fresh):
    cid = str(CID.of(RAW, fresh(), hash_name="sha2-512"))
    assert (await put(place, data=fresh(), cid=cid)).cid == cid
    old = str(CID.of(DAG_PB, EMPTY_NODE, version=0))
    assert (await put(place, data=EMPTY_NODE, cid=old)).cid == old


async def test_a_block_that_does_not_match_its_cid_is_refused(place, fresh):
    with pytest.raises(InvalidContent) as refused:
        await put(place, data=b"other", cid=absent(fresh()))
    assert refused.value.field == "data"
    assert not await place.has(absent(fresh()))


async def test_a_block_of_no_known_codec_is_refused(place, fresh):
    with pytest.raises(BadRequest) as refused:
        await put(place, data=fresh(), format="yaml")
    assert refused.value.field == "format"


async def test_a_block_of_no_known_hash_is_refused(place, fresh):
    with pytest.raises(BadRequest) as refused:
        await put(place, data=fresh(), hash="crc32")
    assert refused.value.field == "hash"


async def test_a_block_over_the_limit_is_refused(place):
    async def content():
        for _ in range(5):
            yield bytes(512 * 1024)

    with pytest.raises(TooLarge):
        await place.bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(), content())


async def test_a_block_may_be_pinned_as_it_is_put(place, fresh):
    cid = (await put(place, data=fresh(), pin=True)).cid
    assert [pin.mode for pin in await place.pins(cid=cid)] == ["recursive"]


async def test_an_empty_block_is_a_block(place):
    stat = await put(place, data=b"")
    assert (await block_of(place, stat.cid), stat.size_bytes) == (b"", 0)


async def test_a_missing_block_is_not_found_and_named(reader, fresh):
    cid = absent(fresh())
    for ask in (
        lambda: reader.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=cid)),
        lambda: reader.ask(subjects.BLOCK_STAT, ipfs.BlockRequest(cid=cid)),
    ):
        with pytest.raises(NotFound) as missing:
            await ask()
        assert (missing.value.what, missing.value.name) == ("block", cid)


async def test_what_is_no_cid_is_refused(reader):
    for ask in (
        lambda: reader.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=NO_CID)),
        lambda: reader.ask(subjects.BLOCK_STAT, ipfs.BlockRequest(cid=NO_CID)),
    ):
        with pytest.raises(BadRequest) as refused:
            await ask()
        assert refused.value.field == "cid"


async def test_another_node_is_given_what_is_here_and_nothing_else(place, fresh):
    cid = await place.put_block(fresh())
    head, block = await place.read(subjects.BLOCK_WANT, ipfs.BlockRequest(cid=cid))
    assert (head.cid, block) == (cid, fresh())
    with pytest.raises(NotFound):
        await place.read(subjects.BLOCK_WANT, ipfs.BlockRequest(cid=absent(fresh())))


async def test_a_removed_block_is_gone_and_others_are_told(place, fresh):
    cid = await place.put_block(fresh())
    async with await place.bus.subscribe(subjects.REMOVED) as events:
        removed = await place.ask(subjects.BLOCK_RM, ipfs.BlockRemove(cid=cid))
        async with asyncio.timeout(10):
            _, body = await anext(aiter(events))
    assert ipfs.BlockGone.from_wire(body).cid == cid
    assert (removed.cid, removed.removed) == (cid, True)
    with pytest.raises(NotFound):
        await block_of(place, cid)


async def test_removing_what_is_not_here_is_an_error_unless_forced(place, fresh):
    cid = absent(fresh())
    with pytest.raises(NotFound) as missing:
        await place.ask(subjects.BLOCK_RM, ipfs.BlockRemove(cid=cid))
    assert (missing.value.what, missing.value.name) == ("block", cid)
    assert not (await place.ask(subjects.BLOCK_RM, ipfs.BlockRemove(cid=cid, force=True))).removed


async def test_a_pinned_block_is_not_removed(place, fresh):
    root = (await place.add(fresh(size=3000), chunk_bytes=1000)).cid
    leaf = (await place.add(fresh(size=3000)[:1000], only_hash=True)).cid
    for cid in (root, leaf):
        with pytest.raises(Conflict):
            await place.ask(subjects.BLOCK_RM, ipfs.BlockRemove(cid=cid))
    assert await place.cat(root) == fresh(size=3000)


# ---- pins -----------------------------------------------------------------------------------------------


async def loose(place, content: bytes) -> str:
    return (await place.add(content, pin=False)).cid


async def pin(place, cid: str, **fields) -> ipfs.Pinned:
    return await place.ask(subjects.PIN, ipfs.PinRequest(cid=cid, **fields))


async def test_a_pin_is_made_listed_and_removed(place, fresh):
    cid = await loose(place, fresh())
    made = await pin(place, cid, name="a name")
    assert (made.cid, made.pinned, made.mode, made.name) == (cid, True, "recursive", "a name")
    (listed,) = await place.pins(cid=cid)
    assert (listed.cid, listed.mode, listed.name) == (cid, "recursive", "a name")
    removed = await place.ask(subjects.UNPIN, ipfs.PinRemove(cid=cid))
    assert (removed.cid, removed.pinned) == (cid, False)
    assert await place.pins(cid=cid) == []


async def test_pinning_is_told_and_so_is_unpinning(place, fresh):
    cid = await loose(place, fresh())
    async with await place.bus.subscribe(subjects.PINNED, subjects.UNPINNED) as events:
        await pin(place, cid, recursive=False, name="told")
        await place.ask(subjects.UNPIN, ipfs.PinRemove(cid=cid))
        async with asyncio.timeout(10):
            told = [await anext(aiter(events)) for _ in range(2)]
    assert [name for name, _ in told] == ["ipfs.pinned", "ipfs.unpinned"]
    changes = [ipfs.PinChanged.from_wire(body) for _, body in told]
    assert [(change.cid, change.mode, change.name) for change in changes] == 2 * [(cid, "direct", "told")]


async def test_pins_are_listed_by_mode_and_by_name(place, fresh):
    whole, one = await loose(place, fresh("whole")), await loose(place, fresh("one"))
    name = f"name {absent(fresh())[-20:]}"
    await pin(place, whole, name=name)
    await pin(place, one, recursive=False)
    modes = {mode: {kept.cid for kept in await place.pins(type=mode)} for mode in ("recursive", "direct")}
    assert (whole in modes["recursive"], whole in modes["direct"]) == (True, False)
    assert (one in modes["recursive"], one in modes["direct"]) == (False, True)
    assert [kept.cid for kept in await place.pins(name=name)] == [whole]
    assert {whole, one} <= {kept.cid for kept in await place.pins()}


async def test_what_a_pin_keeps_below_its_root_is_pinned_indirectly(place, fresh):
    root = (await place.add(fresh(size=3000), chunk_bytes=1000)).cid
    leaf = (await place.add(fresh(size=3000)[:1000], only_hash=True)).cid
    indirect = {kept.cid: kept.mode for kept in await place.pins(type="indirect")}
    assert indirect.get(leaf) == "indirect"
    assert root not in indirect
    assert leaf not in {kept.cid for kept in await place.pins()}


async def test_pinning_again_changes_the_name(place, fresh):
    cid = (await place.add(fresh(), pin_name="before")).cid
    assert (await pin(place, cid, name="after")).name == "after"
    assert [kept.name for kept in await place.pins(cid=cid)] == ["after"]


async def test_a_recursive_pin_takes_the_place_of_a_direct_one(place, fresh):
    cid = await loose(place, fresh())
    await pin(place, cid, recursive=False)
    await pin(place, cid)
    assert [kept.mode for kept in await place.pins(cid=cid)] == ["recursive"]


async def test_a_direct_pin_on_what_is_pinned_whole_is_a_conflict(place, fresh):
    cid = (await place.add(fresh())).cid
    with pytest.raises(Conflict):
        await pin(place, cid, recursive=False)


async def test_a_path_can_be_pinned_and_unpinned(place, fresh):
    root = (await place.add(fresh(), filename="a.txt", wrap=True, pin=False)).cid
    made = await pin(place, root, path="a.txt")
    assert made.cid == (await place.add(fresh(), only_hash=True)).cid
    assert (await place.ask(subjects.UNPIN, ipfs.PinRemove(cid=root, path="a.txt"))).cid == made.cid


async def test_a_pin_may_expire(place, fresh):
    made = await pin(place, await loose(place, fresh()), expires_in_s=3600)
    assert made.expires_at is not None


async def test_a_pin_knows_when_it_was_made(place, fresh):
    (kept,) = await place.pins(cid=(await place.add(fresh())).cid)
    assert kept.created_at is not None


async def test_a_pin_moves_to_a_new_root(place, fresh):
    old, new = (await place.add(fresh("old"), pin_name="head")).cid, await loose(place, fresh("new"))
    moved = await place.ask(subjects.PIN_UPDATE, ipfs.PinUpdate(from_cid=old, to_cid=new))
    assert (moved.cid, moved.pinned, moved.mode) == (new, True, "recursive")
    assert await place.pins(cid=old) == []
    assert [kept.name for kept in await place.pins(cid=new)] == ["head"]


async def test_a_pin_may_stay_where_it_was_moved_from(place, fresh):
    old, new = (await place.add(fresh("old"))).cid, await loose(place, fresh("new"))
    await place.ask(subjects.PIN_UPDATE, ipfs.PinUpdate(from_cid=old, to_cid=new, unpin=False))
    assert len([*await place.pins(cid=old), *await place.pins(cid=new)]) == 2


async def test_what_is_not_pinned_cannot_be_unpinned_or_moved(place, fresh):
    one, other = await loose(place, fresh("one")), await loose(place, fresh("other"))
    with pytest.raises(NotFound) as missing:
        await place.ask(subjects.UNPIN, ipfs.PinRemove(cid=one))
    assert (missing.value.what, missing.value.name) == ("pin", one)
    with pytest.raises(NotFound) as missing:
        await place.ask(subjects.PIN_UPDATE, ipfs.PinUpdate(from_cid=one, to_cid=other))
    assert (missing.value.what, missing.value.name) == ("pin", one)


async def test_what_a_pin_keeps_has_no_pin_of_its_own_to_remove(place, fresh):
    await place.add(fresh(size=3000), chunk_bytes=1000)
    leaf = (await place.add(fresh(size=3000)[:1000], only_hash=True)).cid
    with pytest.raises(NotFound) as missing:
        await place.ask(subjects.UNPIN, ipfs.PinRemove(cid=leaf))
    assert missing.value.what == "pin"


async def test_what_is_not_here_cannot_be_pinned(place, fresh):
    cid = absent(fresh())
    for fields in ({}, {"recursive": False}):
        with pytest.raises(NotFound) as missing:
            await pin(place, cid, **fields)
        assert (missing.value.what, missing.value.name) == ("block", cid)
    assert await place.pins(cid=cid) == []


async def test_a_dag_that_lacks_a_block_cannot_be_pinned(place, fresh):
    nowhere = absent(fresh())
    root = await place.put_node({"link": {"/": nowhere}}, pin=False, format="cbor")
    with pytest.raises(NotFound) as missing:
        await pin(place, root)
    assert (missing.value.what, missing.value.name) == ("block", nowhere)
    assert await place.pins(cid=root) == []


async def test_a_pin_does_not_move_to_what_is_not_here(place, fresh):
    old = (await place.add(fresh())).cid
    with pytest.raises(NotFound) as missing:
        await place.ask(subjects.PIN_UPDATE, ipfs.PinUpdate(from_cid=old, to_cid=absent(fresh())))
    assert missing.value.what == "block"
    assert len(await place.pins(cid=old)) == 1


async def test_a_path_that_is_not_there_cannot_be_pinned(place, fresh):
    root = (await place.add(fresh(), filename="a.txt", wrap=True)).cid
    with pytest.raises(NotFound) as missing:
        await pin(place, root, path="b.txt")
    assert missing.value.what == "path"


async def test_no_cid_can_be_pinned(place, fresh):
    for row, ask in (
        (subjects.PIN, ipfs.PinRequest(cid=NO_CID)),
        (subjects.UNPIN, ipfs.PinRemove(cid=NO_CID)),
        (subjects.PIN_UPDATE, ipfs.PinUpdate(from_cid=NO_CID, to_cid=absent(fresh()))),
        (subjects.BLOCK_RM, ipfs.BlockRemove(cid=NO_CID)),
    ):
        with pytest.raises(BadRequest) as refused:
            await place.ask(row, ask)
        assert refused.value.field == "cid"
    with pytest.raises(BusError):
        await place.pins(cid=NO_CID)


async def test_collection_takes_what_no_pin_keeps(place, fresh):
    kept, gone = (await place.add(fresh("kept"))).cid, await loose(place, fresh("gone"))
    collected = await place.ask(subjects.REPO_GC, ipfs.RepoGc())
    assert collected.removed_blocks >= 1
    assert (await place.has(kept), await place.has(gone)) == (True, False)
