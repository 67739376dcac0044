"""What is remembered of local files: exactly as long as nothing can have changed them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cidbus.schemas.errors import Conflict
from cidbus.sync import memory
from cidbus.sync.memory import Local, Memory, Remote, Stamp

CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


def stamp(changed_ns: int = 0, size: int = 1) -> Stamp:
    return Stamp(size, changed_ns, changed_ns, 7)


def known(store: Memory, path: str) -> str | None:
    cid: str | None = store.one("SELECT cid FROM here WHERE path = ?", path)[0]
    return cid


@pytest.fixture
def opened(tmp_path: Path):
    stores: list[Memory] = []

    def open_again() -> Memory:
        while stores:
            stores.pop().close()
        stores.append(Memory.open(tmp_path / "sync", tmp_path))
        return stores[0]

    yield open_again
    for store in stores:
        store.close()


def test_a_cid_is_believed_while_the_stat_is_the_same(opened):
    store = opened()
    store.note_here([Local("a", "file", stamp()), Local("b", "file", stamp())])
    store.learn("a", stamp(), CID, time.time_ns())
    store.learn("b", stamp(), CID, time.time_ns())
    store.save()
    store = opened()
    store.note_here([Local("a", "file", stamp()), Local("b", "file", stamp(size=2))])
    assert (known(store, "a"), known(store, "b")) == (CID, None)


def test_a_cid_that_was_read_too_soon_after_a_change_is_not_believed(opened):
    now = time.time_ns()
    stamps = {"old": stamp(now - 2 * memory.TICK_NS), "new": stamp(now - memory.TICK_NS // 2)}
    entries = [Local(path, "file", changed) for path, changed in stamps.items()]
    store = opened()
    store.note_here(entries)
    for path, changed in stamps.items():
        store.learn(path, changed, CID, now)
    store.save()
    store = opened()
    store.note_here(entries)
    assert (known(store, "old"), known(store, "new")) == (CID, None)


def test_what_is_gone_is_forgotten(opened):
    store = opened()
    store.note_here([Local("a", "file", stamp())])
    store.note_here([])
    assert store.one("SELECT COUNT(*) FROM here")[0] == 1  # noted in this run
    store = opened()
    store.note_here([])
    assert store.one("SELECT COUNT(*) FROM here")[0] == 0


def test_one_directory_is_synced_once_at_a_time(opened, tmp_path: Path):
    opened().note_here([])
    with pytest.raises(Conflict, match="another sync"):
        Memory.open(tmp_path / "sync", tmp_path)
    (tmp_path / "other").mkdir()
    Memory.open(tmp_path / "sync", tmp_path / "other").close()


def test_a_damaged_memory_is_begun_anew(opened, tmp_path: Path):
    opened().close()
    (file,) = (tmp_path / "sync").glob("*.sqlite")
    file.write_bytes(b"nothing of SQLite" * 1000)
    store = opened()
    store.note_here([Local("a", "file", stamp())])
    assert known(store, "a") is None


def test_pages_come_in_order_while_rows_change(opened, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "PAGE_ROWS", 3)
    store = opened()
    paths = ["a", "a-b", "a/x", "a/x/y", "b", "é", "\U0010fffd"]
    store.note_here(Local(path, "file", stamp()) for path in reversed(paths))
    query = "SELECT here.path FROM here WHERE here.cid IS NULL"
    seen = []
    for (path,) in store.pages(query):
        seen.append(path)
        store.learn(path, stamp(), CID, 0)
    assert seen == paths
    assert list(store.pages(query)) == []
    again = "SELECT here.path FROM here WHERE here.cid IS NOT NULL"
    assert [path for (path,) in store.pages(again, descending=True)] == paths[::-1]


def test_a_shield_is_over_every_directory_above(opened):
    store = opened()
    store.note_there([Remote(path, "directory", CID) for path in ("a", "a/b", "c")])
    store.shield("a/b/kept")
    shielded = store.pages("SELECT there.path FROM there WHERE there.shields", "there.path")
    assert [path for (path,) in shielded] == ["a", "a/b"]
