"""`cidbus key …`, `name …`, `routing …` and `swarm …` against a running system."""

from __future__ import annotations

import json
import os
import pty
import stat
from pathlib import Path

import pytest

MISSING = "bafkreigz4mnpaffizpf3ynns7vbrjoip67pjo2zg6cdxrmajh6cgqbhtvy"


def add(system, content: bytes) -> str:
    return system.call("add", "-q", "-", stdin=content).stdout.decode().strip()


def key_names(system) -> list[str]:
    return [json.loads(line)["name"] for line in system.run("key", "ls", "--json").stdout.splitlines()]


@pytest.fixture
def key(system, request: pytest.FixtureRequest):
    """The name and the ID of a key of the test's own."""
    name = f"key of {request.node.name}"[:60]
    yield name, system.run("key", "gen", name).stdout.strip()
    system.run("key", "rm", name)


# ---- keys -----------------------------------------------------------------------------------------------


def test_keys_are_made_listed_renamed_and_removed(system):
    made = json.loads(system.run("key", "gen", "one", "--json").stdout)
    assert system.run("key", "gen", "two", "--type", "rsa", "--size", "2048").stdout.startswith("k2k4")
    assert "one\t" + made["id"] + "\ted25519" in system.run("key", "ls").stdout.splitlines()
    assert system.run("key", "rename", "one", "two").stderr == "cidbus: there is a key called 'two'\n"
    assert system.run("key", "rename", "one", "two", "-f").stdout == f"renamed {made['id']} two\n"
    assert system.run("key", "rm", "two").stdout == f"removed {made['id']} two\n"
    assert not {"one", "two"} & set(key_names(system))


@pytest.mark.parametrize(
    ("file_format", "ending"), [("libp2p-protobuf-cleartext", "key"), ("pem-pkcs8-cleartext", "pem")]
)
def test_a_key_is_moved_by_a_file_that_only_its_owner_reads(
    system, key: tuple[str, str], tmp_path: Path, file_format: str, ending: str
):
    name, key_id = key
    done = system.run("key", "export", name, "--format", file_format, "-o", str(tmp_path))
    file = tmp_path / f"{name}.{ending}"
    assert done.stdout == f"{file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    system.run("key", "rm", name)
    assert system.run("key", "import", name, str(file), "--format", file_format).stdout == f"{key_id}\n"
    assert name in key_names(system)


def test_an_export_replaces_no_file(system, key: tuple[str, str], tmp_path: Path):
    (tmp_path / "there").write_text("before")
    done = system.run("key", "export", key[0], "-o", str(tmp_path / "there"))
    assert (done.exit_code, (tmp_path / "there").read_text()) == (1, "before")
    assert done.stderr.endswith(f"{tmp_path / 'there'} exists; give another place with -o\n")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_secret_reaches_a_terminal_only_on_request(system, key: tuple[str, str], tmp_path: Path):
    leader, terminal = pty.openpty()
    pem = ("key", "export", key[0], "--format", "pem-pkcs8-cleartext")
    assert system.call(*pem, stdout=terminal, cwd=tmp_path).returncode == 0
    assert b"PRIVATE" not in os.read(leader, 10_000)
    assert b"PRIVATE" in (tmp_path / f"{key[0]}.pem").read_bytes()
    assert system.call(*pem, "-o", "-").stdout == (tmp_path / f"{key[0]}.pem").read_bytes()


def test_a_key_is_read_from_stdin(system, key: tuple[str, str]):
    secret = system.call("key", "export", key[0], "-o", "-").stdout
    done = system.call("key", "import", "from stdin", "-", "--json", stdin=secret)
    assert json.loads(done.stdout)["id"] == key[1]
    system.run("key", "rm", "from stdin")


@pytest.mark.parametrize("secret", [b"no key", b"x" * 100_000])
def test_what_is_no_key_is_refused(system, secret: bytes):
    done = system.call("key", "import", "wrong", "-", stdin=secret)
    assert (done.returncode, done.stderr.startswith(b"cidbus: key: ")) == (1, True)


def test_the_node_s_own_key_is_not_exported(system):
    assert system.run("key", "export", "self", "-o", "-").exit_code == 1


def test_a_folder_without_a_node_gets_no_keys(system, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    done = system.run("key", "import", "x", str(tmp_path / "file"), "--data-dir", str(tmp_path / "none"))
    assert (done.exit_code, str(tmp_path / "none") in done.stderr) == (1, True)
    assert not (tmp_path / "none").exists()


# ---- names ----------------------------------------------------------------------------------------------


def test_a_name_is_published_and_resolved(system, key: tuple[str, str]):
    name, key_id = key
    cid = add(system, b"first")
    assert system.run("name", "publish", cid, "--key", name).stdout == f"published {key_id} /ipfs/{cid}\n"
    assert system.run("name", "resolve", f"/ipns/{key_id}").stdout == f"/ipfs/{cid}\n"
    assert json.loads(system.run("name", "resolve", key_id, "--json").stdout)["sequence"] == 0


def test_options_of_publish_reach_the_node(system, key: tuple[str, str]):
    nowhere = ("name", "publish", f"/ipfs/{MISSING}", "--key", key[0], "--json")
    assert system.run(*nowhere).exit_code == 1
    done = system.run(*nowhere, "--no-resolve", "--ttl", "90s", "--lifetime", "1h")
    assert json.loads(done.stdout)["ttl_s"] == 90
    wrong = system.run(*nowhere, "--no-resolve", "--lifetime", "soon")
    assert wrong.stderr.startswith("cidbus: lifetime: ")


def test_a_record_is_taken_read_and_given_back(system, key: tuple[str, str], tmp_path: Path):
    name, key_id = key
    cid = add(system, b"first")
    system.run("name", "publish", cid, "--key", name)
    assert system.run("name", "get", key_id, "-o", str(tmp_path / "record")).exit_code == 0
    record = system.call("name", "get", key_id).stdout
    assert (tmp_path / "record").read_bytes() == record
    seen = system.call("name", "inspect", "-", "--name", key_id, "--json", stdin=record).stdout
    assert (json.loads(seen)["value"], json.loads(seen)["valid"]) == (f"/ipfs/{cid}", True)
    assert system.run("name", "put", key_id, str(tmp_path / "record")).stdout == f"kept {key_id}\n"


def test_a_record_of_another_name_is_told_by_the_exit_code(system, key: tuple[str, str], tmp_path: Path):
    name, key_id = key
    system.run("name", "publish", add(system, b"first"), "--key", name)
    system.run("name", "get", key_id, "-o", str(tmp_path / "record"))
    own = json.loads(system.run("key", "ls", "--json").stdout.splitlines()[0])["id"]
    inspected = system.run("name", "inspect", str(tmp_path / "record"), "--name", own)
    assert (inspected.exit_code, "valid" in inspected.stdout) == (1, True)
    assert system.run("name", "put", own, str(tmp_path / "record")).exit_code == 1


def test_a_record_that_is_too_long_is_refused(system, tmp_path: Path):
    (tmp_path / "record").write_bytes(bytes(20_000))
    ended = system.run("name", "inspect", str(tmp_path / "record"))
    assert (ended.exit_code, "10240" in ended.stderr) == (1, True)


# ---- who has what ---------------------------------------------------------------------------------------


def test_a_node_provides_what_it_stores(system):
    cid, own = add(system, b"provided"), json.loads(system.run("id", "--json").stdout)["id"]
    found = system.run("routing", "findprovs", cid)
    assert (own in found.stdout, found.stderr) == (True, "")
    assert own in system.run("routing", "findpeer", own).stdout
    assert system.run("routing", "provide", cid, "-r").stdout.startswith(f"announced {cid} (1 blocks) to ")
    assert json.loads(system.run("routing", "findprovs", cid, "-n", "1", "--json").stdout)["count"] == 1


def test_nobody_is_found_with_a_reason_on_stderr(system):
    ended = system.run("routing", "findprovs", MISSING)
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert ended.stderr.startswith("nobody who was asked has it")


def test_what_is_not_here_is_not_provided(system):
    assert system.run("routing", "provide", MISSING).exit_code == 1


def test_a_node_alone_is_listed_or_nobody_is(system):
    assert system.run("swarm", "peers").exit_code == 0
    for line in system.run("swarm", "peers", "--json").stdout.splitlines():
        assert json.loads(line)["method"]
