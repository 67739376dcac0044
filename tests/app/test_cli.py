"""The command line against a running system: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cidbus import __version__
from cidbus.schemas.ipfs import AddRequest
from cidbus.schemas.subjects import ROWS

MISSING = "bafkreigz4mnpaffizpf3ynns7vbrjoip67pjo2zg6cdxrmajh6cgqbhtvy"
LARGE = os.urandom(20 * 1024 * 1024)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "site"
    (top / "css").mkdir(parents=True)
    (top / "index.html").write_text("<p>hi")
    (top / "css" / "main.css").write_text("p{}")
    (top / ".hidden").write_text("h")
    return top


@pytest.fixture(scope="module")
def large_cid(system) -> str:
    return system.call("add", "-q", "-", stdin=LARGE).stdout.decode().strip()


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# ---- content --------------------------------------------------------------------------------------------


def test_stdin_is_added_and_written_to_stdout_byte_by_byte(system):
    content = bytes(range(256)) * 5000
    cid = system.call("add", "--quiet", "-", stdin=content).stdout.decode().strip()
    assert system.call("cat", cid).stdout == content
    assert system.call("cat", f"/ipfs/{cid}", "--offset", "-3", "--length", "2").stdout == b"\xfd\xfe"


def test_large_content_passes_through(system, large_cid: str):
    assert system.call("cat", large_cid).stdout == LARGE


def test_the_same_commands_work_over_http(system, large_cid: str):
    url = system.info["http"]
    assert system.call("cat", large_cid, "--url", url).stdout == LARGE
    assert system.call("add", "-q", "-", "--url", url, stdin=LARGE).stdout.decode().strip() == large_cid


def test_a_nats_address_uses_the_seed_of_the_data_directory(system):
    assert system.run("version", "--url", system.info["nats"]).exit_code == 0


def test_every_path_is_added_as_a_root_of_its_own(system, tree: Path):
    lines = system.run("add", str(tree / "index.html"), str(tree)).stdout.splitlines()
    assert [line.split()[2] for line in lines] == [
        "index.html",
        "site/css/main.css",
        "site/index.html",
        "site",
    ]


def test_wrapped_paths_share_one_root(system, tree: Path):
    added = system.run("add", "--wrap", "-q", str(tree / "index.html"), str(tree / "css"))
    (root,) = added.stdout.split()
    names = [entry["name"] for entry in json_lines(system.run("ls", root, "--json").stdout)]
    assert names == ["css", "index.html"]


def test_options_of_add_reach_the_node(system, tree: Path):
    file = str(tree / "index.html")
    added = system.run("add", file, "--json", "--profile", "unixfs-v0-2015", "--name", "my pin").stdout
    cid = json.loads(added)["cid"]
    assert json_lines(system.run("pin", "ls", cid, "--json").stdout)[0]["name"] == "my pin"
    assert not json.loads(system.run("add", file, "--json", "--no-pin").stdout)["pinned"]


def test_hidden_entries_are_added_on_request(system, tree: Path):
    roots = [system.run("add", "-q", str(tree), *more).stdout.strip() for more in ([], ["--hidden"])]
    listed = [system.run("ls", root).stdout for root in roots]
    assert [".hidden" in text for text in listed] == [False, True]


def test_a_listing_has_cid_size_and_name(system, tree: Path):
    root = system.run("add", "-q", str(tree)).stdout.strip()
    rows = [line.split() for line in system.run("ls", root).stdout.splitlines()]
    assert [(size, name) for _, size, name in rows] == [("59", "css/"), ("5", "index.html")]
    assert system.call("cat", f"{root}/css/main.css").stdout == b"p{}"
    assert "size bytes      5" in system.run("stat", f"{root}/index.html").stdout


def test_a_name_cannot_write_to_the_terminal(system, tmp_path: Path):
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "red\x1b[31m\n").touch()
    root = system.run("add", "-q", str(tmp_path / "top")).stdout.strip()
    assert r"red\x1b[31m\n" in system.run("ls", root).stdout


def test_a_tree_is_fetched_as_it_was(system, tree: Path, tmp_path: Path):
    root = system.run("add", "-q", str(tree)).stdout.strip()
    assert system.run("get", root, "-o", str(tmp_path / "out")).stdout.strip() == str(tmp_path / "out")
    assert (tmp_path / "out" / "css" / "main.css").read_text() == "p{}"
    again = system.run("get", root, "-o", str(tmp_path / "out"))
    assert (again.exit_code, (tmp_path / "out" / root).is_dir()) == (0, True)


def test_an_archive_goes_to_a_file_or_to_stdout(system, tree: Path, tmp_path: Path):
    root = system.run("add", "-q", str(tree)).stdout.strip()
    assert system.run("get", root, "-a", "-o", str(tmp_path / "out.tar")).exit_code == 0
    piped = system.call("get", f"{root}/css", "--archive", "--output", "-").stdout
    assert b"css/main.css" in piped
    assert b"css/main.css" in (tmp_path / "out.tar").read_bytes()


# ---- pins, blocks, the repository -----------------------------------------------------------------------


def test_pins_are_added_listed_moved_and_removed(system):
    one, two = (
        system.call("add", "-q", "--no-pin", "-", stdin=text).stdout.decode().strip() for text in (b"1", b"2")
    )
    assert system.run("pin", "add", one, "--direct", "--name", "x").stdout == f"pinned {one} direct\n"
    assert system.run("pin", "ls", "--name", "x").stdout.split() == [one, "direct", "x"]
    system.run("pin", "add", one)
    assert system.run("pin", "update", one, two).exit_code == 0
    assert system.run("pin", "ls", two, "-q").stdout.split() == [two]
    assert system.run("pin", "rm", two).stdout == f"unpinned {two}\n"


def test_blocks_are_put_read_and_removed(system):
    cid = system.call("block", "put", "-", stdin=b"a block").stdout.decode().strip()
    assert system.call("block", "get", cid).stdout == b"a block"
    assert json.loads(system.run("block", "stat", cid, "--json").stdout)["size_bytes"] == 7
    assert system.run("block", "rm", cid).stdout == f"removed {cid}\n"
    assert system.run("block", "rm", cid, "--force").stdout == f"not here {cid}\n"


@pytest.mark.parametrize(
    "command", ["repo stat", "repo verify", "gc", "id", "version", "status", "info", "subjects"]
)
def test_every_reading_command_prints_json(system, command: str):
    assert json.loads(system.run(*command.split(), "--json").stdout)
    assert system.run(*command.split()).exit_code == 0


# ---- the system -----------------------------------------------------------------------------------------


def test_info_lists_every_process(system):
    info = json.loads(system.run("info", "--json").stdout)
    assert list(info) == ["http", "nats", "client_seed", "data_dir", "actors", "node"]
    assert {"ipfs", "bridge", "nats"} <= {process["name"] for process in info["actors"]}
    assert info["data_dir"] == str(system.data_dir)


def test_status_shows_each_instance_with_its_counters(system):
    (stats,) = [one for one in json.loads(system.run("status", "--json").stdout) if one["actor"] == "ipfs"]
    assert "cidbus.ipfs.add" in [endpoint["subject"] for endpoint in stats["endpoints"]]
    shown = [line.split("\t")[:2] for line in system.run("status", "--once").stdout.splitlines()]
    assert ["ipfs", stats["instance"]] in shown


def test_subjects_lists_the_whole_table(system):
    listed = json.loads(system.run("subjects", "--json").stdout)
    assert [row["name"] for row in listed] == [row.name for row in ROWS]


def test_events_are_followed_until_ctrl_c(system):
    with system.start("events", "--json", "--type", "content_added") as process:
        heard = first_line_while(process, lambda: system.call("add", "-", stdin=b"news"))
        assert json.loads(heard)["type"] == "ipfs.added"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, b"")


def first_line_while(process: subprocess.Popen[bytes], cause) -> bytes:
    """The first line that the process prints, with what causes it done again until it does."""
    assert process.stdout is not None
    while not select.select([process.stdout], [], [], 0.2)[0]:
        cause()
    return process.stdout.readline()


def test_the_server_s_configuration_has_every_user(system):
    text = system.run("nats-conf", "--port", "4333").stdout
    assert "port: 4333" in text
    assert all(f"# {user}" in text for user in ("admin", "bridge", "client", "ipfs"))


# ---- how commands end -----------------------------------------------------------------------------------


def test_an_answered_error_is_one_line_and_exit_code_1(system):
    ended = system.call("cat", MISSING)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.decode() == f"cidbus: block not found: {MISSING}\n"


def test_an_error_names_the_field_and_the_limit(system):
    ended = system.run("pin", "add", MISSING, "--name", "x" * 300)
    assert ended.exit_code == 1
    assert ended.stderr == "cidbus: name: String should have at most 255 characters\n"


def test_a_file_that_is_not_there_is_named(system, tmp_path: Path):
    ended = system.run("add", str(tmp_path / "none"))
    assert (ended.exit_code, ended.stderr) == (1, f"cidbus: {tmp_path / 'none'}: No such file or directory\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("cat",),
        ("nonsense",),
        ("cat", MISSING, "--length", "-1"),
        ("add", "-", "--profile", "best"),
        ("up", "--scale", "ipfs"),
        ("add", "--wrap", "-", "file"),
        ("up", "--scale", "nobody=2"),
        ("actor", "nobody"),
    ],
)
def test_wrong_usage_is_exit_code_2(system, arguments: tuple[str, ...]):
    assert system.run(*arguments).exit_code == 2


@pytest.mark.parametrize("address", ["nats://127.0.0.1:1", "http://127.0.0.1:1"])
def test_an_unreachable_system_is_exit_code_3(system, address: str):
    ended = system.run("id", "--url", address)
    assert ended.exit_code == 3
    assert address in ended.stderr


@pytest.mark.parametrize("command", ["id", "info"])
def test_a_folder_in_which_nothing_runs_is_exit_code_3(system, command: str, tmp_path: Path):
    ended = system.run(command, "--data-dir", str(tmp_path / "none"))
    assert ended.exit_code == 3
    assert str(tmp_path / "none") in ended.stderr
    assert not (tmp_path / "none").exists()


def test_a_closed_pipe_ends_quietly(system, large_cid: str):
    with system.start("cat", large_cid) as process:
        assert process.stdout is not None
        assert process.stdout.read(10) == LARGE[:10]
        process.stdout.close()
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize("command", ["subjects", "pin ls", "repo stat", "info", "nats-conf", "openapi"])
def test_a_pipe_that_nobody_reads_ends_quietly(system, command: str):
    reading, writing = os.pipe()
    os.close(reading)
    ended = system.call(*command.split(), stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_folder_of_the_command_line_wins_over_an_address_of_the_environment(system, tmp_path: Path):
    environment = system.environment | {"CIDBUS_URL": "nats://127.0.0.1:1"}
    ended = system.run("id", "--data-dir", str(system.data_dir), env=environment)
    assert ended.exit_code == 0


def test_ctrl_c_ends_a_cat_that_nobody_reads(system, large_cid: str):
    with system.start("cat", large_cid) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130


def test_ctrl_c_ends_an_add_that_waits_for_its_input(system):
    with system.start("add", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        # The pipe's buffer is far smaller: once this is written, the command is reading.
        process.stdin.write(LARGE[: 1024 * 1024])
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130


# ---- the program itself ---------------------------------------------------------------------------------


def test_help_tells_commands_and_exit_codes(system):
    text = system.run("--help").stdout
    assert "130 interrupted" in " ".join(text.split())
    assert all(
        f" {command} " in text for command in ("up", "add", "cat", "get", "pin", "status", "nats-conf")
    )


def test_the_version_is_that_of_the_package(system):
    assert system.run("--version").stdout == f"cidbus {__version__}\n"


def test_the_profiles_are_those_of_the_schema(system):
    from cidbus.cli.options import Profile
    from cidbus.schemas.ipfs import ProfileName

    assert Profile == ProfileName
    assert AddRequest.model_fields["profile"].annotation == ProfileName


def test_help_starts_without_the_bus_and_without_http():
    code = (
        "import sys; from cidbus.cli import main; main(['--help']); "
        "sys.exit(', '.join({'nats', 'aiohttp', 'cidbus.schemas.ipfs', 'asyncio'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_completion_offers_commands(system):
    environment = os.environ | {
        "_CIDBUS_COMPLETE": "complete_bash",
        "COMP_WORDS": "cidbus st",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cidbus"], capture_output=True, check=False, env=environment, text=True
    )
    assert done.stdout.split() == ["stat", "status"]
