"""Names, records and keys."""

from __future__ import annotations

import pytest

from .conftest import HELLO, HELLO_CID


@pytest.fixture
async def hello(rpc) -> str:
    await rpc.add({"a": HELLO})
    return f"/ipfs/{HELLO_CID}"


async def test_the_nodes_own_name_is_published_and_resolved(rpc, hello):
    published = (await rpc("name/publish", hello, allow_offline=True, lifetime="24h", ttl="1m")).json
    assert published["Value"] == hello
    assert published["Name"].startswith("k51")
    for args in ((), (published["Name"],), (f"/ipns/{published['Name']}",)):
        assert (await rpc("name/resolve", *args)).json == {"Path": hello}
    assert (await rpc("name/resolve", stream=True)).lines == [{"Path": hello}]


async def test_a_key_makes_a_name_of_its_own(rpc, hello):
    key = (await rpc("key/gen", "blog")).json
    published = (await rpc("name/publish", HELLO_CID, key="blog")).json
    assert published == {"Name": key["Id"], "Value": hello}
    missing = await rpc("name/publish", hello, key="nobody")
    assert missing.error == "no key by the given name was found"


async def test_a_path_that_leads_nowhere_is_not_published(rpc, hello):
    assert (
        "could not find"
        in (await rpc("name/publish", "/ipfs/QmcoLu64r663eo3mj9hy7sDX6w58kutbFgat6wSfEVbyqm")).error
    )
    assert (await rpc("name/publish", hello, lifetime="soon")).status == 400


async def test_a_record_is_got_read_and_put(rpc, hello):
    name = (await rpc("name/publish", hello)).json["Name"]
    record = (await rpc("name/get", name)).body
    seen = (await rpc("name/inspect", files={"r": record}, verify=name)).json
    assert seen["Entry"]["Value"] == hello
    assert seen["Entry"]["TTL"] == 300_000_000_000
    assert seen["Validation"] == {"Valid": True, "Reason": "", "Name": name}
    assert seen["HexDump"] == record.hex()
    assert (await rpc("name/inspect", files={"r": record}, dump=False)).json["Validation"] is None
    assert (await rpc("name/put", name, files={"r": record})).json == {"Name": name}
    other = (await rpc("key/gen", "other")).json["Id"]
    assert (await rpc("name/put", other, files={"r": record})).status == 500
    assert (await rpc("name/inspect", files={"r": b"nonsense"})).status == 500
    assert (await rpc("name/get", other)).status == 500


async def test_keys_are_made_listed_renamed_and_removed(rpc):
    made = (await rpc("key/gen", "one", type="ed25519", size=2048)).json
    assert made["Id"].startswith("k51")
    for command in ("key/list", "key/ls"):
        assert [key["Name"] for key in (await rpc(command)).json["Keys"]] == ["self", "one"]
    peer_ids = [key["Id"] for key in (await rpc("key/list", ipns_base="b58mh")).json["Keys"]]
    assert all(peer_id.startswith("12D3KooW") for peer_id in peer_ids)
    assert (await rpc("key/list", ipns_base="base32")).json["Keys"][1]["Id"].startswith("bafz")
    assert (await rpc("key/list", ipns_base="nope")).status == 400
    renamed = (await rpc("key/rename", "one", "two")).json
    assert renamed == {"Was": "one", "Now": "two", "Id": made["Id"], "Overwrite": False}
    assert (await rpc("key/rm", "two")).json == {"Keys": [{"Name": "two", "Id": made["Id"]}]}


async def test_keys_that_cannot_be_are_refused(rpc):
    await rpc("key/gen", "one")
    assert (await rpc("key/gen", "one")).error == "key with name 'one' already exists"
    assert (await rpc("key/gen", "x", type="secp256k1")).status == 400
    assert (await rpc("key/rm", "nope")).error == "no key named nope was found"
    assert (await rpc("key/rename", "nope", "a")).error == "no key named nope was found"
    assert (await rpc("key/rm", "self")).error == "cannot remove key with name 'self'"


@pytest.mark.parametrize("command", ["key/export", "key/import", "key/sign", "key/verify"])
async def test_no_secret_leaves_its_node(rpc, command):
    assert "private keys stay" in (await rpc(command, "self")).error
