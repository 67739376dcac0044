"""`add`: a form of files becomes one tree in the actor, and its entries become Kubo's lines."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import hdrs

from ...schemas.cid import HASHES
from ...schemas.errors import BusError
from ...schemas.ipfs import MAX_CHUNK_BYTES, Added, AddedEntry, AddRequest, PathRequest
from ...schemas.journal import Apply
from ...schemas.subjects import ADD, FS_APPLY, LS
from ...schemas.tree import MAX_OPERATIONS, Put
from ..bodies import pieces
from .command import Argument, Call, Command, flag, number, text
from .errors import Failed, Unmet, words_of
from .paths import CidTexts
from .tree_paths import names_a_folder, present_entry_at, tree_path

__all__ = ["COMMANDS", "hash_option", "version_option"]

HASH_NAMES = frozenset(name for name, _, _ in HASHES.values())
# Options whose meaning cidbus does not have; they may be given as false, or as nothing.
REFUSED = {
    "trickle": "files are laid out balanced, not as trickle DAGs",
    "inline": "blocks are not put inside their CIDs",
    "nocopy": "blocks are kept in this node's own packs, not in files beside them",
    "fscache": "there is no filestore to look in",
    "preserve-mode": "modes are not stored",
    "preserve-mtime": "modification times are not stored",
    "mode": "modes are not stored",
    "mtime": "modification times are not stored",
    "mtime-nsecs": "modification times are not stored",
    "max-directory-links": "directories are sharded by their size",
    "max-hamt-fanout": "sharded directories have a fanout of 256",
}


async def add(call: Call) -> AsyncIterator[dict[str, Any]]:
    """A line for each entry, what is in a directory before it: `{"Name", "Hash", "Size"}`.

    With `progress` each file also has a line `{"Name", "Bytes"}`; lines begin when everything is stored.
    """
    ask = _ask(call)
    target = _target(call)
    encode = CidTexts(call)
    content = pieces(call.request, call.bridge.settings.max_upload_bytes, call.bridge)
    added = await call.bus.upload(ADD, ask, content)
    if target is not None:
        await _place(call, ask, added, target)
    if call.flag("silent"):
        return
    async for entry in _entries(call, ask, added):
        if call.flag("progress") and entry.type != "directory":
            yield {"Name": entry.path, "Bytes": entry.size_bytes}
        yield {"Name": entry.path, "Hash": encode(entry.cid), "Size": str(_dag_size(entry))}


def _dag_size(entry: AddedEntry) -> int:
    return entry.size_bytes if entry.dag_size_bytes is None else entry.dag_size_bytes


def _ask(call: Call) -> AddRequest:
    for name, why in REFUSED.items():
        if call.given(name) and call.value(name) not in (False, 0):
            raise Unmet(f"{name}: {why}")
    if call.text("pin-name") and not call.flag("pin"):
        raise Failed("pin-name option requires pin to be set")
    return AddRequest.from_fields(
        {
            "content_type": call.request.headers.get(hdrs.CONTENT_TYPE, ""),
            "profile": "unixfs-v0-2015",
            "like_kubo": True,
            "wrap": call.flag("wrap-with-directory"),
            "only_hash": call.flag("only-hash"),
            "pin": call.flag("pin"),
            "pin_name": call.text("pin-name") or None,
            "cid_version": version_option(call),
            "raw_leaves": call.choice("raw-leaves"),
            "chunk_bytes": _chunk_bytes(call.text("chunker")),
            "max_links": call.number("max-file-links"),
            "hash": hash_option(call),
        }
    )


def hash_option(call: Call) -> str | None:
    """The multihash that is asked for; raises Failed for one that there is not."""
    name = call.text("hash").lower()
    if name and name not in HASH_NAMES:
        raise Failed(f'unrecognized hash function: "{name[:64]}"')
    return name or None


def version_option(call: Call) -> int | None:
    """The CID version that is asked for; raises Failed for one that there is not."""
    version = call.number("cid-version")
    if version not in (None, 0, 1):
        raise Failed(f"unknown CID version: {version}")
    return version


def _chunk_bytes(chunker: str) -> int | None:
    """The bytes of `size-<bytes>`; raises Failed as Kubo does, Unmet for chunkers that look at content."""
    if chunker in ("", "default"):
        return None
    kind, _, size = chunker.partition("-")
    if kind in ("rabin", "buzhash"):
        raise Unmet(f"chunker: {kind} is not offered, only size-<bytes>")
    if kind != "size" or not size.isdecimal():
        raise Failed(f"unrecognized chunker option: {chunker[:64]}")
    if int(size) == 0:
        raise Failed("chunker size must be greater than 0")
    if int(size) > MAX_CHUNK_BYTES:
        raise Failed(f"chunker parameters may not exceed the maximum chunk size of {MAX_CHUNK_BYTES}")
    return int(size)


# ---- into the file tree ---------------------------------------------------------------------------------


def _target(call: Call) -> str | None:
    """Where in the tree, as it was asked for; raises Failed."""
    if not call.given("to-files"):
        return None
    for name in ("only-hash", "wrap-with-directory"):
        if call.flag(name):
            raise Failed(f"{name} and to-files options are not compatible")
    target = call.text("to-files") or "/"
    try:
        tree_path(target)
    except Failed as error:
        raise Failed(f"to-files: {error.message}") from error
    return target


async def _place(call: Call, ask: AddRequest, added: Added, target: str) -> None:
    """Place each top entry in a directory of the tree, named by a `/` at its end, or the only one at a path;
    all of them or none. Raises Failed."""
    path, below = tree_path(target), names_a_folder(target)
    if below:
        shown = f'to-files: MFS destination directory "{target[:200]}" does not exist: '
        await present_entry_at(call, path, prefix=shown)
    places: list[Put] = []
    async for entry in _entries(call, ask, added):
        if not entry.path or "/" in entry.path:
            continue
        if places and not below:
            raise Failed(f'to-files: MFS destination is a file: only one entry can be copied to "{path}"')
        if len(places) == MAX_OPERATIONS:
            raise Failed(f"to-files: more than {MAX_OPERATIONS} entries cannot be placed at once")
        place = posixpath.join(path, entry.path) if below else path
        places.append(Put(path=place, cid=entry.cid, overwrite=False))
    if not places:
        raise Failed("to-files: cannot add unnamed files to MFS")
    try:
        await call.bus.request(FS_APPLY, Apply.model_validate({"operations": places}))
    except BusError as error:
        raise Failed(f'to-files: cannot put node in path "{path}": {words_of(error)}') from error


# ---- lines ----------------------------------------------------------------------------------------------


async def _entries(call: Call, ask: AddRequest, added: Added) -> AsyncIterator[AddedEntry]:
    """Every entry. A reply has the first thousand; of a larger tree the rest is listed from the store."""
    listed = added.entries or []
    if added.entry_count == len(listed):
        for entry in listed:
            yield entry
        return
    if ask.only_hash:
        raise Unmet(f"only-hash: a tree of {added.entry_count} entries cannot be listed; add `silent`")
    if added.listing is None:
        raise Unmet(f"only the first {len(listed)} of {added.entry_count} entries are known")
    async for entry in _below(call, added.listing, ""):
        yield entry
    if ask.wrap:
        yield AddedEntry(
            path="", cid=added.cid, type="directory", size_bytes=0, dag_size_bytes=added.dag_size_bytes
        )


async def _below(call: Call, cid: str, path: str) -> AsyncIterator[AddedEntry]:
    # No deeper than a path may be; each level keeps one listing open.
    async for found in call.bus.items(LS, PathRequest(cid=cid)):
        below = f"{path}/{found.name}" if path else found.name
        if found.type == "directory":
            async for entry in _below(call, found.cid, below):
                yield entry
        yield AddedEntry(
            path=below,
            cid=found.cid,
            type=found.type,
            size_bytes=found.size_bytes,
            dag_size_bytes=found.dag_size_bytes,
        )


COMMANDS = (
    Command(
        "add", add, "Add a file or directory to IPFS.", (Argument("path", variadic=True, file=True),),
        (
            flag("recursive", "r"), flag("dereference-args"), text("stdin-name"), flag("hidden", "H"),
            flag("quiet", "q"), flag("quieter", "Q"), flag("silent"), flag("progress", "p"),
            flag("only-hash", "n"), flag("wrap-with-directory", "w"), flag("pin", default=True),
            text("pin-name"), text("to-files"), number("cid-version"), text("hash"), flag("raw-leaves"),
            text("chunker", "s"), flag("trickle", "t"), number("max-file-links"),
            number("max-directory-links"), number("max-hamt-fanout"), flag("inline"),
            number("inline-limit"), flag("nocopy"), flag("fscache"), flag("preserve-mode"),
            flag("preserve-mtime"), number("mode", kind="uint"), number("mtime", kind="int64"),
            number("mtime-nsecs", kind="uint"), flag("fast-provide-root"), flag("fast-provide-wait"),
        ),
    ),
)  # fmt: skip
