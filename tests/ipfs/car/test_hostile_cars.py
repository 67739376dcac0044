"""CAR files made to harm: each ends in an error of our tree, within a second and a few megabytes."""

import contextlib
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.car.header import MAX_ROOTS
from cidbus.actors.ipfs.car.read import MAX_HEADER_BYTES, open_car
from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import InvalidContent

MAX_S = 1.0
MAX_MEMORY_BYTES = 64 << 20

EMPTY = CID.parse("bafkqaaa")


async def read_all(chunks) -> int:
    """How many blocks a stream has; they are dropped as they come."""
    count = 0
    async for _ in (await open_car(chunks)).blocks():
        count += 1
    return count


async def repeat(start: bytes, piece: bytes, times: int):
    yield start
    for _ in range(times):
        yield piece


async def measured(reading) -> int:
    """The peak of memory while something is read."""
    tracemalloc.start()
    try:
        await reading
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def pieces_of_a_car(cars):
    """What a CAR is made of, right and wrong, to be put together in any order."""
    blocks = [
        (CID.of(codec, data, version=version), data)
        for codec, version, data in (
            (RAW, 1, b"a"), (RAW, 1, b""), (DAG_PB, 0, b"\x0a\x00"), (CODECS["dag-cbor"], 1, b"\xa0"),
        )
    ]  # fmt: skip
    whole = cars.car([blocks[0][0]], blocks)
    return [
        whole, cars.v2(whole), cars.v2(whole, padding=bytes(5), index=b"index"), cars.header(),
        *(cars.section(*block) for block in blocks), cars.section(EMPTY, b""), cars.section(EMPTY, b"x"),
        b"\0", b"\xff", b"\x80", b"\x12\x20", b"\x01\x55", b"\xa2\x65roots", bytes(40),
    ]  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), chunk_bytes=st.sampled_from([1, 3, 50, 1 << 16]))
async def test_no_bytes_raise_anything_but_invalid_content(data, chunk_bytes, cars):
    part = st.sampled_from(pieces_of_a_car(cars)) | st.binary(max_size=60)
    car = bytearray(b"".join(data.draw(st.lists(part, max_size=6))))
    for _ in range(data.draw(st.integers(0, 3)) if car else 0):
        car[data.draw(st.integers(0, len(car) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidContent):
        await read_all(cars.chunks(bytes(car), chunk_bytes))


async def test_a_header_of_32_mib_takes_little_memory(cars):
    start = b"\x80\x80\x80\x10" + b"\xa2\x65roots\x9a\x00\x0f\x42\x40"
    with pytest.raises(InvalidContent, match="1000000 roots"):
        await read_all(repeat(start, b"\x80" * (1 << 16), MAX_HEADER_BYTES >> 16))
    piece = b"\x80" * (1 << 16)

    async def refused():
        with pytest.raises(InvalidContent):
            await read_all(repeat(start, piece, MAX_HEADER_BYTES >> 16))

    # What is known of the header's length, and as much again while it grows.
    assert await measured(refused()) < 2 * MAX_HEADER_BYTES + (4 << 20)


async def test_10_000_of_the_longest_roots_take_little_memory(cars):
    roots = [CID(1, RAW, b"\x00\x7f" + i.to_bytes(127, "big")) for i in range(MAX_ROOTS)]
    car = cars.header(*roots)
    assert await measured(read_all(cars.chunks(car))) < MAX_MEMORY_BYTES


async def test_100_000_blocks_of_nothing_take_little_memory(cars):
    piece = cars.section(EMPTY, b"") * 10_000
    assert await measured(read_all(repeat(cars.header(), piece, 10))) < MAX_MEMORY_BYTES


async def test_a_stream_of_single_bytes_takes_little_time(cars):
    cid = CID.of(RAW, bytes(100_000))
    started = time.process_time()
    assert await read_all(cars.chunks(cars.car([], [(cid, bytes(100_000))]), 1)) == 1
    assert time.process_time() - started < MAX_S


async def test_padding_without_end_takes_little_memory(cars):
    assert await measured(read_all(repeat(cars.header(), bytes(1 << 16), 1000))) < MAX_MEMORY_BYTES


async def test_an_index_without_end_takes_little_memory(cars):
    car = cars.v2(cars.header(), index=b"x")
    assert await measured(read_all(repeat(car, b"x" * (1 << 16), 1000))) < MAX_MEMORY_BYTES
