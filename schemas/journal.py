"""What is said to and by the journal actor: the file tree that holds now, its transactions and its past.

A moment of the tree is the sequence of a journal entry. Reading takes `at`, one of

    12345              the tree as that entry left it
    @1764408000.5      as it was at that Unix time
    bafy…              any tree that is at hand, by its root CID

and without it the tree as it is now, or as an open `transaction` sees it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .ipfs import EntryType, RootName, UnixTime
from .tree import (
    MAX_OPERATIONS,
    AnyOperation,
    Copy,
    Metadata,
    Mkdir,
    Mode,
    Move,
    Mtime,
    Outcome,
    Put,
    Remove,
    Symlink,
    TreeEntry,
    TreePath,
    Truncate,
    Write,
)  # fmt: skip
from .wire import CidText, Reply, Wire

EntryState = Literal["pending", "completed", "failed", "rolled_back"]
OperationType = Literal[
    "create", "delete", "rename", "write", "truncate", "metadata", "checkpoint", "mount", "unmount"
]
# Of the paths that an entry has changed, an entry and its event name at most so many.
MAX_PATHS_TOLD = 100

TransactionId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._-]+$")]
Moment = Annotated[
    str, Field(min_length=1, max_length=512, description="A sequence, `@` and a Unix time, or a root CID")
]
Sync = Literal["now", "batch"]


# ---- changing the tree --------------------------------------------------------------------------------


class Changing(Wire):
    """What every change takes: the transaction it belongs to, or else how soon it is written.

    Either way it is durable when it is answered; `batch` waits a little for others to share the write with.
    """

    transaction: TransactionId | None = None
    sync: Sync = "now"
    if_root: Annotated[CidText | None, Field(description="Only if the whole tree is this one now")] = None


class MakeDirectory(Mkdir, Changing):
    """Make a directory."""


class PutContent(Put, Changing):
    """Place content that has a CID at a path. `release` names a root to let go once it is there."""

    release: RootName | None = None


class WriteFile(Write, Changing):
    """Write into a file: `content` or `data` inside the request, else the stream that follows."""


class TruncateFile(Truncate, Changing):
    """Cut a file to a size, or fill it up with zeros."""


class RemoveEntry(Remove, Changing):
    """Remove an entry."""


class MoveEntry(Move, Changing):
    """Give an entry another path."""


class CopyEntry(Copy, Changing):
    """Place an entry at a second path."""


class MakeLink(Symlink, Changing):
    """Make a symbolic link."""


class SetMetadata(Metadata, Changing):
    """Set mode or time of an entry."""


class Touch(Changing):
    """Set the time of an entry (now, if none is given), making an empty file if there is nothing."""

    path: TreePath
    mtime: Mtime | None = None
    create: bool = True


class Chmod(Changing):
    path: TreePath
    mode: Mode


class Mount(Changing):
    """Place the content of a CID at a path, its directories made as needed."""

    cid: CidText
    path: TreePath


class Unmount(Changing):
    """Take what stands at a path out of the tree."""

    path: TreePath


class Restore(Changing):
    """Bring a path back as it was at a moment; what is there now is replaced. `/` is the whole tree."""

    path: TreePath = "/"
    at: Moment


class Apply(Changing):
    """Several operations as one: all of them or none."""

    operations: Annotated[list[AnyOperation], Field(min_length=1, max_length=MAX_OPERATIONS)]


class Changed(Reply):
    """A change that is done: `sequence` is its journal entry (None inside an open transaction), `root` the
    tree after it."""

    root: str
    sequence: int | None = None
    transaction: str | None = None
    outcomes: list[Outcome] = Field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """Of a change that was one operation."""
        return self.outcomes[0]


class Begin(Wire):
    """Begin a transaction: it sees the tree of now, and its own changes, until it ends or expires unused."""

    expires_in_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0


class End(Wire):
    transaction: TransactionId


class TransactionInfo(Reply):
    """A transaction: `base` is the tree it began with, `root` the tree it has made.

    `paths` are at most 100 of those it has changed; `operations` counts its operations by type.
    """

    transaction: str
    status: EntryState
    sequence: int | None = None
    base: str
    root: str
    operations: dict[str, int] = Field(default_factory=dict)
    paths: list[str] = Field(default_factory=list)
    error: str | None = None
    started_at: UnixTime
    ended_at: UnixTime | None = None
    instance: str | None = None


class TransactionList(Wire):
    """The newest first; open ones (`pending`) before all."""

    status: Literal["all", "pending", "completed", "failed", "rolled_back"] = "all"
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10


class Recorded(Changing):
    """One operation in the words of the documented journal API: `data` has what `operation_type` needs.

    create {content | cid | directory}, delete {recursive}, rename {destination}, write {content, offset},
    truncate {size}, metadata {mode, mtime}, mount {cid}, unmount {}.
    """

    operation_type: OperationType
    path: TreePath
    data: dict[str, object] | None = None
    metadata: dict[str, object] | None = None


# ---- reading it ---------------------------------------------------------------------------------------


class Seen(Wire):
    """What every question takes: which state of the tree is meant."""

    at: Moment | None = None
    transaction: TransactionId | None = None

    @model_validator(mode="after")
    def _one_state(self) -> Self:
        if self.at is not None and self.transaction is not None:
            raise ValueError("give `at` or `transaction`, not both")
        return self


class StatPath(Seen):
    path: TreePath = "/"
    follow: Annotated[bool, Field(description="Follow symbolic links")] = False


class PathStat(TreeEntry):
    """An entry, and the state of the tree that it was looked up in."""

    root: str
    sequence: int | None = None


class ReadFile(Seen):
    """Which bytes of which file; a negative `offset` counts from the end."""

    path: TreePath
    offset: int = 0
    length: Annotated[int | None, Field(ge=0)] = None


class ListPath(Seen):
    path: TreePath = "/"
    recursive: bool = False
    details: bool = True


class ListHead(Reply):
    """The state of the tree that a listing is of."""

    path: str
    root: str
    cid: str
    sequence: int | None = None


class FindPath(Seen):
    """Entries below a path, by `glob`, type and depth."""

    path: TreePath = "/"
    glob: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    type: EntryType | None = None
    max_depth: Annotated[int | None, Field(ge=0, le=256)] = None
    limit: Annotated[int | None, Field(ge=1)] = None


class UsePath(Seen):
    path: TreePath = "/"


class DiffStates(Wire):
    """What differs below a path between two moments; without `after`, now."""

    before: Moment
    after: Moment | None = None
    path: TreePath = "/"


class DiffHead(Reply):
    before: str
    after: str


class ExportPath(Seen):
    """The CID of a path, which may then be read, pinned or exported by anybody. With `pin` it is pinned."""

    path: TreePath = "/"
    pin: bool = False


class Exported(Reply):
    path: str
    cid: str
    root: str
    sequence: int | None = None


# ---- events -------------------------------------------------------------------------------------------


class TreeChanged(Reply):
    """The tree has changed: `paths` has the first 100 of those that did."""

    sequence: int
    before: str
    root: str
    paths: list[str]
    operations: dict[str, int]
    node: str | None = None
    at: UnixTime
