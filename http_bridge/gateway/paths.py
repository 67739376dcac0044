"""Content paths: what a URL's path or host names, and the URLs that name the same content elsewhere.

    /ipfs/bafy…/a%20b/      -> ContentPath("ipfs", …, path="a b", slash=True)
    /ipns/k51…/x            -> ContentPath("ipns", …, key=CID(…))
    /ipns/en-example-com    -> ContentPath("ipns", …, domain="en.example.com")
    /ipfs/ipfs/bafy…        -> Moved("/ipfs/bafy…")
    bafy….ipfs.example.net  -> SiteHost("ipfs", "bafy…", "example.net")

Sources: path gateway ("Finding the content root"), subdomain gateway ("Host", "Location", "URI router",
"DNS label limits"), RFC 9110 and RFC 2181 section 11.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, urlsplit

from ...schemas.cid import CID, CODECS, DAG_PB, base58_decode
from ...schemas.errors import BadRequest
from ..naming import percent_decoded

__all__ = [
    "ContentPath", "Moved", "SiteHost", "read_path", "content_path", "read_host", "uri_target",
    "inline_domain", "uninline_domain", "quoted", "MAX_SEGMENTS", "MAX_LABEL_CHARS",
]  # fmt: skip

IPFS, IPNS = "ipfs", "ipns"
MAX_SEGMENTS = 256
MAX_LABEL_CHARS = 63
MAX_DOMAIN_CHARS = 253
LIBP2P_KEY = CODECS["libp2p-key"]


@dataclass(frozen=True)
class Moved:
    """The content has another URL: `location` is percent-encoded and without the request's query."""

    location: str
    status: int = 301


@dataclass(frozen=True)
class ContentPath:
    """One content path. `root` is the text of the CID or name as it was given, `path` the decoded rest
    without slashes at its ends, `slash` whether the URL ended in one, so that it names a directory.
    """

    namespace: str
    root: str
    path: str = ""
    slash: bool = False
    cid: CID | None = None
    key: CID | None = None
    domain: str | None = None

    @property
    def is_mutable(self) -> bool:
        return self.namespace == IPNS

    def __str__(self) -> str:
        """The path as people read it, decoded."""
        return f"/{self.namespace}/{self.root}" + (f"/{self.path}" if self.path else "") + self._end

    @property
    def url(self) -> str:
        """The path as it stands in URLs and in X-Ipfs-Path, percent-encoded."""
        return quoted(str(self))

    @property
    def segments(self) -> list[str]:
        return self.path.split("/") if self.path else []

    @cached_property
    def label(self) -> str:
        """The root as one DNS label: base32 of version 1 for content, base36 for keys, domains inlined.

        Raises BadRequest(field="cid" or "name") if it is longer than 63 characters however it is written.
        """
        if self.domain is not None:
            return inline_domain(self.domain)
        if self.key is not None:
            return _fitting(self.key.to_base36())
        assert self.cid is not None, "a content path has a CID, a key or a domain"
        label = str(self.cid.to_v1())
        return label if len(label) <= MAX_LABEL_CHARS else _fitting(self.cid.to_base36())

    @property
    def canonical_root(self) -> str:
        """The root in the form that URLs of path gateways use: keys in base36, the rest as given."""
        return self.root if self.key is None else self.key.to_base36()

    def moved_to_base36(self) -> Moved | None:
        """Where a key written otherwise, as a peer id, has its canonical path; None if this is it."""
        if self.root == self.canonical_root:
            return None
        rest = f"/{self.path}" if self.path else ""
        return Moved(quoted(f"/{self.namespace}/{self.canonical_root}{rest}{self._end}"), 302)

    def subdomain_url(self, gateway: str, *, scheme: str = "http", query: str = "") -> str:
        """The URL of the same content under its own origin; `query` is the raw query, kept as it is."""
        rest = quoted(f"/{self.path}{self._end}" if self.path else "/")
        return f"{scheme}://{self.label}.{self.namespace}.{gateway}{rest}" + (f"?{query}" if query else "")

    @property
    def _end(self) -> str:
        return "/" if self.slash else ""


@dataclass(frozen=True)
class SiteHost:
    """What `{root}.{namespace}.{gateway}` names; `gateway` keeps its port."""

    namespace: str
    root: str
    gateway: str

    def at(self, raw_path: str) -> ContentPath:
        """The content path of a URL's path below this host; raises BadRequest as `read_path` does.

        A CID longer than a DNS label is refused here too, as no browser could have come by it.
        """
        if "." not in self.root and len(self.root) > MAX_LABEL_CHARS:
            _fitting(self.root)
        return content_path(self.namespace, self.root, raw_path)


def read_path(raw_path: str) -> ContentPath | Moved:
    """The content path that a URL's percent-encoded path names, without its query.

    Raises BadRequest(field="path", "cid" or "name") if it names none. Dots and empty segments are resolved
    as in any URL, but never above the root.
    """
    namespace, _, rest = raw_path.removeprefix("/").partition("/")
    rest = rest.lstrip("/")
    moved = False
    while namespace == IPFS and rest.startswith((f"{IPFS}/", f"{IPNS}/")):
        namespace, _, rest = rest.partition("/")
        rest, moved = rest.lstrip("/"), True
    if namespace not in (IPFS, IPNS):
        raise BadRequest("path", "not below /ipfs/ or /ipns/")
    root, slash, below = rest.partition("/")
    if not root:
        raise BadRequest("path", f"nothing is named below /{namespace}/")
    found = content_path(namespace, percent_decoded(root, "path"), slash + below)
    return Moved(found.url) if moved else found


def content_path(namespace: str, root: str, raw_path: str) -> ContentPath:
    """The content path of a root, given as decoded text, and the percent-encoded path below it."""
    path, slash = _resolved(percent_decoded(raw_path, "path"))
    if namespace == IPFS:
        return ContentPath(IPFS, root, path, slash, cid=CID.parse(root))
    key = _key(root)
    domain = None if key is not None else _domain(root)
    return ContentPath(IPNS, root, path, slash, key=key, domain=domain)


def uri_target(uri: str) -> Moved:
    """Where `?uri=` leads: the path of an `ipfs://` or `ipns://` address (subdomain gateway, "URI router").

    Raises BadRequest(field="uri") for any other address.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise BadRequest("uri", "not an address") from None
    if parts.scheme not in (IPFS, IPNS) or not parts.netloc:
        raise BadRequest("uri", "not of the form ipfs://<cid>/… or ipns://<name>/…")
    below = quoted(percent_decoded(parts.path, "uri"))
    query = f"?{quote(parts.query, safe='=&%+/:?@!$()*,;-._~')}" if parts.query else ""
    fragment = f"#{quote(parts.fragment, safe='=&%+/:?@!$()*,;-._~')}" if parts.fragment else ""
    return Moved(f"/{parts.scheme}/{quote(parts.netloc, safe='')}{below}{query}{fragment}")


def read_host(host: str, gateways: Collection[str]) -> SiteHost | None:
    """What a Host header names below one of these gateways' hosts; None for a gateway's or any other host.

    `gateways` are host names without ports. A domain's labels may also stand there as they are.
    """
    name, colon, port = host.lower().rstrip(".").partition(":")
    for gateway in gateways:
        for namespace in (IPFS, IPNS):
            root = name.removesuffix(f".{namespace}.{gateway.lower()}")
            if root != name and root:
                return SiteHost(namespace, root, name[len(root) + len(namespace) + 2 :] + colon + port)
    return None


def inline_domain(domain: str) -> str:
    """A domain as one label, `en.wiki-x.org` as `en-wiki--x-org`; raises BadRequest if that is too long."""
    label = domain.replace("-", "--").replace(".", "-")
    if len(label) > MAX_LABEL_CHARS:
        raise BadRequest("name", f"longer than a DNS label when inlined: {label[:80]}", limit=MAX_LABEL_CHARS)
    return label


def uninline_domain(label: str) -> str:
    """The domain that a label stands for: `--` is `-`, a single `-` is `.`."""
    return _DASHES.sub(lambda found: "-" if len(found[0]) == 2 else ".", label)


def quoted(path: str) -> str:
    """A path percent-encoded as RFC 3986 has it, slashes kept."""
    return quote(path, safe="/!$&'()*+,;=:@~")


def _key(root: str) -> CID | None:
    """The key that an IPNS name is, as a CID in any base or as a peer id; None if it is a domain.

    Keys written under another codec than libp2p-key are old forms of the same key.
    """
    if "." in root:
        return None
    try:
        is_peer_id = root.startswith("1")  # an Ed25519 key in base58, without a multibase prefix
        found = CID.from_bytes(_KEY_PREFIX + base58_decode(root)) if is_peer_id else CID.parse(root)
    except BadRequest:
        return None
    return CID(1, LIBP2P_KEY, found.multihash) if found.codec in (LIBP2P_KEY, DAG_PB) else None


def _domain(root: str) -> str:
    """The domain that an IPNS name is, inlined or not; raises BadRequest(field="name") if it is none."""
    name = uninline_domain(root) if "." not in root else root
    try:
        domain = name.removesuffix(".").encode("idna").decode().lower()
    except UnicodeError:
        domain = ""
    labels = domain.split(".")
    if len(labels) < 2 or len(domain) > MAX_DOMAIN_CHARS or not all(map(_LABEL.fullmatch, labels)):
        raise BadRequest("name", f"neither a key nor a domain: {root[:80]!r}")
    if labels[-1].isdecimal():
        raise BadRequest("name", f"an address, not a domain: {root[:80]!r}")
    return domain


def _resolved(path: str) -> tuple[str, bool]:
    """A path without empty and dot segments, and whether it names a directory."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if not kept:
                raise BadRequest("path", "leads above its root")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    if len(kept) > MAX_SEGMENTS:
        raise BadRequest("path", f"more than {MAX_SEGMENTS} segments", limit=MAX_SEGMENTS)
    return "/".join(kept), len(segments) > 1 and segments[-1] in ("", ".", "..")


def _fitting(label: str) -> str:
    if len(label) > MAX_LABEL_CHARS:
        problem = f"CID incompatible with DNS label length limit of {MAX_LABEL_CHARS}: {label[:200]}"
        raise BadRequest("cid", problem, limit=MAX_LABEL_CHARS)
    return label


_KEY_PREFIX = bytes((1, LIBP2P_KEY))
_DASHES = re.compile("--?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
