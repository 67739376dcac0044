"""Nodes, CAR files, names and providers through the client: every test here runs over NATS and over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from cidbus.client import Client
from cidbus.schemas.errors import BadRequest, InvalidContent, NotFound

NOWHERE = "bafkreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi"


# ---- nodes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "node", [{"a": [1, 2.5, "ä"], "b": {}}, [True, None], -(2**64), 2**64 - 1, 1.0, None], ids=repr
)
@pytest.mark.parametrize("codec", ["dag-json", "dag-cbor"])
async def test_a_node_comes_back_as_it_was_given(client: Client, node: object, codec: str):
    stored = await client.ipfs.dag_put(node, codec=codec)
    assert stored.format == codec
    assert await client.ipfs.dag_get(stored.cid).json() == node


async def test_bytes_may_stand_in_a_node(client: Client):
    stored = await client.ipfs.dag_put({"data": b"\xff\x00"}, codec="dag-cbor")
    assert await client.ipfs.dag_get(stored.cid).json() == {"data": {"/": {"bytes": "/wA"}}}
    assert (await client.ipfs.dag_get(stored.cid, output_codec="dag-cbor").read()).endswith(b"\xff\x00")


async def test_text_bytes_and_files_are_read_in_their_codec(client: Client, tmp_path: Path):
    (tmp_path / "given").write_bytes(b"\xa1aa\x01")
    given = [
        await client.ipfs.dag_put('{ "a": 1 }', codec="dag-cbor"),
        await client.ipfs.dag_put(b"\xa1aa\x01", input_codec="dag-cbor", codec="dag-cbor"),
        await client.ipfs.dag_put(tmp_path / "given", input_codec="dag-cbor", codec="dag-cbor"),
        await client.ipfs.dag_put({"a": 1}, input_codec="dag-cbor", codec="dag-cbor"),
    ]
    assert len({stored.cid for stored in given}) == 1


async def test_a_node_larger_than_a_message_is_sent_as_a_stream(client: Client):
    node = ["x" * 1000] * 1000
    stored = await client.ipfs.dag_put(node)
    assert await client.ipfs.dag_get(stored.cid).json() == node


@pytest.mark.parametrize("node", [{"a": float("nan")}, {"a": object()}, [{1, 2}]])
async def test_what_the_data_model_does_not_have_is_refused_before_it_is_sent(client: Client, node: object):
    with pytest.raises(BadRequest) as raised:
        await client.ipfs.dag_put(node)  # type: ignore[arg-type]
    assert raised.value.field == "source"


async def test_a_lone_surrogate_is_refused_by_the_node(client: Client):
    with pytest.raises(InvalidContent):
        await client.ipfs.dag_put(["\ud800"])


async def test_links_lead_from_node_to_node(client: Client):
    leaf = await client.ipfs.dag_put({"name": "leaf"}, codec="dag-cbor")
    root = await client.ipfs.dag_put({"below": {"/": leaf.cid}})
    assert await client.ipfs.dag_get(root.cid, path="below/name").json() == "leaf"
    found = await client.ipfs.dag_resolve(root.cid, path="below/name")
    assert (found.cid, found.remainder_path) == (leaf.cid, "name")
    assert [ref.cid async for ref in client.ipfs.refs(root.cid)] == [leaf.cid]
    assert {leaf.cid, root.cid} <= {ref.cid async for ref in client.ipfs.refs_local()}
    assert (await client.ipfs.dag_stat([root.cid, leaf.cid])).unique_blocks == 2


async def test_content_that_is_not_json_says_so(client: Client):
    added = await client.ipfs.add("{")
    with pytest.raises(InvalidContent, match="not JSON"):
        await client.ipfs.cat(added.cid).json()


async def test_a_car_goes_out_and_in_again(client: Client, tmp_path: Path):
    added = await client.ipfs.add(bytes(3 * 1024 * 1024), pin=False)
    car = await client.ipfs.dag_export(added.cid).read()
    (tmp_path / "file.car").write_bytes(car)
    sent: list[int] = []
    imported = await client.ipfs.dag_import(tmp_path / "file.car", progress=sent.append)
    assert [(root.cid, root.pinned) for root in imported.roots] == [(added.cid, True)]
    assert sent[-1] == len(car)


# ---- names, providers -----------------------------------------------------------------------------------


async def test_a_name_leads_to_what_its_key_published(client: Client):
    key = await client.ipfs.key_gen("blog")
    added = await client.ipfs.add("first")
    published = await client.ipfs.name_publish(added.cid, key="blog", lifetime="1h", ttl=60)
    assert published.name == key.id
    assert (await client.ipfs.name_resolve(key.id)).path == f"/ipfs/{added.cid}"
    record = (await client.ipfs.name_get(key.id)).record
    seen = await client.ipfs.name_inspect(record, name=key.id)
    assert (seen.valid, seen.ttl_s) == (True, 60)
    assert (await client.ipfs.name_put(key.id, record)).record == record
    assert [one.name async for one in client.ipfs.key_ls()] == ["self", "blog"]


async def test_what_is_stored_here_has_a_provider_and_what_is_not_has_a_reason(client: Client):
    added = await client.ipfs.add("here")
    found = await client.ipfs.routing_findprovs(added.cid)
    assert [peer.id for peer in found.providers] == [(await client.ipfs.id()).id]
    nobody = await client.ipfs.routing_findprovs(NOWHERE)
    assert (nobody.count, bool(nobody.reason)) == (0, True)
    with pytest.raises(NotFound):
        await client.ipfs.routing_provide(NOWHERE)
