"""Delegated routing over HTTP: who has a block, where a peer is, and IPNS records, asked of several routers.

    GET /routing/v1/providers/{cid}   GET /routing/v1/peers/{peer-id}   GET and PUT /routing/v1/ipns/{name}

(https://specs.ipfs.tech/routing/http-routing-v1/). All routers are asked at once; what they find is merged,
and what became of each is told in `tried`. What a router says is a hint and never trusted: blocks and
records are checked by whoever uses them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import aiohttp
import orjson
from yarl import URL

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, BusError, InvalidContent, TooLarge, Unavailable
from ....schemas.names import MAX_RECORD_BYTES
from ....schemas.routing import PeerRecord, Tried
from ..ipns.name import IpnsName
from .lines import lines_of
from .web import CONNECT_TIMEOUT_S, Remote, network_errors, parse_origin, read_whole

__all__ = ["METHOD", "DelegatedRouting", "Found", "FoundRecords"]

METHOD = "delegated"
JSON, NDJSON = "application/json", "application/x-ndjson"
IPNS_RECORD = "application/vnd.ipfs.ipns-record"

TIMEOUT_S = 15.0
MAX_ROUTERS = 16
CONNECTIONS_EACH = 8
MAX_PEERS = 100
MAX_ADDRS, MAX_PROTOCOLS = 64, 64
MAX_TEXT_CHARS = 1024  # of one multiaddr or protocol
MAX_LINE_BYTES = 64 * 1024
MAX_JSON_BYTES = MAX_PEERS * MAX_LINE_BYTES
MAX_ERROR_BYTES = 4 * 1024
# The peer schema, and those that it replaced, which are read the same way.
PEER_SCHEMAS = ("peer", "bitswap", "graphsync-filecoinv1")

T = TypeVar("T")


class Found(NamedTuple):
    """Every peer once, its ID in base 58, in the order of the routers that know it; and what became of
    asking each router."""

    peers: list[PeerRecord]
    tried: list[Tried]


class FoundRecords(NamedTuple):
    """Every different record once, unchecked: which is valid and the newest is for the caller to see."""

    records: list[bytes]
    tried: list[Tried]


class DelegatedRouting(Remote):
    """A client of the routers at these URLs (`https://host[:port][/path]`, without `/routing/v1`).

    `timeout_s` limits each router's whole answer; what a stream has told by then counts.
    """

    def __init__(
        self, endpoints: Sequence[str], *, timeout_s: float = TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:  # fmt: skip
        if len(endpoints) > MAX_ROUTERS:
            raise BadRequest("routers", f"{len(endpoints)} routers", limit=MAX_ROUTERS)
        super().__init__(
            connections=CONNECTIONS_EACH * max(1, len(endpoints)),
            connect_timeout_s=connect_timeout_s,
            idle_timeout_s=timeout_s,
        )
        self._urls = list(dict.fromkeys(parse_origin(url, field="routers", path=True) for url in endpoints))
        self._timeout_s = timeout_s

    async def find_providers(
        self, cid: CID, *, addrs: Sequence[str] = (), protocols: Sequence[str] = ()
    ) -> Found:
        """Peers that say they have a block, at most 100 of each router.

        `addrs` and `protocols` are the filters of IPIP-484 (`!` negates, `unknown` includes what is not
        known), which the routers apply. A router that fails is told in `tried`, not raised.
        """
        return await self._find(f"providers/{cid.to_v1()}", "Providers", _filters(addrs, protocols))

    async def find_peer(
        self, peer_id: str, *, addrs: Sequence[str] = (), protocols: Sequence[str] = ()
    ) -> Found:
        """Where a peer is; as `find_providers`. Raises BadRequest(field="peer_id") for what is no peer ID."""
        wanted = _peer_id(peer_id)
        if wanted is None:
            raise BadRequest("peer_id", f"{peer_id[:80]!r} is not a peer ID")
        found = await self._find(f"peers/{wanted}", "Peers", _filters(addrs, protocols))
        # Another peer than the one that was asked for is no answer.
        return found._replace(peers=[peer for peer in found.peers if peer.id == wanted])

    async def get_ipns(self, name: IpnsName) -> FoundRecords:
        """The records that routers have for a name, each at most 10 KiB."""

        async def ask(url: URL, found: list[bytes]) -> None:
            async with self._answer("GET", url, f"ipns/{name}", headers={"Accept": IPNS_RECORD}) as response:
                # The specification has it that any other type means that there is no record.
                if _is_found(response, url) and response.content_type == IPNS_RECORD:
                    found.append(await read_whole(response, MAX_RECORD_BYTES, "record"))

        answers, tried = await self._ask_all(ask)
        return FoundRecords(list(dict.fromkeys(record for records in answers for record in records)), tried)

    async def put_ipns(self, name: IpnsName, record: bytes) -> list[Tried]:
        """Publish a signed record at every router; `found` is 1 for each that took it.

        Raises TooLarge(field="record") past 10 KiB. If no router takes it, raises BadRequest(field="record")
        when one of them calls it invalid, and else Unavailable.
        """
        if len(record) > MAX_RECORD_BYTES:
            raise TooLarge("record", limit=MAX_RECORD_BYTES)
        invalid: list[str] = []

        async def ask(url: URL, taken: list[bool]) -> None:
            headers = {"Content-Type": IPNS_RECORD}
            try:
                async with self._answer("PUT", url, f"ipns/{name}", data=record, headers=headers) as response:
                    if not _is_found(response, url):
                        raise Unavailable(f"{url} takes no records", url=str(url))
                    taken.append(True)
            except BadRequest as error:
                invalid.append(error.message)
                raise

        answers, tried = await self._ask_all(ask)
        if any(answers):
            return tried
        details = {"tried": [one.model_dump() for one in tried]}
        if invalid:
            raise BadRequest.rebuild(invalid[0], {"field": "record"} | details)
        raise Unavailable("no router takes the record", **details)

    async def _find(self, path: str, key: str, filters: dict[str, str]) -> Found:
        async def ask(url: URL, peers: list[PeerRecord]) -> None:
            accept = {"Accept": f"{NDJSON}, {JSON};q=0.9"}
            async with self._answer("GET", url, path, params=filters, headers=accept) as response:
                if not _is_found(response, url):
                    return
                async for told in _told(response, key):
                    peer = _peer(told)
                    peers += [] if peer is None else [peer]
                    if len(peers) >= MAX_PEERS:
                        return

        answers, tried = await self._ask_all(ask)
        return Found(_merge(peer for peers in answers for peer in peers), tried)

    @asynccontextmanager
    async def _answer(
        self, method: str, url: URL, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        with network_errors(path.partition("/")[0], str(url), self._timeout_s):
            async with (
                asyncio.timeout(self._timeout_s),
                self.session.request(
                    method, url / "routing/v1" / path, allow_redirects=False, **options
                ) as response,
            ):
                if response.status in (400, 422):
                    text = (await response.content.read(MAX_ERROR_BYTES)).decode("utf-8", "replace")
                    raise BadRequest(path.partition("/")[0], " ".join(text.split()) or f"refused by {url}")
                yield response

    async def _ask_all(
        self, ask: Callable[[URL, list[T]], Awaitable[None]]
    ) -> tuple[list[list[T]], list[Tried]]:
        """What every router answers, and what became of asking it, both in the order of the configuration.

        What `ask` has found when a router fails is kept.
        """

        async def one(url: URL, found: list[T]) -> Tried:
            error = None
            try:
                await ask(url, found)
            except BusError as failed:
                error = failed.message
            return Tried(method=METHOD, endpoint=str(url), found=len(found), error=error)

        answers: list[list[T]] = [[] for _ in self._urls]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(*each)) for each in zip(self._urls, answers, strict=True)]
        return answers, [task.result() for task in tasks]


def _filters(addrs: Sequence[str], protocols: Sequence[str]) -> dict[str, str]:
    given = {"filter-addrs": ",".join(addrs), "filter-protocols": ",".join(protocols)}
    return {name: value for name, value in given.items() if value}


def _is_found(response: aiohttp.ClientResponse, url: URL) -> bool:
    """Whether the answer is one; 404 means that there is nothing. Raises Unavailable for any other status."""
    if response.status not in (200, 404):
        raise Unavailable(f"{url} answered {response.status}", url=str(url))
    return response.status == 200


async def _told(response: aiohttp.ClientResponse, key: str) -> AsyncIterator[Any]:
    """The records of an answer: a stream of lines, or `{key: […]}` where a router does not stream."""
    if response.content_type == NDJSON:
        async for line in lines_of(response.content.iter_any(), MAX_LINE_BYTES):
            yield _json(line)
        return
    whole = _json(await read_whole(response, MAX_JSON_BYTES, "answer"))
    told = whole.get(key) if isinstance(whole, dict) else None
    for one in told if isinstance(told, list) else ():
        yield one


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidContent("answer", f"not JSON: {error}") from None


def _peer(told: Any) -> PeerRecord | None:
    """The peer in a record; None for a schema that is not known, or no peer ID."""
    if not isinstance(told, dict) or told.get("Schema") not in PEER_SCHEMAS:
        return None
    peer_id = _peer_id(told.get("ID"))
    if peer_id is None:
        return None
    protocols = _texts(told.get("Protocols"), MAX_PROTOCOLS) or _texts([told.get("Protocol")], 1)
    return PeerRecord(
        id=peer_id, addrs=_texts(told.get("Addrs"), MAX_ADDRS), protocols=protocols, method=METHOD
    )


def _peer_id(text: Any) -> str | None:
    """A peer ID in base 58, whichever way it was written."""
    if not isinstance(text, str):
        return None
    try:
        return IpnsName.parse(text).peer_id
    except BadRequest:
        return None


def _texts(given: Any, limit: int) -> list[str]:
    if not isinstance(given, list):
        return []
    return [text for text in given[:limit] if isinstance(text, str) and 0 < len(text) <= MAX_TEXT_CHARS]


def _merge(peers: Iterable[PeerRecord]) -> list[PeerRecord]:
    """Each peer once, with everything that was told of it, up to 64 addresses and protocols."""
    merged: dict[str, PeerRecord] = {}
    for peer in peers:
        known = merged.setdefault(peer.id, peer)
        if known is not peer:
            merged[peer.id] = PeerRecord(
                id=peer.id,
                addrs=_union(known.addrs, peer.addrs, MAX_ADDRS),
                protocols=_union(known.protocols, peer.protocols, MAX_PROTOCOLS),
                method=METHOD,
            )
    return list(merged.values())


def _union(some: list[str], more: list[str], limit: int) -> list[str]:
    return list(dict.fromkeys(some + more))[:limit]
