"""Checkpoints: a state of the tree as a CAR file, whole or with what is new since the one it builds on.

    checkpoints/<sequence>.car       the blocks
    checkpoints/<sequence>.json      what they are, written last: a checkpoint without it is none
    temp/                            files in the making

A tree is brought back from its checkpoint, the one that this builds on, and so on down to a whole one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

from ....schemas.errors import BadRequest, InvalidContent, NotFound, StorageFull
from ....schemas.journaling import Checkpoint, Totals
from ...disk import sync_folder
from ..chain import Position

__all__ = ["Checkpoints", "Manifest"]

READ_BYTES = 512 * 1024
# A checkpoint builds on at most so many others, and on no more bytes than a whole one had.
MAX_CHAIN = 32


class Manifest(Checkpoint):
    """A checkpoint, and what proves it: the SHA-256 of its file and the digest of its entry."""

    sha256: str
    digest: str
    totals: Totals = Totals()

    @property
    def position(self) -> Position:
        return Position(self.sequence, self.root, self.digest, self.at, self.totals)

    def told(self) -> Checkpoint:
        return Checkpoint(**{name: getattr(self, name) for name in Checkpoint.model_fields})


class Checkpoints:
    """The checkpoints of one archive. One process writes, see `folder.py`; any may read."""

    def __init__(self, folder: Path, temp: Path) -> None:
        self._folder = folder
        self._temp = temp

    # ---- reading ----------------------------------------------------------------------------------------

    def all(self) -> list[Manifest]:
        """Those whose manifest can be read, the oldest first."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(Manifest.from_wire(path.read_bytes()))
            except (BadRequest, FileNotFoundError):
                continue
        return sorted(found, key=lambda manifest: manifest.sequence)

    def unreadable(self) -> list[str]:
        """The manifests that cannot be read."""
        readable = {f"{manifest.id}.json" for manifest in self.all()}
        return sorted(path.name for path in self._folder.glob("*.json") if path.name not in readable)

    def get(self, checkpoint_id: str) -> Manifest:
        return _by_id(self.all(), checkpoint_id)

    def chain(self, manifest: Manifest) -> list[Manifest]:
        """The checkpoints that it takes to bring this one back, the whole one first.

        Raises NotFound if one of them is not there.
        """
        return _chain(manifest, self.all())

    def check(self, manifest: Manifest) -> None:
        """Raises InvalidContent unless the file of the checkpoint is what it was."""
        path = self.path_of(manifest)
        digest = hashlib.sha256()
        try:
            for piece in _pieces(path):
                digest.update(piece)
        except FileNotFoundError:
            raise InvalidContent(str(path), "the file is gone") from None
        if digest.hexdigest() != manifest.sha256:
            raise InvalidContent(str(path), "its SHA-256 is not the one in its manifest")

    def intact(self) -> list[Manifest]:
        """Those that can be brought back, the oldest first; reads all their files."""
        found: dict[str, Manifest] = {}
        for manifest in self.all():
            if manifest.base is None or manifest.base in found:
                with contextlib.suppress(InvalidContent):
                    self.check(manifest)
                    found[manifest.id] = manifest
        return list(found.values())

    def path_of(self, manifest: Manifest) -> Path:
        return self._folder / f"{manifest.id}.car"

    async def content(self, manifest: Manifest) -> AsyncIterator[bytes]:
        for piece in _pieces(self.path_of(manifest)):
            yield piece

    # ---- writing ----------------------------------------------------------------------------------------

    def base_for_next(self) -> Manifest | None:
        """What the next checkpoint may build on; None if it has to be whole."""
        manifests = self.all()
        if not manifests:
            return None
        try:
            whole, *increments = _chain(manifests[-1], manifests)
        except NotFound:
            return None
        grown = sum(manifest.size_bytes for manifest in increments)
        return None if len(increments) >= MAX_CHAIN or grown > whole.size_bytes else manifests[-1]

    async def write(
        self, position: Position, car: AsyncIterator[bytes], *, base: Manifest | None, entries: int, at: float
    ) -> Manifest:
        """Write a checkpoint of a position; raises StorageFull, and leaves none, if the disk has no room."""
        name = str(position.sequence)
        draft = self._temp / f"{name}.car"
        digest, counter = hashlib.sha256(), SectionCounter()
        try:
            with draft.open("wb") as file:
                async for piece in car:
                    file.write(piece)
                    digest.update(piece)
                    counter.feed(piece)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            manifest = Manifest(
                id=name,
                sequence=position.sequence,
                root=position.root,
                at=at,
                base=base.id if base is not None else None,
                file=f"{self._folder.name}/{name}.car",
                size_bytes=draft.stat().st_size,
                blocks=counter.blocks,
                entries=entries,
                sha256=digest.hexdigest(),
                digest=position.digest,
                totals=position.totals,
            )
            self._publish(draft, manifest)
        except OSError as error:
            raise StorageFull(f"the checkpoint cannot be written: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)
        return manifest

    def _publish(self, draft: Path, manifest: Manifest) -> None:
        told = self._temp / f"{manifest.id}.json"
        try:
            with told.open("wb") as file:
                file.write(manifest.to_wire())
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path_of(manifest))
            told.rename(self._folder / told.name)
        finally:
            told.unlink(missing_ok=True)
        sync_folder(self._folder)

    def prune(self, keep: int) -> list[Manifest]:
        """Remove all but the newest, and what those build on; returns what is gone."""
        manifests = self.all()
        needed = {each.id for kept in manifests[-keep:] for each in _chain_or_itself(kept, manifests)}
        gone = [manifest for manifest in manifests if manifest.id not in needed]
        for manifest in gone:
            (self._folder / f"{manifest.id}.json").unlink(missing_ok=True)
            self.path_of(manifest).unlink(missing_ok=True)
        return gone


def _by_id(manifests: Collection[Manifest], checkpoint_id: str) -> Manifest:
    found = next((manifest for manifest in manifests if manifest.id == checkpoint_id), None)
    if found is None:
        raise NotFound("checkpoint", checkpoint_id)
    return found


def _chain(manifest: Manifest, manifests: Collection[Manifest]) -> list[Manifest]:
    found = [manifest]
    while (base := found[-1].base) is not None:
        found.append(_by_id(manifests, base))
    return found[::-1]


def _chain_or_itself(manifest: Manifest, manifests: Collection[Manifest]) -> list[Manifest]:
    try:
        return _chain(manifest, manifests)
    except NotFound:
        return [manifest]


class SectionCounter:
    """Counts the blocks of a CAR as it passes: a varint length before each, the header's first."""

    def __init__(self) -> None:
        self._sections = 0
        self._skip = 0
        self._length = 0
        self._shift = 0

    @property
    def blocks(self) -> int:
        return max(0, self._sections - 1)

    def feed(self, piece: bytes) -> None:
        at = 0
        while at < len(piece):
            if self._skip:
                step = min(self._skip, len(piece) - at)
                self._skip -= step
                at += step
                continue
            byte = piece[at]
            at += 1
            self._length |= (byte & 0x7F) << self._shift
            self._shift += 7
            if byte < 0x80:
                self._sections += 1
                self._skip, self._length, self._shift = self._length, 0, 0


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece
