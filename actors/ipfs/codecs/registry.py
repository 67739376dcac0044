"""Every codec by its code: bytes to values, values to bytes, and the links inside a block."""

from __future__ import annotations

from collections.abc import Callable

from ....schemas.cid import CID, CODEC_NAMES, CODECS, DAG_PB, RAW
from ....schemas.errors import BadRequest, NotSupported, TooLarge
from ....schemas.ipfs import MAX_BLOCK_BYTES
from . import dagcbor, dagjson, dagpb, pbmodel, plain
from .model import Value

__all__ = ["DAG_CBOR", "DAG_JSON", "codec_named", "decode", "encode", "links"]

DAG_CBOR, DAG_JSON = CODECS["dag-cbor"], CODECS["dag-json"]
_CBOR, _JSON, _LIBP2P_KEY = CODECS["cbor"], CODECS["json"], CODECS["libp2p-key"]

Decode = Callable[[bytes, CID | None], Value]
Encode = Callable[[Value], bytes]
Links = Callable[[bytes, CID | None], list[CID]]

_CODECS: dict[int, tuple[Decode, Encode]] = {
    RAW: (plain.decode_raw, plain.encode_raw),
    DAG_PB: (pbmodel.decode, pbmodel.encode),
    DAG_CBOR: (dagcbor.decode, dagcbor.encode),
    DAG_JSON: (dagjson.decode, dagjson.encode),
    _CBOR: (plain.decode_cbor, plain.encode_cbor),
    _JSON: (plain.decode_json, plain.encode_json),
}


def _pb_links(block: bytes, cid: CID | None) -> list[CID]:
    return [link.cid for link in dagpb.read(block, cid)[0]]


def _no_links(block: bytes, cid: CID | None) -> list[CID]:
    return []


_LINKS: dict[int, Links] = {
    DAG_PB: _pb_links, DAG_CBOR: dagcbor.links, DAG_JSON: dagjson.links,
    RAW: _no_links, _CBOR: _no_links, _JSON: _no_links, _LIBP2P_KEY: _no_links,
}  # fmt: skip


def codec_named(name: str, field: str = "codec") -> int:
    """The code of a codec that values can be read and written in; raises BadRequest naming `field`, or
    NotSupported for a codec that is known only by name."""
    if name not in CODECS:
        raise BadRequest(field, f"unknown codec {name!r}")
    if CODECS[name] not in _CODECS:
        raise NotSupported(f"cannot read or write {name} here", field=field, codec=name)
    return CODECS[name]


def decode(codec: int, block: bytes, cid: CID | None = None) -> Value:
    """The value of a block. Raises InvalidContent naming the codec, and `cid` if it is given, when the block
    breaks its format, and NotSupported for a codec that cannot be read here."""
    return _of(codec)[0](block, cid)


def encode(codec: int, value: Value, *, limit_bytes: int = MAX_BLOCK_BYTES) -> bytes:
    """The canonical block of a value. Raises BadRequest(field="value…") for what the codec cannot hold,
    TooLarge for more than `limit_bytes` and NotSupported for a codec that cannot be written here."""
    block = _of(codec)[1](value)
    if len(block) > limit_bytes:
        raise TooLarge("value", limit=limit_bytes)
    return block


def links(cid: CID, block: bytes) -> list[CID]:
    """The CIDs that a block links to, in order, repeats and all; raises as `decode` does."""
    read = _LINKS.get(cid.codec)
    if read is None:
        name = cid.codec_name
        raise NotSupported(f"cannot read the links of {name} blocks", field="cid", codec=name)
    return read(block, cid)


def _of(codec: int) -> tuple[Decode, Encode]:
    if codec not in _CODECS:
        name = CODEC_NAMES.get(codec, hex(codec))
        raise NotSupported(f"cannot read or write {name} blocks", field="codec", codec=name)
    return _CODECS[codec]
