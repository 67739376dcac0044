"""What there is: the running system, the table, and the documents made from it."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .options import DATA_DIR, Folder, Json
from .output import print_json, table
from .talking import UNREACHABLE, fail, told

__all__ = ["asyncapi", "info", "nats_conf", "openapi", "subjects"]

PREFIX = "/api/v0/mcp"


def info(as_json: Json = False, data_dir: Folder = DATA_DIR) -> None:
    """Say where the system of a data directory answers, and which processes it has."""
    from ..data_dir import DataDir

    with told():
        folder = DataDir(data_dir)
        found = folder.read_info()
        if found is None:
            fail(f"no system runs in {folder.path}; `cidbus up` starts one", UNREACHABLE)
        if as_json:
            print_json(found)
            return
        print(f"http         {found.http}")
        print(f"nats         {found.nats}")
        print(f"client seed  {found.client_seed}")
        print(f"data dir     {found.data_dir}")
        for process in found.actors:
            print(f"{process.name:<12} process {process.pid}")


def subjects(as_json: Json = False) -> None:
    """List the table: every subject, its kind, its route and what it is for."""
    from cidbus.schemas.rows import Call
    from cidbus.schemas.subjects import ROWS

    routes = {row: row.http if isinstance(row, Call) else () for row in ROWS}
    with told():
        if as_json:
            names = [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "subject": getattr(row, "subject", ""),
                    "http": list(routes[row]),
                    "summary": row.summary,
                }
                for row in ROWS
            ]
            print_json(names)
            return
        rows = [(getattr(r, "subject", ""), r.kind, next(iter(routes[r]), ""), r.summary) for r in ROWS]
        table(("Subject", "Kind", f"HTTP, below {PREFIX}", "What for"), rows)


def openapi(
    prefix: Annotated[str, typer.Option(help="The path below which the routes are served.")] = PREFIX,
) -> None:
    """Print the OpenAPI document of the HTTP bridge."""
    from cidbus.http_bridge.openapi import openapi_document

    with told():
        print_json(openapi_document(prefix, __version__))


def asyncapi() -> None:
    """Print the AsyncAPI document of the subjects."""
    from cidbus.http_bridge.asyncapi import asyncapi_document

    with told():
        print_json(asyncapi_document(__version__))


def nats_conf(
    host: Annotated[str, typer.Option(help="The address that the server listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port.", min=1, max=65535)] = 4222,
    monitoring_port: Annotated[
        int | None, typer.Option(help="Also serve the monitoring pages there.", min=1, max=65535)
    ] = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Print the configuration of a nats-server for this system: its users, their rights, their public keys.

    Keys that are missing in the data directory are made. Run it with: cidbus nats-conf > nats.conf;
    nats-server -c nats.conf
    """
    from cidbus.bus.keyring import Keyring
    from cidbus.bus.server import render_config

    with told():
        folder = data_dir.expanduser().absolute()
        keyring, store = Keyring(folder / "secrets"), folder / "nats" / "jetstream"
        print(render_config(keyring, store, host=host, port=port, monitoring_port=monitoring_port), end="")
