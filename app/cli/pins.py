"""Pins: what is kept from being collected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import DATA_DIR, Address, Cid, Folder, Json, Quiet, Seed, Url, split_address
from .output import print_json, say, table
from .talking import System

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.ipfs import Pin, Pinned

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Keep content, and list what is kept.")


@app.command()
def add(
    address: Address,
    direct: Annotated[bool, typer.Option("--direct", help="Only this block, not what is below it.")] = False,
    name: Annotated[str | None, typer.Option(help="A name for the pin.")] = None,
    expires_in: Annotated[float | None, typer.Option(metavar="SECONDS", help="For how long.")] = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Keep a DAG from being collected; again, to change the pin's name or end."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        _print(
            await client.ipfs.pin_add(
                cid, path=path, recursive=not direct, name=name, expires_in_s=expires_in
            ),
            as_json,
        )

    System(url, seed, data_dir).talk(work)


@app.command()
def rm(
    address: Address, as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR
) -> None:
    """Let a DAG be collected again."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        _print(await client.ipfs.pin_rm(cid, path=path), as_json)

    System(url, seed, data_dir).talk(work)


@app.command()
def ls(
    cid: Annotated[str | None, typer.Argument(metavar="[CID]", help="Only the pin of this CID.")] = None,
    kind: Annotated[
        Literal["all", "recursive", "direct"], typer.Option("--type", help="Only pins of this mode.")
    ] = "all",
    name: Annotated[str | None, typer.Option(help="Only pins of this name.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List what is pinned."""

    async def work(client: Client) -> None:
        pins: list[Pin] = []
        async for pin in client.ipfs.pin_ls(type=kind, name=name, cid=cid):
            if as_json:
                print_json(pin)
            elif quiet:
                say(pin.cid)
            else:
                pins.append(pin)
        if pins:
            table(("CID", "Mode", "Name"), [(pin.cid, pin.mode, pin.name or "") for pin in pins])

    System(url, seed, data_dir).talk(work)


@app.command()
def update(
    old: Cid,
    new: Cid,
    keep_old: Annotated[bool, typer.Option("--keep-old", help="Leave the old pin as it is.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Move a recursive pin from one root to another."""

    async def work(client: Client) -> None:
        _print(await client.ipfs.pin_update(old, new, unpin=not keep_old), as_json)

    System(url, seed, data_dir).talk(work)


def _print(pinned: Pinned, as_json: bool) -> None:
    if as_json:
        print_json(pinned)
    elif pinned.pinned:
        say(f"pinned {pinned.cid} {pinned.mode or ''}".rstrip())
    else:
        say(f"unpinned {pinned.cid}")
