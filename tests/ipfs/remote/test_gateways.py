"""Trustless gateways are raced, checked, and remembered for how they did. All of them here really answer."""

import asyncio
import logging

import pytest
from aiohttp import web

from cidbus.actors.ipfs.remote.gateways import GatewayFetcher
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import BadRequest, NotFound, NotSupported, Unavailable

BLOCK = bytes(range(256)) * 4
CID_OF_BLOCK = CID.of(RAW, BLOCK)
MIB = 1024 * 1024


class Gateway:
    """What each gateway answers, and what it was asked."""

    def __init__(self, blocks=(BLOCK,)):
        self.blocks = {str(CID.of(RAW, block)): block for block in blocks}
        self.asked = []
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.go = asyncio.Event()
        self.sent_bytes = 0

    async def __call__(self, request):
        self.asked.append(request)
        self.started.set()
        try:
            return await self.answer(request)
        finally:
            self.ended.set()

    async def answer(self, request):
        block = self.blocks.get(request.path.removeprefix("/ipfs/"))
        if block is None:
            return web.Response(status=404)
        return web.Response(body=block, content_type="application/vnd.ipld.raw")


class Lying(Gateway):
    async def answer(self, request):
        return web.Response(body=b"anything", content_type="application/vnd.ipld.raw")


class Shortening(Gateway):
    async def answer(self, request):
        return web.Response(body=BLOCK[:-1], content_type="application/vnd.ipld.raw")


class Truncating(Gateway):
    """Promises the whole block and hangs up in the middle."""

    async def answer(self, request):
        response = web.StreamResponse(headers={"Content-Length": str(len(BLOCK))})
        await response.prepare(request)
        await response.write(BLOCK[:100])
        request.transport.close()
        return response


class Endless(Gateway):
    async def answer(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(64 * 1024))
            self.sent_bytes += 64 * 1024


class Hanging(Gateway):
    async def answer(self, request):
        await self.go.wait()
        return await super().answer(request)


class Dripping(Gateway):
    """Sends one byte and waits."""

    async def answer(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(BLOCK[:1])
        await self.go.wait()
        return response


class Failing(Gateway):
    def __init__(self, status, **headers):
        super().__init__()
        self.status, self.headers = status, {name.replace("_", "-"): text for name, text in headers.items()}

    async def answer(self, request):
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def fetcher_of(serve, clock, pauses):
    """`await fetcher_of(gateway, …)`: the fetcher, and the gateways' origins in order."""
    opened = []

    async def fetcher(*gateways, **options):
        origins = [await serve(gateway) for gateway in gateways]
        opened.append(GatewayFetcher(origins, **{"clock": clock, "pause": pauses} | options))
        return opened[-1], origins

    yield fetcher
    for one in opened:
        await one.close()


async def test_a_block_is_asked_for_as_the_trustless_gateway_specification_says(fetcher_of):
    gateway = Gateway()
    fetcher, (origin,) = await fetcher_of(gateway)
    assert await fetcher.fetch(CID_OF_BLOCK) == BLOCK
    (asked,) = gateway.asked
    assert (asked.method, asked.path_qs) == ("GET", f"/ipfs/{CID_OF_BLOCK}?format=raw")
    assert asked.headers["Accept"] == "application/vnd.ipld.raw"
    assert asked.headers["Accept-Encoding"] == "identity"
    assert [(health.name, health.answers) for health in fetcher.health()] == [(origin, 1)]


@pytest.mark.parametrize("liar", [Lying, Shortening])
async def test_a_gateway_that_sends_other_bytes_is_named_benched_and_replaced(
    fetcher_of, liar, caplog, clock
):
    bad, good = liar(), Gateway()
    fetcher, (bad_origin, _) = await fetcher_of(bad, good)
    with caplog.at_level(logging.WARNING):
        assert await fetcher.fetch(CID_OF_BLOCK) == BLOCK
    assert f"{bad_origin} sent other bytes than the CID names" in caplog.text
    assert [health.lies for health in fetcher.health()] == [1, 0]
    assert fetcher.health()[0].benched_s == 60
    await fetcher.fetch(CID_OF_BLOCK)
    assert len(bad.asked) == 1
    clock.forward(60)
    await fetcher.fetch(CID_OF_BLOCK)
    assert len(bad.asked) == 2
    assert fetcher.health()[0].benched_s == 120


async def test_when_only_liars_are_left_the_error_names_them(fetcher_of):
    fetcher, origins = await fetcher_of(Lying(), Shortening())
    with pytest.raises(Unavailable) as caught:
        await fetcher.fetch(CID_OF_BLOCK)
    assert sorted(caught.value.liars) == sorted(origins)
    assert set(caught.value.tried.values()) == {"sent other bytes than the CID names"}
    with pytest.raises(Unavailable) as caught:
        await fetcher.fetch(CID_OF_BLOCK)
    assert set(caught.value.tried.values()) == {"not asked: it sent a wrong block lately"}


async def test_a_body_that_breaks_off_is_a_failure_and_the_next_gateway_is_asked(fetcher_of):
    fetcher, (origin, _) = await fetcher_of(Truncating(), Gateway())
    assert await fetcher.fetch(CID_OF_BLOCK) == BLOCK
    truncating = fetcher.health()[0]
    assert (truncating.failures, truncating.lies) == (1, 0)
    assert f"{origin} broke off" in truncating.last_problem


async def test_an_endless_body_is_cut_at_two_mebibytes(fetcher_of):
    endless = Endless()
    fetcher, _ = await fetcher_of(endless, Gateway())
    assert await fetcher.fetch(CID_OF_BLOCK) == BLOCK
    assert fetcher.health()[0].last_problem == f"block: more than {2 * MIB} bytes"
    await endless.ended.wait()
    assert endless.sent_bytes < 32 * MIB  # what the kernel's buffers took beyond the limit


async def test_a_block_of_two_mebibytes_passes_and_one_byte_more_is_not_even_read(fetcher_of):
    largest, larger = bytes(2 * MIB), bytes(2 * MIB + 1)
    fetcher, _ = await fetcher_of(Gateway([largest, larger]))
    assert await fetcher.fetch(CID.of(RAW, largest)) == largest
    with pytest.raises(Unavailable) as caught:
        await fetcher.fetch(CID.of(RAW, larger))
    assert list(caught.value.tried.values()) == [f"block: more than {2 * MIB} bytes"]


@pytest.mark.parametrize("slow", [Hanging, Dripping])
async def test_a_gateway_that_is_too_slow_times_out(fetcher_of, slow):
    fetcher, (origin,) = await fetcher_of(slow(), timeout_s=0.05)
    with pytest.raises(Unavailable) as caught:
        await fetcher.fetch(CID_OF_BLOCK)
    assert caught.value.tried == {origin: f"a block at {origin}: no answer within 0.05 s"}


@pytest.mark.parametrize("slow", [Hanging, Dripping])
async def test_the_next_gateway_is_asked_when_the_first_takes_long_and_the_loser_is_let_go(
    fetcher_of, slow, pauses, clock
):
    first, second = slow(), Gateway()
    fetcher, _ = await fetcher_of(first, second)
    fetching = asyncio.create_task(fetcher.fetch(CID_OF_BLOCK))
    await first.started.wait()
    assert second.asked == []
    clock.forward(0.3)
    pauses.end()
    assert await fetching == BLOCK
    assert pauses.asked == [0.3]
    await first.ended.wait()
    await fetcher.fetch(CID_OF_BLOCK)
    assert len(first.asked) == 1, "who was outrun is slower"


async def test_a_gateway_is_given_the_time_in_which_it_answers_nineteen_of_twenty(fetcher_of, pauses):
    ticks = iter(range(1000))
    first, second = Gateway(), Failing(500)
    fetcher, _ = await fetcher_of(first, second, clock=lambda: next(ticks) / 100)
    for _ in range(20):
        await fetcher.fetch(CID_OF_BLOCK)
    assert pauses.asked[0] == 0.3
    assert pauses.asked[-1] == pytest.approx(fetcher.health()[0].latency_s, rel=0.5)


async def test_redirects_are_not_followed(fetcher_of, serve):
    secret = Gateway()
    elsewhere = await serve(secret)
    for status in (301, 302, 307, 308):
        fetcher, (origin,) = await fetcher_of(Failing(status, Location=f"{elsewhere}/ipfs/{CID_OF_BLOCK}"))
        with pytest.raises(Unavailable) as caught:
            await fetcher.fetch(CID_OF_BLOCK)
        assert caught.value.tried == {origin: f"{origin} redirects instead of answering"}
    assert secret.asked == []


async def test_a_gateway_that_breaks_is_benched_and_asked_last(fetcher_of, clock):
    broken, good = Failing(500), Gateway()
    fetcher, (origin, _) = await fetcher_of(broken, good)
    for number in range(3):
        with pytest.raises(NotFound) as caught:
            await fetcher.fetch(CID.of(RAW, b"absent %d" % number))
        assert caught.value.tried[origin] == f"{origin} answered 500"
    assert fetcher.health()[0].benched_s == 1
    await fetcher.fetch(CID_OF_BLOCK)
    assert len(broken.asked) == 3


async def test_a_gateway_that_asks_for_patience_gets_it(fetcher_of):
    fetcher, _ = await fetcher_of(Failing(429, Retry_After="17"), Gateway())
    await fetcher.fetch(CID_OF_BLOCK)
    assert fetcher.health()[0].benched_s == 17


@pytest.mark.parametrize("status", [404, 410, 451, 504])
async def test_a_block_that_no_gateway_has_is_not_found(fetcher_of, status):
    fetcher, (origin,) = await fetcher_of(Failing(status))
    with pytest.raises(NotFound) as caught:
        await fetcher.fetch(CID_OF_BLOCK)
    assert caught.value.tried == {origin: "does not have the block"}
    assert (fetcher.health()[0].failures, fetcher.health()[0].not_found) == (0, 1)


async def test_a_gateway_that_is_not_there_is_named(fetcher_of, clock):
    async with GatewayFetcher(["http://127.0.0.1:1"], clock=clock) as fetcher:
        with pytest.raises(Unavailable) as caught:
            await fetcher.fetch(CID_OF_BLOCK)
    assert "http://127.0.0.1:1 cannot be reached" in caught.value.tried["http://127.0.0.1:1"]


async def test_a_caller_who_gives_up_lets_every_gateway_go(fetcher_of, pauses):
    gateways = [Hanging(), Hanging()]
    pauses.skip = True
    fetcher, _ = await fetcher_of(*gateways)
    fetching = asyncio.create_task(fetcher.fetch(CID_OF_BLOCK))
    for gateway in gateways:
        await gateway.started.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    for gateway in gateways:
        await gateway.ended.wait()


async def test_a_compressed_body_is_never_unpacked(fetcher_of):
    class Packing(Gateway):
        async def answer(self, request):
            return web.Response(body=BLOCK, headers={"Content-Encoding": "gzip"})

    fetcher, _ = await fetcher_of(Packing())
    assert await fetcher.fetch(CID_OF_BLOCK) == BLOCK  # as it was sent


@pytest.mark.parametrize(
    "origin",
    [
        "ftp://gateway.example",
        "gateway.example",
        "https://",
        "https://user:pass@gateway.example",
        "https://gateway.example/path",
        "https://gateway.example?query",
        "https://gateway.example:99999",
        "http://[::1",
        "http://two..dots",
        "http://" + "x" * 64 + ".example",
        "",
    ],
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(BadRequest) as caught:
        GatewayFetcher([origin])
    assert caught.value.field == "gateways"


def test_no_gateways_are_refused_and_so_are_too_many():
    with pytest.raises(BadRequest):
        GatewayFetcher([])
    with pytest.raises(BadRequest):
        GatewayFetcher([f"https://{number}.example" for number in range(65)])


async def test_a_block_whose_hash_cannot_be_computed_is_asked_of_nobody(fetcher_of):
    gateway = Gateway()
    fetcher, _ = await fetcher_of(gateway)
    with pytest.raises(NotSupported):
        await fetcher.fetch(CID(1, RAW, b"\x1b\x20" + bytes(32)))
    assert gateway.asked == []


async def test_a_closed_fetcher_says_so(fetcher_of):
    fetcher, (origin,) = await fetcher_of(Gateway())
    await fetcher.close()
    with pytest.raises(Unavailable) as caught:
        await fetcher.fetch(CID_OF_BLOCK)
    assert caught.value.tried == {origin: "this client is closed"}
