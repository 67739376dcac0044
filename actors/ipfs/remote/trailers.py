"""Trailers of a chunked answer, which aiohttp reads and drops.

A stream from Kubo that fails half-way still ends as a whole body; only the trailer `X-Stream-Error` tells it
from a good one. So the last bytes that a connection received are remembered: at the end of an answer they
are its last chunk and its trailers (RFC 9112, section 7.1), because nothing is pipelined.

    HTTP/1.1 200 OK … hello\r\n0\r\nX-Stream-Error: block not found\r\n\r\n

Pass `TrailingResponse` to a ClientSession as its `response_class`.
"""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp

__all__ = ["TrailingResponse"]

# Both ends of the last chunk, and a message of any sensible length.
REMEMBERED_BYTES = 16 * 1024
LAST_CHUNK = b"\r\n0\r\n"
END = b"\r\n"


class TrailingResponse(aiohttp.ClientResponse):
    """A response that also knows its trailers, from the moment its content has ended."""

    _trailers: dict[str, str] | None = None

    async def start(self, connection: aiohttp.connector.Connection) -> Self:
        memory = _remember(connection.transport)
        await super().start(connection)
        if memory is not None and self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            # At the end of the content and not later: the connection may then serve the next request.
            self.content.on_eof(lambda: self._read_trailers(memory.last))
        return self

    def trailer(self, name: str) -> str | None:
        """A trailer by name, in any case; None if there is none or the content has not ended."""
        return (self._trailers or {}).get(name.lower())

    def _read_trailers(self, last: bytes) -> None:
        self._trailers = parse_trailers(last)


def parse_trailers(last: bytes) -> dict[str, str]:
    """The trailers at the end of a chunked body, by lower-case name.

    No trailer line can be `0`, so the last such line is the last chunk. If it is not within what is
    remembered, the trailers are longer than that, and what is left of them is read as it is.
    """
    _, _, section = last.rpartition(LAST_CHUNK)
    trailers = {}
    for line in section.removesuffix(END).split(END):
        name, colon, value = line.partition(b":")
        if colon:
            trailers[name.decode("latin-1").strip().lower()] = value.decode("utf-8", "replace").strip()
    return trailers


class _Memory(asyncio.Protocol):
    """Stands between a transport and its protocol and remembers the last bytes that were received."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self.last = b""
        self._protocol = protocol

    def data_received(self, data: bytes) -> None:
        whole = data if len(data) >= REMEMBERED_BYTES else self.last + data
        self.last = whole[-REMEMBERED_BYTES:]
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def _remember(transport: asyncio.Transport | None) -> _Memory | None:
    """The memory of a connection, put in place when its first answer begins; None if it is lost already."""
    if transport is None or transport.is_closing():
        return None
    protocol = transport.get_protocol()
    if isinstance(protocol, _Memory):
        return protocol
    assert isinstance(protocol, asyncio.Protocol)
    memory = _Memory(protocol)
    transport.set_protocol(memory)
    return memory
