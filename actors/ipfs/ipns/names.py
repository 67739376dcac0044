"""The name service of a node: publishes under its keys, resolves names to content, keeps what arrives.

    publish: [key, path] -> the record that follows the kept one -> kept, durable -> every routing
    resolve: [/ipns/name/a] -> kept and routed records, the best -> its path, again while it is a name -> /a

Sequence numbers follow Kubo's rule: the same value keeps its number and only lives longer; a new value, or a
record that would not win against the last one otherwise, takes the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ....schemas.errors import BadRequest, BusError, Conflict, InvalidContent, NotFound, Unavailable
from ....schemas.names import MAX_SECONDS
from ..paths import ContentPath, Domain
from ..store.kept import Kept
from .dnslink import DnsLink
from .fresh import Fresh, FreshCache, NowNs
from .kept_records import KeptRecords, Publication
from .keys import PrivateKey
from .keystore import Keystore
from .moments import SECOND_NS
from .name import IpnsName
from .record import DEFAULT_LIFETIME_NS, DEFAULT_TTL_NS, Record, create, select, validate
from .routing import RecordRouting, Told, ask_all, tell_all

__all__ = ["Names", "Published", "Resolved"]

MAX_DEPTH = 32
ROUTING_TIMEOUT_S = 15.0
# Other implementations read sequence numbers as signed.
MAX_SEQUENCE = (1 << 63) - 1
REPUBLISH_EVERY_NS = 4 * 3600 * SECOND_NS
RETRY_AFTER_NS = 300 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Published:
    """A record that is kept here, and which routings took it."""

    name: IpnsName
    record: Record
    told: Told


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a path of names leads. `ttl_s` is for how long that may be taken as true, None if for ever;
    `record` is the first name's, None if that was a domain."""

    path: ContentPath
    ttl_s: float | None
    record: Record | None


class Names:
    """Names of one node; several processes may share its store and keys. Used from one event loop."""

    def __init__(
        self, table: Kept, keys: Keystore, routings: Sequence[RecordRouting] = (), *,
        dnslink: DnsLink | None = None, now_ns: NowNs = time.time_ns,
        timeout_s: float = ROUTING_TIMEOUT_S, republish_every_ns: int = REPUBLISH_EVERY_NS,
    ) -> None:  # fmt: skip
        """`table` is the store's `names`. Without `dnslink`, domains are not looked up."""
        self.kept = KeptRecords(table, now_ns)
        self._keys = keys
        self._routings = tuple(routings)
        self._dnslink = dnslink or DnsLink(None)
        self._now_ns = now_ns
        self._timeout_s = timeout_s
        self._every_ns = republish_every_ns
        self._routed: FreshCache[IpnsName, Record] = FreshCache(now_ns)

    # ---- publishing -------------------------------------------------------------------------------------

    async def publish(
        self, value: ContentPath, *, key: str = "self", lifetime_s: float = DEFAULT_LIFETIME_NS / SECOND_NS,
        ttl_s: float = DEFAULT_TTL_NS / SECOND_NS, sequence: int | None = None,
        allow_offline: bool = True, v1: bool = True,
    ) -> Published:  # fmt: skip
        """Point the name of a key (its own name, or an IPNS name in any form) at a path.

        The record is durable and will be republished when this returns. `sequence` must be above the last
        one. Raises NotFound(what="key"), BadRequest, and unless `allow_offline` Unavailable if there are
        routings and none took the record, which is kept all the same.
        """
        lifetime_ns, ttl_ns = _span("lifetime", lifetime_s), _span("ttl", ttl_s, least_ns=0)
        owned = await asyncio.to_thread(self._keys.find, key)
        name = owned.key.name
        if self.kept.get(name) is None:
            await self._learn(name)
        # First, so that a record that is kept is also kept alive, whatever comes between.
        former = self.kept.publication(name)
        await self.kept.set_publication(name, Publication(lifetime_ns, self._now_ns() + RETRY_AFTER_NS))
        follow = partial(
            self._following, key=owned.key, value=str(value).encode(), lifetime_ns=lifetime_ns,
            ttl_ns=ttl_ns, sequence=sequence, v1=v1,
        )  # fmt: skip
        try:
            record = await self.kept.advance(name, follow)
        except BusError:
            await self.kept.set_publication(name, former)
            raise
        told = await self._announce(name, record, lifetime_ns)
        if told.failed and not told.published_to and not allow_offline:
            raise Unavailable(
                f"{name} is published on this node only: nobody else took it", failed=told.failed
            )
        return Published(name, record, told)

    async def renew(self, name: IpnsName) -> Published | None:
        """Give a published name a record that lives longer, with the same value and number, and tell
        everybody; None if somebody else does so now or nothing was published. Raises NotFound(what="key") if
        its key is gone, and forgets the publication."""
        publication, current = self.kept.publication(name), self.kept.get(name)
        if publication is None or current is None:
            return None
        later = replace(publication, due_ns=self._now_ns() + RETRY_AFTER_NS)
        if not await self.kept.replace_publication(name, publication, later):
            return None
        try:
            owned = await asyncio.to_thread(self._keys.find_owner, name)
        except NotFound:
            await self.kept.set_publication(name, None)
            raise
        follow = partial(self._renewed, key=owned.key, lifetime_ns=publication.lifetime_ns, former=current)
        record = await self.kept.advance(name, follow)
        return Published(name, record, await self._announce(name, record, publication.lifetime_ns))

    async def tell(self, name: IpnsName, record: Record) -> Told:
        """Give a record to every routing."""
        return await tell_all(self._routings, name, record, timeout_s=self._timeout_s)

    async def _announce(self, name: IpnsName, record: Record, lifetime_ns: int) -> Told:
        self._routed.put(name, record, record.fresh_ns(self._now_ns()))
        told = await self.tell(name, record)
        # Often enough that one missed time does no harm, and soon where somebody was not there.
        wait_ns = RETRY_AFTER_NS if told.failed else self._every_ns
        due_ns = self._now_ns() + min(wait_ns, lifetime_ns // 3)
        await self.kept.set_publication(name, Publication(lifetime_ns, due_ns))
        return told

    def _following(
        self, last: Record | None, *, key: PrivateKey, value: bytes, lifetime_ns: int, ttl_ns: int,
        sequence: int | None, v1: bool,
    ) -> Record:  # fmt: skip
        validity_ns = self._now_ns() + lifetime_ns
        number = _next_number(last, value, validity_ns, ttl_ns) if sequence is None else sequence
        if sequence is not None and not (0 if last is None else last.sequence) < sequence <= MAX_SEQUENCE:
            least = 1 if last is None else last.sequence + 1
            raise BadRequest(
                "sequence", f"must be from {least} to {MAX_SEQUENCE}", limit=[least, MAX_SEQUENCE]
            )
        if number > MAX_SEQUENCE:
            raise Conflict("the name has used up its sequence numbers", limit=MAX_SEQUENCE)
        return create(key, value, sequence=number, validity_ns=validity_ns, ttl_ns=ttl_ns, v1=v1)

    def _renewed(self, last: Record | None, *, key: PrivateKey, lifetime_ns: int, former: Record) -> Record:
        last = last or former
        validity_ns = max(last.validity_ns, self._now_ns() + lifetime_ns)
        return create(
            key, last.value, sequence=last.sequence, validity_ns=validity_ns,
            ttl_ns=last.ttl_ns, v1=last.has_v1,
        )  # fmt: skip

    async def _learn(self, name: IpnsName) -> None:
        """A key that was used elsewhere goes on from there: keep the best record that others have."""
        found = await ask_all(self._routings, name, now_ns=self._now_ns(), timeout_s=self._timeout_s)
        best = select(found.records)
        if best is not None:
            await self.kept.offer(name, best)

    # ---- resolving --------------------------------------------------------------------------------------

    async def resolve(
        self, path: ContentPath, *, recursive: bool = True, max_depth: int = MAX_DEPTH, nocache: bool = False
    ) -> Resolved:
        """The content that a path of names leads to, or without `recursive` what its own name says.

        Raises NotFound(what="name" or "dnslink"), Unavailable if it could not be looked for, InvalidContent
        for a record whose value is no path or after `max_depth` names, and NotSupported for a domain if
        DNSLink is off.
        """
        ttl_ns: int | None = None
        first: Record | None = None
        for depth in range(max_depth):
            if isinstance(path.root, IpnsName):
                step = await self.record(path.root, nocache=nocache)
                first = step.value if depth == 0 else first
                target, fresh_ns = step.value.path, step.fresh_ns
            elif isinstance(path.root, Domain):
                target, fresh_ns = await self._dnslink.look_up(path.root, nocache=nocache)
            else:
                break
            path = target.joined(path.names)
            ttl_ns = fresh_ns if ttl_ns is None else min(ttl_ns, fresh_ns)
            if not recursive:
                break
        if path.is_mutable and recursive:
            raise InvalidContent("name", f"leads on and on: more than {max_depth} names", limit=max_depth)
        return Resolved(path, None if ttl_ns is None else ttl_ns / SECOND_NS, first)

    async def record(self, name: IpnsName, *, nocache: bool = False) -> Fresh[Record]:
        """The best valid record of a name, from here and, unless they were asked within its ttl, from every
        routing; raises NotFound(what="name"), or Unavailable if some could not be asked."""
        kept = self.kept.valid(name)
        routed = None if nocache else self._routed.get(name)
        if routed is not None and not routed.value.has_expired(self._now_ns()):
            if kept is None or kept.rank <= routed.value.rank:
                return routed
            return Fresh(kept, min(routed.fresh_ns, kept.fresh_ns(self._now_ns())))
        return await self._ask(name, kept)

    async def _ask(self, name: IpnsName, kept: Record | None) -> Fresh[Record]:
        found = await ask_all(self._routings, name, now_ns=self._now_ns(), timeout_s=self._timeout_s)
        best = select(found.records if kept is None else [kept, *found.records])
        if best is None:
            if found.failed:
                raise Unavailable(f"{name} could not be looked for", failed=_messages(found.failed))
            raise NotFound("name", str(name))
        if kept is not None and best is not kept:
            await self.kept.offer(name, best)
        fresh_ns = best.fresh_ns(self._now_ns())
        return self._routed.put(name, best, fresh_ns) if self._routings else Fresh(best, fresh_ns)

    # ---- records of others ------------------------------------------------------------------------------

    async def put(self, name: IpnsName, raw: bytes) -> tuple[Record, bool]:
        """Keep a record that somebody else signed if it is better than the one here: the record, and whether
        it was kept. Raises TooLarge, InvalidContent and NotSupported as `validate` does, StorageFull."""
        record = validate(raw, name, now_ns=self._now_ns())
        kept = await self.kept.offer(name, record)
        if kept:
            self._routed.drop(name)
        return record, kept


def _next_number(last: Record | None, value: bytes, validity_ns: int, ttl_ns: int) -> int:
    if last is None:
        return 0
    if value == last.value:
        same = (validity_ns, ttl_ns) == (last.validity_ns, last.ttl_ns)
        if same or validity_ns > last.validity_ns:
            return last.sequence
    return last.sequence + 1


def _span(field: str, seconds: float, *, least_ns: int = 1) -> int:
    if not 0 <= seconds <= MAX_SECONDS or round(seconds * SECOND_NS) < least_ns:
        least = "from" if least_ns == 0 else "above"
        raise BadRequest(field, f"{seconds:g} s is not {least} 0 s and up to 100 years", limit=MAX_SECONDS)
    return round(seconds * SECOND_NS)


def _messages(failed: dict[str, BusError]) -> dict[str, str]:
    return {place: error.message for place, error in failed.items()}
