"""DAGs and CAR files over a real bus: nodes put and got, paths followed, archives in and out."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import cbrrr
import orjson
import pytest

from cidbus.actors import make_actor
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.schemas import dag, ipfs, subjects
from cidbus.schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported, TooLarge


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with (
        nats_server() as server,
        hosted(server, make_actor("ipfs", tmp_path / "ipfs")),
        await connect(server) as connected,
    ):
        yield connected


async def put(bus: Bus, node: object, **fields: object) -> str:
    return (await bus.upload(subjects.DAG_PUT, dag.DagPut(object=node, **fields))).cid


async def read(bus: Bus, row, ask) -> tuple[object, bytes]:
    async with await bus.open(row, ask) as stream:
        return stream.head, b"".join([piece async for piece in stream])


async def get(bus: Bus, cid: str, path: str = "", codec: str = "dag-json") -> bytes:
    return (await read(bus, subjects.DAG_GET, dag.DagGet(cid=cid, path=path, output_codec=codec)))[1]


async def add(bus: Bus, text: str, **fields: object) -> str:
    return (await bus.upload(subjects.ADD, ipfs.AddRequest(content=text, **fields))).cid


# ---- nodes ----------------------------------------------------------------------------------------------


async def test_a_node_comes_back_in_canonical_dag_json(bus):
    cid = await put(bus, {"b": 1, "a": [True, None, 1.5, "ä"]})
    assert await get(bus, cid) == '{"a":[true,null,1.5,"ä"],"b":1}'.encode()


async def test_the_same_node_in_dag_cbor_is_another_block_of_the_same_value(bus):
    node = {"a": 1, "link": {"/": await add(bus, "linked")}}
    as_json, as_cbor = await put(bus, node), await put(bus, node, format="cbor")
    assert as_json != as_cbor
    assert await get(bus, as_json) == await get(bus, as_cbor)
    block = await get(bus, as_cbor, codec="raw")
    assert block == await get(bus, as_json, codec="dag-cbor")
    assert cbrrr.decode_dag_cbor(block)["a"] == 1


async def test_codec_names_a_codec_exactly_and_format_takes_the_documented_words(bus):
    reply = await bus.upload(subjects.DAG_PUT, dag.DagPut(object={"a": 1}, format="json"))
    assert reply.format == "dag-json"
    reply = await bus.upload(subjects.DAG_PUT, dag.DagPut(object={"a": 1}, codec="json"))
    assert reply.format == "json"


async def test_obj_is_another_name_for_object(bus):
    fields = orjson.dumps({"obj": {"a": 1}})
    reply = await bus.upload(subjects.DAG_PUT, dag.DagPut.from_wire(fields))
    assert reply.cid == await put(bus, {"a": 1})


async def test_a_node_given_as_bytes_is_read_in_its_input_codec(bus):
    block = cbrrr.encode_dag_cbor({"a": 1})
    ask = dag.DagPut(data=block, input_codec="dag-cbor", codec="dag-cbor")
    reply = await bus.upload(subjects.DAG_PUT, ask)
    assert await get(bus, reply.cid, codec="raw") == block


async def test_a_null_node_is_a_node(bus):
    assert await get(bus, await put(bus, None)) == b"null"


async def test_a_broken_node_is_refused(bus):
    ask = dag.DagPut(data=b"\x18\x01", input_codec="dag-cbor", codec="dag-cbor")
    with pytest.raises(InvalidContent):
        await bus.upload(subjects.DAG_PUT, ask)


async def test_an_unknown_codec_is_named(bus):
    with pytest.raises(BadRequest, match="format"):
        await put(bus, {}, format="yaml")
    with pytest.raises(NotSupported, match="git-raw"):
        await put(bus, {}, codec="git-raw")


async def test_a_pinned_node_needs_what_it_links_to(bus):
    nowhere = "bafkreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi"
    with pytest.raises(NotFound, match=nowhere):
        await put(bus, {"link": {"/": nowhere}})
    cid = await put(bus, {"link": {"/": nowhere}}, pin=False)
    assert orjson.loads(await get(bus, cid)) == {"link": {"/": nowhere}}


async def test_a_pinned_node_keeps_what_it_links_to(bus):
    leaf = await add(bus, "leaf", pin=False)
    await put(bus, {"leaf": {"/": leaf}}, format="cbor")
    await bus.request(subjects.REPO_GC, ipfs.RepoGc())
    assert (await bus.request(subjects.BLOCK_STAT, ipfs.BlockRequest(cid=leaf))).size_bytes == 4


# ---- paths ----------------------------------------------------------------------------------------------


async def test_a_path_goes_through_nodes_and_across_links(bus):
    leaf = await put(bus, {"name": ["zero", "one"]}, format="cbor")
    root = await put(bus, {"a": {"b": {"/": leaf}}})
    assert await get(bus, root, "a/b/name/1") == b'"one"'
    found = await bus.request(subjects.DAG_RESOLVE, dag.DagPath(cid=root, path="a/b/name/1"))
    assert (found.cid, found.remainder_path, found.codec) == (leaf, "name/1", "dag-cbor")
    assert found.roots == [root, leaf]


async def test_a_path_that_is_not_there_is_not_found(bus):
    root = await put(bus, {"a": 1})
    with pytest.raises(NotFound, match="b"):
        await bus.request(subjects.DAG_RESOLVE, dag.DagPath(cid=root, path="b"))


async def test_raw_is_for_whole_blocks(bus):
    root = await put(bus, {"a": 1})
    with pytest.raises(BadRequest, match="output_codec"):
        await get(bus, root, "a", "raw")


# ---- counting and listing -------------------------------------------------------------------------------


async def test_a_dag_is_counted_with_shared_blocks_once(bus):
    leaf = await add(bus, "leaf")
    one, two = await put(bus, {"leaf": {"/": leaf}, "n": 1}), await put(bus, {"leaf": {"/": leaf}, "n": 2})
    stat = await bus.request(subjects.DAG_STAT, dag.DagStatRequest(cids=[one, two]))
    assert [root.blocks for root in stat.roots] == [2, 2]
    assert stat.unique_blocks == 3
    assert stat.total_size_bytes == stat.unique_size_bytes + 4


async def test_refs_are_listed_as_deep_as_asked(bus):
    leaf = await add(bus, "leaf")
    middle = await put(bus, [{"/": leaf}])
    root = await put(bus, [{"/": middle}])
    refs = [(ref.source, ref.cid) async for ref in bus.items(subjects.REFS, dag.Refs(cid=root))]
    assert refs == [(root, middle)]
    refs = [
        (ref.source, ref.cid) async for ref in bus.items(subjects.REFS, dag.Refs(cid=root, recursive=True))
    ]
    assert refs == [(root, middle), (middle, leaf)]
    here = {ref.cid async for ref in bus.items(subjects.REFS_LOCAL, dag.LocalRefs())}
    assert {leaf, middle, root} <= here


# ---- CAR files ------------------------------------------------------------------------------------------


async def test_a_dag_goes_through_a_car_into_another_store(bus, tmp_path):
    leaf = await add(bus, "leaf")
    root = await put(bus, {"leaf": {"/": leaf}}, format="cbor")
    head, car = await read(bus, subjects.DAG_EXPORT, dag.DagExport(cid=root))
    assert head.cid == root
    async with (
        nats_server() as server,
        hosted(server, make_actor("ipfs", tmp_path / "other")),
        await connect(server) as other,
    ):
        imported = await other.upload(subjects.DAG_IMPORT, dag.DagImport(data=car))
        assert (imported.blocks, [entry.cid for entry in imported.roots]) == (2, [root])
        assert imported.roots[0].pinned
        assert await get(other, root) == await get(bus, root)


async def test_a_car_of_a_path_has_the_blocks_on_the_way(bus):
    leaf = await put(bus, {"name": "leaf"}, format="cbor")
    root = await put(bus, {"a": {"/": leaf}})
    head, car = await read(bus, subjects.DAG_EXPORT, dag.DagExport(cid=root, path="a", scope="block"))
    assert (head.cid, head.roots) == (leaf, [root, leaf])
    assert await get(bus, root, codec="raw") in car


async def test_a_car_with_a_wrong_block_is_refused_and_nothing_is_pinned(bus):
    root = await put(bus, {"name": "root"}, pin=False)
    _, car = await read(bus, subjects.DAG_EXPORT, dag.DagExport(cid=root))
    with pytest.raises(InvalidContent):
        await bus.upload(subjects.DAG_IMPORT, dag.DagImport(data=car[:-1] + bytes([car[-1] ^ 1])))
    assert [pin async for pin in bus.items(subjects.PINS, ipfs.PinList())] == []


async def test_a_block_can_be_hashed_otherwise(bus):
    ask = ipfs.BlockPut(data=b"hello", hash="blake3")
    stat = await bus.upload(subjects.BLOCK_PUT, ask)
    _, block = await read(bus, subjects.BLOCK_GET, ipfs.BlockRequest(cid=stat.cid))
    assert block == b"hello"
    assert base64.b32decode(stat.cid[1:].upper() + "=" * (-len(stat.cid[1:]) % 8))[2] == 0x1E


async def test_a_node_over_the_limit_of_a_block_is_refused_in_whichever_codec(bus):
    node = b'"' + b"a" * (2 << 20) + b'"'
    for given in ("raw", "json", "dag-json"):
        with pytest.raises((TooLarge, InvalidContent)):  # by the store, or by the codec already
            await bus.upload(subjects.DAG_PUT, dag.DagPut(input_codec=given, codec=given), in_one(node))


async def in_one(content: bytes) -> AsyncIterator[bytes]:
    yield content
