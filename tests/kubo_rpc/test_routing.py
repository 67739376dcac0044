"""routing/* and dht/*."""

from __future__ import annotations

import base64

import pytest

from .conftest import HELLO, HELLO_CID

STRANGER = "12D3KooWF2nr5DnNaaTYT3pCUx48YVFB9UFtSP5MHndBBTaMdTtG"


@pytest.fixture(params=["routing", "dht"])
def group(request) -> str:
    return request.param


async def own_id(rpc) -> str:
    return (await rpc("id")).json["ID"]


async def test_the_node_is_found_as_a_provider_of_what_it_has(rpc, group):
    await rpc.add({"a": HELLO})
    (line,) = (await rpc(f"{group}/findprovs", HELLO_CID)).lines
    assert line["Type"] == 4
    assert [peer["ID"] for peer in line["Responses"]] == [await own_id(rpc)]
    assert "greater than 0" in (await rpc(f"{group}/findprovs", HELLO_CID, num_providers=0)).error


async def test_a_peer_is_found_or_said_not_to_be(rpc, group):
    peer = await own_id(rpc)
    (line,) = (await rpc(f"{group}/findpeer", peer)).lines
    assert (line["Type"], line["Responses"][0]["ID"]) == (2, peer)
    assert (await rpc(f"{group}/findpeer", STRANGER)).error.startswith("routing: not found")


async def test_content_is_provided_if_it_is_here(rpc, group):
    await rpc.add({"a": HELLO})
    assert (await rpc(f"{group}/provide", HELLO_CID)).status == 200
    assert (await rpc(f"{group}/provide", "QmcoLu64r663eo3mj9hy7sDX6w58kutbFgat6wSfEVbyqm")).status == 500


async def test_records_are_got_and_put(rpc, group):
    await rpc.add({"a": HELLO})
    name = (await rpc("name/publish", HELLO_CID)).json["Name"]
    key = f"/ipns/{name}"
    (line,) = (await rpc(f"{group}/get", key)).lines
    assert line["Type"] == 5
    record = base64.b64decode(line["Extra"])
    assert record == (await rpc("name/get", name)).body
    (line,) = (await rpc(f"{group}/put", key, files={"r": record})).lines
    assert (line["Type"], line["ID"]) == (5, name)
    assert (await rpc(f"{group}/get", "nonsense")).status == 400
