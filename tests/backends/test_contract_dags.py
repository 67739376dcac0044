"""The contract: nodes, paths, CAR files and links, the same at every back end."""

from __future__ import annotations

import io

import cbrrr
import orjson
import pytest

from cidbus.actors.ipfs.car.read import open_car
from cidbus.schemas import dag, ipfs, subjects
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported, TooLarge

from .places import absent, cut

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_CID = "zz-no-cid"


async def get(place, cid: str, path: str = "", codec: str = "dag-json") -> bytes:
    ask = dag.DagGet(cid=cid, path=path, output_codec=codec)
    return (await place.read(subjects.DAG_GET, ask))[1]


async def put(place, **fields) -> dag.DagPutReply:
    return await place.bus.upload(subjects.DAG_PUT, dag.DagPut(**fields))


async def car_of(car: bytes) -> tuple[list[str], list[str]]:
    """The roots of a CAR and the CIDs of its blocks, each of which is right."""

    async def content():
        yield car

    opened = await open_car(content())
    blocks = [(cid, data) async for cid, data in opened.blocks()]
    return [str(root) for root in opened.roots], [str(cid) for cid, _ in blocks]


# ---- put and get ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "cid"),
    [
        ({}, "baguqeeraq7hbwabkaf6uxvn2wpkwsko2rgophpqnmuhno662lopagrf3xwxa"),
        ({"format": "cbor"}, "bafyreibzur3cvfdgne4ymow4vmbg5krmlftgicstfpzz4afoyv6uie3prq"),
    ],
)
async def test_a_node_has_the_same_cid_everywhere(place, fields, cid):
    reply = await put(place, object={"b": 1, "a": [True, None, 1.5, "ä"]}, **fields)
    assert reply.cid == cid
    assert (reply.format, reply.pin) == ("dag-cbor" if fields else "dag-json", True)
    assert await get(place, cid) == '{"a":[true,null,1.5,"ä"],"b":1}'.encode()
    block = (await place.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=cid)))[1]
    assert reply.size_bytes == len(block)


async def test_a_node_is_had_in_the_codec_that_is_asked_for(reader, fresh):
    leaf = (await reader.add(fresh())).cid
    cid = await reader.put_node({"n": 1, "link": {"/": leaf}}, format="cbor")
    block = await get(reader, cid, codec="raw")
    assert await get(reader, cid, codec="dag-cbor") == block
    assert cbrrr.decode_dag_cbor(block)["n"] == 1
    assert orjson.loads(await get(reader, cid)) == {"n": 1, "link": {"/": leaf}}


async def test_a_directory_is_a_node_too(reader, fresh):
    added = await reader.add(fresh(), filename="a.txt", wrap=True)
    node = orjson.loads(await get(reader, added.cid))
    assert [link["Name"] for link in node["Links"]] == ["a.txt"]


async def test_a_node_given_as_bytes_is_read_in_its_codec(place, fresh):
    block = cbrrr.encode_dag_cbor({"about": fresh().decode()})
    reply = await put(place, data=block, input_codec="dag-cbor", codec="dag-cbor")
    assert await get(place, reply.cid, codec="raw") == block


async def test_a_node_may_come_as_a_stream(place, fresh):
    node = orjson.dumps({"about": fresh(size=300_000).decode()})
    ask = dag.DagPut(codec="dag-cbor")
    reply = await place.bus.upload(subjects.DAG_PUT, ask, cut(node))
    assert orjson.loads(await get(place, reply.cid)) == orjson.loads(node)


async def test_a_node_can_be_hashed_otherwise(place, fresh):
    reply = await put(place, object={"about": fresh().decode()}, hash="sha2-512")
    assert CID.parse(reply.cid).multihash[0] == 0x13
    assert orjson.loads(await get(place, reply.cid)) == {"about": fresh().decode()}


@pytest.mark.parametrize("pin", [True, False])
async def test_a_node_is_pinned_unless_it_is_not_to_be(place, fresh, pin):
    cid = (await put(place, object={"about": fresh().decode()}, pin=pin)).cid
    assert len(await place.pins(cid=cid)) == pin


async def test_a_null_node_is_a_node(place):
    assert await get(place, (await put(place, object=None, pin=False)).cid) == b"null"


@pytest.mark.parametrize(
    ("data", "codec"),
    [(b"{", "dag-json"), (b'{"a":1', "dag-json"), (b"\xa1", "dag-cbor"), (b"\x0a\xff", "dag-pb"), (b"", "dag-json")],
)  # fmt: skip
async def test_a_broken_node_is_refused(place, data, codec):
    with pytest.raises(InvalidContent):
        await put(place, data=data, input_codec=codec, codec=codec)


@pytest.mark.parametrize("field", ["format", "codec", "input_codec"])
async def test_an_unknown_codec_is_named(place, field):
    given = {"data": b"{}"} if field == "input_codec" else {"object": {}}
    with pytest.raises(BadRequest) as refused:
        await put(place, **given, **{field: "yaml"})
    assert refused.value.field == field


async def test_an_unknown_output_codec_is_named(reader, fresh):
    cid = await reader.put_node({"about": fresh().decode()})
    with pytest.raises(BadRequest) as refused:
        await get(reader, cid, codec="yaml")
    assert refused.value.field == "output_codec"


async def test_a_value_that_the_codec_cannot_hold_is_refused(place):
    with pytest.raises(BadRequest):
        await put(place, object={"a": 1}, codec="dag-pb")


async def test_a_node_over_the_limit_is_refused(place):
    async def content():
        yield b'"'
        for _ in range(9):
            yield b"x" * (512 * 1024)
        yield b'"'

    with pytest.raises(TooLarge):
        await place.bus.upload(subjects.DAG_PUT, dag.DagPut(), content())


async def test_a_pinned_node_needs_what_it_links_to(place, fresh):
    nowhere = absent(fresh())
    with pytest.raises(NotFound) as missing:
        await put(place, object={"link": {"/": nowhere}})
    assert (missing.value.what, missing.value.name) == ("block", nowhere)


# ---- paths ----------------------------------------------------------------------------------------------


async def test_a_path_goes_through_nodes_and_across_links(reader, fresh):
    leaf = await reader.put_node({"name": ["zero", fresh().decode()]}, format="cbor")
    root = await reader.put_node({"a": {"b": {"/": leaf}}})
    assert orjson.loads(await get(reader, root, "a/b/name/1")) == fresh().decode()
    found = await reader.ask(subjects.DAG_RESOLVE, dag.DagPath(cid=root, path="a/b/name/1"))
    assert (found.cid, found.remainder_path, found.codec) == (leaf, "name/1", "dag-cbor")
    assert found.roots == [root, leaf]
    whole = await reader.ask(subjects.DAG_RESOLVE, dag.DagPath(cid=root, path="a/b"))
    assert (whole.cid, whole.remainder_path) == (leaf, "")


async def test_a_path_goes_through_directories(reader, fresh):
    added = await reader.add(fresh(), filename="a.txt", wrap=True)
    found = await reader.ask(subjects.DAG_RESOLVE, dag.DagPath(cid=added.cid, path="a.txt"))
    assert found.cid == (await reader.add(fresh(), only_hash=True)).cid


async def test_a_path_that_is_not_there_is_not_found(reader, fresh):
    root = await reader.put_node({"about": fresh().decode()})
    for ask in (
        lambda: reader.ask(subjects.DAG_RESOLVE, dag.DagPath(cid=root, path="nothing")),
        lambda: get(reader, root, "nothing"),
        lambda: reader.export(root, "nothing"),
        lambda: reader.items(subjects.REFS, dag.Refs(cid=root, path="nothing")),
    ):
        with pytest.raises(NotFound) as missing:
            await ask()
        assert (missing.value.what, missing.value.missing) == ("path", "nothing")


async def test_raw_is_for_whole_blocks(reader, fresh):
    root = await reader.put_node({"about": fresh().decode()})
    with pytest.raises(BadRequest) as refused:
        await get(reader, root, "about", "raw")
    assert refused.value.field == "output_codec"


async def test_a_codec_that_cannot_be_read_is_not_supported(place, fresh):
    cid = await place.put_block(fresh(), format="git-raw")
    with pytest.raises(NotSupported):
        await get(place, cid)


READS = {
    "get": lambda place, cid: get(place, cid),
    "resolve": lambda place, cid: place.ask(subjects.DAG_RESOLVE, dag.DagPath(cid=cid, path="a")),
    "stat": lambda place, cid: place.ask(subjects.DAG_STAT, dag.DagStatRequest(cids=[cid])),
    "export": lambda place, cid: place.export(cid),
    "export a part": lambda place, cid: place.export(cid, scope="block"),
    "refs": lambda place, cid: place.items(subjects.REFS, dag.Refs(cid=cid)),
    "refs of all": lambda place, cid: place.items(subjects.REFS, dag.Refs(cid=cid, recursive=True)),
}


@pytest.mark.parametrize("read", READS)
async def test_a_missing_root_is_not_found_and_named(reader, fresh, read):
    cid = absent(fresh(), codec=0x71)
    with pytest.raises(NotFound) as missing:
        await READS[read](reader, cid)
    assert (missing.value.what, missing.value.name) == ("block", cid)


@pytest.mark.parametrize("read", READS)
async def test_what_is_no_cid_is_refused(reader, read):
    with pytest.raises(BadRequest) as refused:
        await READS[read](reader, NO_CID)
    assert refused.value.field == "cid"


@pytest.mark.parametrize("read", ["stat", "export", "refs of all"])
async def test_a_block_that_is_missing_further_down_is_named(reader, fresh, read):
    nowhere = absent(fresh(), codec=0x71)
    middle = await reader.put_node([{"/": nowhere}], pin=False, format="cbor")
    root = await reader.put_node({"about": {"/": middle}}, pin=False, format="cbor")
    with pytest.raises(NotFound) as missing:
        await READS[read](reader, root)
    assert (missing.value.what, missing.value.name) == ("block", nowhere)


# ---- counting and listing -------------------------------------------------------------------------------


async def test_a_dag_is_counted_with_shared_blocks_once(reader, fresh):
    leaf = (await reader.add(fresh())).cid
    one, two = [await reader.put_node({"leaf": {"/": leaf}, "n": n}) for n in (1, 2)]
    stat = await reader.ask(subjects.DAG_STAT, dag.DagStatRequest(cids=[one, two]))
    assert [(root.cid, root.blocks) for root in stat.roots] == [(one, 2), (two, 2)]
    assert stat.unique_blocks == 3
    assert stat.total_size_bytes == stat.unique_size_bytes + len(fresh())
    (alone,) = (await reader.ask(subjects.DAG_STAT, dag.DagStatRequest(cids=[one]))).roots
    assert alone.size_bytes == stat.roots[0].size_bytes


async def test_links_are_listed_as_deep_as_asked(reader, fresh):
    leaf = (await reader.add(fresh())).cid
    middle = await reader.put_node([{"/": leaf}], format="cbor")
    root = await reader.put_node({"a": {"/": middle}, "b": {"/": middle}}, format="cbor")

    async def refs(**fields) -> list[tuple[str, str]]:
        found = await reader.items(subjects.REFS, dag.Refs(cid=root, **fields))
        return [(ref.source, ref.cid) for ref in found]

    assert await refs() == [(root, middle), (root, middle)]
    assert await refs(unique=True) == [(root, middle)]
    assert await refs(recursive=True, unique=True) == [(root, middle), (middle, leaf)]
    assert len(await refs(recursive=True)) == 4
    assert await refs(recursive=True, max_depth=1) == [(root, middle), (root, middle)]


async def test_links_of_directories_have_names(reader, fresh):
    added = await reader.add(fresh(), filename="a name.txt", wrap=True)
    (ref,) = await reader.items(subjects.REFS, dag.Refs(cid=added.cid))
    assert (ref.source, ref.name) == (added.cid, "a name.txt")


async def test_every_stored_block_is_listed(place, fresh):
    cid = await place.put_block(fresh())
    assert await place.has(cid)
    assert not await place.has(absent(fresh()))


# ---- CAR files ------------------------------------------------------------------------------------------


async def test_a_dag_is_exported_whole(reader, fresh):
    leaf = (await reader.add(fresh())).cid
    root = await reader.put_node({"leaf": {"/": leaf}}, format="cbor")
    head, car = await reader.read(subjects.DAG_EXPORT, dag.DagExport(cid=root))
    assert (head.cid, head.roots) == (root, [root])
    assert await car_of(car) == ([root], [root, leaf])


async def test_a_part_is_exported_with_the_blocks_on_the_way(reader, fresh):
    leaf = (await reader.add(fresh(size=3000), chunk_bytes=1000)).cid
    root = await reader.put_node({"a": {"/": leaf}}, format="cbor")
    head, car = await reader.read(subjects.DAG_EXPORT, dag.DagExport(cid=root, path="a", scope="block"))
    assert (head.cid, head.roots) == (leaf, [root, leaf])
    assert await car_of(car) == ([leaf], [root, leaf])
    assert len((await car_of(await reader.export(root, "a")))[1]) == 5


async def test_an_entity_is_exported_without_what_lies_below(reader, fresh):
    directory = (await reader.add(fresh(size=3000), filename="a", wrap=True, chunk_bytes=1000)).cid
    assert (await car_of(await reader.export(directory, scope="entity")))[1] == [directory]
    _, blocks = await car_of(await reader.export(directory, "a", entity_bytes="0:999"))
    assert blocks[0] == directory
    assert len(blocks) == 3


@pytest.mark.parametrize("inline", [True, False])
async def test_a_car_is_imported_and_its_roots_are_pinned(place, fresh, inline):
    root, car = await a_car(place, fresh)
    if inline:
        imported = await put_car(place, data=car)
    else:
        imported = await place.bus.upload(subjects.DAG_IMPORT, dag.DagImport(), cut(car))
    assert [(entry.cid, entry.pinned, entry.error) for entry in imported.roots] == [(root, True, None)]
    assert imported.blocks == 2
    assert imported.size_bytes == sum(len(block) for block in await blocks_of(place, root))
    assert len(await place.pins(cid=root)) == 1


async def a_car(place, fresh) -> tuple[str, bytes]:
    """The root of a DAG of two blocks, not pinned, and its CAR."""
    leaf = await place.put_block(fresh())
    root = await place.put_node({"leaf": {"/": leaf}}, format="cbor", pin=False)
    return root, await place.export(root)


async def blocks_of(place, root: str) -> list[bytes]:
    cids = [root, *(ref.cid for ref in await place.items(subjects.REFS, dag.Refs(cid=root)))]
    return [(await place.read(subjects.BLOCK_GET, ipfs.BlockRequest(cid=cid)))[1] for cid in cids]


async def put_car(place, **fields) -> dag.DagImported:
    return await place.bus.upload(subjects.DAG_IMPORT, dag.DagImport(**fields))


async def test_roots_may_stay_unpinned(place, fresh):
    root, car = await a_car(place, fresh)
    imported = await put_car(place, data=car, pin_roots=False)
    assert [(entry.cid, entry.pinned) for entry in imported.roots] == [(root, False)]
    assert await place.pins(cid=root) == []


async def test_a_root_that_is_not_whole_is_not_pinned_and_says_why(place, fresh):
    nowhere = absent(fresh())
    root = await place.put_node({"link": {"/": nowhere}}, pin=False, format="cbor")
    car = await place.export(root, scope="block")
    (entry,) = (await put_car(place, data=car)).roots
    assert (entry.cid, entry.pinned) == (root, False)
    assert nowhere in entry.error


async def test_a_car_with_a_wrong_block_is_refused_and_nothing_is_pinned(place, fresh):
    root, car = await a_car(place, fresh)
    with pytest.raises(InvalidContent) as refused:
        await put_car(place, data=car[:-1] + bytes([car[-1] ^ 1]))
    assert refused.value.field
    assert await place.pins(cid=root) == []


@pytest.mark.parametrize("broken", ["cut short", "no car", "empty"])
async def test_a_broken_car_is_refused(place, fresh, broken):
    root, car = await a_car(place, fresh)
    data = {"cut short": car[:-10], "no car": fresh(), "empty": b""}[broken]
    with pytest.raises(InvalidContent) as refused:
        await put_car(place, data=data)
    assert refused.value.field == "car"
    assert await place.pins(cid=root) == []


async def test_a_large_dag_goes_out_and_in(place, fresh):
    content = io.BytesIO(fresh(size=5_000_000)).getvalue()
    root = (await place.add(content, chunk_bytes=10_000, pin=False)).cid
    car = await place.export(root)
    imported = await place.bus.upload(subjects.DAG_IMPORT, dag.DagImport(), cut(car))
    assert imported.blocks == len((await car_of(car))[1])
    assert await place.cat(root) == content
