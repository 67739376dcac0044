"""Every base writes what it reads, and the specification's own examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.http_bridge.kubo.multibase import BASES, base_named, decode

# The second table of the multibase specification's tests: "yes mani !".
VECTORS = {
    "base2": "001111001011001010111001100100000011011010110000101101110011010010010000000100001",
    "base16": "f796573206d616e692021",
    "base16upper": "F796573206D616E692021",
    "base32": "bpfsxgidnmfxgsibb",
    "base32upper": "BPFSXGIDNMFXGSIBB",
    "base32pad": "cpfsxgidnmfxgsibb",
    "base32hex": "vf5in683dc5n6i811",
    "base32hexupper": "VF5IN683DC5N6I811",
    "base36": "k2lcpzo5yikidynfl",
    "base36upper": "K2LCPZO5YIKIDYNFL",
    "base58btc": "z7paNL19xttacUY",
    "base58flickr": "Z7Pznk19XTTzBtx",
    "base64": "meWVzIG1hbmkgIQ",
    "base64pad": "MeWVzIG1hbmkgIQ==",
    "base64url": "ueWVzIG1hbmkgIQ",
    "base64urlpad": "UeWVzIG1hbmkgIQ==",
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_specifications_examples(name):
    assert base_named(name).text(b"yes mani !") == VECTORS[name]
    assert decode(VECTORS[name]) == b"yes mani !"


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
@given(raw=st.binary(max_size=64))
def test_what_is_written_is_read(base, raw):
    assert decode(base.text(raw)) == raw


@pytest.mark.parametrize(
    "text", ["", "!", "bB", "fF0", "f0", "b1", "k!", "z0", "m=", "Maa", "0101", "02", "maGVsbG9", "uab=c"]
)
def test_what_is_no_text_of_its_base_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011
        decode(text)
