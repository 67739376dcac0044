"""A file's head, where it has to be worked out from what was asked and how large the file is."""

from __future__ import annotations

from cidbus.schemas.cache import CacheGet
from cidbus.schemas.ipfs import CatRequest, FileHead

__all__ = ["file_head"]


def file_head(cid: str, size_bytes: int, ask: CatRequest | CacheGet) -> FileHead:
    """Which part of a file of this size the request means."""
    start = max(0, size_bytes + ask.offset) if ask.offset < 0 else min(ask.offset, size_bytes)
    rest = size_bytes - start
    length = rest if ask.length is None else min(ask.length, rest)
    return FileHead(cid=cid, size_bytes=size_bytes, offset=start, length=length)
