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

from .ipfs import EntryType, RootName, SizeBytes, UnixTime
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

    status: Literal["all"] | EntryState = "all"
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


# ---- the journal --------------------------------------------------------------------------------------


class LogRequest(Wire):
    """Entries of the journal, the newest first unless `after` is given: then those behind it, in order.
    With `path`, those that changed it or something below it."""

    after: Annotated[int | None, Field(ge=0)] = None
    limit: Annotated[int, Field(ge=1, le=100_000)] = 100
    path: TreePath | None = None


class Entry(Reply):
    """One entry: `changes` transactions that were written together, from tree `before` to tree `root`.

    `previous` is the SHA-256 of the entry before it, which is what chains them.
    """

    sequence: int
    id: str
    status: EntryState
    before: str
    root: str
    previous: str
    at: UnixTime
    node: str | None = None
    instance: str | None = None
    operations: dict[str, int] = Field(default_factory=dict)
    paths: list[str] = Field(default_factory=list)
    changes: int = 1
    error: str | None = None


class ChangeRecord(Reply):
    """One transaction as an entry tells of it. `transaction` is None for a change that was one request.

    `writes` says what it may have changed: a letter and a path each. `e`: what stands at the path; `p`: that,
    and directories above it may be new; `t`: that and everything below it. Many become few by naming what
    is above them.
    """

    transaction: str | None = None
    status: EntryState
    operations: dict[str, int] = Field(default_factory=dict)
    writes: list[str] = Field(default_factory=list)
    error: str | None = None
    started_at: UnixTime


class Totals(Reply):
    """Since the tree began: transactions by status, their operations by type."""

    statuses: dict[str, int] = Field(default_factory=dict)
    operations: dict[str, int] = Field(default_factory=dict)


class Record(Reply):
    """An entry as it is stored. `previous` is the SHA-256 of the bytes of the entry before, in hex; `recover`
    says that the entries before it were lost, or left behind, on purpose."""

    sequence: int
    id: str
    kind: Literal["commit", "recover"] = "commit"
    previous: str
    before: str
    root: str
    at: UnixTime
    node: str | None = None
    instance: str | None = None
    changes: list[ChangeRecord] = Field(default_factory=list)
    totals: Totals = Totals()


class StatusRequest(Wire):
    """Nothing to say."""


class JournalStatus(Reply):
    """The journal in numbers. Entries are transactions since the tree began; `journal_size_bytes` is what
    the stream holds now."""

    journal_enabled: bool
    total_entries: SizeBytes
    pending_entries: SizeBytes
    completed_entries: SizeBytes
    failed_entries: SizeBytes
    rolled_back_entries: SizeBytes = 0
    last_checkpoint: UnixTime | None = None
    journal_size_bytes: SizeBytes
    operations_by_type: dict[str, int]
    timestamp: UnixTime
    message: str | None = None

    root: str
    sequence: int
    first_sequence: Annotated[int, Field(description="The oldest state that can still be read")]
    last_checkpoint_sequence: int | None = None
    last_checkpoint_id: str | None = None
    checkpoints: SizeBytes = 0
    archived_sequence: Annotated[int | None, Field(description="Up to here the archive is on disk")] = None
    journal_base_path: str | None = None
    auto_recovery: bool | None = None
    sync_interval: float | None = None
    checkpoint_interval: float | None = None
    max_journal_size: int | None = None
    recovered_at: UnixTime | None = None
    recovery_ms: float | None = None


class EnableJournaling(Wire):
    """Where the archive is, and when it is written. Intervals are seconds.

    The journal itself is always on; this sets up, or moves, the archive from which a lost journal is
    recovered: `sync_interval` until its file is on the disk, a checkpoint after `checkpoint_interval` or
    `max_journal_size` entries, whichever comes first.
    """

    journal_base_path: Annotated[str, Field(min_length=1, max_length=4096)] = "~/.ipfs_kit/journal"
    auto_recovery: bool = True
    sync_interval: Annotated[float, Field(ge=0, le=3600)] = 5
    checkpoint_interval: Annotated[float, Field(ge=1, le=86_400)] = 60
    max_journal_size: Annotated[int, Field(ge=1, le=10_000_000)] = 1000


class JournalingEnabled(Reply):
    journal_enabled: bool
    journal_base_path: str
    auto_recovery: bool
    message: str
    timestamp: UnixTime


class CheckpointRequest(Wire):
    """Make a checkpoint now; `whole` writes all blocks and not only those that are new since the last."""

    whole: bool = False


class Checkpoint(Reply):
    """A state of the tree in the archive: `file` is a CAR, whole or building on the checkpoint `base`."""

    id: str
    sequence: int
    root: str
    at: UnixTime
    base: str | None = None
    file: str
    size_bytes: SizeBytes
    blocks: SizeBytes
    entries: Annotated[int, Field(ge=0, description="Entries since the checkpoint before")]


class CheckpointList(Wire):
    """Nothing to say: the newest first."""


class Recover(Wire):
    """Go back to what the journal and its archive say: by default the newest state that both can prove, or
    the state of one checkpoint, which then becomes a new entry."""

    checkpoint_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None


class Recovered(Reply):
    """`source` says which copy was used; `replayed` entries were verified behind the checkpoint."""

    root: str
    sequence: int
    source: Literal["journal", "archive", "checkpoint", "nothing"]
    checkpoint_id: str | None = None
    replayed: SizeBytes
    verified: bool
    restored_blocks: SizeBytes = 0
    lost_entries: Annotated[int, Field(ge=0, description="Known to have been there and not found again")] = 0
    duration_ms: float
    message: str


class VerifyJournal(Wire):
    """Check the whole chain, in the stream and in the archive, and that every state is readable."""

    roots: Annotated[bool, Field(description="Also look for the block of each root")] = True


class JournalVerified(Reply):
    ok: bool
    entries: SizeBytes
    archived_entries: SizeBytes
    checkpoints: SizeBytes
    problems: list[str] = Field(default_factory=list)
    duration_ms: float


class Truncation(Wire):
    """Forget entries before a sequence; never those behind the last checkpoint."""

    before: Annotated[int, Field(ge=1)]


class Truncated(Reply):
    removed: SizeBytes
    first_sequence: int


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


class CheckpointMade(Reply):
    id: str
    sequence: int
    root: str
    size_bytes: SizeBytes
    node: str | None = None
    at: UnixTime


class JournalRecovered(Reply):
    root: str
    sequence: int
    source: str
    node: str | None = None
    at: UnixTime
