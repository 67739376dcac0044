"""`server.models["ipfs"].ipfs_kit.parquet_cache`: the index for programs that have no event loop, and beside one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cidbus import MCPServer
from cidbus.bus.testing import server_is_missing
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, Conflict, NotFound, Unavailable

pytestmark = pytest.mark.skipif(server_is_missing(), reason="nats-server is not installed")

# A program without an event loop: the server starts with the first question and ends with the program.
PROGRAM = """
import sys
import threading
from cidbus import MCPServer

server = MCPServer(isolation_mode=True, cache_config={"parquet_cache_path": sys.argv[1]})
index = server.models["ipfs"].ipfs_kit.parquet_cache
print(index.put_batch({"cid": cid, "size_bytes": n} for n, cid in enumerate(sys.argv[2:])))
print([row["size_bytes"] for row in index.query({"size_bytes": {"$gt": 0}}, sort_by=["-size_bytes"])])
print(index.query_sql("SELECT count(*) AS n, sum(size_bytes)::BIGINT AS bytes FROM cids").to_pylist())
print(index.to_arrow(select=["cid"]).num_rows, index.schema.names[:2], index.stats()["record_count"])
"""


def made(number: int) -> str:
    return str(CID.of(0x55, b"%d" % number))


def test_a_program_without_an_event_loop_uses_the_index_and_ends(tmp_path: Path):
    cids = [made(number) for number in range(3)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "index"), *cids],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "3", "[2, 1]", "[{'n': 3, 'bytes': 3}]", "3 ['cid', 'size_bytes'] 3",
    ]  # fmt: skip
    again = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "index"), made(9)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert again.stdout.splitlines()[-1].endswith("4"), (
        "what was written is there after the program has ended"
    )


async def test_it_is_the_same_index_that_the_running_server_feeds():
    async with MCPServer(isolation_mode=True, cache_config={"memory_limit": 1 << 20}) as server:
        added = await server.ipfs_model.add_content("Hello, index!", filename="hello.txt")
        assert await server.ipfs_model.get_content(added["cid"]) == b"Hello, index!"
        index = server.ipfs_model.ipfs_kit.parquet_cache
        row = await asyncio.to_thread(index.get, added["cid"])
        assert (row["filename"], row["is_pinned"], row["access_count"]) == ("hello.txt", True, 1)
        assert await asyncio.to_thread(index.get, made(1)) is None
        await asyncio.to_thread(index.put, made(1), {"tags": ["mine"]})
        changed = await asyncio.to_thread(index.update, made(1), {"filename": "one"})
        assert (changed["filename"], changed["tags"]) == ("one", ["mine"])
        top = await asyncio.to_thread(index.top, 1)
        assert top[0]["cid"] == added["cid"]
        groups = await asyncio.to_thread(index.aggregate, {"n": {"$count": {}}}, None, ["codec"])
        assert groups == [{"codec": "raw", "n": 2}]
        assert (await asyncio.to_thread(index.explain, {"size_bytes": {"$gt": 1}}))["segments"]
        assert (await asyncio.to_thread(index.compact))["runs_after"] == 1
        assert "workload" in await asyncio.to_thread(index.optimize, "read_heavy", apply=False)
        assert await asyncio.to_thread(index.delete, made(1))
        assert not await asyncio.to_thread(index.delete, made(1))
        with pytest.raises(NotFound):
            await asyncio.to_thread(index.update, made(1), {"filename": "x"})
        with pytest.raises(BadRequest):
            await asyncio.to_thread(index.query, {"nothing": 1})


async def test_the_limits_of_the_configuration_are_those_of_the_actor(tmp_path: Path):
    config = {"memory_limit": 3 << 20, "disk_limit": 7 << 20, "disk_path": str(tmp_path / "disk")}
    async with MCPServer(isolation_mode=True, cache_config=config) as server:
        client = await server.client()
        stats = await client.cache.stats()
        assert (stats.memory["limit_bytes"], stats.disk["limit_bytes"]) == (3 << 20, 7 << 20)
        assert (tmp_path / "disk").is_dir()


async def test_without_the_index_content_is_cached_and_questions_are_errors():
    async with MCPServer(isolation_mode=True, cache_config={"enable_parquet_cache": False}) as server:
        added = await server.ipfs_model.add_content("cached all the same")
        for _ in range(2):
            assert await server.ipfs_model.get_content(added["cid"]) == b"cached all the same"
        client = await server.client()
        assert (await client.cache.stats()).hits == 1
        with pytest.raises(Exception, match="enable_parquet_cache"):
            await client.cache.index_stats()


def test_closing_ends_calls_that_other_threads_wait_for():
    server = MCPServer(isolation_mode=True)
    index = server.ipfs_model.ipfs_kit.parquet_cache
    index.put(made(1), {})
    ended: list[BaseException] = []

    def busy() -> None:
        try:
            while True:
                index.get(made(1))
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=busy)
    thread.start()
    server.close()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert isinstance(ended[0], Unavailable | Conflict), ended
    with pytest.raises(Conflict):
        index.stats()


def test_values_that_cannot_be_sent_name_their_column():
    server = MCPServer(isolation_mode=True)
    index = server.ipfs_model.ipfs_kit.parquet_cache
    try:
        for value in (b"bytes", float("nan"), object()):
            with pytest.raises(BadRequest, match="filename"):
                index.put(made(1), {"filename": value})
        with pytest.raises(BadRequest, match="row 0"):
            index.put_batch([{"size_bytes": 1}])
    finally:
        server.close()
