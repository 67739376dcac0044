"""Changing the file tree: files/mkdir, write, cp, mv, rm, chmod, touch and chcid.

Each command is one change of the tree, and durable when it is answered, whatever `flush` says.
"""

from __future__ import annotations

import posixpath
import re
import time
from collections.abc import AsyncIterator

from ...schemas.errors import BusError, InvalidContent, NotFound, NotSupported, TooLarge
from ...schemas.journal import (
    Chmod,
    CopyEntry,
    MakeDirectory,
    MoveEntry,
    PathStat,
    PutContent,
    RemoveEntry,
    Touch,
)
from ...schemas.subjects import FS_CHMOD, FS_CP, FS_MKDIR, FS_MV, FS_PUT, FS_RM, FS_TOUCH
from ...schemas.tree import TreeEntry
from ..bodies import at_most
from ..tree.writing import Writing, write_stream
from .adding import hash_option, version_option
from .command import Argument, Call, Command, flag, number, text
from .errors import Failed, Unmet, words_of
from .files import FLUSH, content_entry
from .forms import files, pieces_of
from .tree_paths import (
    MISSING,
    entry_at,
    in_tree_words,
    is_content_path,
    names_a_folder,
    present_entry_at,
    tree_path,
)

__all__ = ["COMMANDS"]

OCTAL = re.compile(r"[0-7]{1,10}")
ZEROS = bytes(1 << 18)
EXISTS = "file already exists"
TAKEN = "directory already has entry by that name"


async def mkdir(call: Call) -> None:
    path, parents = tree_path(call.arg), call.flag("parents")
    _usual_directory(call)
    if path == "/":
        if parents:
            return
        raise Failed("cannot create directory '/': Already exists")
    ask = MakeDirectory(path=path, parents=parents, mode=_mode(call), mtime=_mtime(call))
    with in_tree_words(path, standing=EXISTS, placing=True):
        await call.bus.request(FS_MKDIR, ask)


# ---- write ----------------------------------------------------------------------------------------------


async def write(call: Call) -> None:
    """Write the one file of the form, at most `count` bytes of it, at `offset`; the rest of what is there
    stays unless `truncate` is given."""
    path = tree_path(call.arg)
    offset, count = call.number("offset") or 0, call.number("count")
    if offset < 0:
        raise Failed("cannot have negative write offset")
    if count is not None and count < 0:
        raise Failed("cannot have negative byte count")
    truncate = call.flag("truncate")
    asked = Writing(
        path=path, offset=0 if truncate else offset, truncate=truncate, create=call.flag("create"),
        parents=call.flag("parents"), mode=_mode(call), mtime=_mtime(call), cid_version=_file_version(call),
        raw_leaves=call.choice("raw-leaves"), hash=hash_option(call),
    )  # fmt: skip
    async for part in files(call):
        pieces = pieces_of(call, part)
        pieces = pieces if count is None else at_most(pieces, count)
        # What is truncated is empty, so before `offset` there is nothing but zeros.
        pieces = _after_zeros(offset, pieces) if truncate and offset else pieces
        with in_tree_words(path, standing=f"{path} was not a file"):
            await write_stream(call.bus, asked, _within_limit(call, pieces))
        return
    raise Failed("file argument 'data' is required")


def _file_version(call: Call) -> int | None:
    """The CID version that is asked for; a hash other than the usual one needs version 1."""
    version = version_option(call)
    return 1 if hash_option(call) is not None and not version else version


async def _after_zeros(count: int, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for start in range(0, count, len(ZEROS)):
        yield ZEROS[: count - start]
    async for piece in pieces:
        yield piece


async def _within_limit(call: Call, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces; raises TooLarge once they go past what may be uploaded."""
    limit = call.bridge.settings.max_upload_bytes
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise TooLarge("data", limit=limit)
        yield piece


# ---- cp, mv ---------------------------------------------------------------------------------------------


async def cp(call: Call) -> None:
    """Place content, or an entry of the tree, at a path where nothing stands; with `force` over a file."""
    source, target = call.args[0], tree_path(call.args[1])
    source = source.rstrip("/") if is_content_path(source) else tree_path(source)
    if names_a_folder(call.args[1]):
        target = posixpath.join(target, posixpath.basename(source))
    parents, force = call.flag("parents"), call.flag("force")
    entry = await _source(call, source)
    if force:
        await _check_is_no_directory(call, target)
    prefix = f"cp: cannot put node in path {target}: "
    with in_tree_words(target, prefix, standing=TAKEN, placing=True):
        if isinstance(entry, PathStat):
            copy = CopyEntry(source=source, destination=target, parents=parents, overwrite=force, exact=True)
            await call.bus.request(FS_CP, copy)
        else:
            put = PutContent(path=target, cid=entry.cid, parents=parents, overwrite=force)
            await call.bus.request(FS_PUT, put)


async def _source(call: Call, path: str) -> TreeEntry:
    """What is to be copied; an entry of the tree is a PathStat. Raises Failed."""
    try:
        if is_content_path(path):
            return await content_entry(call, path)
        return await present_entry_at(call, path)
    except (InvalidContent, NotSupported) as error:
        raise Failed("cp: source must be a valid UnixFS (dag-pb or raw codec)") from error
    except (Failed, NotFound) as error:
        raise Failed(f"cp: cannot get node from path {path}: {words_of(error)}") from error


async def _check_is_no_directory(call: Call, target: str) -> None:
    """Only a file may be replaced; raises Failed."""
    found = await entry_at(call, target)
    if found is not None and found.type == "directory":
        raise Failed(f"cp: cannot unlink existing file: not a file: {target}")


async def mv(call: Call) -> None:
    """Give an entry another path: over a file, or into a directory that stands there."""
    source, target = tree_path(call.args[0]), tree_path(call.args[1])
    if source == "/":
        raise Failed(MISSING)
    name = posixpath.basename(source)
    if names_a_folder(call.args[1]):
        await present_entry_at(call, target)
        target = posixpath.join(target, name)
    found = await entry_at(call, target)
    into = found is not None and found.type == "directory" and target != source
    target = posixpath.join(target, name) if into else target
    move = MoveEntry(source=source, destination=target, overwrite=not into, exact=True)
    with in_tree_words(target, standing=TAKEN, placing=True):
        await call.bus.request(FS_MV, move)


# ---- rm -------------------------------------------------------------------------------------------------


async def rm(call: Call) -> AsyncIterator[str]:
    """Remove each of several paths; a line of text for each that could not be removed, then one error."""
    if not call.flag("flush"):
        raise Failed(
            "files rm always flushes for safety. The --flush flag cannot be set to false for this command"
        )
    failed = False
    for arg in call.args:
        try:
            await _remove(call, arg)
        except BusError as error:
            failed = True
            yield words_of(error)
    if failed:
        raise Failed("can't remove some files")


async def _remove(call: Call, text: str) -> None:
    """Raises Failed, and what the journal raises, with the path before the words."""
    try:
        path = tree_path(text)
    except Failed as error:
        raise Failed(f"{text} is not a valid path: {error.message}") from error
    force, recursive = call.flag("force"), call.flag("recursive")
    if path == "/":
        raise Failed(f"{path}: cannot delete root")
    if not (force or recursive):
        entry = await present_entry_at(call, path, prefix=f"{path}: ")
        if entry.type == "directory":
            raise Failed(f"{path}: path is a directory, use -r to remove directories")
    with in_tree_words(path, prefix=f"{path}: "):
        ask = RemoveEntry(path=path, recursive=force or recursive, missing_ok=force)
        await call.bus.request(FS_RM, ask)


# ---- mode, time, CID ------------------------------------------------------------------------------------


async def chmod(call: Call) -> None:
    """Set the mode of an entry, written in octal."""
    path = tree_path(call.args[1])
    with in_tree_words(path):
        await call.bus.request(FS_CHMOD, Chmod(path=path, mode=_octal(call.args[0])))


async def touch(call: Call) -> None:
    """Set the time of an entry, by default to now."""
    path, mtime = tree_path(call.arg), _mtime(call)
    with in_tree_words(path):
        ask = Touch(path=path, mtime=time.time() if mtime is None else mtime, create=False)
        await call.bus.request(FS_TOUCH, ask)


async def chcid(call: Call) -> None:
    """Directories of the tree have one form, so there is nothing to do, or it cannot be done."""
    entry = await present_entry_at(call, call.arg if call.args else "/")
    if entry.type != "directory":
        raise Failed("can only update directories")
    _usual_directory(call)


def _usual_directory(call: Call) -> None:
    """Raises Unmet if a directory is to be made otherwise than the tree makes them."""
    if version_option(call) == 0 or hash_option(call) not in (None, "sha2-256"):
        raise Unmet("cid-version, hash: directories of the tree have CIDs of version 1 with sha2-256")


def _octal(mode: str) -> int:
    if not OCTAL.fullmatch(mode):
        raise Failed(f'strconv.ParseInt: parsing "{mode[:32]}": invalid syntax')
    return int(mode, 8) & 0o7777


def _mode(call: Call) -> int | None:
    return _octal(call.text("mode")) if call.given("mode") else None


def _mtime(call: Call) -> float | None:
    """Seconds since 1970; none are given by 0 either, as in Kubo."""
    seconds = call.number("mtime")
    return seconds + (call.number("mtime-nsecs") or 0) / 1e9 if seconds else None


_PATH = (Argument("path"),)
_PARENTS = flag("parents", "p")
_METADATA = (text("mode"), number("mtime", kind="int64"), number("mtime-nsecs", kind="uint"))
_CID = (number("cid-version", "cid-ver"), text("hash"))
_FROM_TO = (Argument("source"), Argument("dest"))

COMMANDS = (
    Command("files/mkdir", mkdir, "Make directories.", _PATH, (FLUSH, _PARENTS, *_CID, *_METADATA)),
    Command(
        "files/write", write, "Append to (modify) a file in MFS.", (*_PATH, Argument("data", file=True)),
        (
            FLUSH, number("offset", "o", kind="int64"), flag("create", "e"), _PARENTS, flag("truncate", "t"),
            number("count", "n", kind="int64"), flag("raw-leaves"), *_CID, *_METADATA,
        ),
    ),
    Command(
        "files/cp", cp, "Add references to IPFS files and directories in MFS (or copy within MFS).", _FROM_TO,
        (FLUSH, flag("force"), _PARENTS),
    ),
    Command("files/mv", mv, "Move files.", _FROM_TO, (FLUSH,)),
    Command(
        "files/rm", rm, "Remove a file from MFS.", (Argument("path", variadic=True),),
        (FLUSH, flag("recursive", "r"), flag("force")),
    ),
    Command(
        "files/chmod", chmod, "Change optional POSIX mode permissions.",
        (Argument("mode"), *_PATH), (FLUSH,),
    ),
    Command(
        "files/touch", touch, "Set or change optional POSIX modification times.", _PATH,
        (FLUSH, number("mtime", kind="int64"), number("mtime-nsecs", kind="uint")),
    ),
    Command(
        "files/chcid", chcid, "Change the CID version or hash function of the root node of a given path.",
        (Argument("path", required=False),), (FLUSH, *_CID),
    ),
)  # fmt: skip
