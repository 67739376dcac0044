"""What a command prints: JSON, lines, tables, and bytes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cidbus.schemas.wire import Wire

__all__ = [
    "counted", "fields", "listing", "local_time", "print_json", "printable", "say", "size", "table",
    "write_bytes", "write_once",
]  # fmt: skip

T = TypeVar("T")


def print_json(value: Wire | Any) -> None:
    """One value as one line of JSON, at once."""
    print(json.dumps(_plain(value), ensure_ascii=False), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json", exclude_none=True) if hasattr(value, "model_dump") else value


def say(text: str) -> None:
    """One line, at once."""
    print(printable(text), flush=True)


def printable(text: str) -> str:
    """The text without what would move a terminal's cursor, colour it, or begin another line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def fields(reply: Wire | dict[str, Any]) -> None:
    """A reply, or what is to be shown of one, as lines of `name: value`."""
    values = reply if isinstance(reply, dict) else reply.model_dump(mode="json", exclude_none=True)
    width = max(map(len, values), default=0)
    for name, value in values.items():
        say(f"{name.replace('_', ' '):<{width}}  {_readable(name, value)}")


def _readable(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return counted(value) or "none"
    if isinstance(value, int) and name.endswith("_bytes") and sys.stdout.isatty():
        return f"{value} ({size(value)})" if value >= 1000 else str(value)
    return str(value)


def counted(counts: Mapping[str, object]) -> str:
    """Numbers by their names: `put 2, remove 1`."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def local_time(at: float) -> str:
    """A Unix time for people."""
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"


def size(size_bytes: float) -> str:
    """A number of bytes for people: `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size_bytes) < 1000 or unit == "TB":
            break
        size_bytes /= 1000
    return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"


async def listing(
    items: AsyncIterable[T], columns: Sequence[str], row: Callable[[T], Sequence[object]], *, as_json: bool
) -> None:
    """Each item as JSON when it comes, or all of them as a table, if there are any."""
    rows = []
    async for item in items:
        if as_json:
            print_json(item)
        else:
            rows.append(row(item))
    if rows:
        table(columns, rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows under their columns on a terminal; elsewhere lines of tab-separated values and nothing else."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(printable(str(value)) for value in row), flush=True)
        return
    from rich.console import Console

    Console().print(rich_table(columns, rows))


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, column in enumerate(columns):
        numbers = all(_is_number(row[at]) for row in rows)
        shown.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(printable(str(value))) for value in row))
    return shown


def _is_number(value: object) -> bool:
    """Whether it is one, formatted or not; what is empty stands below numbers as well as below words."""
    return str(value).replace(".", "", 1).isdecimal() or value == ""


async def write_bytes(chunks: AsyncIterable[bytes]) -> None:
    """Bytes to stdout as they come, nothing held back; raises BrokenPipeError if nobody reads them.

    A reader that takes a break, such as a pager, does not stop the event loop, which tells the sender that
    this side still lives.
    """
    from .blocking import beside

    sys.stdout.flush()
    async for chunk in chunks:
        await beside(_write_all, chunk)


def write_once(data: bytes) -> None:
    """A few bytes to stdout, where there is no event loop."""
    sys.stdout.flush()
    _write_all(data)


def _write_all(chunk: bytes) -> None:
    # Past Python's buffer, whose lock a thread must not hold when the process ends.
    view = memoryview(chunk)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]
