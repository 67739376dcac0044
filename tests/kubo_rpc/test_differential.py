"""The same calls to cidbus and to a real Kubo: the same status, and the same body or one of the same shape.

What differs on purpose is in docs/kubo-rpc.md and is not asked here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from kubo_daemon import KuboDaemon

from .conftest import ABSENT, B_CID, HELLO, HELLO_CID, HELLO_RAW, SUB_CID, TREE, TREE_CID, Answer, Rpc

NODE = b'{"a":{"b":[1,2]},"l":{"/":"%s"}}' % HELLO_CID.encode()
NODE_CID = "bafyreif3clppaok3dtlhto5ifyy4mjcio7gmwy4ijutoackyal2zxjptye"
BLOCK = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
ZEROS = {"z": bytes(600_000)}

# One call: command, arguments, options, files.
Asked = tuple[str, tuple[str, ...], dict[str, Any], dict[str, bytes] | None]


def ask(command: str, *args: str, files: dict[str, bytes] | None = None, **options: Any) -> Asked:
    return command, args, options, files


SAME = [
    ask("add", files=TREE),
    ask("add", files=TREE, wrap_with_directory=True),
    ask("add", files={"a": HELLO}, progress=True),
    ask("add", files={"a": HELLO}, cid_version=1),
    *(ask("add", files=ZEROS, **{name: value}) for name, value in [
        ("raw_leaves", True), ("chunker", "size-1000"), ("max_file_links", 3), ("hash", "sha2-512"),
        ("hash", "blake3"), ("hash", "sha3-256"), ("hash", "blake2b-256"), ("only_hash", True),
        ("cid_base", "base36"), ("cid_version", 0), ("cid_version", 2), ("chunker", "size-0"),
        ("chunker", "foo"), ("chunker", "size-2000000"), ("hash", "nope"),
    ]),
    ask("add"),
    ask("cat", HELLO_CID), ask("cat", f"{TREE_CID}/sub/b"), ask("cat", HELLO_CID, B_CID, offset=5, length=9),
    ask("cat", HELLO_CID, offset=100), ask("cat", HELLO_CID, length=0), ask("cat", HELLO_CID, offset=-1),
    ask("cat", TREE_CID), ask("cat", ABSENT), ask("cat", f"{TREE_CID}/nope"), ask("cat"),
    ask("cat", HELLO_CID, length="x"), ask("nothing"),
    ask("ls", TREE_CID), ask("ls", TREE_CID, stream=True), ask("ls", HELLO_CID), ask("ls", ABSENT),
    ask("ls", f"{TREE_CID}/nope"), ask("ls", f"{TREE_CID}/sub"),
    ask("refs", TREE_CID), ask("refs", TREE_CID, recursive=True, edges=True),
    ask("refs", TREE_CID, recursive=True, max_depth=1), ask("refs", TREE_CID, format="<src> <linkname>"),
    ask("resolve", f"/ipfs/{TREE_CID}/sub/b"), ask("resolve", TREE_CID), ask("resolve", f"{TREE_CID}/nope"),
    ask("block/put", files={"b": b"hello"}), ask("block/put", files={"b": b"hello"}, cid_codec="dag-pb"),
    ask("block/put", files={"b": b"hello"}, format="v0"),
    ask("block/put", files={"b": b"hello"}, mhtype="sha2-512"),
    ask("block/put", files={"b": b"hello"}, mhtype="nope"),
    ask("block/put", files={"b": b"hello"}, cid_codec="nope"),
    ask("block/get", BLOCK), ask("block/stat", BLOCK), ask("block/stat", ABSENT), ask("block/rm", HELLO_CID),
    ask("block/rm", BLOCK), ask("block/rm", ABSENT), ask("block/rm", ABSENT, force=True),
    ask("pin/add", TREE_CID, name="tree"), ask("pin/ls", TREE_CID, names=True),
    ask("pin/ls", f"{TREE_CID}/sub"), ask("pin/ls", ABSENT), ask("pin/ls", type="bogus"),
    ask("pin/ls", name="tre"), ask("pin/ls", name="no such name"), ask("pin/add", ABSENT),
    ask("pin/rm", ABSENT), ask("pin/rm", SUB_CID), ask("pin/update", ABSENT, TREE_CID),
    ask("pin/add", B_CID, recursive=False), ask("pin/rm", B_CID, recursive=False),
    ask("dag/put", files={"n": NODE}), ask("dag/put", files={"n": NODE}, store_codec="dag-json"),
    ask("dag/put", files={"n": NODE}, store_codec="nope"), ask("dag/get", NODE_CID),
    ask("dag/get", f"{NODE_CID}/a/b/1"), ask("dag/get", f"{NODE_CID}/l"),
    ask("dag/get", NODE_CID, output_codec="dag-cbor"), ask("dag/get", ABSENT),
    ask("dag/resolve", f"{NODE_CID}/a/b"), ask("dag/resolve", f"{NODE_CID}/l"),
    ask("dag/stat", NODE_CID, progress=False), ask("dag/export", NODE_CID), ask("dag/export", ABSENT),
    ask("key/rm", "nobody"), ask("key/rm", "self"), ask("key/rename", "nobody", "x"),
    ask("name/publish", HELLO_CID, key="nobody", allow_offline=True),
    *(ask("cid/format", cid, **options) for cid in (HELLO_CID, HELLO_RAW) for options in (
        {}, {"v": 1}, {"v": 0}, {"b": "base36"}, {"mc": "dag-cbor"}, {"f": "%P %b %m %d %S"}, {"f": "%Q"},
        {"f": "%"}, {"b": "nope"}, {"mc": "nope"}, {"v": 7},
    )),
    ask("cid/base32", HELLO_CID), ask("multibase/encode", files={"f": b"hi"}),
    ask("multibase/decode", files={"f": b"maGk"}), ask("multibase/transcode", files={"f": b"maGk"}, b="z"),
    ask("config", "No.Such"),
]  # fmt: skip

# One after the other, on a tree that is empty before and after; what was written has other CIDs than Kubo's.
FILES = [
    ask("files/ls"), ask("files/ls", "/"), ask("files/ls", "/none"), ask("files/ls", "x"), ask("files/ls", ""),
    ask("files/mkdir", "/d"), ask("files/mkdir"), ask("files/mkdir", "/d"), ask("files/mkdir", "/d", p=""),
    ask("files/mkdir", "/e/f", cid_version=7),
    ask("files/write", "/d/f"),
    ask("files/write", "/d/f", files={"data": HELLO}, e=True, o=3, n=5, t=True),
    ask("files/read", "/d/f"), ask("files/read", "/d/f", offset="x"), ask("files/read", "/d/f", o=2, n=4),
    ask("files/ls", "/d"), ask("files/ls", "/d/f"), ask("files/ls", "/d/f/g"), ask("files/ls", "/d/f/g/h"),
    ask("files/mkdir", "/d/f"),
    ask("files/mkdir", "/d/f", parents=True), ask("files/stat", "/d/f/g"), ask("files/stat"),
    ask("files/cp", f"/ipfs/{TREE_CID}", "/t"), ask("files/stat", "/t"), ask("files/ls", "/t", l=True),
    ask("files/stat", "/t/sub", hash=True), ask("files/stat", "/t/sub", format="<size>", size=True),
    ask("files/cp", f"/ipfs/{ABSENT}", "/u"), ask("files/cp", "/t"),
    ask("files/cp", f"/ipfs/{NODE_CID}", "/u"), ask("files/cp", "/t", "/d/f/g"), ask("files/cp", "/t", "/"),
    ask("files/cp", "/t", "/v/w"), ask("files/cp", "/t/sub", "/t/sub"), ask("files/cp", "/t/", "/d/"),
    ask("files/mv", "/t", "/d/f/g"), ask("files/mv", "/", "/x"), ask("files/mv", "/t", "/none/x"),
    ask("files/mv", "/t/a.txt", "/d/f"), ask("files/read", "/d/f"), ask("files/mv", "/t", "/d/f"),
    ask("files/read", "/d/f"), ask("files/mv", "/d/f", "/t"),
    ask("files/chmod", "0644", "x"), ask("files/chmod", "999", "/d"), ask("files/touch", "x"),
    ask("files/flush", "t/sub"),
    ask("files/rm", "/t"), ask("files/rm"), ask("files/rm", ""), ask("files/rm", "/t/none/x"),
    ask("files/rm", "/t/none/x", force=True), ask("files/rm", "/t/", "/d", r=True),
    ask("add", files={"a": HELLO}, to_files="/"), ask("add", files={"a": HELLO}, to_files="/b"),
    ask("files/ls"), ask("files/rm", "/a", "/b"), ask("files/ls"),
]  # fmt: skip

ALIKE = [
    ask("version"), ask("key/gen", "one"), ask("key/gen", "one"), ask("key/list"),
    ask("key/rename", "one", "two"), ask("key/rm", "two"), ask("repo/stat"), ask("repo/stat", size_only=True),
    ask("repo/version"), ask("name/publish", HELLO_CID, allow_offline=True), ask("name/resolve"),
    ask("refs/local"), ask("pin/ls"), ask("pin/ls", stream=True),
    ask("pin/verify", verbose=True),
    ask("cid/bases"), ask("cid/codecs"), ask("cid/hashes"), ask("config", "Addresses.API"),
]  # fmt: skip


@asynccontextmanager
async def filled(ours: Rpc, kubo: KuboDaemon) -> AsyncIterator[tuple[Rpc, Rpc]]:
    """This node and Kubo, both with the same content."""
    # Kubo resets a connection whose request it refused without reading it, and so the next one on it.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        nodes = ours, Rpc(session, kubo.rpc_url)
        for node in nodes:
            await node.add(TREE)
            await node("dag/put", files={"n": NODE})
            await node("block/put", files={"b": b"hello"})
        yield nodes


@pytest.fixture
async def both(rpc, kubo) -> AsyncIterator[tuple[Rpc, Rpc]]:
    async with filled(rpc, kubo) as nodes:
        yield nodes


@pytest.fixture
async def both_trees(tree_rpc, kubo) -> AsyncIterator[tuple[Rpc, Rpc]]:
    async with filled(tree_rpc, kubo) as nodes:
        yield nodes


async def asked(node: Rpc, call: Asked) -> Answer:
    command, args, options, files = call
    return await node(command, *args, files=files, **options)


async def test_the_same_is_answered(both):
    assert not await differences(both, SAME)


async def test_the_same_is_answered_of_the_file_tree(both_trees):
    assert not await differences(both_trees, FILES)


async def differences(nodes: tuple[Rpc, Rpc], calls: list[Asked]) -> list[Any]:
    """The calls to which one node answers something else than the other, with both answers."""
    different: list[Any] = []
    for call in calls:
        ours, theirs = [await asked(node, call) for node in nodes]
        if (ours.status, value(ours)) != (theirs.status, value(theirs)):
            different.append((call[:3], ours.status, ours.body[:300], theirs.status, theirs.body[:300]))
    return different


async def test_answers_have_the_same_shape(both):
    different = []
    for call in ALIKE:
        ours, theirs = [await asked(node, call) for node in both]
        if (ours.status, shape(value(ours))) != (theirs.status, shape(value(theirs))):
            different.append((call[:3], ours.status, ours.body[:300], theirs.status, theirs.body[:300]))
    assert not different


def value(answer: Answer) -> Any:
    """The JSON lines of an answer, numbers in Go's precision, or its bytes."""
    try:
        return [
            json.loads(line, parse_float=lambda text: round(float(text), 5))
            for line in answer.body.splitlines()
        ]
    except ValueError:
        return answer.body


def shape(found: Any) -> Any:
    """Names of fields and kinds of values; of lists the kinds of their items."""
    if isinstance(found, dict):
        if found and all(len(key) > 40 for key in found):  # keyed by CIDs
            return {"<cid>": shape(next(iter(found.values())))}
        return {key: shape(below) for key, below in found.items()}
    if isinstance(found, list):
        return sorted({json.dumps(shape(below), sort_keys=True) for below in found})
    return type(found).__name__
