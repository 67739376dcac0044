"""Open files that are written through a compression or as text: complete when closed, or discarded whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

__all__ = ["CompressedFile", "TextFile", "WholeOrNothing"]

Data = bytes | bytearray | memoryview


class Written(Protocol):
    """A file that is written, and what becomes of it in the end."""

    @property
    def closed(self) -> bool: ...
    def write(self, data: Data, /) -> int: ...
    def tell(self) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...
    def commit(self) -> None: ...
    def discard(self) -> None: ...


class WholeOrNothing:
    """How a file that is written is left: closed at the end of its block, discarded by an exception."""

    def __exit__(
        self: Written,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


class _Sink:
    """What a compressor writes to: the file, or nothing once that has been given up."""

    def __init__(self, file: Written) -> None:
        self._file: Written | None = file
        self._at = file.tell()

    def write(self, data: Data) -> int:
        size = memoryview(data).nbytes
        if self._file is not None:
            self._file.write(data)
        self._at += size
        return size

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing: the file sends its parts when they are full."""

    def give_up(self) -> None:
        self._file = None


class CompressedFile(WholeOrNothing, io.BufferedIOBase):
    """What is written to it goes compressed into `file`, which is closed, committed or discarded with it.

    `compress` is one of `fsspec.compression.compr`: a compressor does not close what it writes to.
    """

    def __init__(self, file: Written, compress: Callable[..., Any], mode: str) -> None:
        self._file = file
        self._sink = _Sink(file)
        self._loc = 0
        self._into = compress(self._sink, mode=mode)

    def write(self, data: Any, /) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        self._into.write(data)
        size = memoryview(data).nbytes
        self._loc += size
        return size

    def writable(self) -> bool:
        return not self.closed

    def tell(self) -> int:
        """How many bytes were written, before compression."""
        return self._loc

    def seekable(self) -> bool:
        """As that of the file that is written."""
        return not self.closed and self._loc == 0

    def close(self) -> None:
        """Write the end, then close the file."""
        if self.closed:
            return
        try:
            self._into.close()
        except BaseException:
            self.discard()
            raise
        super().close()
        self._file.close()

    def commit(self) -> None:
        self.close()
        self._file.commit()

    def discard(self) -> None:
        """Forget the file, if it is not at its path yet."""
        self._give_up()
        self._file.discard()

    def _give_up(self) -> None:
        self._sink.give_up()
        if not self.closed:
            super().close()
            self._into.close()

    def __del__(self) -> None:
        self._give_up()  # the file, never closed, is discarded when it is collected itself


class TextFile(WholeOrNothing, io.TextIOWrapper):
    """Text that is written into `file`; leaving it by an exception discards that."""

    def __init__(self, file: Written, **options: Any) -> None:
        super().__init__(file, **options)  # type: ignore[arg-type]  # it asks for no more than is there
        self._file = file

    def commit(self) -> None:
        self.close()
        self._file.commit()

    def discard(self) -> None:
        """Forget the file, if it is not at its path yet."""
        self._file.discard()
