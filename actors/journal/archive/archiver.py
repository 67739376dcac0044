"""What keeps the archive: entries as they come, checkpoints when they are due, and room.

    [log] -> journals/ every `sync_interval`
          -> checkpoints/ after `checkpoint_interval` with changes, or `max_journal_size` entries
          -> the stream is shortened to what the last checkpoint, and `keep_entries`, leave

Of the processes of a node one does this; when it ends another takes over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from ....schemas.errors import BusError, InvalidContent, NotFound, Unavailable
from ....schemas.journaling import EnableJournaling
from ..chain import Position, Sealed, unsealed
from ..head import Head
from ..parts import Kept, Log, Trees
from ..root_names import COMMITS, checkpoint_root, commit_root
from .checkpoints import Manifest
from .folder import Archive

__all__ = ["Archiver", "Retention"]

logger = logging.getLogger(__name__)

BATCH = 1000
BATCH_BYTES = 4 * 1024 * 1024
# With `sync_interval=0` each entry is written as it comes; entries of others are looked for this often.
SHORTEST_S = 0.05
# Named roots of commits that came to nothing are looked for now and then, not while a node starts.
RECONCILE_FIRST_S = 600.0
RECONCILE_EVERY_S = 3600.0
STALE_S = 3600.0

Tell = Callable[[Manifest], Awaitable[None]]


class Retention:
    """How much is kept: entries in the stream, checkpoints in the archive."""

    def __init__(self, entries: int, checkpoints: int) -> None:
        self.entries = entries
        self.checkpoints = checkpoints


class Archiver:
    """Writes one archive, as long as this process holds it."""

    def __init__(
        self,
        log: Log,
        trees: Trees,
        head: Head,
        archive: Archive,
        policy: EnableJournaling,
        retention: Retention,
        instance: str,
        tell: Tell,
    ) -> None:
        self.archive = archive
        self.policy = policy
        self.problem: str | None = None
        self._log = log
        self._trees = trees
        self._head = head
        self._retention = retention
        self._instance = instance
        self._tell = tell
        self._tail: Position | None = None
        self._last: Manifest | None = None
        self._changed_at: float | None = None
        self._reconcile_at = time.monotonic() + RECONCILE_FIRST_S
        self._busy = asyncio.Lock()

    @property
    def archived_sequence(self) -> int | None:
        return self._tail.sequence if self._tail is not None else None

    async def run(self) -> None:
        """Tend the archive for as long as the actor lives."""
        while True:
            if self._head.problem is not None:  # there is nothing that could be archived
                await self._until_due()
                continue
            try:
                await self.tend()
                self.problem = None
            except (BusError, OSError) as error:
                self.problem = str(error)
                logger.warning("the archive is not up to date: %s", error)
            await self._until_due()

    async def _until_due(self) -> None:
        if self.policy.sync_interval > 0:
            await asyncio.sleep(self.policy.sync_interval)
            return
        moved = asyncio.ensure_future(self._head.until_moved())
        await asyncio.wait([moved], timeout=SHORTEST_S)
        moved.cancel()

    async def tend(self) -> None:
        """Write what is new, and a checkpoint if one is due; nothing if another process does that."""
        async with self._busy:
            if not self._claimed():
                return
            await self._sync()
            if self._is_due():
                await self._checkpoint(whole=False)
            if time.monotonic() >= self._reconcile_at:
                self._reconcile_at = time.monotonic() + RECONCILE_EVERY_S
                await self.reconcile()

    async def checkpoint(self, *, whole: bool) -> Manifest:
        """A checkpoint of the tree of now; the last one if nothing has changed since.

        Raises Unavailable if another process writes the archive, StorageFull if there is no room.
        """
        async with self._busy:
            if not self._claimed():
                raise Unavailable("another process writes the archive", writer=self.archive.writer())
            await self._sync()
            return await self._checkpoint(whole=whole)

    def _claimed(self) -> bool:
        """Whether this process writes the archive; one that was deleted is begun anew."""
        if self.archive.is_gone():
            logger.warning("the archive at %s is gone; it is made anew", self.archive.path)
            self.archive.make_again()
            self._tail = self._last = None
        return self.archive.claim(self._instance)

    # ---- entries ----------------------------------------------------------------------------------------

    async def _sync(self) -> None:
        """Bring the archive's entries up to date."""
        position = await self._head.fresh()
        if self._tail is None:
            self._tail, self._last = await self._adopt()
        if position.sequence == 0:
            self._tail = position  # no entry tells the tree of before the first one
        if self._tail.sequence >= position.sequence:
            return
        if self._changed_at is None:
            self._changed_at = time.monotonic()
        try:
            await self._copy(self._tail)
        except NotFound:
            # The stream has forgotten entries that the archive has not seen: it begins with what is left.
            if self.archive.segments.files():
                await self._set_aside("the stream has forgotten entries that it has not seen", sound=True)
            state = await self._log.state()
            first = position.sequence + 1 if state is None else state.first
            self._tail = Position(first - 1, "") if first <= position.sequence else position
            self._last = None
            await self._copy(self._tail)
            await self._checkpoint(whole=True)

    async def _copy(self, tail: Position) -> None:
        batch: list[Sealed] = []
        size = 0
        async for sealed in self._head.since(tail.sequence):
            batch.append(sealed)
            size += len(sealed.body)
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                await self._append(batch)
                batch, size = [], 0
        if batch:
            await self._append(batch)

    async def _append(self, batch: list[Sealed]) -> None:
        await asyncio.to_thread(self.archive.segments.append, batch)
        self._tail = batch[-1].position

    async def _adopt(self) -> tuple[Position, Manifest | None]:
        """Where the archive ends, if it is of this very journal and sound; else it is set aside."""
        archive = self.archive
        try:
            await asyncio.to_thread(archive.segments.cut_torn_end)
            newest = await asyncio.to_thread(archive.segments.tail)
            manifests = await asyncio.to_thread(archive.checkpoints.all)
            tail = _newest(newest, manifests)
            if await self._is_of_this_journal(tail):
                return tail, manifests[-1] if manifests else None
            await self._set_aside("it is of another journal", sound=False)
            return Position(0, ""), None
        except InvalidContent as error:
            carried = await self._set_aside(error.message, sound=True)
        if not carried:
            return Position(0, ""), None
        state = await self._log.state()
        first = 1 if state is None else state.first
        # What the checkpoints have is proven; entries are written again from where the stream begins.
        return Position(first - 1 if carried[-1].sequence >= first - 1 else 0, ""), carried[-1]

    async def _set_aside(self, problem: str, *, sound: bool) -> list[Manifest]:
        """Begin the archive anew; returns the checkpoints that stay, the oldest first: of a `sound` one those
        whose files are intact and that the stream does not contradict."""
        carried: list[Manifest] = []
        if sound:
            for manifest in await asyncio.to_thread(self.archive.checkpoints.intact):
                if await self._agrees(manifest):
                    carried.append(manifest)
        aside = await asyncio.to_thread(self.archive.set_aside, carried)
        logger.warning(
            "the archive was set aside as %s, but for %d checkpoints: %s", aside, len(carried), problem
        )
        return carried

    async def _agrees(self, manifest: Manifest) -> bool:
        """Whether a checkpoint is of an entry that the stream has, or may have forgotten."""
        try:
            return (await self._head.entry(manifest.sequence)).digest == manifest.digest
        except NotFound:
            return manifest.sequence <= self._head.position.sequence

    async def fits(self) -> bool:
        """Whether the archive is of this very journal, or has nothing in it yet."""
        newest = await asyncio.to_thread(self.archive.segments.tail)
        manifests = await asyncio.to_thread(self.archive.checkpoints.all)
        return await self._is_of_this_journal(_newest(newest, manifests))

    async def _is_of_this_journal(self, tail: Position) -> bool:
        """Whether the stream has that entry too; one that it has forgotten cannot be compared."""
        if tail.sequence == 0:
            return True
        if tail.sequence > self._head.position.sequence:
            return False
        try:
            return (await self._head.entry(tail.sequence)).digest == tail.digest
        except NotFound:
            state = await self._log.state()
            if state is None or state.first != tail.sequence + 1:
                return False
            first = await self._head.entry(state.first)
            return first.record.previous == tail.digest

    # ---- checkpoints ------------------------------------------------------------------------------------

    def _is_due(self) -> bool:
        entries = (self._tail.sequence if self._tail else 0) - (self._last.sequence if self._last else 0)
        if entries == 0 or self._changed_at is None:
            return False
        waited_s = time.monotonic() - self._changed_at
        return entries >= self.policy.max_journal_size or waited_s >= self.policy.checkpoint_interval

    async def _checkpoint(self, *, whole: bool) -> Manifest:
        """A checkpoint of where the archive's entries end."""
        assert self._tail is not None
        position, checkpoints = self._tail, self.archive.checkpoints
        base = None if whole else await asyncio.to_thread(checkpoints.base_for_next)
        if base is not None and (base.sequence, base.digest) == (position.sequence, position.digest):
            return base
        manifest = await self._written(position, base)
        self._last, self._changed_at = manifest, None
        await self._trees.keep(checkpoint_root(manifest.sequence), manifest.root)
        await self._tell(manifest)
        await self._make_room(manifest)
        return manifest

    async def _written(self, position: Position, base: Manifest | None) -> Manifest:
        entries = position.sequence - (self._last.sequence if self._last is not None else 0)
        try:
            car = self._trees.export(position.root, base.root if base is not None else None)
            return await self.archive.checkpoints.write(
                position, car, base=base, entries=entries, at=time.time()
            )
        except NotFound:
            if base is None:
                raise
        # What it was to build on is not here any more.
        return await self._written(position, None)

    async def _make_room(self, last: Manifest) -> None:
        """Let go what is not to be kept: old checkpoints, old segments, old entries of the stream."""
        gone = await asyncio.to_thread(self.archive.checkpoints.prune, self._retention.checkpoints)
        if gone:
            await self._trees.release([checkpoint_root(manifest.sequence) for manifest in gone])
        oldest = (await asyncio.to_thread(self.archive.checkpoints.all))[0]
        # The archive goes back as far as the stream does: it is what a lost stream is told of from.
        before = last.sequence - self._retention.entries
        await asyncio.to_thread(self.archive.segments.forget, min(oldest.sequence, before))
        await self.truncate(before)

    async def truncate(self, before: int) -> int:
        """Forget the stream's entries before a sequence, and their trees; never those behind the last
        checkpoint. Returns how many there were."""
        last = self._last or next(reversed(await asyncio.to_thread(self.archive.checkpoints.all)), None)
        before = min(before, last.sequence if last is not None else 0)
        self._head.forget(before)
        return await forget_entries(self._log, self._trees, before)

    # ---- named roots ------------------------------------------------------------------------------------

    async def reconcile(self) -> int:
        """Release the trees of commits that are in no entry (any more), be it of the stream or of the
        archive, and are older than an hour: their process ended before it could. Returns how many there
        were."""
        known = await asyncio.to_thread(self._archived_ids)
        async for kept in self._log.read():
            known.add(_id_of(kept))
        old = f"{int((time.time() - STALE_S) * 1000):012x}"
        stale = []
        async for root in self._trees.kept(COMMITS):
            commit_id = root.name.removeprefix(COMMITS)
            if "/" not in commit_id and commit_id[:12] < old and commit_id not in known:
                stale.append(root.name)
        await self._trees.release(stale)
        return len(stale)

    def _archived_ids(self) -> set[str]:
        return {_id_of(framed) for framed in self.archive.segments.read()}


def _newest(entry: Sealed | None, manifests: list[Manifest]) -> Position:
    known = [manifest.position for manifest in manifests[-1:]] + ([entry.position] if entry else [])
    return max(known, key=lambda position: position.sequence, default=Position(0, ""))


async def forget_entries(log: Log, trees: Trees, before: int) -> int:
    """Purge the entries before a sequence, some at a time, and release their trees."""
    state = await log.state()
    removed = 0
    if state is None or state.first >= before:
        return 0
    batch: list[str] = []
    last = state.first
    async for kept in log.read(state.first - 1, to=before - 1):
        batch.append(commit_root(_id_of(kept)))
        last = kept.sequence
        if len(batch) >= BATCH:
            removed += await log.purge(last + 1)
            await trees.release(batch)
            batch = []
    if batch:
        removed += await log.purge(last + 1)
        await trees.release(batch)
    return removed


def _id_of(kept: Kept) -> str:
    return unsealed(kept.sequence, kept.body).record.id
