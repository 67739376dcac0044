"""What a gateway says in its headers, and what it reads from those of a request.

Sources: path gateway and trustless gateway ("Response Headers"), subdomain gateway; RFC 9110 for validators,
RFC 6266 for Content-Disposition, the Fetch standard for cross-origin requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ...schemas.errors import BadRequest
from .. import naming
from ..naming import IMMUTABLE
from ..ranges import matches_any
from .formats import CarWanted, Format, Wanted
from .paths import ContentPath

__all__ = [
    "CORS", "PREFLIGHT", "IMMUTABLE",
    "etag", "page_etag", "record_etag", "known_etag", "may_resume",
    "cache_control", "only_if_cached", "roots", "disposition", "format_headers", "check_service_worker",
]  # fmt: skip

MAX_TTL_S = 7 * 86_400
# A generated page is as immutable as its directory, but its looks are not; a stale one does no harm.
PAGE_AGE_S = 7 * 86_400
PAGE_STALE_S = 31 * 86_400

# Every answer may be read by scripts of any origin: it holds nothing that depends on who asks.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Cache-Control, Content-Type, If-None-Match, Range, User-Agent, X-Requested-With"
    ),
    "Access-Control-Expose-Headers": (
        "Content-Disposition, Content-Length, Content-Location, Content-Range, Etag, Retry-After, "
        "X-Chunked-Output, X-Ipfs-Path, X-Ipfs-Roots, X-Operation-ID, X-Stream-Output"
    ),
}
PREFLIGHT = CORS | {"Access-Control-Max-Age": "86400", "Allow": "GET, HEAD, OPTIONS"}


def etag(cid: str, wanted: Wanted, *, path: str = "", byte_range: tuple[int, int] | None = None) -> str:
    """The entity tag of what is answered: strong where the bytes are the same each time.

    `cid` is the one at the end of the path; for a CAR it is the root's and `path` the whole path below.
    `byte_range` holds the first and last byte of a 206.
    """
    if wanted.format is Format.CAR:
        return f'W/"{cid}.car.{_car_hash(path, wanted.car)}"'
    if wanted.format is Format.TAR:
        return f'W/"{cid}.x-tar"'
    suffix = "" if wanted.format is None else f".{wanted.format}"
    part = "" if byte_range is None else f".{byte_range[0]}-{byte_range[1]}"
    return f'"{cid}{suffix}{part}"'


def page_etag(kind: str, version: str, cid: str) -> str:
    """The tag of a generated page: `kind` is DirIndex or DagIndex, `version` changes with the page's code."""
    return f'"{kind}-{version}_CID-{cid}"'


def record_etag(record: bytes) -> str:
    """The tag of an IPNS record, which is what it holds and not its name."""
    return f'"{hashlib.blake2b(record, digest_size=16).hexdigest()}.ipns-record"'


def known_etag(if_none_match: str, *etags: str) -> str | None:
    """The first of the tags that an If-None-Match header names, compared weakly; None if it names none."""
    if if_none_match.strip() == "*":
        return etags[0] if etags else None
    return next((tag for tag in etags if matches_any(if_none_match, tag.removeprefix("W/"))), None)


def may_resume(if_range: str, *etags: str) -> bool:
    """Whether a Range may be served: there is no If-Range, or it names a strong tag of this content."""
    return not if_range or (if_range.strip() in etags and not if_range.strip().startswith("W/"))


def cache_control(path: ContentPath, *, ttl_s: float | None = None, generated: bool = False) -> str | None:
    """Cache-Control of an answer under this path; None where nothing is known, so that it is left out.

    `ttl_s` is what remains of the name's time to live, `generated` marks a page made here.
    """
    if not path.is_mutable:
        return _page_age(PAGE_AGE_S) if generated else IMMUTABLE
    if ttl_s is None:
        return None
    age = min(max(0, int(ttl_s)), MAX_TTL_S)
    return _page_age(age) if generated else f"public, max-age={age}"


def only_if_cached(request_cache_control: str) -> bool:
    """Whether a request wants nothing that has to be fetched from elsewhere."""
    return any(part.strip().lower() == "only-if-cached" for part in request_cache_control.split(","))


def roots(cids: Iterable[object]) -> str:
    """X-Ipfs-Roots: the CIDs of the path's segments, the root first."""
    return ",".join(map(str, cids))


def disposition(
    shown_as: Format | None, name: str, *, filename: str | None = None, download: bool = False
) -> str | None:
    """Content-Disposition; None for content as it is of which no name and no download was asked for.

    `name` is the CID or IPNS name, which names the file where `filename` does not. Binary formats are
    never shown in place.
    """
    if shown_as is None:
        if not filename:
            return "attachment" if download else None
        return naming.disposition(filename, attachment=download)
    attachment, ending = _FILES[shown_as]
    return naming.disposition(filename or f"{name}.{ending}", attachment=attachment or download)


def format_headers(
    wanted: Wanted, name: str, *, filename: str | None = None, download: bool = False
) -> dict[str, str]:
    """The headers that belong to a format: its type, its file name, and that a browser is not to guess.

    Empty for content as it is.
    """
    media_type, shown = (
        wanted.content_type,
        disposition(wanted.format, name, filename=filename, download=download),
    )
    if media_type is None or shown is None:
        return {}
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": shown,
        "X-Content-Type-Options": "nosniff",
    }
    if wanted.format in (Format.CAR, Format.TAR):
        headers["Accept-Ranges"] = "none"
    return headers


def check_service_worker(header: str, path: ContentPath) -> None:
    """Raises BadRequest if a worker is to be registered for a content root without its trailing slash.

    Such a worker would rule over every other content root of the gateway.
    """
    if header.strip().lower() == "script" and not path.path and not path.slash:
        raise BadRequest("Service-Worker", "registration is not allowed for this scope")


def _page_age(age_s: int) -> str:
    return f"public, max-age={age_s}, stale-while-revalidate={PAGE_STALE_S}"


def _car_hash(path: str, car: CarWanted) -> str:
    facts = f"{path}\0scope={car.scope}\0bytes={car.entity_bytes or ''}\0dups={car.dups}"
    return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()


# Format -> whether it is always an attachment, and its file name's ending.
_FILES = {
    Format.RAW: (True, "bin"),
    Format.CAR: (True, "car"),
    Format.TAR: (True, "tar"),
    Format.DAG_JSON: (False, "json"),
    Format.DAG_CBOR: (True, "cbor"),
    Format.JSON: (False, "json"),
    Format.CBOR: (True, "cbor"),
    Format.IPNS_RECORD: (True, "ipns-record"),
}
