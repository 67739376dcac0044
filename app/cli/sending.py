"""What a command sends: files, standard input, and a bar while they are on their way."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cidbus.client import Progress, Source

__all__ = ["STDIN", "bar_on_stderr", "progress_bar", "read_small", "source_of"]

STDIN = "-"
PIECE_BYTES = 512 * 1024


def source_of(path: str) -> AsyncIterator[bytes] | Path:
    """What `FILE` or `-` on the command line means."""
    return _stdin() if path == STDIN else Path(path)


def read_small(path: str, limit_bytes: int) -> bytes:
    """A small file, or stdin: at most one byte more than the limit, which tells that it is too long."""
    if path == STDIN:
        return sys.stdin.buffer.read(limit_bytes + 1)
    with Path(path).open("rb") as file:
        return file.read(limit_bytes + 1)


async def _stdin() -> AsyncIterator[bytes]:
    """Standard input, piece by piece."""
    from .blocking import beside

    while piece := await beside(os.read, sys.stdin.fileno(), PIECE_BYTES):
        yield piece


@contextmanager
def progress_bar(source: Source, *, silent: bool, hidden: bool = False) -> Iterator[Progress | None]:
    """What shows how much of a source is sent, if anybody sees it."""
    with bar_on_stderr(silent=silent) as bar:
        if bar is None:
            yield None
            return
        task = bar.add_task("", total=_size_of(source, hidden))
        yield lambda sent: bar.update(task, completed=sent)


@contextmanager
def bar_on_stderr(*described: str, silent: bool) -> Iterator[Any]:
    """A bar (rich's) with these texts before it on stderr while that is a terminal, else None."""
    if silent or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    with Progress(
        *described, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        yield bar


def _size_of(source: Source, hidden: bool) -> int | None:
    """How many bytes there are to send, as far as can be known before."""
    from cidbus.client.multipart import Tree

    if isinstance(source, list):
        return Tree(source, hidden=hidden).size_bytes()
    if not isinstance(source, Path):
        return None
    if source.is_dir():
        return Tree([source], hidden=hidden).size_bytes()
    return source.stat().st_size if source.is_file() else None
