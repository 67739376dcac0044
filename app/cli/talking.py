"""How a command talks to a running system, and how it ends when that goes wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from .output import printable

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.errors import BusError

__all__ = ["ANSWERED", "INTERRUPTED", "UNREACHABLE", "System", "complain", "fail", "told"]

ANSWERED = 1
UNREACHABLE = 3
INTERRUPTED = 130


class System:
    """The running system that the options of a command mean."""

    def __init__(self, url: str | None, seed: Path | None, data_dir: Path) -> None:
        self._url = url
        self._seed = seed
        self._data_dir = data_dir.expanduser()

    def talk(self, work: Callable[[Client], Awaitable[int | None]]) -> None:
        """Connect, do the work and end the command: with the code it returns, or with an error's own."""
        import asyncio

        with told():
            raise typer.Exit(asyncio.run(self._talk(work)) or 0)

    async def _talk(self, work: Callable[[Client], Awaitable[int | None]]) -> int | None:
        async with await self.connect() as client:
            return await work(client)

    async def connect(self) -> Client:
        """A client of the system; raises Unavailable where there is none that would have it."""
        from cidbus.client import Client
        from cidbus.schemas.errors import Forbidden, Unavailable

        try:
            return await Client.connect(self._url, seed=self._own_seed(), data_dir=self._data_dir)
        except Forbidden as error:
            raise Unavailable(error.message) from error

    def _own_seed(self) -> Path | None:
        if self._url is None or self._seed is not None:
            return self._seed
        from cidbus.data_dir import DataDir

        return DataDir(self._data_dir).client_seed


@contextmanager
def told() -> Iterator[None]:
    """Errors become one line on stderr and an exit code; a reader that went away is no error."""
    from cidbus.schemas.errors import BusError

    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here a reader that went away can still be told from an error
    except BusError as error:
        fail(_sentence(error), _code(error))
    except BrokenPipeError:
        _discard_stdout()
        raise typer.Exit(0) from None
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), ANSWERED)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def complain(sentence: str) -> None:
    """One line on stderr; the command goes on."""
    print(f"cidbus: {printable(sentence)}", file=sys.stderr)


def fail(sentence: str, code: int) -> NoReturn:
    """End the command with one line on stderr."""
    complain(sentence)
    raise typer.Exit(code)


def _code(error: BusError) -> int:
    from cidbus.schemas.errors import DeadlineExceeded, Unavailable

    return UNREACHABLE if isinstance(error, Unavailable | DeadlineExceeded) else ANSWERED


def _sentence(error: BusError) -> str:
    """The message, with the field and the limit where it does not name them itself; on one line."""
    sentence = error.message or error.kind
    field, limit = error.details.get("field"), error.details.get("limit")
    if field and str(field) not in sentence:
        sentence = f"{field}: {sentence}"
    if limit is not None and str(limit) not in sentence:
        sentence += f" (limit {limit})"
    return " ".join(sentence.split())


def _discard_stdout() -> None:
    """Python flushes stdout once more at exit; that must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
