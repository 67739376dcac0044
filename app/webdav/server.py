"""The server: WsgiDAV as it is set up here, on cheroot's threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from cheroot.wsgi import Gateway_10, Server
from wsgidav.dav_error import DAVError
from wsgidav.util import normalize_path
from wsgidav.wsgidav_app import WsgiDAVApp

from .provider import TreeProvider
from .tree import BlockingTree

__all__ = ["WebDav"]

log = logging.getLogger(__name__)

# A desktop opens many connections at once, and one that writes holds a thread for as long as it takes.
THREADS = 32
# What is read from and written to a socket at once.
BLOCK_BYTES = 64 * 1024
CLOSE = ("Connection", "close")


class WebDav:
    """A WebDAV server of a tree; `start` serves until `stop` is called from another thread.

    With `users` (name to password) only they may use it, and without anybody who can connect.

    Raises:
        OSError: if it cannot listen there.
    """

    def __init__(
        self,
        tree: BlockingTree,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        readonly: bool = False,
        users: dict[str, str] | None = None,
    ) -> None:
        provider = TreeProvider(tree, readonly=readonly)
        application = _well_formed_only(_application(provider, users))
        self._server = _Server((host, port), application, numthreads=THREADS)
        self._server.prepare()

    @property
    def port(self) -> int:
        port: int = self._server.bind_addr[1]
        return port

    def start(self) -> None:
        """Serve; returns after `stop`."""
        self._server.serve()

    def stop(self) -> None:
        """Finish what is being answered, and no more."""
        self._server.stop()


Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _well_formed_only(application: Application) -> Application:
    """The application, which never sees a path or a destination that WsgiDAV would take for a bug."""

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        problem = _problem(environ)
        if problem is None:
            return application(environ, start_response)
        answer = f"{problem}\n".encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))]
        start_response("400 Bad Request", [*headers, CLOSE])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer]

    return checked


def _problem(environ: dict[str, Any]) -> str | None:
    """What is wrong with the path or the destination, if anything is."""
    path = environ["PATH_INFO"].encode("latin-1")  # which the server has unquoted
    destination = environ.get("HTTP_DESTINATION", "")
    try:
        normalize_path(path.decode())
    except UnicodeDecodeError:
        return "path: not UTF-8 when decoded"
    except DAVError:
        return "path: leads out of the tree"
    try:
        urlsplit(destination)
        urlsplit(unquote_to_bytes(destination.encode("latin-1")).decode())
    except UnicodeDecodeError:
        return "Destination: not UTF-8 when decoded"
    except ValueError as error:
        return f"Destination: {error}"
    return None


def _application(provider: TreeProvider, users: dict[str, str] | None) -> Any:
    known = {name: {"password": password} for name, password in (users or {}).items()}
    return WsgiDAVApp(
        {
            "provider_mapping": {"/": provider},
            "http_authenticator": {"domain_controller": None},
            "simple_dc": {"user_mapping": {"*": known or True}},
            "lock_storage": True,
            "property_manager": None,
            "mutable_live_props": ["{DAV:}getlastmodified"],
            "honor_mtime_header": True,
            "block_size": BLOCK_BYTES,
            "default_charset": None,
            "suppress_version_info": True,
            "dir_browser": {
                "enable": True,
                "response_trailer": "",
                "davmount": False,
                "ms_sharepoint_support": False,
                "libre_office_support": False,
            },
            "logging": {"enable": False},
            "verbose": 1,
        }
    )


class _Gateway(Gateway_10):
    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """What nobody has read of the body is read first: it is never taken for the next request."""
        if CLOSE in headers:
            self.req.close_connection = True
        try:
            while self.req.rfile.read(BLOCK_BYTES):
                pass
        except (OSError, ValueError):  # it is cut off, or not as its own headers say
            self.req.close_connection = True
        write: Callable[[bytes], None] = super().start_response(status, headers, exc_info)
        return write


class _Server(Server):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.gateway = _Gateway

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        log.log(level, "%s", msg, exc_info=traceback)
