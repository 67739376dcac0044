"""The parts of HTTP that the table leaves open: where a field goes, what a problem document says."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import orjson

from cidbus.schemas.cache import CacheGet
from cidbus.schemas.errors import BadRequest, BusError, DeadlineExceeded, NotSupported, Unavailable
from cidbus.schemas.ipfs import CatRequest, FileHead
from cidbus.schemas.rows import Call, Stream
from cidbus.schemas.wire import Wire

from .heads import file_head

__all__ = [
    "EVENT_STREAM",
    "JSON",
    "NDJSON",
    "Route",
    "Sending",
    "break_off",
    "error_of",
    "head_of",
    "read_as",
    "said_head",
]

M = TypeVar("M", bound=Wire)

JSON = "application/json"
NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/form-data"
HEAD = "Cidbus-Head"

# What a problem document says beside the facts of its error.
PROBLEM_MEMBERS = ("type", "title", "status", "detail", "operation_id", "success", "retryable")


class Route:
    """One request on its way to HTTP: a method, a path, and the fields that still need a place."""

    def __init__(self, method: str, path: str, fields: dict[str, Any]) -> None:
        self.method = method
        self._path = path
        self._fields = fields

    @classmethod
    def of(cls, row: Call[Any], ask: Wire) -> Self:
        """The row's first route with the path filled in; raises NotSupported if the row has none."""
        if not row.http:
            raise NotSupported(f"{row.name} has no HTTP route; connect to NATS instead", field="url")
        method, _, pattern = row.http[0].partition(" ")
        fields = ask.model_dump(mode="json", include=_told(ask), exclude_none=True)
        path = "/".join(_filled(part, fields) for part in pattern.split("/"))
        return cls(method, path, fields)

    def take_fields(self) -> dict[str, Any]:
        """The fields, for a body; none are left for the query."""
        fields, self._fields = self._fields, {}
        return fields

    def take_content_type(self) -> str:
        """The type of a body that is the content itself: that of a form, which the actor has to know, else
        one that no bridge takes for a form or for JSON."""
        given = str(self._fields.pop("content_type", ""))
        return given if given.startswith(MULTIPART) else OCTETS

    def target(self) -> str:
        """The path, percent-encoded, and as the query every field that has no other place."""
        query = urlencode(
            {name: _text(value) for name, value in self._fields.items()}, doseq=True, quote_via=quote
        )
        return f"{self._path}?{query}" if query else self._path


class Sending:
    """Content on its way out, which remembers what broke it off: aiohttp tells only that something did."""

    def __init__(self, content: AsyncIterable[bytes | memoryview]) -> None:
        self._content = content
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes | memoryview]:
        try:
            async for piece in self._content:
                yield piece
        except Exception as failure:
            self.failure = failure
            raise


def _told(ask: Wire) -> set[str]:
    """The fields that differ from their defaults. What they hold is told whole: the default of a tag in it
    is what it is known by."""
    fields = type(ask).model_fields.items()
    return {
        name for name, field in fields if getattr(ask, name) != field.get_default(call_default_factory=True)
    }


def _filled(part: str, fields: dict[str, Any]) -> str:
    if not part.startswith("{"):
        return part
    return quote(str(fields.pop(part.strip("{}"))), safe="")


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def head_of(row: Stream[Any, Any, bytes], ask: Wire, headers: Mapping[str, str]) -> Any:
    """What comes before a file's bytes, as far as its headers tell.

    None for any other row, and for a path below a CID if the bridge does not name the file's own CID.
    """
    if not issubclass(row.head, FileHead) or not isinstance(ask, CatRequest | CacheGet):
        return said_head(row, headers)
    size, cid = headers.get("X-Content-Size", ""), headers.get("X-Ipfs-Roots", "").rpartition(",")[2].strip()
    if not size.isdigit() or (ask.path and not cid):
        return None
    return file_head(cid or ask.cid, int(size), ask)


def said_head(row: Stream[Any, Any, Any], headers: Mapping[str, str]) -> Any:
    """The head that a header holds, None if there is no such header."""
    text = headers.get(HEAD)
    return None if text is None else read_as(row.head, text.encode(), row.name)


def error_of(status: int, body: bytes) -> BusError:
    """The error that a problem document tells of; of any other document, what its status says."""
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        problem = None
    if not isinstance(problem, dict):
        return BusError.from_wire({"code": status, "message": f"HTTP status {status}: {body[:200]!r}"})
    return BusError.from_wire(
        {
            "code": status,
            "kind": str(problem.get("type", "")).rpartition(":")[2],
            "message": problem.get("detail") or problem.get("title") or f"HTTP status {status}",
            "details": {
                _fact_name(name): value for name, value in problem.items() if name not in PROBLEM_MEMBERS
            },
        }
    )


def _fact_name(member: str) -> str:
    name = member.removeprefix("of_")
    return name if name in PROBLEM_MEMBERS else member


def read_as(model: type[M], body: bytes, what: str) -> M:
    """The model of an answer; raises Unavailable for an answer that no bridge gives."""
    try:
        return model.from_wire(body)
    except BadRequest as error:
        raise Unavailable(f"{what}: the answer is not that of a bridge: {error.message}") from None


@contextmanager
def break_off(what: str, timeout_s: float | None) -> Iterator[None]:
    """What goes wrong on the way becomes DeadlineExceeded or Unavailable."""
    try:
        yield
    except TimeoutError:  # aiohttp's own are of this class too
        raise DeadlineExceeded(what, timeout_s) from None
    except (aiohttp.ClientError, ConnectionError) as error:
        raise Unavailable(f"{what}: the answer broke off: {error or type(error).__name__}") from error
