"""Names and keys: the daemon's own, which sign and publish there."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

from .....bus import handles
from .....schemas import names, subjects
from .....schemas.errors import InvalidContent
from ...duration import parse_duration
from ...ipns.moments import SECOND_NS
from ...ipns.name import IpnsName
from ...ipns.record import Record, decode, validate
from ...remote.kubo import FilePart
from ..inspecting import Inspecting, expires_at, ipns_name
from .daemon import Daemon, field_of

__all__ = ["KeyRows", "NameRows"]

MAX_RECORD_BYTES = 16 * 1024


class KeyRows(Daemon):
    """`key.*`."""

    @handles(subjects.KEY_GEN)
    async def key_gen(self, ask: names.KeyGen) -> names.Key:
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
        done = await self._rpc.call(
            "name/publish", ask.path, key=ask.key, resolve=ask.resolve, allow_offline=ask.allow_offline,
            lifetime=_go_duration(ask.lifetime, "lifetime"), ttl=_go_duration(ask.ttl, "ttl"),
            sequence=ask.sequence,
        )  # fmt: skip
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

    @handles(subjects.NAME_RESOLVE)
    async def name_resolve(self, ask: names.NameResolve) -> names.NameResolved:
        path = ask.name if ask.name.startswith("/") else f"/ipns/{ask.name}"
        found = await self._rpc.call("name/resolve", path, recursive=ask.recursive, nocache=ask.nocache)
        return names.NameResolved(name="/".join(path.split("/")[:3]), path=field_of(found, "Path", str))

    @handles(subjects.NAME_GET)
    async def name_get(self, ask: names.NameGet) -> names.NameRecord:
        name = ipns_name(ask.name)
        return self._told(name, await self._record(name))

    @handles(subjects.NAME_PUT)
    async def name_put(self, ask: names.NamePut) -> names.NameRecord:
        """The record is checked here as well: an older daemon keeps what it is given."""
        name = ipns_name(ask.name)
        record = validate(ask.record, name, now_ns=self._now_ns())
        part = FilePart("record", ask.record)
        await self._rpc.call("routing/put", f"/ipns/{name.peer_id}", upload=[part], allow_offline=True)
        return self._told(name, record)

    def _told(self, name: IpnsName, record: Record) -> names.NameRecord:
        return names.NameRecord(
            name=str(name),
            record=record.raw,
            ttl_s=record.fresh_ns(self._now_ns()) / SECOND_NS,
            expires_at=expires_at(record),
        )

    async def _record(self, name: IpnsName) -> Record:
        """The record as Kubo's routing has it: the last line of `routing/get` that carries one."""
        found = None
        async for line in self._rpc.lines("routing/get", f"/ipns/{name.peer_id}"):
            if line.get("Extra"):
                found = line["Extra"]
        try:
            return decode(base64.b64decode(found or "", validate=True))
        except ValueError:
            raise InvalidContent("reply", "Kubo's record is not in base64") from None


def _key(told: Any, kind: str | None = None) -> names.Key:
    name = IpnsName.parse(field_of(told, "Id", str))
    kind = kind or ("rsa" if name.inlined_key is None else "ed25519")
    return names.Key(name=field_of(told, "Name", str), id=str(name), peer_id=name.peer_id, type=kind)


def _go_duration(given: float | str, field: str) -> str:
    return f"{parse_duration(given, field):.9f}s"
