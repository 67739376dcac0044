"""CIDs, paths and file names as they stand in headers: nothing a caller sends reaches a header unescaped."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote_to_bytes

from ..schemas.errors import BadRequest

__all__ = ["IMMUTABLE", "disposition", "etag_of", "ipfs_path", "percent_decoded", "says_yes"]

# What a CID names never changes.
IMMUTABLE = "public, max-age=29030400, immutable"
MAX_NAME_CHARS = 255
MAX_TAG_CHARS = 512
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_YES = frozenset({"", "1", "true", "yes", "on"})


def etag_of(cid: str, path: str, suffix: str = "") -> str:
    """The strong entity tag of what a CID and a path name."""
    if cid.isalnum() and cid.isascii() and not path:
        return f'"{cid}{suffix}"'
    text = quoted(cid, path) + suffix
    if len(text) > MAX_TAG_CHARS:
        text = hashlib.sha256(text.encode()).hexdigest()
    return f'"{text}"'


def ipfs_path(cid: str, path: str) -> str:
    """`/ipfs/<cid>/<path>`, percent-encoded as in a URL."""
    if cid.isalnum() and cid.isascii() and not path:
        return "/ipfs/" + cid
    return "/ipfs/" + quoted(cid, path)


def quoted(cid: str, path: str) -> str:
    below = path.strip("/")
    return quote(cid, safe="") + ("/" + quote(below, safe="/") if below else "")


def percent_decoded(text: str, field: str) -> str:
    """What a percent-encoded path says; raises BadRequest(field) for what is not UTF-8."""
    if _BAD_ESCAPE.search(text):
        raise BadRequest(field, "a % that is not followed by two hexadecimal digits; a percent sign is %25")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise BadRequest(field, "not UTF-8 when decoded") from None


def disposition(name: str, *, attachment: bool) -> str:
    """A Content-Disposition (RFC 6266) with this file name, without folders and control characters."""
    kind = "attachment" if attachment else "inline"
    if name.isalnum() and name.isascii():
        return f'{kind}; filename="{name}"'
    kept = "".join("_" if c in '/\\"' else c for c in name if c.isprintable())[:MAX_NAME_CHARS] or "file"
    plain = kept.encode("ascii", "replace").decode().replace("?", "_")
    extended = "" if plain == kept else f"; filename*=UTF-8''{quote(kept, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'


def says_yes(value: str | None) -> bool:
    """Whether a query field such as `?download` or `?download=1` says yes."""
    return value is not None and value.lower() in _YES
