"""ipfsspec, unmodified: fsspec reads `ipfs://` addresses through our gateway."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from ipfsspec import AsyncIPFSFileSystem

from .node import INSTALL_S, Cid, JavaScript

pytestmark = pytest.mark.timeout(INSTALL_S + 60)  # the first of them waits for npm

TREE = [
    {"path": "site/index.html", "content": b"<h1>hi</h1>"},
    {"path": "site/data/numbers.bin", "content": bytes(range(251)) * 4_000},
    {"path": "site/data/text.txt", "content": b"text"},
]
NUMBERS: bytes = TREE[1]["content"]  # type: ignore[assignment]


@pytest.fixture(scope="module")
def ipfs(origin: str) -> fsspec.AbstractFileSystem:
    """By its class: the protocol's name is that of our own file system, where both are installed."""
    return AsyncIPFSFileSystem(gateway_addr=origin)


@pytest.fixture(scope="module")
def site(cidbus_rpc: JavaScript) -> Cid:
    root: Cid = cidbus_rpc("addAll", TREE, cidVersion=1)[-1]["cid"]
    return root


def test_a_file_is_read(ipfs: fsspec.AbstractFileSystem, site: Cid):
    assert ipfs.cat_file(f"{site}/index.html") == b"<h1>hi</h1>"
    assert ipfs.cat_file(f"{site}/data/numbers.bin") == NUMBERS


def test_a_range_of_a_file_is_read(ipfs: fsspec.AbstractFileSystem, site: Cid):
    assert ipfs.cat_file(f"{site}/data/numbers.bin", start=1000, end=1010) == NUMBERS[1000:1010]


def test_an_open_file_is_read_where_it_is_sought(ipfs: fsspec.AbstractFileSystem, site: Cid):
    with ipfs.open(f"{site}/data/numbers.bin", "rb") as file:
        file.seek(-7, 2)
        assert file.read() == NUMBERS[-7:]


def test_a_directory_is_listed(ipfs: fsspec.AbstractFileSystem, site: Cid):
    listed = {entry["name"]: entry["type"] for entry in ipfs.ls(str(site), detail=True)}
    assert listed == {f"{site}/data": "directory", f"{site}/index.html": "file"}
    assert sorted(ipfs.find(str(site))) == [
        f"{site}/data/numbers.bin",
        f"{site}/data/text.txt",
        f"{site}/index.html",
    ]


def test_a_path_says_what_it_is(ipfs: fsspec.AbstractFileSystem, site: Cid):
    info = ipfs.info(f"{site}/data/numbers.bin")
    assert (info["type"], info["size"]) == ("file", len(NUMBERS))
    assert ipfs.info(f"{site}/data")["type"] == "directory"
    assert ipfs.isdir(f"{site}/data")
    assert not ipfs.exists(f"{site}/nothing")


def test_a_path_that_is_not_there_is_not_found(ipfs: fsspec.AbstractFileSystem, site: Cid):
    with pytest.raises(FileNotFoundError):
        ipfs.cat_file(f"{site}/nothing")


def test_a_file_is_fetched_to_disk(ipfs: fsspec.AbstractFileSystem, site: Cid, tmp_path: Path):
    ipfs.get(f"{site}/data/numbers.bin", str(tmp_path / "numbers.bin"))
    assert (tmp_path / "numbers.bin").read_bytes() == NUMBERS
