"""The index over the bus and over HTTP: what it learns, how it is written, and what it is asked."""

from __future__ import annotations

import io
import json

import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from waiting import until

from cidbus.actors import make_actor
from cidbus.bus.testing import connect, hosted
from cidbus.schemas import cache, ipfs, subjects
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, NotFound

from .conftest import add

ARROW = "application/vnd.apache.arrow.stream"


def made(number: int) -> str:
    return str(CID.of(0x55, b"%d" % number))


async def known(bus, cid: str) -> cache.CidRow | None:
    try:
        return await bus.request(subjects.CID_GET, cache.CidGet(cid=cid))
    except NotFound:
        return None


async def fill(bus, count: int) -> None:
    puts = [
        cache.CidPut(
            cid=made(n),
            metadata={
                "size_bytes": n,
                "mimetype": ("image/png", "text/plain")[n % 2],
                "heat_score": n / count,
            },
        )
        for n in range(count)
    ]
    done = await bus.request(subjects.CID_BATCH, cache.CidBatch(put=puts))
    assert done.put == count


async def test_what_is_added_is_known(bus):
    cid = await add(bus, b"some text" * 100, filename="notes.txt")
    row = await until(lambda: known(bus, cid))
    assert (row.size_bytes, row.filename, row.extension, row.mimetype) == (
        900,
        "notes.txt",
        ".txt",
        "text/plain",
    )
    assert (row.is_pinned, row.valid, row.source, row.codec) == (True, True, "ipfs", "raw")
    assert (row.cid_version, row.multihash_type, row.storage_tier) == (1, "sha2-256", "ipfs")
    assert 0 < row.heat_score < 0.5
    assert row.added_timestamp > 1.7e9


async def test_pins_and_removals_are_followed(bus):
    cid = await add(bus, b"followed", pin=False)
    assert not (await until(lambda: known(bus, cid))).is_pinned

    async def is_pinned(wanted: bool):
        return (await known(bus, cid)).is_pinned is wanted

    await bus.request(subjects.PIN, ipfs.PinRequest(cid=cid))
    assert await until(lambda: is_pinned(True))
    await bus.request(subjects.UNPIN, ipfs.PinRemove(cid=cid))
    assert await until(lambda: is_pinned(False))
    await bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=cid))

    async def is_invalid():
        return (await known(bus, cid)).valid is False

    assert await until(is_invalid)


async def test_reads_make_content_hot_and_say_where_it_is(bus):
    cid = await add(bus, b"hot" * 1000)
    for _ in range(4):
        async with await bus.open(subjects.CACHE_GET, cache.CacheGet(cid=cid)) as stream:
            assert b"".join([piece async for piece in stream]) == b"hot" * 1000
    row = await known(bus, cid)
    assert (row.access_count, row.storage_tier) == (4, "memory")
    assert row.heat_score > 0.7
    hottest = [row.cid async for row in bus.items(subjects.TOP, cache.TopRequest(limit=1))]
    assert hottest == [cid]


async def test_a_row_is_written_read_changed_and_forgotten(bus):
    cid = made(1)
    metadata = {"size_bytes": 5, "tags": ["a", "b"], "properties": {"k": "v"}, "added_timestamp": 1e9}
    row = await bus.request(subjects.CID_PUT, cache.CidPut(cid=cid, metadata=metadata))
    assert (row.cid, row.size_bytes, row.tags, row.properties, row.added_timestamp) == (
        cid, 5, ["a", "b"], {"k": "v"}, 1e9
    )  # fmt: skip
    row = await bus.request(subjects.CID_UPDATE, cache.CidUpdate(cid=cid, metadata={"filename": "new"}))
    assert (row.filename, row.size_bytes) == ("new", 5)
    some = await bus.request(subjects.CID_GET, cache.CidGet(cid=cid, select=["filename"]))
    assert (some.filename, some.size_bytes) == ("new", None)
    assert (await bus.request(subjects.CID_DELETE, cache.CidDelete(cids=[cid, made(2)]))).deleted == 1
    assert await known(bus, cid) is None
    with pytest.raises(NotFound):
        await bus.request(subjects.CID_UPDATE, cache.CidUpdate(cid=cid, metadata={"filename": "x"}))


async def test_a_batch_does_everything_in_one_message(bus):
    await fill(bus, 10)
    batch = cache.CidBatch(
        update=[cache.CidUpdate(cid=made(3), metadata={"filename": "three"})],
        delete=[made(4), made(99)],
        get=[made(3), made(4)],
    )
    done = await bus.request(subjects.CID_BATCH, batch)
    assert (done.updated, done.deleted, done.missing) == (1, 1, [made(4)])
    assert [row.filename for row in done.rows] == ["three"]


@pytest.mark.parametrize(
    ("metadata", "field"),
    [({"nothing": 1}, "nothing"), ({"size_bytes": "big"}, "size_bytes"), ({"cid": "x"}, "metadata.cid")],
)
async def test_a_wrong_row_names_its_column(bus, metadata, field):
    with pytest.raises(BadRequest) as caught:
        await bus.request(subjects.CID_PUT, cache.CidPut(cid=made(1), metadata=metadata))
    assert field in caught.value.field
    assert await known(bus, made(1)) is None


async def test_pages_go_through_everything_once(web, bus):
    await fill(bus, 250)
    found, cursor = [], None
    for _ in range(10):
        ask = {
            "filter": {"mimetype": "image/png"},
            "sort": ["-size_bytes"],
            "limit": 50,
            "select": ["size_bytes"],
        }
        status, page, _ = await web.post("/cache/query", **ask, **({"cursor": cursor} if cursor else {}))
        assert status == 200
        found += [row["size_bytes"] for row in page["rows"]]
        assert page["count"] == len(page["rows"])
        cursor = page.get("next_cursor")
        if cursor is None:
            break
    assert found == list(range(248, -1, -2))


async def test_a_query_streams_as_json_lines_and_as_arrow(web, bus):
    await fill(bus, 100)
    ask = {"filter": {"size_bytes": {"$gte": 90}}, "select": ["cid", "size_bytes"], "sort": ["size_bytes"]}
    _, lines, headers = await web._answer(
        "POST", "/cache/query", {"json": ask, "headers": {"Accept": "application/x-ndjson"}}
    )
    rows = [json.loads(line) for line in lines.splitlines()]
    assert rows == [{"cid": made(n), "size_bytes": n} for n in range(90, 100)]
    assert json.loads(headers["Cidbus-Head"]) == {"rows": 10}
    _, body, headers = await web._answer("POST", "/cache/query", {"json": ask, "headers": {"Accept": ARROW}})
    assert headers["Content-Type"] == ARROW
    assert pa.ipc.open_stream(body).read_all().to_pylist() == rows
    assert polars.read_ipc_stream(io.BytesIO(body)).to_dicts() == rows
    _, body, _ = await web.get(
        "/cache/query", params={"filter": json.dumps(ask["filter"]), "limit": "3", "select": "size_bytes"}
    )
    assert len(body["rows"]) == 3
    assert set(body["rows"][0]) == {"size_bytes"}


async def test_aggregates_and_explain_answer(web, bus):
    await fill(bus, 100)
    _, found, _ = await web.post(
        "/cache/aggregate",
        aggregates={"n": {"$count": {}}, "bytes": {"$sum": "size_bytes"}},
        group_by=["mimetype"],
    )
    groups = {group["mimetype"]: (group["n"], group["bytes"]) for group in found["groups"]}
    assert groups == {"image/png": (50, 2450), "text/plain": (50, 2500)}
    status, plan, _ = await web.post("/cache/explain", filter={"size_bytes": {"$gt": 50}})
    assert status == 200
    assert plan["segments"]
    assert "size_bytes" in plan["expression"]


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        ({"filter": {"nothing": 1}}, "nothing"),
        ({"filter": {"size_bytes": {"$near": 1}}}, "$near"),
        ({"filter": {"size_bytes": "text"}}, "size_bytes"),
        ({"filter": {"filename": {"$regex": "("}}}, "filename"),
        ({"limit": 10**12}, "limit"),
        ({"limit": True}, "limit"),
        ({"filter": {"filename": {"$regex": "(a|b)*a(a|b){900}c"}}}, "filename"),
        ({"select": ["nothing"]}, "select"),
        ({"sort": ["nothing"]}, "sort"),
        ({"cursor": "of-another-query"}, "cursor"),
    ],
)
async def test_a_wrong_query_is_a_bad_request_that_names_its_part(web, ask, field):
    status, problem, _ = await web.post("/cache/query", **ask)
    assert status == 400
    assert field in problem["field"] + problem["detail"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
async def test_what_is_no_finite_number_is_a_bad_request(web, number):
    for path, text in (
        ("/cache/query", f'{{"filter": {{"mimetype": {number}}}}}'),
        ("/cache/cid/put", f'{{"cid": "{made(1)}", "metadata": {{"size_bytes": {number}}}}}'),
    ):
        options = {"data": text, "headers": {"Content-Type": "application/json"}}
        assert (await web._answer("POST", path, options))[0] == 400


async def test_a_filter_nested_ten_thousand_deep_is_a_bad_request(web):
    text = '{"filter":' + '{"$not":' * 10_000 + '{"size_bytes":1}' + "}" * 10_000 + "}"
    status, problem, _ = await web._answer(
        "POST", "/cache/query", {"data": text, "headers": {"Content-Type": "application/json"}}
    )
    assert status == 400, problem
    nested = '{"$not":' * 10_000 + '{"size_bytes":1}' + "}" * 10_000
    status, problem, _ = await web.get("/cache/query", params={"filter": nested[:6000]})
    assert status == 400


async def test_everything_is_exported_as_parquet_and_as_arrow(web, bus):
    await fill(bus, 300)
    status, body, headers = await web.get("/cache/export")
    assert (status, headers["Content-Type"]) == (200, "application/vnd.apache.parquet")
    table = pq.read_table(io.BytesIO(body))
    assert sorted(table["size_bytes"].to_pylist()) == list(range(300))
    _, body, _ = await web.get("/cache/export", params={"format": "arrow"})
    assert pa.ipc.open_stream(body).read_all().num_rows == 300


async def test_columns_are_added_renamed_and_widened(web, bus):
    await fill(bus, 5)
    status, found, _ = await web.post("/cache/schema", add="stars", type="int8")
    assert status == 200
    await web.post("/cache/cid/update", cid=made(1), metadata={"stars": 5})
    await web.post("/cache/schema", widen="stars", type="int64")
    await web.post("/cache/schema", rename="stars", to="rating")
    _, row, _ = await web.get(f"/cache/cid/{made(1)}")
    assert row["rating"] == 5
    _, found, _ = await web.get("/cache/schema")
    assert {c["name"]: c["type"] for c in found["columns"]}["rating"] == "int64"
    _, page, _ = await web.post("/cache/query", filter={"rating": 5}, select=["cid"])
    assert page["rows"] == [{"cid": made(1)}]
    for wrong in (
        {"add": "rating", "type": "int8"},
        {"add": "x", "type": "nonsense"},
        {"widen": "cid", "type": "int8"},
    ):
        status, problem, _ = await web.post("/cache/schema", **wrong)
        assert status in (400, 409), problem


async def test_the_index_is_compacted_verified_and_optimized(web, bus):
    await fill(bus, 500)
    status, done, _ = await web.post("/cache/compact")
    assert (status, done["rows"], done["runs_after"]) == (200, 500, 1)
    _, found, _ = await web.post("/cache/verify")
    assert (found["damaged"], found["bad_cache_entries"]) == ([], 0)
    _, proposal, _ = await web.post("/cache/optimize", workload="analytical")
    assert (proposal["workload"], proposal["applied"]) == ("analytical", False)
    assert proposal["changes"]
    _, applied, _ = await web.post("/cache/optimize", workload="analytical", apply=True)
    assert applied["applied"]
    assert applied["before"]
    assert applied["after"]
    _, stats, _ = await web.get("/cache/index/stats")
    assert stats["record_count"] == 500
    assert stats["total_size_bytes"] > 0


async def test_reads_told_by_others_make_rows(bus):
    accesses = [cache.Access(cid=made(1), count=3, at=1.8e9), cache.Access(cid=made(2), at=1.8e9)]
    done = await bus.request(subjects.CACHE_TOUCH, cache.CacheTouch(accesses=accesses))
    assert done.touched == 2
    row = await known(bus, made(1))
    assert (row.access_count, row.last_accessed, row.codec) == (3, 1.8e9, "raw")


async def test_rows_come_over_the_bus_as_an_arrow_stream_too(bus):
    await fill(bus, 20)
    ask = cache.QueryRequest(filter={"size_bytes": {"$lt": 5}}, select=["size_bytes"], sort=["size_bytes"])
    async with await bus.open(subjects.QUERY_ARROW, ask) as stream:
        assert stream.head.rows == 5
        body = b"".join([piece async for piece in stream])
    assert pa.ipc.open_stream(body).read_all()["size_bytes"].to_pylist() == [0, 1, 2, 3, 4]


async def test_pins_that_were_made_while_the_actor_was_away_are_learnt(server, ipfs_host, tmp_path):
    async with await connect(server) as other:
        cid = await add(other, b"pinned before")
        gone = await add(other, b"unpinned while away")
        async with hosted(server, make_actor("cache", tmp_path / "index")):
            for wanted in (cid, gone):
                assert (await until(lambda wanted=wanted: known(other, wanted))).is_pinned
        await other.request(subjects.UNPIN, ipfs.PinRemove(cid=gone))
        async with hosted(server, make_actor("cache", tmp_path / "index")):

            async def is_unpinned():
                return (await known(other, gone)).is_pinned is False

            assert await until(is_unpinned)
            assert (await known(other, cid)).is_pinned


async def test_what_was_acknowledged_is_there_after_the_actor_starts_again(server, ipfs_host, tmp_path):
    async with await connect(server) as other:
        async with hosted(server, make_actor("cache", tmp_path / "index")):
            await fill(other, 50)
            await other.request(subjects.CID_DELETE, cache.CidDelete(cids=[made(7)]))
        async with hosted(server, make_actor("cache", tmp_path / "index")):
            stats = await other.request(subjects.INDEX_STATS, cache.IndexStatsRequest())
            assert stats.record_count == 49
            assert (await known(other, made(8))).size_bytes == 8
            assert await known(other, made(7)) is None


async def test_rows_that_are_lost_come_back_as_far_as_pins_tell(bus, cache_host, tmp_path):
    cid = await add(bus, b"pinned, then damaged", filename="kept.txt")
    assert await until(lambda: known(bus, cid))
    await bus.request(subjects.COMPACT, cache.CompactRequest())
    part = next((tmp_path / "cache" / "index").rglob("part-*.parquet"))
    damaged = bytearray(part.read_bytes())
    damaged[60:200] = bytes(140)
    part.write_bytes(damaged)
    found = await bus.request(subjects.INDEX_VERIFY, cache.VerifyRequest())
    assert sum(each["lost_rows"] for each in found.damaged) == 1

    async def is_back():
        row = await known(bus, cid)
        return row is not None and row.is_pinned

    assert await until(is_back)


async def test_a_put_keeps_when_content_was_added_and_how_it_is_used(bus):
    first = await bus.request(subjects.CID_PUT, cache.CidPut(cid=made(1), metadata={"heat_score": 0.5}))
    again = await bus.request(subjects.CID_PUT, cache.CidPut(cid=made(1), metadata={"filename": "x"}))
    assert again.added_timestamp == first.added_timestamp
    assert again.heat_score == pytest.approx(0.5, abs=1e-4)


async def test_what_a_cid_says_itself_cannot_be_told_otherwise(bus):
    for wrong in ({"codec": "dag-cbor"}, {"cid_version": 0}, {"multihash_type": "sha1"}):
        with pytest.raises(BadRequest, match="the CID itself says"):
            await bus.request(subjects.CID_PUT, cache.CidPut(cid=made(1), metadata=wrong))


async def test_a_wrong_cid_in_a_list_is_named_by_its_place(web):
    status, problem, _ = await web.post("/cache/cid/delete", cids=[made(1), "nonsense"])
    assert (status, problem["field"]) == (400, "cids.1")
    status, problem, _ = await web.post("/cache/invalidate", cids=[made(1)] * 10_001)
    assert (status, problem["limit"]) == (400, 10_000)
