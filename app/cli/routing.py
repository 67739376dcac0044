"""Who has what, and who is there: `cidbus routing …` and `cidbus swarm …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DATA_DIR, Cid, Folder, Json, Seed, Url
from .output import print_json, printable, say, table
from .talking import System

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.routing import Peer, PeerRecord, Tried

__all__ = ["app", "swarm"]

app = typer.Typer(no_args_is_help=True, help="Find who has content, and tell others what is here.")
swarm = typer.Typer(no_args_is_help=True, help="The peers that the node is in touch with.")


@app.command()
def findprovs(
    cid: Cid,
    number: Annotated[int, typer.Option("--num-providers", "-n", help="How many at most.", min=1)] = 20,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List who has some content, and by which method each was found."""

    async def work(client: Client) -> None:
        found = await client.ipfs.routing_findprovs(cid, num_providers=number)
        print_json(found) if as_json else _print_found(found.providers, found.reason, found.tried)

    System(url, seed, data_dir).talk(work)


@app.command()
def findpeer(
    peer_id: Annotated[str, typer.Argument(metavar="ID", help="A peer ID.")],
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List the addresses at which a peer can be reached."""

    async def work(client: Client) -> None:
        found = await client.ipfs.routing_findpeer(peer_id)
        print_json(found) if as_json else _print_found(found.responses, found.reason, found.tried)

    System(url, seed, data_dir).talk(work)


@app.command()
def provide(
    cid: Cid,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Also all that is below it.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Tell others that this node has some content."""

    async def work(client: Client) -> None:
        provided = await client.ipfs.routing_provide(cid, recursive=recursive)
        if as_json:
            print_json(provided)
            return
        _complain(None, provided.tried)
        told = ", ".join(provided.announced_to) or "nobody"
        say(f"announced {provided.cid} ({provided.blocks} blocks) to {told}")

    System(url, seed, data_dir).talk(work)


@swarm.command()
def peers(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """List the nodes of the cluster and connected peers."""

    async def work(client: Client) -> None:
        found: list[Peer] = []
        async for peer in client.ipfs.swarm_peers():
            print_json(peer) if as_json else found.append(peer)
        if found:
            table(("Peer", "By", "Version", "Addresses"), [_row(peer) for peer in found])

    System(url, seed, data_dir).talk(work)


def _row(peer: Peer) -> tuple[object, ...]:
    return peer.id, peer.method, peer.agent_version or "", " ".join(peer.addrs)


def _print_found(peers: Sequence[PeerRecord], reason: str | None, tried: Sequence[Tried]) -> None:
    _complain(reason, tried)
    if peers:
        table(("Peer", "By", "Addresses"), [(peer.id, peer.method, " ".join(peer.addrs)) for peer in peers])


def _complain(reason: str | None, tried: Sequence[Tried]) -> None:
    """Say on stderr why nobody was found, or else which places could not be asked."""
    failed = [
        f"{one.endpoint} could not be asked: {one.error}" for one in tried if one.endpoint and one.error
    ]
    for problem in [reason] if reason else failed:
        print(printable(problem), file=sys.stderr)
