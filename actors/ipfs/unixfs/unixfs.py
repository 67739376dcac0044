"""UnixFS: what the data of a DAG-PB node says about the file, directory, shard or symbolic link it is.

Follows https://specs.ipfs.tech/unixfs/. What is read here was written by anybody, so sizes are checked to add
up, and a shard's fanout, hash and bitfield to be possible, before a reader relies on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ....schemas.cid import CID
from ....schemas.errors import InvalidContent
from ....schemas.varint import encode_varint
from ..codecs import dagpb
from ..codecs.dagpb import Links, Malformed, read_varint64

__all__ = ["UnixFS", "decode", "encode", "decode_node", "symlink_block"]
__all__ += ["RAW", "DIRECTORY", "FILE", "METADATA", "SYMLINK", "HAMT_SHARD"]

RAW, DIRECTORY, FILE, METADATA, SYMLINK, HAMT_SHARD = range(6)

# murmur3-x64-64: the only hash that sharded directories use.
MURMUR3 = 0x22
MIN_FANOUT, MAX_FANOUT = 8, 1024
MAX_SIZE_BYTES = (1 << 63) - 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(slots=True)
class UnixFS:
    """The fields of the `Data` message; `file_size` is the bytes of content at and below the node.

    `block_sizes` has one entry for each link of a file. `mtime` is (seconds, nanoseconds) since 1970.
    """

    type: int
    data: bytes = b""
    file_size: int | None = None
    block_sizes: list[int] | tuple[int, ...] = ()
    hash_type: int | None = None
    fanout: int | None = None
    mode: int | None = None
    mtime: tuple[int, int] | None = None

    @property
    def is_file(self) -> bool:
        return self.type in (FILE, RAW)

    @property
    def is_directory(self) -> bool:
        return self.type in (DIRECTORY, HAMT_SHARD)

    @property
    def size_bytes(self) -> int:
        """Content bytes of a checked file node, or the length of a symbolic link's target."""
        return len(self.data) if self.file_size is None else self.file_size


def encode(node: UnixFS) -> bytes:
    """The message with its fields in order; empty data is left out, as every importer does."""
    parts = [b"\x08", encode_varint(node.type)]
    if node.data:
        parts += (b"\x12", encode_varint(len(node.data)), node.data)
    if node.file_size is not None:
        parts += (b"\x18", encode_varint(node.file_size))
    for size in node.block_sizes:
        parts += (b"\x20", encode_varint(size))
    for tag, number in ((b"\x28", node.hash_type), (b"\x30", node.fanout), (b"\x38", node.mode)):
        if number is not None:
            parts += (tag, encode_varint(number))
    if node.mtime is not None:
        message = _encode_mtime(*node.mtime)
        parts += (b"\x42", encode_varint(len(message)), message)
    return b"".join(parts)


def _encode_mtime(seconds: int, nanoseconds: int) -> bytes:
    message = b"\x08" + encode_varint(seconds & 0xFFFF_FFFF_FFFF_FFFF)
    return message + (b"\x15" + nanoseconds.to_bytes(4, "little") if nanoseconds else b"")


def symlink_block(target: bytes) -> bytes:
    """The block of a symbolic link."""
    return dagpb.encode((), encode(UnixFS(SYMLINK, target)))


def decode_node(block: bytes, cid: CID) -> tuple[UnixFS, Links]:
    """The checked UnixFS node of a DAG-PB block, and its links, each decoded only when it is looked at.

    Raises InvalidContent naming the block if it is no such node.
    """
    links, data = dagpb.read(block, cid)
    try:
        node = _decode(data or b"")
        _check(node, len(links))
    except IndexError:
        raise InvalidContent("unixfs", "cut short", cid=str(cid)) from None
    except Malformed as error:
        raise InvalidContent("unixfs", str(error), cid=str(cid)) from None
    return node, links


def decode(message: bytes) -> UnixFS:
    """The message alone, without the checks that need its links; raises InvalidContent(field="unixfs")."""
    try:
        return _decode(message)
    except IndexError:
        raise InvalidContent("unixfs", "cut short") from None
    except Malformed as error:
        raise InvalidContent("unixfs", str(error)) from None


def _decode(raw: bytes) -> UnixFS:
    sizes: list[int] = []
    fields: dict[int, int | bytes] = {}
    at, end = 0, len(raw)
    while at < end:
        tag = raw[at]
        if tag == 0x20:
            size, at = read_varint64(raw, at + 1)
            sizes.append(size)
            continue
        number, wire, value, at = _field(raw, at)
        if number == 4 and isinstance(value, bytes):
            sizes += _packed(value)
        elif number <= 8:
            if _WIRES.get(number) != wire:
                raise Malformed(f"field {number} has wire type {wire}")
            if number in fields:
                raise Malformed(f"field {number} stands twice")
            fields[number] = value
    return _build(fields, sizes)


_WIRES = {1: _VARINT, 2: _BYTES, 3: _VARINT, 5: _VARINT, 6: _VARINT, 7: _VARINT, 8: _BYTES}


def _field(raw: bytes, at: int) -> tuple[int, int, int | bytes, int]:
    """One field: (its number, its wire type, its value, where it ends)."""
    tag, at = read_varint64(raw, at)
    number, wire = tag >> 3, tag & 7
    if wire == _VARINT:
        return number, wire, *read_varint64(raw, at)
    if wire == _BYTES:
        size, at = read_varint64(raw, at)
    elif wire in (_FIXED32, _FIXED64):
        size = 4 if wire == _FIXED32 else 8
    else:
        raise Malformed(f"unknown wire type {wire}")
    if at + size > len(raw):
        raise Malformed("cut short")
    return number, wire, raw[at : at + size], at + size


def _packed(raw: bytes) -> list[int]:
    sizes, at = [], 0
    while at < len(raw):
        size, at = read_varint64(raw, at)
        sizes.append(size)
    return sizes


def _build(fields: dict[int, int | bytes], sizes: list[int]) -> UnixFS:
    kind = fields.get(1)
    if not isinstance(kind, int) or kind > HAMT_SHARD:
        raise Malformed("no type" if kind is None else f"unknown type {kind!r}")
    mtime = fields.get(8)
    return UnixFS(
        kind,
        data=fields.get(2, b""),  # type: ignore[arg-type]  # the wire types were checked
        file_size=fields.get(3),  # type: ignore[arg-type]
        block_sizes=sizes,
        hash_type=fields.get(5),  # type: ignore[arg-type]
        fanout=fields.get(6),  # type: ignore[arg-type]
        mode=fields.get(7),  # type: ignore[arg-type]
        mtime=_decode_mtime(mtime) if isinstance(mtime, bytes) else None,
    )


def _decode_mtime(raw: bytes) -> tuple[int, int]:
    seconds: int | None = None
    nanoseconds, at = 0, 0
    while at < len(raw):
        number, wire, value, at = _field(raw, at)
        if number == 1 and isinstance(value, int):
            seconds = value - (1 << 64) if value >> 63 else value
        elif number == 2 and wire == _FIXED32 and isinstance(value, bytes):
            nanoseconds = int.from_bytes(value, "little")
    if seconds is None or nanoseconds > 999_999_999:
        raise Malformed("mtime has no seconds, or a second or more of nanoseconds")
    return seconds, nanoseconds


def _check(node: UnixFS, links: int) -> None:
    if node.is_file:
        _check_sizes(node, links)
    elif node.type == HAMT_SHARD:
        _check_shard(node, links)


def _check_sizes(node: UnixFS, links: int) -> None:
    if len(node.block_sizes) != links:
        raise Malformed(f"{len(node.block_sizes)} block sizes for {links} links")
    total = len(node.data) + sum(node.block_sizes)
    if node.file_size is None:
        node.file_size = total
    if node.file_size != total:
        raise Malformed(f"claims {node.file_size} bytes of content where its parts claim {total}")
    if total > MAX_SIZE_BYTES:
        raise Malformed("claims more than 2^63 bytes of content")


def _check_shard(node: UnixFS, links: int) -> None:
    fanout = node.fanout or 0
    if not MIN_FANOUT <= fanout <= MAX_FANOUT or fanout & (fanout - 1):
        raise Malformed(f"a fanout of {fanout}, not a power of two from {MIN_FANOUT} to {MAX_FANOUT}")
    if node.hash_type != MURMUR3:
        raise Malformed("the directory is sharded by another hash than murmur3-x64-64")
    if len(node.data) > fanout // 8:
        raise Malformed(f"a bitfield of {len(node.data)} bytes for a fanout of {fanout}")
    if int.from_bytes(node.data, "big").bit_count() != links:
        raise Malformed("the bitfield does not match the links")
