"""`ipfs://`: content by its CID, over HTTP and over NATS, trusted and verified."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import fsspec
import pytest
from aiohttp import web

from cidbus.client import Client
from cidbus.filesystem import IpfsFileSystem

from .conftest import MIB, Elsewhere, System

# Some blocks, the last not full.
LARGE = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(3 * MIB // 32 + 100))


@pytest.fixture(scope="module")
def root(system: System, elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("content") / "album"
    (folder / "below").mkdir(parents=True)
    (folder / "small.txt").write_bytes(b"hello")
    (folder / "empty").write_bytes(b"")
    (folder / "below" / "large.bin").write_bytes(LARGE)
    (folder / "link").symlink_to("small.txt")

    async def add() -> str:
        async with Client.connect(system.url) as client:
            return (await client.ipfs.add(folder)).cid

    cid: str = elsewhere.run(add())
    return cid


@pytest.fixture(params=["http", "http verified", "nats", "nats verified"])
def fs(request: pytest.FixtureRequest, system: System) -> IpfsFileSystem:
    way, _, verified = request.param.partition(" ")
    address = {"url": system.url} if way == "http" else {"nats": system.nats, "seed": system.seed}
    return IpfsFileSystem(**address, verify=bool(verified))


def test_a_directory_is_listed_with_sizes_types_and_cids(fs: IpfsFileSystem, root: str) -> None:
    found = {info["name"].removeprefix(root): info for info in fs.ls(root)}
    assert {name: (info["type"], info["size"]) for name, info in found.items()} == {
        "/below": ("directory", 0), "/empty": ("file", 0), "/link": ("link", 0), "/small.txt": ("file", 5),
    }  # fmt: skip
    assert fs.info(f"{root}/link")["destination"] == "small.txt"
    assert fs.find(f"ipfs://{root}/below") == [f"{root}/below/large.bin"]
    assert fs.glob(f"{root}/**/*.bin") == [f"{root}/below/large.bin"]
    large = f"/ipfs/{root}/below/large.bin"
    assert fs.ukey(large) == fs.checksum(large) == fs.info(large)["cid"]
    assert fs.cat(fs.info(large)["cid"]) == LARGE, "a CID alone is a path"


def test_any_range_is_the_slice_of_the_file(fs: IpfsFileSystem, root: str) -> None:
    path = f"{root}/below/large.bin"
    cuts = [None, 0, 1, MIB - 1, MIB, 2 * MIB + 5, len(LARGE), len(LARGE) + 9, -1, -MIB, -len(LARGE) - 9]
    slices = [(start, end) for start in cuts for end in cuts]
    parts = fs.cat_ranges([path] * len(slices), [s for s, _ in slices], [e for _, e in slices])
    for (start, end), part in zip(slices, parts, strict=True):
        assert part == LARGE[start:end], (start, end)
    assert fs.cat_file(path, start=-3) == LARGE[-3:]


def test_an_open_file_reads_seeks_and_ends_like_a_local_one(
    fs: IpfsFileSystem, root: str, tmp_path: Path
) -> None:
    local = tmp_path / "large.bin"
    fs.get_file(f"{root}/below/large.bin", local)
    steps = [(0, 10), (5, MIB), (2 * MIB, 7), (2 * MIB - 3, 3 * MIB), (len(LARGE), 5), (9, 0), (100, 70_000)]
    for cache in ("readahead", "blockcache", "none", "cidbus-ahead"):
        with (
            fs.open(f"{root}/below/large.bin", cache_type=cache, block_size=MIB) as ours,
            local.open("rb") as theirs,
        ):
            for place, size in steps:
                assert ours.seek(place) == theirs.seek(place)
                assert ours.read(size) == theirs.read(size), (cache, place, size)
                assert ours.tell() == theirs.tell()
    with fs.open(f"{root}/small.txt", "r") as text:
        assert text.read() == "hello"
    with fs.open(f"{root}/empty") as empty:
        assert empty.read() == b""


def test_what_is_not_there_or_no_file_is_an_error_of_the_operating_system(
    fs: IpfsFileSystem, root: str
) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        fs.cat_file(f"{root}/missing")
    with pytest.raises(IsADirectoryError):
        fs.open(f"{root}/below")
    with pytest.raises(OSError, match="begins with a CID"):
        fs.ls("photos")
    assert not fs.exists(f"{root}/missing")
    first, second = fs.cat_ranges([f"{root}/missing", f"{root}/small.txt"], [0, 1], [1, 3])
    assert isinstance(first, FileNotFoundError)
    assert second == b"el"


@pytest.mark.parametrize(
    "change",
    [
        lambda fs, root: fs.pipe(f"{root}/new", b""),
        lambda fs, root: fs.open(f"{root}/new", "wb"),
        lambda fs, root: fs.rm(f"{root}/small.txt"),
        lambda fs, root: fs.mkdir(f"{root}/new"),
        lambda fs, root: fs.makedirs(f"{root}/new", exist_ok=True),
        lambda fs, root: fs.rmdir(f"{root}/below"),
        lambda fs, root: fs.cp(f"{root}/small.txt", f"{root}/new"),
        lambda fs, root: fs.mv(f"{root}/small.txt", f"{root}/new"),
        lambda fs, root: fs.touch(f"{root}/new"),
        lambda fs, root: fs.put(__file__, f"{root}/new"),
    ],
)  # fmt: skip
def test_nothing_can_be_changed(system: System, root: str, change: Any) -> None:
    with pytest.raises(OSError, match="read only"):
        change(system.ipfs(), root)


async def test_it_works_on_the_event_loop_of_its_caller(system: System, root: str) -> None:
    fs = system.ipfs(asynchronous=True, skip_instance_cache=True)
    parts = await asyncio.gather(*(fs._cat_file(f"{root}/below/large.bin", n, n + 9) for n in range(50)))
    assert parts == [LARGE[n : n + 9] for n in range(50)]
    async with await fs.open_async(f"{root}/small.txt") as file:
        assert await file.read(2) + await file.read() == b"hello"
    await fs.aclose()


def test_both_protocols_are_registered_with_fsspec() -> None:
    ours = {
        point.name: point.value for point in entry_points(group="fsspec.specs") if "cidbus" in point.value
    }
    assert ours == {
        "cidbus": "cidbus.filesystem:CidbusFileSystem", "ipfs": "cidbus.filesystem:IpfsFileSystem",
    }  # fmt: skip
    fsspec.register_implementation("ipfs", "cidbus.filesystem.IpfsFileSystem", clobber=True)
    assert {fsspec.get_filesystem_class(name).protocol for name in ours} == {"cidbus", "ipfs"}


def test_one_connection_serves_all_file_systems_with_the_same_options(system: System, root: str) -> None:
    one, other = system.ipfs(), system.ipfs(verify=True)
    assert one.cat(f"{root}/small.txt") == other.cat(f"{root}/small.txt")
    assert one._connection is other._connection
    one.close()
    assert other.cat(f"{root}/small.txt") == b"hello", "it opens again"


def test_a_forked_child_reads_by_a_connection_of_its_own(system: System, root: str) -> None:
    program = f"""
import multiprocessing
from cidbus.filesystem import IpfsFileSystem
fs = IpfsFileSystem({system.url!r})
file = fs.open("{root}/below/large.bin", cache_type="none")
assert file.read(9) == {LARGE[:9]!r}
def read():
    assert file.read(9) == {LARGE[9:18]!r}
    assert fs.cat("{root}/small.txt") == IpfsFileSystem({system.url!r}).cat("{root}/small.txt") == b"hello"
child = multiprocessing.get_context("fork").Process(target=read)
child.start()
child.join()
assert child.exitcode == 0
read()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_headers_and_tokens_are_sent_and_the_environment_names_the_system(
    system: System, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="not both"):
        IpfsFileSystem(url=system.url, nats=system.nats)
    with pytest.raises(ValueError, match="for HTTP"):
        IpfsFileSystem(nats=system.nats, token="secret")
    monkeypatch.setenv("CIDBUS_URL", system.url)
    assert IpfsFileSystem(skip_instance_cache=True).cat(f"{root}/small.txt") == b"hello"
    with pytest.raises(OSError, match="no bridge answers"):
        IpfsFileSystem(url="http://127.0.0.1:9", skip_instance_cache=True).ls(root)


# ---- a system that lies -------------------------------------------------------------------------------


class Liar:
    """A bridge between a client and a true one, that changes a byte of every block and file."""

    def __init__(self, true_url: str) -> None:
        self._true_url = true_url
        self.seen: list[tuple[str, str | None]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        import aiohttp

        self.seen.append((request.path, request.headers.get("Authorization")))
        async with aiohttp.ClientSession() as session, session.get(self._true_url + request.path_qs) as true:
            body = bytearray(await true.read())
            if body and ("/block/get/" in request.path or "/cat/" in request.path):
                body[len(body) // 2] ^= 1
            return web.Response(body=bytes(body), status=true.status, content_type=true.content_type)

    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


@pytest.fixture
def liar(system: System, elsewhere: Elsewhere) -> Iterator[tuple[Liar, str]]:
    liar = Liar(system.url)
    serving = liar.serve()
    yield liar, elsewhere.run(anext(serving))
    elsewhere.run(anext(serving, None))


def test_a_system_that_changes_bytes_is_found_out(liar: tuple[Liar, str], root: str) -> None:
    bridge, url = liar
    path = f"{root}/below/large.bin"
    believing = IpfsFileSystem(url=url, token="secret", skip_instance_cache=True)
    assert believing.cat(path) != LARGE, "or this tests nothing"
    assert {sent for _, sent in bridge.seen} == {"Bearer secret"}
    checking = IpfsFileSystem(url=url, verify=True, skip_instance_cache=True)
    for read in (checking.cat, checking.info, checking.open, lambda path: checking.ls(root)):
        with pytest.raises(OSError, match="does not match its CID"):
            read(path)
