"""Many operations as one change, however many they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cidbus.client import Client
from cidbus.schemas.tree import AnyOperation

__all__ = ["apply"]

# Of one request, well below what a message holds.
REQUEST_BYTES = 256 * 1024
REQUEST_OPERATIONS = 5_000


async def apply(client: Client, operations: Sequence[AnyOperation], scope: dict[str, Any]) -> None:
    """All of them or none. `scope` says in which transaction; what does not fit into one request gets a
    transaction of its own. Raises what `journal.apply` raises."""
    portions = list(_portions(operations))
    if len(portions) == 1 or scope.get("transaction") is not None:
        for portion in portions:
            await client.journal.apply(portion, **scope)
    elif portions:
        await _as_transaction(client, portions, scope)


async def _as_transaction(client: Client, portions: list[list[AnyOperation]], scope: dict[str, Any]) -> None:
    begun = await client.journal.begin(timeout_s=scope.get("timeout_s"))
    try:
        for portion in portions:
            await client.journal.apply(portion, **scope | {"transaction": begun.transaction})
    except BaseException:
        await client.journal.rollback(begun.transaction)
        raise
    await client.journal.commit(begun.transaction)


def _portions(operations: Sequence[AnyOperation]) -> Iterator[list[AnyOperation]]:
    portion: list[AnyOperation] = []
    size = 0
    for operation in operations:
        weight = len(operation.to_wire())
        if portion and (size + weight > REQUEST_BYTES or len(portion) == REQUEST_OPERATIONS):
            yield portion
            portion, size = [], 0
        portion.append(operation)
        size += weight
    if portion:
        yield portion
