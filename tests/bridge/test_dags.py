"""Nodes over HTTP: inside the envelope, or alone for those who ask so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cidbus.bus import Actor, handles
from cidbus.schemas import subjects
from cidbus.schemas.dag import DagGet, DagHead

NODE = b'{"a":1}'


class Nodes(Actor):
    """Has one node under any CID."""

    name = "ipfs"

    @handles(subjects.DAG_GET)
    async def dag_get(self, ask: DagGet) -> AsyncIterator[DagHead | bytes]:
        yield DagHead(cid=ask.cid, codec=ask.output_codec, size_bytes=len(NODE))
        yield NODE


@pytest.fixture
def shelf() -> Nodes:
    return Nodes()


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
async def test_a_node_comes_inside_the_envelope(web, accept):
    async with web.get("/ipfs/dag/get/bafy", headers={"Accept": accept}) as response:
        answer = await response.json()
    assert (answer["success"], answer["cid"], answer["object"]) == (True, "bafy", {"a": 1})


@pytest.mark.parametrize("accept", ["application/octet-stream, */*;q=0.5", "application/vnd.ipld.dag-json"])
async def test_a_client_may_ask_for_the_node_alone(web, accept):
    async with web.get("/ipfs/dag/get/bafy", headers={"Accept": accept}) as response:
        assert await response.read() == NODE
        assert response.headers["Content-Type"] == "application/vnd.ipld.dag-json"
        assert response.headers["Content-Length"] == str(len(NODE))


async def test_caches_keep_both_apart(web):
    async with web.get("/ipfs/dag/get/bafy") as response:
        etag, vary = response.headers["ETag"], response.headers["Vary"]
    assert vary == "Accept"
    async with web.get("/ipfs/dag/get/bafy", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    alone = {"If-None-Match": etag, "Accept": "application/octet-stream"}
    async with web.get("/ipfs/dag/get/bafy", headers=alone) as response:
        assert await response.read() == NODE
