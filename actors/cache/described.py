"""What a CID, a name and a moment say by themselves: the columns of a row that nobody has to tell."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

from ...schemas.cid import CID, HASHES

__all__ = ["described", "named"]


def described(cid: CID) -> dict[str, object]:
    """`cid`, `cid_version`, `codec` and `multihash_type`; codes that have no name here are hexadecimal."""
    code = cid.hash_code
    return {
        "cid": str(cid),
        "cid_version": cid.version,
        "codec": cid.codec_name,
        "multihash_type": HASHES[code][0] if code in HASHES else hex(code),
    }


def named(filename: str | None) -> dict[str, object]:
    """`filename`, and the `extension` (with its dot, in small letters) and `mimetype` that it implies."""
    if not filename:
        return {}
    media_type, _ = mimetypes.guess_type(filename)
    suffix = PurePosixPath(filename).suffix.lower()
    return {"filename": filename, "extension": suffix or None, "mimetype": media_type}
