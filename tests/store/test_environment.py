"""The environment grows, in this process and others, and survives what LMDB does not."""

from __future__ import annotations

import os
import subprocess
import sys

import lmdb
import pytest

from cidbus.actors.ipfs.store.environment import DAMAGE, Environment

TABLES = ("one", "two")
GROW = """
import sys
from pathlib import Path
from cidbus.actors.ipfs.store.environment import Environment
env = Environment.open(Path(sys.argv[1]), ("one", "two"), map_bytes=1 << 16)
for number in range(2000):
    env.write(lambda tables: tables.put("two", b"%d" % number, bytes(1000))) if number % 100 == 0 else None
env.write(lambda tables: [tables.put("two", b"%d" % number, bytes(1000)) for number in range(2000)])
env.close()
"""


@pytest.fixture
def env(tmp_path):
    env = Environment.open(tmp_path / "env", TABLES, map_bytes=1 << 16)
    yield env
    env.close()


def put_many(tables, count=1000):
    for number in range(count):
        tables.put("one", b"%04d" % number, bytes(500))


def test_a_write_larger_than_the_map_grows_it(env):
    env.write(put_many)
    assert env.count("one") == 1000


def test_growth_by_another_process_is_followed_in_reads_and_writes(env):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", GROW, env.path], check=True)
        assert env.get("two", b"1999") == bytes(1000)
        assert env.count("two") == 2000
        env.write(lambda tables: put_many(tables, 5000))
    subprocess.run([sys.executable, "-c", GROW, env.path], check=True)
    env.write(lambda tables: tables.put("one", b"more", b""))
    assert len(env.page("two", limit=3000)) == 2000


def test_what_a_write_raises_undoes_it(env):
    def fail(tables):
        tables.put("one", b"key", b"value")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        env.write(fail)
    assert env.get("one", b"key") is None


def test_pages_tell_every_entry_once_in_order(env):
    env.write(put_many)
    assert [len(page) for page in env.pages("one", 300)] == [300, 300, 300, 100]
    keys = [key for page in env.pages("one", 300) for key, _ in page]
    assert keys == sorted(keys)
    assert len(set(keys)) == 1000
    assert list(env.pages("two")) == []


def test_handles_of_one_process_share_the_environment(env, tmp_path):
    again = Environment.open(tmp_path / "env", TABLES)
    assert again is env
    again.close()
    assert env.count("one") == 0


def test_a_panic_is_told_once_and_then_mended(env):
    def panic(tables):
        raise lmdb.PanicError("test")

    env.write(lambda tables: tables.put("one", b"key", b"value"))
    with pytest.raises(lmdb.PanicError):
        env.write(panic)
    assert env.get("one", b"key") == b"value"
    env.write(lambda tables: tables.put("one", b"key", b"again"))


@pytest.mark.parametrize("length", [100, 4096, 16384])
def test_a_file_cut_short_is_refused_instead_of_killing_the_process(tmp_path, length):
    env = Environment.open(tmp_path / "cut", TABLES)
    env.write(lambda tables: put_many(tables, 3000))
    env.close()
    os.truncate(tmp_path / "cut" / "data.mdb", length)
    with pytest.raises(DAMAGE):
        Environment.open(tmp_path / "cut", TABLES)
