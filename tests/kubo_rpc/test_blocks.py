"""block/get, put, stat and rm."""

from __future__ import annotations

import pytest

from .conftest import ABSENT, HELLO, HELLO_CID, NOT_HERE

KEY = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"


async def test_a_block_goes_in_and_out_and_away(rpc):
    assert (await rpc("block/put", files={"f": b"hello"})).lines == [{"Key": KEY, "Size": 5}]
    assert (await rpc("block/get", KEY)).body == b"hello"
    assert (await rpc("block/stat", KEY)).json == {"Key": KEY, "Size": 5}
    assert (await rpc("block/rm", KEY)).lines == [{"Hash": KEY}]
    missing = f"block was not found locally (offline): ipld: could not find {KEY}"
    assert (await rpc("block/get", KEY)).error == missing
    assert (await rpc("block/stat", KEY)).error == missing


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"cid_codec": "dag-pb"}, "bafybeibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"),
        ({"format": "v0"}, "QmRN6wdp1S2A5EtjW9A3M1vKSBuQQGcgvuhoMUoEz4iiT5"),
        ({"format": "cbor"}, "bafyreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"),
        ({"mhtype": "sha2-256", "mhlen": 32}, KEY),
        (
            {"mhtype": "sha2-512"},
            "bafkrgqe3ohjcjplc6n4f3fwunlj6upltggn7xqujbsvnvyw764srszz4u4rshq6ztos4chl4plgg4ffyyxnayrtdi5oc4xb2332g645433aeg",
        ),
    ],
)
async def test_options_make_the_cid_that_kubo_makes(rpc, options, key):
    assert (await rpc("block/put", files={"f": b"hello"}, **options)).lines == [{"Key": key, "Size": 5}]
    assert (await rpc("block/get", key)).body == b"hello"


async def test_several_blocks_are_put_and_pinned_at_once(rpc):
    lines = (await rpc("block/put", files={"a": b"hello", "b": b"there"}, pin=True)).lines
    assert lines[0]["Key"] == KEY
    assert (await rpc("pin/ls")).json["Keys"].keys() == {line["Key"] for line in lines}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cid_codec": "nope"}, 'unknown multicodec: "nope"'),
        ({"mhtype": "nope"}, "unrecognized multihash function: nope"),
        ({"mhlen": 3}, "a sha2-256 digest cannot be 3 bytes long"),
        ({"format": "v0", "mhtype": "sha2-512"}, "v0 blocks are sha2-256 and dag-pb"),
    ],
)
async def test_options_that_make_no_cid_are_refused(rpc, options, words):
    assert (await rpc("block/put", files={"f": b"hello"}, **options)).error == words


async def test_a_block_over_the_limit_is_refused(rpc):
    answer = await rpc("block/put", files={"f": bytes(2 * 1024 * 1024 + 1)})
    assert answer.error == "data: more than 2097152 bytes"


async def test_each_block_that_stays_is_told_with_the_reason(rpc):
    await rpc.add({"a": HELLO})
    lines = (await rpc("block/rm", ABSENT, HELLO_CID)).lines
    assert lines == [
        {"Hash": ABSENT, "Error": f"ipld: could not find {ABSENT}"},
        {"Hash": HELLO_CID, "Error": "pinned: recursive"},
    ]
    assert (await rpc("block/rm", ABSENT, force=True)).lines == [{"Hash": ABSENT}]
    assert (await rpc("block/rm", ABSENT, force=True, quiet=True)).lines == []


async def test_a_block_is_named_by_a_cid_or_a_path_but_removed_by_its_cid_alone(rpc):
    leaf = (await rpc("block/put", files={"block": b"leaf"})).json["Key"]
    node = (await rpc("dag/put", files={"node": b'{"leaf": {"/": "%b"}}' % leaf.encode()})).json
    path = f"/ipfs/{node['Cid']['/']}/leaf"
    assert (await rpc("block/get", path)).body == b"leaf"
    assert (await rpc("block/stat", path)).json == {"Key": leaf, "Size": 4}
    assert "only a CID" in (await rpc("block/rm", path)).error
    assert "invalid cid" in (await rpc("block/get", "zzz")).error
    assert (await rpc("block/get", f"/ipfs/{ABSENT}")).error == NOT_HERE
