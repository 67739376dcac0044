"""A sealed value gives back what was stored or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.cache.content.sealed import (
    CHUNK_BYTES,
    Damaged,
    SealedValue,
    Sealer,
    content_bytes,
    sealed_bytes,
)

SIZES = [0, 1, 63, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17]


def sealed(data: bytes, key: str = "cid") -> bytes:
    sealer = Sealer()
    for start in range(0, len(data), 10_007):
        sealer.update(data[start : start + 10_007])
    return data + sealer.trailer(key)


def opened(stored: bytes, key: str = "cid") -> SealedValue:
    return SealedValue(key, len(stored), lambda offset, length: stored[offset : offset + length])


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_is_read_back(kit, size):
    data = kit.content(size)
    stored = sealed(data)
    assert len(stored) == sealed_bytes(size)
    assert content_bytes(len(stored)) == size
    assert opened(stored).read(0, size) == data


@pytest.mark.parametrize("size", SIZES)
def test_a_range_is_read_without_the_chunks_beside_it(kit, size):
    data = kit.content(size)
    stored = bytearray(sealed(data))
    value = opened(bytes(stored))
    start = min(size, CHUNK_BYTES + 5)
    value._read_at = lambda offset, length: bytes(stored[offset : offset + length])
    for at in range(min(size, CHUNK_BYTES)):
        stored[at] ^= 1
    if size > CHUNK_BYTES:
        assert value.read(start, size - start) == data[start:]


@pytest.mark.parametrize("size", [1, 300, CHUNK_BYTES + 300])
def test_a_flipped_byte_anywhere_is_found(kit, size):
    stored = sealed(kit.content(size))
    for at in {*range(0, len(stored), 97), len(stored) - 1}:
        wrong = bytearray(stored)
        wrong[at] ^= 0x40
        with pytest.raises(Damaged):
            opened(bytes(wrong)).read(0, size)


def test_a_value_under_another_key_is_damaged(kit):
    with pytest.raises(Damaged, match="seal"):
        opened(sealed(b"content", "one"), "another")


@given(cut=st.integers(1, 200))
def test_a_value_that_is_cut_short_is_damaged(cut):
    stored = sealed(bytes(160))
    with pytest.raises(Damaged):
        opened(stored[:-cut]).read(0, 160)


@given(stored=st.integers(0, 10 * CHUNK_BYTES))
def test_only_sizes_that_sealing_gives_have_a_content_size(stored):
    size = content_bytes(stored)
    assert size is None or sealed_bytes(size) == stored
