"""IPNS records looked at: what they say, and whether a name's key has signed them. Needs no node at all."""

from __future__ import annotations

from ....bus import handles
from ....schemas import names, subjects
from ....schemas.errors import BadRequest, BusError
from ..ipns.moments import SECOND_NS
from ..ipns.name import IpnsName
from ..ipns.record import Record, decode
from ..paths import Domain, parse_name
from .backend import Backend

__all__ = ["Inspecting", "expires_at", "ipns_name"]


class Inspecting(Backend):
    """`name.inspect`."""

    @handles(subjects.NAME_INSPECT)
    async def name_inspect(self, ask: names.NameInspect) -> names.NameInspected:
        """Raises InvalidContent if the record cannot be read at all."""
        record = decode(ask.record)
        problem = None
        if ask.name is not None:
            try:
                record.verify(ipns_name(ask.name), now_ns=self._now_ns())
            except BusError as error:
                problem = error.message
        public = record.public_key
        return names.NameInspected(
            value=record.value.decode("utf-8", "replace"),
            sequence=record.sequence,
            expires_at=expires_at(record),
            validity=record.validity,
            ttl_s=record.ttl_ns / SECOND_NS,
            has_v1=record.has_v1,
            public_key=None if public is None else IpnsName.of_public_key(public).peer_id,
            valid=None if ask.name is None else problem is None,
            problem=problem,
        )


def ipns_name(text: str) -> IpnsName:
    """The name of a key in a text; raises BadRequest for a domain name, which has no record."""
    name = parse_name(text)
    if isinstance(name, Domain):
        raise BadRequest("name", f"{name} is a domain name; only names of keys have records")
    return name


def expires_at(record: Record) -> float:
    """The end of a record's life, in Unix seconds."""
    return record.validity_ns / SECOND_NS
