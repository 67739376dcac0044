"""Our CAR files and a real Kubo's: the same bytes for whole DAGs, the same blocks for every scope and range."""

import json
import random
import subprocess
from pathlib import Path

import aiohttp
import pytest

from cidbus.actors.ipfs.car.entity import EntityBytes
from cidbus.actors.ipfs.car.importing import import_car
from cidbus.actors.ipfs.car.trail import Trail
from cidbus.actors.ipfs.car.write import write_car
from cidbus.actors.ipfs.codecs.traversal import locate
from cidbus.actors.ipfs.unixfs.directory import build_directory
from cidbus.actors.ipfs.unixfs.importer import Node, import_bytes
from cidbus.actors.ipfs.unixfs.profiles import Profile
from cidbus.schemas.cid import CID, RAW

# A file of 40 leaves under 14 nodes in 4 levels; sharded directories of every size.
SMALL = Profile("small", 1, True, 1000, 3, "block-bytes")
SHARDED = Profile("sharded", 1, True, 1000, 3, "block-bytes", shard_above_bytes=0)
SIZE = 39_500


@pytest.fixture
async def tree(blocks):
    """top/ has file, twice/ (the file again), shards/ (300 entries)."""
    data = random.Random(1).randbytes(SIZE)
    root, made = import_bytes(data, SMALL)
    for cid, block in made:
        await blocks.put(cid, block)
    names = [(f"name {i}", Node(blocks.place(b"%d" % i, RAW), 2, 2)) for i in range(300)]
    shards = await build_directory(names, blocks, SHARDED)
    twice = await build_directory([("a", root), ("b", root)], blocks, SMALL)
    entries = [("file", root), ("shards", shards), ("twice", twice)]
    return (await build_directory(entries, blocks, SMALL)).cid


async def ours(blocks, root: CID, **options) -> bytes:
    return b"".join([piece async for piece in write_car(blocks, root, **options)])


async def test_kubo_imports_our_car_and_exports_the_same_bytes(kubo, blocks, tree, tmp_path: Path):
    car = await ours(blocks, tree)
    (tmp_path / "our.car").write_bytes(car)
    printed = kubo.run("dag", "import", "--enc=json", str(tmp_path / "our.car"))
    root = json.loads(printed.splitlines()[0])["Root"]
    assert (root["Cid"]["/"], root["PinErrorMsg"]) == (str(tree), "")
    assert kubo.run("dag", "export", str(tree)) == car


async def test_we_import_what_kubo_exports(kubo, store, cars, tmp_path: Path):
    (tmp_path / "file").write_bytes(random.Random(2).randbytes(3 << 20))
    root = kubo.run("add", "-Q", str(tmp_path / "file")).decode().strip()
    car = kubo.run("dag", "export", root)
    imported = await import_car(store, cars.chunks(car))
    assert [(found.cid, found.pinned) for found in imported.roots] == [(root, True)]
    assert await ours(store, CID.parse(root)) == car


@pytest.mark.parametrize("dups", ["y", "n"])
@pytest.mark.parametrize(
    ("path", "query"),
    [
        *((path, f"dag-scope={scope}") for scope in ("block", "entity", "all")
          for path in ("", "file", "shards", "shards/name 7", "twice", "twice/b")),
        *(("file", f"entity-bytes={text}") for text in (
            "0:*", "0:0", "999:1000", "1000:1999", "5000:12345", "39499:*", "-1:*", "-1500:*", "-99999:10",
            "500:-500", "0:-1", "-3000:-2000", "39000:99999",
        )),
        ("shards", "entity-bytes=5:10"),
    ],
)  # fmt: skip
async def test_the_gateway_of_kubo_sends_the_same_blocks(
    path, query, dups, kubo, blocks, tree, cars, tmp_path
):
    (tmp_path / "our.car").write_bytes(await ours(blocks, tree))
    kubo.run("dag", "import", str(tmp_path / "our.car"))
    accept = {"Accept": f"application/vnd.ipld.car; version=1; order=dfs; dups={dups}"}
    if query.startswith("entity-bytes"):
        query += "&dag-scope=entity"  # which a range implies, but for Kubo
    url = f"{kubo.gateway_url}/ipfs/{tree}/{path}?format=car&{query}&car-dups={dups}"
    async with aiohttp.ClientSession() as http, http.get(url, headers=accept) as answer:
        assert answer.status == 200
        theirs = await cars.read(await answer.read())
    trail = Trail(blocks)
    target = (await locate(trail, tree, path)).cid
    key, _, value = query.partition("&")[0].partition("=")
    options = {"scope": value} if key == "dag-scope" else {"entity_bytes": EntityBytes.parse(value)}
    car = await ours(blocks, target, path_blocks=trail.cids, dups=dups == "y", **options)
    found = await cars.read(car)
    assert [str(cid) for cid, _ in found[1]] == [str(cid) for cid, _ in theirs[1]]
    assert found == theirs


async def test_a_root_that_is_not_whole_is_pinned_by_neither(kubo, store, cars, tmp_path):
    root, found = import_bytes(random.Random(3).randbytes(5000), SMALL)
    gone = found.pop(2)[0]
    car = cars.car([root.cid], found)
    (tmp_path / "broken.car").write_bytes(car)
    imported = await import_car(store, cars.chunks(car))
    assert (imported.roots[0].pinned, imported.roots[0].error) == (False, f"block not found: {gone}")
    with pytest.raises(subprocess.CalledProcessError):
        kubo.run("dag", "import", str(tmp_path / "broken.car"))
