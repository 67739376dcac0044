"""Single blocks, as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import DATA_DIR, Cid, Folder, Json, Seed, Url
from .output import fields, print_json, say, write_bytes
from .sending import source_of
from .talking import System

if TYPE_CHECKING:
    from cidbus.client import Client

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Read, store and remove single blocks.")


@app.command()
def get(cid: Cid, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Write a block to stdout."""

    async def work(client: Client) -> None:
        async with client.ipfs.block_get(cid) as content:
            await write_bytes(content)

    System(url, seed, data_dir).talk(work)


@app.command()
def put(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file, or - for stdin.")] = "-",
    format_: Annotated[str, typer.Option("--format", help="The codec: raw, dag-pb, dag-cbor, …")] = "raw",
    cid: Annotated[str | None, typer.Option(help="The CID that it must have.")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Pin it.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Store one block and print its CID."""

    async def work(client: Client) -> None:
        stored = await client.ipfs.block_put(source_of(path), format=format_, cid=cid, pin=pin)
        print_json(stored) if as_json else say(stored.cid)

    System(url, seed, data_dir).talk(work)


@app.command()
def stat(
    cid: Cid, as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR
) -> None:
    """Say whether a block is here, and its size."""

    async def work(client: Client) -> None:
        found = await client.ipfs.block_stat(cid)
        print_json(found) if as_json else fields(found)

    System(url, seed, data_dir).talk(work)


@app.command()
def rm(
    cids: Annotated[list[str], typer.Argument(metavar="CID…", help="CIDs of blocks that no pin keeps.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="No error if a block is not here.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Remove blocks that no pin keeps."""

    async def work(client: Client) -> None:
        for cid in cids:
            removed = await client.ipfs.block_rm(cid, force=force)
            if as_json:
                print_json(removed)
            else:
                say(f"removed {removed.cid}" if removed.removed else f"not here {removed.cid}")

    System(url, seed, data_dir).talk(work)
