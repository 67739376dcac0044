"""DAG-CBOR: the data model as canonical CBOR, links as tag 42.

Follows https://ipld.io/specs/codecs/dag-cbor/spec/ with every strictness rule enforced on reading too:
shortest integers and lengths, 64-bit floats that are numbers, text keys in order, definite lengths, no tag
but 42, nothing behind the value. So a block that decodes encodes to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cbrrr

from ....schemas.cid import CID
from ....schemas.errors import BadRequest
from ....schemas.ipfs import MAX_BLOCK_BYTES
from .cborscan import ClaimError, check_claims
from .model import Value, invalid

__all__ = ["decode", "encode", "links"]

NAME = "dag-cbor"


def decode(block: bytes, cid: CID | None = None) -> Value:
    """The value of a block; raises InvalidContent(field="dag-cbor"), naming `cid` if it is given, when the
    block breaks the format, is over 2 MiB, nests over 256 levels or has over 100,000 lists and maps."""
    return read(block, CID.from_bytes, NAME, cid)


def encode(value: Value) -> bytes:
    """The one block of a value. Raises BadRequest(field="value") for what the data model or 64 bits do not
    hold (NaN, infinities, lone surrogates, other types) and for what `decode` would refuse to read."""
    return write(value, NAME, link=CID)


def links(block: bytes, cid: CID | None = None) -> list[CID]:
    """What a block links to, in its own order; raises as `decode` does."""
    found: list[bytes] = []
    read(block, found.append, NAME, cid)
    try:
        return [CID.from_bytes(raw) for raw in found]
    except BadRequest as error:
        raise invalid(NAME, f"a link is not a CID: {error.problem}", cid) from None


def read(block: bytes, link: Callable[[bytes], object], name: str, cid: CID | None) -> Value:
    """The value of a CBOR block, each link as what `link` makes of its CID's bytes."""
    if len(block) > MAX_BLOCK_BYTES:
        raise invalid(name, f"larger than {MAX_BLOCK_BYTES} bytes", cid, limit=MAX_BLOCK_BYTES)
    try:
        check_claims(block)
        return cast(Value, cbrrr.decode_dag_cbor(block, cid_ctor=link))
    except ClaimError as error:
        raise invalid(name, str(error), cid, limit=error.limit) from None
    except BadRequest as error:
        raise invalid(name, f"a link is not a CID: {error.problem}", cid) from None
    except UnicodeDecodeError:
        raise invalid(name, "a string is not UTF-8", cid) from None
    except ValueError as error:
        raise invalid(name, str(error), cid) from None


def write(value: Value, name: str, *, link: type) -> bytes:
    """The CBOR block of a value that has no cycles, with what is exactly of class `link` as links."""
    try:
        block = cbrrr.encode_dag_cbor(cast("cbrrr.DagCborTypes", value), cid_type=link)
        check_claims(block)
    except UnicodeEncodeError:
        raise BadRequest("value", f"a string cannot be written as UTF-8, as {name} needs") from None
    except ClaimError as error:
        raise BadRequest("value", str(error), limit=error.limit) from None
    except TypeError:
        raise BadRequest("value", f"a part of it is of a type that {name} does not hold") from None
    except ValueError as error:
        raise BadRequest("value", f"cannot be written as {name}: {error}") from None
    return block
