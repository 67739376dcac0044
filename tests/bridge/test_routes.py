"""Request rows over HTTP: where fields come from, what replies and errors look like."""

from __future__ import annotations

import asyncio

import pytest

from cidbus.schemas import ipfs


async def test_a_reply_is_the_models_fields_in_the_documented_envelope(web):
    async with web.post("/ipfs/pin", json={"cid": "abc"}) as response:
        body = await response.json()
        assert response.status == 200
        assert response.headers["X-Operation-ID"] == body["operation_id"]
    assert isinstance(body.pop("duration_ms"), float)
    assert body.pop("operation_id")
    assert body == {"success": True, "cid": "abc", "pinned": True, "mode": "recursive"}


async def test_cat_small(web, shelf):
    cid = shelf.put(b"hello")
    async with web.get(f"/ipfs/cat/{cid}") as response:
        print(response.headers)
        assert await response.read() == b"hello"
