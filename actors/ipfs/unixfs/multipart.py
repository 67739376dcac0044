"""Forms in: a multipart/form-data stream taken apart into files, directories and links as it arrives.

    form = Form(chunks, content_type)
    async for part in form.parts():
        async for piece in part:
            ...
    form.fields["filename"]

Parsing is `python-multipart`'s push parser, which sees every byte once; here its calls become parts that are
pulled. A piece of content is a view of the chunk it came in, and what is held at once is one chunk, the
headers of one part (8 KiB) and the fields (1 MiB).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from typing import Literal
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ....schemas.errors import BadRequest, TooLarge

__all__ = ["Form", "Part", "is_form"]

MAX_BOUNDARY_CHARS = 70
MAX_HEADER_BYTES = 8 * 1024
MAX_HEADERS = 32
MAX_PARTS = 1_000_000
MAX_FIELD_BYTES = 1024 * 1024
FIELD_OVERHEAD_BYTES = 64
MAX_EPILOGUE_BYTES = 64 * 1024
# Fields whose value is content even though they carry no filename: `curl -F content=…`.
CONTENT_FIELDS = ("content", "file")
FORM_TYPE = b"multipart/form-data"

PartKind = Literal["file", "directory", "symlink"]
KINDS: dict[bytes, PartKind] = {b"application/x-directory": "directory", b"application/symlink": "symlink"}


def is_form(content_type: str | None) -> bool:
    """Whether a stream of this type is a form."""
    return content_type is not None and parse_options_header(content_type)[0] == FORM_TYPE


class Part:
    """One file, directory or link of a form, and an async iterator over its bytes.

    `path` is the decoded filename without slashes at its ends, or None where the form gives no name, as for
    its `content` field. `field` is the form field's name. Content that has not been read when the next part
    is asked for is skipped.
    """

    def __init__(
        self,
        field: str,
        path: str | None,
        kind: PartKind,
        content_type: str,
        pieces: AsyncIterator[memoryview],
    ) -> None:
        self.field, self.path, self.kind, self.content_type = field, path, kind, content_type
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[memoryview]:
        return self._pieces

    async def read(self, limit_bytes: int, what: str = "content") -> bytes:
        """The whole body; raises TooLarge naming `what` if it is over the limit."""
        body = bytearray()
        async for piece in self._pieces:
            body += piece
            if len(body) > limit_bytes:
                raise TooLarge(what, limit=limit_bytes)
        return bytes(body)


class Form:
    """A form that is read once. `fields` has the small fields seen so far, all of them when `parts` ends."""

    def __init__(
        self, chunks: AsyncIterable[bytes | memoryview], content_type: str, *, like_kubo: bool = False
    ) -> None:
        """`like_kubo` reads `+` in filenames as a space, as Kubo's own client writes them, and takes every
        part for content, whatever its field.

        Raises BadRequest(field="content_type") if the type is not multipart/form-data with a boundary of one
        to 70 characters.
        """
        self.fields: dict[str, str] = {}
        self._events = _Events(chunks, _boundary(content_type))
        self._like_kubo = like_kubo
        self._part_count = self._field_bytes = 0

    async def parts(self) -> AsyncIterator[Part]:
        """The files, directories and links, in order.

        Raises BadRequest(field="form") for a form that breaks its format or is cut short,
        BadRequest(field="filename") for a filename that is not UTF-8, and TooLarge for headers, fields or
        parts beyond their limits; and what the chunks raise.
        """
        while (headers := await self._events.next_part()) is not None:
            self._part_count += 1
            if self._part_count > MAX_PARTS:
                raise TooLarge("form", limit=MAX_PARTS, unit="parts")
            part = self._open(headers)
            if part.path is None and part.field not in CONTENT_FIELDS and not self._like_kubo:
                await self._keep(part)
                continue
            yield part
            async for _ in part:
                pass  # What the caller left unread.

    def _open(self, headers: dict[bytes, bytes]) -> Part:
        disposition, options = parse_options_header(headers.get(b"content-disposition"))
        if disposition != b"form-data" or b"name" not in options:
            raise BadRequest("form", "a part has no Content-Disposition of form-data with a name")
        content_type, _ = parse_options_header(headers.get(b"content-type"))
        return Part(
            _text(options[b"name"], "form"),
            self._path(options.get(b"filename")),
            KINDS.get(content_type, "file"),
            content_type.decode("latin-1"),
            self._events.body(),
        )

    def _path(self, filename: bytes | None) -> str | None:
        if filename is None:
            return None
        if self._like_kubo:
            filename = filename.replace(b"+", b" ")
        return _text(unquote_to_bytes(filename), "filename").strip("/") or None

    async def _keep(self, part: Part) -> None:
        # A field costs more than its bytes, so that a form of empty fields is bounded as well.
        self._field_bytes += len(part.field) + FIELD_OVERHEAD_BYTES
        room = MAX_FIELD_BYTES - self._field_bytes
        if room < 0:
            raise TooLarge("form", limit=MAX_FIELD_BYTES)
        value = await part.read(room, part.field)
        self._field_bytes += len(value)
        self.fields[part.field] = _text(value, part.field)


class _Events:
    """The parser's calls, queued for whoever pulls: the headers of a part, its content, its end."""

    def __init__(self, chunks: AsyncIterable[bytes | memoryview], boundary: bytes) -> None:
        self._chunks = aiter(chunks)
        self._queue: deque[dict[bytes, bytes] | memoryview | None] = deque()
        self._is_over = False
        self._header_name, self._header_value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = self._epilogue_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )

    async def next_part(self) -> dict[bytes, bytes] | None:
        """The headers of the next part, names in lower case, or None at the end of the form."""
        while not self._queue:
            if not await self._feed():
                return None
        headers = self._queue.popleft()
        assert isinstance(headers, dict)  # The body before it has been read to its end.
        return headers

    async def body(self) -> AsyncIterator[memoryview]:
        """The content of the part whose headers came last."""
        while True:
            while not self._queue:
                await self._feed()
            event = self._queue.popleft()
            if not isinstance(event, memoryview):
                return
            yield event

    async def _feed(self) -> bool:
        """Parse one more chunk; False at the end of a whole form, BadRequest at the end of a part of one."""
        chunk = await anext(self._chunks, None)
        if chunk is None:
            if not self._is_over:
                raise BadRequest("form", "cut short: its last boundary is missing")
            return False
        if self._is_over:
            self._skip_epilogue(chunk)
            return True
        try:
            self._parser.write(chunk if isinstance(chunk, bytes) else bytes(chunk))
        except FormParserError as error:
            raise BadRequest("form", str(error)) from None
        return True

    def _skip_epilogue(self, chunk: bytes | memoryview) -> None:
        self._epilogue_bytes += len(chunk)
        if self._epilogue_bytes > MAX_EPILOGUE_BYTES:
            raise BadRequest("form", "goes on after its last boundary", limit=MAX_EPILOGUE_BYTES)

    def _on_part_begin(self) -> None:
        self._headers, self._header_bytes = {}, 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        self._queue.append(self._headers)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._queue.append(memoryview(data)[start:end])

    def _on_part_end(self) -> None:
        self._queue.append(None)

    def _on_end(self) -> None:
        self._is_over = True

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise TooLarge("form", limit=MAX_HEADER_BYTES, unit="bytes of headers in one part")


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != FORM_TYPE:
        raise BadRequest("content_type", "not multipart/form-data")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY_CHARS:
        raise BadRequest(
            "content_type", f"a boundary of {len(boundary)} characters", limit=MAX_BOUNDARY_CHARS
        )
    return boundary


def _text(raw: bytes, field: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadRequest(field, "not UTF-8") from None
