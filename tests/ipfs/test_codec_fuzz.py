"""No bytes make a reader of blocks or CIDs raise anything but our errors, or take more than 64 MiB."""

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import islice

import pytest
from fuzzing import MAX_MEMORY_BYTES, assert_little_memory, assert_only_our_errors, fuzz_each, spoiled
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.car.header import encode_header
from cidbus.actors.ipfs.car.read import open_car
from cidbus.actors.ipfs.codecs import dagcbor, dagjson, dagpb, pbmodel, plain, registry
from cidbus.actors.ipfs.codecs.dagpb import Link
from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.ipns.record import create, decode
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.hamt import Shard, build_shards
from cidbus.actors.ipfs.unixfs.profiles import profile_named
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, DAG_PB, RAW
from cidbus.schemas.varint import encode_varint

LEAF = CID.of(RAW, b"leaf")
OLD = CID.of(DAG_PB, b"old", version=0)
TINY = CID.of(RAW, b"", hash_name="identity")
MIB = 1 << 20
MAX_BYTES = 2 * MIB

VALUES = [
    {"a": [1, -1, 1.5, True, None], "bytes": b"\0\xff", "link": LEAF, "text": 'é☺\U0001f600\n"\\'},
    [[[[{}]]], [], {"": [OLD, TINY]}, (1 << 64) - 1, -(1 << 64), 1e300, -0.0],
    {f"key {number}": number * 257 for number in range(40)},
    {"/": {"/": {"bytes": 1}}, "a": {"/": True}},
]


def codec_name(codec: int) -> CID:
    return CID(1, codec, LEAF.multihash)


def is_small(data: bytes) -> bool:
    """Whether what has been read is also written again; of larger data the memory is measured."""
    return len(data) <= 1 << 16


def read_pb(data: bytes) -> None:
    node = dagpb.decode(data)
    for link in islice(node.links, 100):
        dagpb.read(data)[0].find(link.name)
    del node
    registry.links(codec_name(DAG_PB), data)
    value = pbmodel.decode(data)
    if is_small(data):
        again = pbmodel.encode(value)
        assert pbmodel.encode(pbmodel.decode(again)) == again


def read_car(data: bytes) -> None:
    async def read() -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 100_000):
                yield data[start : start + 100_000]

        async for _ in (await open_car(chunks())).blocks():
            pass

    asyncio.run(read())


def read_record(data: bytes) -> None:
    record = decode(data)
    record.verify(KEY.name, now_ns=0)
    assert decode(record.raw) == record


def read_unixfs(data: bytes) -> None:
    node, links = unixfs.decode_node(data, LEAF)
    if node.type == unixfs.HAMT_SHARD:
        shard = Shard(node, links, LEAF)
        shard.lookup("name")
        for _ in shard.places():
            pass


def read_unixfs_message(data: bytes) -> None:
    unixfs.decode(data)


def read_dag_cbor(data: bytes) -> None:
    value = dagcbor.decode(data)
    if is_small(data):
        assert dagcbor.encode(value) == data
    del value
    dagcbor.links(data)


def read_cbor(data: bytes) -> None:
    value = plain.decode_cbor(data)
    if is_small(data):
        assert plain.encode_cbor(value) == data


def read_dag_json(data: bytes) -> None:
    value = dagjson.decode(data)
    if is_small(data):
        assert dagjson.decode(dagjson.encode(value), canonical=True) == value
    del value
    dagjson.links(data)


def read_json(data: bytes) -> None:
    value = plain.decode_json(data)
    if is_small(data):
        assert plain.decode_json(plain.encode_json(value)) == value


def read_cid(data: bytes) -> None:
    cid = CID.from_bytes(data)
    assert bytes(cid) == data
    assert CID.parse(str(cid)) == cid


def read_cid_text(data: bytes) -> None:
    cid = CID.parse(data.decode("latin-1"))
    assert CID.parse(str(cid)) == cid


def shard_blocks() -> list[bytes]:
    entries = [Link(LEAF, f"name {number}", 4) for number in range(300)]
    return [block for _, block, _ in build_shards(entries, profile_named("unixfs-v1-2025"))]


PB = [
    dagpb.encode([Link(LEAF, "a", 5), Link(OLD, "", 1 << 40), Link(TINY, "é", 0)], b"data"),
    dagpb.encode([Link(TINY, "", 0)] * 20, None),
]
MESSAGES = [
    unixfs.encode(UnixFS(unixfs.FILE, b"abc", 8, [5], mode=0o644, mtime=(-1, 5))),
    unixfs.encode(UnixFS(unixfs.HAMT_SHARD, b"\xff" * 32, hash_type=0x22, fanout=256)),
]
JSON = [dagjson.encode(value) for value in VALUES]
KEY = PrivateKey.of_seed(bytes(32))
RECORDS = [
    create(KEY, b"/ipfs/bafkqaaa", sequence=7, validity_ns=1 << 60, ttl_ns=300 * 10**9, v1=v1)
    for v1 in (True, False)
]


def car_of(*blocks: tuple[CID, bytes]) -> bytes:
    sections = [bytes(cid) + block for cid, block in blocks]
    return encode_header([LEAF, OLD]) + b"".join(encode_varint(len(part)) + part for part in sections)


CARS = [car_of((LEAF, b"leaf")), car_of((LEAF, b"leaf"), (OLD, b"old"), (TINY, b""))]
READERS = {
    "car": (read_car, CARS),
    "ipns record": (read_record, [record.raw for record in RECORDS]),
    "dag-pb": (read_pb, PB),
    "unixfs": (read_unixfs, [*shard_blocks()[-3:], *(dagpb.encode([Link(LEAF, "", 5)], part) for part in MESSAGES)]),
    "unixfs message": (read_unixfs_message, MESSAGES),
    "dag-cbor": (read_dag_cbor, [dagcbor.encode(value) for value in VALUES]),
    "cbor": (read_cbor, [dagcbor.encode(value) for value in VALUES]),
    "dag-json": (read_dag_json, JSON),
    "json": (read_json, JSON),
    "cid": (read_cid, [bytes(cid) for cid in (LEAF, OLD, TINY)]),
    "cid text": (read_cid_text, [str(cid).encode() for cid in (LEAF, OLD, TINY)] + [LEAF.to_base36().encode()]),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_spoiled_bytes_end_in_our_errors(name, data):
    reader, seeds = READERS[name]
    assert_only_our_errors(reader, data.draw(spoiled(seeds)))


# The seeds of the others are refused as they are: links in plain CBOR, shards whose one link has no place.
@pytest.mark.parametrize("name", sorted(READERS.keys() - {"cbor", "unixfs"}))
def test_what_is_not_spoiled_is_read(name):
    reader, seeds = READERS[name]
    for seed in seeds:
        reader(seed)


# Their bytes are those of another reader, read a little differently.
ALIKE = {"unixfs message", "cbor", "json", "cid text"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_spoiled_bytes_end_in_our_errors_and_little_memory():
    """For `CIDBUS_FUZZ_S` seconds each, a quarter of that for those that read what another one reads too."""
    seconds = float(os.environ.get("CIDBUS_FUZZ_S", "3"))
    fuzz_each({name: READERS[name] for name in READERS.keys() - ALIKE}, seconds=seconds)
    fuzz_each({name: READERS[name] for name in ALIKE}, seconds=seconds / 4)


def test_a_reader_that_takes_much_memory_is_seen():
    with pytest.raises(AssertionError, match="MiB for"):
        assert_little_memory(lambda data: data * (MAX_MEMORY_BYTES + MIB), b"x")
    assert_little_memory(lambda data: data * (MAX_MEMORY_BYTES // 2), b"x")


def cbor_list(item: bytes, count: int | None = None) -> bytes:
    count = (MAX_BYTES - 5) // len(item) if count is None else count
    return b"\x9a" + count.to_bytes(4, "big") + item * count


def json_list(item: bytes, count: int | None = None) -> bytes:
    count = MAX_BYTES // (len(item) + 1) - 2 if count is None else count
    return b"[" + b",".join([item] * count) + b"]"


CBOR_BOMBS = {
    "lists that claim two million items each": b"\x9a\x00\x1f\x00\x00" * 400_000,
    "maps that claim two million items each": b"\xba\x00\x0f\x00\x00\x61a" * 290_000,
    "a list that claims more than there is": b"\x9a\xff\xff\xff\xff" + bytes(100),
    "bytes that claim more than there is": b"\x5b" + b"\x7f" * 8,
    "two million levels": b"\x81" * (MAX_BYTES - 1) + b"\0",
    "empty lists": cbor_list(b"\x80"),
    "empty maps": cbor_list(b"\xa0"),
    "as many maps as may be": cbor_list(b"\xa1\x61a\0", 99_999),
    "maps and strings": b"\x82" + cbor_list(b"\xa1\x61a\0", 99_900) + cbor_list(b"\x62ab", 560_000),
    "two-letter strings": cbor_list(b"\x62ab"),
    "integers": cbor_list(b"\x19\x03\xe8"),
    "floats": cbor_list(b"\xfb\x3f\xf1" + b"\x99" * 6),
    "short links": cbor_list(b"\xd8\x2a\x45\0\x01\x55\0\0"),
    "keys": b"\xba\x00\x05\x00\x00" + b"".join(b"\x65%05x\0" % number for number in range(0x50000))[: MAX_BYTES - 5],
    "over two MiB": bytes(MAX_BYTES + 1),
}  # fmt: skip
JSON_BOMBS = {
    "two million levels": b"[" * MAX_BYTES,
    "maps in maps": b'{"a":' * 400_000,
    "empty lists": json_list(b"[]"),
    "as many maps as may be": json_list(b'{"a":0}', 99_999),
    "maps and strings": b"[" + json_list(b'{"a":0}', 99_900) + b"," + json_list(b'"ab"', 250_000) + b"]",
    "strings": json_list(b'"ab"'),
    "links": json_list(b'{"/":"bafkqaaa"}', 99_999),
    "bytes": json_list(b'{"/":{"bytes":"AAAA"}}', 49_999),
    "keys": b"{" + b",".join(b'"%x":0' % number for number in range(200_000)) + b"}",
    "brackets in strings without an end": b'"[' * (MAX_BYTES // 2),
    "escaped quotes without an end": b"[" * 200 + b'"' + b'\\"[' * 690_000,
    "a string of escapes": b'"' + b"\\n" * (MAX_BYTES // 2 - 2) + b'"',
    "half a surrogate again and again": b'"' + b"\\ud800" * 340_000 + b'"',
    "an integer of two million digits": b"9" * MAX_BYTES,
    "a float of two million digits": b"1." + b"9" * (MAX_BYTES - 2),
    "space": b" " * MAX_BYTES,
}
PB_BOMBS = {
    "empty links": b"\x12\x00" * (MAX_BYTES // 2),
    "the shortest links": b"\x12\x06\x0a\x04\x01\x55\x00\x00" * (MAX_BYTES // 8),
    "as many links as may be": b"\x12\x0c\x0a\x04\x01\x55\x00\x00\x12\x02ab\x18\x01" * (MAX_BYTES // 16),
    "a link with a name of two MiB": b"\x12\xfa\xff\x7f" + b"\x0a\x04\x01\x55\0\0\x12\xf1\xff\x7f" + b"n" * (MAX_BYTES - 20),
}  # fmt: skip
DECODERS = {
    "dag-cbor": (dagcbor.decode, CBOR_BOMBS),
    "cbor": (plain.decode_cbor, CBOR_BOMBS),
    "dag-json": (dagjson.decode, JSON_BOMBS),
    "json": (plain.decode_json, JSON_BOMBS),
    "dag-pb": (pbmodel.decode, PB_BOMBS),
    "unixfs": (lambda data: unixfs.decode_node(data, LEAF), PB_BOMBS),
    "links of dag-cbor": (dagcbor.links, CBOR_BOMBS),
    "links of dag-json": (dagjson.links, JSON_BOMBS),
    "links of dag-pb": (lambda data: registry.links(codec_name(DAG_PB), data), PB_BOMBS),
}
# Refused before anything is built, so quick even where memory is traced.
QUICK = {
    "lists that claim two million items each",
    "a list that claims more than there is",
    "bytes that claim more than there is",
    "two million levels",
    "brackets in strings without an end",
    "empty lists",
    "space",
    "empty links",
}


@pytest.mark.parametrize(
    ("decoder", "bomb"),
    [
        pytest.param(name, bomb, id=f"{name}: {bomb}", marks=() if bomb in QUICK else pytest.mark.slow)
        for name, (_, bombs) in DECODERS.items()
        for bomb in bombs
    ],
)
def test_a_bomb_takes_little_memory(decoder, bomb):
    reader, bombs = DECODERS[decoder]
    assert_little_memory(reader, bombs[bomb])
