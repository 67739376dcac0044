"""Every actor's methods, one per row of the table; made by `python -m cidbus.client.generate`."""

# ruff: noqa: A002
from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from cidbus.schemas import cache, dag, ipfs, journal, journaling, media, names, routing, subjects, tree

from .content import Content
from .items import Items
from .namespace import Namespace
from .transport import Transport
from .upload import Node, Progress, Source, upload

__all__ = ["Ipfs", "Cache", "Journal", "Media", "Methods"]


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
        keep: str | None = None,
        keep_s: float | None = None,
        wrap: bool = False,
        only_hash: bool = False,
        like_kubo: bool = False,
        cid_version: Literal[0, 1] | None = None,
        raw_leaves: bool | None = None,
        chunk_bytes: int | None = None,
        max_links: int | None = None,
        hash: str | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        hidden: bool = False,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Added:
        """Store content; the same bytes always give the same CID.

        `keep`: keep it under this name, beside any pin.
        `wrap`: put a single file into a directory under its filename.
        `only_hash`: say which CID the content has; store nothing.
        `like_kubo`: read a form as Kubo's clients mean it: every part is content, `+` in a filename is a
            space, top entries stay apart (each with a pin of its own), and `entries` has directories too.
        `cid_version`: 1 makes leaves raw unless `raw_leaves` says otherwise.
        `max_links`: of a file's nodes.
        `hash`: any but sha2-256 needs `cid_version` 1.
        `backend`: which back end answers; by default the first configured.
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
                "keep": keep,
                "keep_s": keep_s,
                "wrap": wrap,
                "only_hash": only_hash,
                "like_kubo": like_kubo,
                "cid_version": cid_version,
                "raw_leaves": raw_leaves,
                "chunk_bytes": chunk_bytes,
                "max_links": max_links,
                "hash": hash,
                "backend": backend,
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
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Content[ipfs.FileHead]:
        """The bytes of a file, or a range of them.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.cat`, over HTTP `GET /ipfs/cat/{cid}`.
        """
        ask = ipfs.CatRequest.from_fields(
            {"cid": cid, "path": path, "offset": offset, "length": length, "backend": backend}
        )
        return Content(lambda: self._transport.open(subjects.CAT, ask, timeout_s=timeout_s))

    def get(
        self,
        cid: str,
        *,
        path: str = "",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Content[ipfs.TarHead]:
        """A file or a whole tree as a tar archive.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.get`, over HTTP `GET /ipfs/tar/{cid}`.
        """
        ask = ipfs.PathRequest.from_fields({"cid": cid, "path": path, "backend": backend})
        return Content(lambda: self._transport.open(subjects.GET, ask, timeout_s=timeout_s))

    def ls(
        self,
        cid: str,
        *,
        path: str = "",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[ipfs.DirEntry]:
        """The entries of a directory.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.ls`, over HTTP `GET /ipfs/ls/{cid}`.
        """
        ask = ipfs.PathRequest.from_fields({"cid": cid, "path": path, "backend": backend})
        return self._transport.items(subjects.LS, ask, timeout_s=timeout_s)

    async def stat(
        self,
        cid: str,
        *,
        path: str = "",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Stat:
        """What a path is and how large.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.stat`, over HTTP `GET /ipfs/stat/{cid}`.
        """
        ask = ipfs.PathRequest.from_fields({"cid": cid, "path": path, "backend": backend})
        return await self._transport.request(subjects.STAT, ask, timeout_s=timeout_s)

    def block_get(
        self,
        cid: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Content[ipfs.BlockHead]:
        """One block, as it is stored.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.block.get`, over HTTP `GET /ipfs/block/get/{cid}`.
        """
        ask = ipfs.BlockRequest.from_fields({"cid": cid, "backend": backend})
        return Content(lambda: self._transport.open(subjects.BLOCK_GET, ask, timeout_s=timeout_s))

    def block_want(
        self,
        cid: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Content[ipfs.BlockHead]:
        """One block, if this very node has it: asked by the other nodes of a cluster.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 10 s by default.

        Asks `cidbus.ipfs.block.want`, which HTTP does not have.
        """
        ask = ipfs.BlockRequest.from_fields({"cid": cid, "backend": backend})
        return Content(lambda: self._transport.open(subjects.BLOCK_WANT, ask, timeout_s=timeout_s))

    async def block_put(
        self,
        source: Source,
        *,
        format: str = "raw",
        hash: str = "sha2-256",
        cid: str | None = None,
        pin: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.BlockStat:
        """Store one block.

        `format`: codec name: raw, dag-pb, dag-cbor, dag-json, ….
        `hash`: multihash name: sha2-256, sha2-512, blake2b-256, blake3, ….
        `backend`: which back end answers; by default the first configured.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.block.put`, over HTTP `POST /ipfs/block/put`.
        """
        return await upload(
            self._transport,
            subjects.BLOCK_PUT,
            source,
            {"format": format, "hash": hash, "cid": cid, "pin": pin, "backend": backend},
            progress=progress,
            timeout_s=timeout_s,
        )

    async def block_stat(
        self,
        cid: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.BlockStat:
        """Whether a block is here, and its size.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.block.stat`, over HTTP `GET /ipfs/block/stat/{cid}`.
        """
        ask = ipfs.BlockRequest.from_fields({"cid": cid, "backend": backend})
        return await self._transport.request(subjects.BLOCK_STAT, ask, timeout_s=timeout_s)

    async def block_rm(
        self,
        cid: str,
        *,
        force: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.BlockRemoved:
        """Remove a block that no pin keeps.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `force`: not an error if the block is not here.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.block.rm`, over HTTP `POST /ipfs/block/rm`.
        """
        ask = ipfs.BlockRemove.from_fields({"cid": cid, "force": force, "backend": backend})
        return await self._transport.request(subjects.BLOCK_RM, ask, timeout_s=timeout_s)

    async def pin_add(
        self,
        cid: str,
        *,
        path: str = "",
        recursive: bool = True,
        name: str | None = None,
        expires_in_s: float | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Pinned:
        """Keep a DAG from being collected.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.pin.add`, over HTTP `POST /ipfs/pin`.
        """
        ask = ipfs.PinRequest.from_fields(
            {
                "cid": cid,
                "path": path,
                "recursive": recursive,
                "name": name,
                "expires_in_s": expires_in_s,
                "backend": backend,
            }
        )
        return await self._transport.request(subjects.PIN, ask, timeout_s=timeout_s)

    async def pin_rm(
        self,
        cid: str,
        *,
        path: str = "",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Pinned:
        """Let a DAG be collected again.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.pin.rm`, over HTTP `POST /ipfs/unpin`.
        """
        ask = ipfs.PinRemove.from_fields({"cid": cid, "path": path, "backend": backend})
        return await self._transport.request(subjects.UNPIN, ask, timeout_s=timeout_s)

    def pin_ls(
        self,
        *,
        type: Literal["all", "recursive", "direct", "indirect"] = "all",
        name: str | None = None,
        cid: str | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[ipfs.Pin]:
        """What is pinned.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.pin.ls`, over HTTP `GET /ipfs/pins`.
        """
        ask = ipfs.PinList.from_fields({"type": type, "name": name, "cid": cid, "backend": backend})
        return self._transport.items(subjects.PINS, ask, timeout_s=timeout_s)

    async def pin_update(
        self,
        from_cid: str,
        to_cid: str,
        *,
        unpin: bool = True,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Pinned:
        """Move a pin to a new root.

        `from_cid`: a CID, version 0 or 1, in any supported multibase.
        `to_cid`: a CID, version 0 or 1, in any supported multibase.
        `unpin`: remove the old pin.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.pin.update`, over HTTP `POST /ipfs/pin/update`.
        """
        ask = ipfs.PinUpdate.from_fields(
            {"from_cid": from_cid, "to_cid": to_cid, "unpin": unpin, "backend": backend}
        )
        return await self._transport.request(subjects.PIN_UPDATE, ask, timeout_s=timeout_s)

    async def repo_gc(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Collected:
        """Collect what no pin reaches.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.ipfs.repo.gc`, over HTTP `POST /ipfs/repo/gc`.
        """
        ask = ipfs.RepoGc.from_fields({"backend": backend})
        return await self._transport.request(subjects.REPO_GC, ask, timeout_s=timeout_s)

    async def repo_stat(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.RepoStat:
        """How much is stored, and where.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.repo.stat`, over HTTP `GET /ipfs/repo/stat`.
        """
        ask = ipfs.RepoStatRequest.from_fields({"backend": backend})
        return await self._transport.request(subjects.REPO_STAT, ask, timeout_s=timeout_s)

    async def repo_verify(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Verified:
        """Read every block and check its hash.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.ipfs.repo.verify`, over HTTP `POST /ipfs/repo/verify`.
        """
        ask = ipfs.RepoVerify.from_fields({"backend": backend})
        return await self._transport.request(subjects.REPO_VERIFY, ask, timeout_s=timeout_s)

    async def version(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Version:
        """Versions of this software.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.version`, over HTTP `GET /ipfs/version`.
        """
        ask = ipfs.VersionRequest.from_fields({"backend": backend})
        return await self._transport.request(subjects.VERSION, ask, timeout_s=timeout_s)

    async def id(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> ipfs.Id:
        """The node's identity.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.id`, over HTTP `GET /ipfs/id`.
        """
        ask = ipfs.IdRequest.from_fields({"backend": backend})
        return await self._transport.request(subjects.ID, ask, timeout_s=timeout_s)

    async def dag_put(
        self,
        source: Source | Node,
        *,
        format: str = "json",
        codec: str | None = None,
        input_codec: str = "dag-json",
        hash: str = "sha2-256",
        pin: bool = True,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> dag.DagPutReply:
        """Store a node of the IPLD data model.

        `format`: multicodec name: dag-cbor, dag-json, dag-pb, json, cbor, raw.
        `input_codec`: multicodec name: dag-cbor, dag-json, dag-pb, json, cbor, raw.
        `hash`: multihash name: sha2-256, sha2-512, blake2b-256, blake3, ….
        `backend`: which back end answers; by default the first configured.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file, all in `input_codec`;
            anything else is the node itself, with links as `{"/": cid}`.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.dag.put`, over HTTP `POST /ipfs/dag/put`.
        """
        return await upload(
            self._transport,
            subjects.DAG_PUT,
            source,
            {
                "format": format,
                "codec": codec,
                "input_codec": input_codec,
                "hash": hash,
                "pin": pin,
                "backend": backend,
            },
            progress=progress,
            timeout_s=timeout_s,
        )

    def dag_get(
        self,
        cid: str,
        *,
        path: str = "",
        output_codec: str = "dag-json",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Content[dag.DagHead]:
        """A node, or what lies at a path in it.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `output_codec`: multicodec name: dag-cbor, dag-json, dag-pb, json, cbor, raw.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.dag.get`, over HTTP `GET /ipfs/dag/get/{cid}`.
        """
        ask = dag.DagGet.from_fields(
            {"cid": cid, "path": path, "output_codec": output_codec, "backend": backend}
        )
        return Content(lambda: self._transport.open(subjects.DAG_GET, ask, timeout_s=timeout_s))

    async def dag_resolve(
        self,
        cid: str,
        *,
        path: str = "",
        pathing: Literal["auto", "dag"] = "auto",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> dag.Resolved:
        """Which block a path ends in.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.dag.resolve`, over HTTP `GET /ipfs/dag/resolve/{cid}`.
        """
        ask = dag.DagPath.from_fields({"cid": cid, "path": path, "pathing": pathing, "backend": backend})
        return await self._transport.request(subjects.DAG_RESOLVE, ask, timeout_s=timeout_s)

    async def dag_stat(
        self,
        cids: list[str],
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> dag.DagStat:
        """How much lies below some roots.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.dag.stat`, over HTTP `POST /ipfs/dag/stat`.
        """
        ask = dag.DagStatRequest.from_fields({"cids": cids, "backend": backend})
        return await self._transport.request(subjects.DAG_STAT, ask, timeout_s=timeout_s)

    async def dag_import(
        self,
        source: Source,
        *,
        pin_roots: bool = True,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> dag.DagImported:
        """Store the blocks of a CAR file and pin its roots.

        `backend`: which back end answers; by default the first configured.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.dag.import`, over HTTP `POST /ipfs/dag/import`.
        """
        return await upload(
            self._transport,
            subjects.DAG_IMPORT,
            source,
            {"pin_roots": pin_roots, "backend": backend},
            progress=progress,
            timeout_s=timeout_s,
        )

    def dag_export(
        self,
        cid: str,
        *,
        path: str = "",
        scope: Literal["block", "entity", "all"] = "all",
        entity_bytes: str | None = None,
        order: Literal["dfs", "unk"] = "dfs",
        dups: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Content[dag.CarHead]:
        """A DAG, or a part of it, as a CAR file.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `dups`: write a block again each time the walk reaches it.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.dag.export`, over HTTP `GET /ipfs/dag/export/{cid}`.
        """
        ask = dag.DagExport.from_fields(
            {
                "cid": cid,
                "path": path,
                "scope": scope,
                "entity_bytes": entity_bytes,
                "order": order,
                "dups": dups,
                "backend": backend,
            }
        )
        return Content(lambda: self._transport.open(subjects.DAG_EXPORT, ask, timeout_s=timeout_s))

    def refs(
        self,
        cid: str,
        *,
        path: str = "",
        recursive: bool = False,
        unique: bool = False,
        max_depth: int = -1,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[dag.Ref]:
        """The links of a DAG.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.refs`, over HTTP `GET /ipfs/refs/{cid}`.
        """
        ask = dag.Refs.from_fields(
            {
                "cid": cid,
                "path": path,
                "recursive": recursive,
                "unique": unique,
                "max_depth": max_depth,
                "backend": backend,
            }
        )
        return self._transport.items(subjects.REFS, ask, timeout_s=timeout_s)

    def refs_local(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[dag.LocalRef]:
        """Every block that is stored here.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.refs.local`, over HTTP `GET /ipfs/refs/local`.
        """
        ask = dag.LocalRefs.from_fields({"backend": backend})
        return self._transport.items(subjects.REFS_LOCAL, ask, timeout_s=timeout_s)

    async def key_gen(
        self,
        name: str,
        *,
        type: Literal["ed25519", "rsa"] = "ed25519",
        size: int | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.Key:
        """Make a key, and with it a name.

        `size`: bits of an RSA key.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.key.gen`, over HTTP `POST /ipfs/key/gen`.
        """
        ask = names.KeyGen.from_fields({"name": name, "type": type, "size": size, "backend": backend})
        return await self._transport.request(subjects.KEY_GEN, ask, timeout_s=timeout_s)

    def key_ls(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[names.Key]:
        """The keys of this node, without their secrets.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.key.ls`, over HTTP `GET /ipfs/keys`.
        """
        ask = names.KeyList.from_fields({"backend": backend})
        return self._transport.items(subjects.KEYS, ask, timeout_s=timeout_s)

    async def key_rename(
        self,
        name: str,
        new_name: str,
        *,
        force: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.KeyRenamed:
        """Give a key another name.

        `force`: replace a key that has the new name.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.key.rename`, over HTTP `POST /ipfs/key/rename`.
        """
        ask = names.KeyRename.from_fields(
            {"name": name, "new_name": new_name, "force": force, "backend": backend}
        )
        return await self._transport.request(subjects.KEY_RENAME, ask, timeout_s=timeout_s)

    async def key_rm(
        self,
        name: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.Key:
        """Remove a key for good.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.key.rm`, over HTTP `POST /ipfs/key/rm`.
        """
        ask = names.KeyRemove.from_fields({"name": name, "backend": backend})
        return await self._transport.request(subjects.KEY_RM, ask, timeout_s=timeout_s)

    async def name_publish(
        self,
        path: str,
        *,
        key: str = "self",
        lifetime: float | str = "48h",
        ttl: float | str = "5m",
        sequence: int | None = None,
        resolve: bool = True,
        allow_offline: bool = True,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.NamePublished:
        """Point a name at content.

        `path`: `/ipfs/<cid>/…`, `/ipns/<name>/…` or a CID.
        `key`: a key's name or its ID.
        `lifetime`: seconds, or text such as `24h`, `90m`, `1h30m`.
        `ttl`: seconds, or text such as `24h`, `90m`, `1h30m`.
        `sequence`: above the last one; by default the next.
        `resolve`: refuse a path that does not lead anywhere.
        `allow_offline`: not an error if nobody else could be told.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.name.publish`, over HTTP `POST /ipfs/name/publish`.
        """
        ask = names.NamePublish.from_fields(
            {
                "path": path,
                "key": key,
                "lifetime": lifetime,
                "ttl": ttl,
                "sequence": sequence,
                "resolve": resolve,
                "allow_offline": allow_offline,
                "backend": backend,
            }
        )
        return await self._transport.request(subjects.NAME_PUBLISH, ask, timeout_s=timeout_s)

    async def name_resolve(
        self,
        name: str,
        *,
        recursive: bool = True,
        nocache: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.NameResolved:
        """What a name points at.

        `name`: an IPNS name: a peer ID, its CID, or a DNSLink domain; `/ipns/…` may come before it.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.name.resolve`, over HTTP `GET /ipfs/name/resolve`.
        """
        ask = names.NameResolve.from_fields(
            {"name": name, "recursive": recursive, "nocache": nocache, "backend": backend}
        )
        return await self._transport.request(subjects.NAME_RESOLVE, ask, timeout_s=timeout_s)

    async def name_get(
        self,
        name: str,
        *,
        cluster_only: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.NameRecord:
        """The signed record of a name.

        `name`: an IPNS name: a peer ID, its CID, or a DNSLink domain; `/ipns/…` may come before it.
        `cluster_only`: ask nobody outside the cluster.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.name.get`, over HTTP `GET /ipfs/name/get`.
        """
        ask = names.NameGet.from_fields({"name": name, "cluster_only": cluster_only, "backend": backend})
        return await self._transport.request(subjects.NAME_GET, ask, timeout_s=timeout_s)

    async def name_put(
        self,
        name: str,
        record: bytes,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.NameRecord:
        """Keep a record that somebody else signed.

        `name`: an IPNS name: a peer ID, its CID, or a DNSLink domain; `/ipns/…` may come before it.
        `record`: in base64.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.name.put`, over HTTP `POST /ipfs/name/put`.
        """
        ask = names.NamePut.from_fields({"name": name, "record": record, "backend": backend})
        return await self._transport.request(subjects.NAME_PUT, ask, timeout_s=timeout_s)

    async def name_inspect(
        self,
        record: bytes,
        *,
        name: str | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> names.NameInspected:
        """Read a record and check it.

        `record`: in base64.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.name.inspect`, over HTTP `POST /ipfs/name/inspect`.
        """
        ask = names.NameInspect.from_fields({"record": record, "name": name, "backend": backend})
        return await self._transport.request(subjects.NAME_INSPECT, ask, timeout_s=timeout_s)

    async def routing_findprovs(
        self,
        cid: str,
        *,
        num_providers: int = 20,
        cluster_only: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> routing.FoundProviders:
        """Who has some content.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `cluster_only`: ask nobody outside the cluster.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.routing.findprovs`, over HTTP `POST /ipfs/dht/findprovs`.
        """
        ask = routing.FindProviders.from_fields(
            {"cid": cid, "num_providers": num_providers, "cluster_only": cluster_only, "backend": backend}
        )
        return await self._transport.request(subjects.FIND_PROVIDERS, ask, timeout_s=timeout_s)

    async def routing_findpeer(
        self,
        peer_id: str,
        *,
        cluster_only: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> routing.FoundPeer:
        """Where a peer can be reached.

        `cluster_only`: ask nobody outside the cluster.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.routing.findpeer`, over HTTP `POST /ipfs/dht/findpeer`.
        """
        ask = routing.FindPeer.from_fields(
            {"peer_id": peer_id, "cluster_only": cluster_only, "backend": backend}
        )
        return await self._transport.request(subjects.FIND_PEER, ask, timeout_s=timeout_s)

    async def routing_provide(
        self,
        cid: str,
        *,
        recursive: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> routing.Provided:
        """Tell others that this node has some content.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.routing.provide`, over HTTP `POST /ipfs/routing/provide`.
        """
        ask = routing.Provide.from_fields({"cid": cid, "recursive": recursive, "backend": backend})
        return await self._transport.request(subjects.PROVIDE, ask, timeout_s=timeout_s)

    async def routing_get(
        self,
        key: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> routing.RoutingValue:
        """The record stored under a key.

        `key`: `/ipns/<name>`.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.routing.get`, over HTTP `GET /ipfs/routing/get`.
        """
        ask = routing.RoutingGet.from_fields({"key": key, "backend": backend})
        return await self._transport.request(subjects.ROUTING_GET, ask, timeout_s=timeout_s)

    async def routing_put(
        self,
        key: str,
        value: bytes,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> routing.RoutingStored:
        """Store a record under its key.

        `key`: `/ipns/<name>`.
        `value`: the record, in base64.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.routing.put`, over HTTP `POST /ipfs/routing/put`.
        """
        ask = routing.RoutingPut.from_fields({"key": key, "value": value, "backend": backend})
        return await self._transport.request(subjects.ROUTING_PUT, ask, timeout_s=timeout_s)

    def swarm_peers(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[routing.Peer]:
        """The peers that this node is in touch with.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.swarm.peers`, over HTTP `GET /ipfs/swarm/peers`.
        """
        ask = routing.SwarmPeers.from_fields({"backend": backend})
        return self._transport.items(subjects.SWARM_PEERS, ask, timeout_s=timeout_s)

    async def swarm_connect(
        self,
        address: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> routing.SwarmConnected:
        """Connect to a peer.

        `address`: a multiaddr.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.swarm.connect`, over HTTP `POST /ipfs/swarm/connect`.
        """
        ask = routing.SwarmConnect.from_fields({"address": address, "backend": backend})
        return await self._transport.request(subjects.SWARM_CONNECT, ask, timeout_s=timeout_s)

    async def swarm_disconnect(
        self,
        address: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> routing.SwarmConnected:
        """Disconnect from a peer.

        `address`: a multiaddr.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.swarm.disconnect`, over HTTP `POST /ipfs/swarm/disconnect`.
        """
        ask = routing.SwarmDisconnect.from_fields({"address": address, "backend": backend})
        return await self._transport.request(subjects.SWARM_DISCONNECT, ask, timeout_s=timeout_s)

    def swarm_addrs(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[routing.Peer]:
        """The addresses of the peers that are known.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.swarm.addrs`, over HTTP `GET /ipfs/swarm/addrs`.
        """
        ask = routing.SwarmAddrs.from_fields({"backend": backend})
        return self._transport.items(subjects.SWARM_ADDRS, ask, timeout_s=timeout_s)

    async def tree_patch(
        self,
        groups: list[
            list[
                tree.Mkdir
                | tree.Put
                | tree.Write
                | tree.Truncate
                | tree.Remove
                | tree.Move
                | tree.Copy
                | tree.Symlink
                | tree.Metadata
            ]
        ],
        *,
        root: str | None = None,
        keep: str | None = None,
        keep_s: float | None = None,
        release: list[str] | None = None,
        profile: Literal["unixfs-v1-2025", "unixfs-v0-2015"] = "unixfs-v1-2025",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.TreePatched:
        """Make another tree of a tree: groups of operations in, the new root out.

        `root`: the tree; without it, an empty directory.
        `release`: named roots to let go.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.tree.patch`, over HTTP `POST /ipfs/tree/patch`.
        """
        ask = tree.TreePatch.from_fields(
            {
                "root": root,
                "groups": groups,
                "keep": keep,
                "keep_s": keep_s,
                "release": release,
                "profile": profile,
                "backend": backend,
            }
        )
        return await self._transport.request(subjects.TREE_PATCH, ask, timeout_s=timeout_s)

    async def tree_stat(
        self,
        root: str,
        *,
        path: str = "/",
        follow: bool = False,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.TreeEntry:
        """What stands at a path of a tree.

        `root`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.tree.stat`, over HTTP `GET /ipfs/tree/stat/{root}`.
        """
        ask = tree.TreeLookup.from_fields({"root": root, "path": path, "follow": follow, "backend": backend})
        return await self._transport.request(subjects.TREE_STAT, ask, timeout_s=timeout_s)

    def tree_ls(
        self,
        root: str,
        *,
        path: str = "/",
        glob: str | None = None,
        type: Literal["file", "directory", "symlink"] | None = None,
        max_depth: int | None = None,
        details: bool = True,
        limit: int | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Items[tree.TreeEntry, tree.TreeEntry]:
        """The entries below a path of a tree, by glob, type and depth.

        `root`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `details`: open files for their size, mode and time.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.tree.ls`, over HTTP `GET /ipfs/tree/ls/{root}`.
        """
        ask = tree.TreeFind.from_fields(
            {
                "root": root,
                "path": path,
                "glob": glob,
                "type": type,
                "max_depth": max_depth,
                "details": details,
                "limit": limit,
                "backend": backend,
            }
        )
        return Items(lambda: self._transport.open_items(subjects.TREE_LS, ask, timeout_s=timeout_s))

    async def tree_du(
        self,
        root: str,
        *,
        path: str = "/",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.Usage:
        """What a tree takes.

        `root`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.tree.du`, over HTTP `GET /ipfs/tree/du/{root}`.
        """
        ask = tree.TreeUsage.from_fields({"root": root, "path": path, "backend": backend})
        return await self._transport.request(subjects.TREE_DU, ask, timeout_s=timeout_s)

    def tree_diff(
        self,
        before: str,
        after: str,
        *,
        path: str = "/",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[tree.Difference]:
        """What differs between two trees.

        `before`: a CID, version 0 or 1, in any supported multibase.
        `after`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.tree.diff`, over HTTP `GET /ipfs/tree/diff/{before}/{after}`.
        """
        ask = tree.TreeDiff.from_fields({"before": before, "after": after, "path": path, "backend": backend})
        return self._transport.items(subjects.TREE_DIFF, ask, timeout_s=timeout_s)

    def tree_export(
        self,
        root: str,
        *,
        since: str | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> Content[dag.CarHead]:
        """A tree, or what it has that an earlier one had not, as a CAR file.

        `root`: a CID, version 0 or 1, in any supported multibase.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.ipfs.tree.export`, over HTTP `GET /ipfs/tree/export/{root}`.
        """
        ask = tree.TreeExport.from_fields({"root": root, "since": since, "backend": backend})
        return Content(lambda: self._transport.open(subjects.TREE_EXPORT, ask, timeout_s=timeout_s))

    async def file_write(
        self,
        source: Source,
        *,
        cid: str | None = None,
        offset: int | None = None,
        truncate: bool = False,
        size_bytes: int | None = None,
        keep: str | None = None,
        keep_s: float | None = None,
        profile: Literal["unixfs-v1-2025", "unixfs-v0-2015"] = "unixfs-v1-2025",
        raw_leaves: bool | None = None,
        cid_version: Literal[0, 1] | None = None,
        chunk_bytes: int | None = None,
        max_links: int | None = None,
        hash: str | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> tree.FileWritten:
        """Make another file of a file: bytes written at an offset or at its end.

        `cid`: the file to begin with; without it, an empty one.
        `offset`: where to write; by default at the end.
        `size_bytes`: cut or fill the file to this size at the end.
        `backend`: which back end answers; by default the first configured.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.file.write`, over HTTP `POST /ipfs/file/write`.
        """
        return await upload(
            self._transport,
            subjects.FILE_WRITE,
            source,
            {
                "cid": cid,
                "offset": offset,
                "truncate": truncate,
                "size_bytes": size_bytes,
                "keep": keep,
                "keep_s": keep_s,
                "profile": profile,
                "raw_leaves": raw_leaves,
                "cid_version": cid_version,
                "chunk_bytes": chunk_bytes,
                "max_links": max_links,
                "hash": hash,
                "backend": backend,
            },
            progress=progress,
            timeout_s=timeout_s,
        )

    async def root_set(
        self,
        name: str,
        cid: str,
        *,
        expires_in_s: float | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.NamedRoot:
        """Keep a DAG under a name, as far as it is here.

        `name`: name of a named root.
        `cid`: a CID, version 0 or 1, in any supported multibase.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.root.set`, over HTTP `POST /ipfs/root/set`.
        """
        ask = tree.RootSet.from_fields(
            {"name": name, "cid": cid, "expires_in_s": expires_in_s, "backend": backend}
        )
        return await self._transport.request(subjects.ROOT_SET, ask, timeout_s=timeout_s)

    async def root_rm(
        self,
        names: list[str],
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.RootsRemoved:
        """Let named roots go.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.root.rm`, over HTTP `POST /ipfs/root/rm`.
        """
        ask = tree.RootsRemove.from_fields({"names": names, "backend": backend})
        return await self._transport.request(subjects.ROOTS_RM, ask, timeout_s=timeout_s)

    def root_ls(
        self,
        *,
        prefix: str = "",
        after: str = "",
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[tree.NamedRoot]:
        """The named roots.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.root.ls`, over HTTP `GET /ipfs/root/ls`.
        """
        ask = tree.RootList.from_fields({"prefix": prefix, "after": after, "backend": backend})
        return self._transport.items(subjects.ROOTS, ask, timeout_s=timeout_s)

    async def upload_create(
        self,
        *,
        size_bytes: int | None = None,
        metadata: str = "",
        filename: str | None = None,
        expires_in_s: float = 86400.0,
        profile: Literal["unixfs-v1-2025", "unixfs-v0-2015"] = "unixfs-v1-2025",
        pin: bool = True,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.UploadState:
        """Begin an upload that may be broken off and go on.

        `metadata`: the client's own, given back as it is.
        `pin`: pin the content when it is complete.
        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.upload.create`, over HTTP `POST /ipfs/upload/create`.
        """
        ask = tree.UploadCreate.from_fields(
            {
                "size_bytes": size_bytes,
                "metadata": metadata,
                "filename": filename,
                "expires_in_s": expires_in_s,
                "profile": profile,
                "pin": pin,
                "backend": backend,
            }
        )
        return await self._transport.request(subjects.UPLOAD_CREATE, ask, timeout_s=timeout_s)

    async def upload_append(
        self,
        source: Source,
        id: str,
        offset: int,
        *,
        checksum: str | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> tree.UploadState:
        """The next bytes of an upload.

        `checksum`: `<algorithm> <base64 digest>` of this stream; nothing is kept if it differs.
        `backend`: which back end answers; by default the first configured.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.ipfs.upload.append`, over HTTP `POST /ipfs/upload/append/{id}`.
        """
        return await upload(
            self._transport,
            subjects.UPLOAD_APPEND,
            source,
            {"id": id, "offset": offset, "checksum": checksum, "backend": backend},
            progress=progress,
            timeout_s=timeout_s,
        )

    async def upload_stat(
        self,
        id: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.UploadState:
        """How far an upload is.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.upload.stat`, over HTTP `GET /ipfs/upload/stat/{id}`.
        """
        ask = tree.UploadRequest.from_fields({"id": id, "backend": backend})
        return await self._transport.request(subjects.UPLOAD_STAT, ask, timeout_s=timeout_s)

    async def upload_finish(
        self,
        id: str,
        *,
        size_bytes: int | None = None,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.UploadState:
        """Complete an upload whose size was not known.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.upload.finish`, over HTTP `POST /ipfs/upload/finish/{id}`.
        """
        ask = tree.UploadFinish.from_fields({"id": id, "size_bytes": size_bytes, "backend": backend})
        return await self._transport.request(subjects.UPLOAD_FINISH, ask, timeout_s=timeout_s)

    async def upload_cancel(
        self,
        id: str,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> tree.UploadState:
        """Give an upload up, and its space free.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.upload.cancel`, over HTTP `POST /ipfs/upload/cancel/{id}`.
        """
        ask = tree.UploadRequest.from_fields({"id": id, "backend": backend})
        return await self._transport.request(subjects.UPLOAD_CANCEL, ask, timeout_s=timeout_s)

    def upload_ls(
        self,
        *,
        backend: Literal["embedded", "kubo", "gateway", "simulation"] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[tree.UploadState]:
        """The uploads that are under way.

        `backend`: which back end answers; by default the first configured.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.ipfs.upload.ls`, over HTTP `GET /ipfs/upload/ls`.
        """
        ask = tree.UploadList.from_fields({"backend": backend})
        return self._transport.items(subjects.UPLOADS, ask, timeout_s=timeout_s)


class Cache(Namespace):
    """Owns the content cache and the CID index."""

    def get(
        self,
        cid: str,
        *,
        path: str = "",
        offset: int = 0,
        length: int | None = None,
        redirect: bool = False,
        timeout_s: float | None = None,
    ) -> Content[cache.CachedHead]:
        """The bytes of a file by way of the cache, or a range of them.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `redirect`: answer `not_cached` for what the cache would only pass on to the caller.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.get`, over HTTP `GET /cache/get/{cid}`.
        """
        ask = cache.CacheGet.from_fields(
            {"cid": cid, "path": path, "offset": offset, "length": length, "redirect": redirect}
        )
        return Content(lambda: self._transport.open(subjects.CACHE_GET, ask, timeout_s=timeout_s))

    async def put(
        self, source: Source, cid: str, *, progress: Progress | None = None, timeout_s: float | None = None
    ) -> cache.CacheKept:
        """Keep a block in the cache.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.put`, over HTTP `POST /cache/put`.
        """
        return await upload(
            self._transport, subjects.CACHE_PUT, source, {"cid": cid}, progress=progress, timeout_s=timeout_s
        )

    async def invalidate(
        self, cids: list[str], *, negative: bool = False, timeout_s: float | None = None
    ) -> cache.CacheInvalidated:
        """Forget cached content.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.invalidate`, over HTTP `POST /cache/invalidate`.
        """
        ask = cache.CacheInvalidate.from_fields({"cids": cids, "negative": negative})
        return await self._transport.request(subjects.CACHE_INVALIDATE, ask, timeout_s=timeout_s)

    async def clear(
        self, *, tier: Literal["memory", "disk"] | None = None, timeout_s: float | None = None
    ) -> cache.CacheInvalidated:
        """Empty the cache or one of its tiers.

        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.cache.clear`, over HTTP `POST /cache/clear`.
        """
        ask = cache.CacheClear.from_fields({"tier": tier})
        return await self._transport.request(subjects.CACHE_CLEAR, ask, timeout_s=timeout_s)

    async def warm(self, cids: list[str], *, timeout_s: float | None = None) -> cache.CacheWarmed:
        """Bring files into the cache.

        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.cache.warm`, over HTTP `POST /cache/warm`.
        """
        ask = cache.CacheWarm.from_fields({"cids": cids})
        return await self._transport.request(subjects.CACHE_WARM, ask, timeout_s=timeout_s)

    async def stats(self, *, timeout_s: float | None = None) -> cache.CacheStats:
        """What the cache holds and how well it does.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.stats`, over HTTP `GET /cache/stats`.
        """
        ask = cache.CacheStatsRequest.from_fields({})
        return await self._transport.request(subjects.CACHE_STATS, ask, timeout_s=timeout_s)

    async def policy(
        self, *, policy: Literal["heat", "s3-fifo", "lru"] | None = None, timeout_s: float | None = None
    ) -> cache.PolicyState:
        """Which policy fills the cache, or another from now on.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.policy`, over HTTP `POST /cache/policy`.
        """
        ask = cache.PolicyRequest.from_fields({"policy": policy})
        return await self._transport.request(subjects.CACHE_POLICY, ask, timeout_s=timeout_s)

    async def touch(
        self, accesses: list[cache.Access], *, timeout_s: float | None = None
    ) -> cache.CacheTouched:
        """Note reads that were answered elsewhere.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.touch`, which HTTP does not have.
        """
        ask = cache.CacheTouch.from_fields({"accesses": accesses})
        return await self._transport.request(subjects.CACHE_TOUCH, ask, timeout_s=timeout_s)

    async def cid_get(
        self, cid: str, *, select: list[str] | None = None, timeout_s: float | None = None
    ) -> cache.CidRow:
        """What is known about a CID.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.cid.get`, over HTTP `GET /cache/cid/{cid}`.
        """
        ask = cache.CidGet.from_fields({"cid": cid, "select": select})
        return await self._transport.request(subjects.CID_GET, ask, timeout_s=timeout_s)

    async def cid_put(
        self, cid: str, metadata: dict[str, object], *, timeout_s: float | None = None
    ) -> cache.CidRow:
        """Write what is known about a CID.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `metadata`: values by column; times as Unix seconds.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.cid.put`, over HTTP `POST /cache/cid/put`.
        """
        ask = cache.CidPut.from_fields({"cid": cid, "metadata": metadata})
        return await self._transport.request(subjects.CID_PUT, ask, timeout_s=timeout_s)

    async def cid_update(
        self, cid: str, metadata: dict[str, object], *, timeout_s: float | None = None
    ) -> cache.CidRow:
        """Change what is known about a CID.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `metadata`: values by column; times as Unix seconds.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.cid.update`, over HTTP `POST /cache/cid/update`.
        """
        ask = cache.CidUpdate.from_fields({"cid": cid, "metadata": metadata})
        return await self._transport.request(subjects.CID_UPDATE, ask, timeout_s=timeout_s)

    async def cid_delete(self, cids: list[str], *, timeout_s: float | None = None) -> cache.CidDeleted:
        """Forget what is known about CIDs.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.cid.delete`, over HTTP `POST /cache/cid/delete`.
        """
        ask = cache.CidDelete.from_fields({"cids": cids})
        return await self._transport.request(subjects.CID_DELETE, ask, timeout_s=timeout_s)

    async def cid_batch(
        self,
        *,
        put: list[cache.CidPut] | None = None,
        update: list[cache.CidUpdate] | None = None,
        delete: list[str] | None = None,
        get: list[str] | None = None,
        timeout_s: float | None = None,
    ) -> cache.CidBatched:
        """Write, change, forget and read rows of many CIDs.

        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.cache.cid.batch`, over HTTP `POST /cache/cid/batch`.
        """
        ask = cache.CidBatch.from_fields({"put": put, "update": update, "delete": delete, "get": get})
        return await self._transport.request(subjects.CID_BATCH, ask, timeout_s=timeout_s)

    def query(
        self,
        *,
        filter: dict[str, object] | None = None,
        select: list[str] | None = None,
        sort: list[str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        paged: bool = False,
        timeout_s: float | None = None,
    ) -> Items[cache.QueryHead, cache.CidRow]:
        """Rows of the index that match a filter.

        `filter`: conditions by column, as MongoDB writes them: $eq $ne $gt $gte $lt $lte $in $nin $and $or
            $not $exists $contains $regex.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.cache.query`, over HTTP `POST /cache/query`.
        """
        ask = cache.QueryRequest.from_fields(
            {
                "filter": filter,
                "select": select,
                "sort": sort,
                "limit": limit,
                "cursor": cursor,
                "paged": paged,
            }
        )
        return Items(lambda: self._transport.open_items(subjects.QUERY, ask, timeout_s=timeout_s))

    def query_arrow(
        self,
        *,
        filter: dict[str, object] | None = None,
        select: list[str] | None = None,
        sort: list[str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        paged: bool = False,
        timeout_s: float | None = None,
    ) -> Content[cache.TableHead]:
        """Rows of the index that match a filter, as an Arrow IPC stream.

        `filter`: conditions by column, as MongoDB writes them: $eq $ne $gt $gte $lt $lte $in $nin $and $or
            $not $exists $contains $regex.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.cache.query.arrow`, over HTTP `POST /cache/query.arrow`.
        """
        ask = cache.QueryRequest.from_fields(
            {
                "filter": filter,
                "select": select,
                "sort": sort,
                "limit": limit,
                "cursor": cursor,
                "paged": paged,
            }
        )
        return Content(lambda: self._transport.open(subjects.QUERY_ARROW, ask, timeout_s=timeout_s))

    async def explain(
        self,
        *,
        filter: dict[str, object] | None = None,
        select: list[str] | None = None,
        sort: list[str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        paged: bool = False,
        timeout_s: float | None = None,
    ) -> cache.Explained:
        """How a query would be answered.

        `filter`: conditions by column, as MongoDB writes them: $eq $ne $gt $gte $lt $lte $in $nin $and $or
            $not $exists $contains $regex.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.explain`, over HTTP `POST /cache/explain`.
        """
        ask = cache.QueryRequest.from_fields(
            {
                "filter": filter,
                "select": select,
                "sort": sort,
                "limit": limit,
                "cursor": cursor,
                "paged": paged,
            }
        )
        return await self._transport.request(subjects.EXPLAIN, ask, timeout_s=timeout_s)

    async def aggregate(
        self,
        aggregates: dict[str, object],
        *,
        filter: dict[str, object] | None = None,
        group_by: list[str] | None = None,
        timeout_s: float | None = None,
    ) -> cache.Aggregated:
        """Counts, sums and histograms of rows, also by group.

        `filter`: conditions by column, as MongoDB writes them: $eq $ne $gt $gte $lt $lte $in $nin $and $or
            $not $exists $contains $regex.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.cache.aggregate`, over HTTP `POST /cache/aggregate`.
        """
        ask = cache.AggregateRequest.from_fields(
            {"aggregates": aggregates, "filter": filter, "group_by": group_by}
        )
        return await self._transport.request(subjects.AGGREGATE, ask, timeout_s=timeout_s)

    def top(
        self, *, limit: int = 100, select: list[str] | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[cache.CidRow]:
        """The hottest CIDs.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.top`, over HTTP `GET /cache/top`.
        """
        ask = cache.TopRequest.from_fields({"limit": limit, "select": select})
        return self._transport.items(subjects.TOP, ask, timeout_s=timeout_s)

    async def index_stats(self, *, timeout_s: float | None = None) -> cache.IndexStats:
        """What the index holds.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.index.stats`, over HTTP `GET /cache/index/stats`.
        """
        ask = cache.IndexStatsRequest.from_fields({})
        return await self._transport.request(subjects.INDEX_STATS, ask, timeout_s=timeout_s)

    async def schema_get(self, *, timeout_s: float | None = None) -> cache.IndexSchema:
        """The columns of the index.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.schema.get`, over HTTP `GET /cache/schema`.
        """
        ask = cache.SchemaRequest.from_fields({})
        return await self._transport.request(subjects.INDEX_SCHEMA, ask, timeout_s=timeout_s)

    async def schema_change(
        self,
        *,
        add: str | None = None,
        rename: str | None = None,
        widen: str | None = None,
        to: str | None = None,
        type: str | None = None,
        timeout_s: float | None = None,
    ) -> cache.IndexSchema:
        """Add, rename or widen a column of the index.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.cache.schema.change`, over HTTP `POST /cache/schema`.
        """
        ask = cache.SchemaChange.from_fields(
            {"add": add, "rename": rename, "widen": widen, "to": to, "type": type}
        )
        return await self._transport.request(subjects.INDEX_SCHEMA_CHANGE, ask, timeout_s=timeout_s)

    async def optimize(
        self,
        *,
        workload: Literal[
            "read_heavy", "write_heavy", "analytical", "mixed", "time_series", "metadata", "cid_focused"
        ]
        | None = None,
        apply: bool = False,
        timeout_s: float | None = None,
    ) -> cache.Optimized:
        """Fit the index to how it is used.

        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.cache.optimize`, over HTTP `POST /cache/optimize`.
        """
        ask = cache.OptimizeRequest.from_fields({"workload": workload, "apply": apply})
        return await self._transport.request(subjects.OPTIMIZE, ask, timeout_s=timeout_s)

    async def compact(self, *, full: bool = True, timeout_s: float | None = None) -> cache.Compacted:
        """Merge the runs of the index.

        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.cache.compact`, over HTTP `POST /cache/compact`.
        """
        ask = cache.CompactRequest.from_fields({"full": full})
        return await self._transport.request(subjects.COMPACT, ask, timeout_s=timeout_s)

    async def verify(self, *, timeout_s: float | None = None) -> cache.IndexVerified:
        """Read every file of the cache and the index and repair what can be.

        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.cache.verify`, over HTTP `POST /cache/verify`.
        """
        ask = cache.VerifyRequest.from_fields({})
        return await self._transport.request(subjects.INDEX_VERIFY, ask, timeout_s=timeout_s)

    def export(
        self, *, format: Literal["parquet", "arrow"] = "parquet", timeout_s: float | None = None
    ) -> Content[cache.TableHead]:
        """The whole index as a Parquet file or an Arrow IPC stream.

        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.cache.export`, over HTTP `GET /cache/export`.
        """
        ask = cache.ExportRequest.from_fields({"format": format})
        return Content(lambda: self._transport.open(subjects.EXPORT, ask, timeout_s=timeout_s))


class Journal(Namespace):
    """Owns the file tree and its journal."""

    async def mkdir(
        self,
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        parents: bool = False,
        exist_ok: bool = False,
        mode: int | None = None,
        mtime: float | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Make a directory.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `parents`: make what is missing above it; then it may exist.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.mkdir`, over HTTP `POST /fs-journal/mkdir`.
        """
        ask = journal.MakeDirectory.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "path": path,
                "parents": parents,
                "exist_ok": exist_ok,
                "mode": mode,
                "mtime": mtime,
            }
        )
        return await self._transport.request(subjects.FS_MKDIR, ask, timeout_s=timeout_s)

    async def write(
        self,
        source: Source,
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        offset: int = 0,
        append: bool = False,
        truncate: bool = False,
        create: bool = True,
        parents: bool = False,
        mode: int | None = None,
        mtime: float | None = None,
        progress: Progress | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Write into a file: at an offset, at its end, or all of it.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `append`: write at the end; `offset` must be 0.
        `truncate`: the file ends where the written bytes end.
        `create`: make the file if it is missing.
        `source`: text, bytes, an async iterable of bytes, or the Path of a file.
        `progress`: called with the number of bytes sent so far.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.journal.write`, over HTTP `POST /journal/write`.
        """
        return await upload(
            self._transport,
            subjects.FS_WRITE,
            source,
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "path": path,
                "offset": offset,
                "append": append,
                "truncate": truncate,
                "create": create,
                "parents": parents,
                "mode": mode,
                "mtime": mtime,
            },
            progress=progress,
            timeout_s=timeout_s,
        )

    async def put(
        self,
        path: str,
        cid: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        parents: bool = False,
        overwrite: bool = True,
        mode: int | None = None,
        mtime: float | None = None,
        release: str | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Place content that has a CID at a path.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `cid`: a CID, version 0 or 1, in any supported multibase.
        `overwrite`: replace a file (never a directory with something in it).
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.put`, over HTTP `POST /journal/put`.
        """
        ask = journal.PutContent.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "path": path,
                "cid": cid,
                "parents": parents,
                "overwrite": overwrite,
                "mode": mode,
                "mtime": mtime,
                "release": release,
            }
        )
        return await self._transport.request(subjects.FS_PUT, ask, timeout_s=timeout_s)

    async def truncate(
        self,
        path: str,
        size_bytes: int,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Cut a file to a size, or fill it up with zeros.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.truncate`, over HTTP `POST /journal/truncate`.
        """
        ask = journal.TruncateFile.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "path": path,
                "size_bytes": size_bytes,
            }
        )
        return await self._transport.request(subjects.FS_TRUNCATE, ask, timeout_s=timeout_s)

    async def rm(
        self,
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        recursive: bool = False,
        missing_ok: bool = False,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Remove a file, a link or a directory.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.rm`, over HTTP `POST /fs-journal/remove`.
        """
        ask = journal.RemoveEntry.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "path": path,
                "recursive": recursive,
                "missing_ok": missing_ok,
            }
        )
        return await self._transport.request(subjects.FS_RM, ask, timeout_s=timeout_s)

    async def mv(
        self,
        source: str,
        destination: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        parents: bool = False,
        overwrite: bool = True,
        exact: bool = False,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Give an entry another path.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `source`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `destination`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `exact`: the destination is the new path itself, never a folder to put it in.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.mv`, over HTTP `POST /fs-journal/move`.
        """
        ask = journal.MoveEntry.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "source": source,
                "destination": destination,
                "parents": parents,
                "overwrite": overwrite,
                "exact": exact,
            }
        )
        return await self._transport.request(subjects.FS_MV, ask, timeout_s=timeout_s)

    async def cp(
        self,
        source: str,
        destination: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        parents: bool = False,
        overwrite: bool = False,
        exact: bool = False,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Place an entry at a second path.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `source`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `destination`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.cp`, over HTTP `POST /journal/cp`.
        """
        ask = journal.CopyEntry.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "source": source,
                "destination": destination,
                "parents": parents,
                "overwrite": overwrite,
                "exact": exact,
            }
        )
        return await self._transport.request(subjects.FS_CP, ask, timeout_s=timeout_s)

    async def symlink(
        self,
        path: str,
        target: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        parents: bool = False,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Make a symbolic link.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.symlink`, over HTTP `POST /journal/symlink`.
        """
        ask = journal.MakeLink.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "path": path,
                "target": target,
                "parents": parents,
            }
        )
        return await self._transport.request(subjects.FS_SYMLINK, ask, timeout_s=timeout_s)

    async def metadata(
        self,
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        if_cid: str | None = None,
        mode: int | None = None,
        mtime: float | None = None,
        clear: bool = False,
        create: bool = False,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Set mode and time of an entry.

        `if_root`: only if the whole tree is this one now.
        `if_cid`: only if the entry at the path has this CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `create`: make an empty file if there is none.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.metadata`, over HTTP `POST /journal/metadata`.
        """
        ask = journal.SetMetadata.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "if_cid": if_cid,
                "path": path,
                "mode": mode,
                "mtime": mtime,
                "clear": clear,
                "create": create,
            }
        )
        return await self._transport.request(subjects.FS_METADATA, ask, timeout_s=timeout_s)

    async def touch(
        self,
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        mtime: float | None = None,
        create: bool = True,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Set the time of an entry, making an empty file if there is none.

        `if_root`: only if the whole tree is this one now.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.touch`, over HTTP `POST /journal/touch`.
        """
        ask = journal.Touch.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "path": path,
                "mtime": mtime,
                "create": create,
            }
        )
        return await self._transport.request(subjects.FS_TOUCH, ask, timeout_s=timeout_s)

    async def chmod(
        self,
        path: str,
        mode: int,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Set the mode of an entry.

        `if_root`: only if the whole tree is this one now.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `mode`: pOSIX permission bits: a number, or text in octal such as `0644`.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.chmod`, over HTTP `POST /journal/chmod`.
        """
        ask = journal.Chmod.from_fields(
            {"transaction": transaction, "sync": sync, "if_root": if_root, "path": path, "mode": mode}
        )
        return await self._transport.request(subjects.FS_CHMOD, ask, timeout_s=timeout_s)

    async def mount(
        self,
        cid: str,
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Place the content of a CID at a path, with the directories above it.

        `if_root`: only if the whole tree is this one now.
        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.mount`, over HTTP `POST /fs-journal/mount`.
        """
        ask = journal.Mount.from_fields(
            {"transaction": transaction, "sync": sync, "if_root": if_root, "cid": cid, "path": path}
        )
        return await self._transport.request(subjects.FS_MOUNT, ask, timeout_s=timeout_s)

    async def unmount(
        self,
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Take what was mounted out of the tree.

        `if_root`: only if the whole tree is this one now.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.unmount`, over HTTP `POST /journal/unmount`.
        """
        ask = journal.Unmount.from_fields(
            {"transaction": transaction, "sync": sync, "if_root": if_root, "path": path}
        )
        return await self._transport.request(subjects.FS_UNMOUNT, ask, timeout_s=timeout_s)

    async def restore(
        self,
        at: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        path: str = "/",
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Bring a path back as it was.

        `if_root`: only if the whole tree is this one now.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `at`: a sequence, `@` and a Unix time, or a root CID.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.restore`, over HTTP `POST /journal/restore`.
        """
        ask = journal.Restore.from_fields(
            {"transaction": transaction, "sync": sync, "if_root": if_root, "path": path, "at": at}
        )
        return await self._transport.request(subjects.FS_RESTORE, ask, timeout_s=timeout_s)

    async def apply(
        self,
        operations: list[
            tree.Mkdir
            | tree.Put
            | tree.Write
            | tree.Truncate
            | tree.Remove
            | tree.Move
            | tree.Copy
            | tree.Symlink
            | tree.Metadata
        ],
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """Several operations as one: all or none.

        `if_root`: only if the whole tree is this one now.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.apply`, over HTTP `POST /journal/apply`.
        """
        ask = journal.Apply.from_fields(
            {"transaction": transaction, "sync": sync, "if_root": if_root, "operations": operations}
        )
        return await self._transport.request(subjects.FS_APPLY, ask, timeout_s=timeout_s)

    async def begin(
        self, *, expires_in_s: float = 300.0, timeout_s: float | None = None
    ) -> journal.TransactionInfo:
        """Begin a transaction.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.begin`, over HTTP `POST /journal/begin`.
        """
        ask = journal.Begin.from_fields({"expires_in_s": expires_in_s})
        return await self._transport.request(subjects.FS_BEGIN, ask, timeout_s=timeout_s)

    async def commit(self, transaction: str, *, timeout_s: float | None = None) -> journal.Changed:
        """Make what a transaction has done so for everybody.

        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.commit`, over HTTP `POST /journal/commit`.
        """
        ask = journal.End.from_fields({"transaction": transaction})
        return await self._transport.request(subjects.FS_COMMIT, ask, timeout_s=timeout_s)

    async def rollback(self, transaction: str, *, timeout_s: float | None = None) -> journal.TransactionInfo:
        """Forget what a transaction has done.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.rollback`, over HTTP `POST /journal/rollback`.
        """
        ask = journal.End.from_fields({"transaction": transaction})
        return await self._transport.request(subjects.FS_ROLLBACK, ask, timeout_s=timeout_s)

    def transactions(
        self,
        *,
        status: Literal["all", "pending", "completed", "failed", "rolled_back"] = "all",
        limit: int = 10,
        timeout_s: float | None = None,
    ) -> AsyncIterator[journal.TransactionInfo]:
        """Transactions, open ones and past ones.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.transactions`, over HTTP `GET /fs-journal/transactions`.
        """
        ask = journal.TransactionList.from_fields({"status": status, "limit": limit})
        return self._transport.items(subjects.FS_TRANSACTIONS, ask, timeout_s=timeout_s)

    async def record(
        self,
        operation_type: Literal[
            "create", "delete", "rename", "write", "truncate", "metadata", "checkpoint", "mount", "unmount"
        ],
        path: str,
        *,
        transaction: str | None = None,
        sync: Literal["now", "batch"] = "now",
        if_root: str | None = None,
        data: dict[str, object] | None = None,
        metadata: dict[str, object] | None = None,
        timeout_s: float | None = None,
    ) -> journal.Changed:
        """One operation in the words of the journal: create, delete, rename, write, ….

        `if_root`: only if the whole tree is this one now.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.record`, over HTTP `POST /fs-journal/transactions`.
        """
        ask = journal.Recorded.from_fields(
            {
                "transaction": transaction,
                "sync": sync,
                "if_root": if_root,
                "operation_type": operation_type,
                "path": path,
                "data": data,
                "metadata": metadata,
            }
        )
        return await self._transport.request(subjects.FS_RECORD, ask, timeout_s=timeout_s)

    async def stat(
        self,
        *,
        at: str | None = None,
        transaction: str | None = None,
        path: str = "/",
        follow: bool = False,
        timeout_s: float | None = None,
    ) -> journal.PathStat:
        """What stands at a path.

        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `follow`: follow symbolic links.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.stat`, over HTTP `GET /journal/stat`.
        """
        ask = journal.StatPath.from_fields(
            {"at": at, "transaction": transaction, "path": path, "follow": follow}
        )
        return await self._transport.request(subjects.FS_STAT, ask, timeout_s=timeout_s)

    def read(
        self,
        path: str,
        *,
        at: str | None = None,
        transaction: str | None = None,
        offset: int = 0,
        length: int | None = None,
        timeout_s: float | None = None,
    ) -> Content[ipfs.FileHead]:
        """The bytes of a file of the tree, or a range of them.

        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.read`, over HTTP `GET /fs-journal/read`.
        """
        ask = journal.ReadFile.from_fields(
            {"at": at, "transaction": transaction, "path": path, "offset": offset, "length": length}
        )
        return Content(lambda: self._transport.open(subjects.FS_READ, ask, timeout_s=timeout_s))

    def ls(
        self,
        *,
        at: str | None = None,
        transaction: str | None = None,
        path: str = "/",
        recursive: bool = False,
        details: bool = True,
        timeout_s: float | None = None,
    ) -> Items[journal.ListHead, tree.TreeEntry]:
        """The entries of a directory.

        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.ls`, over HTTP `GET /fs-journal/ls`.
        """
        ask = journal.ListPath.from_fields(
            {"at": at, "transaction": transaction, "path": path, "recursive": recursive, "details": details}
        )
        return Items(lambda: self._transport.open_items(subjects.FS_LS, ask, timeout_s=timeout_s))

    def find(
        self,
        *,
        at: str | None = None,
        transaction: str | None = None,
        path: str = "/",
        glob: str | None = None,
        type: Literal["file", "directory", "symlink"] | None = None,
        max_depth: int | None = None,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> Items[journal.ListHead, tree.TreeEntry]:
        """Entries below a path, by glob, type and depth.

        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.find`, over HTTP `GET /journal/find`.
        """
        ask = journal.FindPath.from_fields(
            {
                "at": at,
                "transaction": transaction,
                "path": path,
                "glob": glob,
                "type": type,
                "max_depth": max_depth,
                "limit": limit,
            }
        )
        return Items(lambda: self._transport.open_items(subjects.FS_FIND, ask, timeout_s=timeout_s))

    async def du(
        self,
        *,
        at: str | None = None,
        transaction: str | None = None,
        path: str = "/",
        timeout_s: float | None = None,
    ) -> tree.Usage:
        """What a path takes.

        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.du`, over HTTP `GET /journal/du`.
        """
        ask = journal.UsePath.from_fields({"at": at, "transaction": transaction, "path": path})
        return await self._transport.request(subjects.FS_DU, ask, timeout_s=timeout_s)

    def diff(
        self, before: str, *, after: str | None = None, path: str = "/", timeout_s: float | None = None
    ) -> Items[journal.DiffHead, tree.Difference]:
        """What differs between two states of the tree.

        `before`: a sequence, `@` and a Unix time, or a root CID.
        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.diff`, over HTTP `GET /journal/diff`.
        """
        ask = journal.DiffStates.from_fields({"before": before, "after": after, "path": path})
        return Items(lambda: self._transport.open_items(subjects.FS_DIFF, ask, timeout_s=timeout_s))

    async def export(
        self,
        *,
        at: str | None = None,
        transaction: str | None = None,
        path: str = "/",
        pin: bool = False,
        timeout_s: float | None = None,
    ) -> journal.Exported:
        """The CID of a path.

        `path`: a path from the root of the tree, such as `/photos/2026`; `/` is the root itself.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.export`, over HTTP `POST /fs-journal/export`.
        """
        ask = journal.ExportPath.from_fields({"at": at, "transaction": transaction, "path": path, "pin": pin})
        return await self._transport.request(subjects.FS_EXPORT, ask, timeout_s=timeout_s)

    def log(
        self,
        *,
        after: int | None = None,
        limit: int = 100,
        path: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[journaling.Entry]:
        """Entries of the journal.

        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.journal.log`, over HTTP `GET /journal/log`.
        """
        ask = journaling.LogRequest.from_fields({"after": after, "limit": limit, "path": path})
        return self._transport.items(subjects.JOURNAL_LOG, ask, timeout_s=timeout_s)

    async def status(self, *, timeout_s: float | None = None) -> journaling.JournalStatus:
        """The journal in numbers.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.status`, over HTTP `GET /cli/fs/journal-status`.
        """
        ask = journaling.StatusRequest.from_fields({})
        return await self._transport.request(subjects.JOURNAL_STATUS, ask, timeout_s=timeout_s)

    async def enable(
        self,
        *,
        journal_base_path: str = "~/.ipfs_kit/journal",
        auto_recovery: bool = True,
        sync_interval: float = 5,
        checkpoint_interval: float = 60,
        max_journal_size: int = 1000,
        timeout_s: float | None = None,
    ) -> journaling.JournalingEnabled:
        """Say where the journal's archive is and when it is written.

        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.enable`, over HTTP `POST /cli/fs/enable-journaling`.
        """
        ask = journaling.EnableJournaling.from_fields(
            {
                "journal_base_path": journal_base_path,
                "auto_recovery": auto_recovery,
                "sync_interval": sync_interval,
                "checkpoint_interval": checkpoint_interval,
                "max_journal_size": max_journal_size,
            }
        )
        return await self._transport.request(subjects.JOURNAL_ENABLE, ask, timeout_s=timeout_s)

    async def checkpoint(
        self, *, whole: bool = False, timeout_s: float | None = None
    ) -> journaling.Checkpoint:
        """Write the tree of now into the archive.

        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.journal.checkpoint`, over HTTP `POST /fs-journal/checkpoint`.
        """
        ask = journaling.CheckpointRequest.from_fields({"whole": whole})
        return await self._transport.request(subjects.JOURNAL_CHECKPOINT, ask, timeout_s=timeout_s)

    def checkpoints(self, *, timeout_s: float | None = None) -> AsyncIterator[journaling.Checkpoint]:
        """The checkpoints in the archive.

        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.journal.checkpoints`, over HTTP `GET /journal/checkpoints`.
        """
        ask = journaling.CheckpointList.from_fields({})
        return self._transport.items(subjects.JOURNAL_CHECKPOINTS, ask, timeout_s=timeout_s)

    async def recover(
        self, *, checkpoint_id: str | None = None, timeout_s: float | None = None
    ) -> journaling.Recovered:
        """Bring the tree back from its journal, its archive or a checkpoint.

        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.journal.recover`, over HTTP `POST /fs-journal/recover`.
        """
        ask = journaling.Recover.from_fields({"checkpoint_id": checkpoint_id})
        return await self._transport.request(subjects.JOURNAL_RECOVER, ask, timeout_s=timeout_s)

    async def verify(
        self, *, roots: bool = True, timeout_s: float | None = None
    ) -> journaling.JournalVerified:
        """Check the chain of the journal and its archive.

        `roots`: also look for the block of each root.
        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.journal.verify`, over HTTP `POST /journal/verify`.
        """
        ask = journaling.VerifyJournal.from_fields({"roots": roots})
        return await self._transport.request(subjects.JOURNAL_VERIFY, ask, timeout_s=timeout_s)

    async def forget(self, before: int, *, timeout_s: float | None = None) -> journaling.Truncated:
        """Forget old entries of the journal.

        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.journal.forget`, over HTTP `POST /journal/forget`.
        """
        ask = journaling.Truncation.from_fields({"before": before})
        return await self._transport.request(subjects.JOURNAL_TRUNCATE, ask, timeout_s=timeout_s)


class Media(Namespace):
    """Makes playlists, pictures and waveforms of files."""

    async def probe(self, cid: str, *, path: str = "", timeout_s: float | None = None) -> media.Probed:
        """What a file of audio or video holds.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 60 s by default.

        Asks `cidbus.media.probe`, over HTTP `GET /media/probe/{cid}`.
        """
        ask = media.Probe.from_fields({"cid": cid, "path": path})
        return await self._transport.request(subjects.PROBE, ask, timeout_s=timeout_s)

    async def hls(
        self,
        cid: str,
        *,
        path: str = "",
        id: str | None = None,
        pin: bool = False,
        segment_s: float = 6.0,
        timeout_s: float | None = None,
    ) -> media.Hls:
        """Package a video for HTTP Live Streaming, its segments as content.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 3600 s by default.

        Asks `cidbus.media.hls`, over HTTP `POST /media/hls`.
        """
        ask = media.PackageHls.from_fields(
            {"cid": cid, "path": path, "id": id, "pin": pin, "segment_s": segment_s}
        )
        return await self._transport.request(subjects.HLS, ask, timeout_s=timeout_s)

    async def thumbnail(
        self,
        cid: str,
        *,
        path: str = "",
        id: str | None = None,
        pin: bool = False,
        at_s: float = 0.0,
        width: int = 320,
        format: Literal["jpeg", "webp", "png"] = "jpeg",
        timeout_s: float | None = None,
    ) -> media.Thumbnail:
        """A picture out of a video.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 120 s by default.

        Asks `cidbus.media.thumbnail`, over HTTP `POST /media/thumbnail`.
        """
        ask = media.MakeThumbnail.from_fields(
            {"cid": cid, "path": path, "id": id, "pin": pin, "at_s": at_s, "width": width, "format": format}
        )
        return await self._transport.request(subjects.THUMBNAIL, ask, timeout_s=timeout_s)

    async def waveform(
        self,
        cid: str,
        *,
        path: str = "",
        id: str | None = None,
        pin: bool = False,
        points: int | None = None,
        points_per_s: float | None = None,
        timeout_s: float | None = None,
    ) -> media.Waveform:
        """The peaks of a sound.

        `cid`: a CID, version 0 or 1, in any supported multibase.
        `path`: a path below the CID, `/` between its names; empty for the CID itself.
        `timeout_s`: how long to wait for an answer or its next part, 600 s by default.

        Asks `cidbus.media.waveform`, over HTTP `POST /media/waveform`.
        """
        ask = media.MakeWaveform.from_fields(
            {"cid": cid, "path": path, "id": id, "pin": pin, "points": points, "points_per_s": points_per_s}
        )
        return await self._transport.request(subjects.WAVEFORM, ask, timeout_s=timeout_s)

    async def cancel(self, id: str, *, timeout_s: float | None = None) -> media.CancelledMedia:
        """Give work on a file up, unless others wait for it too.

        `id`: what events call this work, and `media.cancel` ends it by; the caller's choice.
        `timeout_s`: how long to wait for an answer or its next part, 30 s by default.

        Asks `cidbus.media.cancel`, over HTTP `POST /media/cancel`.
        """
        ask = media.CancelMedia.from_fields({"id": id})
        return await self._transport.request(subjects.MEDIA_CANCEL, ask, timeout_s=timeout_s)


class Methods:
    """One namespace per actor."""

    def __init__(self, transport: Transport) -> None:
        self.ipfs = Ipfs(transport)
        self.cache = Cache(transport)
        self.journal = Journal(transport)
        self.media = Media(transport)
