"""Content in and out: add, cat, get, ls, stat."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DATA_DIR, Address, Folder, Json, Profile, Quiet, Seed, Url, split_address
from .output import fields, print_json, say, write_bytes
from .sending import STDIN, progress_bar, source_of
from .talking import System

if TYPE_CHECKING:
    from cidbus.client import Client, Source
    from cidbus.schemas.ipfs import Added

__all__ = ["add", "cat", "get", "ls", "stat"]


# ---- in -------------------------------------------------------------------------------------------------


def add(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files and directories; - is stdin.")],
    profile: Annotated[Profile, typer.Option(help="How content becomes blocks.")] = "unixfs-v1-2025",
    no_pin: Annotated[bool, typer.Option("--no-pin", help="Leave it to be collected.")] = False,
    name: Annotated[str | None, typer.Option(help="A name for the pin.")] = None,
    filename: Annotated[str | None, typer.Option(help="The name that stdin's content gets.")] = None,
    wrap: Annotated[bool, typer.Option("--wrap", "-w", help="Put everything into one directory.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", "-H", help="Include hidden entries.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Store content and print its CID; the same bytes always give the same CID."""
    options = {"profile": profile, "pin": not no_pin, "pin_name": name, "wrap": wrap, "hidden": hidden}

    async def work(client: Client) -> None:
        for source in _sources(paths, wrap):
            given = options | ({"filename": filename} if filename else {})
            with progress_bar(source, silent=quiet or as_json, hidden=hidden) as progress:
                added = await client.ipfs.add(source, progress=progress, **given)  # type: ignore[arg-type]
            _print_added(added, quiet, as_json)

    System(url, seed, data_dir).talk(work)


def _sources(paths: list[str], wrap: bool) -> Iterator[Source]:
    """What to add, one root each; everything at once when it is wrapped."""
    if wrap and len(paths) > 1:
        if STDIN in paths:
            raise typer.BadParameter("stdin cannot be wrapped together with files", param_hint="PATH")
        yield [Path(path) for path in paths]
    else:
        yield from map(source_of, paths)


def _print_added(added: Added, quiet: bool, as_json: bool) -> None:
    if as_json:
        print_json(added)
    elif quiet:
        say(added.cid)
    else:
        entries = added.entries or []
        for entry in entries:
            say(f"added {entry.cid} {entry.path}")
        if added.entry_count is not None and added.entry_count > len(entries):
            print(f"… and {added.entry_count - len(entries)} more", file=sys.stderr)
        if not entries or all(entry.cid != added.cid for entry in entries):
            say(f"added {added.cid} {added.filename or ''}".rstrip())


# ---- out ------------------------------------------------------------------------------------------------


def cat(
    address: Address,
    offset: Annotated[int, typer.Option(help="Where to begin; negative counts from the end.")] = 0,
    length: Annotated[int | None, typer.Option(help="How many bytes at most.", min=0)] = None,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write the bytes of a file, or a range of them, to stdout."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        async with client.ipfs.cat(cid, path=path, offset=offset, length=length) as content:
            await write_bytes(content)

    System(url, seed, data_dir).talk(work)


def get(
    address: Address,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to put it: a new path, or a directory to put it into."),
    ] = None,
    archive: Annotated[
        bool, typer.Option("--archive", "-a", help="Keep the tar archive; -o - is stdout.")
    ] = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Fetch a file or a whole tree, under its own name unless -o gives another.

    A file replaces one that is there; a directory replaces nothing. Nothing is ever written outside of the
    place that was asked for.
    """
    cid, path = split_address(address)
    name = [part for part in (cid, *path.split("/")) if part][-1]

    async def work(client: Client) -> None:
        from .getting import save_file, save_tree

        async with client.ipfs.get(cid, path=path) as content:
            if not archive:
                say(str(await save_tree(content, output, name)))
            elif str(output) == STDIN:
                await write_bytes(content)
            else:
                say(str(await save_file(content, output, f"{name}.tar")))

    System(url, seed, data_dir).talk(work)


def ls(
    address: Address,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List a directory: CID, size and name of each entry as it arrives."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        async for entry in client.ipfs.ls(cid, path=path):
            if as_json:
                print_json(entry)
            else:
                mark = {"directory": "/", "symlink": "@"}.get(entry.type, "")
                say(f"{entry.cid} {entry.size_bytes:>12} {entry.name}{mark}")

    System(url, seed, data_dir).talk(work)


def stat(
    address: Address,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Say what a path is and how large."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        found = await client.ipfs.stat(cid, path=path)
        print_json(found) if as_json else fields(found)

    System(url, seed, data_dir).talk(work)
