"""Request-reply: answers, errors, deadlines, overload and the end of an actor."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from cidbus.bus import Bus, Host
from cidbus.bus.handling import whose_subject
from cidbus.bus.inbox import LOST_AFTER
from cidbus.bus.testing import connect, hosted
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import (
    BadRequest,
    Busy,
    DeadlineExceeded,
    Internal,
    NotFound,
    TooLarge,
    Unavailable,
)

from .conftest import SampleActor


async def test_a_request_gets_its_reply(bus):
    reply = await bus.request(subjects.PIN, ipfs.PinRequest(cid="abc"))
    assert reply == ipfs.Pinned(cid="abc", pinned=True)


async def test_a_body_is_plain_json_both_ways(bus):
    msg = await bus.link.control.request("cidbus.ipfs.pin.add", b'{"cid":"abc"}')
    assert orjson.loads(msg.data) == {"cid": "abc", "pinned": True}
    assert not msg.headers


async def test_an_instance_can_be_asked_by_name(bus, host):
    reply = await bus.request(subjects.PIN, ipfs.PinRequest(cid="abc"), at=host.instance)
    assert reply.pinned
    with pytest.raises(Unavailable):
        await bus.request(subjects.PIN, ipfs.PinRequest(cid="abc"), at="someone-else")


async def test_an_error_arrives_as_the_same_class_with_its_facts(bus):
    with pytest.raises(NotFound) as caught:
        await bus.request(subjects.PIN, ipfs.PinRequest(cid="none"))
    assert (caught.value.what, caught.value.name) == ("block", "none")


async def test_an_error_reply_has_the_headers_of_nats_micro(bus):
    msg = await bus.link.control.request("cidbus.ipfs.pin.add", b'{"cid":"none"}')
    assert msg.headers["Nats-Service-Error-Code"] == "404"
    assert msg.headers["Nats-Service-Error"] == "block not found: none"


async def test_an_unknown_exception_never_leaves_the_process(bus, caplog):
    with pytest.raises(Internal) as caught:
        await bus.request(subjects.PIN, ipfs.PinRequest(cid="bug"))
    assert "hunter2" not in str(caught.value.to_wire())
    assert caught.value.error_id in caplog.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"cid":7}', "cid"),
        (b'{"cid":"a","no":1}', "no"),
        (b'{"cid":"' + b"x" * 600 + b'"}', "cid"),
    ],
)
async def test_a_bad_body_is_refused_by_the_name_of_its_field(bus, body, field):
    msg = await bus.link.control.request("cidbus.ipfs.pin.add", body)
    told = orjson.loads(msg.data)
    assert told["code"] == 400
    assert told["details"]["field"] == field


async def test_a_verb_that_does_not_exist_is_not_found(bus):
    msg = await bus.link.control.request("cidbus.ipfs.nonsense", b"")
    assert orjson.loads(msg.data)["code"] == 404


async def test_no_actor_is_unavailable_at_once(server):
    async with await connect(server) as bus:
        with pytest.raises(Unavailable):
            await bus.request(subjects.PIN, ipfs.PinRequest(cid="abc"))


async def test_no_answer_in_time_is_a_deadline(bus, actor):
    with pytest.raises(DeadlineExceeded):
        await bus.request(subjects.PIN, ipfs.PinRequest(cid="slow"), timeout_s=0.1)
    assert not bus.link.inbox._waiting
    actor.may_finish.set()


async def test_work_whose_deadline_has_passed_is_not_begun(bus, actor):
    headers = {"Cidbus-Deadline": "1000"}
    msg = await bus.link.control.request("cidbus.ipfs.pin.add", b'{"cid":"slow-late"}', headers=headers)
    assert orjson.loads(msg.data)["code"] == 504
    assert actor.started.empty()


async def test_work_that_expires_while_it_waits_in_line_is_not_begun(bus, actor):
    running = [
        asyncio.create_task(bus.request(subjects.PIN, ipfs.PinRequest(cid=f"slow{n}"))) for n in range(2)
    ]
    for _ in running:
        await actor.started.get()
    with pytest.raises(DeadlineExceeded):
        await bus.request(subjects.PIN, ipfs.PinRequest(cid="slow-expired"), timeout_s=0.05)
    actor.may_finish.set()
    await asyncio.gather(*running)
    assert (await bus.request(subjects.PIN, ipfs.PinRequest(cid="after"))).pinned
    assert "slow-expired" not in actor.finished


async def test_more_than_the_actor_takes_is_answered_busy(bus, actor):
    asks = [asyncio.create_task(bus.request(subjects.PIN, ipfs.PinRequest(cid=f"slow{n}"))) for n in range(5)]
    done, waiting = await asyncio.wait(asks, return_when=asyncio.FIRST_COMPLETED)
    error = done.pop().exception()
    assert isinstance(error, Busy)
    assert error.retryable
    assert error.limit == 4
    actor.may_finish.set()
    assert all(reply.pinned for reply in await asyncio.gather(*waiting))


async def test_stopping_an_actor_finishes_what_it_accepted(bus, host, actor):
    asks = [asyncio.create_task(bus.request(subjects.PIN, ipfs.PinRequest(cid=f"slow{n}"))) for n in range(4)]
    await actor.started.get()
    stopping = asyncio.create_task(host.stop())
    await actor.started.get()
    actor.may_finish.set()
    assert all(reply.pinned for reply in await asyncio.gather(*asks))
    await stopping


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(bus):
    with pytest.raises(TooLarge):
        await bus.request(
            subjects.PIN_UPDATE, ipfs.PinUpdate.model_construct(from_cid="x" * (1 << 20), to_cid="y")
        )


async def test_a_reply_subject_outside_the_inboxes_is_never_written_to(bus, server):
    async with await connect(server, "admin") as listener:
        forged = await listener.link.control.subscribe("cidbus.event.ipfs.added")
        await listener.link.flush()
        await bus.link.control.publish(
            "cidbus.ipfs.pin.add", b'{"cid":"abc"}', reply="cidbus.event.ipfs.added"
        )
        await bus.link.control.publish("$SRV.PING", b"", reply="cidbus.event.ipfs.added")
        await bus.request(subjects.PIN, ipfs.PinRequest(cid="barrier"))
        await listener.link.flush()
        assert forged.pending_msgs == 0


async def test_a_lost_server_fails_what_waits_and_comes_back(server, host, bus, actor):
    waiting = asyncio.create_task(bus.request(subjects.PIN, ipfs.PinRequest(cid="slow")))
    await actor.started.get()
    server.kill()
    with pytest.raises(Unavailable):
        await waiting
    await server.wait()
    actor.may_finish.set()
    await server.start()
    assert await until_answered(bus)


async def until_answered(bus: Bus) -> bool:
    for _ in range(100):
        try:
            return (await bus.request(subjects.PIN, ipfs.PinRequest(cid="abc"), timeout_s=1)).pinned
        except (Unavailable, DeadlineExceeded):
            await asyncio.sleep(0.05)  # the server's return is announced to nobody
    return False


# ---- whoever has taken it is gone ------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers soon ask who works on their requests."""
    monkeypatch.setattr("cidbus.bus.inbox.ASK_WHOSE_AFTER_S", 0.05)
    monkeypatch.setattr("cidbus.bus.inbox.ASK_WHOSE_EVERY_S", 0.1)


async def test_what_can_be_repeated_is_asked_of_another(impatient, server, host, bus, actor):
    waiting = asyncio.create_task(bus.request(subjects.PIN, ipfs.PinRequest(cid="slow")))
    await actor.started.get()
    other = SampleActor()
    other.may_finish.set()
    async with hosted(server, other):
        await host.bus.close()
        assert (await waiting).pinned
    assert other.finished == ["slow"]


async def test_what_cannot_is_an_error_that_says_what_is_known(impatient, server, host, bus, actor):
    waiting = asyncio.create_task(bus.request(subjects.UNPIN, ipfs.PinRemove(cid="slow")))
    await actor.started.get()
    async with hosted(server, SampleActor()):
        await host.bus.close()
        with pytest.raises(Unavailable, match="it may have been done, or not"):
            await waiting


async def test_a_slow_answer_is_waited_for_whatever_others_say(impatient, server, host, bus, actor):
    """One that runs, and one that waits for its turn."""
    asks = [bus.request(subjects.UNPIN, ipfs.PinRemove(cid=f"slow {n}")) for n in range(3)]
    waiting = [asyncio.create_task(ask) for ask in asks]
    await actor.started.get()
    async with hosted(server, SampleActor()), await connect(server, "admin") as listener:
        asked = await listener.link.control.subscribe(whose_subject("ipfs"))
        for _ in range(3 * (LOST_AFTER + 2)):
            await asked.next_msg(5)
        assert not any(task.done() for task in waiting)
        actor.may_finish.set()
        assert [(await task).pinned for task in waiting] == [False] * 3


async def test_without_anybody_to_say_no_the_deadline_holds(impatient, host, bus, actor):
    waiting = asyncio.create_task(bus.request(subjects.PIN, ipfs.PinRequest(cid="slow"), timeout_s=0.6))
    await actor.started.get()
    await host.bus.close()
    with pytest.raises(DeadlineExceeded):
        await waiting


def test_a_handler_of_another_actors_row_is_refused():
    from cidbus.bus import Actor, handles
    from cidbus.bus.actor import handlers_of

    class Confused(Actor):
        name = "cache"

        @handles(subjects.PIN)
        async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
            raise BadRequest("never", "called")

    with pytest.raises(TypeError, match=r"cannot answer ipfs\.pin\.add"):
        handlers_of(Confused())


def test_two_hosts_have_different_instances(host: Host):
    assert len(host.instance) == 16
