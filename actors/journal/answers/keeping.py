"""Rows about the journal itself: its entries, its archive, and bringing it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TypeVar

from ....bus import handles
from ....schemas import journal, journaling, subjects
from ....schemas.errors import Conflict, InvalidContent, NotSupported, Unavailable
from ....schemas.journaling import Entry, JournalStatus, Recovered
from ....schemas.rows import Request
from ....schemas.wire import Wire
from ..archive.archiver import Archiver
from ..archive.folder import Archive
from ..chain import unsealed
from ..changes import Change
from ..verifying import verified
from .parts import counted, is_unheard, paths_of
from .reading import ReadRows

__all__ = ["KeepRows"]

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)


class KeepRows(ReadRows):
    """`journal.log`, `status`, `enable`, `checkpoint`, `checkpoints`, `recover`, `verify` and `forget`."""

    @handles(subjects.CHANGED)
    async def heard_of_change(self, event: journal.TreeChanged) -> None:
        """Another process has committed: what it wrote is read now rather than by whoever asks next."""
        if self.head.problem is None and event.sequence > self.head.position.sequence:
            await self.head.fresh()

    # ---- what has happened ------------------------------------------------------------------------------

    @handles(subjects.JOURNAL_LOG)
    async def entries(self, ask: journaling.LogRequest) -> AsyncIterator[Entry]:
        left = ask.limit
        records = self.records_backwards() if ask.after is None else self._records_after(ask.after)
        async for record in records:
            if ask.path is not None and not _concerns(record, ask.path):
                continue
            yield _told(record)
            left -= 1
            if left == 0:
                return

    async def _records_after(self, after: int) -> AsyncIterator[journaling.Record]:
        position, first = await self.head.fresh(), await self.past.stream_first()
        async for record in self.past.after(after, first):
            yield record
        async for kept in self.log.read(after, to=position.sequence):
            yield unsealed(kept.sequence, kept.body).record

    @handles(subjects.JOURNAL_STATUS)
    async def status(self, ask: journaling.StatusRequest) -> JournalStatus:
        """Answers even while nothing else is: `message` says what is wrong."""
        await self.reload()
        problem = self.head.problem
        if problem is None:
            try:
                await self.head.fresh()
            except Unavailable as error:
                problem = error.message
        position, state = self.head.position, await self.log.state()
        statuses = position.totals.statuses
        pending = await self.open_count() + self.committer.waiting
        messages = [problem, self.archive_problem, self.archiver and self.archiver.problem]
        return JournalStatus(
            journal_enabled=self.archive is not None,
            total_entries=sum(statuses.values()) + pending,
            pending_entries=pending,
            completed_entries=statuses.get("completed", 0),
            failed_entries=statuses.get("failed", 0),
            rolled_back_entries=statuses.get("rolled_back", 0),
            journal_size_bytes=0 if state is None else state.size_bytes,
            operations_by_type=position.totals.operations,
            timestamp=time.time(),
            message="; ".join(message for message in messages if message) or None,
            root=position.root,
            sequence=position.sequence,
            first_sequence=await self.past.oldest(),
            recovered_at=self.recovered_at,
            recovery_ms=self.recovered.duration_ms if self.recovered else None,
            **await asyncio.to_thread(self._archive_status),
        )

    def _archive_status(self) -> dict[str, object]:
        policy, archive = self.policy, self.archive
        told: dict[str, object] = {name: getattr(policy, name) for name in type(policy).model_fields}
        if archive is None:
            return told
        checkpoints = archive.checkpoints.all()
        if checkpoints:
            last = checkpoints[-1]
            told |= {
                "last_checkpoint": last.at,
                "last_checkpoint_sequence": last.sequence,
                "last_checkpoint_id": last.id,
            }
        return told | {
            "journal_base_path": str(archive.path),
            "checkpoints": len(checkpoints),
            "archived_sequence": self._archived(archive),
        }

    def _archived(self, archive: Archive) -> int | None:
        if self.archiver is not None and archive.is_ours:
            return self.archiver.archived_sequence
        try:
            tail = archive.segments.tail()
        except InvalidContent:
            return None
        return None if tail is None else tail.sequence

    # ---- the archive ------------------------------------------------------------------------------------

    @handles(subjects.JOURNAL_ENABLE)
    async def enable(self, ask: journaling.EnableJournaling) -> journaling.JournalingEnabled:
        """Raises BadRequest for a folder that callers may not choose or that has something else in it,
        Conflict for the archive of another journal; then all stays as it was."""
        path = self._settings.archive_path(ask.journal_base_path, self._folder)
        await self.reload()
        answer = await self._at_writer(subjects.JOURNAL_ENABLE, ask)
        if answer is not None:
            await self.reload()
            return answer
        archive = await asyncio.to_thread(Archive.open, path)
        if self.archive is None or archive.path != self.archive.path:
            await self._move_to(archive)
        self.policy = ask.model_copy(update={"journal_base_path": str(archive.path)})
        await asyncio.to_thread(self.write_policy)
        if self.archiver is not None:
            self.archiver.policy = self.policy
            await self.archiver.tend()
        return journaling.JournalingEnabled(
            journal_enabled=True,
            journal_base_path=str(archive.path),
            auto_recovery=ask.auto_recovery,
            message="journaling is enabled",
            timestamp=time.time(),
        )

    async def _move_to(self, archive: Archive) -> None:
        if not archive.claim(self.instance):
            raise Conflict(f"{archive.path} is written by another system", path=str(archive.path))
        old, self.archive = self.archive, archive
        new = self.new_archiver()
        try:
            if not archive.is_empty():
                await self._adopt(archive, new)
        except BaseException:
            archive.close()
            self.archive = old
            raise
        await self.stop_archiver()
        if old is not None:
            old.close()
        self.archiver, self.archive_problem = new, None
        self.start_archiver()

    async def _adopt(self, archive: Archive, archiver: Archiver) -> None:
        """Begin with the tree of an archive if there is none yet; else it has to be of this very tree."""
        if self.head.usable().sequence == 0:
            await self.recover(auto=True)
        elif not await archiver.fits():
            raise Conflict(f"{archive.path} has the archive of another tree", path=str(archive.path))

    @handles(subjects.JOURNAL_CHECKPOINT)
    async def checkpoint(self, ask: journaling.CheckpointRequest) -> journaling.Checkpoint:
        """Raises NotSupported while there is no archive, StorageFull if the disk has no room."""
        await self.reload()
        answer = await self._at_writer(subjects.JOURNAL_CHECKPOINT, ask)
        if answer is not None:
            return answer
        return (await self._archiver_or_raise().checkpoint(whole=ask.whole)).told()

    @handles(subjects.JOURNAL_CHECKPOINTS)
    async def checkpoints(self, ask: journaling.CheckpointList) -> AsyncIterator[journaling.Checkpoint]:
        await self.reload()
        archive = self._archiver_or_raise().archive
        for manifest in reversed(await asyncio.to_thread(archive.checkpoints.all)):
            yield manifest.told()

    def _archiver_or_raise(self) -> Archiver:
        if self.archiver is None:
            raise NotSupported(f"the journal has no archive: {self.archive_problem}")
        return self.archiver

    def _writer_elsewhere(self) -> str | None:
        """The other process of this node that writes the archive, None if that is this one or nobody."""
        if self.archive is None or self.archive.is_gone() or self.archive.claim(self.instance):
            return None
        return self.archive.writer()

    async def _at_writer(self, row: Request[A, R], ask: A) -> R | None:
        """The answer of the other process that writes the archive, None if there is none (any more)."""
        place = self._writer_elsewhere()
        if place is None:
            return None
        try:
            return await self.bus.request(row, ask, at=place)
        except Unavailable as error:
            if not is_unheard(error):
                raise
            return None

    @handles(subjects.JOURNAL_TRUNCATE)
    async def forget(self, ask: journaling.Truncation) -> journaling.Truncated:
        await self.reload()
        archiver = self._archiver_or_raise()
        removed = await archiver.truncate(ask.before)
        state = await self.log.state()
        return journaling.Truncated(removed=removed, first_sequence=1 if state is None else state.first)

    # ---- bringing it back -------------------------------------------------------------------------------

    @handles(subjects.JOURNAL_RECOVER)
    async def bring_back(self, ask: journaling.Recover) -> Recovered:
        await self.reload()
        if ask.checkpoint_id is None:
            return await self.recover(auto=True, lossy=True)
        return await self._go_back_to(ask.checkpoint_id)

    async def _go_back_to(self, checkpoint_id: str) -> Recovered:
        """Raises NotFound for a checkpoint that is not there, InvalidContent for one that is damaged."""
        began = time.monotonic()
        manifest = self._archiver_or_raise().archive.checkpoints.get(checkpoint_id)
        if self.head.problem is not None:
            await self.recover(auto=True, lossy=True)
        blocks = await self.recovery.restore(manifest)
        changed = await self.committer.submit(Change(root=manifest.root, recovers=True))
        assert changed.sequence is not None
        recovered = Recovered(
            root=changed.root,
            sequence=changed.sequence,
            source="checkpoint",
            checkpoint_id=checkpoint_id,
            replayed=0,
            verified=True,
            restored_blocks=blocks,
            duration_ms=(time.monotonic() - began) * 1000,
            message=f"gone back to the checkpoint of entry {manifest.sequence}",
        )
        self.recovered, self.recovered_at = recovered, time.time()
        await self.tell_recovered(recovered)
        return recovered

    @handles(subjects.JOURNAL_VERIFY)
    async def verify(self, ask: journaling.VerifyJournal) -> journaling.JournalVerified:
        return await verified(self.log, self.trees, self.head, self.archive, roots=ask.roots)


def _told(record: journaling.Record) -> Entry:
    statuses = [change.status for change in record.changes]
    errors = [change.error for change in record.changes if change.error]
    return Entry(
        sequence=record.sequence,
        id=record.id,
        status="completed" if not statuses or "completed" in statuses else statuses[0],
        before=record.before,
        root=record.root,
        previous=record.previous,
        at=record.at,
        node=record.node,
        instance=record.instance,
        operations=counted(record),
        paths=paths_of(record),
        changes=len(record.changes),
        error=errors[0] if errors else None,
    )


def _concerns(record: journaling.Record, path: str) -> bool:
    """Whether an entry may have changed a path, or something below it."""
    below = path.rstrip("/") + "/"
    for change in record.changes:
        for write in change.writes:
            at = write[1:]
            if (
                at == path
                or at.startswith(below)
                or (write[0] == "t" and path.startswith(at.rstrip("/") + "/"))
            ):
                return True
    return False
