"""A pack is a CAR, and can be read from front to back without an index."""

from __future__ import annotations

import os

import cbrrr
import pytest

from cidbus.actors.ipfs.store.packs import HEADER, PackFile
from cidbus.actors.ipfs.store.scan import Damage, scan
from cidbus.schemas.cid import CID
from cidbus.schemas.varint import read_varint


async def test_a_pack_is_a_carv1(kit, store):
    blocks = [kit.leaf(os.urandom(size)) for size in (10, 200, 100_000)]
    await kit.add(store, *blocks)
    raw = kit.packs()[0].read_bytes()
    length, at = read_varint(raw, 0)
    header = cbrrr.decode_dag_cbor(raw[at : at + length])
    assert header == {"version": 1, "roots": [cbrrr.CID(bytes.fromhex("01550000"))]}
    at += length
    found = {}
    while at < len(raw):
        length, at = read_varint(raw, at)
        cid, data_at = CID.read(raw, at)
        at += length
        found[cid] = raw[data_at:at]
    assert found == {block.cid: block.data for block in blocks}


async def test_a_scan_tells_every_record(kit, store):
    blocks = [kit.leaf(os.urandom(size)) for size in (0, 1, 100, 20_000, 70_000, 5) for _ in range(40)]
    await kit.add(store, *blocks)
    pack = PackFile(kit.packs()[0])
    records = list(scan(pack))
    assert [record.cid for record in records] == list(dict.fromkeys(block.cid for block in blocks))
    assert all(record.cid.matches(pack.read(record.offset, record.length)) for record in records)


@pytest.mark.parametrize("tail", [b"\0" * 5000, b"\x80", b"\xff" * 20, b"\x26\x01\x55\x12\x20" + bytes(10)])
def test_a_torn_tail_is_one_place_of_damage(tmp_path, tail):
    path = tmp_path / "pack"
    data = b"data"
    record = bytes((36 + len(data),)) + bytes(CID.of(0x55, data)) + data
    path.write_bytes(HEADER + record + tail)
    whole, torn = scan(PackFile(path))
    assert torn == Damage(whole.end, whole.end + len(tail))


def test_an_empty_pack_has_no_records(tmp_path):
    (tmp_path / "pack").write_bytes(HEADER)
    assert list(scan(PackFile(tmp_path / "pack"))) == []
