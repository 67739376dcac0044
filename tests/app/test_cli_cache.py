"""`cidbus query …` and `cidbus cache …` against a running system."""

from __future__ import annotations

import io
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

COLUMNS = 7


def add(system, content: bytes, name: str = "-") -> str:
    return system.call("add", "-q", name, stdin=content).stdout.decode().strip()


@pytest.fixture
def hot(system) -> str:
    """A file that was read four times."""
    cid = add(system, os.urandom(5000))
    for _ in range(4):
        assert system.call("cat", cid, "--url", system.info["http"]).returncode == 0
    return cid


def hot_rows(system, *options: str) -> list[str]:
    return system.run(
        "query", '{"access_count": {"$gte": 4}}', "--sort=-added_timestamp", *options
    ).stdout.splitlines()


def test_a_query_is_a_table_json_or_arrow(system, hot: str):
    while not (rows := [row for row in hot_rows(system) if row.startswith(hot)]):
        pass  # reads that a bridge answers itself are told once a second
    assert len(rows[0].split("\t")) == COLUMNS
    found = [json.loads(line) for line in hot_rows(system, "--json", "--select", "cid,size_bytes")]
    assert {"cid": hot, "size_bytes": 5000} in found
    body = system.call("query", '{"cid": "' + hot + '"}', "--arrow").stdout
    assert pa.ipc.open_stream(body).read_all()["size_bytes"].to_pylist() == [5000]
    assert hot in system.run("cache", "top", "-n", "1000").stdout


def test_a_query_explains_itself_and_names_what_is_wrong(system):
    plan = json.loads(system.run("query", '{"size_bytes": {"$gt": 5}}', "--explain").stdout)
    assert "size_bytes" in plan["expression"]
    wrong = system.run("query", '{"nothing": 1}')
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("cidbus: filter.nothing: no such column")
    assert system.run("query", "{not json").exit_code == 2
    assert "limit" in system.run("query", "--limit", str(10**12)).stderr


def test_pages_follow_each_other(system):
    for number in range(3):
        add(system, b"page %d" % number)
    first = system.run("query", "--sort", "cid", "--limit", "2", "--select", "cid")
    cursor = first.stderr.strip().rpartition(" ")[2]
    second = system.run("query", "--sort", "cid", "--limit", "2", "--select", "cid", "--cursor", cursor)
    cids = [*first.stdout.splitlines(), *second.stdout.splitlines()]
    assert len(set(cids)) == len(cids) >= 3


def test_the_cache_is_warmed_told_of_and_emptied(system):
    cid = add(system, b"to be warmed" * 1000)
    assert system.run("cache", "warm", cid).stdout.startswith("warmed 1 of 1 files")
    missing = "bafkreigz4mnpaffizpf3ynns7vbrjoip67pjo2zg6cdxrmajh6cgqbhtvy"
    failed = system.run("cache", "warm", missing)
    assert (failed.exit_code, missing in failed.stderr) == (1, True)
    stats = json.loads(system.run("cache", "stats", "--json").stdout)
    assert stats["memory"]["entries"] > 0
    assert system.run("cache", "stats").stdout.startswith("policy heat, ")
    assert system.run("cache", "invalidate", cid).stdout == "forgot 1\n"
    assert json.loads(system.run("cache", "policy", "lru", "--json").stdout)["policy"] == "lru"
    assert json.loads(system.run("cache", "policy", "heat", "--json").stdout)["policy"] == "heat"
    assert system.run("cache", "clear").stdout.startswith("forgot ")
    assert json.loads(system.run("cache", "stats", "--json").stdout)["memory"]["entries"] == 0


def test_the_index_is_exported_compacted_verified_and_optimized(system, tmp_path):
    cid = add(system, b"exported")
    assert system.run("cache", "export", str(tmp_path / "all.parquet")).exit_code == 0
    assert cid in pq.read_table(tmp_path / "all.parquet")["cid"].to_pylist()
    body = system.call("cache", "export", "-", "--format", "arrow").stdout
    assert cid in pa.ipc.open_stream(io.BytesIO(body)).read_all()["cid"].to_pylist()
    assert json.loads(system.run("cache", "compact", "--json").stdout)["runs_after"] == 1
    verified = system.run("cache", "verify")
    assert (verified.exit_code, "0 damages" in verified.stdout) == (0, True)
    assert system.run("cache", "optimize", "analytical").stdout.startswith("workload analytical, not applied")
    applied = json.loads(system.run("cache", "optimize", "analytical", "--apply", "--json").stdout)
    assert applied["after"]["stored_bytes"] > 0
