"""All commands, in the order in which `cidbus --help` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from . import (
    blocks,
    caching,
    content,
    dags,
    describing,
    keys,
    names,
    pins,
    querying,
    repo,
    routing,
    running,
    watching,
)  # fmt: skip
from .tree import commands as tree

__all__ = ["app"]

EXIT_CODES = """\
Exit codes: 0 done, 1 the system answered with an error, 2 wrong usage, 3 the system cannot be reached,
130 interrupted."""

app = typer.Typer(
    name="cidbus",
    help="A content service of independent actors on a message bus.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cidbus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end."),
    ] = False,
) -> None:
    pass


RUN, CONTENT, KEEP = "Run a system", "Content", "What is stored"
NAMES, WATCH = "Names and peers", "Look at a system"
CACHE = "What is known and cached"

app.command(rich_help_panel=RUN)(running.up)
app.command(rich_help_panel=RUN)(running.actor)
app.command(rich_help_panel=RUN)(running.bridge)
app.command("nats-conf", rich_help_panel=RUN)(describing.nats_conf)
app.command(rich_help_panel=CONTENT)(content.add)
app.command(rich_help_panel=CONTENT)(content.cat)
app.command(rich_help_panel=CONTENT)(content.get)
app.command(rich_help_panel=CONTENT)(content.ls)
app.command(rich_help_panel=CONTENT)(content.stat)
app.add_typer(dags.app, name="dag", rich_help_panel=CONTENT)
app.command(rich_help_panel=CONTENT)(dags.refs)
app.add_typer(tree.app, name="fs", rich_help_panel=CONTENT)
app.add_typer(pins.app, name="pin", rich_help_panel=KEEP)
app.add_typer(blocks.app, name="block", rich_help_panel=KEEP)
app.add_typer(repo.app, name="repo", rich_help_panel=KEEP)
app.command(rich_help_panel=KEEP)(repo.gc)
caching.app.command()(querying.top)
caching.app.command()(querying.export)
app.command(rich_help_panel=CACHE)(querying.query)
app.add_typer(caching.app, name="cache", rich_help_panel=CACHE)
app.add_typer(names.app, name="name", rich_help_panel=NAMES)
app.add_typer(keys.app, name="key", rich_help_panel=NAMES)
app.add_typer(routing.app, name="routing", rich_help_panel=NAMES)
app.add_typer(routing.swarm, name="swarm", rich_help_panel=NAMES)
app.command(rich_help_panel=WATCH)(watching.status)
app.command(rich_help_panel=WATCH)(watching.events)
app.command(rich_help_panel=WATCH)(describing.info)
app.command("id", rich_help_panel=WATCH)(repo.node_id)
app.command(rich_help_panel=WATCH)(repo.version)
app.command(rich_help_panel=WATCH)(describing.subjects)
app.command(rich_help_panel=WATCH)(describing.openapi)
app.command(rich_help_panel=WATCH)(describing.asyncapi)
