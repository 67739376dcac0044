"""DNSLink: domain names that point at content, through a TXT record at `_dnslink.<domain>`.

Follows https://dnslink.dev/ as Kubo reads it: the record says `dnslink=/ipfs/…` or `dnslink=/ipns/…`; two
that say different things are an error. A domain that leads to a name is followed by `names.py`.
"""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol

from ....schemas.errors import BadRequest, InvalidContent, NotFound, NotSupported
from ..paths import ContentPath, Domain, parse_path
from .fresh import Fresh, FreshCache, NowNs
from .moments import SECOND_NS

__all__ = ["DnsLink", "TxtAnswer", "TxtResolver"]

_PREFIX = "dnslink="


class TxtAnswer(NamedTuple):
    """The TXT records of a name, each with its strings joined, and for how long they hold."""

    texts: list[str]
    ttl_s: float


class TxtResolver(Protocol):
    """Who asks the DNS; `dns_txt.py` has the real one."""

    async def txt(self, name: str) -> TxtAnswer:
        """Follows CNAMEs. Raises NotFound(what="dnslink") if the name has no TXT record, DeadlineExceeded,
        Unavailable."""
        ...


class DnsLink:
    """Looks domains up, with a cache bounded by the records' ttl and by an hour."""

    def __init__(self, resolver: TxtResolver | None, *, now_ns: NowNs = time.time_ns) -> None:
        """Without a resolver, DNSLink is off."""
        self._resolver = resolver
        self._seen: FreshCache[Domain, ContentPath] = FreshCache(now_ns)

    async def look_up(self, domain: Domain, *, nocache: bool = False) -> Fresh[ContentPath]:
        """Where a domain points; raises NotSupported if DNSLink is off, NotFound(what="dnslink"),
        InvalidContent(field="dnslink"), and what the resolver raises."""
        if self._resolver is None:
            raise NotSupported(
                f"{domain} is a domain name, and the DNS is not asked: CIDBUS_IPFS_DNSLINK=true allows it",
                field="name", setting="CIDBUS_IPFS_DNSLINK",
            )  # fmt: skip
        seen = None if nocache else self._seen.get(domain)
        if seen is not None:
            return seen
        answer = await self._resolver.txt(f"_dnslink.{domain}")
        return self._seen.put(domain, _link(answer.texts, domain), int(answer.ttl_s * SECOND_NS))


def _link(texts: list[str], domain: Domain) -> ContentPath:
    values = [text.removeprefix(_PREFIX).strip() for text in texts if text.startswith(_PREFIX)]
    if not values:
        raise NotFound("dnslink", domain)
    problem = ""
    paths: set[ContentPath] = set()
    for value in values:
        try:
            paths.add(_path(value))
        except BadRequest as error:
            problem = str(error.details["problem"])
    if len(paths) > 1:
        raise InvalidContent("dnslink", f"{domain} points at more than one path")
    if not paths:
        raise InvalidContent("dnslink", f"{domain} points at no content path: {problem}")
    return paths.pop()


def _path(value: str) -> ContentPath:
    if "://" in value:
        raise BadRequest("dnslink", "a URI, where a path that begins with /ipfs/ or /ipns/ belongs")
    return parse_path(value, "dnslink")
