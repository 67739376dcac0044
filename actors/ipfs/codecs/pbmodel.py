"""DAG-PB in the data model: `{"Data": bytes, "Links": [{"Hash": link, "Name": string, "Tsize": int}]}`.

Follows the logical format of https://ipld.io/specs/codecs/dag-pb/spec/: Data, Name and Tsize are missing
where the block has none, which is not the same as empty. Links are read in the order they stand in and
written sorted by the bytes of their names, as the specification asks; UnixFS, which has orders of its own,
goes by `dagpb.py`.
"""

from __future__ import annotations

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ....schemas.varint import encode_varint
from . import dagpb
from .model import Value, kind_of

__all__ = ["decode", "encode"]

MAX_TSIZE = (1 << 64) - 1


def decode(block: bytes, cid: CID | None = None) -> Value:
    """The value of a block. A name that is not UTF-8 is kept by surrogate escapes. Raises InvalidContent as
    `dagpb.decode` does."""
    links, data = dagpb.read(block, cid)
    node: dict[str, Value] = {} if data is None else {"Data": data}
    node["Links"] = [_link(links, index) for index in range(len(links))]
    return node


def _link(links: dagpb.Links, index: int) -> Value:
    link, has_name, has_size = links.with_presence(index)
    found: dict[str, Value] = {"Hash": link.cid}
    if has_name:
        found["Name"] = link.name
    if has_size:
        found["Tsize"] = link.size
    return found


def encode(value: Value) -> bytes:
    """The canonical block of a node; raises BadRequest naming the part that is not in the logical format."""
    node = _fields(value, "value", {"Links"}, {"Data"})
    data, links = node.get("Data"), node["Links"]
    if "Data" in node and type(data) is not bytes:
        raise BadRequest("value.Data", f"{kind_of(data)} where bytes are needed")
    if type(links) is not list:
        raise BadRequest("value.Links", f"{kind_of(links)} where a list is needed")
    named = [_encode_link(link, f"value.Links.{index}") for index, link in enumerate(links)]
    named.sort(key=lambda pair: pair[0])  # stable, as links of the same name keep their order
    parts = [framed for _, link in named for framed in (b"\x12", encode_varint(len(link)), link)]
    if isinstance(data, bytes):
        parts += (b"\x0a", encode_varint(len(data)), data)
    return b"".join(parts)


def _encode_link(value: Value, field: str) -> tuple[bytes, bytes]:
    """A link's name and its message."""
    link = _fields(value, field, {"Hash"}, {"Name", "Tsize"})
    cid = link["Hash"]
    if type(cid) is not CID:
        raise BadRequest(f"{field}.Hash", f"{kind_of(cid)} where a link is needed")
    raw_cid = bytes(cid)
    parts = [b"\x0a", encode_varint(len(raw_cid)), raw_cid]
    name = _name(link["Name"], field) if "Name" in link else None
    if name is not None:
        parts += (b"\x12", encode_varint(len(name)), name)
    if "Tsize" in link:
        parts += (b"\x18", encode_varint(_tsize(link["Tsize"], field)))
    return name or b"", b"".join(parts)


def _fields(value: Value, field: str, needed: set[str], optional: set[str]) -> dict[str, Value]:
    if type(value) is not dict:
        raise BadRequest(field, f"{kind_of(value)} where a map is needed")
    if missing := needed - value.keys():
        raise BadRequest(field, f"{missing.pop()} is missing")
    if unknown := value.keys() - needed - optional:
        raise BadRequest(field, f"{unknown.pop()!r} has no place in dag-pb")
    return value


def _name(value: Value, field: str) -> bytes:
    if type(value) is not str:
        raise BadRequest(f"{field}.Name", f"{kind_of(value)} where a string is needed")
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadRequest(f"{field}.Name", "cannot be written as UTF-8") from None


def _tsize(value: Value, field: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_TSIZE:
        raise BadRequest(f"{field}.Tsize", "not an integer of 64 bits without a sign", limit=MAX_TSIZE)
    return value
