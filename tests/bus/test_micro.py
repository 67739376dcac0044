"""Service discovery as the NATS micro standard says it."""

from __future__ import annotations

import json

from cidbus.schemas import ipfs, subjects


async def test_every_instance_answers_ping(bus, host):
    (answer,) = await bus.discover("PING")
    assert answer["type"] == "io.nats.micro.v1.ping_response"
    assert (answer["name"], answer["id"]) == ("cidbus-ipfs", host.instance)


async def test_info_lists_each_row_with_its_json_schemas(bus, host):
    (answer,) = await bus.discover("INFO", f"cidbus-ipfs.{host.instance}")
    endpoints = {endpoint["subject"]: endpoint for endpoint in answer["endpoints"]}
    pin = endpoints["cidbus.ipfs.pin.add"]
    assert pin["queue_group"] == "ipfs"
    assert "cid" in json.loads(pin["metadata"]["schema.request"])["required"]
    assert json.loads(pin["metadata"]["schema.response"])["title"] == "Pinned"


async def test_stats_count_requests_errors_and_the_handlers_time(bus, actor):
    for cid in ("abc", "none", "none"):
        await bus.link.control.request("cidbus.ipfs.pin.add", ipfs.PinRequest(cid=cid).to_wire())
    (answer,) = await bus.discover("STATS", "cidbus-ipfs")
    stats = {endpoint["name"]: endpoint for endpoint in answer["endpoints"]}["pin_add"]
    assert (stats["num_requests"], stats["num_errors"], stats["last_error"]) == (3, 2, "404:NotFound")
    assert 0 < stats["average_processing_time"] <= stats["processing_time"] < 3_000_000_000


async def test_a_stream_is_counted_when_it_ends(bus, actor):
    async with await bus.open(subjects.CAT, ipfs.CatRequest(cid="abc", length=2_000_000)) as stream:
        assert sum([len(chunk) async for chunk in stream]) == 2_000_000
    (answer,) = await bus.discover("STATS", "cidbus-ipfs")
    assert {endpoint["name"]: endpoint["num_requests"] for endpoint in answer["endpoints"]}["cat"] == 1
