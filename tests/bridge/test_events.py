"""Events to clients: what they say first, what they hear, and what a slow one is told."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from cidbus.bus.testing import connect
from cidbus.http_bridge.events import Filter, Listener
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import BadRequest

EVENTS = "/distributed/events"
SSE = {"Accept": "text/event-stream"}
ADDED = ipfs.ContentAdded(cid="bafyone", size_bytes=3, pinned=True, at=1.5)
PINNED = ipfs.PinChanged(cid="bafytwo", mode="recursive", at=2.5)


@pytest.fixture
async def actor_bus(server):
    async with await connect(server, "ipfs") as connected:
        yield connected


@pytest.fixture
async def socket(web):
    async with web.session.ws_connect(web.url(EVENTS)) as opened:
        yield opened


async def subscribed(socket, params=None):
    await socket.send_json(params or {})
    confirmed = await socket.receive_json()
    assert confirmed["type"] == "subscription_confirmed", confirmed
    return confirmed


async def test_the_first_message_is_confirmed(socket):
    confirmed = await subscribed(socket, {"types": ["ipfs.added"]})
    assert confirmed["subscription_id"]
    assert confirmed["timestamp"] > 1e9
    assert confirmed["params"] == {"types": ["ipfs.added"], "cid_prefix": ""}


async def test_an_event_has_both_its_names(socket, actor_bus):
    await subscribed(socket)
    await actor_bus.publish(subjects.ADDED, ADDED)
    assert await socket.receive_json() == {
        "type": "ipfs.added",
        "event": "content_added",
        "data": {"cid": "bafyone", "size_bytes": 3, "pinned": True, "at": 1.5},
        "timestamp": 1.5,
    }


async def test_adding_over_http_is_heard(socket, web):
    await subscribed(socket)
    async with web.post("/ipfs/add", json={"content": "x"}) as response:
        cid = (await response.json())["cid"]
    assert (await socket.receive_json())["data"]["cid"] == cid


@pytest.mark.parametrize(
    "params",
    [
        {"types": ["ipfs.pinned"]},
        {"types": "pin_added"},
        {"event_types": ["pin_added"]},
        {"cid_prefix": "bafyt"},
        {"types": ["all_events"], "cid_prefix": "bafytwo"},
    ],
)
async def test_only_what_was_asked_for_is_heard(socket, actor_bus, params):
    await subscribed(socket, params)
    await actor_bus.publish(subjects.ADDED, ADDED)
    await actor_bus.publish(subjects.PINNED, PINNED)
    assert (await socket.receive_json())["type"] == "ipfs.pinned"


async def test_a_subscription_can_be_changed(socket, actor_bus):
    await subscribed(socket, {"types": ["ipfs.added"]})
    await socket.send_json({"type": "update_subscription", "params": {"types": ["ipfs.pinned"]}})
    updated = await socket.receive_json()
    assert (updated["type"], updated["params"]["types"]) == ("subscription_updated", ["ipfs.pinned"])
    await actor_bus.publish(subjects.ADDED, ADDED)
    await actor_bus.publish(subjects.PINNED, PINNED)
    assert (await socket.receive_json())["type"] == "ipfs.pinned"


async def test_ping_is_answered_by_pong_before_and_after_the_first_message(socket):
    await socket.send_str("ping")
    assert await socket.receive_str() == "pong"
    await subscribed(socket)
    await socket.send_str("ping")
    assert await socket.receive_str() == "pong"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"types":["ipfs.nope"]}',
        '{"types":5}',
        '{"type":1}',
        '{"cid_prefix":7}',
        '{"types":[{}]}',
    ],
)
async def test_a_first_message_that_makes_no_sense_is_an_error_and_may_be_mended(socket, text):
    await socket.send_str(text)
    error = await socket.receive_json()
    assert error["type"] == "error"
    assert error["message"]
    assert error["timestamp"] > 1e9
    await subscribed(socket)


@pytest.mark.parametrize(
    "text",
    ["x", '{"type":"else"}', '{"type":"update_subscription"}', '{"type":"update_subscription","params":[]}'],
)
async def test_later_nonsense_is_an_error_and_changes_nothing(socket, actor_bus, text):
    await subscribed(socket)
    await socket.send_str(text)
    assert (await socket.receive_json())["type"] == "error"
    await actor_bus.publish(subjects.ADDED, ADDED)
    assert (await socket.receive_json())["type"] == "ipfs.added"


async def test_bytes_are_an_error(socket):
    await socket.send_bytes(b"{}")
    assert (await socket.receive_json())["type"] == "error"


async def test_all_clients_share_one_bus_subscription(web, actor_bus, bus):
    before = len(bus.link.control._subs)
    async with (
        web.session.ws_connect(web.url(EVENTS)) as one,
        web.session.ws_connect(web.url(EVENTS)) as two,
        web.get(EVENTS, headers=SSE) as three,
    ):
        await subscribed(one)
        await subscribed(two)
        await three.content.readuntil(b"\n\n")
        assert len(bus.link.control._subs) == before + 1
        await actor_bus.publish(subjects.ADDED, ADDED)
        for socket in (one, two):
            assert (await socket.receive_json())["type"] == "ipfs.added"
        assert (await three.content.readuntil(b"\n\n")).startswith(b"event: ipfs.added\n")


async def test_server_sent_events_follow_their_standard(web, actor_bus):
    async with web.get(f"{EVENTS}?types=content_added,pin_added&cid_prefix=bafyt", headers=SSE) as response:
        assert response.content_type == "text/event-stream"
        first = await response.content.readuntil(b"\n\n")
        assert first.startswith(b"event: subscription_confirmed\ndata: {")
        await actor_bus.publish(subjects.ADDED, ADDED)
        await actor_bus.publish(subjects.PINNED, PINNED)
        kind, data, *_ = (await response.content.readuntil(b"\n\n")).split(b"\n")
    assert kind == b"event: ipfs.pinned"
    assert orjson.loads(data.removeprefix(b"data: "))["data"]["cid"] == "bafytwo"


async def test_an_idle_event_stream_is_kept_alive(web, monkeypatch):
    monkeypatch.setattr("cidbus.http_bridge.events.KEEP_ALIVE_S", 0.01)
    async with web.get(EVENTS, headers=SSE) as response:
        await response.content.readuntil(b"\n\n")
        assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"


@pytest.mark.parametrize("query", ["types=nope", "cid=x", "cid_prefix=" + "x" * 600])
async def test_wrong_parameters_in_the_query_are_refused(web, query):
    async with web.get(f"{EVENTS}?{query}", headers=SSE) as response:
        assert response.status == 400
        assert response.content_type == "application/problem+json"


async def test_who_asks_for_neither_kind_is_told_so(web):
    async with web.get(EVENTS) as response:
        assert response.status == 400
        assert "text/event-stream" in (await response.json(content_type=None))["detail"]


async def test_a_page_of_another_site_hears_nothing(web):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await web.session.ws_connect(web.url(EVENTS), origin="https://evil.example")
    assert refused.value.status == 403


@pytest.mark.parametrize("settings", [{"max_listeners": 1}], indirect=True)
async def test_one_client_too_many_is_told_to_come_again(web, socket):
    await subscribed(socket)
    async with web.get(EVENTS, headers=SSE) as response:
        assert response.status == 429


async def test_a_client_that_says_nothing_is_let_go(web, monkeypatch):
    monkeypatch.setattr("cidbus.http_bridge.events.FIRST_MESSAGE_S", 0.01)
    async with web.session.ws_connect(web.url(EVENTS)) as socket:
        assert (await socket.receive_json())["type"] == "error"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_bridge_that_stops_says_goodbye(bus, host):
    from cidbus.http_bridge import serve

    async with aiohttp.ClientSession() as session, await serve(bus) as bridge:
        url = f"http://127.0.0.1:{bridge.port}/api/v0/mcp{EVENTS}"
        socket = await session.ws_connect(url)
        await subscribed(socket)
        stream = await session.get(url, headers=SSE)
        await stream.content.readuntil(b"\n\n")
        stopping = asyncio.create_task(bridge.stop())
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert await stream.content.read() == b""
        await stopping


# ---- the queue of one client ------------------------------------------------------------------------------


async def test_a_slow_client_is_told_how_many_events_it_missed():
    listener = Listener(Filter(), limit=2)
    for number in range(5):
        listener.offer("ipfs.added", {}, b"%d" % number)
    assert [await listener.next(), await listener.next()] == [b"0", b"1"]
    told = orjson.loads(await listener.next())
    assert (told["type"], told["message"], told["dropped"]) == ("error", "events dropped", 3)
    listener.offer("ipfs.added", {}, b"5")
    assert await listener.next() == b"5"


async def test_what_never_reached_the_process_counts_as_missed():
    listener = Listener(Filter(), limit=2)
    listener.miss(7)
    assert orjson.loads(await listener.next())["dropped"] == 7


def test_a_filter_names_the_events_there_are_when_one_is_unknown():
    with pytest.raises(BadRequest, match=r"ipfs\.added"):
        Filter.read({"types": ["nope"]})
