"""The contract: who has what, who is connected, the repository and the node, the same at every back end."""

from __future__ import annotations

import pytest

from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.schemas import dag, ipfs, routing, subjects
from cidbus.schemas.errors import BadRequest, BusError, NotFound
from cidbus.schemas.subjects import calls

from .places import absent

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACES = ["embedded", "kubo-online", "kubo-rpc", "simulation"]

NO_CID = "zz-no-cid"
NOBODY = PrivateKey.of_seed(b"nobody has this key".ljust(32)).name.peer_id
UNREACHABLE = f"/ip4/127.0.0.1/tcp/9/p2p/{NOBODY}"


# ---- who has what ---------------------------------------------------------------------------------------


async def test_what_nobody_has_is_told_with_a_reason(place, fresh):
    cid = absent(fresh())
    found = await place.ask(subjects.FIND_PROVIDERS, routing.FindProviders(cid=cid))
    assert (found.cid, found.providers, found.count) == (cid, [], 0)
    assert found.reason
    assert found.tried


async def test_no_more_providers_are_told_than_asked_for(place, fresh):
    cid = (await place.add(fresh())).cid
    found = await place.ask(subjects.FIND_PROVIDERS, routing.FindProviders(cid=cid, num_providers=1))
    assert len(found.providers) == found.count <= found.num_providers == 1
    assert bool(found.reason) == (not found.providers)


async def test_a_peer_that_nobody_knows_is_told_with_a_reason(place):
    found = await place.ask(subjects.FIND_PEER, routing.FindPeer(peer_id=NOBODY))
    assert (found.peer_id, found.responses, found.peers_found) == (NOBODY, [], 0)
    assert found.reason
    assert found.tried


async def test_what_is_no_peer_is_refused(place):
    with pytest.raises(BadRequest) as refused:
        await place.ask(subjects.FIND_PEER, routing.FindPeer(peer_id="12D3KooWnonsense"))
    assert refused.value.field == "peer_id"


async def test_what_is_no_cid_is_refused(place):
    for row, ask in (
        (subjects.FIND_PROVIDERS, routing.FindProviders(cid=NO_CID)),
        (subjects.PROVIDE, routing.Provide(cid=NO_CID)),
    ):
        with pytest.raises(BadRequest) as refused:
            await place.ask(row, ask)
        assert refused.value.field == "cid"


async def test_content_is_provided(place, fresh):
    cid = (await place.add(fresh())).cid
    provided = await place.ask(subjects.PROVIDE, routing.Provide(cid=cid))
    assert (provided.cid, provided.blocks) == (cid, 1)
    assert provided.announced_to


async def test_what_is_not_here_cannot_be_provided(place, fresh):
    with pytest.raises(NotFound) as missing:
        await place.ask(subjects.PROVIDE, routing.Provide(cid=absent(fresh())))
    assert missing.value.what == "block"


# ---- connections ----------------------------------------------------------------------------------------


async def test_peers_and_addresses_are_listed(place):
    for row, ask in (
        (subjects.SWARM_PEERS, routing.SwarmPeers()),
        (subjects.SWARM_ADDRS, routing.SwarmAddrs()),
    ):
        for peer in await place.items(row, ask):
            assert peer.id
            assert peer.method


async def test_nobody_is_connected_to_who_is_not_there(place):
    for row, ask in (
        (subjects.SWARM_CONNECT, routing.SwarmConnect(address=UNREACHABLE)),
        (subjects.SWARM_DISCONNECT, routing.SwarmDisconnect(address=UNREACHABLE)),
    ):
        with pytest.raises(BusError) as failed:
            await place.ask(row, ask)
        assert failed.value.kind != "internal"


# ---- the repository and the node ------------------------------------------------------------------------


async def test_the_repository_is_counted(place, fresh):
    before = await place.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())
    await place.add(fresh("one"))
    await place.add(fresh("two"), pin=False)
    after = await place.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())
    assert after.blocks - before.blocks >= 2  # Kubo's importer leaves empty directories about
    assert after.pins - before.pins == 1
    assert after.size_bytes > 0
    assert after.path


async def test_the_repository_is_verified(place, fresh):
    await place.add(fresh())
    verified = await place.ask(subjects.REPO_VERIFY, ipfs.RepoVerify())
    stored = len(await place.items(subjects.REFS_LOCAL, dag.LocalRefs()))
    assert (verified.checked_blocks, verified.bad_blocks, verified.bad) == (stored, 0, [])


async def test_collection_is_told(place, fresh):
    await place.add(fresh(), pin=False)
    async with await place.bus.subscribe(subjects.COLLECTED) as events:
        collected = await place.ask(subjects.REPO_GC, ipfs.RepoGc())
        _, body = await anext(aiter(events))
    assert ipfs.GarbageCollected.from_wire(body).removed_blocks == collected.removed_blocks
    stored = await place.ask(subjects.REPO_STAT, ipfs.RepoStatRequest())
    assert collected.kept_blocks == stored.blocks


async def test_the_version_says_which_back_end_answers(reader):
    version = await reader.ask(subjects.VERSION, ipfs.VersionRequest())
    assert version.backend.split()[0] == reader.name.split("-")[0]
    assert version.version


async def test_the_node_has_an_identity(place):
    told = await place.ask(subjects.ID, ipfs.IdRequest())
    assert told.id.startswith("12D3KooW")
    assert told.public_key
    assert told.instance


# ---- every row ------------------------------------------------------------------------------------------


async def test_a_back_end_that_is_not_configured_is_refused(reader):
    other = "simulation" if reader.name != "simulation" else "embedded"
    for row in calls("ipfs"):
        if "cid" not in row.ask.model_fields and row in (subjects.ID, subjects.VERSION, subjects.REPO_STAT):
            with pytest.raises(BadRequest) as refused:
                await reader.ask(row, row.ask(backend=other))
            assert refused.value.field == "backend"
