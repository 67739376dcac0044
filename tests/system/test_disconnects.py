"""Clients that go away in the middle: everything they held is free within seconds, again and again."""

from __future__ import annotations

import asyncio

import pytest

from .conftest import OCTETS, Running, pattern, running_system

MIB = 1 << 20
SIZE = 1 << 30


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_two_hundred_broken_uploads_and_downloads_leave_nothing_behind():
    async with running_system() as system:
        cid = await stored(system, 256 * MIB)
        files_before, _ = await settled(system)
        memory = []
        for _ in range(2):
            for _ in range(10):
                await leave_downloads(system, cid, 20)
                await leave_uploads(system, 20)
            files, now = await settled(system)
            memory.append(now)
            assert files <= files_before + 8
        # The heaps grow to what twenty at once need, and no further.
        assert memory[1] < memory[0] + 100 * MIB
        assert not [name for name in temporary_files(system) if "part" in name or "tmp" in name]
        assert (await system.get("/ipfs/repo/stat"))["pins"] == 1


async def stored(system: Running, size: int) -> str:
    async def content():
        for start in range(0, size, MIB):
            yield pattern(start, MIB)

    async with system.http.post(f"{system.api}/ipfs/add", data=content(), headers=OCTETS) as answer:
        return (await answer.json())["cid"]


async def leave_downloads(system: Running, cid: str, count: int) -> None:
    async def one() -> None:
        async with system.http.get(f"{system.api}/ipfs/cat/{cid}") as answer:
            await answer.content.readexactly(3 * MIB)
            answer.close()

    await asyncio.gather(*(one() for _ in range(count)))


async def leave_uploads(system: Running, count: int) -> None:
    async def one() -> None:
        sent = asyncio.Event()

        async def content():
            for start in range(0, 4 * MIB, MIB):
                yield pattern(start, MIB)
            sent.set()
            await asyncio.Event().wait()

        post = asyncio.create_task(upload(content()))
        await sent.wait()
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)

    async def upload(content) -> None:
        headers = OCTETS | {"Content-Length": str(SIZE)}
        async with system.http.post(f"{system.api}/ipfs/add", data=content, headers=headers):
            raise AssertionError("an upload without its end was answered")

    await asyncio.gather(*(one() for _ in range(count)))


def open_files(system: Running) -> int:
    return sum(process.num_fds() for process in system.processes())


def temporary_files(system: Running) -> list[str]:
    return [path.name for path in system.system.data_dir.path.rglob("*") if path.is_file()]


async def settled(system: Running) -> tuple[int, int]:
    """Open files and memory of all processes, once no stream runs any more; within 5 s of the last client."""
    async with asyncio.timeout(5):
        while await running_streams(system):
            await asyncio.sleep(0.05)
    memory = sum(
        process.memory_info().rss for process in system.processes() if process.name() != "nats-server"
    )
    return open_files(system), memory


async def running_streams(system: Running) -> int:
    """What the actors say of streams that are still open."""
    instances = (await system.get("/stats"))["actors"]
    return sum(instance["streams"] for instance in instances)
