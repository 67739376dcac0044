"""The commands of `cidbus fs`, in the order in which its help lists them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from . import changing, journal, reading, sending, serving, syncing, transactions

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="The file tree: paths, transactions, and every state that it ever had."
)

READ, CHANGE, PAST, TRANSACTIONS = "Look", "Change", "The journal", "Transactions"
SIDE = "Beside this machine's files"


def _add(panel: str, *commands: Callable[..., None]) -> None:
    for command in commands:
        app.command(rich_help_panel=panel)(command)


_add(READ, reading.ls, reading.cat, reading.get, reading.stat, reading.du, reading.find)
_add(CHANGE, sending.put, sending.write, changing.cp, changing.mv, changing.rm, changing.mkdir)
_add(CHANGE, changing.touch, changing.chmod, changing.ln, changing.mount, changing.unmount)
_add(SIDE, syncing.sync, serving.webdav)
_add(PAST, journal.log, journal.diff, journal.restore, journal.status, journal.enable)
_add(PAST, journal.checkpoint, journal.checkpoints, journal.recover, journal.verify)
_add(TRANSACTIONS, transactions.begin, transactions.commit, transactions.rollback, transactions.transactions)
