"""Who has what, over a real bus: this node, the others of its cluster, and delegated routers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from waiting import until

from cidbus.actors import make_actor
from cidbus.actors.ipfs.actor import IpfsActor
from cidbus.actors.ipfs.backends.choice import make_backends
from cidbus.actors.ipfs.settings import IpfsSettings
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.http_bridge import serve
from cidbus.schemas import ipfs, names, routing, subjects
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import BadRequest, NotFound, NotSupported

NOWHERE = "bafkreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi"
STRANGER = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
# The CID of the text "early".
EARLY = str(CID.of(RAW, b"early"))
ADDRESS = "/ip4/127.0.0.1/tcp/8000/http"


def node(folder: Path, **settings: str) -> IpfsActor:
    return IpfsActor(make_backends(IpfsSettings.of({"addresses": ADDRESS} | settings), folder))


@pytest.fixture
async def server():
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with nats_server() as running:
        yield running


@pytest.fixture
async def bus(server, tmp_path: Path) -> AsyncIterator[Bus]:
    async with hosted(server, node(tmp_path / "ipfs")), await connect(server) as connected:
        yield connected


async def add(bus: Bus, text: str, at: str | None = None) -> str:
    return (await bus.upload(subjects.ADD, ipfs.AddRequest(content=text))).cid


async def providers(bus: Bus, cid: str, at: str | None = None, **fields: object) -> routing.FoundProviders:
    return await bus.request(subjects.FIND_PROVIDERS, routing.FindProviders(cid=cid, **fields), at=at)


async def own_id(bus: Bus, at: str | None = None) -> str:
    return (await bus.request(subjects.ID, ipfs.IdRequest(), at=at)).id


# ---- providers ------------------------------------------------------------------------------------------


async def test_a_node_provides_what_it_has(bus):
    found = await providers(bus, await add(bus, "hello"))
    assert [(peer.id, peer.addrs, peer.method) for peer in found.providers] == [
        (await own_id(bus), [ADDRESS], "store")
    ]
    assert (found.count, found.reason) == (1, None)


async def test_what_nobody_has_is_an_empty_list_with_the_reason_and_what_was_tried(bus):
    found = await providers(bus, NOWHERE)
    assert (found.providers, found.count) == ([], 0)
    assert "nobody" in found.reason
    assert [one.method for one in found.tried] == ["store", "cluster", "delegated"]


@asynccontextmanager
async def two_nodes(server, tmp_path: Path) -> AsyncIterator[tuple[Bus, IpfsActor, IpfsActor]]:
    one, two = node(tmp_path / "one"), node(tmp_path / "two")
    async with hosted(server, one), await connect(server) as bus:
        assert await add(bus, "early") == EARLY  # before the other is there
        async with hosted(server, two):
            yield bus, one, two


async def test_another_node_learns_what_was_added_before_it_came(server, tmp_path):
    async with two_nodes(server, tmp_path) as (bus, one, two):

        async def known() -> bool:
            return (await providers(bus, EARLY, two.instance)).count == 1

        await until(known)
        found = await providers(bus, EARLY, two.instance)
        assert (found.providers[0].id, found.providers[0].method) == (
            await own_id(bus, one.instance),
            "cluster",
        )


async def test_content_provided_below_a_root_is_announced_block_by_block(server, tmp_path):
    async with two_nodes(server, tmp_path) as (bus, one, two):
        done = await bus.request(
            subjects.PROVIDE, routing.Provide(cid=EARLY, recursive=True), at=one.instance
        )
        assert (done.blocks, done.announced_to) == (1, ["cluster"])

        async def known() -> bool:
            return (await providers(bus, EARLY, two.instance)).count == 1

        await until(known)


async def test_what_is_not_here_cannot_be_provided(bus):
    with pytest.raises(NotFound):
        await bus.request(subjects.PROVIDE, routing.Provide(cid=NOWHERE))


# ---- peers ----------------------------------------------------------------------------------------------


async def test_nodes_of_the_cluster_find_each_other(server, tmp_path):
    async with two_nodes(server, tmp_path) as (bus, one, two):
        wanted = await own_id(bus, one.instance)

        async def found() -> bool:
            ask = routing.FindPeer(peer_id=wanted)
            return (await bus.request(subjects.FIND_PEER, ask, at=two.instance)).peers_found == 1

        await until(found)
        ask = routing.FindPeer(peer_id=wanted)
        peer = (await bus.request(subjects.FIND_PEER, ask, at=two.instance)).responses[0]
        assert (peer.id, peer.addrs) == (wanted, [ADDRESS])


async def test_a_stranger_is_not_made_up(bus):
    found = await bus.request(subjects.FIND_PEER, routing.FindPeer(peer_id=STRANGER))
    assert (found.responses, found.peers_found) == ([], 0)
    assert "nobody" in found.reason


async def test_what_is_no_peer_id_is_refused(bus):
    with pytest.raises(BadRequest, match="peer_id"):
        await bus.request(subjects.FIND_PEER, routing.FindPeer(peer_id="not-a-peer-id"))


async def test_the_swarm_is_the_cluster_and_takes_no_other_peers(bus):
    assert [peer async for peer in bus.items(subjects.SWARM_PEERS, routing.SwarmPeers())] == []
    listed = [peer.id async for peer in bus.items(subjects.SWARM_ADDRS, routing.SwarmAddrs())]
    assert listed == [await own_id(bus)]
    with pytest.raises(NotSupported):
        await bus.request(subjects.SWARM_CONNECT, routing.SwarmConnect(address=f"/p2p/{STRANGER}"))
    with pytest.raises(NotSupported):
        await bus.request(subjects.SWARM_DISCONNECT, routing.SwarmDisconnect(address=f"/p2p/{STRANGER}"))


# ---- blocks from other nodes ----------------------------------------------------------------------------


async def read(bus: Bus, cid: str, at: str) -> bytes:
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid=cid), at=at) as stream:
        return b"".join([piece async for piece in stream])


async def test_content_of_one_node_is_read_through_another_and_kept_there(server, tmp_path):
    one, two = node(tmp_path / "one"), node(tmp_path / "two")
    content = b"0123456789" * 300_000  # three blocks and their root
    async with hosted(server, two), await connect(server) as bus:
        async with hosted(server, one):
            cid = (await add_at(bus, one.instance, content)).cid

            async def heard() -> bool:
                return (await providers(bus, cid, two.instance)).count == 1

            await until(heard)
            assert await read(bus, cid, two.instance) == content
        assert await read(bus, cid, two.instance) == content  # without the other


async def add_at(bus: Bus, instance: str, content: bytes) -> ipfs.Added:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return await bus.upload(subjects.ADD, ipfs.AddRequest(), pieces(), at=instance)


async def test_what_no_node_has_is_not_found_and_tells_whom_was_asked(server, tmp_path):
    async with two_nodes(server, tmp_path) as (bus, one, two):
        asked = await own_id(bus, one.instance)

        async def heard() -> bool:
            ask = routing.FindPeer(peer_id=asked)
            return (await bus.request(subjects.FIND_PEER, ask, at=two.instance)).peers_found == 1

        await until(heard)
        with pytest.raises(NotFound) as missing:
            await read(bus, NOWHERE, two.instance)
        assert list(missing.value.tried) == [asked]


async def test_a_wanted_block_is_looked_for_in_the_store_alone(server, tmp_path):
    async with two_nodes(server, tmp_path) as (bus, _, two):
        ask = ipfs.BlockRequest(cid=EARLY)
        with pytest.raises(NotFound):
            async with await bus.open(subjects.BLOCK_WANT, ask, at=two.instance):
                pass


# ---- delegated routing, served and asked ----------------------------------------------------------------


@asynccontextmanager
async def router(tmp_path: Path) -> AsyncIterator[tuple[Bus, str, aiohttp.ClientSession]]:
    """A cidbus of its own: its bus, its HTTP address, and a client of that."""
    async with (
        nats_server() as server,
        hosted(server, node(tmp_path / "router")),
        await connect(server) as bus,
        await serve(bus) as bridge,
        aiohttp.ClientSession(f"http://127.0.0.1:{bridge.port}") as http,
    ):
        yield bus, f"http://127.0.0.1:{bridge.port}", http


async def test_providers_and_peers_are_found_through_another_cidbus(server, tmp_path):
    async with router(tmp_path) as (far, url, _):
        cid, far_id = await add(far, "far away"), await own_id(far)
        async with hosted(server, node(tmp_path / "near", routers=url)), await connect(server) as bus:
            found = await providers(bus, cid)
            assert [(peer.id, peer.addrs, peer.method) for peer in found.providers] == [
                (far_id, [ADDRESS], "delegated")
            ]
            peer = await bus.request(subjects.FIND_PEER, routing.FindPeer(peer_id=far_id))
            assert peer.responses[0].addrs == [ADDRESS]
            assert (await providers(bus, cid, cluster_only=True)).count == 0


async def test_a_name_is_published_to_and_resolved_from_another_cidbus(server, tmp_path):
    async with (
        router(tmp_path) as (far, url, _),
        hosted(server, node(tmp_path / "near", routers=url)),
        await connect(server) as bus,
    ):
        cid = await add(bus, "mine")
        published = await bus.request(subjects.NAME_PUBLISH, names.NamePublish(path=cid))
        assert "delegated" in published.published_to
        there = await far.request(subjects.NAME_RESOLVE, names.NameResolve(name=published.name))
        assert there.path == f"/ipfs/{cid}"
        theirs = await far.request(subjects.NAME_PUBLISH, names.NamePublish(path=NOWHERE, resolve=False))
        here = await bus.request(subjects.NAME_RESOLVE, names.NameResolve(name=theirs.name))
        assert here.path == f"/ipfs/{NOWHERE}"


async def test_a_router_that_is_gone_is_told_and_does_not_make_the_answer_fail(server, tmp_path):
    settings = {"routers": "http://127.0.0.1:9"}
    async with hosted(server, node(tmp_path / "near", **settings)), await connect(server) as bus:
        found = await providers(bus, NOWHERE)
        assert found.count == 0
        assert found.tried[-1].endpoint.startswith("http://127.0.0.1:9")
        assert found.tried[-1].error


async def test_the_api_answers_json_ndjson_and_with_filters(tmp_path):
    async with router(tmp_path) as (far, _, http):
        cid, peer = await add(far, "hello"), await own_id(far)
        async with http.get(f"/routing/v1/providers/{cid}") as response:
            assert response.headers["Content-Type"] == "application/json"
            assert response.headers["Vary"] == "Accept"
            assert (await response.json())["Providers"] == [
                {
                    "Schema": "peer",
                    "ID": peer,
                    "Addrs": [ADDRESS],
                    "Protocols": ["transport-ipfs-gateway-http"],
                }
            ]
        async with http.get(
            f"/routing/v1/peers/{peer}", headers={"Accept": "application/x-ndjson"}
        ) as response:
            assert response.headers["Content-Type"] == "application/x-ndjson"
            assert (await response.text()).count("\n") == 1
        for query, count in (
            ("filter-addrs=http", 1), ("filter-addrs=!http", 0), ("filter-addrs=quic-v1", 0),
            ("filter-protocols=transport-bitswap", 0), ("filter-protocols=Transport-IPFS-gateway-http", 1),
        ):  # fmt: skip
            async with http.get(f"/routing/v1/providers/{cid}?{query}") as response:
                assert len((await response.json())["Providers"]) == count, query


async def test_an_empty_answer_is_kept_for_a_short_time_only(tmp_path):
    async with router(tmp_path) as (_, _, http), http.get(f"/routing/v1/providers/{NOWHERE}") as response:
        assert response.status == 200
        assert await response.json() == {"Providers": []}
        assert "max-age=15" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/routing/v1/providers/nonsense", 422), ("GET", "/routing/v1/peers/nonsense-nonsense", 422),
        ("GET", "/routing/v1/nothing", 400), ("PUT", "/routing/v1/providers", 501),
        ("GET", f"/routing/v1/ipns/{STRANGER}", 406), ("PUT", f"/routing/v1/ipns/{STRANGER}", 406),
    ],
)  # fmt: skip
async def test_what_cannot_be_answered_has_the_status_that_the_api_gives_it(tmp_path, method, path, status):
    async with router(tmp_path) as (_, _, http), http.request(method, path) as response:
        assert response.status == status
        assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_any_page_may_ask_and_leave_records_but_no_false_ones(tmp_path):
    origin = {"Origin": "https://app.example"}
    record_type = {"Content-Type": "application/vnd.ipfs.ipns-record"}
    async with router(tmp_path) as (_, _, http):
        async with http.options("/routing/v1/providers/x", headers=origin) as response:
            assert "PUT" in response.headers["Access-Control-Allow-Methods"]
        path = f"/routing/v1/ipns/{STRANGER}"
        async with http.put(path, headers=origin | record_type, data=b"no record") as response:
            assert response.status == 400
        async with http.get(path, headers=origin | {"Accept": record_type["Content-Type"]}) as response:
            assert response.status == 404
            assert response.headers["Cache-Control"] == "public, max-age=60"


async def test_a_record_comes_with_its_validator_and_its_lifetime(tmp_path):
    accept = {"Accept": "application/vnd.ipfs.ipns-record"}
    async with router(tmp_path) as (far, _, http):
        name = (await far.request(subjects.NAME_PUBLISH, names.NamePublish(path=NOWHERE, resolve=False))).name
        async with http.get(f"/routing/v1/ipns/{name}", headers=accept) as response:
            etag = response.headers["Etag"]
            assert response.headers["Cache-Control"] in ("public, max-age=300", "public, max-age=299")
        headers = accept | {"If-None-Match": etag}
        async with http.get(f"/routing/v1/ipns/{name}", headers=headers) as response:
            assert response.status == 304


# ---- the documented endpoints ---------------------------------------------------------------------------


async def test_the_documented_bodies_and_queries_of_the_dht_endpoints(tmp_path):
    async with router(tmp_path) as (far, _, http):
        cid, peer = await add(far, "hello"), await own_id(far)
        prefix = "/api/v0/mcp/ipfs/dht"
        async with http.post(f"{prefix}/findprovs", json={"cid": cid, "num_providers": 5}) as response:
            said = await response.json()
            assert (said["success"], said["count"], said["num_providers"]) == (True, 1, 5)
            assert said["providers"][0]["id"] == peer
        async with http.post(f"{prefix}/findprovs?cid={cid}") as response:
            assert (await response.json())["count"] == 1
        async with http.post(f"{prefix}/findpeer", json={"peer_id": peer}) as response:
            said = await response.json()
            assert (said["peers_found"], said["responses"][0]["addrs"]) == (1, [ADDRESS])
        async with http.get(f"{prefix}/findpeer?peer_id={STRANGER}") as response:
            said = await response.json()
            assert (said["success"], said["peers_found"], said["responses"]) == (True, 0, [])
            assert said["reason"]


async def test_a_node_that_was_told_to_keep_quiet_announces_nothing(server, tmp_path):
    quiet, loud = node(tmp_path / "quiet", announce="false"), node(tmp_path / "loud")
    async with (
        await connect(server) as bus,
        await bus.subscribe(subjects.ANNOUNCED) as events,
        hosted(server, quiet),
    ):
        cid = await add(bus, "secret")
        with pytest.raises(NotSupported):
            await bus.request(subjects.PROVIDE, routing.Provide(cid=cid))
        async with hosted(server, loud):
            _, body = await asyncio.wait_for(anext(aiter(events)), 20)
    assert routing.Announced.from_wire(body).instance == loud.instance


async def test_the_actor_that_nobody_configured_has_no_addresses(server, tmp_path, monkeypatch):
    monkeypatch.delenv("CIDBUS_IPFS_ADDRESSES", raising=False)
    async with hosted(server, make_actor("ipfs", tmp_path)), await connect(server) as bus:
        assert (await bus.request(subjects.ID, ipfs.IdRequest())).addresses == []
