"""A tree patched: groups of operations make another root of a root, each group whole or not at all.

root ──open──> overlay ──group──> kept ──group that fails──> undone ──settle──> root
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import NamedTuple

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, BusError, InvalidContent, NotFound, TooLarge
from ....schemas.tree import AnyOperation, GroupResult, Outcome
from ..blocks import BlockSink
from ..unixfs.profiles import Profile
from .directory import DirectoryEditor, empty_directory
from .entries import Entry
from .operations import Operations
from .overlay import Overlay

__all__ = ["Patched", "patch"]

# The event loop gets a turn after this many operations.
OPERATIONS_PER_TURN = 64


class Patched(NamedTuple):
    """The new tree, and how each group went."""

    root: Entry
    results: list[GroupResult]


async def patch(
    editor: DirectoryEditor,
    sink: BlockSink,
    root: CID | None,
    groups: list[list[AnyOperation]],
    *,
    profile: Profile,
    executor: Executor | None = None,
) -> Patched:
    """Store the tree that groups of operations make of another (None: an empty directory), in their order.

    A group that fails changes nothing, and its result says why and where. The editor's nodes must have what
    `sink` is given. Raises BadRequest("root") for what is no directory, and StorageFull.
    """
    base = await _base(editor, sink, root, profile)

    async def run(*, settle_each: bool) -> Patched:
        overlay = Overlay(editor, sink, base, profile)
        operations = Operations(overlay, executor)
        results = []
        for group in groups:
            results.append(await _do(operations, overlay, group, settle=settle_each or overlay.is_full))
            overlay.keep()
        return Patched(await overlay.settle(overlay.root), results)

    try:
        return await run(settle_each=False)
    except (BadRequest, InvalidContent, NotFound, TooLarge):
        # Some directory cannot be written as it is to be: find out in which group, and leave that one out.
        return await run(settle_each=True)


async def _base(editor: DirectoryEditor, sink: BlockSink, root: CID | None, profile: Profile) -> Entry:
    if root is None:
        node = await empty_directory(sink, profile)
        return Entry.of(node)
    if not (await editor.nodes.open(root)).node.is_directory:
        raise BadRequest("root", f"{root} is not a directory")
    return Entry(root, await editor.nodes.dag_size(root))


async def _do(
    operations: Operations, overlay: Overlay, group: list[AnyOperation], *, settle: bool
) -> GroupResult:
    outcomes: list[Outcome] = []
    try:
        for number, operation in enumerate(group):
            outcomes.append(await operations.do(operation))
            if number % OPERATIONS_PER_TURN == OPERATIONS_PER_TURN - 1:
                await asyncio.sleep(0)
        if settle:
            await overlay.settle(overlay.root)
    except BusError as error:
        overlay.undo()
        return GroupResult(error=error.to_wire(), failed=min(len(outcomes), len(group) - 1))
    return GroupResult(outcomes=outcomes)
