"""Names and keys: the daemon's own, which sign and publish there."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from .....bus import handles
from .....schemas import names, subjects
from .....schemas.cid import CID
from .....schemas.errors import BadRequest, InvalidContent, NotFound
from ...duration import parse_duration
from ...ipns.moments import SECOND_NS
from ...ipns.name import IpnsName
from ...ipns.record import Record, decode, validate
from ...paths import ContentPath, parse_path
from ...remote.kubo import FilePart
from ...unixfs.reader import load
from ..inspecting import Inspecting, expires_at, ipns_name
from .daemon import Daemon, field_of

__all__ = ["KeyRows", "NameRows"]

# The type of Kubo's query events that carry a value (libp2p's routing.QueryEventType).
VALUE = 5


class KeyRows(Daemon):
    """`key.*`."""

    @handles(subjects.KEY_GEN)
    async def key_gen(self, ask: names.KeyGen) -> names.Key:
        """Raises Conflict if the name is taken, BadRequest for a size that the type does not have."""
        if ask.size is not None and ask.type != "rsa":
            raise BadRequest("size", "only RSA keys have one")
        made = await self._rpc.call("key/gen", ask.name, type=ask.type, size=ask.size)
        return _key(made, ask.type)

    @handles(subjects.KEYS)
    async def keys(self, ask: names.KeyList) -> AsyncIterator[names.Key]:
        listed = await self._rpc.call("key/list")
        for key in listed.get("Keys") or ():
            yield _key(key)

    @handles(subjects.KEY_RENAME)
    async def key_rename(self, ask: names.KeyRename) -> names.KeyRenamed:
        done = await self._rpc.call("key/rename", ask.name, ask.new_name, force=ask.force)
        return names.KeyRenamed(
            was=ask.name,
            now=ask.new_name,
            id=field_of(done, "Id", str),
            overwritten=bool(done.get("Overwrite")),
        )

    @handles(subjects.KEY_RM)
    async def key_rm(self, ask: names.KeyRemove) -> names.Key:
        removed = await self._rpc.call("key/rm", ask.name)
        return _key(field_of(removed, "Keys", list)[0])


class NameRows(Inspecting, Daemon):
    """`name.*`."""

    @handles(subjects.NAME_PUBLISH)
    async def name_publish(self, ask: names.NamePublish) -> names.NamePublished:
        """Raises NotFound for the key, and with `resolve` for what the path does not lead to; NotSupported
        if the daemon is offline: it could not say what it has signed."""
        lifetime, ttl = _go_duration(ask.lifetime, "lifetime"), _go_duration(ask.ttl, "ttl")
        value = parse_path(ask.path)
        await self._rpc.call("swarm/peers")  # which an offline daemon refuses
        if ask.resolve:
            await self._check_it_leads_somewhere(value)
        try:
            done = await self._rpc.call(
                "name/publish", str(value), key=ask.key, resolve=False, allow_offline=ask.allow_offline,
                lifetime=lifetime, ttl=ttl, sequence=ask.sequence,
            )  # fmt: skip
        except NotFound as error:  # which Kubo tells without saying of which key
            raise NotFound("key", ask.key) if error.what == "key" else error from None
        name = IpnsName.parse(field_of(done, "Name", str))
        record = await self._record(name)
        return names.NamePublished(
            name=str(name),
            value=field_of(done, "Value", str),
            sequence=record.sequence,
            expires_at=expires_at(record),
            ttl_s=record.ttl_ns / SECOND_NS,
            published_to=["kubo"],
        )

    async def _check_it_leads_somewhere(self, path: ContentPath) -> None:
        if path.is_mutable:
            found = await self._rpc.call("name/resolve", str(path))
            path = parse_path(field_of(found, "Path", str))
        if isinstance(path.root, CID):
            await load(self._source, await self.resolve(path.root, path.rest))

    @handles(subjects.NAME_RESOLVE)
    async def name_resolve(self, ask: names.NameResolve) -> names.NameResolved:
        """Raises NotFound(what="name"). How long the answer holds, Kubo does not say."""
        path = parse_path(ask.name if ask.name.startswith("/") else f"/ipns/{ask.name}", "name")
        try:
            found = await self._rpc.call(
                "name/resolve", str(path), recursive=ask.recursive, nocache=ask.nocache
            )
        except NotFound:
            raise NotFound("name", str(path.root)) from None
        return names.NameResolved(name=str(path.root), path=field_of(found, "Path", str))

    @handles(subjects.NAME_GET)
    async def name_get(self, ask: names.NameGet) -> names.NameRecord:
        """Raises NotFound(what="name")."""
        name = ipns_name(ask.name)
        return self._told(name, await self._record(name))

    @handles(subjects.NAME_PUT)
    async def name_put(self, ask: names.NamePut) -> names.NameRecord:
        """Answers with the record that is kept now. It is checked and compared here: an older daemon keeps
        what it is given."""
        name = ipns_name(ask.name)
        record = validate(ask.record, name, now_ns=self._now_ns())
        with suppress(NotFound):
            kept = await self._record(name)
            if kept.rank >= record.rank:
                return self._told(name, kept)
        async with aclosing(
            self._rpc.lines(
                "routing/put", f"/ipns/{name.peer_id}", upload=[FilePart("record", ask.record)],
                allow_offline=True,
            )
        ) as events:  # fmt: skip
            async for _ in events:
                pass
        return self._told(name, record)

    def _told(self, name: IpnsName, record: Record) -> names.NameRecord:
        return names.NameRecord(
            name=str(name),
            record=record.raw,
            ttl_s=record.fresh_ns(self._now_ns()) / SECOND_NS,
            expires_at=expires_at(record),
        )

    async def _record(self, name: IpnsName) -> Record:
        """The record as Kubo's routing has it: the last event that carries one. Raises NotFound("name")."""
        found = None
        try:
            async with aclosing(self._rpc.lines("routing/get", f"/ipns/{name.peer_id}")) as events:
                async for event in events:
                    found = event.get("Extra") if event.get("Type") == VALUE else found
        except NotFound:
            pass
        if not found:
            raise NotFound("name", str(name))
        try:
            return decode(base64.b64decode(found, validate=True))
        except ValueError:
            raise InvalidContent("reply", "Kubo's record is not in base64") from None


def _key(told: Any, kind: str | None = None) -> names.Key:
    name = IpnsName.parse(field_of(told, "Id", str))
    kind = kind or ("rsa" if name.inlined_key is None else "ed25519")
    return names.Key(name=field_of(told, "Name", str), id=str(name), peer_id=name.peer_id, type=kind)


def _go_duration(given: float | str, field: str) -> str:
    return f"{parse_duration(given, field):.9f}s"
