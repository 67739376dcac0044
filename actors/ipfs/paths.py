"""Content paths as people write them: `/ipfs/<cid>/…`, `/ipns/<name>/…`, their URIs, or a bare CID.

Follows the forms of https://specs.ipfs.tech/http-gateways/path-gateway/ and the `ipfs://` and `ipns://`
schemes. What follows the root is taken as it stands: no percent-decoding, no `.` or `..`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...schemas.cid import CID, CODECS
from ...schemas.errors import BadRequest
from .ipns.name import IpnsName
from .unixfs.names import split_path

__all__ = ["ContentPath", "Domain", "parse_path"]

MAX_PATH_CHARS = 4200

_LIBP2P_KEY = CODECS["libp2p-key"]
_SCHEME = re.compile(r"(ipfs|ipns)://(.*)", re.ASCII | re.IGNORECASE | re.DOTALL)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+", re.ASCII)
# The DNS allows 253, and `_dnslink.` comes before it.
MAX_DOMAIN_CHARS = 253 - len("_dnslink.")


class Domain(str):
    """A domain name, lower-case and without a final dot, that a DNSLink may stand under."""

    __slots__ = ()

    @staticmethod
    def parse(text: str) -> Domain:
        """Raises BadRequest(field="name") for what is no domain name of two labels or more."""
        bare = text.lower().removesuffix(".")
        if len(bare) > MAX_DOMAIN_CHARS or not _DOMAIN.fullmatch(bare):
            raise BadRequest("name", f"{text[:MAX_DOMAIN_CHARS]!r} is neither an IPNS name nor a domain name")
        return Domain(bare)


class ContentPath(NamedTuple):
    """A root and the names below it. Content under a CID never changes; under the others it may."""

    root: CID | IpnsName | Domain
    names: tuple[str, ...] = ()

    @property
    def is_mutable(self) -> bool:
        return not isinstance(self.root, CID)

    @property
    def rest(self) -> str:
        """What follows the root, without a slash before it."""
        return "/".join(self.names)

    def joined(self, names: tuple[str, ...]) -> ContentPath:
        """The path of these names below this one."""
        return ContentPath(self.root, self.names + names)

    def __str__(self) -> str:
        return "/".join(("", "ipns" if self.is_mutable else "ipfs", str(self.root), *self.names))


def parse_path(text: str, field: str = "path") -> ContentPath:
    """The path in a text; raises BadRequest naming `field`.

    Takes `/ipfs/<cid>/a`, `/ipns/<IPNS name or domain>/a`, the same as `ipfs://…` and `ipns://…`, and without
    a namespace `<cid>/a`, where a libp2p-key CID is an IPNS name.
    """
    if len(text) > MAX_PATH_CHARS:
        raise BadRequest(field, f"longer than {MAX_PATH_CHARS} characters", limit=MAX_PATH_CHARS)
    namespace, rest = _namespace(text, field)
    root, _, below = rest.partition("/")
    if not root:
        raise BadRequest(field, f"no {'CID' if namespace == 'ipfs' else 'name'} follows /{namespace}/")
    names = tuple(split_path(below, field))
    try:
        if namespace == "ipns":
            return ContentPath(parse_name(root), names)
        cid = CID.parse(root)
    except BadRequest as error:
        raise BadRequest(field, str(error.details["problem"]) + f" (in {text[:100]!r})") from None
    if cid.version == 1 and cid.codec == _LIBP2P_KEY:
        if text.startswith(root):
            return ContentPath(IpnsName.of_multihash(cid.multihash), names)
        raise BadRequest(field, f"{root} is a name, not content: use /ipns/{root}")
    return ContentPath(cid, names)


def parse_name(text: str) -> IpnsName | Domain:
    """What stands after `/ipns/`: the name of a key, or a domain. Raises BadRequest(field="name")."""
    bare = text.removeprefix("/ipns/").strip("/")
    try:
        return IpnsName.parse(bare)
    except BadRequest as error:
        if "." not in bare:
            raise error from None
        return Domain.parse(bare)


def _namespace(text: str, field: str) -> tuple[str, str]:
    if uri := _SCHEME.fullmatch(text):
        return uri[1].lower(), re.split(r"[?#]", uri[2], maxsplit=1)[0]
    if not text.startswith("/"):
        return "ipfs", text
    namespace, _, rest = text[1:].partition("/")
    if namespace not in ("ipfs", "ipns"):
        raise BadRequest(field, f"begins with neither /ipfs/ nor /ipns/: {text[:100]!r}")
    return namespace, rest
