"""dag/put, get, resolve, stat, import and export."""

from __future__ import annotations

import pytest

from .conftest import ABSENT, HELLO, HELLO_CID, NOT_HERE

NODE = b'{"a":{"b":[1,2]},"l":{"/":"%s"}}' % HELLO_CID.encode()
NODE_CID = "bafyreif3clppaok3dtlhto5ifyy4mjcio7gmwy4ijutoackyal2zxjptye"


@pytest.fixture
async def node(rpc) -> None:
    await rpc.add({"a": HELLO})
    assert (await rpc("dag/put", files={"n": NODE})).lines == [{"Cid": {"/": NODE_CID}}]


async def test_a_node_comes_back_and_paths_go_through_it(rpc, node):
    answer = await rpc("dag/get", NODE_CID)
    assert (answer.body, answer.headers["X-Stream-Output"]) == (NODE, "1")
    assert (await rpc("dag/get", f"{NODE_CID}/a/b/1")).body == b"2"
    assert b'"Links":[]' in (await rpc("dag/get", f"{NODE_CID}/l")).body
    assert (await rpc("dag/get", NODE_CID, output_codec="dag-cbor")).body.startswith(
        b"\xa2aa\xa1ab\x82\x01\x02"
    )
    assert (await rpc("dag/get", NODE_CID, output_codec="nope")).error == 'unknown multicodec: "nope"'
    assert (await rpc("dag/get", ABSENT)).error == NOT_HERE
    assert (await rpc("dag/get", f"{NODE_CID}/zz")).error == f'no link named "zz" under {NODE_CID}'


async def test_nodes_are_put_in_the_codec_asked_for_and_pinned(rpc):
    lines = (await rpc("dag/put", files={"a": b'{"a":1}', "b": b'{"b":1}'}, pin=True)).lines
    cids = {line["Cid"]["/"] for line in lines}
    assert (await rpc("pin/ls", type="recursive")).json["Keys"].keys() == cids
    line = (await rpc("dag/put", files={"a": b'{"a":1}'}, store_codec="dag-json")).lines[0]
    assert line["Cid"]["/"] == "baguqeeraafnl2724yv5c3wklowipaswybbbhhec64m7mltv6vzrco2ux7bra"
    assert (await rpc("dag/put", files={"a": b'{"a":'})).status == 500


async def test_a_path_is_resolved_to_its_block_and_the_rest(rpc, node):
    resolved = (await rpc("dag/resolve", f"{NODE_CID}/a/b")).json
    assert resolved == {"Cid": {"/": NODE_CID}, "RemPath": "/a/b"}
    assert (await rpc("dag/resolve", f"{NODE_CID}/l")).json == {"Cid": {"/": HELLO_CID}, "RemPath": ""}


async def test_sizes_count_a_shared_block_once(rpc, node):
    assert (await rpc("dag/stat", NODE_CID, HELLO_CID)).json == {
        "UniqueBlocks": 2,
        "TotalSize": 70,
        "SharedSize": 20,
        "Ratio": pytest.approx(90 / 70),
        "DagStats": [
            {"Cid": NODE_CID, "Size": 70, "NumBlocks": 2},
            {"Cid": HELLO_CID, "Size": 20, "NumBlocks": 1},
        ],
    }
    assert (await rpc("dag/stat", ABSENT)).error == NOT_HERE


async def test_a_car_goes_out_and_in_again(rpc, node):
    car = (await rpc("dag/export", NODE_CID)).body
    await rpc("pin/rm", HELLO_CID)
    await rpc("repo/gc")
    assert (await rpc("dag/get", NODE_CID)).status == 500
    lines = (await rpc("dag/import", files={"car": car}, stats=True)).lines
    assert lines == [
        {"Root": {"Cid": {"/": NODE_CID}, "PinErrorMsg": ""}},
        {"Stats": {"BlockCount": 2, "BlockBytesCount": 70}},
    ]
    assert (await rpc("cat", f"{NODE_CID}/l")).body == (await rpc("cat", HELLO_CID)).body
    assert (await rpc("pin/ls", NODE_CID)).status == 200
    assert (await rpc("dag/import", files={"car": car}, pin_roots=False)).lines == []
    assert (await rpc("dag/import", files={"car": car}, silent=True)).lines == []


async def test_what_is_no_car_or_not_here_is_an_error(rpc):
    assert (await rpc("dag/import", files={"car": b"hello"})).status == 500
    assert (await rpc("dag/export", ABSENT)).error == NOT_HERE
