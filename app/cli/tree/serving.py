"""The tree for programs that know only WebDAV, such as a desktop's file manager."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from ..options import DATA_DIR, Folder, Seed, Url
from ..output import say
from ..talking import System, told
from .options import At

__all__ = ["webdav"]

PASSWORD = "CIDBUS_WEBDAV_PASSWORD"  # noqa: S105


def webdav(
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8090,
    user: Annotated[
        str | None, typer.Option(help=f"Only for this user, whose password is in {PASSWORD}.")
    ] = None,
    readonly: Annotated[bool, typer.Option("--read-only", help="Nobody can change anything.")] = False,
    at: At = None,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Serve the tree as WebDAV, so that a desktop can mount it. Ctrl-C ends it in order.

    With --at it is the tree as it was, which nobody can change. Without --user, anybody who can connect may
    do everything.
    """
    users = None if user is None else {user: _password()}
    system = System(url, seed, data_dir)
    with told():
        try:
            from cidbus.webdav import BlockingTree, WebDav
        except ModuleNotFoundError as error:
            raise typer.BadParameter(f"needs the extra: pip install 'cidbus[webdav]' ({error})") from None

        tree = BlockingTree(system.connect, at)
        try:
            server = WebDav(tree, host, port, readonly=readonly, users=users)
            _end_with_signals(server.stop)
            say(f"ready: http://{host}:{server.port}/")
            server.start()
        finally:
            tree.close()


def _password() -> str:
    password = os.environ.get(PASSWORD)
    if not password:
        raise typer.BadParameter(f"put the password into {PASSWORD}", param_hint="--user")
    return password


def _end_with_signals(stop: Callable[[], None]) -> None:
    """The first signal ends it in order, which another thread does while this one serves."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=stop, daemon=True).start()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
