"""Files in the making: bytes go out as they are written, and nobody sees them before they are placed.

    [bytes] -> ipfs.file.write (kept under a name that expires) -> … -> journal.put {cid, release}

What is written so far is a file of its own in the block store, so a writer may take its time, and bytes that
nobody places are collected when their name expires.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from secrets import token_hex

from cidbus.client import Client
from cidbus.client.upload import Progress, Source
from cidbus.schemas.errors import BusError
from cidbus.schemas.tree import FileWritten

from .errors import as_os_errors

__all__ = ["Draft"]

log = logging.getLogger(__name__)

# How long bytes are kept that nobody adds to and nobody places.
KEPT_S = 86_400.0
# How long a system that is away is waited for, so that it may be started anew while a file is written.
PATIENCE_S = (0.2, 1.0, 4.0)


class Draft:
    """One file that grows. While a part is on its way the next one can be made, but not more."""

    def __init__(
        self, client: Callable[[], Awaitable[Client]], timeout_s: float | None, cid: str | None = None
    ) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._sending: asyncio.Task[None] | None = None
        self._is_kept = False
        self.name = f"fsspec/{token_hex(8)}"
        self._cid = cid

    async def append(self, part: bytes) -> None:
        """Send these bytes on, as soon as the part before has arrived; raises what that one has met with."""
        await self.settle()
        self._sending = asyncio.create_task(self._append(part))

    async def settle(self) -> None:
        """Wait until all that was appended has arrived; raises OSError if it has not."""
        sending, self._sending = self._sending, None
        if sending is not None:
            await sending

    async def fill(self, source: Source, progress: Progress | None = None) -> str:
        """All the bytes of a new file at once; its CID."""
        return (await self._write(source, progress)).cid

    async def cid(self) -> str:
        """The CID of all that was appended."""
        await self.settle()
        if self._cid is None:
            await self._append(b"")
        assert self._cid is not None
        return self._cid

    async def discard(self) -> None:
        """Let go what was written. If the system cannot be told, it finds out when the name expires."""
        sending, self._sending = self._sending, None
        if sending is not None:
            # Broken off, it might still be done, and then be kept after all.
            await asyncio.wait([sending])
        if not self._is_kept:
            return
        try:
            await (await self._client()).ipfs.root_rm([self.name], timeout_s=self._timeout_s)
        except (BusError, OSError) as error:
            log.info("%s stays until it expires: %s", self.name, error)

    async def _append(self, part: bytes) -> None:
        """Add a part to the file as it was before, which may be done again: the file is the same then."""
        for patience_s in (*PATIENCE_S, None):
            try:
                self._cid = (await self._write(part, None)).cid
                return
            except (ConnectionError, TimeoutError):
                if patience_s is None:
                    raise
                await asyncio.sleep(patience_s)

    async def _write(self, source: Source, progress: Progress | None) -> FileWritten:
        client = await self._client()
        self._is_kept = True
        with as_os_errors():
            return await client.ipfs.file_write(
                source,
                cid=self._cid,
                keep=self.name,
                keep_s=KEPT_S,
                progress=progress,
                timeout_s=self._timeout_s,
            )
