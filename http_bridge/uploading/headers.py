"""The headers of tus 1.0.0 (https://tus.io/protocols/resumable-upload): how they are read and written."""

from __future__ import annotations

import base64
import re
from email.utils import formatdate

from aiohttp import web
from multidict import istr

from ...schemas.errors import BadRequest
from ...schemas.tree import MAX_FILE_BYTES, UploadState

__all__ = [
    "CHECKSUM", "CID", "DEFER_LENGTH", "EXPIRES", "EXTENSIONS", "IPFS_PATH", "LENGTH", "MAX_SIZE", "METADATA",
    "METHOD_OVERRIDE", "OFFSET", "RESUMABLE", "VERSION", "VERSIONS",
    "capabilities", "number", "metadata", "state_headers",
]  # fmt: skip

RESUMABLE = istr("Tus-Resumable")
VERSIONS = istr("Tus-Version")
EXTENSIONS = istr("Tus-Extension")
MAX_SIZE = istr("Tus-Max-Size")
ALGORITHMS = istr("Tus-Checksum-Algorithm")
OFFSET = istr("Upload-Offset")
LENGTH = istr("Upload-Length")
DEFER_LENGTH = istr("Upload-Defer-Length")
METADATA = istr("Upload-Metadata")
EXPIRES = istr("Upload-Expires")
CHECKSUM = istr("Upload-Checksum")
METHOD_OVERRIDE = istr("X-HTTP-Method-Override")
# What tus does not know: the content's CID once the upload is complete.
CID = istr("Cidbus-Cid")
IPFS_PATH = istr("X-Ipfs-Path")

VERSION = "1.0.0"

_PAIR = re.compile(r"([!-+\--~]+)(?: ([A-Za-z0-9+/]*={0,2}))?")


def capabilities(max_upload_bytes: int) -> dict[str, str]:
    """What the answer to OPTIONS tells of this server."""
    return {
        VERSIONS: VERSION,
        MAX_SIZE: str(max_upload_bytes),
        EXTENSIONS: "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination",
        ALGORITHMS: "sha1,sha256,md5,crc32",
    }


def number(request: web.Request, name: str) -> int | None:
    """A header that counts bytes, None if it is not there; raises BadRequest if it is no such number."""
    text = request.headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 16 and int(text) <= MAX_FILE_BYTES):
        raise BadRequest(name, "not a number of bytes", limit=MAX_FILE_BYTES)
    return int(text)


def metadata(text: str) -> dict[str, str]:
    """Upload-Metadata as names and values; a value that is not UTF-8 is left out.

    Raises BadRequest if it is not `key base64,key base64,…`, each key once.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for pair in text.split(",") if text.strip() else ():
        match = _PAIR.fullmatch(pair.strip())
        if match is None or match[1] in seen:
            raise BadRequest(METADATA, "not pairs of a key and a value in base64, each key once")
        seen.add(match[1])
        try:
            found[match[1]] = base64.b64decode(match[2] or "", validate=True).decode()
        except UnicodeDecodeError:
            continue
        except ValueError:
            raise BadRequest(METADATA, f"the value of {match[1][:100]} is not base64") from None
    return found


def state_headers(state: UploadState) -> dict[str, str]:
    """How far an upload is, in headers."""
    headers: dict[str, str] = {OFFSET: str(state.offset)}
    if state.size_bytes is None:
        headers[DEFER_LENGTH] = "1"
    else:
        headers[LENGTH] = str(state.size_bytes)
    if state.metadata and _is_header(state.metadata):
        headers[METADATA] = state.metadata
    if state.expires_at is not None:
        headers[EXPIRES] = formatdate(state.expires_at, usegmt=True)
    if state.complete and state.cid is not None:
        headers |= {CID: state.cid, IPFS_PATH: f"/ipfs/{state.cid}"}
    return headers


def _is_header(text: str) -> bool:
    """Whether another way than tus has made an upload with metadata that no header can have."""
    return text.isascii() and text.isprintable()
