"""What all answers share: the log, the head, the commit loop, open transactions and the archive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

from ....bus import Actor
from ....bus.log import Log
from ....schemas import journal, journaling, subjects
from ....schemas.errors import BadRequest, BusError, NotFound, Unavailable
from ....schemas.journal import Changing, End, Seen
from ....schemas.journaling import EnableJournaling, Recovered
from ....schemas.rows import Request
from ....schemas.wire import Wire
from ..archive.archiver import Archiver, Retention
from ..archive.checkpoints import Manifest
from ..archive.folder import Archive
from ..archive.last import LastSeen
from ..chain import Sealed, Who
from ..commits import Committer
from ..effects import paths_told
from ..head import Head
from ..parts import Trees
from ..past import Past
from ..recovery import Recovery
from ..settings import JournalSettings
from ..transactions import Transactions, gone, instance_of
from .trees import BusTrees

__all__ = ["Parts", "counted", "gone_if_unheard", "is_unheard", "paths_of"]

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Changing | Seen | End)
R = TypeVar("R", bound=Wire)

TEND_EVERY_S = 5.0
START_S = 5.0
STOP_S = 5.0


class Parts(Actor):
    """One process of the journal; its folder is shared with the others of its node."""

    name = "journal"

    log: Log
    head: Head
    trees: Trees

    def __init__(self, settings: JournalSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._policy_path = folder / "journaling.json"
        self._tasks: list[asyncio.Task[None]] = []
        self._archiving: asyncio.Task[None] | None = None
        self._recovering = asyncio.Lock()
        self.recovered: Recovered | None = None
        self.recovered_at: float | None = None

    # ---- life -------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Recovers the tree; where no state of it can be proven, the actor says so to whoever asks."""
        self.seen = LastSeen(self._folder)
        self.policy = self._read_policy()
        self.log = Log(self.bus, subjects.JOURNAL_ENTRIES)
        self.trees = BusTrees(self.bus)
        self.head = Head(self.log)
        self.past = Past(self.log, self.trees, self.head, lambda: self.archive)
        who = Who(self.instance, self.node or self.bus.node)
        self.archive, self.archive_problem = self._open_archive()
        self.recovery = Recovery(self.log, self.trees, self.head, lambda: self.archive, self.seen, who)
        self.committer = Committer(self.log, self.trees, self.head, who, self.seen.note, self._told_commit)
        limit = self._settings.max_transactions
        self.transactions = Transactions(self.instance, self.trees, self.committer, limit=limit)
        self.archiver = self.new_archiver() if self.archive is not None else None
        starting = asyncio.create_task(self._start_up())
        self._tasks = [starting, asyncio.create_task(self.committer.run()), asyncio.create_task(self._tend())]
        # What takes longer goes on while the actor already answers that it does.
        await asyncio.wait([starting], timeout=START_S)
        self.head.mend = self._mend
        self.start_archiver()

    async def _start_up(self) -> None:
        self.head.problem = "the file tree is being recovered"
        try:
            await self.log.make(replicas=self._settings.replicas)
            await self.recover(auto=self.policy.auto_recovery)
        except BusError as error:
            self.head.problem = error.message
            logger.error("the file tree cannot be served: %s", error)  # noqa: TRY400 - it is no bug
        if self.archive_problem is not None:
            logger.warning("the journal has no archive: %s", self.archive_problem)

    async def on_stop(self) -> None:
        with contextlib.suppress(TimeoutError, BusError):
            async with asyncio.timeout(STOP_S):
                await self.transactions.close()
                await self.committer.drain()
        await self.stop_archiver()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.archive is not None:
            self.archive.close()
        self.seen.close()

    # ---- the archive ------------------------------------------------------------------------------------

    def _read_policy(self) -> EnableJournaling:
        """What `journal.enable` has set, else what the settings say."""
        try:
            return EnableJournaling.from_wire(self._policy_path.read_bytes())
        except FileNotFoundError:
            pass
        except BadRequest as error:
            logger.warning("%s cannot be read (%s); the settings hold", self._policy_path, error)
        settings = self._settings
        return EnableJournaling(
            journal_base_path=str(settings.base_path or self._folder / "archive"),
            auto_recovery=settings.auto_recovery,
            sync_interval=settings.sync_interval,
            checkpoint_interval=settings.checkpoint_interval,
            max_journal_size=settings.max_journal_size,
        )

    def _open_archive(self) -> tuple[Archive | None, str | None]:
        try:
            return Archive.open(Path(self.policy.journal_base_path)), None
        except BusError as error:
            return None, error.message

    def new_archiver(self) -> Archiver:
        assert self.archive is not None
        settings = self._settings
        return Archiver(
            self.log,
            self.trees,
            self.head,
            self.archive,
            self.policy,
            Retention(settings.keep_entries, settings.keep_checkpoints),
            self.instance,
            self._told_checkpoint,
        )

    def start_archiver(self) -> None:
        if self.archiver is not None:
            self._archiving = asyncio.create_task(self.archiver.run())

    async def stop_archiver(self) -> None:
        if self._archiving is not None:
            self._archiving.cancel()
            await asyncio.gather(self._archiving, return_exceptions=True)

    def write_policy(self) -> None:
        """Keep what `journal.enable` has set."""
        draft = self._policy_path.with_suffix(".new")
        draft.write_bytes(self.policy.to_wire())
        draft.replace(self._policy_path)

    async def reload(self) -> None:
        """Take over what another process of the node has set."""
        policy = self._read_policy()
        if policy == self.policy:
            return
        moved, self.policy = policy.journal_base_path != self.policy.journal_base_path, policy
        if self.archiver is not None and not moved:
            self.archiver.policy = policy
            return
        await self.stop_archiver()
        if self.archive is not None:
            self.archive.close()
        self.archive, self.archive_problem = self._open_archive()
        self.archiver = self.new_archiver() if self.archive is not None else None
        self.start_archiver()

    # ---- recovery ---------------------------------------------------------------------------------------

    async def recover(self, *, auto: bool, lossy: bool = False) -> Recovered:
        """Find the newest state that can be proven, and begin there; raises as `Recovery.run` does."""
        async with self._recovering:
            recovered = await self.recovery.run(auto=auto, lossy=lossy)
            self.recovered, self.recovered_at = recovered, time.time()
            with contextlib.suppress(NotFound):
                self.seen.note(await self.head.entry(self.head.position.sequence))
        if recovered.source in ("archive", "checkpoint"):
            await self.tell_recovered(recovered)
        return recovered

    async def tell_recovered(self, recovered: Recovered) -> None:
        event = journaling.JournalRecovered(
            root=recovered.root,
            sequence=recovered.sequence,
            source=recovered.source,
            node=self.bus.node,
            at=time.time(),
        )
        await self._publish(subjects.RECOVERED, event)

    async def _mend(self, problem: str) -> None:
        """The stream is not what it was: recover, or serve nothing until that succeeds."""
        logger.warning("%s; recovering", problem)
        try:
            await self.recover(auto=self.policy.auto_recovery)
        except BusError as error:
            self.head.problem = f"{problem}: {error.message}"

    async def _tend(self) -> None:
        """While nothing can be served, try again now and then: what was missing may be back."""
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            try:
                await self.reload()
                if self.head.problem is not None and not self._recovering.locked():
                    await self.recover(auto=self.policy.auto_recovery)
            except BusError as error:
                self.head.problem = error.message
            except OSError as error:
                logger.warning("the journal's folder cannot be read: %s", error)

    # ---- telling ----------------------------------------------------------------------------------------

    async def _told_commit(self, sealed: Sealed) -> None:
        record = sealed.record
        event = journal.TreeChanged(
            sequence=record.sequence,
            before=record.before,
            root=record.root,
            paths=paths_of(record),
            operations=counted(record),
            node=record.node,
            at=record.at,
        )
        await self._publish(subjects.CHANGED, event)

    async def _told_checkpoint(self, manifest: Manifest) -> None:
        event = journaling.CheckpointMade(
            id=manifest.id,
            sequence=manifest.sequence,
            root=manifest.root,
            size_bytes=manifest.size_bytes,
            node=self.bus.node,
            at=manifest.at,
        )
        await self._publish(subjects.CHECKPOINTED, event)

    async def _publish(self, row: Any, event: Wire) -> None:
        # What is told is done already; that nobody can hear it now does not undo it.
        with contextlib.suppress(Unavailable):
            await self.bus.publish(row, event)

    # ---- other processes --------------------------------------------------------------------------------

    def elsewhere(self, transaction: str | None) -> str | None:
        """The process that a transaction is open in, None if that is this one."""
        if transaction is None or instance_of(transaction) == self.instance:
            return None
        return instance_of(transaction)

    async def ask_at(self, place: str, row: Request[A, R], ask: A) -> R:
        """Let the process answer in which a transaction is open; raises NotFound if it has ended."""
        try:
            return await self.bus.request(row, ask, at=place)
        except Unavailable as error:
            raise gone_if_unheard(error, ask.transaction) from None


def is_unheard(error: Unavailable) -> bool:
    """Whether there is no such process (any more), not merely one that does not answer."""
    return error.details.get("field") == "subject"


def gone_if_unheard(error: Unavailable, transaction: str | None) -> NotFound | Unavailable:
    return gone(transaction) if transaction is not None and is_unheard(error) else error


def counted(record: journaling.Record) -> dict[str, int]:
    """The operations of an entry by type, of what was completed."""
    counts: Counter[str] = Counter()
    for change in record.changes:
        if change.status == "completed":
            counts.update(change.operations)
    return dict(counts)


def paths_of(record: journaling.Record) -> list[str]:
    """The paths that an entry has changed, at most 100 of them."""
    return paths_told(write for change in record.changes for write in change.writes)
