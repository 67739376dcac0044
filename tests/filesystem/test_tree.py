"""`cidbus://`: the file tree as a file system."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback
from fsspec.implementations.local import LocalFileSystem

from cidbus.client import Client
from cidbus.filesystem import CidbusFileSystem, writing

from .conftest import MIB, Elsewhere, System

LARGE = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(2 * MIB // 32 + 100))


@pytest.fixture(params=["http", "nats"])
def fs(request: pytest.FixtureRequest, system: System) -> CidbusFileSystem:
    if request.param == "http":
        return system.tree()
    return CidbusFileSystem(nats=system.nats, seed=system.seed)


@pytest.fixture
def home(fs: CidbusFileSystem, request: pytest.FixtureRequest) -> str:
    """A directory of the test's own."""
    path = f"/home/{request.node.name}".replace("[", "/").replace("]", "")
    fs.makedirs(path)
    return path


@pytest.fixture
def asked(system: System, elsewhere: Elsewhere) -> Callable[[Callable[[Client], Any]], Any]:
    """What another client is answered."""

    async def ask(question: Callable[[Client], Any]) -> Any:
        async with Client.connect(system.url) as client:
            return await question(client)

    return lambda question: elsewhere.run(ask(question))


def entries(asked: Any) -> int:
    """How many entries the journal has."""
    found: int = asked(lambda client: client.journal.status()).sequence
    return found


class Broken(Exception):
    """Something in a program goes wrong."""


def _break() -> None:
    raise Broken


# ---- the same as a local directory ----------------------------------------------------------------------


STEPS: list[Callable[..., Any]] = [
    lambda on, name, other, content: on.pipe_file(name, content),
    lambda on, name, other, content: _write(on, name, "ab", content),
    lambda on, name, other, content: _write(on, name, "wb", content),
    lambda on, name, other, content: on.cp_file(name, other),
    lambda on, name, other, content: on.mv(name, other),
    lambda on, name, other, content: on.rm(name),
    lambda on, name, other, content: on.rm(_above(name), recursive=True),
    lambda on, name, other, content: on.makedirs(f"{_above(name)}/deep/er", exist_ok=True),
    lambda on, name, other, content: on.cp(_above(name), f"{_above(other)}-copied", recursive=True),
    lambda on, name, other, content: on.touch(other),
    lambda on, name, other, content: on.open(name, "xb").close(),
]


def test_it_does_what_a_local_file_system_does(fs: CidbusFileSystem, home: str, tmp_path: Path) -> None:
    chance = random.Random(20260)
    local = LocalFileSystem(auto_mkdir=True)
    for step in range(60):
        name, other = (f"{chance.choice('abc')}/{chance.choice('xyz')}" for _ in range(2))
        content = chance.randbytes(chance.choice((0, 5, 1000, 200_000)))
        chosen = chance.randrange(len(STEPS))
        ours, theirs = (
            _outcome(STEPS[chosen], on, f"{at}/{name}", f"{at}/{other}", content)
            for on, at in ((fs, home), (local, str(tmp_path)))
        )
        assert ours is theirs, (step, chosen, name, other)
        if step % 4 == 3:
            assert _state(fs, home) == _state(local, str(tmp_path)), (step, name, other)


def _write(on: Any, path: str, mode: str, content: bytes) -> None:
    with on.open(path, mode) as file:
        for start in range(0, len(content), 70_000):
            file.write(content[start : start + 70_000])


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _outcome(done: Any, *on_what: Any) -> type[BaseException] | None:
    try:
        done(*on_what)
    except OSError as error:
        return type(error)
    return None


def _state(on: Any, at: str) -> dict[str, Any]:
    files = on.find(at)  # and no directories, which a local copy makes even where it fails
    return {name.removeprefix(at): content for name, content in on.cat(files).items()} if files else {}


# ---- looking ----------------------------------------------------------------------------------------------


def test_an_entry_has_its_cid_and_what_the_tree_says_of_it(
    fs: CidbusFileSystem, home: str, asked: Any
) -> None:
    fs.pipe_file(f"cidbus:/{home}/one", b"hello")
    asked(lambda client: client.journal.metadata(f"{home}/one", mode=0o640, mtime=1.5e9))
    asked(lambda client: client.journal.symlink(f"{home}/to", "one"))
    asked(lambda client: client.journal.symlink(f"{home}/nowhere", "missing"))
    one = fs.info(f"{home}/one")
    assert one == {
        "name": f"{home}/one", "size": 5, "type": "file", "cid": one["cid"], "mode": 0o640, "mtime": 1.5e9,
        "islink": False,
    }  # fmt: skip
    assert fs.cid(f"{home}/one") == fs.ukey(f"{home}/one") == fs.checksum(f"{home}/one") == one["cid"]
    assert fs.modified(f"{home}/one") == datetime.fromtimestamp(1.5e9, UTC)
    followed = {info["name"].rpartition("/")[2]: (info["type"], info["islink"]) for info in fs.ls(home)}
    assert followed == {"one": ("file", False), "to": ("file", True), "nowhere": ("link", True)}
    assert fs.cat(f"{home}/to") == b"hello"
    assert fs.ls(f"{home}/one", detail=False) == [f"{home}/one"]
    with pytest.raises(NotImplementedError, match="signed"):
        fs.sign(f"{home}/one")


def test_a_file_without_a_time_was_modified_no_later_than_the_tree(fs: CidbusFileSystem, home: str) -> None:
    before = datetime.now(UTC)
    fs.pipe_file(f"{home}/one", b"")
    modified = fs.modified(f"{home}/one")
    assert before - timedelta(seconds=1) < modified < datetime.now(UTC) + timedelta(seconds=1)
    assert fs.modified(f"{home}/one") == modified, "until something changes"


def test_patterns_and_depths_find_what_is_meant(fs: CidbusFileSystem, home: str) -> None:
    for name in ("a.csv", "b.txt", "x/c.csv", "x/y/d.csv"):
        fs.touch(f"{home}/{name}")

    def named(*names: str) -> list[str]:
        return [f"{home}/{name}" for name in names]

    assert fs.glob(f"{home}/*.csv") == named("a.csv")
    assert fs.glob(f"{home}/**/*.csv") == named("a.csv", "x/c.csv", "x/y/d.csv")
    assert fs.find(home, maxdepth=1) == named("a.csv", "b.txt")
    assert fs.find(home, maxdepth=2, withdirs=True) == [home, *named("a.csv", "b.txt", "x", "x/c.csv", "x/y")]
    assert fs.find(f"{home}/b.txt") == named("b.txt")
    assert fs.find(f"{home}/missing") == []
    assert [names for _, *names in fs.walk(home)] == [
        [["x"], ["a.csv", "b.txt"]], [["y"], ["c.csv"]], [[], ["d.csv"]],
    ]  # fmt: skip
    assert fs.du(home) == 0


def test_errors_are_those_of_the_operating_system(fs: CidbusFileSystem, home: str) -> None:
    fs.pipe_file(f"{home}/file", b"hello")
    fs.makedirs(f"{home}/folder/below")
    expected: list[tuple[type[OSError], Callable[[], Any]]] = [
        (FileNotFoundError, lambda: fs.open(f"{home}/missing")),
        (FileNotFoundError, lambda: fs.ls(f"{home}/missing")),
        (FileNotFoundError, lambda: fs.rm(f"{home}/missing")),
        (FileNotFoundError, lambda: fs.mv(f"{home}/file", f"{home}/missing/file")),
        (FileNotFoundError, lambda: fs.mkdir(f"{home}/missing/folder", create_parents=False)),
        (FileExistsError, lambda: fs.mkdir(f"{home}/folder")),
        (FileExistsError, lambda: fs.makedirs(f"{home}/folder")),
        (FileExistsError, lambda: fs.open(f"{home}/file", "xb")),
        (IsADirectoryError, lambda: fs.cat_file(f"{home}/folder")),
        (IsADirectoryError, lambda: fs.open(f"{home}/folder", "wb")),
        (IsADirectoryError, lambda: fs.pipe_file(f"{home}/folder", b"")),
        (IsADirectoryError, lambda: fs.pipe_file(f"{home}/folder", LARGE)),
        (IsADirectoryError, lambda: fs.rm_file(f"{home}/folder")),
        (NotADirectoryError, lambda: fs.rmdir(f"{home}/file")),
        (NotADirectoryError, lambda: fs.pipe_file(f"{home}/file/below", b"")),
        (OSError, lambda: fs.rm(f"{home}/folder")),
        (OSError, lambda: fs.cat_file(f"{home}/../file")),
        (OSError, lambda: fs.pipe_file(f"{home}/nul\0", b"")),
    ]
    for number, (kind, action) in enumerate(expected):
        with pytest.raises(kind) as caught:
            action()
        assert isinstance(caught.value, kind), number
        assert caught.value.errno is not None, number
    assert fs.find(home, withdirs=True) == [
        home, f"{home}/file", f"{home}/folder", f"{home}/folder/below",
    ]  # fmt: skip


# ---- changing ---------------------------------------------------------------------------------------------


def test_a_recursive_copy_or_removal_is_one_entry_of_the_journal(
    fs: CidbusFileSystem, home: str, asked: Any
) -> None:
    for number in range(5):
        fs.pipe_file(f"{home}/from/{number}/file", LARGE if number == 0 else b"small")
    fs.makedirs(f"{home}/into")
    for action in (
        lambda: fs.cp(f"{home}/from", f"{home}/new", recursive=True),
        lambda: fs.cp(f"{home}/from/", f"{home}/into", recursive=True),
        lambda: fs.rm([f"{home}/new", f"{home}/into/1", f"{home}/into/2/file"], recursive=True),
        lambda: fs.mv(f"{home}/from/*", f"{home}/into/2"),
    ):
        before = entries(asked)
        action()
        assert entries(asked) == before + 1
    assert fs.cat_file(f"{home}/into/2/0/file") == LARGE
    assert fs.find(f"{home}/from") == []
    assert len(fs.find(f"{home}/into")) == 3 + 5


def test_more_operations_than_a_request_takes_are_one_change(
    fs: CidbusFileSystem, home: str, asked: Any
) -> None:
    fs.touch(f"{home}/one")
    before = entries(asked)
    paths = [f"{home}/{'n' * 200}{number}" for number in range(2500)]
    fs.cp([f"{home}/one"] * len(paths), paths)
    assert entries(asked) == before + 1
    assert len(fs.ls(home)) == 2501


def test_local_files_come_and_go_with_their_progress(fs: CidbusFileSystem, home: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, content in {"large": LARGE, "small": b"small", "empty": b""}.items():
        (tmp_path / "in" / name).write_bytes(content)
        seen = Seen()
        fs.put_file(tmp_path / "in" / name, f"{home}/{name}", callback=seen)
        assert (seen.size, seen.value) == (len(content), len(content))
        seen = Seen()
        fs.get_file(f"{home}/{name}", tmp_path / "out" / name, callback=seen)
        assert (seen.size, seen.value) == (len(content), len(content))
        assert (tmp_path / "out" / name).read_bytes() == content
    with pytest.raises(FileExistsError):
        fs.put_file(tmp_path / "in" / "large", f"{home}/large", mode="create")


class Seen(Callback):
    pass


# ---- open files -------------------------------------------------------------------------------------------


def test_an_open_file_stays_as_it_was_opened(fs: CidbusFileSystem, home: str) -> None:
    fs.pipe_file(f"{home}/file", LARGE)
    with fs.open(f"{home}/file", cache_type="none") as file:
        assert file.read(10) == LARGE[:10]
        fs.pipe_file(f"{home}/file", b"something else")
        file.seek(MIB)
        assert file.read() == LARGE[MIB:]
    assert fs.cat_file(f"{home}/file") == b"something else"


def test_a_written_file_is_seen_when_it_is_closed_and_never_in_part(
    fs: CidbusFileSystem, home: str, asked: Any
) -> None:
    plain = asked(lambda client: client.ipfs.add(LARGE, pin=False)).cid
    with fs.open(f"{home}/file", "wb", block_size=MIB // 2) as file:
        for start in range(0, len(LARGE), 100_000):
            assert file.write(LARGE[start : start + 100_000]) == len(LARGE[start : start + 100_000])
        assert file.tell() == len(LARGE)
        assert not fs.exists(f"{home}/file")
    assert fs.cid(f"{home}/file") == plain, "what a plain add makes of the bytes"

    for action in (_break, lambda: file.discard()):
        try:
            with fs.open(f"{home}/file", "wb", block_size=MIB // 2) as file:
                file.write(bytes(MIB))
                action()
        except Broken:
            pass
    assert fs.cid(f"{home}/file") == plain
    fs.touch(f"{home}/next")  # what kept the file until it was placed is let go with the next change
    assert asked(_drafts) == []


async def _drafts(client: Client) -> list[str]:
    return [root.name async for root in client.ipfs.root_ls(prefix="fsspec/")]


def test_a_file_that_was_changed_meanwhile_is_not_appended_to(fs: CidbusFileSystem, home: str) -> None:
    fs.pipe_file(f"{home}/file", b"one")
    with fs.open(f"{home}/file", "ab") as file:
        assert file.tell() == 3
        file.write(b"two")
    assert fs.cat_file(f"{home}/file") == b"onetwo"
    file = fs.open(f"{home}/file", "ab")
    file.write(LARGE)
    fs.pipe_file(f"{home}/file", b"three")
    with pytest.raises(OSError, match="expected"):
        file.close()
    assert fs.cat_file(f"{home}/file") == b"three"


def test_a_writer_holds_no_more_than_two_parts(
    fs: CidbusFileSystem, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far the system is behind."""
    sizes: list[int] = []
    append = writing.Draft.append

    async def noted(self: Any, part: bytes) -> None:
        sizes.append(len(part))
        await append(self, part)
        assert self._sending is not None

    monkeypatch.setattr(writing.Draft, "append", noted)
    with fs.open(f"{home}/file", "wb", block_size=MIB // 4) as file:
        file.write(memoryview(LARGE))
    assert sizes == [MIB // 4] * 8 + [len(LARGE) - 2 * MIB]


# ---- transactions -----------------------------------------------------------------------------------------


def test_a_transaction_is_seen_whole_or_not_at_all(
    system: System, fs: CidbusFileSystem, home: str, asked: Any
) -> None:
    outside = system.tree(skip_instance_cache=True)
    fs.pipe_file(f"{home}/old", b"old")
    before = entries(asked)
    with fs.transaction:
        for number in range(3):
            with fs.open(f"{home}/{number}", "wb", block_size=MIB) as file:
                file.write(LARGE if number else b"small")
        fs.rm(f"{home}/old")
        fs.mkdir(f"{home}/folder")
        assert sorted(fs.ls(home, detail=False)) == [f"{home}/{name}" for name in ("0", "1", "2", "folder")]
        assert outside.ls(home, detail=False) == [f"{home}/old"], "others see nothing of it"
    assert entries(asked) == before + 1
    assert sorted(outside.ls(home, detail=False)) == [f"{home}/{name}" for name in ("0", "1", "2", "folder")]
    assert outside.cat_file(f"{home}/1") == LARGE

    with pytest.raises(Broken), fs.transaction:
        fs.pipe_file(f"{home}/0", b"changed")
        left_open = fs.open(f"{home}/3", "wb", block_size=MIB)
        left_open.write(LARGE)
        raise Broken
    assert left_open.closed
    assert outside.cat_file(f"{home}/0") == b"small"
    assert not outside.exists(f"{home}/3")
    fs.touch(f"{home}/after")  # the file system goes on as before
    assert asked(_drafts) == []
    assert outside.exists(f"{home}/after")
    outside.close()


def test_a_transaction_that_others_have_overtaken_changes_nothing(
    system: System, fs: CidbusFileSystem, home: str
) -> None:
    outside = system.tree(skip_instance_cache=True)
    fs.pipe_file(f"{home}/file", b"before")
    with pytest.raises(OSError, match="changed by another"), fs.transaction:
        fs.pipe_file(f"{home}/file", b"inside")
        fs.pipe_file(f"{home}/other", b"inside")
        outside.pipe_file(f"{home}/file", b"outside")
    assert outside.cat_file(f"{home}/file") == b"outside"
    assert not fs.exists(f"{home}/other")
    outside.close()


def test_files_may_be_committed_one_by_one(fs: CidbusFileSystem, home: str) -> None:
    first, second = (fs.open(f"{home}/{name}", "wb", autocommit=False) for name in ("first", "second"))
    for file in (first, second):
        file.write(LARGE)
        file.close()
    assert fs.ls(home) == []
    first.commit()
    second.discard()
    assert fs.ls(home, detail=False) == [f"{home}/first"]


# ---- with an event loop -----------------------------------------------------------------------------------


async def test_it_works_on_the_event_loop_of_its_caller(system: System) -> None:
    fs = system.tree(asynchronous=True, skip_instance_cache=True)
    home = "/home/asynchronous"
    await asyncio.gather(*(fs._pipe_file(f"{home}/{n}", str(n).encode()) for n in range(20)))
    assert await fs._cat([f"{home}/{n}" for n in range(20)]) == {
        f"{home}/{n}": str(n).encode() for n in range(20)
    }
    async with await fs.open_async(f"{home}/large", "wb", block_size=MIB) as file:
        for start in range(0, len(LARGE), 300_000):
            await file.write(LARGE[start : start + 300_000])
        assert not await fs._exists(f"{home}/large")
    async with await fs.open_async(f"{home}/large") as file:
        assert await file.read(10) + await file.read() == LARGE
    with pytest.raises(Broken):
        async with await fs.open_async(f"{home}/never", "wb") as file:
            raise Broken
    with pytest.raises(Broken):
        async with fs.transaction:
            await fs._pipe_file(f"{home}/never", b"")
            raise Broken
    async with fs.transaction:
        await fs._mv(f"{home}/0", f"{home}/moved")
    assert not await fs._exists(f"{home}/never")
    assert await fs._cat_file(f"{home}/moved") == b"0"
    await fs.aclose()
