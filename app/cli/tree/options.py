"""Options and arguments of the commands on the file tree."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from cidbus.schemas.paths import check_tree_path

__all__ = [
    "At", "InTransaction", "Later", "Moment", "OneTreePath", "RootByDefault", "SeenInTransaction",
    "TreePaths", "WhenItWas", "is_tree_url", "join", "name_of", "tree_path",
]  # fmt: skip

SCHEME = "cidbus:"
STATE = "Which state of the tree"


def tree_path(text: str) -> str:
    """The path that `cidbus:/a/b`, `cidbus:///a/b` or `/a/b` means."""
    path = text.removeprefix(SCHEME)
    if not path.startswith("/"):
        raise typer.BadParameter(f"{text!r} is no path of the tree, such as /a/b or cidbus:/a/b")
    try:
        return check_tree_path(path)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from None


def is_tree_url(text: str) -> bool:
    """Whether it is said to be of the tree, and not of this machine."""
    return text.startswith(SCHEME)


def join(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}"


def name_of(path: str) -> str:
    """The last name of a checked path; the root has none."""
    return path.rpartition("/")[2]


def moment(text: str | None) -> str | None:
    """A moment as the journal knows them: a date and time becomes its Unix time."""
    if text is None or not re.match(r"@?\d{4}-\d\d-\d\d", text):
        return text
    from datetime import datetime

    try:
        return f"@{datetime.fromisoformat(text.removeprefix('@')).timestamp()}"
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _not_in_the_past(context: typer.Context, transaction: str | None) -> str | None:
    """A moment given to the command wins over a transaction in the environment."""
    source = context.get_parameter_source("transaction")
    is_from_environment = source is not None and source.name == "ENVIRONMENT"
    return None if is_from_environment and context.params.get("at") else transaction


At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="MOMENT", rich_help_panel=STATE, callback=moment,
        help="As it was: a sequence of the journal, @UNIXTIME or a date and time, or a root CID.",
    ),
]  # fmt: skip
Moment = Annotated[
    str,
    typer.Argument(
        metavar="MOMENT", callback=moment,
        help="A sequence of the journal, @UNIXTIME or a date and time, or a root CID.",
    ),
]  # fmt: skip
WhenItWas = Annotated[
    str,
    typer.Option(
        "--at", metavar="MOMENT", callback=moment,
        help="A sequence of the journal, @UNIXTIME or a date and time, or a root CID.",
    ),
]  # fmt: skip
Later = Annotated[
    str | None,
    typer.Argument(metavar="[MOMENT]", callback=moment, help="A later one; now, if none is given."),
]
InTransaction = Annotated[
    str | None,
    typer.Option(
        "--transaction", "-t", envvar="CIDBUS_TRANSACTION", metavar="ID", rich_help_panel=STATE,
        help="Inside this open transaction; see `cidbus fs begin`.",
    ),
]  # fmt: skip
SeenInTransaction = Annotated[
    str | None,
    typer.Option(
        "--transaction", "-t", envvar="CIDBUS_TRANSACTION", metavar="ID", rich_help_panel=STATE,
        callback=_not_in_the_past, help="As this open transaction sees it; see `cidbus fs begin`.",
    ),
]  # fmt: skip

OneTreePath = Annotated[
    str, typer.Argument(metavar="PATH", parser=tree_path, help="A path of the tree, also as cidbus:/PATH.")
]
RootByDefault = Annotated[
    str, typer.Argument(metavar="[PATH]", parser=tree_path, help="A path of the tree, / if none is given.")
]
TreePaths = Annotated[
    list[str],
    typer.Argument(metavar="PATH…", parser=tree_path, help="Paths of the tree, also as cidbus:/PATH."),
]
