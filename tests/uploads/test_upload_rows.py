"""The rows of uploads on a real bus, and what everybody is told of one."""

from __future__ import annotations

import orjson
import pytest

from cidbus.bus import Bus, Host
from cidbus.schemas import ipfs, tree
from cidbus.schemas.errors import Conflict, NotFound
from cidbus.schemas.subjects import (
    ADDED,
    PINS,
    UPLOAD_APPEND,
    UPLOAD_CANCEL,
    UPLOAD_CREATE,
    UPLOAD_FINISH,
    UPLOAD_STAT,
    UPLOADED,
    UPLOADS,
)

from .conftest import Web, pattern, plain_cid, stream


async def test_an_upload_goes_its_way_over_the_bus_and_is_told_of(bus: Bus):
    content = pattern(3 << 20)
    async with await bus.subscribe(UPLOADED, ADDED) as events:
        begun = await bus.request(UPLOAD_CREATE, tree.UploadCreate(filename="x.bin", metadata="mine"))
        assert (begun.offset, begun.cid, begun.complete) == (0, None, False)
        first = tree.UploadAppend(id=begun.id, offset=0, data=content[:1000])
        assert (await bus.upload(UPLOAD_APPEND, first)).offset == 1000
        with pytest.raises(Conflict) as conflict:
            await bus.upload(UPLOAD_APPEND, first)
        assert conflict.value.offset == 1000
        rest = tree.UploadAppend(id=begun.id, offset=1000)
        await bus.upload(UPLOAD_APPEND, rest, stream(content[1000:]))
        state = await bus.request(UPLOAD_STAT, tree.UploadRequest(id=begun.id))
        assert (state.offset, state.complete, state.metadata) == (len(content), False, "mine")
        assert [item.id async for item in bus.items(UPLOADS, tree.UploadList())] == [begun.id]
        done = await bus.request(UPLOAD_FINISH, tree.UploadFinish(id=begun.id))
        assert done.complete
        assert done.cid == await plain_cid(content)
        assert [pin.cid async for pin in bus.items(PINS, ipfs.PinList())] == [done.cid]
        told = []
        while not told or told[-1]["name"] != ADDED.name:
            name, body = await anext(events)
            told.append({"name": name} | orjson.loads(body))
    assert told[0]["state"] == "created"
    assert (told[-2]["state"], told[-2]["cid"], told[-2]["offset"]) == ("complete", done.cid, len(content))
    assert (told[-1]["cid"], told[-1]["filename"], told[-1]["pinned"]) == (done.cid, "x.bin", True)


async def test_a_cancelled_upload_is_not_found(bus: Bus):
    begun = await bus.request(UPLOAD_CREATE, tree.UploadCreate(size_bytes=5))
    ask = tree.UploadRequest(id=begun.id)
    async with await bus.subscribe(UPLOADED) as events:
        await bus.request(UPLOAD_CANCEL, ask)
        _, body = await anext(events)
    assert orjson.loads(body)["state"] == "cancelled"
    with pytest.raises(NotFound):
        await bus.request(UPLOAD_STAT, ask)


async def test_the_rows_answer_over_http_as_well(web: Web):
    made = await web.ask("POST", "/ipfs/upload/create", json={"size_bytes": 4})
    begun = orjson.loads(made.body)
    sent = await web.ask("POST", f"/ipfs/upload/append/{begun['id']}?offset=0", data=b"abcd")
    assert orjson.loads(sent.body)["cid"] == await plain_cid(b"abcd")
    answer = await web.ask("POST", f"/ipfs/upload/finish/{begun['id']}")
    assert orjson.loads(answer.body)["complete"]


async def test_ids_cannot_be_guessed_and_outlive_a_restart(host: Host, bus: Bus):
    begun = [(await bus.request(UPLOAD_CREATE, tree.UploadCreate())).id for _ in range(3)]
    assert all(len(upload) == 32 for upload in begun)
    assert len({upload[:8] for upload in begun}) == 3
