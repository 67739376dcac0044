"""What can be uploaded, and how it travels: inside the request when it is small, else as a stream."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cidbus.schemas.errors import BadRequest
from cidbus.schemas.rows import Upload
from cidbus.schemas.wire import Wire

from .files import pieces_of, pulled
from .multipart import Tree
from .transport import Transport

__all__ = ["INLINE_BYTES", "Node", "Progress", "Source", "upload"]

# Even text that JSON escapes sixfold stays below a message's limit.
INLINE_BYTES = 128 * 1024

# Text, bytes, bytes as they come, a file, a directory, or several of both as one tree.
Source = str | bytes | bytearray | memoryview | AsyncIterable[bytes] | Path | Sequence[Path]
# A value of the IPLD data model: links are `{"/": cid}`, and bytes may stand in it.
Node = Mapping[str, object] | Sequence[object] | float | int | bool | None
# Called with the number of bytes sent so far, after each piece.
Progress = Callable[[int], None]

A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)

Content = AsyncIterable[bytes | memoryview]


async def upload(
    transport: Transport,
    row: Upload[A, R],
    source: Source | Node,
    fields: dict[str, object],
    *,
    hidden: bool = False,
    progress: Progress | None = None,
    timeout_s: float | None = None,
) -> R:
    """Ask with what `source` holds; a file gives its name to the `filename` that `fields` leaves open.

    Raises BadRequest for a source that cannot be sent, OSError for a file that cannot be read, and what
    `Transport.upload` raises.
    """
    inline, content = _travels(row, source, fields, hidden)
    ask = row.ask.from_fields(fields | inline)
    if content is None:
        reply = await transport.upload(row, ask, None, timeout_s=timeout_s)
        if progress is not None:
            progress(sum(len(value) for value in inline.values()))
        return reply
    if progress is not None:
        content = _counted(content, progress)
    return await transport.upload(row, ask, content, timeout_s=timeout_s)


def _travels(
    row: Upload[Any, Any], source: Source | Node, fields: dict[str, object], hidden: bool
) -> tuple[dict[str, Any], Content | None]:
    """The fields that carry a small source, or the stream of a large one; `fields` gets what a source tells
    of itself."""
    if "object" in row.ask.model_fields and not isinstance(source, _CONTENT):
        source = _dag_json(source)
        fields["input_codec"] = "dag-json"
    if isinstance(source, str) and "content" in row.ask.model_fields and len(source.encode()) <= INLINE_BYTES:
        return {"content": source}, None
    if isinstance(source, str):
        source = source.encode()
    if isinstance(source, bytes | bytearray | memoryview):
        data = memoryview(source).cast("B")
        return ({"data": bytes(data)}, None) if len(data) <= INLINE_BYTES else ({}, _one(data))
    if isinstance(source, Path):
        return _of_path(row, source, fields, hidden)
    if isinstance(source, AsyncIterable):
        return {}, source
    if not isinstance(source, Sequence):
        raise BadRequest("source", f"{row.name} takes no {type(source).__name__}")
    return {}, _of_tree(row, source, fields, hidden)


# What a node is never taken for.
_CONTENT = (str, bytes, bytearray, memoryview, AsyncIterable, Path)


def _dag_json(node: object) -> bytes:
    """A node as dag-json; raises BadRequest for what the data model does not have."""
    try:
        text = json.dumps(node, ensure_ascii=False, allow_nan=False, default=_dag_json_bytes)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest("source", f"not a node: {error}") from None
    return text.encode("utf-8", "surrogatepass")  # a lone surrogate is for the node to refuse


def _dag_json_bytes(value: object) -> dict[str, dict[str, str]]:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{type(value).__name__} has no place in it")
    return {"/": {"bytes": base64.b64encode(value).decode().rstrip("=")}}


def _of_path(
    row: Upload[Any, Any], path: Path, fields: dict[str, object], hidden: bool
) -> tuple[dict[str, Any], Content | None]:
    if path.is_dir():
        return {}, _of_tree(row, [path], fields, hidden)
    if "filename" in row.ask.model_fields and fields.get("filename") is None:
        fields["filename"] = path.name
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(INLINE_BYTES + 1)
        if len(start) <= INLINE_BYTES:
            return {"data": start}, None
    return {}, pulled(pieces_of(path))


def _of_tree(row: Upload[Any, Any], paths: Sequence[Any], fields: dict[str, object], hidden: bool) -> Tree:
    if "content_type" not in row.ask.model_fields:
        raise BadRequest("source", f"{row.name} takes no directories")
    tree = Tree(paths, hidden=hidden)
    fields["content_type"] = tree.content_type
    return tree


async def _one(data: memoryview) -> AsyncIterator[memoryview]:
    yield data


async def _counted(content: Content, progress: Progress) -> AsyncIterator[bytes | memoryview]:
    sent = 0
    async for piece in content:
        yield piece
        sent += len(piece)
        progress(sent)
