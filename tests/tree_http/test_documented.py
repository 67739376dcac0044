"""The documented journal and file system routes, with their documented fields."""

from __future__ import annotations

import base64

from .conftest import Web

STATUS_FIELDS = {
    "success", "journal_enabled", "total_entries", "pending_entries", "completed_entries", "failed_entries",
    "last_checkpoint", "journal_size_bytes", "operations_by_type", "timestamp",
}  # fmt: skip


async def test_journaling_is_enabled_where_it_is_asked_for(web: Web, tmp_path):
    path = tmp_path / "elsewhere"
    status, answer, _ = await web.post(
        "/cli/fs/enable-journaling", journal_base_path=str(path), auto_recovery=True, sync_interval=5,
        checkpoint_interval=60, max_journal_size=1000,
    )  # fmt: skip
    assert status == 200, answer
    assert answer["journal_enabled"] is True
    assert answer["journal_base_path"] == str(path)
    assert {"success", "auto_recovery", "message", "timestamp"} <= set(answer)
    assert path.is_dir()


async def test_the_status_has_true_numbers(web: Web):
    await web.put("/fs/a/b.txt", b"1")
    await web.ask("DELETE", "/fs/a/b.txt")
    await web.post("/fs-journal/checkpoint")
    for route in ("/cli/fs/journal-status", "/cli/fs/journal/status", "/fs-journal/status"):
        status, numbers, _ = await web.get(route)
        assert status == 200
        assert set(numbers) >= STATUS_FIELDS
        assert numbers["completed_entries"] == numbers["total_entries"] == 2
        assert numbers["operations_by_type"]["delete"] == 1
        assert numbers["last_checkpoint"] > 0


async def test_the_journal_api_does_what_its_names_say(web: Web):
    _, added, _ = await web.post("/ipfs/add", content="mounted")
    assert (await web.post("/fs-journal/mkdir", path="/d/e", parents=True))[0] == 200
    assert (await web.post("/fs-journal/write", path="/d/f.txt", content="text"))[0] == 200
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert (await web.post("/fs-journal/write", path="/d/b.bin", content_bytes=encoded))[0] == 200
    assert (await web.post("/fs-journal/mount", cid=added["cid"], path="/m/x.txt"))[0] == 200
    assert (await web.get("/fs-journal/read?path=/d/f.txt"))[1] == b"text"
    assert (await web.get("/fs-journal/read?path=/d/b.bin"))[1] == b"\x00\xff"
    assert (await web.get("/fs-journal/read?path=/m/x.txt"))[1] == b"mounted"
    assert (await web.post("/fs-journal/move", source="/d/f.txt", destination="/d/g.txt"))[0] == 200
    assert (await web.post("/fs-journal/remove", path="/d/e"))[0] == 200
    _, listing, _ = await web.get("/fs-journal/ls?path=/d")
    assert sorted(entry["name"] for entry in listing["entries"]) == ["b.bin", "g.txt"]
    _, exported, _ = await web.post("/fs-journal/export", path="/d")
    assert (await web.get(f"/ipfs/cat/{exported['cid']}/g.txt"))[1] == b"text"
    _, past, _ = await web.get("/fs-journal/transactions?limit=3")
    assert len(past["transactions"]) == 3


async def test_the_server_reads_no_file_of_its_own_for_a_caller(web: Web):
    status, problem, _ = await web.post("/fs-journal/write", path="/p", content_file="/etc/passwd")
    assert (status, problem["field"]) == (501, "content_file")


async def test_the_file_system_is_described_as_it_can_be_opened(web: Web):
    status, told, _ = await web.get("/cli/fs/get-filesystem?enable_metrics=true&use_gateway_fallback=true")
    assert status == 200, told
    assert told["protocol"] == "cidbus"
    assert told["has_cache"] is True
    assert told["cache_info"]["memory_cache_size"] > 0
    assert told["storage_options"] == {"url": web.base.removesuffix("/api/v0/mcp")}
    assert told["gateway_fallback"] is False
    config = '{"memory_size": 1048576, "disk_path": "/tmp/x"}'
    _, told, _ = await web.get("/cli/fs/get-filesystem", params={"cache_config": config})
    assert told["protocol"] == "blockcache"


REFUSED = (
    ({"return_mock": "true"}, "return_mock", 501),
    ({"gateway_only": "1"}, "gateway_only", 400),
    ({"gateway_urls": "http://g.example"}, "gateway_urls", 400),
    ({"cache_config": "{"}, "cache_config", 400),
    ({"cache_config": '{"memory_size": -1}'}, "cache_config.memory_size", 400),
)


async def test_a_file_system_that_cannot_be_is_refused(web: Web):
    for query, field, status in REFUSED:
        got, problem, _ = await web.get("/cli/fs/get-filesystem", params=query)
        assert (got, problem["field"]) == (status, field)


async def test_the_journals_health_and_dashboard_are_made_of_its_numbers(web: Web):
    await web.put("/fs/a.txt", b"1")
    status, health, _ = await web.get("/fs-journal/monitor/health")
    assert status == 200
    assert health["journal"]["total_entries"] == 1
    assert (await web.post("/fs-journal/monitor/create", check_interval=30))[0] == 200
    status, made, _ = await web.post("/fs-journal/visualization/dashboard", timeframe_hours=1)
    assert (status, made["entries"]) == (200, 1)
    _, page, _ = await web.get(f"/ipfs/cat/{made['dashboard_cid']}")
    assert b"1 entries: 1 completed" in page
