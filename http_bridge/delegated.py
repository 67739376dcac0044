"""Delegated routing (the IPFS Delegated Routing V1 HTTP API): who in this cluster has what, and IPNS records.

    GET  /routing/v1/providers/{cid}      nodes of this cluster that have announced the content
    GET  /routing/v1/peers/{peer_id}      where a node of this cluster can be reached
    GET  /routing/v1/ipns/{name}          the signed record of a name
    PUT  /routing/v1/ipns/{name}          keep a signed record

Only the cluster's own knowledge is told: a router that asked other routers could be led in circles. Any web
page may ask, and may leave records, which prove themselves by their signatures.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any, TypeVar

import orjson
from aiohttp import hdrs, web

from ..schemas import subjects
from ..schemas.errors import BadRequest, BusError, NotFound, NotSupported
from ..schemas.names import MAX_RECORD_BYTES, NameGet, NamePut
from ..schemas.routing import PeerRecord
from ..schemas.rows import Request
from ..schemas.wire import Wire
from .bodies import media_type_of, whole
from .bridge import AiohttpHandler, Bridge, Handler
from .gateway.formats import Format
from .items import NDJSON
from .problems import OPERATION_ID, SERVER
from .ranges import matches_any
from .replies import JSON

__all__ = ["IPNS_RECORD", "DelegatedRouting"]

IPNS_RECORD = Format.IPNS_RECORD.media_type
MAX_RECORDS = 100
UNKNOWN = "unknown"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, PUT, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Content-Type",
    "Access-Control-Expose-Headers": "Etag, X-Operation-ID",
}
# Somebody may announce content at any moment, so that there is none yet is not kept for long.
FOUND, NOT_FOUND = "public, max-age=300, stale-while-revalidate=172800", "public, max-age=15"


R = TypeVar("R", bound=Wire)


class _Unprocessable(BusError):
    """A path that names no CID or peer."""

    code, kind = 422, "unprocessable"


class _NotAcceptable(BusError):
    code, kind = 406, "not_acceptable"


class _UnknownPath(BusError):
    code, kind = 400, "no_such_route"


class DelegatedRouting:
    """The handlers of `/routing/v1`."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._bus = bridge.bus

    def add_to(self, app: web.Application) -> None:
        """Add the routes; whatever else is asked below `/routing/v1` is answered as the API says."""
        root = "/routing/v1"
        for method, path, handler in (
            (hdrs.METH_GET, "/providers/{cid}", self.providers),
            (hdrs.METH_GET, "/peers/{peer_id}", self.peers),
            (hdrs.METH_GET, "/ipns/{name}", self.ipns),
            (hdrs.METH_PUT, "/ipns/{name}", self.put_ipns),
        ):
            app.router.add_route(method, root + path, self._open(handler))
        app.router.add_route(hdrs.METH_ANY, root + "/{tail:.*}", self._open(self.other))

    def _open(self, handler: Handler) -> AiohttpHandler:
        """The handler for requests from anywhere: even its errors may be read by any page."""
        guarded = self._bridge.guard(handler, open_to_pages=True)

        async def answer(request: web.Request) -> web.StreamResponse:
            response = await guarded(request)
            response.headers.update(CORS)
            return response

        return answer

    # ---- providers and peers ----------------------------------------------------------------------------

    async def providers(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        cid = request.match_info["cid"]
        found = await self._found(subjects.FIND_PROVIDERS, cid=cid, num_providers=MAX_RECORDS)
        return self._records(request, "Providers", found.providers, operation_id)

    async def peers(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        found = await self._found(subjects.FIND_PEER, peer_id=request.match_info["peer_id"])
        return self._records(request, "Peers", found.responses, operation_id)

    async def _found(self, row: Request[Any, R], **fields: Any) -> R:
        """What the cluster itself knows; a field that names nothing is 422 here."""
        try:
            return await self._bus.request(row, row.ask.from_fields(fields | {"cluster_only": True}))
        except BadRequest as error:
            raise _Unprocessable(error.message, **error.details) from None

    def _records(
        self, request: web.Request, field: str, found: Iterable[PeerRecord], operation_id: str
    ) -> web.StreamResponse:
        records = list(_filtered(found, _words(request, "filter-addrs"), _words(request, "filter-protocols")))
        headers = {
            hdrs.CACHE_CONTROL: FOUND if records else NOT_FOUND,
            hdrs.VARY: "Accept",
            hdrs.LAST_MODIFIED: formatdate(time.time(), usegmt=True),
            OPERATION_ID: operation_id,
            **SERVER,
        }
        if NDJSON in request.headers.get(hdrs.ACCEPT, ""):
            body = b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)
            return web.Response(body=body, headers={hdrs.CONTENT_TYPE: NDJSON, **headers})
        body = orjson.dumps({field: records[:MAX_RECORDS]})
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: JSON, **headers})

    # ---- IPNS -------------------------------------------------------------------------------------------

    async def ipns(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        _require_record_type(request, hdrs.ACCEPT)
        name = request.match_info["name"]
        try:
            found = await self._bus.request(subjects.NAME_GET, NameGet(name=name, cluster_only=True))
        except NotFound:
            headers = {hdrs.CACHE_CONTROL: "public, max-age=60", OPERATION_ID: operation_id, **SERVER}
            return web.Response(status=404, text=f"no record of {name[:200]} here\n", headers=headers)
        etag = f'"{hashlib.sha256(found.record).hexdigest()[:32]}"'
        headers = {
            hdrs.CONTENT_TYPE: IPNS_RECORD,
            hdrs.ETAG: etag,
            hdrs.CACHE_CONTROL: f"public, max-age={int(found.ttl_s) or 60}",
            hdrs.VARY: "Accept",
            OPERATION_ID: operation_id,
            **SERVER,
        }
        if matches_any(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.record, headers=headers)

    async def put_ipns(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        _require_record_type(request, hdrs.CONTENT_TYPE)
        async with whole(request, MAX_RECORD_BYTES, self._bridge) as body:
            record = bytes(body)
        name = request.match_info["name"]
        try:
            await self._bus.request(subjects.NAME_PUT, NamePut(name=name, record=record))
        except BusError as error:
            if error.code == 422:  # the API knows only 400 for a record that is not valid
                raise BadRequest("record", error.message) from error
            raise
        return web.Response(headers={OPERATION_ID: operation_id, **SERVER})

    # ---- everything else --------------------------------------------------------------------------------

    async def other(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        known = request.match_info["tail"].partition("/")[0] in ("providers", "peers", "ipns")
        if request.method == hdrs.METH_OPTIONS and known:
            return web.Response(status=204, headers={OPERATION_ID: operation_id, **SERVER})
        if known:
            raise NotSupported(f"{request.method} is not served here: content is provided over the bus")
        raise _UnknownPath(f"nothing is served at {request.path[:200]}")


def _require_record_type(request: web.Request, header: str) -> None:
    given = request.headers.get(header, "") if header == hdrs.ACCEPT else media_type_of(request)
    if IPNS_RECORD not in given:
        raise _NotAcceptable(f"retry with {header}: {IPNS_RECORD}", field=header)


# ---- filters (IPIP-484) ---------------------------------------------------------------------------------


def _words(request: web.Request, name: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in request.query.get(name, "").split(",") if word.strip())


def _filtered(
    found: Iterable[PeerRecord], addr_words: frozenset[str], protocol_words: frozenset[str]
) -> Iterable[dict[str, Any]]:
    """The records that pass both filters, with only the addresses that pass theirs."""
    for peer in found:
        protocols = {protocol.lower() for protocol in peer.protocols} or {UNKNOWN}
        if protocol_words and protocols.isdisjoint(protocol_words):
            continue
        addrs = _passing(peer.addrs, addr_words)
        if addrs is not None:
            yield {"Schema": "peer", "ID": peer.id, "Addrs": addrs, "Protocols": peer.protocols}


def _passing(addrs: list[str], words: frozenset[str]) -> list[str] | None:
    """The addresses that pass; None if the whole record does not.

    `!word` takes away addresses with that protocol, other words keep those with one of them, and `unknown`
    keeps a peer without addresses.
    """
    if not words:
        return addrs
    if not addrs:
        return [] if UNKNOWN in words else None
    refused = {word[1:] for word in words if word.startswith("!")}
    wanted = {word for word in words if not word.startswith("!")} - {UNKNOWN}
    kept = []
    for addr in addrs:
        parts = set(addr.lower().split("/"))
        if parts.isdisjoint(refused) and (not wanted or not parts.isdisjoint(wanted)):
            kept.append(addr)
    return kept or None
