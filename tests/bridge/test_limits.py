"""Connections that misbehave: slow heads, large heads, and what is not HTTP at all."""

from __future__ import annotations

import asyncio

import orjson
import pytest

SLOW = {"head_timeout_s": 0.2}
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head.split()[1]), orjson.loads(await reader.readexactly(length))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:  # closed while something was still on its way there
        return True


@pytest.mark.parametrize("settings", [SLOW], indirect=True)
@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost:"], ids=["nothing", "half a head"])
async def test_a_connection_without_a_whole_head_is_closed(web, sent):
    reader, writer = await web.raw(sent)
    assert await is_closed(reader)
    writer.close()


@pytest.mark.parametrize("settings", [SLOW], indirect=True)
async def test_a_head_that_drips_is_closed_in_time_all_the_same(web):
    reader, writer = await web.raw(b"GET /livez HTTP/1.1\r\n")

    async def drip():
        while not writer.is_closing():
            writer.write(b"X: y\r\n")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert await is_closed(reader)
    writer.close()
    await dripping


@pytest.mark.parametrize("settings", [SLOW], indirect=True)
async def test_a_second_head_has_to_come_in_time_too(web):
    reader, writer = await web.raw(GET)
    assert (await answer(reader))[0] == 200
    writer.write(b"GET /livez")
    assert await is_closed(reader)
    writer.close()


@pytest.mark.parametrize("settings", [SLOW | {"idle_timeout_s": 30.0}], indirect=True)
async def test_a_connection_between_requests_may_idle_longer(web, shelf):
    reader, writer = await web.raw(GET)
    assert (await answer(reader))[0] == 200
    # Another connection that says nothing shows that the time for a head has passed.
    other, other_writer = await web.raw(b"")
    assert await is_closed(other)
    other_writer.close()
    writer.write(GET)
    assert (await answer(reader))[0] == 200
    writer.close()


@pytest.mark.parametrize("settings", [SLOW], indirect=True)
async def test_a_slow_answer_is_not_a_slow_head(web, shelf):
    reader, writer = await web.raw(
        b"POST /api/v0/mcp/ipfs/pin HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" + b'{"cid":"slow"}'
    )
    await shelf.started.get()
    other, other_writer = await web.raw(b"")
    assert await is_closed(other)
    other_writer.close()
    shelf.go.set()
    assert (await answer(reader))[0] == 200
    writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez?" + b"x" * 80_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        GET[:-2] + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
    ids=["line", "field"],
)
async def test_a_head_that_is_too_large_is_a_problem(web, head):
    reader, writer = await web.raw(head)
    status, problem = await answer(reader)
    assert (status, problem["status"], problem["field"]) == (431, 431, "head")
    assert await is_closed(reader)
    writer.close()


async def test_too_many_fields_are_a_problem(web):
    reader, writer = await web.raw(GET[:-2] + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n")
    status, problem = await answer(reader)
    assert status == problem["status"]
    assert status in (400, 431)
    writer.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_problem_without_a_traceback(web, nonsense, caplog):
    reader, writer = await web.raw(nonsense)
    status, problem = await answer(reader)
    assert (status, problem["success"]) == (400, False)
    assert await is_closed(reader)
    writer.close()
    assert not caplog.records
