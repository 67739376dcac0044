"""Transactions of several commands: begin, commit, rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..options import DATA_DIR, Folder, Json, Quiet, Seed, Url
from ..output import counted, listing, local_time, print_json, say
from ..talking import System

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.schemas.journal import TransactionInfo

__all__ = ["begin", "commit", "rollback", "transactions"]

State = Literal["all", "pending", "completed", "failed", "rolled_back"]
TransactionArgument = Annotated[
    str, typer.Argument(metavar="ID", envvar="CIDBUS_TRANSACTION", help="What `cidbus fs begin` has printed.")
]


def begin(
    expires_in: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, max=86_400, help="Until it ends by itself when unused.")
    ] = 300,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Begin a transaction and print its id, for --transaction or in CIDBUS_TRANSACTION."""

    async def work(client: Client) -> None:
        begun = await client.journal.begin(expires_in_s=expires_in)
        print_json(begun) if as_json else say(begun.transaction)

    System(url, seed, data_dir).talk(work)


def commit(
    transaction: TransactionArgument,
    quiet: Quiet = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Make what a transaction has done so for everybody, all of it or none."""

    async def work(client: Client) -> None:
        changed = await client.journal.commit(transaction)
        if as_json:
            print_json(changed)
        else:
            say(changed.root if quiet else f"committed {changed.root} at {changed.sequence}")

    System(url, seed, data_dir).talk(work)


def rollback(
    transaction: TransactionArgument,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Forget what a transaction has done."""

    async def work(client: Client) -> None:
        ended = await client.journal.rollback(transaction)
        print_json(ended) if as_json else say(f"rolled back {ended.transaction}")

    System(url, seed, data_dir).talk(work)


def transactions(
    state: Annotated[State, typer.Option("--status", help="Only those in this state.")] = "all",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")] = 10,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List transactions, open ones before past ones, the newest first."""

    async def work(client: Client) -> None:
        found = client.journal.transactions(status=state, limit=limit)
        await listing(found, ("Transaction", "State", "Begun", "Operations", "Error"), _row, as_json=as_json)

    System(url, seed, data_dir).talk(work)


def _row(one: TransactionInfo) -> tuple[object, ...]:
    return one.transaction, one.status, local_time(one.started_at), counted(one.operations), one.error or ""
