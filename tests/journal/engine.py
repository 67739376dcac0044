"""A journal process without a bus: log and trees in memory, shared by as many processes as a test needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cidbus.actors.journal.chain import Position, Sealed, Who
from cidbus.actors.journal.changes import Change
from cidbus.actors.journal.commits import Committer
from cidbus.actors.journal.head import Head
from cidbus.actors.journal.transactions import Transactions
from cidbus.schemas.journal import Changed
from cidbus.schemas.tree import AnyOperation, Mkdir, Put, Remove, TreePatch, Write

from .memory import MemoryLog, MemoryTrees


@dataclass
class Process:
    head: Head
    committer: Committer
    transactions: Transactions
    told: list[Sealed] = field(default_factory=list)

    async def do(self, *operations: AnyOperation, **fields: Any) -> Changed:
        return await self.committer.submit(Change(operations=list(operations), **fields))


@asynccontextmanager
async def process(log: MemoryLog, trees: MemoryTrees, name: str = "a" * 16) -> AsyncIterator[Process]:
    head = Head(log)
    head.reset(Position(0, (await trees.patch(TreePatch(groups=[]))).root))
    told: list[Sealed] = []

    async def tell(sealed: Sealed) -> None:
        told.append(sealed)

    committer = Committer(log, trees, head, Who(name), lambda _: None, tell)
    running = asyncio.create_task(committer.run())
    try:
        yield Process(head, committer, Transactions(name, trees, committer, limit=4), told)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def write(path: str, content: str, **fields: Any) -> Write:
    return Write(path=path, content=content, truncate=True, **fields)


def mkdir(path: str, **fields: Any) -> Mkdir:
    return Mkdir(path=path, **fields)


def remove(path: str, **fields: Any) -> Remove:
    return Remove(path=path, **fields)


def put(path: str, cid: str, **fields: Any) -> Put:
    return Put(path=path, cid=cid, **fields)
