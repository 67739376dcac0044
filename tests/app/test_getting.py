"""Archives put on disk: whole or not at all, and nothing outside of where they belong."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cidbus.cli.getting import save_file, save_tree
from cidbus.schemas.errors import Conflict, InvalidContent, Unavailable

Entry = tarfile.TarInfo


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, *, target: str = "", content: bytes = b""
) -> tuple[Entry, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, target, len(content), 0o755
    return info, content


def folder(name: str) -> tuple[Entry, bytes]:
    return entry(name, tarfile.DIRTYPE)


def link(name: str, target: str) -> tuple[Entry, bytes]:
    return entry(name, tarfile.SYMTYPE, target=target)


def archive(*entries: tuple[Entry, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


async def stream(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


TREE = archive(
    folder("cid"),
    folder("cid/sub"),
    entry("cid/sub/file", content=b"x" * 5000),
    link("cid/link", "sub/file"),
    entry("cid/größe €", content=b"g"),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def everything_below(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


async def test_a_tree_is_unpacked_under_the_name_of_what_was_asked(here: Path):
    assert await save_tree(stream(TREE), None, "photos") == Path("photos")
    assert everything_below(here) == [
        "photos",
        "photos/größe €",
        "photos/link",
        "photos/sub",
        "photos/sub/file",
    ]
    assert (here / "photos/link").read_bytes() == b"x" * 5000


async def test_a_single_file_is_unpacked_as_a_file(here: Path):
    await save_tree(stream(archive(entry("cid", content=b"one"))), here / "new", "cid")
    assert (here / "new").read_bytes() == b"one"


async def test_an_output_that_is_a_directory_gets_the_tree_inside(here: Path):
    (here / "into").mkdir()
    assert await save_tree(stream(TREE), here / "into", "photos") == here / "into" / "photos"


async def test_a_file_replaces_a_file(here: Path):
    (here / "cid").write_text("old")
    await save_tree(stream(archive(entry("cid", content=b"new"))), None, "cid")
    assert (here / "cid").read_bytes() == b"new"


async def test_a_directory_replaces_nothing(here: Path):
    (here / "photos").mkdir()
    (here / "photos" / "mine").write_text("mine")
    with pytest.raises(Conflict, match="photos exists"):
        await save_tree(stream(TREE), None, "photos")
    (here / "file").write_text("mine")
    with pytest.raises(Conflict, match="file exists"):
        await save_tree(stream(TREE), here / "file", "photos")
    assert everything_below(here) == ["file", "photos", "photos/mine"]


@pytest.mark.parametrize(
    "hostile",
    [
        [entry("../evil", content=b"e")],
        [entry("/tmp/cidbus-evil", content=b"e")],
        [folder("cid"), entry("cid/../../evil", content=b"e")],
        [folder("cid"), entry("cid/./evil", content=b"e")],
        [folder("cid"), link("cid/out", "../.."), entry("cid/out/evil", content=b"e")],
        [folder("cid"), link("cid/out", "/tmp"), entry("cid/out/cidbus-evil", content=b"e")],
        [folder("cid"), link("cid/out", "../../evil")],
        [folder("cid"), link("cid/in", "."), entry("cid/in/evil", content=b"e")],
        [folder("cid"), link("cid/a", "b"), entry("cid/a", content=b"e")],
        [folder("cid"), entry("cid/a", content=b"1"), entry("cid/a", content=b"2")],
        [folder("cid"), entry("cid/passwd", tarfile.LNKTYPE, target="/etc/passwd")],
        [folder("cid"), entry("cid/device", tarfile.CHRTYPE)],
        [folder("cid"), entry("cid/pipe", tarfile.FIFOTYPE)],
        [folder("cid"), entry("elsewhere/file", content=b"e")],
        [entry("one", content=b"1"), entry("two", content=b"2")],
        [],
    ],
)
async def test_a_hostile_archive_is_refused_and_leaves_nothing(
    here: Path, tmp_path: Path, hostile: list[tuple[Entry, bytes]]
):
    with pytest.raises(InvalidContent):
        await save_tree(stream(archive(*hostile)), None, "cid")
    assert everything_below(tmp_path) == ["here"]
    assert not Path("/tmp/cidbus-evil").exists()


async def test_an_archive_that_is_none_is_refused(here: Path):
    with pytest.raises(InvalidContent) as raised:
        await save_tree(stream(b"no tar at all" * 1000), None, "cid")
    assert raised.value.field == "archive"


async def test_an_archive_that_is_cut_short_is_refused_and_leaves_nothing(here: Path):
    with pytest.raises(InvalidContent):
        await save_tree(stream(TREE[:3000]), None, "cid")
    assert everything_below(here) == []


@pytest.mark.parametrize("save", [save_tree, save_file])
async def test_a_stream_that_breaks_off_leaves_nothing(here: Path, save):
    async def breaks() -> AsyncIterator[bytes]:
        yield TREE[:2500]
        raise Unavailable("the answer broke off")

    with pytest.raises(Unavailable):
        await save(breaks(), None, "cid")
    assert everything_below(here) == []


@pytest.mark.parametrize("save", [save_tree, save_file])
async def test_a_cancelled_get_leaves_nothing(here: Path, save):
    waiting = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield TREE[:2500]
        waiting.set()
        await asyncio.Event().wait()

    getting = asyncio.ensure_future(save(stalls(), None, "cid"))
    await waiting.wait()
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert everything_below(here) == []


async def test_an_archive_is_kept_as_it_is(here: Path):
    assert await save_file(stream(TREE), None, "cid.tar") == Path("cid.tar")
    assert (here / "cid.tar").read_bytes() == TREE
