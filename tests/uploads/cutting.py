"""A TCP proxy that cuts connections: a client behind it has the network that phones have."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

PIECE_BYTES = 64 * 1024


class CuttingProxy:
    """Passes bytes to `target_port` and back. `cuts` are how many bytes have gone up, over all connections, when
    every connection is cut; `on_cut` is then called with the number of the cut."""

    def __init__(
        self, target_port: int, cuts: list[int], on_cut: Callable[[int], object] = lambda _: None
    ) -> None:
        self.target_port = target_port
        self.cut_count = 0
        self.refuses = False
        self._cuts = cuts
        self._on_cut = on_cut
        self.up_bytes = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._abort()
        await self._server.wait_closed()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.refuses:
                return
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            self._writers.add(up_writer)
            try:
                await asyncio.gather(
                    self._pass(reader, up_writer, counted=True), self._pass(up_reader, writer)
                )
            finally:
                up_writer.transport.abort()
                self._writers.discard(up_writer)
        except OSError:
            pass  # nobody listens there now, or the connection was cut
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
                if counted:
                    self._count(len(piece))
            writer.close()

    def _count(self, size: int) -> None:
        self.up_bytes += size
        if self.cut_count < len(self._cuts) and self.up_bytes >= self._cuts[self.cut_count]:
            self.cut_count += 1
            self._abort()
            self._on_cut(self.cut_count)
