"""Names and keys: what the node signs for, and what names lead to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import names, subjects
from .....schemas.cid import CID
from .....schemas.errors import BadRequest, NotFound
from ...duration import parse_duration
from ...ipns.keys import PrivateKey
from ...ipns.moments import SECOND_NS
from ...ipns.name import IpnsName
from ...ipns.names import Published
from ...ipns.record import Record
from ...paths import parse_path
from ..inspecting import Inspecting, expires_at, ipns_name
from .node import Node

__all__ = ["KeyRows", "NameRows"]


class KeyRows(Node):
    """`key.*`: the node's keys, never their secrets."""

    @handles(subjects.KEY_GEN)
    async def key_gen(self, ask: names.KeyGen) -> names.Key:
        """Raises Conflict if the name is taken."""
        if ask.size is not None and ask.type != "rsa":
            raise BadRequest("size", "only RSA keys have one")
        key = await asyncio.to_thread(self._keys.generate, ask.name, ask.type, ask.size)
        return _key(ask.name, key)

    @handles(subjects.KEYS)
    async def keys(self, ask: names.KeyList) -> AsyncIterator[names.Key]:
        for owned in await asyncio.to_thread(lambda: list(self._keys.list())):
            yield _key(owned.name, owned.key)

    @handles(subjects.KEY_RENAME)
    async def key_rename(self, ask: names.KeyRename) -> names.KeyRenamed:
        """Raises NotFound(what="key"), and Conflict if the new name is taken."""
        overwritten = await asyncio.to_thread(self._keys.rename, ask.name, ask.new_name, force=ask.force)
        key = await asyncio.to_thread(self._keys.get, ask.new_name)
        return names.KeyRenamed(was=ask.name, now=ask.new_name, id=str(key.name), overwritten=overwritten)

    @handles(subjects.KEY_RM)
    async def key_rm(self, ask: names.KeyRemove) -> names.Key:
        """Raises NotFound(what="key"). What the key has published is no longer kept alive."""
        return _key(ask.name, await asyncio.to_thread(self._keys.remove, ask.name))


class NameRows(Inspecting, Node):
    """`name.*`: records published, resolved, kept for others."""

    @handles(subjects.NAME_PUBLISH)
    async def name_publish(self, ask: names.NamePublish) -> names.NamePublished:
        """Durable and kept alive when answered. Raises NotFound for the key, and with `resolve` for what the
        path does not lead to."""
        lifetime_s, ttl_s = parse_duration(ask.lifetime, "lifetime"), parse_duration(ask.ttl, "ttl")
        value = parse_path(ask.path)
        if ask.resolve:
            content = (await self._names.resolve(value)).path
            assert isinstance(content.root, CID)
            await self._source.get(await self.resolve(content.root, content.rest))
        published = await self._names.publish(
            value, key=ask.key, lifetime_s=lifetime_s, ttl_s=ttl_s, sequence=ask.sequence,
            allow_offline=ask.allow_offline,
        )  # fmt: skip
        return _published(published)

    @handles(subjects.NAME_RESOLVE)
    async def name_resolve(self, ask: names.NameResolve) -> names.NameResolved:
        """Raises NotFound(what="name"), and NotSupported for a domain name while DNSLink is off."""
        path = parse_path(ask.name if ask.name.startswith("/") else f"/ipns/{ask.name}", "name")
        found = await self._names.resolve(path, recursive=ask.recursive, nocache=ask.nocache)
        record = found.record
        return names.NameResolved(
            name=str(path.root),
            path=str(found.path),
            ttl_s=found.ttl_s,
            sequence=None if record is None else record.sequence,
            expires_at=None if record is None else expires_at(record),
        )

    @handles(subjects.NAME_GET)
    async def name_get(self, ask: names.NameGet) -> names.NameRecord:
        """Raises NotFound(what="name")."""
        name = ipns_name(ask.name)
        kept = self._names.kept.valid(name)
        if ask.cluster_only:
            if kept is None:
                raise NotFound("name", str(name))
            return self._record(name, kept)
        return self._record(name, (await self._names.record(name)).value)

    @handles(subjects.NAME_PUT)
    async def name_put(self, ask: names.NamePut) -> names.NameRecord:
        """Answers with the record that is kept now. Raises InvalidContent for one that the name's owner did
        not sign, or that has expired."""
        name = ipns_name(ask.name)
        record, kept = await self._names.put(name, ask.record)
        if kept:
            await self._tell_record(name, record.raw)
        return self._record(name, self._names.kept.get(name) or record)

    @handles(subjects.NAMED)
    async def named(self, event: names.NameChanged) -> None:
        """Another node's name: its record is kept if it is better than the one here."""
        await self._names.put(ipns_name(event.name), event.record)

    def _record(self, name: IpnsName, record: Record) -> names.NameRecord:
        return names.NameRecord(
            name=str(name),
            record=record.raw,
            ttl_s=record.fresh_ns(self._now_ns()) / SECOND_NS,
            expires_at=expires_at(record),
        )


def _key(name: str, key: PrivateKey) -> names.Key:
    return names.Key(name=name, id=str(key.name), peer_id=key.name.peer_id, type=key.kind)


def _published(published: Published) -> names.NamePublished:
    record = published.record
    return names.NamePublished(
        name=str(published.name),
        value=record.value.decode("utf-8", "replace"),
        sequence=record.sequence,
        expires_at=expires_at(record),
        ttl_s=record.ttl_ns / SECOND_NS,
        published_to=published.told.published_to,
        failed=published.told.failed,
    )
