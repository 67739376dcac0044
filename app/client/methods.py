"""Every actor's methods, one per row of the table; made by `python -m cidbus.client.generate`."""

# ruff: noqa: A002
from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from cidbus.schemas import ipfs, subjects

from .content import Content
from .namespace import Namespace
from .transport import Transport
from .upload import Progress, Source, upload

__all__ = ["Ipfs", "Methods"]


class Ipfs(Namespace):
    """Owns blocks, pins and names."""

    async def add(
        self,
        source: Source,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        profile: Literal["unixfs-v1-2025", "unixfs-v0-2015"] = "unixfs-v1-2025",
        pin: bool = True,
        pin_name: str | None = None,
        wrap: bool = False,
        hidden: bool = False,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Added:
        """Store content; the same bytes always give the same CID.

        `wrap`: put a single file into a directory under its filename.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file or of a directory.
        `progress`: called with the number of bytes sent so far.
        `hidden`: whether a directory's entries whose names begin with a dot are sent too.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.add`, over HTTP `POST /ipfs/add`.
        """
        return await upload(
            self._transport,
            subjects.ADD,
            source,
            {
                "filename": filename,
                "content_type": content_type,
                "profile": profile,
                "pin": pin,
                "pin_name": pin_name,
                "wrap": wrap,
            },
            hidden=hidden,
            progress=progress,
            timeout_s=timeout_s,
        )

    def cat(
        self,
        cid: str,
        *,
        path: str = "",
        offset: int = 0,
        length: int | None = None,
        timeout_s: float | None = None,
    ) -> Content[ipfs.FileHead]:
        """The bytes of a file, or a range of them.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.cat`, over HTTP `GET /ipfs/cat/{cid}`.
        """
        ask = ipfs.CatRequest.from_fields({"cid": cid, "path": path, "offset": offset, "length": length})
        return Content(lambda: self._transport.open(subjects.CAT, ask, timeout_s=timeout_s))

    def get(self, cid: str, *, path: str = "", timeout_s: float | None = None) -> Content[ipfs.TarHead]:
        """A file or a whole tree as a tar archive.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.get`, over HTTP `GET /ipfs/tar/{cid}`.
        """
        ask = ipfs.PathRequest.from_fields({"cid": cid, "path": path})
        return Content(lambda: self._transport.open(subjects.GET, ask, timeout_s=timeout_s))

    def ls(self, cid: str, *, path: str = "", timeout_s: float | None = None) -> AsyncIterator[ipfs.DirEntry]:
        """The entries of a directory.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.ls`, over HTTP `GET /ipfs/ls/{cid}`.
        """
        ask = ipfs.PathRequest.from_fields({"cid": cid, "path": path})
        return self._transport.items(subjects.LS, ask, timeout_s=timeout_s)

    async def stat(self, cid: str, *, path: str = "", timeout_s: float | None = None) -> ipfs.Stat:
        """What a path is and how large.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.stat`, over HTTP `GET /ipfs/stat/{cid}`.
        """
        ask = ipfs.PathRequest.from_fields({"cid": cid, "path": path})
        return await self._transport.request(subjects.STAT, ask, timeout_s=timeout_s)

    def block_get(self, cid: str, *, timeout_s: float | None = None) -> Content[ipfs.BlockHead]:
        """One block, as it is stored.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.block.get`, over HTTP `GET /ipfs/block/get/{cid}`.
        """
        ask = ipfs.BlockRequest.from_fields({"cid": cid})
        return Content(lambda: self._transport.open(subjects.BLOCK_GET, ask, timeout_s=timeout_s))

    async def block_put(
        self,
        source: Source,
        *,
        format: str = "raw",
        cid: str | None = None,
        pin: bool = False,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.BlockStat:
        """Store one block.

        `format`: codec name: raw, dag-pb, dag-cbor, dag-json, ….
        `source`: text, bytes, an async iterable of bytes, or the Path of a file.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.block.put`, over HTTP `POST /ipfs/block/put`.
        """
        return await upload(
            self._transport,
            subjects.BLOCK_PUT,
            source,
            {"format": format, "cid": cid, "pin": pin},
            progress=progress,
            timeout_s=timeout_s,
        )

    async def block_stat(self, cid: str, *, timeout_s: float | None = None) -> ipfs.BlockStat:
        """Whether a block is here, and its size.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.block.stat`, over HTTP `GET /ipfs/block/stat/{cid}`.
        """
        ask = ipfs.BlockRequest.from_fields({"cid": cid})
        return await self._transport.request(subjects.BLOCK_STAT, ask, timeout_s=timeout_s)

    async def block_rm(
        self, cid: str, *, force: bool = False, timeout_s: float | None = None
    ) -> ipfs.BlockRemoved:
        """Remove a block that no pin keeps.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `force`: not an error if the block is not here.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.block.rm`, over HTTP `POST /ipfs/block/rm`.
        """
        ask = ipfs.BlockRemove.from_fields({"cid": cid, "force": force})
        return await self._transport.request(subjects.BLOCK_RM, ask, timeout_s=timeout_s)

    async def pin_add(
        self,
        cid: str,
        *,
        path: str = "",
        recursive: bool = True,
        name: str | None = None,
        expires_in_s: float | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Pinned:
        """Keep a DAG from being collected.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.pin.add`, over HTTP `POST /ipfs/pin`.
        """
        ask = ipfs.PinRequest.from_fields(
            {"cid": cid, "path": path, "recursive": recursive, "name": name, "expires_in_s": expires_in_s}
        )
        return await self._transport.request(subjects.PIN, ask, timeout_s=timeout_s)

    async def pin_rm(self, cid: str, *, path: str = "", timeout_s: float | None = None) -> ipfs.Pinned:
        """Let a DAG be collected again.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.pin.rm`, over HTTP `POST /ipfs/unpin`.
        """
        ask = ipfs.PinRemove.from_fields({"cid": cid, "path": path})
        return await self._transport.request(subjects.UNPIN, ask, timeout_s=timeout_s)

    def pin_ls(
        self,
        *,
        type: Literal["all", "recursive", "direct"] = "all",
        name: str | None = None,
        cid: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[ipfs.Pin]:
        """What is pinned.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.pin.ls`, over HTTP `GET /ipfs/pins`.
        """
        ask = ipfs.PinList.from_fields({"type": type, "name": name, "cid": cid})
        return self._transport.items(subjects.PINS, ask, timeout_s=timeout_s)

    async def pin_update(
        self, from_cid: str, to_cid: str, *, unpin: bool = True, timeout_s: float | None = None
    ) -> ipfs.Pinned:
        """Move a pin to a new root.

        `from_cid`: a CID, version 0 or 1, in any supported multibase.
        `to_cid`: a CID, version 0 or 1, in any supported multibase.
        `unpin`: remove the old pin.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.pin.update`, over HTTP `POST /ipfs/pin/update`.
        """
        ask = ipfs.PinUpdate.from_fields({"from_cid": from_cid, "to_cid": to_cid, "unpin": unpin})
        return await self._transport.request(subjects.PIN_UPDATE, ask, timeout_s=timeout_s)

    async def repo_gc(self, *, timeout_s: float | None = None) -> ipfs.Collected:
        """Collect what no pin reaches.

        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.ipfs.repo.gc`, over HTTP `POST /ipfs/repo/gc`.
        """
        ask = ipfs.RepoGc.from_fields({})
        return await self._transport.request(subjects.REPO_GC, ask, timeout_s=timeout_s)

    async def repo_stat(self, *, timeout_s: float | None = None) -> ipfs.RepoStat:
        """How much is stored, and where.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.repo.stat`, over HTTP `GET /ipfs/repo/stat`.
        """
        ask = ipfs.RepoStatRequest.from_fields({})
        return await self._transport.request(subjects.REPO_STAT, ask, timeout_s=timeout_s)

    async def repo_verify(self, *, timeout_s: float | None = None) -> ipfs.Verified:
        """Read every block and check its hash.

        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.ipfs.repo.verify`, over HTTP `POST /ipfs/repo/verify`.
        """
        ask = ipfs.RepoVerify.from_fields({})
        return await self._transport.request(subjects.REPO_VERIFY, ask, timeout_s=timeout_s)

    async def version(self, *, timeout_s: float | None = None) -> ipfs.Version:
        """Versions of this software.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.version`, over HTTP `GET /ipfs/version`.
        """
        ask = ipfs.VersionRequest.from_fields({})
        return await self._transport.request(subjects.VERSION, ask, timeout_s=timeout_s)

    async def id(self, *, timeout_s: float | None = None) -> ipfs.Id:
        """The node's identity.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.id`, over HTTP `GET /ipfs/id`.
        """
        ask = ipfs.IdRequest.from_fields({})
        return await self._transport.request(subjects.ID, ask, timeout_s=timeout_s)


class Methods:
    """One namespace per actor."""

    def __init__(self, transport: Transport) -> None:
        self.ipfs = Ipfs(transport)
