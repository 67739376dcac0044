"""cid/* and multibase/*."""

from __future__ import annotations

import pytest

from .conftest import HELLO_CID, HELLO_RAW

HELLO_V1 = "bafybeifg5m232m4agrs2ca2tavt3tpcbxt35n2inkwydrlsfzeeuuhwkty"


async def formatted(rpc, cid: str, **options: str) -> str:
    (line,) = (await rpc("cid/format", cid, **options)).lines
    assert line["CidStr"] == cid
    assert not line["ErrorMsg"]
    return line["Formatted"]


@pytest.mark.parametrize(
    ("cid", "options", "expected"),
    [
        (HELLO_CID, {}, HELLO_CID),
        (HELLO_CID, {"v": "1"}, "zdj7WgfUn4YDd4KuBqvKLz2A44PhxDq1JWtE2Qef7D6mPFDxh"),
        (HELLO_CID, {"b": "z"}, "zdj7WgfUn4YDd4KuBqvKLz2A44PhxDq1JWtE2Qef7D6mPFDxh"),
        (HELLO_CID, {"mc": "dag-cbor"}, "zdpuAwf2BSq6MDPJekTCNMvRUhsrFH1dphpnA2LJQfxMsXYhb"),
        (HELLO_CID, {"v": "1", "b": "base32"}, HELLO_V1),
        (HELLO_V1, {"v": "0"}, HELLO_CID),
        (HELLO_V1, {"mc": "raw"}, "bafkreifg5m232m4agrs2ca2tavt3tpcbxt35n2inkwydrlsfzeeuuhwkty"),
        (HELLO_RAW, {"f": "%P"}, "cidv1-raw-sha2-256-32"),
        (HELLO_CID, {"f": "%M-%b%%"}, f"{HELLO_CID}-base58btc%"),
        (HELLO_RAW, {"f": "%v %V %c %C %h %H %L %B"}, "cidv1 1 raw 85 sha2-256 18 32 b"),
    ],
)
async def test_a_cid_is_written_otherwise(rpc, cid, options, expected):
    assert await formatted(rpc, cid, **options) == expected


async def test_what_is_no_cid_is_told_beside_the_others(rpc):
    lines = (await rpc("cid/base32", HELLO_CID, "zzzz", HELLO_RAW)).lines
    assert [line["Formatted"] for line in lines] == [HELLO_V1, "", HELLO_RAW]
    assert lines[1]["ErrorMsg"].startswith("invalid cid")
    (line,) = (await rpc("cid/format", HELLO_RAW, v="0")).lines
    assert line["ErrorMsg"]


async def test_formats_that_cannot_be_are_refused(rpc):
    assert (await rpc("cid/format", HELLO_CID, f="%Q")).error == "unrecognized specifier in format string: %Q"
    assert (await rpc("cid/format", HELLO_CID, f="%")).error == "premature end of format string"
    assert (await rpc("cid/format", HELLO_CID, b="nope")).status == 500
    assert (await rpc("cid/format", HELLO_CID, mc="nope")).error == 'unknown multicodec: "nope"'
    assert (await rpc("cid/format", HELLO_CID, v="7")).error == 'invalid cid version: "7"'


async def test_what_is_understood_is_listed(rpc):
    assert {"Code": 98, "Name": "base32"} in (await rpc("cid/bases")).json
    assert {"Code": 98, "Name": "base32"} in (await rpc("multibase/list")).json
    assert {"Code": 113, "Name": "dag-cbor"} in (await rpc("cid/codecs")).json
    assert {"Code": 18, "Name": "sha2-256"} in (await rpc("cid/hashes", supported=True)).json


async def test_multibase_texts_are_made_and_read(rpc):
    assert (await rpc("multibase/encode", files={"f": b"hello"})).body == b"uaGVsbG8"
    assert (await rpc("multibase/encode", files={"f": b"hello"}, b="base16")).body == b"f68656c6c6f"
    assert (await rpc("multibase/decode", files={"f": b"maGVsbG8"})).body == b"hello"
    assert (await rpc("multibase/transcode", files={"f": b"maGVsbG8"}, b="z")).body == b"zCn8eVZg"
    assert (await rpc("multibase/decode", files={"f": b"?"})).status == 500
    assert (await rpc("multibase/encode", files={"f": b"x"}, b="nope")).status == 500
