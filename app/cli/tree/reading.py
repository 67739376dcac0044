"""Looking into the file tree: ls, cat, get, stat, du, find."""

from __future__ import annotations

import re
import stat as modes
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..options import DATA_DIR, Folder, Json, Seed, Url
from ..output import fields, local_time, print_json, say, write_bytes
from ..talking import System
from .options import At, OneTreePath, RootByDefault, SeenInTransaction, TreePaths, name_of

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.journal import PathStat
    from cidbus.schemas.tree import TreeEntry

__all__ = ["cat", "du", "find", "get", "ls", "stat"]

MARKS = {"directory": "/", "symlink": "@"}
KINDS = {"file": modes.S_IFREG, "directory": modes.S_IFDIR, "symlink": modes.S_IFLNK}
TYPES: dict[str, Literal["file", "directory", "symlink"]] = {"f": "file", "d": "directory", "l": "symlink"}
# What is shown where a file does not say.
USUAL_MODES = {"file": 0o644, "directory": 0o755, "symlink": 0o777}


# ---- entries --------------------------------------------------------------------------------------------


def ls(
    path: RootByDefault = "/",
    long: Annotated[bool, typer.Option("--long", "-l", help="Mode, size, time and CID too.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="And all that is below.")] = False,
    at: At = None,
    transaction: SeenInTransaction = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List a directory; what is none is listed alone."""

    def show(entry: TreeEntry) -> None:
        name = _below(path, entry.path) if recursive and entry.path != path else entry.name
        print_json(entry) if as_json else say(_long(entry, name) if long else _marked(entry, name))

    async def work(client: Client) -> None:
        listing = client.journal.ls(
            path=path, recursive=recursive, details=long or as_json, at=at, transaction=transaction
        )
        is_empty = True
        async for entry in listing:
            is_empty = False
            show(entry)
        if is_empty:
            alone = await client.journal.stat(path=path, at=at, transaction=transaction)
            if alone.type != "directory":
                show(alone)

    System(url, seed, data_dir).talk(work)


def find(
    path: RootByDefault = "/",
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="GLOB", help="*.jpg at any depth, or 2026/**/*.jpg below PATH."),
    ] = None,
    kind: Annotated[
        Literal["f", "d", "l"] | None, typer.Option("--type", help="Only files, directories or links.")
    ] = None,
    max_depth: Annotated[int | None, typer.Option(min=0, help="How many directories deep.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    at: At = None,
    transaction: SeenInTransaction = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Print the paths of entries by name, type and depth."""

    async def work(client: Client) -> None:
        found = client.journal.find(
            path=path,
            glob=name,
            type=None if kind is None else TYPES[kind],
            max_depth=max_depth,
            limit=limit,
            at=at,
            transaction=transaction,
        )
        async for entry in found:
            print_json(entry) if as_json else say(entry.path)

    System(url, seed, data_dir).talk(work)


def stat(
    paths: TreePaths,
    follow: Annotated[bool, typer.Option("--follow", "-L", help="Follow symbolic links.")] = False,
    at: At = None,
    transaction: SeenInTransaction = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Say what stands at a path, and in which state of the tree."""

    async def work(client: Client) -> None:
        for path in paths:
            found = await client.journal.stat(path=path, follow=follow, at=at, transaction=transaction)
            print_json(found) if as_json else fields(found)

    System(url, seed, data_dir).talk(work)


def du(
    path: RootByDefault = "/",
    at: At = None,
    transaction: SeenInTransaction = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Say how much is below a path, as listed and as stored."""

    async def work(client: Client) -> None:
        usage = await client.journal.du(path=path, at=at, transaction=transaction)
        print_json(usage) if as_json else fields(usage)

    System(url, seed, data_dir).talk(work)


def _below(top: str, path: str) -> str:
    return path[len(top.rstrip("/")) + 1 :]


def _marked(entry: TreeEntry, name: str) -> str:
    return name + MARKS.get(entry.type, "")


def _long(entry: TreeEntry, name: str) -> str:
    mode = KINDS[entry.type] | (USUAL_MODES[entry.type] if entry.mode is None else entry.mode)
    when = "-" if entry.mtime is None else local_time(entry.mtime)
    target = "" if entry.target is None else f" -> {entry.target}"
    return f"{modes.filemode(mode)} {entry.size_bytes:>12} {when:>19} {entry.cid} {name}{target}"


# ---- content --------------------------------------------------------------------------------------------


def cat(
    paths: TreePaths,
    byte_range: Annotated[
        str | None, typer.Option("--range", metavar="FIRST-LAST", help="Bytes 0-99, 100- or the last -100.")
    ] = None,
    at: At = None,
    transaction: SeenInTransaction = None,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write the bytes of files, or a range of them, to stdout."""
    offset, length = _range(byte_range)

    async def work(client: Client) -> None:
        for path in paths:
            entry = await _file(client, path, at, transaction)
            async with client.ipfs.cat(entry.cid, offset=offset, length=length) as content:
                await write_bytes(content)

    System(url, seed, data_dir).talk(work)


async def _file(client: Client, path: str, at: str | None, transaction: str | None) -> PathStat:
    """The entry of a file; raises NotAFile for another one."""
    from cidbus.schemas.errors import NotAFile

    entry = await client.journal.stat(path=path, follow=True, at=at, transaction=transaction)
    if entry.type != "file":
        raise NotAFile(entry.cid, entry.type)
    return entry


def _range(text: str | None) -> tuple[int, int | None]:
    """Offset and length of a range as HTTP writes it, the last byte included."""
    if text is None:
        return 0, None
    found = re.fullmatch(r"(\d*)-(\d*)", text)
    if found is None or text == "-":
        raise typer.BadParameter(f"{text!r} is not FIRST-LAST, FIRST- or -COUNT", param_hint="--range")
    first, last = found.groups()
    if not first:
        return (-int(last), None) if int(last) else (0, 0)
    if not last:
        return int(first), None
    if int(last) < int(first):
        raise typer.BadParameter(f"{text!r} ends before it begins", param_hint="--range")
    return int(first), int(last) - int(first) + 1


def get(
    path: OneTreePath,
    output: Annotated[
        Path | None,
        typer.Argument(metavar="[LOCAL]", help="Where to put it: a new path, or a directory to put it into."),
    ] = None,
    at: At = None,
    transaction: SeenInTransaction = None,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Fetch a file or all that is below a directory.

    A file replaces one that is there; a directory replaces nothing: see `cidbus fs sync` for that.
    """

    async def work(client: Client) -> None:
        from ..getting import save_tree

        entry = await client.journal.stat(path=path, at=at, transaction=transaction)
        async with client.ipfs.get(entry.cid) as content:
            say(str(await save_tree(content, output, name_of(path) or entry.cid)))

    System(url, seed, data_dir).talk(work)
