"""Lines out of pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.remote.lines import lines_of
from cidbus.schemas.errors import TooLarge


async def pieces_of(text: bytes, sizes: list[int]):
    for size in sizes:
        yield text[:size]
        text = text[size:]
    yield text


@given(
    lines=st.lists(st.binary(min_size=1, max_size=9).filter(lambda line: b"\n" not in line and line.strip())),
    sizes=st.lists(st.integers(0, 7)),
    ended=st.booleans(),
)
async def test_lines_come_out_whole_however_they_are_cut(lines, sizes, ended):
    text = b"\n\n".join(lines) + b"\n" * ended
    assert [line async for line in lines_of(pieces_of(text, sizes), 9)] == lines


async def test_a_line_over_the_limit_is_refused_before_it_ends():
    async def endless():
        while True:
            yield b"x" * 1000

    with pytest.raises(TooLarge) as caught:
        await anext(lines_of(endless(), 64 * 1024))
    assert (caught.value.field, caught.value.limit) == ("line", 64 * 1024)


async def test_a_line_over_the_limit_within_one_piece_is_refused():
    with pytest.raises(TooLarge):
        [line async for line in lines_of(pieces_of(b"short\n" + b"x" * 11 + b"\n", []), 10)]
