"""What every HTTP client here shares: one careful session, and network troubles told in our own errors.

A session follows no redirect, keeps no cookie, unpacks no compression (a bomb stays packed) and reads no
proxy from the environment: it speaks only to the origins that the configuration names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from ....schemas.errors import BadRequest, DeadlineExceeded, TooLarge, Unavailable

__all__ = ["Remote", "parse_origin", "network_errors", "read_whole"]

CONNECT_TIMEOUT_S = 5.0
READ_BYTES = 256 * 1024
MAX_ERROR_CHARS = 1000


class Remote:
    """Owns one ClientSession, made when it is first needed; the clients of this folder build on it.

    `headers` go with every request; `connections` bounds the pool; `idle_timeout_s` is how long the other
    side may be silent within one answer.
    """

    def __init__(
        self, *, connections: int, idle_timeout_s: float, connect_timeout_s: float = CONNECT_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> None:  # fmt: skip
        self._connections = connections
        self._connect_timeout_s = connect_timeout_s
        self.idle_timeout_s = idle_timeout_s
        self._headers = {"User-Agent": "cidbus", "Accept-Encoding": "identity"} | dict(headers or {})
        self._response_class = response_class
        self._opened: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session; raises Unavailable once this is closed."""
        if self._closed:
            raise Unavailable("this client is closed")
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self.timeout(self.idle_timeout_s),
                headers=self._headers,
                response_class=self._response_class,
                auto_decompress=False,
                read_bufsize=READ_BYTES,
                trust_env=False,
            )
        return self._opened

    def timeout(self, idle_timeout_s: float) -> aiohttp.ClientTimeout:
        """Limits on connecting and on silence; how long an answer may take as a whole is its caller's."""
        return aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=self._connect_timeout_s, sock_read=idle_timeout_s
        )

    async def close(self) -> None:
        """End every request and connection."""
        self._closed = True
        if self._opened is not None:
            await self._opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def parse_origin(text: str, *, field: str, path: bool = False) -> URL:
    """A configured `http[s]://host[:port]`, with a path where one is allowed, without a slash at its end.

    Raises BadRequest(field) for anything else. What is configured is what is used: no other scheme, host or
    port is ever spoken to.
    """
    try:
        url = URL(text)
        port = url.port
        (url.raw_host or "").encode("idna")  # As it will be looked up.
    except ValueError as error:
        raise BadRequest(field, f"{text!r} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or port is None:
        raise BadRequest(field, f"{text!r} is not an http:// or https:// URL")
    if url.user is not None or url.password is not None:
        raise BadRequest(field, "a URL must not carry a user name or password")
    if url.query_string or url.fragment or (url.path.strip("/") and not path):
        raise BadRequest(field, f"{text!r} is more than an origin")
    return url.with_path(url.path.rstrip("/")) if url.path.strip("/") else url.origin()


@contextlib.contextmanager
def network_errors(what: str, where: str, timeout_s: float | None = None) -> Iterator[None]:
    """Turns what aiohttp raises into Unavailable or DeadlineExceeded, naming `what` was done and `where`.

    Unavailable has the details `url` and `connected`, which is false if nothing can have been received there.
    """
    try:
        yield
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
        raise Unavailable(
            f"{where} cannot be reached: {_reason(error)}", url=where, connected=False
        ) from error
    except TimeoutError as error:
        raise DeadlineExceeded(f"{what} at {where}", timeout_s) from error
    except aiohttp.ClientError as error:
        raise Unavailable(f"{where} broke off: {_reason(error)}", url=where, connected=True) from error


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error  # Without aiohttp's own words around it.
    return (str(error) or type(error).__name__)[:MAX_ERROR_CHARS]


async def read_whole(response: aiohttp.ClientResponse, limit_bytes: int, what: str) -> bytes:
    """The whole body; raises TooLarge(what) as soon as it is over the limit, without reading on."""
    announced = response.content_length
    if announced is not None and announced > limit_bytes:
        raise TooLarge(what, limit=limit_bytes)
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > limit_bytes:
            raise TooLarge(what, limit=limit_bytes)
        pieces.append(piece)
    return b"".join(pieces)
