"""Hosts: which content has a host to itself, and where content that was asked for by path has one.

    http://localhost:8000/ipfs/bafy…/a?b   -> http://bafy….ipfs.localhost:8000/a?b
    Host: bafy….ipfs.localhost:8000        -> SiteHost("ipfs", "bafy…", "localhost:8000")
    Host: example.org, if it is allowed    -> SiteHost("ipns", "example.org", "")

Sources: subdomain gateway, DNSLink gateway.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from ...schemas.cid import CODECS
from ..settings import BridgeSettings
from .paths import IPFS, IPNS, ContentPath, Moved, SiteHost, read_host

__all__ = ["Origins"]

LIBP2P_KEY = CODECS["libp2p-key"]


class Origins:
    """What the settings say of hosts."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._gateways = tuple(host.lower() for host in settings.gateway_hosts)
        self._dnslink = tuple(host.lower() for host in settings.gateway_dnslink_hosts)
        self._trusts_proxy = settings.gateway_trust_forwarded

    def site_of(self, request: web.BaseRequest) -> SiteHost | None:
        """The content root whose own host was asked, or None if it is any other host."""
        host = self._host(request)
        if not self._dnslink and ".ipfs." not in host and ".ipns." not in host:
            return None
        return read_host(host, self._gateways) or self._dnslink_site(host)

    def is_gateway(self, request: web.BaseRequest) -> bool:
        """Whether the host asked is one below which every root has a host of its own."""
        return _bare(self._host(request)) in self._gateways

    def moved(self, request: web.BaseRequest, path: ContentPath) -> Moved | None:
        """Where content asked for by path has its own host; None if it has none here.

        Raises BadRequest for a root that no host name can hold.
        """
        if not self.is_gateway(request):
            return None
        return self._at_home(request, path, self._host(request))

    def canonical(self, request: web.BaseRequest, site: SiteHost, path: ContentPath) -> Moved | None:
        """Where a root whose host is written otherwise has its one origin; None if this is it."""
        if not site.gateway:
            return None
        written = _home(path)
        if written.namespace == site.namespace and written.label == site.root:
            return None
        if "." in site.root and self._scheme(request) == "http":
            return None  # a domain's labels may stand as they are where no wildcard certificate has to fit
        return self._at_home(request, path, site.gateway)

    def _at_home(self, request: web.BaseRequest, path: ContentPath, gateway: str) -> Moved:
        query = request.rel_url.raw_query_string
        return Moved(_home(path).subdomain_url(gateway, scheme=self._scheme(request), query=query))

    def _host(self, request: web.BaseRequest) -> str:
        given = request.headers.get("X-Forwarded-Host", "") if self._trusts_proxy else ""
        return (given.partition(",")[0].strip() or request.headers.get(hdrs.HOST, "")).lower()

    def _scheme(self, request: web.BaseRequest) -> str:
        given = request.headers.get("X-Forwarded-Proto", "") if self._trusts_proxy else ""
        return given.strip().lower() if given.strip().lower() in ("http", "https") else request.scheme

    def _dnslink_site(self, host: str) -> SiteHost | None:
        domain = _bare(host)
        if domain in self._gateways or not _is_domain(domain):
            return None
        allowed = any(_fits(domain, pattern) for pattern in self._dnslink)
        return SiteHost(IPNS, domain, "") if allowed else None


def _home(path: ContentPath) -> ContentPath:
    """The same path under the namespace that it belongs to: keys are names."""
    if path.namespace == IPFS and path.cid is not None and path.cid.codec == LIBP2P_KEY:
        return ContentPath(IPNS, path.root, path.path, path.slash, key=path.cid.to_v1())
    return path


def _bare(host: str) -> str:
    """A host without its port and the final dot."""
    return host.lower().partition(":")[0].rstrip(".") if not host.startswith("[") else host


def _is_domain(host: str) -> bool:
    labels = host.split(".")
    return len(labels) > 1 and not labels[-1].isdecimal() and not host.startswith("[")


def _fits(domain: str, pattern: str) -> bool:
    return pattern in ("*", domain) or (pattern.startswith("*.") and domain.endswith(pattern[1:]))
