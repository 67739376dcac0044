"""The disk tier serves what was put or nothing, whatever happens to its files, and starts with what it had."""

from __future__ import annotations

import asyncio
import os
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cidbus.actors.cache.content.disk import DiskTier
from cidbus.actors.cache.content.raw_disk import RawDisk, UnsafeRow
from cidbus.schemas.errors import Conflict

KIB, MIB = 1 << 10, 1 << 20
SMALL, LARGE = 2 * KIB, 300 * KIB


async def got(tier: DiskTier, key: str) -> bytes | None:
    value = await tier.get(key)
    return None if value is None else bytes(await value.read(0, value.size_bytes))


@pytest.mark.parametrize("size", [0, 1, SMALL, 15 * KIB, 17 * KIB, LARGE, 5 * MIB])
async def test_what_is_put_is_read_back_whole_and_in_ranges(kit, size):
    tier, data = await kit.disk(), kit.content(size)
    assert await tier.put("cid", data)
    assert await got(tier, "cid") == data
    value = await tier.get("cid")
    for start, length in [(0, 1), (size // 3, size // 3), (size - 1, 1)]:
        if start >= 0 and start + length <= size:
            assert bytes(await value.read(start, length)) == data[start : start + length]


async def test_files_are_named_by_their_cid(kit):
    tier = await kit.disk()
    await tier.put(kit.key(1), kit.content(LARGE))
    [file] = kit.files()
    assert file.name.startswith(f"{kit.key(1)}.")


async def test_a_key_that_is_no_cid_is_hashed_into_a_safe_name(kit):
    tier = await kit.disk()
    for key in ("../../escape", "a/b", "ключ", "x" * 500, "."):
        assert await tier.put(key, kit.content(LARGE))
        assert await got(tier, key) == kit.content(LARGE)
    assert all(file.name.startswith("hashed-") for file in kit.files())
    assert {path.name for path in kit.folder.parent.iterdir()} == {"cache"}


async def test_the_bytes_on_disk_stay_within_the_capacity(kit):
    tier = await kit.disk(2 * MIB)
    for number in range(40):
        await tier.put(kit.key(number), kit.content(100 * KIB, number))
        assert tier.used_bytes <= 2 * MIB
    await tier.settled()
    assert sum(file.stat().st_blocks * 512 for file in kit.files()) <= 2 * MIB
    assert len(kit.files()) == len(tier) > 10
    assert tier.report().evictions > 10


async def test_an_entry_survives_a_restart_with_its_size_and_order(kit):
    tier = await kit.disk(2 * MIB)
    for number in range(8):
        await tier.put(kit.key(number), kit.content(200 * KIB, number))
    await tier.get(kit.key(0))
    used = tier.used_bytes
    await tier.close()
    tier = await kit.disk(2 * MIB)
    assert tier.used_bytes == used
    assert await got(tier, kit.key(5)) == kit.content(200 * KIB, 5)
    for number in (100, 101, 102):
        await tier.put(kit.key(number), kit.content(200 * KIB, number))
    assert kit.key(0) in tier
    assert kit.key(1) not in tier


async def test_a_smaller_capacity_after_a_restart_lets_the_coldest_go(kit):
    tier = await kit.disk(4 * MIB)
    for number in range(10):
        await tier.put(kit.key(number), kit.content(200 * KIB, number))
    await tier.close()
    tier = await kit.disk(1 * MIB)
    assert 0 < len(tier) < 6
    assert tier.used_bytes <= MIB
    assert kit.key(9) in tier
    assert len(kit.files()) == len(tier)


async def test_leftovers_of_a_crash_are_removed(kit):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    await tier.close()
    [file] = kit.files()
    leftovers = [
        file.with_name("other.01234567"),
        kit.folder / "spools" / "0123.part",
        kit.folder / "ab" / "x",
    ]
    for path in leftovers:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"left over")
    tier = await kit.disk()
    assert not any(path.exists() for path in leftovers)
    assert await got(tier, "cid") == kit.content(LARGE)


async def test_a_row_without_its_file_is_dropped_at_the_start(kit):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    await tier.close()
    kit.files()[0].unlink()
    tier = await kit.disk()
    assert "cid" not in tier
    assert tier.used_bytes == 0


async def test_a_folder_is_used_by_one_cache_at_a_time(kit):
    await kit.disk()
    with pytest.raises(Conflict, match="another process"):
        await kit.disk()


async def test_a_flipped_byte_anywhere_in_a_file_is_found_counted_and_never_served(kit, caplog):
    data = kit.content(70 * KIB)
    tier = await kit.disk()
    await tier.put("cid", data)
    stored = kit.files()[0].read_bytes()
    places = list(range(0, len(stored), 97))
    for number, at in enumerate(places):
        if "cid" not in tier:
            await tier.put("cid", data)
        flip(kit.files()[0], at)
        with pytest.raises(Exception, match=r"wrong|seal") if at < len(data) else NoError():
            assert await got(tier, "cid") is None
        assert "cid" not in tier
        assert tier.report().bad == number + 1
        await tier.settled()
        assert kit.files() == []
    assert "is damaged and is dropped" in caplog.text


async def test_a_flipped_byte_in_a_value_inside_the_database_is_found(kit):
    tier, data = await kit.disk(), kit.content(SMALL)
    for at in range(0, SMALL, 97):
        await tier.put("cid", data)
        changed = bytearray(execute(kit, "SELECT value FROM Cache")[0][0])
        changed[at] ^= 1
        execute(kit, "UPDATE Cache SET value = ?", bytes(changed))
        with pytest.raises(Exception, match="wrong"):
            await got(tier, "cid")
        assert "cid" not in tier
        await tier.settled()


async def test_a_row_that_would_be_unpickled_is_refused(kit):
    tier = await kit.disk()
    await tier.put("cid", kit.content(SMALL))
    execute(kit, "UPDATE Cache SET mode = 4, value = ?", pickle.dumps(Bomb()))
    assert await tier.get("cid") is None
    assert tier.report().bad == 1
    assert not Bomb.path.exists()


async def test_a_pickle_in_a_file_is_refused(kit):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    kit.files()[0].write_bytes(pickle.dumps(Bomb()))
    execute(kit, "UPDATE Cache SET mode = 4")
    assert await tier.get("cid") is None
    assert not Bomb.path.exists()


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "ab/../../secret", "ab/cid.0123456", "ab/x/y.01234567"]
)
async def test_a_row_with_a_file_name_that_is_not_ours_is_refused_and_its_file_left_alone(kit, name):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    secret = kit.folder.parent / "secret"
    secret.write_bytes(kit.files()[0].read_bytes())
    execute(kit, "UPDATE Cache SET filename = ?", name)
    assert await tier.get("cid") is None
    assert tier.report().bad == 1
    await tier.settled()
    assert secret.exists()


async def test_a_file_behind_a_symbolic_link_is_not_opened(kit):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    [file] = kit.files()
    secret = kit.folder.parent / "secret"
    file.rename(secret)
    file.symlink_to(secret)
    assert await tier.get("cid") is None
    await tier.settled()
    assert secret.exists()
    assert not file.is_symlink()


async def test_the_value_of_another_key_is_refused(kit):
    tier = await kit.disk()
    await tier.put("one", kit.content(LARGE, 1))
    await tier.put("two", kit.content(LARGE, 2))
    [[name]] = execute(kit, "SELECT filename FROM Cache WHERE key = 'one'")
    execute(kit, "UPDATE Cache SET filename = ? WHERE key = 'two'", name)
    assert await tier.get("two") is None
    assert tier.report().bad == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE Cache SET mode = 4, value = x'80049504000000000000008c00942e', filename = NULL",
        "UPDATE Cache SET mode = 3",
        "UPDATE Cache SET raw = 0",
        "UPDATE Cache SET key = x'8004'",
        "UPDATE Cache SET filename = '../../../etc/passwd'",
        "UPDATE Cache SET size = -1",
        "UPDATE Cache SET size = 'many'",
        "INSERT OR REPLACE INTO Settings VALUES ('disk_evil', 1)",
        "INSERT OR REPLACE INTO Settings VALUES ('sqlite_cache_size', '1; DROP TABLE Cache')",
        "DROP TABLE Settings",
        "DROP TABLE Cache",
    ],
)
async def test_a_database_that_is_not_ours_is_cleaned_at_the_start(kit, change, caplog):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    await tier.close()
    execute(kit, change)
    tier = await kit.disk()
    assert len(tier) == 0
    assert tier.report().bad == 1
    assert kit.files() == []
    assert caplog.text
    assert await tier.put("cid", kit.content(LARGE))
    assert await got(tier, "cid") == kit.content(LARGE)


async def test_a_database_of_rubbish_is_made_anew(kit):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    await tier.close()
    (kit.folder / "cache.db").write_bytes(kit.content(8192))
    tier = await kit.disk()
    assert len(tier) == 0
    assert await tier.put("cid", kit.content(LARGE))


@pytest.mark.parametrize(
    "order", [b"", b"{", b"[1]", b'[["cid", "hot"]]', b'[["cid", -1]]', b'[["gone", 1.0]]', b"[[1]]"]
)
async def test_a_damaged_order_costs_nothing_but_the_order(kit, order):
    tier = await kit.disk()
    await tier.put("cid", kit.content(LARGE))
    await tier.close()
    (kit.folder / "heats.json").write_bytes(order)
    tier = await kit.disk()
    assert await got(tier, "cid") == kit.content(LARGE)


async def test_content_that_is_evicted_while_it_is_read_is_read_to_its_end(kit):
    tier, data = await kit.disk(), kit.content(3 * MIB)
    await tier.put("cid", data)
    value = await tier.get("cid")
    start = bytes(await value.read(0, MIB))
    tier.remove("cid")
    await tier.settled()
    assert start + bytes(await value.read(MIB, 2 * MIB)) == data


async def test_puts_and_removals_at_the_same_time_leave_what_was_said_last(kit):
    tier = await kit.disk()
    puts = [asyncio.create_task(tier.put("cid", kit.content(LARGE))) for _ in range(5)]
    await asyncio.sleep(0)
    tier.remove("cid")
    await asyncio.gather(*puts)
    tier.remove("cid")
    await tier.settled()
    assert await tier.get("cid") is None
    assert kit.files() == []
    assert execute(kit, "SELECT count(*) FROM Cache") == [(0,)]


async def test_what_cannot_be_written_is_counted_and_leaves_nothing(kit, caplog):
    tier = await kit.disk()
    (kit.folder / "spools").rmdir()
    assert not await tier.put("cid", kit.content(LARGE))
    assert "cid" not in tier
    assert (tier.report().failed_writes, tier.used_bytes) == (1, 0)


def test_the_disk_takes_only_text_keys_and_bytes(tmp_path):
    disk = RawDisk(str(tmp_path))
    for key in (1, b"cid", ("cid",), None):
        with pytest.raises(TypeError, match="keys are text"):
            disk.put(key)
    for value in ("text", 1, {"a": 1}, bytearray(b"x"), None):
        with pytest.raises(TypeError, match="values are bytes"):
            disk.store(value, False, "cid")
    for raw, key in ((False, b"\x80\x04"), (True, b"cid"), (True, 1)):
        with pytest.raises(UnsafeRow):
            disk.get(key, raw)


class NoError:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class Bomb:
    """Unpickling it leaves a file."""

    path = Path(f"/tmp/cidbus-bomb-{os.getpid()}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def execute(kit: Any, statement: str, *values: object) -> list[Any]:
    database = sqlite3.connect(kit.folder / "cache.db", isolation_level=None)
    try:
        return database.execute(statement, values).fetchall()
    finally:
        database.close()
