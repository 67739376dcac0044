"""One request of the gateway as its parts pass it on: what it asks for, where that ends, and the headers
that every answer to it has."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from ...schemas.cid import CID
from ..naming import says_yes
from ..problems import OPERATION_ID, SERVER
from . import headers
from .formats import Format, Wanted
from .paths import ContentPath, SiteHost

__all__ = ["Asked", "End", "Headers", "BASE", "IPFS_PATH", "IPFS_ROOTS"]

Headers = CIMultiDict[str]

BASE = Headers({**headers.CORS, **SERVER})
IPFS_PATH = istr("X-Ipfs-Path")
IPFS_ROOTS = istr("X-Ipfs-Roots")
# Longer header fields are more than many clients and proxies take.
MAX_FIELD_CHARS = 4096


@dataclass(frozen=True, slots=True)
class End:
    """Where a content path ends: the block, the CIDs that the path led through, and what of it is left
    inside the block."""

    cid: CID
    text: str
    roots: tuple[str, ...]
    remainder: str = ""

    @classmethod
    def at(cls, text: str) -> End:
        """The end of a path that is nothing but a CID."""
        return cls(CID.parse(text), text, (text,))


@dataclass(slots=True)
class Asked:
    """What one request asks for.

    `path` is the content path as it was given; `root` and `below` are the immutable one that it stands for
    now, `ttl_s` for how long. `site` is the content's own host, and so its own origin, if it has one.
    `block` is the CID that names an answer which is no more than what that CID holds.
    """

    request: web.Request
    operation_id: str
    path: ContentPath
    wanted: Wanted
    site: SiteHost | None = None
    root: str = ""
    below: str = ""
    ttl_s: float | None = None
    block: str = ""

    @property
    def isolated(self) -> bool:
        """Whether the content shares its origin with no other content."""
        return self.site is not None

    @property
    def gateway(self) -> str:
        """Where the gateway is whose site this is, as `//localhost:8000`; else empty."""
        return f"//{self.site.gateway}" if self.site is not None and self.site.gateway else ""

    @property
    def is_head(self) -> bool:
        return self.request.method == hdrs.METH_HEAD

    @property
    def filename(self) -> str | None:
        """The name that the query gives the content, if any."""
        return self.request.query.get("filename") or None

    @property
    def download(self) -> bool:
        return says_yes(self.request.query.get("download"))

    @property
    def given_name(self) -> str:
        """The content's name: the query's, or the last one of the path, or none."""
        return self.filename or self.path.path.rpartition("/")[2]

    def etag(self, end: End, byte_range: tuple[int, int] | None = None) -> str:
        return headers.etag(end.text, self.wanted, byte_range=byte_range)

    def formatted(self, as_format: Format) -> None:
        """The content as it is happens to be in this format."""
        self.wanted = replace(self.wanted, format=as_format)

    def plain(self) -> None:
        """The format that was asked for cannot be had, and the content as it is will do."""
        self.wanted = replace(self.wanted, format=None, location=())

    def knows(self, *etags: str) -> str | None:
        """The one of these tags that the client has already; `*` is not answered here."""
        condition = self.request.headers.get(hdrs.IF_NONE_MATCH, "")
        return headers.known_etag(condition, *etags) if condition and condition.strip() != "*" else None

    def headers(self, roots: tuple[str, ...] = (), *, generated: bool = False) -> Headers:
        """The headers of any answer to this request; those of its format and its bytes come on top."""
        found = BASE.copy()
        found[OPERATION_ID] = self.operation_id
        found[IPFS_PATH] = self.path.url
        told = headers.roots(roots)
        if told and len(told) <= MAX_FIELD_CHARS:
            found[IPFS_ROOTS] = told
        kept = headers.cache_control(self.path, ttl_s=self.ttl_s, generated=generated)
        if kept is not None:
            found[hdrs.CACHE_CONTROL] = kept
        found.update(self._shown_as())
        location = self.wanted.content_location(self.request.path)
        if location is not None:
            found[hdrs.CONTENT_LOCATION] = location
        return found

    def _shown_as(self) -> dict[str, str]:
        """Type and name of the answer, where the request says them."""
        wanted, name, filename, download = (
            self.wanted,
            self.block or self.path.root,
            self.filename,
            self.download,
        )
        if wanted.format is not None:
            return headers.format_headers(wanted, name, filename=filename, download=download)
        shown = headers.disposition(None, name, filename=filename, download=download)
        return {} if shown is None else {hdrs.CONTENT_DISPOSITION: shown}

    def unchanged(self, etag: str, roots: tuple[str, ...] = (), *, generated: bool = False) -> web.Response:
        """304: the client has it already."""
        found = self.headers(roots, generated=generated)
        found[hdrs.ETAG] = etag
        found.popall(hdrs.CONTENT_TYPE, None)
        return web.Response(status=304, headers=found)
