"""fsspec's transactions as the journal's: what is done inside becomes so at once, or not at all."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from fsspec.asyn import sync
from fsspec.transaction import Transaction

from .errors import as_os_errors
from .kinds import WriteSystem

__all__ = ["TreeTransaction"]

# A transaction that nobody uses for so long is rolled back.
EXPIRES_S = 3600.0


class TreeTransaction(Transaction):
    """Begins with the first thing that is done in it, and from then on sees that state of the tree and its
    own changes. `with fs.transaction:`, or where the caller has an event loop, `async with fs.transaction:`.

    Ending it raises OSError(EBUSY) if others have changed the same paths meanwhile; nothing is done then.
    """

    fs: WriteSystem

    def __init__(self, fs: WriteSystem, **options: Any) -> None:
        super().__init__(fs, **options)
        self._beginning: asyncio.Task[str] | None = None

    async def id(self) -> str:
        """The journal's name of this transaction."""
        if self._beginning is None:
            self._beginning = asyncio.ensure_future(self._begin())
        return await asyncio.shield(self._beginning)

    async def _begin(self) -> str:
        client = await self.fs.client()
        with as_os_errors():
            begun = await client.journal.begin(expires_in_s=EXPIRES_S, timeout_s=self.fs.timeout_s)
        return begun.transaction

    # ---- the end ----------------------------------------------------------------------------------------

    def complete(self, commit: bool = True) -> None:
        """Commit, or forget everything; files that are still open are closed, or discarded, before."""
        fs = self.fs
        try:
            try:
                self._end_files(commit)
            except BaseException:
                sync(fs.loop, self._end, False)
                raise
            sync(fs.loop, self._end, commit)
        finally:
            self._leave(fs)

    def _end_files(self, commit: bool) -> None:
        while self.files:
            file = self.files.popleft()
            if commit:
                file.close()
            else:
                file.discard()

    async def _end(self, commit: bool) -> None:
        if self._beginning is None:
            return
        name = await self._beginning
        journal = (await self.fs.client()).journal
        with as_os_errors():
            if commit:
                await journal.commit(name)
            else:
                await journal.rollback(name, timeout_s=self.fs.timeout_s)

    def _leave(self, fs: WriteSystem) -> None:
        self.files.clear()
        fs._intrans = False
        fs._transaction = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._end(kind is None)
        finally:
            self._leave(self.fs)
