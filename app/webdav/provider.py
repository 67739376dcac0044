"""Entries of the tree as WsgiDAV's resources: what each method of WebDAV does to the tree.

PUT             the file appears when its last byte has come; If-Match holds up to that moment
DELETE, MOVE    one journal entry each, however much is below
COPY            the same, and costs a link
If-Match, If    hold for what is not there yet as well
ETag            the CID
Last-Modified   the time that the tree has for the entry; if it has none, when this server first saw what
                stands there now
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache
from wsgidav.dav_error import (
    HTTP_BAD_REQUEST,
    HTTP_FORBIDDEN,
    HTTP_PRECONDITION_FAILED,
    DAVError,
    DAVErrorCondition,
    PRECONDITION_CODE_PropfindFiniteDepth,
)
from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider
from wsgidav.util import is_equal_or_child_uri, join_uri, parse_if_header_dict, test_if_header_dict

from cidbus.schemas.errors import BusError, Conflict
from cidbus.schemas.tree import Copy, Mkdir, Move, Remove

from .headers import hide_delimiters, is_if_header, show_delimiters, single_range
from .tree import BlockingTree, Reader

if TYPE_CHECKING:
    from cidbus.schemas.tree import AnyOperation, TreeEntry

__all__ = ["TreeProvider"]

# How many entries' first sights are remembered.
SEEN_ENTRIES = 100_000
# Whether a COPY or MOVE, which WsgiDAV answers 204 when it is done in one step, has made something new.
MADE = "cidbus.made"


class TreeProvider(DAVProvider):  # type: ignore[misc]
    """The whole tree, for any number of threads."""

    def __init__(self, tree: BlockingTree, *, readonly: bool = False) -> None:
        super().__init__()
        self.tree = tree
        self._readonly = readonly or tree.at is not None
        self._seen: LRUCache[str, tuple[str, float]] = LRUCache(SEEN_ENTRIES)
        self._seeing = threading.Lock()

    def is_readonly(self) -> bool:
        return self._readonly

    def get_resource_inst(self, path: str | None, environ: dict[str, Any]) -> _Resource | None:
        """None where nothing is, and for no path, which is what WsgiDAV has as the root's parent."""
        if path is None:
            return None
        path = show_delimiters(path)
        found = self.found(_name(path))
        return None if found is None else self.resource(path, found, environ)

    def found(self, path: str) -> TreeEntry | None:
        """What stands at a path, at the end of links, if anything does."""
        with _as_dav_errors():
            return self.tree.stat(path)

    def resource(self, path: str, entry: TreeEntry, environ: dict[str, Any]) -> _Resource | None:
        """None for a link that leads nowhere."""
        if entry.type == "directory":
            return Directory(_name(path), entry, self, environ)
        return File(path, entry, self, environ) if entry.type == "file" else None

    def modified_at(self, path: str, entry: TreeEntry) -> float:
        """A time that is never the same for two contents of a path."""
        if entry.mtime is not None:
            return entry.mtime
        with self._seeing:
            cid, since = self._seen.get(path, ("", 0.0))
            if cid != entry.cid:
                since = time.time()
                self._seen[path] = entry.cid, since
        return since

    def custom_request_handler(
        self, environ: dict[str, Any], start_response: Callable[..., Any], default_handler: Callable[..., Any]
    ) -> Any:
        destination = hide_delimiters(environ)
        if _would_replace_all(environ, destination):
            raise DAVError(HTTP_FORBIDDEN, "the whole tree is never removed or replaced")
        _check_headers(environ)
        if environ["REQUEST_METHOD"] == "PROPFIND" and environ.setdefault("HTTP_DEPTH", "1") == "infinity":
            # The answer is made in memory, and the tree has no bound; clients that say nothing expect little.
            condition = DAVErrorCondition(PRECONDITION_CODE_PropfindFiniteDepth)
            raise DAVError(HTTP_FORBIDDEN, err_condition=condition)

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            made = environ.get(MADE) and status.startswith("204")
            return start_response("201 Created" if made else status, headers, *rest)

        return default_handler(environ, started)


class _Resource:
    """What files and directories have in common; mixed into WsgiDAV's classes."""

    path: str
    environ: dict[str, Any]
    provider: TreeProvider
    remove_all_locks: Callable[..., None]
    get_ref_url: Callable[[], str]

    entry: TreeEntry
    is_collection: bool

    def get_etag(self) -> str:
        return self.entry.cid

    def support_etag(self) -> bool:
        return True

    def get_property_value(self, name: str) -> Any:
        """WsgiDAV's, but for the entity tag, which has its quotes in a property too (RFC 4918, 15.6)."""
        if name == "{DAV:}getetag":
            return f'"{self.get_etag()}"'
        return super().get_property_value(name)  # type: ignore[misc]

    def get_last_modified(self) -> float:
        return self.provider.modified_at(self.path, self.entry)

    def set_last_modified(self, dest_path: str, time_stamp: str, *, dry_run: bool) -> bool:
        """The time that a client asks for in so many words; the file gets another CID with it."""
        if not dry_run:
            with _as_dav_errors():
                self.provider.tree.touch(_name(dest_path), float(time_stamp))
        return True

    def handle_delete(self) -> bool:
        self._check_locks_below()
        self._apply(Remove(path=self.path, recursive=True))
        self.remove_all_locks(recursive=True)
        return True

    def handle_move(self, dest_path: str) -> bool:
        target = _name(dest_path)
        self._over(target, Move(source=self.path, destination=target, exact=True))
        self.remove_all_locks(recursive=True)
        return True

    def handle_copy(self, dest_path: str, *, depth_infinity: bool) -> bool:
        target = _name(dest_path)
        if self.is_collection and not depth_infinity:
            self._over(target, Mkdir(path=target))
        else:
            self._over(target, Copy(source=self.path, destination=target, exact=True))
        return True

    def _over(self, target: str, operation: AnyOperation) -> None:
        """Do it, and in the same step remove what stands at the target, which WsgiDAV has allowed."""
        if is_equal_or_child_uri(self.path, target):  # WsgiDAV does not see it where delimiters are hidden
            raise DAVError(HTTP_FORBIDDEN, "onto or below itself")
        self.environ[MADE] = self.provider.found(target) is None
        self._apply(Remove(path=target, recursive=True, missing_ok=True), operation)

    def _apply(self, *operations: AnyOperation) -> None:
        with _as_dav_errors():
            self.provider.tree.apply(*operations)

    def _check_locks_below(self) -> None:
        """Raises DAVError 423 if somebody else has locked something in this directory."""
        if "wsgidav.conditions.if" not in self.environ:
            parse_if_header_dict(self.environ)
        self.provider.lock_manager.check_write_permission(
            url=self.get_ref_url(),
            depth="infinity",
            token_list=self.environ["wsgidav.ifLockTokenList"],
            principal=self.environ["wsgidav.user_name"],
        )


class File(_Resource, DAVNonCollection):  # type: ignore[misc]
    """One file; `entry` is None of one that a PUT is about to make."""

    def __init__(
        self, path: str, entry: TreeEntry | None, provider: TreeProvider, environ: dict[str, Any]
    ) -> None:
        super().__init__(path, environ)
        self._entry = entry

    @property
    def entry(self) -> TreeEntry:  # type: ignore[override]
        if self._entry is None:
            found = self.provider.found(self.path)
            if found is None:
                raise DAVError(HTTP_PRECONDITION_FAILED, "removed meanwhile")
            self._entry = found
        return self._entry

    def get_content_length(self) -> int:
        return self.entry.size_bytes

    def support_ranges(self) -> bool:
        return True

    def get_content(self) -> Reader:
        return self.provider.tree.read(self.entry.cid)

    def begin_write(self, *, content_type: str | None = None) -> _Writer:
        del content_type
        conditional = "HTTP_IF_MATCH" in self.environ and self._entry is not None
        return _Writer(self, self.entry.cid if conditional else None)

    def end_write(self, *, with_errors: bool) -> None:
        """The entry is another one now."""
        self._entry = None


class _Writer:
    """Takes what a PUT brings, and keeps it only if that is all."""

    def __init__(self, file: File, if_cid: str | None) -> None:
        self._file = file
        self._if_cid = if_cid

    def writelines(self, pieces: Iterator[bytes]) -> None:
        length = self._file.environ.get("CONTENT_LENGTH") or None
        whole = _whole(pieces, None if length is None else int(length))
        with _as_dav_errors(conditional=self._if_cid is not None):
            self._file.provider.tree.write(self._file.path, whole, self._if_cid)

    def close(self) -> None:
        return


def _whole(pieces: Iterator[bytes], length: int | None) -> Iterator[bytes]:
    """The pieces; raises DAVError 400 if they end before `length` bytes, as those of a cut connection do."""
    size = 0
    for piece in pieces:
        size += len(piece)
        yield piece
    if length is not None and size != length:
        raise DAVError(HTTP_BAD_REQUEST, f"{size} bytes of {length} have come")


class Directory(_Resource, DAVCollection):  # type: ignore[misc]
    """One directory."""

    def __init__(self, path: str, entry: TreeEntry, provider: TreeProvider, environ: dict[str, Any]) -> None:
        super().__init__(path, environ)
        self.entry = entry

    def get_member_list(self) -> list[_Resource]:
        """Each with what the listing says of it, links as what they lead to."""
        with _as_dav_errors():
            entries = self.provider.tree.entries(self.path)
        members = []
        for entry in entries:
            path = join_uri(self.path, entry.name)
            found = self.provider.found(path) if entry.type == "symlink" else entry
            member = None if found is None else self.provider.resource(path, found, self.environ)
            if member is not None:
                members.append(member)
        return members

    def get_member_names(self) -> list[str]:
        with _as_dav_errors():
            return [entry.name for entry in self.provider.tree.entries(self.path)]

    def create_collection(self, name: str) -> None:
        path = join_uri(self.path, name)
        self._check_conditions(path)
        self._apply(Mkdir(path=path))

    def create_empty_resource(self, name: str) -> File:
        """A file that is only there once it is written, but for LOCK, which makes it (RFC 4918, 7.3)."""
        path = join_uri(self.path, name)
        self._check_conditions(path)
        if self.environ["REQUEST_METHOD"] == "LOCK":
            with _as_dav_errors():
                self.provider.tree.write(path, iter(()))
        return File(path, None, self.provider, self.environ)

    def _check_conditions(self, path: str) -> None:
        """Raises DAVError 412 if the request asks for what cannot be true of a path where nothing is.

        WsgiDAV evaluates the conditions of what is there alone.
        """
        if "HTTP_IF_MATCH" in self.environ:
            raise DAVError(HTTP_PRECONDITION_FAILED, "If-Match: nothing is there")
        if "HTTP_IF" not in self.environ:
            return
        parse_if_header_dict(self.environ)
        conditions, user = self.environ["wsgidav.conditions.if"], self.environ["wsgidav.user_name"]
        # A lock of the directory, of any depth, covers what is made in it.
        locks = self.provider.lock_manager.get_indirect_url_lock_list(self.get_ref_url(), principal=user)
        tokens = [lock["token"] for lock in locks]
        new = File(path, None, self.provider, self.environ)
        if not test_if_header_dict(new, conditions, new.get_ref_url(), tokens, ""):
            raise DAVError(HTTP_PRECONDITION_FAILED, "If: does not hold of what is not there")


def _name(path: str) -> str:
    """The tree's path of one of WebDAV's, where directories end in a slash."""
    return show_delimiters(path).rstrip("/") or "/"


def _check_headers(environ: dict[str, Any]) -> None:
    """Raises DAVError 400 for an If header that is none; a Range header that is to be ignored goes."""
    if "HTTP_IF" in environ and not is_if_header(environ["HTTP_IF"]):
        raise DAVError(HTTP_BAD_REQUEST, "If: not of the form of RFC 4918, 10.4")
    asked = single_range(environ.pop("HTTP_RANGE", ""))
    if asked is not None:
        environ["HTTP_RANGE"] = asked


def _would_replace_all(environ: dict[str, Any], destination: str | None) -> bool:
    """Whether the root itself is to go, or to be written over."""
    method = environ["REQUEST_METHOD"]
    if method in ("DELETE", "MOVE") and not environ["PATH_INFO"].strip("/"):
        return True
    return method in ("COPY", "MOVE") and destination == "/"


@contextmanager
def _as_dav_errors(*, conditional: bool = False) -> Iterator[None]:
    """Errors of the system become those of WebDAV, which have the same codes."""
    try:
        yield
    except Conflict as error:
        code = HTTP_PRECONDITION_FAILED if conditional else error.code
        raise DAVError(code, error.message) from error
    except BusError as error:
        raise DAVError(error.code, error.message) from error
