"""What the parts of the Kubo back end share: the connection to the daemon, and how its answers are read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from .....schemas.cid import CID, CODEC_NAMES, HASHES
from .....schemas.errors import InvalidContent, NotFound
from ...remote.kubo import FilePart, KuboRpc
from ...remote.sources import WRONG_BLOCK
from ..reading import Reading

__all__ = ["LONG_S", "Daemon", "KuboBlocks", "content_path", "field_of"]

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long the daemon may be silent over what takes long: pinning, counting, taking in the last of an upload.
LONG_S = 600.0
# Older daemons want to be told that a larger block is meant.
KUBO_BLOCK_BYTES = 1024 * 1024


class Daemon(Reading):
    """One Kubo daemon. `source` reads its blocks, so that the engine can walk what Kubo cannot."""

    name = "kubo"

    _source: KuboBlocks

    def __init__(self, rpc: KuboRpc, temp_folder: Path, *, timeout_s: float | None = None) -> None:
        """`timeout_s` is how long the daemon may search its network for one block."""
        self._rpc = rpc
        self._temp = temp_folder
        self._source = KuboBlocks(rpc, timeout_s)

    async def open(self) -> None:
        log.info("requests are answered by the Kubo daemon at %s", self._rpc.url)
        await asyncio.to_thread(self._temp.mkdir, parents=True, exist_ok=True)

    async def close(self) -> None:
        await self._rpc.close()

    async def put_block(self, cid: CID, block: bytes, *, pin: bool = False) -> None:
        """Store a block, and pin what it links to; raises NotFound(what="block") for what is not there."""
        if not cid.is_identity:
            put = await self._rpc.call(
                "block/put",
                upload=[FilePart("block", block)],
                cid_codec=cid.codec_name if cid.codec in CODEC_NAMES else "raw",
                mhtype=HASHES[cid.hash_code][0],
                allow_big_block=len(block) > KUBO_BLOCK_BYTES or None,
            )
            if CID.parse(field_of(put, "Key", str)).multihash != cid.multihash:
                raise InvalidContent("reply", "Kubo stored the block under another CID", cid=str(cid))
        if pin:
            await self._rpc.call("pin/add", content_path(str(cid)), recursive=True, timeout_s=LONG_S)

    async def last_line(self, command: str, *args: str, **options: Any) -> Any:
        """The last value of an answer of several; raises InvalidContent if there is none."""
        last = None
        async with aclosing(self._rpc.lines(command, *args, **options)) as lines:
            async for line in lines:
                last = line
        if last is None:
            raise InvalidContent("reply", f"Kubo answered nothing to {command}")
        return last


class KuboBlocks:
    """A BlockSource over the daemon: each block is asked for, and checked against its CID."""

    def __init__(self, rpc: KuboRpc, timeout_s: float | None = None) -> None:
        self._rpc, self._timeout_s = rpc, timeout_s

    def get_now(self, cid: CID) -> bytes | None:
        return cid.digest if cid.is_identity else None

    async def get(self, cid: CID) -> bytes:
        """Raises NotFound(what="block"), InvalidContent if the daemon sends something else, and
        DeadlineExceeded if its network was searched in vain."""
        return await self._get(cid)

    async def get_here(self, cid: CID) -> bytes:
        """As `get`, but without asking the daemon's peers."""
        return await self._get(cid, offline=True)

    async def _get(self, cid: CID, *, offline: bool | None = None) -> bytes:
        block = await self._rpc.block(cid, timeout_s=self._timeout_s, offline=offline)
        if not cid.matches(block):
            raise InvalidContent("block", f"{self._rpc.url} {WRONG_BLOCK}", cid=str(cid))
        return block

    async def has(self, cid: CID) -> bool:
        """Whether the daemon itself has the block, without asking its peers."""
        if cid.is_identity:
            return True
        try:
            await self._rpc.call("block/stat", str(cid), offline=True)
        except NotFound:
            return False
        return True


def content_path(cid: str, path: str = "") -> str:
    """`/ipfs/<cid>/<path>`, as Kubo's commands take it; raises BadRequest for what is no CID."""
    below = path.strip("/")
    return f"/ipfs/{CID.parse(cid)}" + (f"/{below}" if below else "")


def field_of(value: Any, name: str, kind: Callable[[Any], T]) -> T:
    """One field of Kubo's answer; raises InvalidContent if it is missing or of another kind."""
    try:
        return kind(value[name])
    except (KeyError, TypeError, ValueError):
        raise InvalidContent("reply", f"Kubo's answer has no usable {name}") from None
