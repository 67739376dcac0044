"""A local directory, entry by entry, and what of it the tree could not hold."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from posixpath import dirname, join, normpath

from cidbus.schemas.errors import BadRequest
from cidbus.schemas.paths import check_tree_path
from cidbus.schemas.tree import MAX_TARGET_BYTES

from .hashing import cid_of_link
from .memory import Local, Stamp

__all__ = ["Excludes", "Scan", "draft_name", "leads_out"]

# A list of everything that is wrong helps; a list of a million does not.
MAX_TOLD = 20

DRAFT = re.compile(r"\.cidbus-sync-[0-9a-f]{16}-[0-9a-f]{8}")


def draft_name(memory: str, token: str) -> str:
    """What a file is called until it is whole, by the id of the memory of the sync that writes it."""
    return f".cidbus-sync-{memory}-{token}"


def is_draft(path: str) -> bool:
    return DRAFT.fullmatch(path.rpartition("/")[2]) is not None


class Excludes:
    """Names and paths that are left alone on both sides.

    `*.pyc` is any entry of that name; with a `/` in it, as `/build` or `docs/*.html`, a pattern means the
    path from the top; `cache/`, any directory of that name. Files that a sync has not completed are always
    among them.
    """

    def __init__(self, patterns: tuple[str, ...] = ()) -> None:
        self._patterns = [(pattern.strip("/"), pattern) for pattern in patterns if pattern.strip("/")]
        self._above = lru_cache(maxsize=4096)(self._has_directory)

    def has(self, path: str, *, is_directory: bool) -> bool:
        """Whether the entry, or a directory above it, is left alone."""
        is_left_alone = self._matches(path, is_directory) or (not is_directory and is_draft(path))
        return is_left_alone or self._above(dirname(path))

    def _has_directory(self, path: str) -> bool:
        return path != "" and self.has(path, is_directory=True)

    def _matches(self, path: str, is_directory: bool) -> bool:
        for pattern, given in self._patterns:
            if given.endswith("/") and not is_directory:
                continue
            from_top = given.startswith("/") or "/" in pattern
            if fnmatchcase(path if from_top else path.rpartition("/")[2], pattern):
                return True
        return False


class Scan:
    """One walk through the directory `top`, which is to be at `path` of the tree; `drafts` are the files met
    on it that a sync has not completed."""

    def __init__(self, top: Path, path: str, excludes: Excludes) -> None:
        self._top = top
        self._path = path
        self._excludes = excludes
        self._problems: list[str] = []
        self._problem_count = 0
        self.entries = 0
        self.drafts: list[str] = []

    def __iter__(self) -> Iterator[Local]:
        """Every entry that the tree can hold, directories before what is in them, in no order otherwise.

        Raises OSError for what cannot be read.
        """
        return self._walk("")

    def refuse(self) -> None:
        """Raises BadRequest, naming it, if there was something that the tree cannot hold."""
        if self._problem_count:
            more = self._problem_count - len(self._problems)
            told = "; ".join(self._problems) + (f"; and {more} more" if more else "")
            raise BadRequest("directory", f"{told} (--exclude leaves them out)")

    def _walk(self, above: str) -> Iterator[Local]:
        # Recursion is bounded by the depth of a path, which `_problem` checks before going down.
        try:
            found = os.scandir(self._top / above)
        except FileNotFoundError:
            if above:
                return  # it has just vanished
            raise
        with found:
            for item in found:
                path = f"{above}/{item.name}" if above else item.name
                is_directory = item.is_dir(follow_symlinks=False)
                if self._excludes.has(path, is_directory=is_directory):
                    if not is_directory and is_draft(path):
                        self.drafts.append(path)
                    continue
                entry = self._entry(item, path)
                if entry is None:
                    continue
                self.entries += 1
                yield entry
                if is_directory:
                    yield from self._walk(path)

    def _entry(self, item: os.DirEntry[str], path: str) -> Local | None:
        """The entry; None, and a problem more, for what cannot be in the tree or has just vanished."""
        try:
            found = item.stat(follow_symlinks=False)
            target = os.readlink(item) if stat.S_ISLNK(found.st_mode) else None  # noqa: PTH115
        except FileNotFoundError:
            return None
        problem = self._problem(path, found.st_mode, target)
        if problem is not None:
            self._problem_count += 1
            if len(self._problems) < MAX_TOLD:
                self._problems.append(f"{path[:200]!r}: {problem}")
            return None
        stamp = Stamp.of(found)
        if target is not None:
            return Local(path, "symlink", stamp, target, cid_of_link(target))
        return Local(path, "directory" if stat.S_ISDIR(found.st_mode) else "file", stamp)

    def _problem(self, path: str, mode: int, target: str | None) -> str | None:
        try:
            check_tree_path(f"{self._path}/{path}")
        except ValueError as error:
            return str(error)
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            return "neither a file, a directory nor a symbolic link"
        if target is not None and leads_out(path, target):
            return f"a link that leads out: {target[:200]!r}"
        if target is not None and not _fits(target):
            return "a link whose target the tree cannot hold"
        return None


def leads_out(path: str, target: str) -> bool:
    """Whether a link at a relative path, as it reads, ends outside of the top."""
    if target.startswith("/"):
        return True
    end = normpath(join(dirname(path), target))
    return end == ".." or end.startswith("../")


def _fits(target: str) -> bool:
    try:
        return len(target.encode()) <= MAX_TARGET_BYTES
    except UnicodeEncodeError:
        return False
