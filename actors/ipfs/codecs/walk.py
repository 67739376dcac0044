"""Links of any block: what pins keep and collection follows."""

from __future__ import annotations

from ....schemas.errors import NotSupported
from ..cid import CID, CODECS, DAG_PB
from . import dagpb

__all__ = ["children"]

# Codecs whose blocks never link to others.
_LEAVES = frozenset(CODECS[name] for name in ("raw", "cbor", "json", "libp2p-key"))


def children(cid: CID, data: bytes) -> list[CID]:
    """The CIDs that a block links to, in order, repeats and all.

    Raises InvalidContent for a DAG-PB block that is not one, and NotSupported for a codec whose links cannot
    be read here.
    """
    if cid.codec == DAG_PB:
        return [link.cid for link in dagpb.decode(data, cid).links]
    if cid.codec in _LEAVES:
        return []
    raise NotSupported(f"cannot read the links of {cid.codec_name} blocks", field="cid", codec=cid.codec_name)
