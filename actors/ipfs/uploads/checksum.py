"""The checksum that a client gives with an append: `<algorithm> <base64 digest>`."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Protocol

from ....schemas.errors import BadRequest, InvalidContent

__all__ = ["ALGORITHMS", "Checksum"]


class _Hasher(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    """CRC-32 as zlib has it; the digest is its four bytes, the highest first."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _hasher(algorithm: str) -> _Hasher:
    return _Crc32() if algorithm == "crc32" else hashlib.new(algorithm, usedforsecurity=False)


ALGORITHMS = ("sha1", "sha256", "md5", "crc32")


class Checksum:
    """What the bytes of one append have to hash to. Use it once."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._algorithm = algorithm
        self._expected = expected
        self._hasher = _hasher(algorithm)
        self.update = self._hasher.update

    @classmethod
    def parse(cls, text: str) -> Checksum:
        """Raises BadRequest for another algorithm, and for what is not a digest of it."""
        algorithm, _, encoded = text.strip().partition(" ")
        if algorithm not in ALGORITHMS:
            raise BadRequest("checksum", f"{algorithm[:40]!r} is not one of {', '.join(ALGORITHMS)}")
        try:
            expected = base64.b64decode(encoded.strip(), validate=True)
        except ValueError as error:
            raise BadRequest("checksum", f"the digest is not base64: {error}") from None
        size = len(_hasher(algorithm).digest())
        if len(expected) != size:
            raise BadRequest("checksum", f"a digest of {algorithm} has {size} bytes", limit=size)
        return cls(algorithm, expected)

    def require(self) -> None:
        """Raises InvalidContent(field="checksum") if the bytes were others."""
        found = self._hasher.digest()
        if found != self._expected:
            was = base64.b64encode(found).decode()
            raise InvalidContent("checksum", f"the {self._algorithm} of what came is {was}")
