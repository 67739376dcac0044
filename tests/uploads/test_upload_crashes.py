"""kill -9 in the middle of uploads: an acknowledged offset is there again, and the content goes on from it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest

from ..system.conftest import Running, pattern, running_system
from .conftest import BYTES, TUS, plain_cid

MIB = 1 << 20
FAILURES = (aiohttp.ClientError, TimeoutError, ConnectionError)


@pytest.mark.slow
async def test_acknowledged_bytes_survive_and_the_upload_goes_on():
    content = pattern(0, 44 * MIB)
    async with running_system() as system:
        for victim in ("ipfs", "bridge"):
            path = await begin(system, len(content))
            for offset in range(0, 2 * MIB, MIB // 2):  # each acknowledged
                status, at = await patch(
                    system, path, offset, io.BytesIO(content[offset : offset + MIB // 2])
                )
                assert (status, at) == (204, offset + MIB // 2)
            with contextlib.suppress(*FAILURES):
                broken = broken_by_a_kill(system, victim, path, content[2 * MIB :])
                assert (await patch(system, path, 2 * MIB, broken))[0] in (500, 503, 504)
            assert await offset_once_it_answers(system, path) >= 32 * MIB  # the checkpoint that was passed
            await go_on(system, path, content)
            assert await cid_of(system, path) == await plain_cid(content)
        verified = await system.post("/ipfs/repo/verify")
        assert verified["bad_blocks"] == 0


async def go_on(system: Running, path: str, content: bytes) -> None:
    """Send the rest, as a client does: what the broken request had sent may still be on its way to the disk."""
    async with asyncio.timeout(20):
        while True:
            offset = await offset_once_it_answers(system, path)
            status, at = await patch(system, path, offset, io.BytesIO(content[offset:]))
            if status == 204:
                assert at == len(content)
                return
            assert status in (409, 423)


async def broken_by_a_kill(system: Running, victim: str, path: str, content: bytes) -> AsyncIterator[bytes]:
    """The content up to some way behind a checkpoint; then the victim is killed."""
    sent = 36 * MIB
    for start in range(0, sent, MIB):
        yield content[start : start + MIB]
    async with asyncio.timeout(20):
        while await offset_once_it_answers(system, path) < 32 * MIB:
            await asyncio.sleep(0.02)
    system.kill(victim, how=signal.SIGKILL)
    yield content[sent:]


async def begin(system: Running, size: int) -> str:
    headers = TUS | {"Upload-Length": str(size)}
    async with system.http.post(f"{system.api}/uploads", headers=headers) as answer:
        assert answer.status == 201
        return answer.headers["Location"]


async def patch(system: Running, path: str, offset: int, data: object) -> tuple[int, int]:
    headers = BYTES | {"Upload-Offset": str(offset)}
    async with system.http.patch(f"{system.info.http}{path}", data=data, headers=headers) as answer:
        return answer.status, int(answer.headers.get("Upload-Offset", -1))


async def offset_once_it_answers(system: Running, path: str) -> int:
    """How far the upload is, from the first answer after a crash."""
    async with asyncio.timeout(20):
        while True:
            try:
                async with system.http.head(f"{system.info.http}{path}", headers=TUS) as answer:
                    if answer.status == 200:
                        return int(answer.headers["Upload-Offset"])
                    assert answer.status in (503, 504)
            except FAILURES:
                await asyncio.sleep(0.05)


async def cid_of(system: Running, path: str) -> str:
    async with system.http.get(f"{system.info.http}{path}") as answer:
        cid: str = (await answer.json())["cid"]
        return cid
