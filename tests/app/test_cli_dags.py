"""`cidbus dag …` and `cidbus refs` against a running system."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest

MISSING = "bafkreigz4mnpaffizpf3ynns7vbrjoip67pjo2zg6cdxrmajh6cgqbhtvy"
LARGE = os.urandom(5 * 1024 * 1024)


def put(system, node: object, *options: str) -> str:
    done = system.call("dag", "put", *options, stdin=json.dumps(node).encode())
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


# ---- nodes ----------------------------------------------------------------------------------------------


def test_a_node_goes_in_and_out_in_any_codec(system, tmp_path: Path):
    cid = put(system, {"b": 1, "a": "ä"}, "--codec", "dag-cbor")
    assert system.call("dag", "get", cid).stdout.decode() == '{"a":"ä","b":1}'
    (tmp_path / "node.cbor").write_bytes(system.call("dag", "get", cid, "--codec", "dag-cbor").stdout)
    again = system.run("dag", "put", str(tmp_path / "node.cbor"), "--input-codec", "dag-cbor", "--json")
    assert json.loads(again.stdout)["format"] == "dag-json"
    assert system.call("dag", "get", f"/ipfs/{cid}/b", "--url", system.info["http"]).stdout == b"1"


def test_options_of_put_reach_the_node(system):
    dangling = {"link": {"/": MISSING}}
    refused = system.call("dag", "put", stdin=json.dumps(dangling).encode())
    assert (refused.returncode, refused.stderr.decode()) == (1, f"cidbus: block not found: {MISSING}\n")
    assert put(system, dangling, "--no-pin", "--hash", "blake3").startswith("bag")


def test_a_path_is_followed_across_links(system):
    leaf = put(system, {"names": ["zero", "one"]})
    root = put(system, {"leaf": {"/": leaf}})
    assert system.run("dag", "resolve", f"{root}/leaf/names/1").stdout == f"{leaf}/names/1\n"
    assert system.run("dag", "resolve", f"{root}/leaf").stdout == f"{leaf}\n"
    found = json.loads(system.run("dag", "resolve", f"{root}/leaf/names", "--json").stdout)
    assert (found["cid"], found["remainder_path"], found["roots"]) == (leaf, "names", [root, leaf])


def test_shared_blocks_are_counted_once_in_the_whole(system):
    leaf = put(system, "leaf")
    one, two = (put(system, [{"/": leaf}, number]) for number in (1, 2))
    rows = [line.split("\t") for line in system.run("dag", "stat", one, two).stdout.splitlines()]
    assert [(row[0], row[1]) for row in rows] == [(one, "2"), (two, "2"), ("all", "3")]
    assert json.loads(system.run("dag", "stat", one, two, "--json").stdout)["unique_blocks"] == 3


def test_refs_are_listed_as_deep_and_as_often_as_asked(system):
    leaf = put(system, "far below")
    middle = put(system, [{"/": leaf}, {"/": leaf}])
    root = put(system, [{"/": middle}])
    assert system.run("refs", root).stdout.split() == [middle]
    assert system.run("refs", root, "-r").stdout.split() == [middle, leaf, leaf]
    assert system.run("refs", root, "-r", "--unique").stdout.split() == [middle, leaf]
    assert system.run("refs", root, "-r", "--max-depth", "1").stdout.split() == [middle]
    assert json.loads(system.run("refs", root, "--json").stdout)["source"] == root
    assert {leaf, middle, root} <= set(system.run("repo", "ls").stdout.split())


# ---- CAR files ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large_cid(system) -> str:
    return system.call("add", "-q", "-", stdin=LARGE).stdout.decode().strip()


def test_a_dag_goes_through_a_car_file(system, large_cid: str, tmp_path: Path):
    done = system.run("dag", "export", large_cid, "-o", str(tmp_path))
    car = tmp_path / f"{large_cid}.car"
    assert done.stdout == f"{car}\n"
    assert car.stat().st_size > len(LARGE)
    system.run("pin", "rm", large_cid)
    imported = system.run("dag", "import", str(car)).stdout.splitlines()
    assert imported[0] == f"pinned {large_cid}"
    assert imported[1].startswith("imported 6 blocks, ")


def test_a_car_is_piped_from_one_command_into_another(system, large_cid: str):
    car = system.call("dag", "export", large_cid).stdout
    assert system.call("dag", "export", large_cid, "-o", "-", "--url", system.info["http"]).stdout == car
    done = system.call("dag", "import", "-", "--no-pin", "--json", stdin=car)
    assert json.loads(done.stdout)["roots"] == [{"cid": large_cid, "pinned": False}]


def test_a_part_of_a_dag_is_exported(system, large_cid: str):
    block = system.call("dag", "export", large_cid, "--scope", "block").stdout
    some = system.call("dag", "export", large_cid, "--bytes", "0:9", "--dups").stdout
    whole = system.call("dag", "export", large_cid).stdout
    assert len(block) < len(some) < len(whole)


def test_a_root_that_cannot_be_pinned_is_told_by_the_exit_code(system):
    root = put(system, {"link": {"/": MISSING}}, "--no-pin")
    car = system.call("dag", "export", root, "--scope", "block").stdout
    done = system.call("dag", "import", "-", stdin=car)
    assert done.returncode == 1
    assert done.stdout.decode().startswith(f"not pinned {root} ")


def test_a_broken_car_is_one_line_of_error(system):
    done = system.call("dag", "import", "-", stdin=b"no CAR")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, b"", 1)


def test_a_failed_export_leaves_what_was_there(system, tmp_path: Path):
    root = put(system, {"link": {"/": MISSING}}, "--no-pin")
    (tmp_path / "out.car").write_text("before")
    assert system.run("dag", "export", root, "-o", str(tmp_path / "out.car")).exit_code == 1
    assert (tmp_path / "out.car").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.car"]


def test_a_device_is_written_to_and_not_replaced(system, large_cid: str):
    assert system.run("dag", "export", large_cid, "-o", os.devnull).exit_code == 0
    assert not Path(os.devnull).is_file()


def test_a_car_is_not_written_to_a_terminal(system, large_cid: str):
    _, terminal = pty.openpty()
    assert system.call("dag", "export", large_cid, stdout=terminal).returncode == 2
