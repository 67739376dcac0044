"""Many operations on the file tree as one change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from cidbus.schemas.errors import BusError, TooLarge
from cidbus.schemas.tree import MAX_OPERATIONS

if TYPE_CHECKING:
    from cidbus.schemas.journal import Changed
    from cidbus.schemas.tree import AnyOperation

    from .client import Client

__all__ = ["apply", "portions"]

T = TypeVar("T")

# One message of operations, and one of what became of them: JSON may make three times as much of a path.
PART_OPERATIONS = 10_000
PART_BYTES = 320 << 10
# By how much an outcome may be longer than its operation.
OUTCOME_BYTES = 120


async def apply(
    client: Client,
    operations: Iterable[AnyOperation],
    *,
    transaction: str | None = None,
    timeout_s: float | None = None,
) -> Changed | None:
    """All of them or none, as many at once as one message holds; what takes several messages outside of a
    transaction gets one of its own. None if there are no operations.

    Raises what `journal.apply` raises, and TooLarge past the 10,000 operations that a transaction takes; of a
    sequence before anything is sent.
    """
    if isinstance(operations, Sized) and len(operations) > MAX_OPERATIONS:
        raise TooLarge("operations", limit=MAX_OPERATIONS, unit="operations in a transaction")
    parts = portions(operations, _cost, PART_OPERATIONS, PART_BYTES)
    begin = [part for part in (next(parts, None), next(parts, None)) if part is not None]

    async def send(transaction: str | None) -> Changed | None:
        changed = None
        for part in chain(begin, parts):
            changed = await client.journal.apply(part, transaction=transaction, timeout_s=timeout_s)
        return changed

    if transaction is not None or len(begin) < 2:
        return await send(transaction)
    begun = await client.journal.begin(timeout_s=timeout_s)
    try:
        await send(begun.transaction)
        return await client.journal.commit(begun.transaction)
    except BaseException:
        # Unused it would end by itself, only later.
        await asyncio.shield(_quietly_rolled_back(client, begun.transaction))
        raise


def _cost(operation: AnyOperation) -> int:
    return len(operation.to_wire()) + OUTCOME_BYTES


async def _quietly_rolled_back(client: Client, transaction: str) -> None:
    try:
        await client.journal.rollback(transaction)
    except BusError:
        return  # the error that led here is the one to tell


def portions(
    items: Iterable[T], size_of: Callable[[T], int], most: int, most_bytes: int
) -> Iterator[list[T]]:
    """The items, in lists of at most so many and so many bytes; one that is larger is alone."""
    portion: list[T] = []
    held = 0
    for item in items:
        size = size_of(item)
        if portion and (len(portion) == most or held + size > most_bytes):
            yield portion
            portion, held = [], 0
        portion.append(item)
        held += size
    if portion:
        yield portion
