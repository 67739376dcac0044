"""Other places where records are looked for and published: all are asked at once, and none holds up or
stops the others.

[name] -> every routing -> [valid records] -> the best one; [record] -> every routing -> who took it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ....schemas.errors import BusError, DeadlineExceeded, NotFound, Unavailable
from .name import IpnsName
from .record import Record, validate

__all__ = ["Found", "RecordRouting", "Told", "ask_all", "tell_all"]

log = logging.getLogger(__name__)

T = TypeVar("T")

# A place that has more copies than this of one name has too many.
MAX_RECORDS_EACH = 16


class RecordRouting(Protocol):
    """One such place: a delegated router, the cluster, a Kubo node. It raises what the error tree has."""

    @property
    def name(self) -> str:
        """What it is called in logs and answers; no two have the same."""
        ...

    async def get(self, name: IpnsName) -> list[bytes]:
        """The records that it has for a name, valid or not; none is an empty list or NotFound."""
        ...

    async def put(self, name: IpnsName, record: bytes) -> None:
        """Give it a record to serve."""
        ...


@dataclass
class Found:
    """What was found: the valid records, and by place why it gave no answer."""

    records: list[Record] = field(default_factory=list)
    failed: dict[str, BusError] = field(default_factory=dict)


@dataclass
class Told:
    """Which places took a record, and by place why it did not."""

    published_to: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


async def ask_all(
    routings: Sequence[RecordRouting], name: IpnsName, *, now_ns: int, timeout_s: float
) -> Found:
    """The valid records that any place has for a name. A place that answers with a wrong record, late or not
    at all is passed over."""
    found = Found()
    answers = await _each({routing.name: routing.get(name) for routing in routings}, timeout_s)
    for routing, answer in zip(routings, answers, strict=True):
        if isinstance(answer, BusError):
            if not isinstance(answer, NotFound):
                found.failed[routing.name] = answer
            continue
        for raw in answer[:MAX_RECORDS_EACH]:
            try:
                found.records.append(validate(raw, name, now_ns=now_ns))
            except BusError as error:
                log.debug("a record of %s from %s is passed over: %s", name, routing.name, error)
    return found


async def tell_all(
    routings: Sequence[RecordRouting], name: IpnsName, record: Record, *, timeout_s: float
) -> Told:
    """Give a record to every place."""
    told = Told()
    answers = await _each({routing.name: routing.put(name, record.raw) for routing in routings}, timeout_s)
    for routing, answer in zip(routings, answers, strict=True):
        if isinstance(answer, BusError):
            told.failed[routing.name] = answer.message
            log.info("%s did not take the record of %s: %s", routing.name, name, answer)
        else:
            told.published_to.append(routing.name)
    return told


async def _each(asks: Mapping[str, Awaitable[T]], timeout_s: float) -> list[T | BusError]:
    return list(await asyncio.gather(*(_within(place, ask, timeout_s) for place, ask in asks.items())))


async def _within(place: str, ask: Awaitable[T], timeout_s: float) -> T | BusError:
    try:
        async with asyncio.timeout(timeout_s):
            return await ask
    except BusError as error:
        return error
    except TimeoutError:
        return DeadlineExceeded(place, timeout_s)
    except Exception:
        log.exception("%s failed in a way that it should not", place)
        return Unavailable(f"{place} failed; the actor's log has the details")
