"""The repository and the node: gc, repo stat, ls and verify, id, version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import typer

from .options import DATA_DIR, Folder, Json, Seed, Url
from .output import fields, print_json, say
from .talking import ANSWERED, System

if TYPE_CHECKING:
    from cidbus.client import Client

__all__ = ["app", "gc", "node_id", "version"]

app = typer.Typer(no_args_is_help=True, help="What is stored, and whether it is sound.")


def gc(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Remove every block that no pin reaches."""
    _show(url, seed, data_dir, as_json, lambda client: client.ipfs.repo_gc())


@app.command()
def stat(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Say how much is stored, and where."""
    _show(url, seed, data_dir, as_json, lambda client: client.ipfs.repo_stat())


@app.command()
def verify(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Read every block and check its hash; ends with 1 if one is damaged."""

    async def work(client: Client) -> int:
        found = await client.ipfs.repo_verify()
        if as_json:
            print_json(found)
        else:
            for bad in found.bad:
                say(f"{bad.cid} {bad.problem}")
            say(
                f"checked {found.checked_blocks} blocks, {found.checked_bytes} bytes: "
                f"{found.bad_blocks or 'none'} damaged"
            )
        return ANSWERED if found.bad_blocks else 0

    System(url, seed, data_dir).talk(work)


@app.command()
def ls(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """List the CID of every block that is stored here."""

    async def work(client: Client) -> None:
        async for block in client.ipfs.refs_local():
            print_json(block) if as_json else say(block.cid)

    System(url, seed, data_dir).talk(work)


def node_id(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Print the node's identity."""
    _show(url, seed, data_dir, as_json, lambda client: client.ipfs.id())


def version(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Print the versions of the running system; `cidbus --version` is this program's own."""
    _show(url, seed, data_dir, as_json, lambda client: client.ipfs.version())


def _show(url: Any, seed: Any, data_dir: Any, as_json: bool, ask: Callable[[Client], Awaitable[Any]]) -> None:
    async def work(client: Client) -> None:
        reply = await ask(client)
        print_json(reply) if as_json else fields(reply)

    System(url, seed, data_dir).talk(work)
