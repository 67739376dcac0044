"""Reads by way of the cache: over the bus, and over HTTP where a hot file costs no message at all."""

from __future__ import annotations

import asyncio
import os

import pytest
from waiting import until

from cidbus.actors import make_actor
from cidbus.bus.testing import connect, hosted
from cidbus.schemas import cache, dag, ipfs, subjects
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, InvalidContent, NotCached, NotFound, UnsatisfiableRange

from .conftest import add, requests_of


async def get(bus, cid: str, **fields):
    async with await bus.open(subjects.CACHE_GET, cache.CacheGet(cid=cid, **fields)) as stream:
        return stream.head, b"".join([piece async for piece in stream])


async def test_a_second_read_comes_from_memory(bus, ipfs_host):
    content = os.urandom(64 * 1024)
    cid = await add(bus, content)
    head, first = await get(bus, cid)
    assert (head.cache, first) == ("miss", content)
    head, second = await get(bus, cid)
    assert (head, second) == (None, content), "a small file from memory comes whole, without a head"
    assert requests_of(ipfs_host, "ipfs.cat") == 1


async def test_a_range_of_what_is_cached_comes_from_the_cache(bus, ipfs_host):
    content = os.urandom(3 << 20)
    cid = await add(bus, content)
    await get(bus, cid)
    for offset, length in ((0, 10), (1_000_000, 700_000), (-5, None), (3_000_000, 1 << 30)):
        head, part = await get(bus, cid, offset=offset, length=length)
        start = offset if offset >= 0 else len(content) + offset
        expected = content[start:] if length is None else content[start : start + length]
        assert part == expected
        assert (head.offset, head.length, head.size_bytes) == (start, len(expected), len(content))
    with pytest.raises(UnsatisfiableRange):
        await get(bus, cid, offset=3 << 20)
    assert requests_of(ipfs_host, "ipfs.cat") == 1


async def test_a_thousand_concurrent_misses_make_one_fetch(bus, ipfs_host):
    content = os.urandom(200_000)
    cid = await add(bus, content)
    answers = await asyncio.gather(*(get(bus, cid) for _ in range(1000)))
    assert all(answer == content for _, answer in answers)
    assert requests_of(ipfs_host, "ipfs.cat") == 1


async def test_a_path_below_a_directory_is_cached_as_the_file_it_leads_to(bus, ipfs_host):
    added = await bus.upload(subjects.ADD, ipfs.AddRequest(content="deep", filename="a.txt", wrap=True))
    assert (await get(bus, added.cid, path="a.txt"))[1] == b"deep"
    assert (await get(bus, added.cid, path="a.txt"))[1] == b"deep"
    assert requests_of(ipfs_host, "ipfs.cat") == 1


async def test_what_is_too_large_is_passed_on_and_evicts_nothing(bus, ipfs_host):
    small, large = os.urandom(50_000), os.urandom(40 << 20)
    small_cid, large_cid = await add(bus, small), await add(bus, large)
    await get(bus, small_cid)
    assert (await get(bus, large_cid))[1] == large
    assert (await get(bus, small_cid))[0] is None, "still in memory"


async def test_with_redirect_what_would_only_be_passed_on_is_not_cached(bus):
    cid = await add(bus, os.urandom(40 << 20))
    with pytest.raises(NotCached):
        await get(bus, cid, redirect=True)


async def test_what_is_not_there_is_an_error_and_is_remembered_for_a_moment(bus, ipfs_host):
    cid = str(CID.of(0x55, b"never added"))
    for _ in range(5):
        with pytest.raises(NotFound):
            await get(bus, cid)
    assert requests_of(ipfs_host, "ipfs.cat") == 1
    assert await add(bus, b"never added", cid_version=1) == cid
    found = await until(lambda: found_now(bus, cid))
    assert found == b"never added"


async def found_now(bus, cid):
    try:
        return (await get(bus, cid))[1]
    except NotFound:
        return None


async def test_removed_and_collected_content_is_not_served(bus):
    kept, dropped = await add(bus, b"kept" * 1000), await add(bus, b"dropped" * 1000, pin=False)
    gone = await add(bus, b"gone" * 1000, pin=False)
    for cid in (kept, dropped, gone):
        await get(bus, cid)
    await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=gone))
    await bus.request(subjects.REPO_GC, ipfs.RepoGc())

    async def refused(cid):
        return await found_now(bus, cid) is None

    assert await until(lambda: refused(gone))
    assert await until(lambda: refused(dropped))
    assert await found_now(bus, kept) == b"kept" * 1000


async def test_a_raw_block_is_kept_and_another_s_bytes_are_refused(bus, ipfs_host):
    cid = str(CID.of(0x55, b"a block"))
    kept = await bus.upload(subjects.CACHE_PUT, cache.CachePut(cid=cid, data=b"a block"))
    assert (kept.size_bytes, kept.tier) == (7, "memory")
    assert (await get(bus, cid))[1] == b"a block"
    assert requests_of(ipfs_host, "ipfs.cat") == 0
    with pytest.raises(InvalidContent):
        await bus.upload(subjects.CACHE_PUT, cache.CachePut(cid=cid, data=b"other bytes"))
    with pytest.raises(BadRequest):
        await bus.upload(subjects.CACHE_PUT, cache.CachePut(cid="nonsense", data=b""))
    with pytest.raises(BadRequest, match="raw"):
        directory = (
            await bus.upload(subjects.ADD, ipfs.AddRequest(content="x", filename="f", wrap=True))
        ).cid
        await bus.upload(subjects.CACHE_PUT, cache.CachePut(cid=directory, data=b"x"))


async def test_warming_brings_files_in_and_says_what_failed(bus, ipfs_host):
    there, missing = await add(bus, b"warm" * 5000), str(CID.of(0x55, b"missing"))
    found = await bus.request(subjects.CACHE_WARM, cache.CacheWarm(cids=[there, missing]))
    assert (found.warmed, found.warmed_bytes) == (1, 20_000)
    assert list(found.failed) == [missing]
    again = await bus.request(subjects.CACHE_WARM, cache.CacheWarm(cids=[there]))
    assert again.already_cached == 1
    assert (await get(bus, there))[0] is None


async def test_invalidate_and_clear_forget(bus, ipfs_host):
    one, two = await add(bus, b"one" * 1000), await add(bus, b"two" * 1000)
    for cid in (one, two):
        await get(bus, cid)
    gone = await bus.request(subjects.CACHE_INVALIDATE, cache.CacheInvalidate(cids=[one]))
    assert gone.removed == 1
    await get(bus, one)
    assert requests_of(ipfs_host, "ipfs.cat") == 3
    cleared = await bus.request(subjects.CACHE_CLEAR, cache.CacheClear())
    assert cleared.removed == 2
    stats = await bus.request(subjects.CACHE_STATS, cache.CacheStatsRequest())
    assert stats.memory["entries"] == 0


async def test_the_policy_can_be_changed_while_it_runs(bus):
    cid = await add(bus, b"stays" * 1000)
    await get(bus, cid)
    assert (await bus.request(subjects.CACHE_POLICY, cache.PolicyRequest())).policy == "heat"
    state = await bus.request(subjects.CACHE_POLICY, cache.PolicyRequest(policy="s3-fifo"))
    assert state.policy == "s3-fifo"
    assert (await get(bus, cid))[0] is None, "what was cached stays"


async def test_statistics_count_by_tier(bus):
    cid = await add(bus, b"counted" * 1000)
    for _ in range(3):
        await get(bus, cid)
    stats = await bus.request(subjects.CACHE_STATS, cache.CacheStatsRequest())
    assert (stats.hits, stats.misses) == (2, 1)
    assert stats.memory["hits"] == 2
    assert stats.memory["entries"] == 1
    assert 7000 <= stats.memory["used_bytes"] <= stats.memory["limit_bytes"]


# ---- over HTTP ------------------------------------------------------------------------------------------


async def test_a_hot_file_costs_no_message(web, bus, ipfs_host, cache_host):
    content = os.urandom(64 * 1024)
    cid = await add(bus, content)
    hits = []
    for _ in range(5):
        status, body, headers = await web.get(f"/ipfs/cat/{cid}")
        assert (status, body) == (200, content)
        hits.append(headers["X-Cache-Hit"])
    assert hits[0] == "false"
    assert hits[-1] == "true"
    asked = requests_of(cache_host, "cache.get"), requests_of(ipfs_host, "ipfs.cat")
    assert (await web.get(f"/ipfs/cat/{cid}", headers={"Range": "bytes=5-9"}))[1] == content[5:10]
    assert (requests_of(cache_host, "cache.get"), requests_of(ipfs_host, "ipfs.cat")) == asked
    _, document, _ = await web._answer(
        "POST", "/ipfs/cat", {"json": {"cid": cid}, "headers": {"Accept": "application/json"}}
    )
    assert document["cache_hit"] is True


async def test_the_bridge_forgets_what_was_removed(web, bus):
    cid = await add(bus, b"soon gone" * 1000, pin=False)
    for _ in range(3):
        await web.get(f"/ipfs/cat/{cid}")
    await bus.request(subjects.REPO_GC, ipfs.RepoGc())

    async def gone():
        return (await web.get(f"/ipfs/cat/{cid}"))[0] == 404

    assert await until(gone)


async def test_reads_that_the_bridge_answers_itself_are_counted(web, bus):
    cid = await add(bus, b"counted" * 100)
    for _ in range(6):
        await web.get(f"/ipfs/cat/{cid}")

    async def counted():
        status, row, _ = await web.get(f"/cache/cid/{cid}")
        return status == 200 and row["access_count"] == 6 and row

    row = await until(counted)
    assert row["heat_score"] > 0.8


async def test_without_a_cache_actor_the_bridge_asks_the_ipfs_actor(web, bus, cache_host, ipfs_host):
    cid = await add(bus, b"always there")
    await cache_host.stop()
    status, body, headers = await web.get(f"/ipfs/cat/{cid}")
    assert (status, body, headers["X-Cache-Hit"]) == (200, b"always there", "false")


async def test_invalidated_content_is_forgotten_by_bridges_and_told_to_listeners(web, bus):
    cid = await add(bus, b"everywhere" * 100)
    for _ in range(3):
        await web.get(f"/ipfs/cat/{cid}")
    async with await bus.subscribe(subjects.INVALIDATED) as events:
        await bus.request(subjects.CACHE_INVALIDATE, cache.CacheInvalidate(cids=[cid]))
        name, body = await anext(events)
    assert (name, cache.CacheForgot.from_wire(body).cids) == ("cache.invalidated", [cid])
    assert (await web.get(f"/ipfs/cat/{cid}"))[2]["X-Cache-Hit"] == "false"


async def test_files_by_path_over_http_come_from_the_cache_too(web, bus, ipfs_host):
    added = await bus.upload(subjects.ADD, ipfs.AddRequest(content="below", filename="b.txt", wrap=True))
    for _ in range(3):
        status, body, headers = await web.get(f"/ipfs/cat/{added.cid}/b.txt")
        assert (status, body) == (200, b"below")
    assert headers["X-Cache-Hit"] == "true"
    assert requests_of(ipfs_host, "ipfs.cat") == 1


async def test_a_large_file_is_kept_on_disk_at_its_second_read(web, bus, ipfs_host):
    content = os.urandom(8 << 20)
    cid = await add(bus, content)
    hits = []
    for _ in range(4):
        _, body, headers = await web.get(f"/ipfs/cat/{cid}")
        assert body == content
        hits.append(headers["X-Cache-Hit"])
    assert hits == ["false", "false", "true", "true"]
    assert requests_of(ipfs_host, "ipfs.cat") == 3, (
        "the first read asked for the size, and then for the bytes"
    )


async def test_many_paths_to_a_file_that_is_cached_leave_no_stream_behind(bus, ipfs_host):
    content = os.urandom(3 << 20)
    cid = await add(bus, content)
    await get(bus, cid)
    for number in range(20):
        links = [{"Name": f"copy {number}", "Hash": {"/": cid}}]
        node = dag.DagPut(object={"Data": {"/": {"bytes": "CAE"}}, "Links": links}, codec="dag-pb")
        directory = (await bus.upload(subjects.DAG_PUT, node)).cid
        assert (await get(bus, directory, path=f"copy {number}", length=10))[1] == content[:10]
    assert ipfs_host._load()["streams"] == 0


async def test_what_is_not_found_is_no_row_and_no_heat(web, bus):
    missing = [str(CID.of(0x55, b"missing %d" % number)) for number in range(5)]
    for cid in missing:
        assert (await web.get(f"/ipfs/cat/{cid}"))[0] == 404
        assert (await web.get(f"/cache/cid/{cid}"))[0] == 404


async def test_what_was_collected_is_not_valid_any_more(web, bus):
    cid = await add(bus, b"collected" * 100, pin=False)
    await web.get(f"/ipfs/cat/{cid}")
    await bus.request(subjects.REPO_GC, ipfs.RepoGc())

    async def gone():
        status, row, _ = await web.get(f"/cache/cid/{cid}")
        return (await web.get(f"/ipfs/cat/{cid}"))[0] == 404 and status == 200 and not row["valid"]

    assert await until(gone)


async def test_the_cache_s_own_route_says_what_was_a_hit(web, bus):
    cid = await add(bus, b"told" * 100)
    hits = [(await web.get(f"/cache/get/{cid}"))[2]["X-Cache-Hit"] for _ in range(3)]
    assert hits == ["false", "true", "true"]


async def test_rows_say_where_content_is_after_a_restart_too(server, ipfs_host, tmp_path, monkeypatch):
    async with await connect(server) as other:
        cid = await add(other, b"placed" * 1000)
        async with hosted(server, make_actor("cache", tmp_path / "placed")):
            await get(other, cid)
            row = await other.request(subjects.CID_GET, cache.CidGet(cid=cid))
            assert row.storage_tier == "memory"
        monkeypatch.setenv("CIDBUS_CACHE_MEMORY_LIMIT", "0")
        async with hosted(server, make_actor("cache", tmp_path / "placed")):
            row = await other.request(subjects.CID_GET, cache.CidGet(cid=cid))
            assert row.storage_tier == "disk", "what memory held was saved when it closed"
        monkeypatch.setenv("CIDBUS_CACHE_DISK_LIMIT", "0")
        async with hosted(server, make_actor("cache", tmp_path / "placed")):
            row = await other.request(subjects.CID_GET, cache.CidGet(cid=cid))
            assert row.storage_tier == "ipfs"


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", b"read me in parts"), ("&offset=5&length=2", b"me"), ("&offset=14", b"ts"), ("&length=4", b"read")],
)
async def test_a_range_of_a_hot_file_is_that_range_for_kubo_s_clients_too(web, bus, query, expected):
    cid = await add(bus, b"read me in parts")
    kubo = web.base.removesuffix("/mcp")
    for _ in range(3):
        await web.get(f"/ipfs/cat/{cid}")
        async with web._session.post(f"{kubo}/cat?arg={cid}{query}") as response:
            assert await response.read() == expected


async def test_ranges_of_a_hot_file_over_http_are_right_in_every_form(web, bus):
    content = os.urandom(5000)
    cid = await add(bus, content)
    gateway = web.base.removesuffix("/api/v0/mcp")
    for _ in range(3):
        for given, part in (
            ("bytes=0-9", content[:10]),
            ("bytes=-7", content[-7:]),
            ("bytes=4990-", content[4990:]),
        ):
            for url in (f"{web.base}/ipfs/cat/{cid}", f"{gateway}/ipfs/{cid}"):
                async with web._session.get(url, headers={"Range": given}) as response:
                    assert (response.status, await response.read()) == (206, part)
        async with web._session.get(f"{web.base}/ipfs/cat/{cid}", params={"offset": "-3"}) as response:
            assert await response.read() == content[-3:]
        async with web._session.get(
            f"{web.base}/ipfs/cat/{cid}", headers={"Range": "bytes=5000-"}
        ) as response:
            assert response.status == 416
        async with web._session.get(f"{gateway}/ipfs/{cid}") as response:
            assert await response.read() == content


async def test_parts_of_a_large_file_do_not_fetch_it_from_its_start(bus, web, cache_host, ipfs_host):
    content = os.urandom(6 << 20)
    cid = await add(bus, content)
    for first in range(0, 6 << 20, 1 << 20):
        status, part, _ = await web.get(f"/ipfs/cat/{cid}", headers={"Range": f"bytes={first}-{first + 99}"})
        assert (status, part) == (206, content[first : first + 100])
    stats = await bus.request(subjects.CACHE_STATS, cache.CacheStatsRequest())
    assert stats.fetches["started"] <= 1  # which learns how large it is, and leaves it
    assert requests_of(cache_host, "cache.get") == 1
    # One for each part, one for its size and one for the type that its first bytes say.
    assert requests_of(ipfs_host, "ipfs.cat") <= 6 + 2
    for _ in range(2):
        assert (await web.get(f"/ipfs/cat/{cid}"))[1] == content
    _, _, headers = await web.get(f"/ipfs/cat/{cid}", headers={"Range": "bytes=5-9"})
    assert headers["X-Cache-Hit"] == "true"
