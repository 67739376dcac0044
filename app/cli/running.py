"""Starting things: a whole system, single actors, a bridge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from .options import DATA_DIR, Debug, Folder, Nats
from .talking import told

__all__ = ["actor", "bridge", "up"]

Host = Annotated[str, typer.Option(help="The address to serve HTTP on.")]
CONTENT = "Where content comes from"
# Settings whose option has another name.
_OPTIONS = {"kubo_url": "kubo", "gateways": "gateway", "routers": "router"}
Port = Annotated[int, typer.Option(help="The port to serve HTTP on.", min=0, max=65535)]

Backend = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", rich_help_panel=CONTENT,
        help="Who answers: embedded, kubo, gateway (several with commas: an embedded node asks the rest for"
        " what it lacks), or simulation.",
    ),
]  # fmt: skip
Kubo = Annotated[
    str | None, typer.Option(metavar="URL", rich_help_panel=CONTENT, help="The RPC of a Kubo daemon.")
]
Gateways = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", rich_help_panel=CONTENT, help="A trustless gateway; may be repeated."),
]
Routers = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", rich_help_panel=CONTENT, help="A delegated routing API; may be repeated."),
]
DnsLink = Annotated[
    bool | None, typer.Option("--dnslink", rich_help_panel=CONTENT, help="Look names up in the DNS.")
]


def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data_dir: Folder = DATA_DIR,
    nats: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this NATS server instead of starting one.")
    ] = None,
    isolation: Annotated[
        bool, typer.Option("--isolation", help="Use a throw-away data directory and free ports.")
    ] = False,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ACTOR=N", help="How many processes of an actor, or of bridge; may be repeated."
        ),
    ] = None,
    backend: Backend = None,
    kubo: Kubo = None,
    gateway: Gateways = None,
    router: Routers = None,
    dnslink: DnsLink = None,
    cache: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting of the cache, such as memory_limit=5000000; may be repeated.",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Run a whole system: nats-server, every actor, the HTTP bridge. Ctrl-C ends it in order."""
    counts = dict(map(_count, scale or ()))
    settings = {
        "backend": backend,
        "kubo_url": kubo,
        "gateways": ",".join(gateway or ()) or None,
        "routers": ",".join(router or ()) or None,
        "dnslink": "true" if dnslink else None,
    }
    with told():
        from cidbus.schemas.errors import BadRequest

        from ..processes import UpOptions, run_up

        try:
            options = UpOptions(
                host=host,
                port=port,
                data_dir=data_dir,
                nats=nats,
                isolation=isolation,
                debug=debug,
                scale=counts,
                ipfs={name: value for name, value in settings.items() if value is not None},
                cache=dict(map(_setting, cache or ())),
            )
        except BadRequest as error:
            option = _OPTIONS.get(error.field, error.field)
            raise typer.BadParameter(error.problem, param_hint=f"--{option}") from None
        _end(lambda: run_up(options))


def _count(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name or not number.isdecimal():
        raise typer.BadParameter(f"{text!r} is not of the form ACTOR=N", param_hint="--scale")
    return name, int(number)


def _setting(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE", param_hint="--cache")
    return name, value


def actor(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Names of actors, such as ipfs.")],
    nats: Nats = None,
    data_dir: Folder = DATA_DIR,
    debug: Debug = False,
) -> None:
    """Run actors in this process and join them to a NATS server; more processes share the load."""
    with told():
        from cidbus.actors import IMPLEMENTED

        from ..processes import ActorOptions, run_actor, running_nats

        for name in names:
            if name not in IMPLEMENTED:
                known = ", ".join(IMPLEMENTED)
                raise typer.BadParameter(f"{name!r} is not one of {known}", param_hint="NAME")
        url = nats or running_nats(data_dir)
        options = ActorOptions(names=tuple(names), nats=url, data_dir=data_dir, debug=debug)
        _end(lambda: run_actor(options))


def bridge(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    nats: Nats = None,
    data_dir: Folder = DATA_DIR,
    isolation: Annotated[
        bool, typer.Option("--isolation", help="Say that the system is a throw-away one.")
    ] = False,
    any_node: Annotated[
        bool,
        typer.Option("--any-node", help="Serve whichever node answers, not the one in the data directory."),
    ] = False,
    share_port: Annotated[
        bool, typer.Option("--share-port", help="Let other bridges of this system listen on the same port.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(help="An actor that this system has not; without `cache` nothing is kept in memory."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Run an HTTP bridge in this process; any number of them may run."""
    with told():
        from ..processes import BridgeOptions, run_bridge, running_nats

        options = BridgeOptions(
            host=host,
            port=port,
            nats=nats or running_nats(data_dir),
            data_dir=data_dir,
            isolation=isolation,
            share_port=share_port,
            any_node=any_node,
            without=tuple(without or ()),
            debug=debug,
        )
        _end(lambda: run_bridge(options))


def _end(run: Callable[[], int]) -> None:
    raise typer.Exit(run())
