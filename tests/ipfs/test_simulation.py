"""The simulation answers every row, the same way for the same seed, marked as what it is, and only when named."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cidbus.actors import make_actor
from cidbus.actors.ipfs.actor import IpfsActor
from cidbus.actors.ipfs.backends.choice import make_backends
from cidbus.actors.ipfs.settings import IpfsSettings
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.http_bridge import serve
from cidbus.schemas import dag, ipfs, names, routing, subjects, tree
from cidbus.schemas.errors import BadRequest, BusError, NotFound, NotSupported
from cidbus.schemas.rows import Call, Request, Stream, Upload
from cidbus.schemas.subjects import calls

PEER = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
CIRCUIT = f"/ip4/192.0.2.1/tcp/4001/p2p/{PEER}"


def simulation(folder: Path, seed: str = "cidbus") -> IpfsActor:
    settings = IpfsSettings.of({"backend": "simulation", "simulation_seed": seed})
    return IpfsActor(make_backends(settings, folder))


@pytest.fixture
async def server():
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with nats_server() as running:
        yield running


@pytest.fixture
async def bus(server, tmp_path: Path) -> AsyncIterator[Bus]:
    async with hosted(server, simulation(tmp_path)), await connect(server) as connected:
        yield connected


async def conversation(bus: Bus) -> list[tuple[str, Any]]:
    """Every row of the actor, asked once: the row's name and what was answered."""
    added = await bus.upload(subjects.ADD, ipfs.AddRequest(content="hello", filename="a.txt", wrap=True))
    node = await bus.upload(subjects.DAG_PUT, dag.DagPut(object={"a": 1}))
    key = await bus.request(subjects.KEY_GEN, names.KeyGen(name="blog"))
    published = await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=added.cid))
    record = await bus.request(subjects.NAME_GET, names.NameGet(name=published.name))
    upload = await bus.request(subjects.UPLOAD_CREATE, tree.UploadCreate())
    said: list[tuple[str, Any]] = [
        ("ipfs.upload.create", upload), ("ipfs.add", added), ("ipfs.dag.put", node), ("ipfs.key.gen", key),
        ("ipfs.name.publish", published), ("ipfs.name.get", record),
    ]  # fmt: skip
    cid, file, raw = added.cid, added.entries[0].cid, record.record
    async with await bus.open(subjects.DAG_EXPORT, dag.DagExport(cid=cid)) as stream:
        said.append(("ipfs.dag.export", stream.head))
        car = b"".join([piece async for piece in stream])
    asks: dict[Call[Any], Any] = {
        subjects.CAT: ipfs.CatRequest(cid=file),
        subjects.GET: ipfs.PathRequest(cid=cid),
        subjects.LS: ipfs.PathRequest(cid=cid),
        subjects.STAT: ipfs.PathRequest(cid=cid),
        subjects.BLOCK_PUT: ipfs.BlockPut(data=b"block"),
        subjects.BLOCK_GET: ipfs.BlockRequest(cid=file),
        subjects.BLOCK_WANT: ipfs.BlockRequest(cid=file),
        subjects.BLOCK_STAT: ipfs.BlockRequest(cid=file),
        subjects.PIN: ipfs.PinRequest(cid=file),
        subjects.PIN_UPDATE: ipfs.PinUpdate(from_cid=file, to_cid=cid),
        subjects.PINS: ipfs.PinList(),
        subjects.DAG_GET: dag.DagGet(cid=node.cid),
        subjects.DAG_RESOLVE: dag.DagPath(cid=cid, path="a.txt"),
        subjects.DAG_STAT: dag.DagStatRequest(cids=[cid]),
        subjects.DAG_IMPORT: dag.DagImport(data=car),
        subjects.REFS: dag.Refs(cid=cid),
        subjects.REFS_LOCAL: dag.LocalRefs(),
        subjects.KEYS: names.KeyList(),
        subjects.KEY_RENAME: names.KeyRename(name="blog", new_name="site"),
        subjects.KEY_RM: names.KeyRemove(name="site"),
        subjects.NAME_RESOLVE: names.NameResolve(name=published.name),
        subjects.NAME_PUT: names.NamePut(name=published.name, record=raw),
        subjects.NAME_INSPECT: names.NameInspect(record=raw, name=published.name),
        subjects.FIND_PROVIDERS: routing.FindProviders(cid=cid),
        subjects.FIND_PEER: routing.FindPeer(peer_id=PEER),
        subjects.PROVIDE: routing.Provide(cid=cid),
        subjects.ROUTING_GET: routing.RoutingGet(key=f"/ipns/{published.name}"),
        subjects.ROUTING_PUT: routing.RoutingPut(key=f"/ipns/{published.name}", value=raw),
        subjects.SWARM_CONNECT: routing.SwarmConnect(address=CIRCUIT),
        subjects.SWARM_PEERS: routing.SwarmPeers(),
        subjects.SWARM_ADDRS: routing.SwarmAddrs(),
        subjects.SWARM_DISCONNECT: routing.SwarmDisconnect(address=CIRCUIT),
        subjects.TREE_PATCH: tree.TreePatch(root=cid, groups=[[tree.Mkdir(path="/d")]], keep="fs/1"),
        subjects.TREE_STAT: tree.TreeLookup(root=cid, path="/a.txt"),
        subjects.TREE_LS: tree.TreeFind(root=cid),
        subjects.TREE_DU: tree.TreeUsage(root=cid),
        subjects.TREE_DIFF: tree.TreeDiff(before=EMPTY, after=cid),
        subjects.TREE_EXPORT: tree.TreeExport(root=cid),
        subjects.FILE_WRITE: tree.FileWrite(cid=file, data=b"more"),
        subjects.ROOT_SET: tree.RootSet(name="fs/2", cid=cid, expires_in_s=3600),
        subjects.ROOTS: tree.RootList(),
        subjects.ROOTS_RM: tree.RootsRemove(names=["fs/1", "fs/2"]),
        subjects.UPLOAD_APPEND: tree.UploadAppend(id=upload.id, offset=0, data=b"some"),
        subjects.UPLOAD_STAT: tree.UploadRequest(id=upload.id),
        subjects.UPLOADS: tree.UploadList(),
        subjects.UPLOAD_FINISH: tree.UploadFinish(id=upload.id),
        subjects.UPLOAD_CANCEL: tree.UploadRequest(id=upload.id),
        subjects.UNPIN: ipfs.PinRemove(cid=cid),
        subjects.BLOCK_RM: ipfs.BlockRemove(cid=CID_OF_BLOCK, force=True),
        subjects.REPO_GC: ipfs.RepoGc(),
        subjects.REPO_STAT: ipfs.RepoStatRequest(),
        subjects.REPO_VERIFY: ipfs.RepoVerify(),
        subjects.VERSION: ipfs.VersionRequest(),
        subjects.ID: ipfs.IdRequest(),
    }
    for row, ask in asks.items():
        said.append((row.name, await answer(bus, row, ask)))
    assert {name for name, _ in said} == {row.name for row in calls("ipfs")}
    return said


# The empty directory.
EMPTY = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
CID_OF_BLOCK = "bafkreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi"


async def answer(bus: Bus, row: Call[Any], ask: Any) -> Any:
    if isinstance(row, Upload):
        return await bus.upload(row, ask)
    if isinstance(row, Request):
        return await bus.request(row, ask)
    assert isinstance(row, Stream)
    if row.item is not bytes:
        return [item async for item in bus.items(row, ask)]
    async with await bus.open(row, ask) as stream:
        return stream.head


async def test_every_row_is_answered_and_every_answer_is_marked(bus):
    for name, reply in await conversation(bus):
        assert reply, name
        for one in reply if isinstance(reply, list) else [reply]:
            assert one.simulated is True, name


async def test_the_same_seed_gives_the_same_answers(server, tmp_path):
    runs = []
    for number in range(2):
        async with hosted(server, simulation(tmp_path / str(number))), await connect(server) as bus:
            runs.append(await conversation(bus))
    assert runs[0] == runs[1]


async def test_another_seed_gives_another_node_and_other_peers(server, tmp_path):
    nodes, peers = set(), set()
    for seed in ("one", "two"):
        async with hosted(server, simulation(tmp_path, seed)), await connect(server) as bus:
            nodes.add((await bus.request(subjects.ID, ipfs.IdRequest())).id)
            peers.add((await answer(bus, subjects.SWARM_PEERS, routing.SwarmPeers()))[0].id)
    assert len(nodes) == len(peers) == 2


async def test_what_was_stored_is_gone_when_it_starts_again(server, tmp_path):
    async with hosted(server, simulation(tmp_path)), await connect(server) as bus:
        cid = (await bus.upload(subjects.ADD, ipfs.AddRequest(content="hello"))).cid
    async with hosted(server, simulation(tmp_path)), await connect(server) as bus:
        with pytest.raises(NotFound) as missing:
            await bus.request(subjects.STAT, ipfs.PathRequest(cid=cid))
    assert missing.value.simulated is True


async def test_rsa_keys_are_refused_because_no_seed_decides_them(bus):
    with pytest.raises(NotSupported):
        await bus.request(subjects.KEY_GEN, names.KeyGen(name="blog", type="rsa"))


async def test_every_http_answer_is_marked(bus):
    cid = (await bus.upload(subjects.ADD, ipfs.AddRequest(content="hello"))).cid
    large = await bus.upload(subjects.ADD, ipfs.AddRequest(content="x" * 500_000))
    paths = [
        f"/ipfs/cat/{cid}",
        f"/ipfs/cat/{large.cid}",
        f"/ipfs/stat/{cid}",
        "/ipfs/pins",
        "/ipfs/stat/nonsense",
    ]
    async with await serve(bus) as bridge, aiohttp.ClientSession(f"http://127.0.0.1:{bridge.port}") as http:
        for path in paths:
            async with http.get(f"/api/v0/mcp{path}") as response:
                await response.read()
                assert response.headers["X-Cidbus-Simulated"] == "true", path


async def test_real_answers_bear_no_mark(server, tmp_path):
    async with hosted(server, make_actor("ipfs", tmp_path)), await connect(server) as bus:
        assert (await bus.request(subjects.ID, ipfs.IdRequest())).simulated is None
        async with await serve(bus) as bridge:
            url = f"http://127.0.0.1:{bridge.port}/api/v0/mcp/ipfs/id"
            async with aiohttp.ClientSession() as http, http.get(url) as response:
                assert "X-Cidbus-Simulated" not in response.headers
                assert "simulated" not in await response.json()


# ---- only when named ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["embedded,simulation", "simulation,kubo", "Simulation", "sim", ""])
def test_nothing_but_its_own_name_alone_chooses_it(backend):
    with pytest.raises(BadRequest) as refused:
        IpfsSettings.of({"backend": backend})
    assert refused.value.field == "backend"


def test_it_is_not_chosen_where_nothing_is_said(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CIDBUS_IPFS_")]:
        monkeypatch.delenv(name)
    assert IpfsSettings.read().backend == ("embedded",)


async def test_a_request_cannot_ask_for_it_where_it_is_not_configured(server, tmp_path):
    async with hosted(server, make_actor("ipfs", tmp_path)), await connect(server) as bus:
        with pytest.raises(BusError, match="backend"):
            await bus.request(subjects.ID, ipfs.IdRequest(backend="simulation"))
