"""`cidbus://`: the file tree as a file system."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback
from fsspec.compression import compr
from fsspec.core import OpenFile
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import infer_compression

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


@pytest.fixture
def linked(fs: CidbusFileSystem, home: str, asked: Any) -> str:
    """A directory with links: to another directory, around in a circle, and to nowhere."""
    fs.pipe({f"{home}/legal/{name}": name.encode() for name in ("a.txt", "deep/b.txt")})
    links = {"dl": "legal", "circle": ".", "nowhere": "missing", "deep": "dl/deep"}
    for name, target in links.items():
        asked(lambda client, name=name, target=target: client.journal.symlink(f"{home}/{name}", target))
    return home


def test_a_link_to_a_directory_is_looked_at_as_that_directory(fs: CidbusFileSystem, linked: str) -> None:
    at = f"{linked}/dl"
    assert fs.isdir(at)
    assert fs.ls(at, detail=False) == [f"{at}/a.txt", f"{at}/deep"]
    assert fs.find(at) == [f"{at}/a.txt", f"{at}/deep/b.txt"]
    assert fs.find(at, withdirs=True) == [at, f"{at}/a.txt", f"{at}/deep", f"{at}/deep/b.txt"]
    assert fs.glob(f"{at}/*.txt") == [f"{at}/a.txt"]
    assert list(fs.walk(at)) == [(at, ["deep"], ["a.txt"]), (f"{at}/deep", [], ["b.txt"])]
    assert fs.du(at) == len("a.txt") + len("deep/b.txt")
    assert fs.ls(f"{linked}/deep", detail=False) == [f"{linked}/deep/b.txt"]


def test_what_is_below_a_link_is_read(fs: CidbusFileSystem, linked: str, tmp_path: Path) -> None:
    for path in (f"{linked}/dl/deep/b.txt", f"{linked}/circle/circle/deep/b.txt"):
        assert fs.info(path)["name"] == path
        assert fs.exists(path)
        assert fs.cat_file(path) == b"deep/b.txt"
        with fs.open(path) as file:
            assert file.read() == b"deep/b.txt"
    fs.get(f"{linked}/dl", str(tmp_path / "got"), recursive=True)
    assert (tmp_path / "got" / "deep" / "b.txt").read_bytes() == b"deep/b.txt"


def test_whether_a_path_exists_is_always_answered(fs: CidbusFileSystem, linked: str) -> None:
    for path in ("dl/missing", "legal/a.txt/below", "nowhere/below", "dl/a.txt/below", "nul\0", "x/../y"):
        assert fs.exists(f"{linked}/{path}") is False
        assert fs.find(f"{linked}/legal/a.txt/below") == []
    assert fs.exists(f"{linked}/dl") is fs.exists(f"{linked}/nowhere") is True


def test_a_walk_does_not_go_around_in_circles(fs: CidbusFileSystem, linked: str) -> None:
    walked = [path.removeprefix(linked) for path, _, _ in fs.walk(linked)]
    assert walked == ["", "/circle", "/deep", "/dl", "/legal", "/legal/deep"]
    assert f"{linked}/circle" in fs.find(linked, withdirs=True)


def test_what_is_below_a_link_is_copied(fs: CidbusFileSystem, linked: str) -> None:
    fs.cp(f"{linked}/dl/a.txt", f"{linked}/one.txt")
    fs.cp_file(f"{linked}/dl/deep/b.txt", f"{linked}/two.txt")
    fs.cp(f"{linked}/dl/*", f"{linked}/copied/", recursive=True)
    assert fs.cat([f"{linked}/one.txt", f"{linked}/two.txt"]) == {
        f"{linked}/one.txt": b"a.txt", f"{linked}/two.txt": b"deep/b.txt",
    }  # fmt: skip
    assert fs.find(f"{linked}/copied") == [f"{linked}/copied/a.txt", f"{linked}/copied/deep/b.txt"]


def test_a_link_itself_is_moved_and_removed(fs: CidbusFileSystem, linked: str) -> None:
    fs.mv(f"{linked}/dl", f"{linked}/moved")
    assert fs.info(f"{linked}/moved")["destination"] == "legal"
    fs.rm(f"{linked}/moved", recursive=True)
    assert not fs.exists(f"{linked}/moved")
    assert fs.cat_file(f"{linked}/legal/a.txt") == b"a.txt"


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


@pytest.mark.parametrize("cache", ["adaptive", "all", "background", "blockcache", "bytes", "first"])
def test_a_file_is_read_by_any_cache(fs: CidbusFileSystem, home: str, cache: str) -> None:
    fs.pipe_file(f"{home}/file", LARGE)
    with fs.open(f"{home}/file", cache_type=cache) as file:
        assert file.read(100) == LARGE[:100]


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


COMPRESSIONS = [name for name in compr if name is not None]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_is_written_compressed_is_there_when_it_is_closed(
    fs: CidbusFileSystem, home: str, compression: str
) -> None:
    with fs.open(f"{home}/file", "wb", compression=compression, block_size=MIB) as file:
        for start in range(0, len(LARGE), 700_000):
            file.write(LARGE[start : start + 700_000])
        assert file.tell() == len(LARGE)
        assert not fs.exists(f"{home}/file")
    with fs.open(f"{home}/file", compression=compression) as file:
        assert file.read() == LARGE
    with fs.open(f"{home}/text", "wt", compression=compression, encoding="utf-16") as file:
        file.write("één\n")
        file.write("zwei\n")
    with fs.open(f"{home}/text", "r", compression=compression, encoding="utf-16") as file:
        assert file.read() == "één\nzwei\n"


@pytest.mark.parametrize("name", ["file.gz", "file.bz2", "file.xz", "file.zip", "file"])
def test_a_name_tells_how_to_compress(fs: CidbusFileSystem, home: str, name: str) -> None:
    with fs.open(f"{home}/{name}", "wb", compression="infer") as file:
        file.write(b"hello")
    with fs.open(f"{home}/{name}", compression=infer_compression(name)) as file:
        assert file.read() == b"hello"


@pytest.mark.parametrize("compression", [None, *COMPRESSIONS])
@pytest.mark.parametrize("mode", ["wb", "wt"])
def test_what_is_left_by_an_exception_never_was(
    fs: CidbusFileSystem, home: str, asked: Any, mode: str, compression: str | None
) -> None:
    fs.pipe_file(f"{home}/file", b"before")
    with (
        pytest.raises(Broken),
        fs.open(f"{home}/file", mode, compression=compression, block_size=MIB // 4) as file,
    ):
        file.write(LARGE if mode == "wb" else LARGE.hex()[:MIB])
        raise Broken
    assert file.closed
    assert fs.cat_file(f"{home}/file") == b"before"
    assert asked(_drafts) == []


def test_a_compressed_file_that_is_never_closed_is_discarded(fs: CidbusFileSystem, home: str) -> None:
    files = [fs.open(f"{home}/file", "wb", compression="gzip")]
    files[0].write(b"hello")
    with pytest.warns(ResourceWarning, match="not closed"):
        files.clear()
    assert not fs.exists(f"{home}/file")


def test_an_unknown_compression_or_encoding_leaves_nothing_open(fs: CidbusFileSystem, home: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        fs.open(f"{home}/file", "wb", compression="none at all")
    with pytest.raises(LookupError):
        fs.open(f"{home}/file", "w", encoding="none at all")
    assert not fs.exists(f"{home}/file")


def test_a_part_that_did_not_arrive_is_never_missing_in_a_file(
    fs: CidbusFileSystem, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> None:
        raise PermissionError

    file = fs.open(f"{home}/file", "wb", block_size=1000)
    monkeypatch.setattr(writing.Draft, "append", refused)
    with pytest.raises(PermissionError):
        file.write(bytes(1000))
    monkeypatch.undo()
    file.close()
    assert not fs.exists(f"{home}/file")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
@pytest.mark.parametrize("opening", ["filesystem", "url"])
def test_text_is_written_as_into_a_local_file(
    fs: CidbusFileSystem, home: str, tmp_path: Path, encoding: str, opening: str
) -> None:
    for mode in ("w", "a", "a"):
        opened = {
            "filesystem": lambda mode=mode: fs.open(f"{home}/text", mode, encoding=encoding),
            "url": lambda mode=mode: OpenFile(fs, f"{home}/text", mode, encoding=encoding),
        }[opening]()
        with opened as ours, (tmp_path / "text").open(mode, encoding=encoding) as theirs:
            for file in (ours, theirs):
                file.write("één\n")
                file.write("zwei\n")
    assert fs.cat_file(f"{home}/text") == (tmp_path / "text").read_bytes()


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


def test_a_compressed_file_belongs_to_the_transaction_it_is_written_in(
    fs: CidbusFileSystem, home: str
) -> None:
    with fs.transaction:
        left_open = fs.open(f"{home}/file", "wt", compression="gzip")
        left_open.write("hello")
    with fs.open(f"{home}/file", compression="gzip") as file:
        assert file.read() == b"hello"
    with pytest.raises(Broken), fs.transaction:
        left_open = fs.open(f"{home}/file", "wt", compression="gzip")
        left_open.write("something else")
        raise Broken
    assert left_open.closed
    with fs.open(f"{home}/file", compression="gzip") as file:
        assert file.read() == b"hello"


def test_one_operation_too_many_is_refused_at_once(
    fs: CidbusFileSystem, home: str, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cidbus.actors.journal.transactions.MAX_OPERATIONS", 3)
    monkeypatch.setattr("cidbus.client.applying.MAX_OPERATIONS", 3)
    done = []
    with pytest.raises(OSError, match="more than 3 operations in a transaction"), fs.transaction:
        for number in range(10):
            fs.touch(f"{home}/{number}")
            done.append(number)
    assert done == [0, 1, 2]
    assert fs.ls(home) == []

    before = entries(asked)
    with pytest.raises(OSError, match="more than 3 operations in a transaction") as caught:
        fs.rm([f"{home}/{number}" for number in range(4)])
    assert caught.value.errno == errno.EFBIG
    assert entries(asked) == before, "nothing was begun"


def test_files_may_be_committed_one_by_one(fs: CidbusFileSystem, home: str) -> None:
    first, second = (fs.open(f"{home}/{name}", "wb", autocommit=False) for name in ("first", "second"))
    third = fs.open(f"{home}/third", "wt", autocommit=False, compression="gzip")
    for file in (first, second, third):
        file.write(LARGE if file is not third else "text")
        file.close()
    assert fs.ls(home) == []
    first.commit()
    second.discard()
    third.commit()
    assert fs.ls(home, detail=False) == [f"{home}/first", f"{home}/third"]


# ---- options ----------------------------------------------------------------------------------------------


def test_options_that_nobody_knows_are_refused_by_name(system: System) -> None:
    for make in (system.tree, system.ipfs):
        with pytest.raises(TypeError, match="unknown options: banana, verfiy"):
            make(banana=1, verfiy=True)


def test_options_of_every_file_system_are_taken(system: System) -> None:
    fs = system.tree(
        asynchronous=False, loop=None, batch_size=4, use_listings_cache=False, listings_expiry_time=1,
        max_paths=10, skip_instance_cache=True, auto_mkdir=True, s3={"anon": True},
    )  # fmt: skip
    assert fs.isdir("/")
    fs.close()


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
