"""Blocks from elsewhere are asked for in order, checked, and kept."""

import asyncio
import logging

import pytest

from cidbus.actors.ipfs.remote.sources import Chain
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import (
    CorruptBlock,
    DeadlineExceeded,
    NotFound,
    NotSupported,
    StorageFull,
    Unavailable,
)

BLOCK = b"a block"
CID_OF_BLOCK = CID.of(RAW, BLOCK)


class Place:
    """A fetcher over a dict, or one that always raises; it may be told to wait."""

    def __init__(self, name, *blocks, error=None, lie=None):
        self.name, self.error, self.lie = name, error, lie
        self.blocks = {CID.of(RAW, block): block for block in blocks}
        self.asked = []
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def fetch(self, cid):
        self.asked.append(cid)
        self.started.set()
        await self.go.wait()
        if self.error:
            raise self.error
        if self.lie is not None:
            return self.lie
        if cid not in self.blocks:
            raise NotFound("block", str(cid))
        return self.blocks[cid]


@pytest.fixture
def chain_of(blocks, clock):
    def chain(*places, **options):
        return Chain(blocks, places, blocks.put, clock=clock, **options)

    return chain


async def test_a_local_block_is_asked_of_nobody(chain_of, blocks):
    place = Place("kubo", BLOCK)
    cid = blocks.place(BLOCK, RAW)
    chain = chain_of(place)
    assert await chain.get(cid) == BLOCK
    assert chain.get_now(cid) == BLOCK
    assert place.asked == []


async def test_sources_are_asked_from_left_to_right_and_the_block_is_kept(chain_of, blocks):
    first, second, third = Place("first"), Place("second", BLOCK), Place("third", BLOCK)
    chain = chain_of(first, second, third)
    assert not await chain.has(CID_OF_BLOCK)
    assert await chain.get(CID_OF_BLOCK) == BLOCK
    assert (len(first.asked), len(second.asked), len(third.asked)) == (1, 1, 0)
    assert await chain.has(CID_OF_BLOCK)
    assert await chain.get(CID_OF_BLOCK) == BLOCK
    assert len(second.asked) == 1


async def test_a_block_that_does_not_match_its_cid_is_not_kept_and_the_next_source_is_asked(
    chain_of, blocks, caplog
):
    chain = chain_of(Place("https://liar.example", lie=b"other"), Place("honest", BLOCK))
    with caplog.at_level(logging.WARNING):
        assert await chain.get(CID_OF_BLOCK) == BLOCK
    assert blocks.stored == [CID_OF_BLOCK]
    assert f"https://liar.example sent other bytes than the CID names (block {CID_OF_BLOCK})" in caplog.text
    liar, honest = chain.health()
    assert (liar.lies, liar.answers, honest.lies, honest.answers) == (1, 0, 0, 1)


async def test_what_nobody_has_is_not_found_and_the_error_names_everybody_and_the_liar(chain_of, blocks):
    chain = chain_of(Place("empty"), Place("liar", lie=b""))
    with pytest.raises(NotFound) as caught:
        await chain.get(CID_OF_BLOCK)
    error = caught.value
    assert (error.what, error.name, error.liars) == ("block", str(CID_OF_BLOCK), ["liar"])
    assert error.tried == {
        "empty": f"block not found: {CID_OF_BLOCK}",
        "liar": "sent other bytes than the CID names",
    }
    assert blocks.stored == []


async def test_where_a_source_could_not_be_asked_it_may_have_the_block_and_that_is_said(chain_of):
    chain = chain_of(Place("empty"), Place("down", error=Unavailable("no route to host")))
    with pytest.raises(Unavailable, match="down could not be asked") as caught:
        await chain.get(CID_OF_BLOCK)
    assert caught.value.tried == {
        "empty": f"block not found: {CID_OF_BLOCK}",
        "down": "no route to host",
    }


async def test_what_a_source_tried_inside_is_told_in_its_place(chain_of):
    inside = NotFound("block", str(CID_OF_BLOCK), tried={"https://a": "absent"}, liars=["https://b"])
    with pytest.raises(NotFound) as caught:
        await chain_of(Place("gateways", error=inside)).get(CID_OF_BLOCK)
    assert (caught.value.tried, caught.value.liars) == ({"https://a": "absent"}, ["https://b"])


async def test_a_liar_is_not_asked_again_until_its_time_is_over(chain_of, clock):
    liar = Place("liar", lie=b"other")
    chain = chain_of(liar)
    with pytest.raises(NotFound):
        await chain.get(CID_OF_BLOCK)
    with pytest.raises(NotFound) as caught:
        await chain.get(CID_OF_BLOCK)
    assert caught.value.tried == {"liar": "not asked: it sent a wrong block lately"}
    assert len(liar.asked) == 1
    clock.forward(60)
    with pytest.raises(NotFound):
        await chain.get(CID_OF_BLOCK)
    assert len(liar.asked) == 2


async def test_a_source_that_keeps_failing_is_asked_last_but_asked(chain_of):
    down, slow = Place("down", error=Unavailable("gone")), Place("good", BLOCK)
    chain = chain_of(down, slow)
    for number in range(3):
        with pytest.raises(Unavailable):
            await chain.get(CID.of(RAW, b"absent %d" % number))
    assert len(down.asked) == 3
    await chain.get(CID_OF_BLOCK)
    assert len(down.asked) == 3
    with pytest.raises(Unavailable):
        await chain.get(CID.of(RAW, b"absent"))
    assert len(down.asked) == 4


async def test_searching_in_vain_is_not_held_against_a_source(chain_of):
    chain = chain_of(Place("kubo", error=DeadlineExceeded("Kubo's block/get", 30)))
    for _ in range(5):
        with pytest.raises(NotFound):
            await chain.get(CID_OF_BLOCK)
    assert (chain.health()[0].failures, chain.health()[0].not_found) == (0, 5)


async def test_misses_of_one_block_at_the_same_time_become_one_fetch(chain_of):
    place = Place("kubo", BLOCK)
    place.go.clear()
    chain = chain_of(place)
    waiting = [asyncio.create_task(chain.get(CID_OF_BLOCK)) for _ in range(10)]
    waiting += [asyncio.create_task(chain.get(CID(1, 0x71, CID_OF_BLOCK.multihash)))]
    await place.started.wait()
    place.go.set()
    assert await asyncio.gather(*waiting) == [BLOCK] * 11
    assert len(place.asked) == 1


async def test_no_more_fetches_run_at_once_than_allowed(chain_of):
    running = most = 0
    full, go = asyncio.Event(), asyncio.Event()

    class Counting(Place):
        async def fetch(self, cid):
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 3:
                full.set()
            await go.wait()
            running -= 1
            return self.blocks[cid]

    blocks = [b"block %d" % number for number in range(20)]
    chain = chain_of(Counting("kubo", *blocks), running=3)
    waiting = [asyncio.create_task(chain.get(CID.of(RAW, block))) for block in blocks]
    await full.wait()
    go.set()
    assert await asyncio.gather(*waiting) == blocks
    assert most == 3


async def test_a_damaged_local_block_is_fetched_anew_or_stays_an_error(chain_of, blocks):
    async def damaged(cid):
        raise CorruptBlock(str(cid))

    blocks.get = damaged
    assert await chain_of(Place("kubo", BLOCK)).get(CID_OF_BLOCK) == BLOCK
    for places in ([], [Place("kubo")]):
        with pytest.raises(CorruptBlock):
            await chain_of(*places).get(CID_OF_BLOCK)


async def test_a_block_whose_hash_cannot_be_computed_is_asked_of_nobody(chain_of):
    place = Place("kubo")
    with pytest.raises(NotSupported):
        await chain_of(place).get(CID(1, RAW, b"\x1b\x20" + bytes(32)))
    assert place.asked == []


async def test_a_block_that_cannot_be_kept_is_not_returned(blocks, clock):
    async def full(cid, block):
        raise StorageFull("no room")

    with pytest.raises(StorageFull):
        await Chain(blocks, [Place("kubo", BLOCK)], full).get(CID_OF_BLOCK)


async def test_a_caller_who_gives_up_stops_the_fetch(chain_of):
    place = Place("kubo", BLOCK)
    place.go.clear()
    chain = chain_of(place)
    waiting = asyncio.create_task(chain.get(CID_OF_BLOCK))
    await place.started.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    place.go.set()
    assert await chain.get(CID_OF_BLOCK) == BLOCK
    assert len(place.asked) == 2
