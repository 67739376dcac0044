"""IPNS names and their records: `cidbus name …`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DATA_DIR, Folder, Json, Output, Seed, Url
from .output import fields, print_json, say, write_bytes
from .sending import STDIN, read_small
from .talking import ANSWERED, System

if TYPE_CHECKING:
    from cidbus.client import Client

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Point names at content, and look up where they point.")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A name, also as /ipns/NAME; or a domain with a DNSLink.")
]
RecordFile = Annotated[str, typer.Argument(metavar="FILE", help="A signed record, or - for stdin.")]


@app.command()
def publish(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A CID, /ipfs/CID/PATH or /ipns/NAME/PATH.")],
    key: Annotated[str, typer.Option(help="Whose name: a key's name or ID.")] = "self",
    lifetime: Annotated[str, typer.Option(help="For how long it is valid: 24h, 90m, 1h30m, …")] = "48h",
    ttl: Annotated[str, typer.Option(help="For how long others need not ask again.")] = "5m",
    no_resolve: Annotated[
        bool, typer.Option("--no-resolve", help="Also if the path leads nowhere from here.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Point a key's name at content."""

    async def work(client: Client) -> None:
        published = await client.ipfs.name_publish(
            path, key=key, lifetime=lifetime, ttl=ttl, resolve=not no_resolve
        )
        if as_json:
            print_json(published)
            return
        say(f"published {published.name} {published.value}")
        for place, problem in published.failed.items():
            print(f"{place} was not told: {problem}", file=sys.stderr)

    System(url, seed, data_dir).talk(work)


@app.command()
def resolve(
    name: Name,
    one_step: Annotated[bool, typer.Option("--one-step", help="Follow no names that it leads to.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask others even if it is known.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Print the path that a name points at."""

    async def work(client: Client) -> None:
        found = await client.ipfs.name_resolve(name, recursive=not one_step, nocache=no_cache)
        print_json(found) if as_json else say(found.path)

    System(url, seed, data_dir).talk(work)


# ---- records --------------------------------------------------------------------------------------------


@app.command()
def inspect(
    path: RecordFile,
    name: Annotated[str | None, typer.Option(help="Check that this name's key has signed it.")] = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Read a record; with --name ends with 1 if it is not valid for that name."""

    async def work(client: Client) -> int:
        seen = await client.ipfs.name_inspect(await _record(path), name=name)
        print_json(seen) if as_json else fields(seen)
        return ANSWERED if seen.valid is False else 0

    System(url, seed, data_dir).talk(work)


@app.command()
def get(
    name: Name,
    output: Output = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write the signed record of a name to stdout, or with -o to a file."""

    async def work(client: Client) -> None:
        from .getting import save_file

        found = await client.ipfs.name_get(name)
        if as_json:
            print_json(found)
        elif output is None or str(output) == STDIN:
            await write_bytes(_once(found.record))
        else:
            say(str(await save_file(_once(found.record), output, f"{found.name}.ipns-record")))

    System(url, seed, data_dir).talk(work)


@app.command()
def put(
    name: Name,
    path: RecordFile,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Keep a record that somebody else signed, unless a better one is here; it is then passed on."""

    async def work(client: Client) -> None:
        record = await _record(path)
        kept = await client.ipfs.name_put(name, record)
        if as_json:
            print_json(kept)
        else:
            say(f"{'kept' if kept.record == record else 'a better one is here for'} {kept.name}")

    System(url, seed, data_dir).talk(work)


async def _record(path: str) -> bytes:
    from cidbus.schemas.names import MAX_RECORD_BYTES

    from .blocking import beside

    return await beside(read_small, path, MAX_RECORD_BYTES)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
