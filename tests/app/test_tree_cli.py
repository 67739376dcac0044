"""`cidbus fs` against a running system: what it prints, what becomes of the tree, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from cidbus.cli.tree.commands import app

CONTENT = os.urandom(400_000)


@pytest.fixture
def here(system, request: pytest.FixtureRequest) -> str:
    """A directory of the tree for one test."""
    path = f"/{request.node.name[:80]}"
    assert fs(system, "mkdir", path).startswith("made ")
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    top = tmp_path / "site"
    (top / "css").mkdir(parents=True)
    (top / "index.html").write_text("<p>hi")
    (top / "css" / "main.css").write_text("p{}")
    (top / ".hidden").write_text("h")
    (top / "latest").symlink_to("index.html")
    return top


def fs(system, *arguments: str) -> str:
    """What a command prints; it has to succeed."""
    done = system.run("fs", *arguments)
    assert done.exit_code == 0, (arguments, done.output)
    return done.stdout


def fails(system, *arguments: str) -> tuple[int, str]:
    done = system.run("fs", *arguments)
    assert done.exit_code != 0, arguments
    return done.exit_code, done.stderr


def of_json(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def content(system, path: str, *more: str) -> bytes:
    """The bytes of a file, fetched inside of this process."""
    with tempfile.TemporaryDirectory() as folder:
        fs(system, "get", path, f"{folder}/content", *more)
        return Path(folder, "content").read_bytes()


def write(system, path: str, data: bytes, *more: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        fs(system, "write", path, file.name, *more)


def listed(system, path: str, *more: str) -> list[str]:
    return sorted(fs(system, "ls", path, *more).splitlines())


# ---- content --------------------------------------------------------------------------------------------


def test_bytes_go_in_and_come_out_whole_or_in_part(system, here: str):
    put = system.call("fs", "put", "-", f"cidbus:{here}/a.bin", stdin=CONTENT)
    assert put.stdout.startswith(b"placed ")
    assert system.call("fs", "cat", f"{here}/a.bin", "--range", "10-19").stdout == CONTENT[10:20]
    assert system.call("fs", "cat", f"{here}/a.bin", "--range", "-7").stdout == CONTENT[-7:]


def test_all_of_it_works_over_http(system, here: str, site: Path, tmp_path: Path):
    url = ("--url", system.info["http"])
    fs(system, "put", str(site), f"{here}/site", *url)
    write(system, f"{here}/site/new", CONTENT, *url)
    assert content(system, f"{here}/site/new", *url) == CONTENT
    fs(system, "sync", f"cidbus:{here}/site", str(tmp_path / "copy"), *url)
    (tmp_path / "copy" / "new").write_bytes(CONTENT[::-1])
    assert "1 file" in fs(system, "sync", str(tmp_path / "copy"), f"cidbus:{here}/site", *url)
    assert content(system, f"{here}/site/new", *url) == CONTENT[::-1]


def test_bytes_are_written_into_a_file_where_they_belong(system, here: str):
    path = f"{here}/notes"
    for data, *options in ((b"0123456789",), (b"AB", "--offset", "3"), (b"!", "--append")):
        write(system, path, data, *options)
    assert content(system, path) == b"012AB56789!"
    write(system, path, b"all", "--truncate")
    assert content(system, path) == b"all"
    write(system, path, CONTENT, "--offset", "100000")
    assert content(system, path) == b"all" + bytes(99_997) + CONTENT


def test_directories_are_put_and_fetched_as_they_are(system, here: str, site: Path, tmp_path: Path):
    before = json.loads(fs(system, "stat", "/", "--json"))["sequence"]
    fs(system, "put", str(site), str(site / "index.html"), here)
    assert json.loads(fs(system, "stat", "/", "--json"))["sequence"] == before + 1
    assert listed(system, here, "-R") == [
        "index.html", "site/", "site/.hidden", "site/css/", "site/css/main.css", "site/index.html", "site/latest@",
    ]  # fmt: skip
    fs(system, "get", f"{here}/site", str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "css" / "main.css").read_text() == "p{}"
    assert str((tmp_path / "copy" / "latest").readlink()) == "index.html"
    fs(system, "get", f"{here}/index.html", str(tmp_path))
    assert (tmp_path / "index.html").read_text() == "<p>hi"


def test_a_directory_replaces_one_that_is_there_only_when_told_to(system, here: str, site: Path):
    fs(system, "put", str(site), f"{here}/site")
    (site / "new").touch()
    fs(system, "put", str(site), here, "--replace")
    assert "new" in listed(system, f"{here}/site")
    (site / "newer").touch()
    code, _ = fails(system, "put", str(site), here)
    assert (code, "newer" in listed(system, f"{here}/site")) == (1, False)


# ---- entries --------------------------------------------------------------------------------------------


def test_a_long_listing_has_mode_size_and_time(system, here: str, site: Path):
    fs(system, "put", str(site), f"{here}/site")
    fs(system, "chmod", "600", f"{here}/site/index.html")
    fs(system, "touch", "--time", "1000000000", f"{here}/site/index.html")
    told = fs(system, "ls", "-l", f"{here}/site").splitlines()
    lines = {re.split(r" ba\w{50,} ", line)[1]: line for line in told}
    assert lines["index.html"].startswith("-rw------- ")
    assert " 5 2001-09-09 " in lines["index.html"]
    assert lines["css"].startswith("drwxr-xr-x ")
    assert lines["latest -> index.html"].startswith("lrwxrwxrwx ")
    (entry,) = of_json(fs(system, "stat", "--json", f"{here}/site/index.html"))
    assert (entry["mode"], entry["mtime"], entry["size_bytes"]) == (0o600, 1_000_000_000, 5)


def test_entries_are_found_by_name_type_and_depth(system, here: str, site: Path):
    fs(system, "put", str(site), f"{here}/site")
    found = fs(system, "find", here, "--name", "*.css").splitlines()
    assert found == [f"{here}/site/css/main.css"]
    assert fs(system, "find", here, "--type", "d", "--max-depth", "1").splitlines() == [f"{here}/site"]
    (usage,) = of_json(fs(system, "du", here, "--json"))
    assert (usage["files"], usage["symlinks"]) == (3, 1)


def test_several_paths_are_changed_together_or_not_at_all(system, here: str):
    fs(system, "touch", f"{here}/a", f"{here}/b")
    code, problem = fails(system, "rm", f"{here}/a", f"{here}/missing")
    assert (code, "missing" in problem) == (1, True)
    assert listed(system, here) == ["a", "b"]
    fs(system, "mkdir", "-p", f"{here}/x/y")
    fs(system, "cp", f"{here}/a", f"{here}/b", f"{here}/x")
    fs(system, "mv", f"{here}/a", f"{here}/b", f"{here}/x/y")
    assert listed(system, here, "-R") == ["x/", "x/a", "x/b", "x/y/", "x/y/a", "x/y/b"]
    fs(system, "rm", "-r", f"{here}/x")
    fs(system, "rm", "-f", f"{here}/x")
    assert listed(system, here) == []


def test_content_is_mounted_by_its_cid_and_taken_out_again(system, here: str, site: Path):
    cid = system.run("add", "-q", str(site)).stdout.strip()
    assert fs(system, "mount", cid, f"{here}/deep/mnt", "-q").strip() == cid
    assert "index.html" in listed(system, f"{here}/deep/mnt")
    fs(system, "ln", "deep/mnt/index.html", f"{here}/link")
    assert listed(system, f"{here}/link", "-l")[0].endswith(" link -> deep/mnt/index.html")
    fs(system, "unmount", f"{here}/deep/mnt")
    assert listed(system, here, "-R") == ["deep/", "link@"]


# ---- the past -------------------------------------------------------------------------------------------


def test_every_state_can_be_read_compared_and_brought_back(system, here: str):
    write(system, f"{here}/a", b"then")
    then = of_json(fs(system, "stat", "/", "--json"))[0]
    write(system, f"{here}/a", b"now", "--truncate")
    fs(system, "touch", f"{here}/b")
    assert fs(system, "diff", str(then["sequence"]), "--path", here).splitlines() == [
        f"~ {here}/a",
        f"+ {here}/b",
    ]
    for at in (str(then["sequence"]), then["root"]):
        assert content(system, f"{here}/a", "--at", at) == b"then"
        assert listed(system, here, "--at", at) == ["a"]
    (newest, *_) = of_json(fs(system, "log", "--json", "--path", here))
    assert newest["paths"] == [f"{here}/b"]
    fs(system, "restore", here, "--at", str(then["sequence"]))
    assert content(system, f"{here}/a") == b"then"
    assert listed(system, here) == ["a"]
    assert fs(system, "log", "-n", "1").count("\n") == 1


def test_the_journal_is_archived_verified_and_recovered(system, here: str, tmp_path: Path):
    assert str(tmp_path) in fs(system, "enable", str(tmp_path / "archive"), "--sync-interval", "0")
    fs(system, "touch", f"{here}/a")
    (made,) = of_json(fs(system, "checkpoint", "--whole", "--json"))
    assert made["id"] in [line.split("\t")[0] for line in fs(system, "checkpoints").splitlines()]
    fs(system, "rm", f"{here}/a")
    assert "verified" in fs(system, "verify")
    (recovered,) = of_json(fs(system, "recover", made["id"], "--json"))
    assert recovered["root"] == made["root"]
    assert listed(system, here) == ["a"]
    (status,) = of_json(fs(system, "status", "--json"))
    assert status["journal_base_path"] == str(tmp_path / "archive")
    shown = fs(system, "status")
    assert re.search(r"^timestamp +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", shown, re.MULTILINE)
    assert re.search(r"^operations by type +(\w+ \d+, )*\w+ \d+$", shown, re.MULTILINE)


# ---- transactions ---------------------------------------------------------------------------------------


def test_a_transaction_is_seen_by_all_once_it_is_committed(system, here: str, site: Path):
    transaction = fs(system, "begin").strip()
    fs(system, "put", str(site), f"{here}/site", "--transaction", transaction)
    fs(system, "touch", f"{here}/a", "-t", transaction)
    assert listed(system, here) == []
    assert listed(system, here, "-t", transaction) == ["a", "site/"]
    environment = system.environment | {"CIDBUS_TRANSACTION": transaction}
    assert "a" in system.run("fs", "ls", here, env=environment).stdout
    assert system.run("fs", "ls", "/", "--at", "1", env=environment).exit_code == 0
    assert transaction in fs(system, "transactions", "--status", "pending")
    assert "committed" in fs(system, "commit", transaction)
    assert listed(system, here) == ["a", "site/"]


def test_a_transaction_that_is_rolled_back_never_was(system, here: str):
    transaction = fs(system, "begin").strip()
    fs(system, "touch", f"{here}/a", "-t", transaction)
    assert fs(system, "rollback", transaction) == f"rolled back {transaction}\n"
    assert listed(system, here) == []
    assert fails(system, "commit", transaction)[0] == 1


def test_changes_that_cross_each_other_are_a_conflict(system, here: str):
    transaction = fs(system, "begin").strip()
    write(system, f"{here}/a", b"mine", "-t", transaction)
    write(system, f"{here}/a", b"theirs")
    assert fails(system, "commit", transaction)[0] == 1
    assert content(system, f"{here}/a") == b"theirs"


# ---- beside this machine's files ------------------------------------------------------------------------


def test_a_directory_is_synced_there_and_back(system, here: str, site: Path, tmp_path: Path):
    assert fs(system, "sync", str(site), f"cidbus:{here}/site", "-n").splitlines()[:2] == [
        f"+ {here}/site/",
        "+ .hidden",
    ]
    assert listed(system, here) == []
    told = fs(system, "sync", str(site), f"cidbus:{here}/site")
    assert told.startswith("synced 3 files, 1 directory, 1 link of 5, ")
    assert fs(system, "sync", str(site), f"cidbus:{here}/site").startswith("synced nothing of 5")
    fs(system, "rm", f"{here}/site/index.html")
    fs(system, "sync", f"cidbus:{here}/site", str(tmp_path / "copy"))
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [".hidden", "css", "latest"]
    gone = fs(system, "sync", f"cidbus:{here}/site", str(site), "--delete", "-v")
    assert "- index.html" in gone.splitlines()
    assert not (site / "index.html").exists()


def test_a_sync_names_what_it_cannot_take(system, here: str, site: Path):
    os.mkfifo(site / "pipe")
    code, problem = fails(system, "sync", str(site), f"cidbus:{here}/site")
    assert (code, "pipe" in problem, listed(system, here)) == (1, True, [])


def test_the_tree_is_served_as_webdav_until_a_signal_comes(system, here: str):
    with system.start("fs", "webdav", "--port", "0") as process:
        ready = process.stdout.readline().decode()
        assert ready.startswith("ready: http://127.0.0.1:")
        url = ready.split()[1].rstrip("/")
        assert httpx.put(f"{url}{here}/a", content=b"by webdav").status_code == 201
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
    assert content(system, f"{here}/a") == b"by webdav"


# ---- what is written about it --------------------------------------------------------------------------


def test_the_page_on_the_tree_names_every_command_and_no_other():
    page = (Path(__file__).parents[2] / "docs" / "file-tree.md").read_text()
    table = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    named = set(re.findall(r"cidbus fs (\w+)", page)) | set(re.findall(r"`(\w+)", " ".join(table)))
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert commands <= named
    assert set(re.findall(r"cidbus fs (\w+)", page)) <= commands


# ---- how it ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("cat", "relative"),
        ("ls", "/a/../b"),
        ("mkdir", "/" + "x" * 256),
        ("cat", "/a", "--range", "5-1"),
        ("chmod", "999", "/a"),
        ("ls", "/", "--at", "2026-99-01"),
        ("write", "/a", "--append", "--offset", "1"),
        ("sync", ".", "elsewhere"),
        ("sync", "cidbus:/a", "cidbus:/b"),
        ("put", "-", "-", "/a"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_asked(system, arguments: tuple[str, ...]):
    code, problem = fails(system, *arguments)
    assert (code, "Invalid value" in problem) == (2, True)


def test_what_is_not_there_ends_with_one_line(system):
    for arguments in (("cat", "/none"), ("ls", "/none"), ("stat", "/none"), ("cat", "/")):
        code, problem = fails(system, *arguments)
        assert (code, problem.count("\n")) == (1, 1), problem


def test_without_a_system_it_cannot_be_reached(system, tmp_path: Path):
    done = system.run("fs", "ls", env={"CIDBUS_DATA_DIR": str(tmp_path)})
    assert done.exit_code == 3


def test_what_is_remembered_of_local_files_is_private(system, site: Path, here: str):
    fs(system, "sync", str(site), f"cidbus:{here}/site")
    folder = system.data_dir / "sync"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
