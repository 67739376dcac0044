"""The same client against a real Kubo daemon."""

import pytest

from cidbus.actors.ipfs.remote.gateways import GatewayFetcher
from cidbus.actors.ipfs.remote.kubo import FilePart, KuboFetcher, KuboRpc
from cidbus.actors.ipfs.remote.sources import Chain
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import BadRequest, Conflict, NotAFile, NotFound, NotSupported

MIB = 1 << 20
HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
ABSENT = CID.of(RAW, b"what this daemon never had")


@pytest.fixture
async def rpc(kubo):
    async with KuboRpc(kubo.rpc_url) as client:
        yield client


async def mebibytes(count, first=0):
    for number in range(first, first + count):
        yield bytes([number]) * MIB


async def all_of(stream):
    return [one async for one in stream]


async def test_a_tree_goes_in_with_progress_and_comes_out_again(rpc):
    parts = [
        FilePart("tree", kind="directory"),
        FilePart("tree/hello ü+.txt", b"hello"),
        FilePart("tree/link", b"hello", "symlink"),
        FilePart("tree/large", mebibytes(20)),
    ]
    lines = await all_of(rpc.lines("add", upload=parts, cid_version=1, progress=True))
    assert any("Bytes" in line for line in lines)
    added = {line["Name"]: line["Hash"] for line in lines if "Hash" in line}
    assert added["tree/hello ü+.txt"] == HELLO
    root = added["tree"]
    listed = await rpc.call("ls", root)
    assert [link["Name"] for link in listed["Objects"][0]["Links"]] == ["hello ü+.txt", "large", "link"]
    size = 0
    async for piece in rpc.read("cat", f"/ipfs/{root}/large"):
        size += len(piece)
    assert size == 20 * MIB
    assert b"".join(await all_of(rpc.read("cat", f"/ipfs/{root}/large", offset=MIB - 1, length=2))) == b"\0\1"


async def test_a_stream_that_breaks_in_the_middle_ends_in_the_error_of_its_trailer(rpc):
    (added,) = await all_of(
        rpc.lines(
            "add", upload=[FilePart("f", mebibytes(4, first=100))], cid_version=1, pin=False, quieter=True
        )
    )
    root = added["Hash"]
    last = (await rpc.call("dag/get", root))["Links"][-1]["Hash"]["/"]
    await all_of(rpc.lines("block/rm", last))
    received = 0
    with pytest.raises(NotFound) as caught:
        async for piece in rpc.read("dag/export", root):
            received += len(piece)
    assert (caught.value.what, caught.value.name) == ("block", last)
    assert received > MIB // 2  # equal chunks of one MiB travel once
    with pytest.raises(NotFound):
        await all_of(rpc.read("cat", root))


async def test_blocks_come_and_are_checked_and_kept(rpc, kubo, blocks):
    await rpc.call("block/put", upload=[FilePart("block", b"a block")])
    async with GatewayFetcher([kubo.gateway_url]) as gateways:
        for source in (KuboFetcher(rpc), gateways):
            chain = Chain(blocks, [source], blocks.put)
            cid = CID.of(RAW, b"a block")
            assert await chain.get(cid) == b"a block"
            assert blocks.stored == [cid]
            blocks.forget(cid)
            blocks.stored.clear()
            with pytest.raises(NotFound) as caught:
                await chain.get(ABSENT)
            assert list(caught.value.tried) in ([kubo.rpc_url], [kubo.gateway_url])


@pytest.mark.parametrize(
    ("command", "args", "options", "error"),
    [
        ("block/get", [str(ABSENT)], {}, NotFound),
        ("pin/rm", [str(ABSENT)], {}, NotFound),
        ("pin/ls", [str(ABSENT)], {}, NotFound),
        ("pin/add", [str(ABSENT)], {}, NotFound),
        ("name/resolve", ["k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8"], {}, NotFound),
        ("key/rm", ["nokey"], {}, NotFound),
        ("files/stat", ["/nowhere"], {}, NotFound),
        ("key/gen", ["self"], {}, BadRequest),
        ("cat", ["nonsense"], {}, BadRequest),
        ("cat", [], {}, BadRequest),
        ("cat", ["/ipfs/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"], {}, NotAFile),
        ("dag/get", ["QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"], {"output_codec": "zzz"}, BadRequest),
        ("swarm/peers", [], {}, NotSupported),
        ("routing/findprovs", [str(ABSENT)], {}, NotSupported),
        ("frobnicate", [], {}, NotSupported),
    ],
)
async def test_what_kubo_refuses_is_our_own_error(rpc, command, args, options, error):
    await rpc.call("files/stat", "/")  # the empty directory, which is always there
    with pytest.raises(error) as caught:
        await rpc.call(command, *args, **options)
    assert type(caught.value) is error


async def test_the_state_of_pins_is_a_conflict(rpc):
    (added,) = await all_of(rpc.lines("add", upload=[FilePart("f", b"pinned")], cid_version=1))
    with pytest.raises(Conflict):
        await rpc.call("pin/add", added["Hash"], recursive=False)
    (refused,) = await all_of(rpc.lines("block/rm", added["Hash"]))
    assert refused["Error"].startswith("pinned")


async def test_a_daemon_that_was_restarted_is_reached_again(rpc, kubo):
    assert (await rpc.call("version"))["Version"]
    kubo.stop()
    kubo.start()
    async with KuboRpc(kubo.rpc_url) as again:
        assert (await again.call("version"))["Version"]
