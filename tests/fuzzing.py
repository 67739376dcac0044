"""Whatever bytes a reader is given, it answers or raises an error of our tree, in little memory.

A reader is a function of bytes; that it also checks what it has read (by writing it again, say) is welcome.

    @pytest.mark.parametrize("name", READERS)
    @given(data=st.data())
    def test_…(name, data):
        reader, seeds = READERS[name]
        assert_only_our_errors(reader, data.draw(spoiled(seeds)))

    @pytest.mark.slow
    def test_…_for_a_while():
        fuzz_each(READERS, seconds=12)
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from cidbus.schemas.errors import BusError

MAX_MEMORY_BYTES = 64 << 20
MAX_DATA_BYTES = 2 << 20
# proc(5): 5 lets the peak begin anew at what is resident now.
CLEAR_REFS, RESET_PEAK = Path("/proc/self/clear_refs"), "5"

Reader = Callable[[bytes], object]


def assert_only_our_errors(reader: Reader, data: bytes) -> None:
    """Give the reader the bytes; fails on any exception that is no BusError."""
    try:
        reader(data)
    except BusError:
        pass
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} for {_shown(data)}: {error}") from error


def assert_little_memory(reader: Reader, data: bytes, limit_bytes: int = MAX_MEMORY_BYTES) -> None:
    """`assert_only_our_errors`, and at most 64 MiB more memory of this process at any moment."""
    grown = most_memory(lambda: assert_only_our_errors(reader, data))
    assert grown < limit_bytes, f"{grown >> 20} MiB for {_shown(data)}"


def most_memory(work: Callable[[], object]) -> int:
    """By how many bytes the resident memory of this process grows at most while it works (Linux alone tells)."""
    if not CLEAR_REFS.exists():
        pytest.skip(f"{CLEAR_REFS} is not there")
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free already must not hide what is taken
    CLEAR_REFS.write_text(RESET_PEAK)
    before = _resident("VmRSS")
    work()
    return _resident("VmHWM") - before


def _resident(what: str) -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) * 1024


def spoiled(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Any bytes, and seeds with up to twenty things done to them."""
    return st.one_of(
        st.binary(max_size=200),
        st.builds(_spoil_seeded, st.sampled_from(seeds), st.integers(0, (1 << 64) - 1)),
    )


def fuzz(reader: Reader, seeds: Sequence[bytes], seconds: float) -> None:
    """Spoil seeds for so long, at random; what fails is in the failure's message."""
    rng, end = random.Random(), time.monotonic() + seconds
    while time.monotonic() < end:
        data = spoil(rng.choice(seeds), rng)
        check = assert_little_memory if len(data) > 1 << 16 else assert_only_our_errors
        check(reader, data)


def fuzz_each(readers: Mapping[str, tuple[Reader, Sequence[bytes]]], seconds: float) -> None:
    """`fuzz` for each reader, in processes of their own, as many at once as there are cores."""
    fork = multiprocessing.get_context("fork")
    failed = fork.SimpleQueue()
    waiting, running = list(readers), {}
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            name = waiting.pop()
            process = fork.Process(target=_fuzz_and_tell, args=(name, *readers[name], seconds, failed))
            process.start()
            running[process.sentinel] = (name, process)
        for sentinel in wait(running):
            name, process = running.pop(sentinel)
            process.join()
            assert process.exitcode == 0, f"{name} ended with {process.exitcode}"
    assert failed.empty(), failed.get()


def _fuzz_and_tell(name: str, reader: Reader, seeds: Sequence[bytes], seconds: float, failed: Any) -> None:
    try:
        fuzz(reader, seeds, seconds)
    except AssertionError as error:
        failed.put(f"{name}: {error}")


def _spoil_seeded(seed: bytes, number: int) -> bytes:
    return spoil(seed, random.Random(number), max_bytes=1 << 14)


def spoil(data: bytes, rng: random.Random, max_bytes: int = MAX_DATA_BYTES) -> bytes:
    """The bytes with one to twenty of them changed, cut out, doubled, or a piece repeated very often."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 20))):
        start = rng.randrange(len(out) + 1)
        end = min(len(out), start + rng.choice((1, 1, 2, 4, 16, 64)))
        match rng.randrange(7):
            case 0:
                out[start:end] = rng.randbytes(end - start)
            case 1:
                del out[start:end]
            case 2:
                out[start:start] = rng.choice(INTERESTING)
            case 3:
                out[start:end] = rng.choice(INTERESTING)
            case 4:
                out[start:start] = out[start:end]
            case 5 if start < len(out):
                out[start] ^= 1 << rng.randrange(8)
            case 6 if rng.random() < 0.1:
                most = max(1, (max_bytes - len(out)) // max(1, end - start))
                out[start:end] = bytes(out[start:end]) * rng.randrange(1, most + 1)
    return bytes(out[:max_bytes])


# Ends of ranges, lengths that lie, and the tokens of the formats that are read here.
INTERESTING = (
    b"\0", b"\xff", b"\x7f", b"\x80", b"\xff" * 8, b"\x80" * 9, b"\x7f" + b"\xff" * 7, b"\x80\x00",
    b"\x9a\xff\xff\xff\xff", b"\x9b" + b"\xff" * 8, b"\x9a\x00\x1f\xff\xff", b"\xba\x00\x0f\xff\xff", b"\x9f",
    b"\xd8\x2a\x45\x00\x01\x55\x00\x00", b"\xd8\x2a", b"\xfb\x7f\xf8" + bytes(6), b"\xf9\x7e\x00", b"\xf7",
    b"\x81", b"\x80", b"\xa1\x61a", b"\x5a\x00\x20\x00\x00", b"\x0a\x00", b"\x12\x00", b"\x12\x06\x0a\x04\x01\x55\x00\x00",
    b"\x01\x71\x12\x20", b"\x12\x20", b'{"/":', b'{"/":{"bytes":"AA"}}', b'{"/":"bafkqaaa"}', b"[", b"{", b"]", b"}",
    b'"', b"\\ud800", b"\\u", b"\\", b"1e999", b"-0", b"9" * 25, b"NaN", b"\xef\xbb\xbf", b"\xed\xa0\x80", b",", b":",
)  # fmt: skip


def _shown(data: bytes) -> str:
    return f"{len(data)} bytes {data[:300].hex()}" + ("…" if len(data) > 300 else "")
