"""Nodes of the IPLD data model, paths through them, CAR files: `cidbus dag …` and `cidbus refs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import DATA_DIR, Address, Folder, Json, Output, Seed, Url, split_address
from .output import print_json, say, table, write_bytes
from .sending import STDIN, progress_bar, source_of
from .talking import ANSWERED, System, complain

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.dag import DagImported

__all__ = ["app", "refs"]

app = typer.Typer(no_args_is_help=True, help="Put and get nodes, follow paths, move DAGs in CAR files.")

CODECS = "dag-json, dag-cbor, dag-pb, json, cbor, raw"


# ---- nodes ----------------------------------------------------------------------------------------------


@app.command()
def put(
    path: Annotated[str, typer.Argument(metavar="[FILE]", help="The node, or - for stdin.")] = STDIN,
    codec: Annotated[str, typer.Option(help=f"What to store it in: {CODECS}.")] = "dag-json",
    input_codec: Annotated[str, typer.Option(help="What it is given in.")] = "dag-json",
    hash_: Annotated[str, typer.Option("--hash", help="sha2-256, blake2b-256, blake3, …")] = "sha2-256",
    no_pin: Annotated[bool, typer.Option("--no-pin", help="Leave it to be collected.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Store a node and print its CID."""

    async def work(client: Client) -> None:
        stored = await client.ipfs.dag_put(
            source_of(path), codec=codec, input_codec=input_codec, hash=hash_, pin=not no_pin
        )
        print_json(stored) if as_json else say(stored.cid)

    System(url, seed, data_dir).talk(work)


@app.command()
def get(
    address: Address,
    codec: Annotated[str, typer.Option(help=f"What to write it in: {CODECS}.")] = "dag-json",
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write a node, or what lies at a path in it, to stdout."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        async with client.ipfs.dag_get(cid, path=path, output_codec=codec) as content:
            await write_bytes(content)
        if sys.stdout.isatty():
            print()

    System(url, seed, data_dir).talk(work)


@app.command()
def resolve(
    address: Address,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Print the block that a path ends in, and the rest of the path inside of it."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        found = await client.ipfs.dag_resolve(cid, path=path)
        print_json(found) if as_json else say(f"{found.cid}/{found.remainder_path}".rstrip("/"))

    System(url, seed, data_dir).talk(work)


@app.command()
def stat(
    cids: Annotated[list[str], typer.Argument(metavar="CID…", help="Roots.")],
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Say how much lies below some roots; a block that several of them reach counts once in the whole."""

    async def work(client: Client) -> None:
        found = await client.ipfs.dag_stat(cids)
        if as_json:
            print_json(found)
            return
        rows = [(root.cid, root.blocks, root.size_bytes) for root in found.roots]
        table(("CID", "Blocks", "Bytes"), [*rows, ("all", found.unique_blocks, found.unique_size_bytes)])

    System(url, seed, data_dir).talk(work)


def refs(
    address: Address,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Also the links of links.")] = False,
    unique: Annotated[bool, typer.Option("--unique", "-u", help="Each CID once.")] = False,
    max_depth: Annotated[int, typer.Option(help="How deep with -r; -1 is all the way.", min=-1)] = -1,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List the CIDs that a DAG links to."""
    cid, path = split_address(address)

    async def work(client: Client) -> None:
        found = client.ipfs.refs(cid, path=path, recursive=recursive, unique=unique, max_depth=max_depth)
        async for ref in found:
            print_json(ref) if as_json else say(ref.cid)

    System(url, seed, data_dir).talk(work)


# ---- CAR files ------------------------------------------------------------------------------------------


@app.command("import")
def import_(
    paths: Annotated[list[str], typer.Argument(metavar="FILE…", help="CAR files; - is stdin.")],
    no_pin: Annotated[bool, typer.Option("--no-pin", help="Pin none of the roots.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Store the blocks of CAR files and pin their roots; ends with 1 if a file is broken or a root could not
    be pinned."""

    async def work(client: Client) -> int:
        from cidbus.schemas.errors import InvalidContent

        whole = True
        for path in paths:
            source = source_of(path)
            try:
                with progress_bar(source, silent=as_json) as progress:
                    imported = await client.ipfs.dag_import(source, pin_roots=not no_pin, progress=progress)
            except InvalidContent as error:
                complain(f"{path}: {error.message}")
                whole = False
                continue
            print_json(imported) if as_json else _print_imported(imported)
            whole = whole and not any(root.error for root in imported.roots)
        return 0 if whole else ANSWERED

    System(url, seed, data_dir).talk(work)


def _print_imported(imported: DagImported) -> None:
    for root in imported.roots:
        if root.error:
            say(f"not pinned {root.cid} {root.error}")
        else:
            say(f"{'pinned' if root.pinned else 'root'} {root.cid}")
    say(f"imported {imported.blocks} blocks, {imported.size_bytes} bytes")


@app.command()
def export(
    address: Address,
    output: Output = None,
    scope: Annotated[
        Literal["block", "entity", "all"],
        typer.Option(help="What the path ends in: its block, the file or listing, or everything."),
    ] = "all",
    bytes_: Annotated[
        str | None,
        typer.Option("--bytes", metavar="FROM:TO", help="Only this range of a file: 0:1023, -1024:*, …"),
    ] = None,
    order: Annotated[Literal["dfs", "unk"], typer.Option(help="Depth first, or in any order.")] = "dfs",
    dups: Annotated[bool, typer.Option("--dups", help="Repeat a block that is reached repeatedly.")] = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write a DAG as a CAR file to stdout, or with -o to a file that appears once it is whole."""
    cid, path = split_address(address)
    if output is None and sys.stdout.isatty():
        raise typer.BadParameter("a CAR is not to be read; give a file, or -", param_hint="--output")

    async def work(client: Client) -> None:
        from .getting import save_file

        exported = client.ipfs.dag_export(
            cid, path=path, scope=scope, entity_bytes=bytes_, order=order, dups=dups
        )
        async with exported as content:
            if output is None or str(output) == STDIN:
                await write_bytes(content)
            else:
                say(str(await save_file(content, output, f"{cid}.car")))

    System(url, seed, data_dir).talk(work)
