"""Recovery: from what there is, the newest state of the tree that can be proven.

Three places know entries: the stream, the archive, and the note of the newest entry that this node has seen.
Each proves a position by its own checksums and by the chain. The newest of them holds:

    the stream has it          the stream goes on; entries behind the last checkpoint are checked
    another one has it         the stream is made anew behind it, beginning with an entry that says so
    none has any               a new tree, if nothing says that there was one

Then the root of that position has to be at hand: its blocks are brought back from checkpoints if they are
not. What cannot be proven is refused: `Refused` says what is damaged, and nothing is served until
`journal.recover` is asked for what can still be had.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ...schemas.errors import BusError, InvalidContent, NotFound, Unavailable
from ...schemas.journaling import Record, Recovered
from ...schemas.tree import TreePatch
from .archive.checkpoints import Manifest
from .archive.folder import Archive
from .archive.last import LastSeen
from .chain import Position, Sealed, Who, digest_of, unsealed
from .head import Head
from .parts import Kept, Log, Trees
from .root_names import checkpoint_root, commit_root

__all__ = ["Found", "Recovery"]

logger = logging.getLogger(__name__)

Source = Literal["journal", "archive", "checkpoint", "nothing"]


@dataclass
class Found:
    """A position that one of the places proves, and how many entries were checked for it."""

    position: Position
    source: Source
    replayed: int = 0
    problems: list[str] = field(default_factory=list)
    last: int = 0  # the newest that the stream says it has, sound or not
    recovered: Record | None = None

    def supersedes(self, other: Found) -> bool:
        """Whether somebody has gone back on purpose behind what the other place knows."""
        recovered, known = self.recovered, other.position
        return recovered is not None and recovered.sequence <= known.sequence and known.at <= recovered.at


class Recovery:
    """Finds the position that holds, and brings the log and the blocks in line with it."""

    def __init__(
        self,
        log: Log,
        trees: Trees,
        head: Head,
        archive: Callable[[], Archive | None],
        seen: LastSeen,
        who: Who,
    ) -> None:
        """`archive` gives the one that is in use: it may be moved."""
        self._log = log
        self._trees = trees
        self._head = head
        self._archive = archive
        self._seen = seen
        self._who = who

    async def run(self, *, auto: bool = True, lossy: bool = False) -> Recovered:
        """Recover the newest state, and let the head begin there.

        Without `auto` a stream that is lost is not replaced. With `lossy` the stream is checked from its
        first entry on, and what cannot be proven is given up for the newest checkpoint. Raises Unavailable
        saying what is damaged where no state can be proven.
        """
        began = time.monotonic()
        stream = await self._in_stream(await self._empty(), whole=lossy)
        others = [await asyncio.to_thread(self._in_archive), self._noted(), self._known()]
        places = [stream, *(each for each in others if each is not None and not stream.supersedes(each))]
        found = max(places, key=lambda each: each.position.sequence)
        highest = found.position.sequence
        problems = [problem for each in places for problem in each.problems]
        if found is stream and stream.problems:
            raise Unavailable("; ".join(problems))
        restored = 0
        if not await self._trees.has(found.position.root):
            found, restored = await self._with_blocks(found, lossy=lossy)
        if found is not stream:
            if not auto:
                raise Unavailable(
                    f"the journal's stream proves {stream.position.sequence} entries, but there were "
                    f"{highest}: ask for journal.recover"
                )
            await self._go_on_from(found.position, stream)
        await self._begin_at(found.position)
        now = self._head.position
        return Recovered(
            root=now.root,
            sequence=now.sequence,
            source=found.source if now.sequence else "nothing",
            replayed=found.replayed,
            verified=True,
            restored_blocks=restored,
            lost_entries=highest - found.position.sequence,
            duration_ms=(time.monotonic() - began) * 1000,
            message="; ".join([*problems, _said(found)]),
        )

    async def _begin_at(self, position: Position) -> None:
        """Let the head begin there, and take in what the stream has behind it."""
        entries = []
        async for kept in self._log.read(position.sequence):
            try:
                entries.append(position.next(kept.sequence, kept.body))
            except InvalidContent as error:
                raise Unavailable(f"the journal's stream is damaged: {error.message}") from None
            position = entries[-1].position
        self._head.reset(entries[0].position if entries else position)
        for sealed in entries:
            self._head.advance(sealed)

    async def _empty(self) -> Position:
        """The position before any entry: an empty directory."""
        return Position(0, (await self._trees.patch(TreePatch(groups=[]))).root)

    # ---- what each place proves -------------------------------------------------------------------------

    async def _in_stream(self, empty: Position, *, whole: bool) -> Found:
        """The newest position of the stream, checked from the last checkpoint on or as a `whole`."""
        state = await self._log.state()
        if state is None or not state.messages:
            return Found(empty, "nothing")
        if (holes := state.last - state.first + 1 - state.messages) > 0:
            logger.warning(
                "the journal's stream has a hole: of its entries %d to %d, %d are missing or damaged",
                state.first, state.last, holes,
            )  # fmt: skip
        manifests = [] if whole else self._manifests()
        try:
            start = await self._start(state.first, state.last, empty, manifests)
        except (InvalidContent, NotFound) as error:
            problem = f"the journal's stream is damaged: {error.message}"
            return Found(empty, "journal", problems=[problem], last=state.last)
        found = Found(start, "journal", last=state.last)
        try:
            async for kept in self._log.read(start.sequence, to=state.last):
                sealed = found.position.next(kept.sequence, kept.body)
                found.position = sealed.position
                found.replayed += 1
                if sealed.record.kind == "recover":
                    found.recovered = sealed.record
        except InvalidContent as error:
            found.problems.append(f"the journal's stream is damaged: {error.message}")
        if not found.problems and found.position.sequence != state.last:
            found.problems.append(
                f"the journal's stream is damaged: entry {found.position.sequence + 1} is gone"
            )
        return found

    async def _start(self, first: int, last: int, empty: Position, manifests: list[Manifest]) -> Position:
        """Where checking begins: the newest checkpoint that the stream knows too, else its first entry."""
        for manifest in reversed(manifests):
            if first <= manifest.sequence <= last:
                try:
                    kept = await self._log.get(manifest.sequence)
                except NotFound:
                    continue
                if digest_of(kept.body) == manifest.digest:
                    return manifest.position
            elif manifest.sequence == first - 1:
                return manifest.position
        if first == 1:
            return empty
        record = unsealed(first, (await self._log.get(first)).body).record
        return Position(first - 1, record.before, record.previous)

    def _manifests(self) -> list[Manifest]:
        archive = self._archive()
        return archive.checkpoints.all() if archive is not None else []

    def _in_archive(self) -> Found | None:
        """The newest position of the archive: its last checkpoint and the entries behind it."""
        archive = self._archive()
        if archive is None:
            return None
        manifests = self._manifests()
        position = manifests[-1].position if manifests else None
        found = None if position is None else Found(position, "archive")
        try:
            for sealed in archive.segments.entries(position):
                found = found or Found(sealed.position, "archive")
                found.position = sealed.position
                found.replayed += 1
        except InvalidContent as error:
            if not error.details.get("torn"):
                problem = f"the archive is damaged: {error.message}"
                found = found or Found(Position(0, ""), "archive")
                found.problems.append(problem)
        return found if found is not None and found.position.sequence else None

    def _noted(self) -> Found | None:
        sealed = self._seen.read()
        return None if sealed is None else Found(sealed.position, "archive")

    def _known(self) -> Found | None:
        """What this process itself has seen."""
        known = self._head.position
        return Found(known, "journal") if known.sequence else None

    # ---- bringing it back -------------------------------------------------------------------------------

    async def _with_blocks(self, found: Found, *, lossy: bool) -> tuple[Found, int]:
        """The position with its blocks brought back, or an older one that has them.

        Raises Unavailable if its blocks are in no checkpoint and nothing may be given up.
        """
        restored = 0
        for manifest in reversed(self._manifests()):
            if manifest.sequence > found.position.sequence:
                continue
            try:
                restored = await self.restore(manifest)
            except BusError as error:
                logger.warning("checkpoint %s cannot be read: %s", manifest.id, error)
                continue
            if await self._trees.has(found.position.root):
                return found, restored
            if lossy:
                return Found(manifest.position, "checkpoint"), restored
            break
        raise Unavailable(
            f"the blocks of {found.position.root}, the tree of entry {found.position.sequence}, are neither "
            "here nor in a checkpoint"
        )

    async def restore(self, manifest: Manifest) -> int:
        """Bring the blocks of a checkpoint back; returns how many were read.

        Raises InvalidContent if a file of its chain is damaged, NotFound if one is missing.
        """
        archive = self._archive()
        assert archive is not None
        checkpoints = archive.checkpoints
        chain = checkpoints.chain(manifest)
        for each in chain:
            await asyncio.to_thread(checkpoints.check, each)
        blocks = 0
        for each in chain:
            blocks += await self._trees.restore(checkpoints.content(each))
            await self._trees.keep(checkpoint_root(each.sequence), each.root)
        return blocks

    async def _go_on_from(self, position: Position, stream: Found) -> None:
        """Bring the stream in line with a position that it does not prove.

        If its newest entry is that position, only older ones are damaged: they go. Else it is made anew,
        and its first entry says so.
        """
        last = await self._last()
        if (
            last is not None
            and last.sequence == position.sequence
            and digest_of(last.body) == position.digest
        ):
            await self._log.purge(last.sequence)
            return
        state = await self._log.state()
        if state is not None and state.last != position.sequence:
            if state.last > stream.last:
                raise Unavailable("the journal's stream moves on while it is recovered")
            await self._log.delete()
        await self._log.make(position.sequence + 1)
        sealed = self._recovery_entry(position)
        await self._trees.keep(commit_root(sealed.record.id), position.root)
        try:
            await self._log.append(sealed.body, expected=position.sequence, msg_id=sealed.record.id)
        except BusError as error:
            # Another process recovers too: what it has written is followed, if it follows.
            logger.info("the stream was made anew by another process: %s", error)
            return
        if stream.problems:
            await self._log.purge(sealed.sequence)

    async def _last(self) -> Kept | None:
        try:
            return await self._log.last()
        except NotFound:
            return None

    def _recovery_entry(self, position: Position) -> Sealed:
        now_ms = int(max(time.time(), position.at) * 1000)
        return position.followed_by(
            self._who, entry_id=f"{now_ms:012x}-{self._who.instance[:8]}-recover", kind="recover",
            root=position.root, changes=[], totals=position.totals,
        )  # fmt: skip


def _said(found: Found) -> str:
    position = found.position
    match found.source:
        case "nothing":
            return "a new tree"
        case "journal":
            return f"the journal is whole up to entry {position.sequence}"
        case "archive":
            return f"the stream was lost; its archive proves entry {position.sequence}"
        case _:
            return f"gone back to the checkpoint of entry {position.sequence}"
