"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["Address", "Cid", "Debug", "Folder", "Json", "Nats", "Output", "Quiet", "Seed", "Url"]

SYSTEM = "Which system"


def _nearer(context: typer.Context, url: str | None) -> str | None:
    """A data directory given to the command wins over a URL in the environment."""
    sources = [context.get_parameter_source(name) for name in ("url", "data_dir")]
    names = [source.name if source is not None else "" for source in sources]
    return None if names == ["ENVIRONMENT", "COMMANDLINE"] else url


Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="CIDBUS_URL", metavar="URL", rich_help_panel=SYSTEM, callback=_nearer,
        help="Talk to this nats:// or http:// address instead of the system that runs in the data directory.",
    ),
]  # fmt: skip
Seed = Annotated[
    Path | None,
    typer.Option(
        "--seed", envvar="CIDBUS_SEED", metavar="FILE", rich_help_panel=SYSTEM,
        help="The nkey seed for a nats:// address; by default the data directory's own, if it has one.",
    ),
]  # fmt: skip
Folder = Annotated[
    Path,
    typer.Option(
        "--data-dir", envvar="CIDBUS_DATA_DIR", metavar="FOLDER", rich_help_panel=SYSTEM,
        help="Where the system keeps what it owns.",
    ),
]  # fmt: skip
DATA_DIR = Path("~/.cidbus")

Nats = Annotated[
    str | None,
    typer.Option(
        "--nats", metavar="URL", help="The NATS server to join; that of the running system if not given."
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Log everything.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only CIDs.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="A file, or a directory to put it into; - is stdout."
    ),
]

Address = Annotated[
    str, typer.Argument(metavar="CID[/PATH]", help="What to read, also as /ipfs/CID/PATH or ipfs://CID/PATH.")
]
Cid = Annotated[str, typer.Argument(metavar="CID", help="A CID of version 0 or 1.")]
Profile = Literal["unixfs-v1-2025", "unixfs-v0-2015"]


def split_address(address: str) -> tuple[str, str]:
    """The CID and the path below it of `CID/PATH`, `/ipfs/CID/PATH` or `ipfs://CID/PATH`."""
    for prefix in ("ipfs://", "/ipfs/"):
        address = address.removeprefix(prefix)
    cid, _, path = address.partition("/")
    return cid, path
