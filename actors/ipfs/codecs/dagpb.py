"""DAG-PB, the codec of UnixFS nodes: a list of links and a byte string, as one protobuf message.

Follows https://ipld.io/specs/codecs/dag-pb/spec/. Links are written before data, as every implementation
does; either order is read, as old blocks need, but never links on both sides of the data. Within a link the
order Hash, Name, Tsize is required, and an unknown or repeated field is refused.

Reading is the hot path of every listing and every large file, so the loops below index the block directly
and take the common CIDs (SHA2-256, version 0 or 1) apart without the general parser.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from ....schemas.cid import CID, DAG_PB
from ....schemas.errors import BadRequest, InvalidContent
from ....schemas.ipfs import MAX_BLOCK_BYTES
from ....schemas.varint import encode_varint

__all__ = ["Edit", "Link", "Links", "PBNode", "decode", "encode", "encode_link", "read", "splice"]

_DATA, _LINKS = 0x0A, 0x12
_HASH, _NAME, _TSIZE = 0x0A, 0x12, 0x18
# Only links of a few bytes, to identity CIDs, could stand in a block more often.
MAX_LINKS, _SHORT_LINK_BYTES = MAX_BLOCK_BYTES // 16, 14
_V0_PREFIX = b"\x12\x20"
_V1_PREFIXES = (b"\x01\x55\x12\x20", b"\x01\x70\x12\x20")


class Link(NamedTuple):
    """One link: the child, its name ("" in files), and `size`, all bytes below the link (Tsize)."""

    cid: CID
    name: str
    size: int


class PBNode(NamedTuple):
    """A decoded block. `data` is None when the block has none, which differs from empty data."""

    links: list[Link]
    data: bytes | None


# Where a link's message begins and ends in its block.
Span = tuple[int, int]
# From which link on how many go, and what stands there instead, as `encode_link` writes it.
Edit = tuple[int, int, bytes]


class Malformed(Exception):
    """What is wrong with a message, before it is known which block it came from."""


def encode(links: Iterable[Link], data: bytes | None) -> bytes:
    """The canonical block of links, in the order given, and data."""
    parts: list[bytes] = []
    for link in links:
        parts += _link_parts(*link)
    if data is not None:
        parts += (b"\x0a", encode_varint(len(data)), data)
    return b"".join(parts)


def encode_link(link: Link) -> bytes:
    """One link as it stands in a block, its tag and length before it."""
    return b"".join(_link_parts(*link))


def _link_parts(cid: CID, name: str, size: int) -> tuple[bytes, ...]:
    raw_cid, raw_name, raw_size = bytes(cid), name.encode("utf-8", "surrogateescape"), encode_varint(size)
    head = b"\x0a" + encode_varint(len(raw_cid))
    middle = b"\x12" + encode_varint(len(raw_name))
    length = len(head) + len(raw_cid) + len(middle) + len(raw_name) + 1 + len(raw_size)
    return b"\x12", encode_varint(length), head, raw_cid, middle, raw_name, b"\x18", raw_size


def splice(links: Links, edits: Iterable[Edit], data: bytes) -> bytes:
    """The block of these links, changed, and other data; links that stay are copied as they are.

    Edits are in the order of their places, which do not overlap.
    """
    parts: list[bytes] = []
    at = 0
    for place, removed, added in edits:
        parts += (links.as_stored(at, place), added)
        at = place + removed
    parts += (links.as_stored(at, len(links)), b"\x0a", encode_varint(len(data)), data)
    return b"".join(parts)


def link_size(cid_bytes: int, name_bytes: int, size: int) -> int:
    """How many bytes `encode` spends on one link: its directory may be sharded by this number."""
    length = (
        2 + varint_size(cid_bytes) + cid_bytes + varint_size(name_bytes) + name_bytes + 1 + varint_size(size)
    )
    return 1 + varint_size(length) + length


def varint_size(number: int) -> int:
    return (number.bit_length() + 6) // 7 or 1


def decode(block: bytes, cid: CID | None = None) -> PBNode:
    """The links and data of a block, every byte of it checked.

    A name that is not UTF-8 is kept by surrogate escapes. Raises InvalidContent(field="dag-pb"), naming
    `cid` if it is given, when the block breaks the format, is over 2 MiB or has over 131,072 links.
    """
    links, data = read(block, cid)
    return PBNode(list(links), data)


def read(block: bytes, cid: CID | None = None) -> tuple[Links, bytes | None]:
    """The links, not yet taken apart, and the data of a block; raises as `decode` does, for a broken link
    only when it is looked at."""
    try:
        spans, data = _spans(block)
    except (IndexError, Malformed) as error:
        raise _invalid(error, cid) from None
    return Links(block, spans, cid), data


class Links(Sequence[Link]):
    """The links of a block, each decoded when it is asked for.

    A range of a large file and a name in a large directory need few of them, and decoding is what costs.
    """

    __slots__ = ("_block", "_cid", "_spans")

    def __init__(self, block: bytes = b"", spans: Sequence[Span] = (), cid: CID | None = None) -> None:
        self._block, self._spans, self._cid = block, spans, cid

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> Link: ...
    @overload
    def __getitem__(self, index: slice) -> Links: ...
    def __getitem__(self, index: int | slice) -> Link | Links:
        if isinstance(index, slice):
            return Links(self._block, self._spans[index], self._cid)
        return self._decode(self._spans[index])

    def __iter__(self) -> Iterator[Link]:
        return map(self._decode, self._spans)

    def find(self, name: str) -> Link | None:
        """The first link of that name: by searching the block for its bytes, then decoding what has them."""
        raw = name.encode("utf-8", "surrogateescape")
        field = b"\x12" + encode_varint(len(raw)) + raw
        at = self._block.find(field)
        while at >= 0:
            index = bisect_right(self._spans, (at, len(self._block))) - 1
            if index >= 0 and at < self._spans[index][1] and self[index].name == name:
                return self[index]
            # On from the end of that link, so that a block full of the bytes is still read once.
            at = self._block.find(field, max(at + 1, self._spans[index][1] if index >= 0 else 0))
        return None

    def as_stored(self, first: int, end: int) -> bytes:
        """The links of a range of indexes as they stand in the block, tags and lengths included."""
        if first >= end:
            return b""
        if first:
            start = self._spans[first - 1][1]
        else:
            at, stop = self._spans[0]
            start = at - 1 - varint_size(stop - at)
        return self._block[start : self._spans[end - 1][1]]

    def with_presence(self, index: int) -> tuple[Link, bool, bool]:
        """A link, and whether its block has a name and a size for it, however empty."""
        link = self[index]
        at, stop = self._spans[index]
        size, at = read_varint64(self._block, at + 1)
        at += size
        has_name = at < stop and self._block[at] == _NAME
        if has_name:
            size, at = read_varint64(self._block, at + 1)
            at += size
        return link, has_name, at < stop

    def _decode(self, span: Span) -> Link:
        try:
            return _decode_link(self._block, *span)
        except (IndexError, Malformed) as error:
            raise _invalid(error, self._cid) from None


def _invalid(error: Exception, cid: CID | None) -> InvalidContent:
    problem = str(error) if isinstance(error, Malformed) else "cut short"
    return InvalidContent("dag-pb", problem, cid=None if cid is None else str(cid))


def _spans(block: bytes) -> tuple[list[Span], bytes | None]:
    """Where each link's message begins and ends, and the data."""
    if len(block) > MAX_BLOCK_BYTES:
        raise Malformed(f"larger than {MAX_BLOCK_BYTES} bytes")
    links: list[Span] = []
    data: bytes | None = None
    at, end, links_are_over = 0, len(block), False
    while at < end:
        tag, size = block[at], block[at + 1]
        at += 2
        if size > 0x7F:
            size, at = read_varint64(block, at - 1)
        stop = at + size
        if stop > end:
            raise Malformed("cut short")
        if tag == _LINKS:
            if links_are_over:
                raise Malformed("links stand before and after the data")
            links.append((at, stop))
            if size < _SHORT_LINK_BYTES and len(links) > MAX_LINKS:
                raise Malformed(f"more than {MAX_LINKS} links")
        elif tag == _DATA:
            if data is not None:
                raise Malformed("two data fields")
            data = block[at:stop]
            links_are_over = bool(links)
        else:
            raise Malformed(f"unknown field tag {tag:#x}")
        at = stop
    return links, data


def _decode_link(block: bytes, at: int, stop: int) -> Link:
    # Reading past `stop` but inside the block is caught by the last check, past the block by IndexError.
    name, tsize = "", 0
    if at >= stop or block[at] != _HASH:
        raise Malformed("a link does not begin with its hash")
    size, at = block[at + 1], at + 2
    if size > 0x7F:
        size, at = read_varint64(block, at - 1)
    raw_cid = block[at : at + size]
    at += size
    if at < stop and block[at] == _NAME:
        size, at = block[at + 1], at + 2
        if size > 0x7F:
            size, at = read_varint64(block, at - 1)
        name = block[at : at + size].decode("utf-8", "surrogateescape")
        at += size
    if at < stop and block[at] == _TSIZE:
        tsize, at = block[at + 1], at + 2
        if tsize > 0x7F:
            tsize, at = read_varint64(block, at - 1)
    if at != stop:
        raise Malformed("a link has unknown, repeated or misplaced fields, or is cut short")
    return Link(_decode_cid(raw_cid), name, tsize)


def _decode_cid(raw: bytes) -> CID:
    if raw[:4] in _V1_PREFIXES and len(raw) == 36:
        return CID(1, raw[1], raw[2:])
    if raw[:2] == _V0_PREFIX and len(raw) == 34:
        return CID(0, DAG_PB, raw)
    try:
        return CID.from_bytes(raw)
    except BadRequest as error:
        raise Malformed(f"a link's hash is not a CID: {error.problem}") from None


def read_varint64(raw: bytes, start: int) -> tuple[int, int]:
    """A protobuf varint: up to ten bytes, not always minimal, of at most 64 bits; raises Malformed."""
    number = 0
    for place in range(10):
        byte = raw[start + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if number >> 64:
                raise Malformed("a number is over 64 bits")
            return number, start + place + 1
    raise Malformed("a number is over ten bytes")
