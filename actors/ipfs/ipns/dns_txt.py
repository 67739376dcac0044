"""Asks the DNS for TXT records, with the system's servers or given ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from ....schemas.errors import BadRequest, DeadlineExceeded, NotFound, Unavailable
from .dnslink import TxtAnswer

__all__ = ["DnsTxt"]

TIMEOUT_S = 5.0
MAX_TEXTS = 256
DNS_PORT = 53


class DnsTxt:
    """A TxtResolver over UDP, and TCP for long answers."""

    def __init__(self, servers: Sequence[str] = (), *, timeout_s: float = TIMEOUT_S) -> None:
        """`servers` are addresses, `192.0.2.1`, `192.0.2.1:5353` or `[2001:db8::1]:53`; without any the
        system's are asked. Raises BadRequest(field="dns_servers"), Unavailable if the system names none."""
        self._timeout_s = timeout_s
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration as error:
            raise Unavailable(f"the system names no DNS server: {error}") from None
        if servers:
            self._resolver.nameservers = [_server(text) for text in servers]

    async def txt(self, name: str) -> TxtAnswer:
        try:
            answer = await self._resolver.resolve(name, "TXT", search=False, lifetime=self._timeout_s)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            raise NotFound("dnslink", name) from None
        except dns.exception.Timeout:
            raise DeadlineExceeded(f"DNS lookup of {name}", self._timeout_s) from None
        except dns.exception.DNSException as error:
            raise Unavailable(f"DNS lookup of {name} failed: {error}") from None
        rrset = answer.rrset
        assert rrset is not None
        texts = [b"".join(record.strings).decode("utf-8", "replace") for record in rrset]
        return TxtAnswer(texts[:MAX_TEXTS], float(rrset.ttl))


def _server(text: str) -> dns.nameserver.Nameserver:
    try:
        parts = urlsplit(f"//{text}" if text.count(":") < 2 or text.startswith("[") else f"//[{text}]")
        address = ipaddress.ip_address(parts.hostname or "")
        return dns.nameserver.Do53Nameserver(str(address), parts.port or DNS_PORT)
    except ValueError:
        raise BadRequest("dns_servers", f"{text!r} is not an address with or without a port") from None
