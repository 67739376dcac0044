"""A set that outgrows memory is still a set."""

from __future__ import annotations

import random

import lmdb

from cidbus.actors.ipfs.store import diskset
from cidbus.actors.ipfs.store.diskset import DiskSet


def test_it_agrees_with_a_set_in_memory(tmp_path):
    chance, plain = random.Random(1), set()
    with DiskSet(tmp_path, memory_keys=50) as keys:
        for _ in range(3000):
            key = chance.randrange(1000).to_bytes(34, "big")
            assert (key in keys) == (key in plain)
            assert keys.add(key) == (key not in plain)
            plain.add(key)
            assert len(keys) == len(plain)


def test_nothing_is_written_while_it_is_small(tmp_path):
    with DiskSet(tmp_path) as keys:
        keys.add(b"key")
        assert list(tmp_path.iterdir()) == []


def test_its_file_grows_and_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(diskset, "_MAP_BYTES", 1 << 16)
    with DiskSet(tmp_path, memory_keys=1000) as keys:
        for number in range(20_000):
            keys.add(number.to_bytes(34, "big"))
        assert len(keys) == 20_000
        assert (5).to_bytes(34, "big") in keys
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_it_spills_still_removes_its_file(tmp_path, monkeypatch):
    def broken(*arguments, **options):
        raise lmdb.DiskError("full")

    monkeypatch.setattr(lmdb, "open", broken)
    try:
        with DiskSet(tmp_path, memory_keys=1) as keys:
            keys.add(b"key")
    except lmdb.DiskError:
        pass
    assert list(tmp_path.iterdir()) == []
