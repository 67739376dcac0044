"""The worker process: tasks in on standard input, results out on standard output, one at a time.

It reads strangers' files with a large C library, so it has limits of its own: memory (RLIMIT_AS), no core
files, and a parent that ends it when nobody waits any more.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import orjson

from ....schemas.errors import BusError, Internal
from .. import frames
from .remote import RemoteFile

__all__ = ["main"]

PROGRESS_EVERY_S = 0.25
WRITE_BYTES = 512 * 1024


class Pipe:
    """The actor at the other end."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._in, self._out = incoming, outgoing
        self._told_at = 0.0

    def task(self) -> dict[str, Any]:
        """The next task; raises EOFError when there are no more."""
        kind, body = frames.read_frame(self._in)
        assert kind == frames.TASK
        task: dict[str, Any] = orjson.loads(body)
        return task

    def fetch(self, offset: int, length: int) -> bytes:
        """Bytes of the source; raises what the actor could not read them for."""
        self.say(frames.READ, frames.span(offset, length))
        kind, body = frames.read_frame(self._in)
        if kind == frames.ERROR:
            raise BusError.from_wire(orjson.loads(body))
        return body

    def output(self, name: str) -> Outgoing:
        self.say(frames.OPEN, name.encode())
        return Outgoing(self)

    def progress(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_EVERY_S:
            self._told_at = now
            self.say(frames.PROGRESS, orjson.dumps(min(max(fraction, 0.0), 1.0)))

    def say(self, kind: bytes, body: bytes = b"") -> None:
        self._out.write(frames.frame(kind, body))
        self._out.flush()


class Outgoing:
    """One file of a result on its way."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def write(self, piece: bytes) -> int:
        for start in range(0, len(piece), WRITE_BYTES):
            self._pipe.say(frames.DATA, bytes(piece[start : start + WRITE_BYTES]))
        return len(piece)

    def close(self) -> None:
        self._pipe.say(frames.CLOSE)


# ---- tasks ----------------------------------------------------------------------------------------------

Task = Callable[[RemoteFile, dict[str, Any], Pipe], dict[str, Any]]


def _probe(file: RemoteFile, task: dict[str, Any], pipe: Pipe) -> dict[str, Any]:
    from .probing import probe

    return probe(file)


def _hls(file: RemoteFile, task: dict[str, Any], pipe: Pipe) -> dict[str, Any]:
    from .hls import package

    return package(file, task["segment_s"], pipe.output, pipe.progress)


def _thumbnail(file: RemoteFile, task: dict[str, Any], pipe: Pipe) -> dict[str, Any]:
    from .thumbnail import thumbnail

    return _written(pipe, *thumbnail(file, task["at_s"], task["width"], task["format"]))


def _waveform(file: RemoteFile, task: dict[str, Any], pipe: Pipe) -> dict[str, Any]:
    from .waveform import waveform

    return _written(pipe, *waveform(file, task["points"], task["points_per_s"], pipe.progress))


def _written(pipe: Pipe, content: bytes, told: dict[str, Any]) -> dict[str, Any]:
    """What is told of a result that is one file, once that is on its way."""
    output = pipe.output(frames.CONTENT)
    output.write(content)
    output.close()
    return told


TASKS: dict[str, Task] = {"probe": _probe, "hls": _hls, "thumbnail": _thumbnail, "waveform": _waveform}


# ---- the process ----------------------------------------------------------------------------------------


def main() -> None:
    limit_memory(int(sys.argv[1]))
    # Whatever a library prints must not come between the frames.
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    pipe = Pipe(sys.stdin.buffer, outgoing)
    while True:
        try:
            task = pipe.task()
        except EOFError:
            return
        _answer(pipe, task)


def _answer(pipe: Pipe, task: dict[str, Any]) -> None:
    file = RemoteFile(task["size_bytes"], pipe.fetch)
    try:
        told = TASKS[task["kind"]](file, task, pipe)
    except BusError as error:
        pipe.say(frames.ERROR, orjson.dumps(error.to_wire()))
    except (EOFError, BrokenPipeError):
        raise SystemExit(0) from None  # the actor is gone
    except Exception as failure:
        error_id = os.urandom(6).hex()
        print(f"{error_id}: {failure!r}", file=sys.stderr, flush=True)
        pipe.say(frames.ERROR, orjson.dumps(Internal(error_id).to_wire()))
    else:
        pipe.say(frames.RESULT, orjson.dumps(told))


def limit_memory(limit_bytes: int) -> None:
    """Where the system can: let allocations beyond so many bytes of address space fail."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
