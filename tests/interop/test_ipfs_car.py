"""CAR files go back and forth between ipfs-car, unmodified, and this system."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from .node import INSTALL_S, Cid, JavaScript, Packages

pytestmark = pytest.mark.timeout(INSTALL_S + 60)  # the first of them waits for npm

CAR = {"Content-Type": "application/vnd.ipld.car"}


class IpfsCar:
    """The command line of ipfs-car."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    def __call__(self, command: str, *arguments: str | Path) -> str:
        return self._packages.run("node_modules/ipfs-car/bin.js", command, *arguments).decode().strip()

    def lines(self, command: str, *arguments: str | Path) -> list[str]:
        return sorted(self(command, *arguments).splitlines())


@pytest.fixture(scope="module")
def ipfs_car(packages: Packages) -> IpfsCar:
    return IpfsCar(packages)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file, a large one, deep ones, odd names and a directory of many files."""
    root = tmp_path_factory.mktemp("tree") / "tree"
    files = {
        "a.txt": b"a",
        "empty": b"",
        "large.bin": bytes(range(251)) * 12_000,
        "deep/er/ä ö.txt": b"deep",
        **{f"many/{number:03}": b"%d" % number for number in range(200)},
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture(scope="module")
def packed(ipfs_car: IpfsCar, tree: Path) -> tuple[Cid, Path]:
    """The tree as ipfs-car packs it: its root and the file."""
    car = tree.with_suffix(".car")
    root = Cid(ipfs_car("pack", tree, "--no-wrap", "--output", car).split()[-1])
    return root, car


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def imported(origin: str, car: Path) -> None:
    url = f"{origin}/api/v0/mcp/ipfs/dag/import"
    httpx.post(url, content=car.read_bytes(), headers=CAR).raise_for_status()


def exported(origin: str, root: str, to: Path) -> Path:
    answer = httpx.get(f"{origin}/api/v0/mcp/ipfs/dag/export/{root}").raise_for_status()
    to.write_bytes(answer.content)
    return to


def test_a_packed_directory_is_imported_over_rest(origin: str, packed: tuple[Cid, Path]):
    root, car = packed
    answer = httpx.post(f"{origin}/api/v0/mcp/ipfs/dag/import", content=car.read_bytes(), headers=CAR)
    assert answer.status_code in (200, 201), answer.text
    assert [found["cid"] for found in answer.json()["roots"]] == [root]
    assert httpx.get(f"{origin}/api/v0/mcp/ipfs/cat/{root}/deep/er/ä ö.txt").content == b"deep"


def test_a_packed_directory_is_imported_over_kubos_rpc(cidbus_rpc: JavaScript, packed: tuple[Cid, Path]):
    root, car = packed
    assert cidbus_rpc("dag.import", [car.read_bytes()]) == [{"root": {"cid": root, "pinErrorMsg": ""}}]
    assert cidbus_rpc.read("cat", f"{root}/deep/er/ä ö.txt") == b"deep"


def test_what_is_exported_unpacks_to_the_same_files(
    origin: str, ipfs_car: IpfsCar, packed: tuple[Cid, Path], tree: Path, tmp_path: Path
):
    root, car = packed
    imported(origin, car)
    ours = exported(origin, root, tmp_path / "ours.car")
    ipfs_car("unpack", ours, "--output", tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == contents(tree)


def test_what_is_exported_has_the_same_roots_and_blocks(
    origin: str, ipfs_car: IpfsCar, packed: tuple[Cid, Path], tmp_path: Path
):
    root, car = packed
    imported(origin, car)
    ours = exported(origin, root, tmp_path / "ours.car")
    assert ipfs_car.lines("roots", ours) == ipfs_car.lines("roots", car) == [root]
    assert set(ipfs_car.lines("blocks", ours)) == set(ipfs_car.lines("blocks", car))
    assert ipfs_car.lines("ls", ours, "--verbose") == ipfs_car.lines("ls", car, "--verbose")


def test_both_add_a_directory_under_the_same_cid(
    cidbus_rpc: JavaScript, ipfs_car: IpfsCar, packed: tuple[Cid, Path], tree: Path
):
    """ipfs-car cuts files into MiBs and hangs 1024 on a node, which Kubo calls unixfs-v1-2025."""
    root, _ = packed
    files = [{"path": f"tree/{name}", "content": content} for name, content in contents(tree).items()]
    added = cidbus_rpc("addAll", files, cidVersion=1, chunker="size-1048576", maxFileLinks=1024)
    assert added[-1]["cid"] == root


def test_the_gateways_car_file_unpacks_to_the_same_files(
    origin: str, ipfs_car: IpfsCar, packed: tuple[Cid, Path], tree: Path, tmp_path: Path
):
    root, car = packed
    imported(origin, car)
    ours = tmp_path / "gateway.car"
    ours.write_bytes(httpx.get(f"{origin}/ipfs/{root}?format=car").raise_for_status().content)
    ipfs_car("unpack", ours, "--output", tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == contents(tree)
