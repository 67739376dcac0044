"""CIDs by the column read and write exactly what `CID` reads and writes one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.cache.index.text import (
    BLOCK_ROWS,
    decode_cid,
    decode_cids,
    encode_cids,
    encode_each,
    group_cids,
    join_cids,
)
from cidbus.schemas.cid import CID, HASHES, IDENTITY, MIN_DIGEST_BYTES
from cidbus.schemas.errors import BadRequest
from cidbus.schemas.varint import encode_varint

SHA = b"\x01\x55\x12\x20"
TEXT = str(CID.of(0x55, b"hello"))


@st.composite
def cids(draw: st.DrawFn) -> CID:
    """CIDs of both versions, of any codec, hash and digest length."""
    if draw(st.integers(0, 4)) == 0:
        return CID(0, 0x70, b"\x12\x20" + draw(st.binary(min_size=32, max_size=32)))
    code = draw(st.sampled_from(sorted(HASHES)))
    full = HASHES[code][1]
    least = 0 if code == IDENTITY else min(full, MIN_DIGEST_BYTES)
    digest = draw(st.binary(min_size=least, max_size=full))
    codec = draw(st.sampled_from([0x55, 0x70, 0x71, 0x0129]) | st.integers(0, 2**62))
    return CID(1, codec, encode_varint(code) + encode_varint(len(digest)) + digest)


def sha_cids(count: int) -> np.ndarray:
    raw = np.random.default_rng(count).integers(0, 256, (count, 36), dtype=np.uint8)
    raw[:, :4] = np.frombuffer(SHA, np.uint8)
    return raw


def rows_of(groups: list) -> list[bytes]:
    """What the groups say of a column, in its order."""
    found = {}
    for group in groups:
        found |= zip(group.rows.tolist(), (row.tobytes() for row in group.raw), strict=True)
    return [found[row] for row in range(len(found))]


@given(st.lists(cids(), max_size=30))
def test_a_mixed_column_is_read_as_its_cids_one_by_one(column):
    groups = decode_cids(pa.array(map(str, column), pa.string()))
    assert rows_of(groups) == [bytes(cid) for cid in column]
    widths = [group.raw.shape[1] for group in groups]
    assert widths == sorted(set(widths))


@given(st.lists(cids(), max_size=30))
def test_a_mixed_column_is_written_as_its_cids_one_by_one(column):
    groups = group_cids(pa.array(map(bytes, column), pa.binary()))
    assert rows_of(groups) == [bytes(cid) for cid in column]
    assert join_cids(groups).to_pylist() == [str(cid) for cid in column]


@given(st.lists(cids(), max_size=80))
def test_some_cids_are_written_as_one_by_one(column):
    assert encode_each([bytes(cid) for cid in column]) == [str(cid) for cid in column]


@given(cids())
def test_a_cid_is_read_from_every_multibase(cid):
    for text in (str(cid), cid.to_base36(), "f" + bytes(cid.to_v1()).hex(), str(cid.to_v1()).upper()):
        assert decode_cid(text) == bytes(CID.parse(text))


@pytest.mark.parametrize("count", [1, 31, 32, 33, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS - 1])
def test_a_column_longer_than_a_block_is_whole(count):
    raw = sha_cids(count)
    each = [row.tobytes() for row in raw]
    text = encode_cids(raw)
    assert text.type == pa.string()
    text.validate(full=True)
    assert text.to_pylist() == encode_each(each) == [str(CID.from_bytes(one)) for one in each]
    (group,) = decode_cids(text)
    assert group.rows.tolist() == list(range(count))
    assert (group.raw == raw).all()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), "dictionary", "chunked"])
def test_every_kind_of_text_column_is_read(kind):
    column = encode_cids(sha_cids(100))
    if kind == "dictionary":
        column = column.dictionary_encode()
    elif kind == "chunked":
        column = pa.chunked_array([column.slice(0, 40), column.slice(40)])
    else:
        column = column.cast(kind)
    assert rows_of(decode_cids(column)) == [row.tobytes() for row in sha_cids(100)]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(36)])
def test_every_kind_of_binary_column_is_read(kind):
    each = [row.tobytes() for row in sha_cids(100)]
    assert rows_of(group_cids(pa.array(each, kind))) == each


def test_a_slice_of_a_column_is_read_from_its_own_start():
    column = encode_cids(sha_cids(50))
    assert rows_of(decode_cids(column.slice(7, 11))) == [row.tobytes() for row in sha_cids(50)[7:18]]


def test_columns_without_rows_have_no_groups():
    assert decode_cids(pa.array([], pa.string())) == []
    assert group_cids(pa.array([], pa.binary())) == []
    assert join_cids([]).to_pylist() == []
    assert encode_each([]) == []
    assert encode_cids(np.empty((0, 36), np.uint8)).to_pylist() == []


BAD_TEXTS = {
    "empty": "",
    "a prefix alone": "b",
    "an upper-case letter": "b" + TEXT[1:].replace(TEXT[20], TEXT[20].upper(), 1),
    "a character out of the alphabet": TEXT[:30] + "1" + TEXT[31:],
    "padding": TEXT + "=",
    "bits in the padding": TEXT[:-1] + chr(ord(TEXT[-1]) + 1),
    "one character less": TEXT[:-1],
    "one character more": TEXT + "a",
    "two characters more": TEXT + "aa",
    "a letter whose upper case is ASCII": TEXT[:30] + "ı" + TEXT[32:],
    "white space": TEXT[:30] + " " + TEXT[31:],
    "an underscore, which integers may have": TEXT[:30] + "_" + TEXT[31:],
    "a version 0 CID under a multibase": encode_cids(sha_cids(1))[0].as_py()[:1] + "ciqa" + "a" * 51,
    "version 2": "b" + "aj" + TEXT[3:],
    "an unknown hash": encode_each([b"\x01\x55\x7f\x20" + bytes(32)])[0],
    "a digest longer than its hash": encode_each([b"\x01\x55\x12\x21" + bytes(33)])[0],
    "a digest that is too short": encode_each([b"\x01\x55\x12\x04" + bytes(4)])[0],
    "a digest that is cut short": encode_each([SHA + bytes(31)])[0],
    "bytes after the digest": encode_each([SHA + bytes(33)])[0],
    "a varint that is not minimal": encode_each([b"\x01\xd5\x00\x12\x20" + bytes(32)])[0],
    "an unknown multibase": "!" + TEXT[1:],
    "a CID over 512 characters": "b" + "a" * 600,
}


@pytest.mark.parametrize("bad", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_text_that_is_not_a_cid_is_refused_by_its_row(bad):
    column = encode_cids(sha_cids(BLOCK_ROWS + 5)).to_pylist()
    column[BLOCK_ROWS + 2] = bad
    with pytest.raises(BadRequest, match=f"row {BLOCK_ROWS + 2}") as refused:
        decode_cids(pa.array(column))
    assert refused.value.field == "cid"
    assert repr(bad[:60]).strip("'") in refused.value.message
    with pytest.raises(BadRequest) as refused:
        decode_cid(bad)
    assert refused.value.field == "cid"


@given(st.integers(1, 58), st.characters())
def test_one_changed_character_is_another_cid_or_refused(at, char):
    text = TEXT[:at] + char + TEXT[at + 1 :]
    try:
        found = decode_cid(text)
    except BadRequest:
        with pytest.raises(BadRequest):
            decode_cids(pa.array([TEXT, text]))
    else:
        assert str(CID.from_bytes(found)) == text
        assert rows_of(decode_cids(pa.array([TEXT, text]))) == [bytes(CID.parse(TEXT)), found]


@pytest.mark.parametrize(
    "bad", [b"", b"\x01", SHA + bytes(31), SHA + bytes(33), b"\x02" + SHA[1:] + bytes(32)]
)
def test_bytes_that_are_not_a_cid_are_refused_by_their_row(bad):
    column = [row.tobytes() for row in sha_cids(5)]
    column[3] = bad
    with pytest.raises(BadRequest, match="row 3") as refused:
        group_cids(pa.array(column, pa.binary()))
    assert refused.value.field == "cid"


@pytest.mark.parametrize("read", [decode_cids, group_cids])
def test_a_row_without_a_cid_is_refused(read):
    kind = pa.string() if read is decode_cids else pa.binary()
    first = TEXT if read is decode_cids else bytes(CID.parse(TEXT))
    with pytest.raises(BadRequest, match="row 1 has no CID"):
        read(pa.array([first, None], kind))


def test_more_kinds_of_cid_than_are_told_apart_are_still_read():
    column = [CID(1, codec, b"\x12\x20" + bytes(32)) for codec in range(200)]
    assert rows_of(decode_cids(pa.array(map(str, column)))) == [bytes(cid) for cid in column]


def test_a_version_0_cid_and_a_version_1_of_its_width_stand_in_one_column():
    column = [CID(0, 0x70, b"\x12\x20" + bytes(32)), CID(1, 0x55, b"\x00\x1e" + bytes(30))]
    raw = np.stack([np.frombuffer(bytes(cid), np.uint8) for cid in column])
    assert encode_cids(raw).to_pylist() == [str(cid) for cid in column]
    assert rows_of(decode_cids(encode_cids(raw))) == [bytes(cid) for cid in column]
